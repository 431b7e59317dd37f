"""Which of a file's streams are its picture and its sound.

The picture is FFmpeg's best: no cover, no thumbnail. The sound is the one that a player would choose, of the picture's
own programme in a broadcast, no commentary and no description for the blind; a track that holds nothing is passed
over for one that does.
"""

from __future__ import annotations

import av
import av.container
import numpy as np
from av.stream import Discard, Disposition

from avmatch.media.samples import channels
from avmatch.media.source import opened

_STILLS = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
_OTHER_SOUNDS = (
    Disposition.comment
    | Disposition.hearing_impaired
    | Disposition.visual_impaired
    | Disposition.descriptions
    | Disposition.karaoke
    | Disposition.non_diegetic
)
#: A track whose peak stays below the first, while another's is above the second, holds nothing.
_SILENT_PEAK, _SOUNDING_PEAK = 1e-4, 1e-2
_LISTEN_SECONDS = 60.0


def video_stream(container: av.container.InputContainer) -> av.VideoStream | None:
    """The best moving picture."""
    moving = [
        stream
        for stream in container.streams.video
        if not stream.disposition & _STILLS and stream.codec_context is not None
    ]
    if len(moving) < 2:
        return next(iter(moving), None)
    best = container.streams.best("video")
    return next((stream for stream in moving if best is not None and stream.index == best.index), moving[0])


def audio_stream(container: av.container.InputContainer) -> av.AudioStream | None:
    """The sound that belongs to the picture."""
    streams = [stream for stream in container.streams.audio if stream.codec_context is not None]
    if len(streams) < 2:
        return next(iter(streams), None)
    ordered = sorted(streams, key=_rank)
    if container.format.name == "mpegts":
        best = container.streams.best("audio", related=video_stream(container))
        ordered.sort(key=lambda stream: best is None or stream.index != best.index)
    for stream in ordered:
        peak = _peak(container, stream.index)
        if peak >= _SILENT_PEAK:
            return stream if stream is ordered[0] or peak >= _SOUNDING_PEAK else ordered[0]
    return ordered[0]


def _rank(stream: av.AudioStream) -> tuple[bool, bool]:
    """Low for what a player would choose."""
    return bool(stream.disposition & _OTHER_SOUNDS), not stream.disposition & Disposition.default


def _peak(container: av.container.InputContainer, number: int) -> float:
    """The largest sample of a track's first minute; where it is loud, of as much as it takes to know."""
    peak = 0.0
    with opened(container.name.removeprefix("file:")) as second:
        for stream in second.streams:
            stream.discard = Discard.default if stream.index == number else Discard.all
        try:
            for frame in second.decode(second.streams[number]):
                if not isinstance(frame, av.AudioFrame) or (frame.time or 0.0) > _LISTEN_SECONDS:
                    break
                peak = max(peak, float(np.abs(channels(frame)).max(initial=0.0)))
                if peak >= _SOUNDING_PEAK:
                    break
        except (av.FFmpegError, ValueError, KeyError):  # whoever decodes it says what is wrong
            return peak
    return peak
