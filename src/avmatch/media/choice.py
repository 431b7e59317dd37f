"""Which of a file's streams are its picture and its sound.

The picture is FFmpeg's best: no cover, no thumbnail. The sound is the one that a player would choose, of the picture's
own programme in a broadcast, no commentary and no description for the blind; a track that holds nothing, or timecode
alone, or hum or hiss, is passed over for one that holds more. A person may say otherwise (`StreamChoice`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import av
import av.container
import av.stream
import numpy as np
from av.stream import Discard, Disposition

from avmatch.core.errors import MediaError, UsageError
from avmatch.media.downmix import rise
from avmatch.media.programmes import multiplex
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
#: Of so many pictures a moving one has this share.
_ENOUGH_PICTURES, _MOVING_SHARE = 100, 0.1
#: A track whose peak stays below the first is silent; from the second on it sounds.
_SILENT_PEAK, _SOUNDING_PEAK = 1e-4, 1e-2
#: A track that rises this far is as good as any; below the second it hums or hisses.
_LIVELY_RISE, _DULL_RISE = 0.9, 0.3
_LISTEN_SECONDS, _HEARD_SECONDS = 60.0, 6.0


@dataclass(frozen=True)
class StreamChoice:
    """What of a file is used, where a person says so.

    Attributes:
        video, audio: the number of a stream in its file, from 0 on, as ffprobe shows it; None = the best.
        channel: of the sound, from 1 on; None = those that hold something.

    Raises:
        UsageError: there are no such numbers.
    """

    video: int | None = None
    audio: int | None = None
    channel: int | None = None

    def __post_init__(self) -> None:
        for name, number, least in (("video", self.video, 0), ("audio", self.audio, 0), ("channel", self.channel, 1)):
            if number is not None and number < least:
                kind = "channels" if name == "channel" else f"{name} streams"
                raise UsageError(f"{kind} are counted from {least} on, got {number}")


BEST = StreamChoice()


def check_streams(paths: Sequence[str], choice: StreamChoice, *, video: bool = True, audio: bool = True) -> None:
    """Raises UsageError if a file lacks what is asked for; ask before hours of measuring.

    A file that can't be read is passed over: whoever decodes it says what is wrong.

    Args:
        video, audio: what is used of these files.
    """
    if choice == BEST:
        return
    for path in paths:
        try:
            with opened(path) as container:
                if video and choice.video is not None:
                    video_stream(container, choice.video)
                if audio and (choice.audio is not None or choice.channel is not None):
                    check_channel(audio_stream(container, choice.audio), choice.channel)
        except MediaError:
            continue


def video_stream(container: av.container.InputContainer, number: int | None = None) -> av.VideoStream | None:
    """The best moving picture, or the one that is asked for. Raises UsageError if the file lacks it."""
    if number is not None:
        stream = _numbered(container, number, "video")
        assert isinstance(stream, av.VideoStream)
        return stream
    pictures = [
        stream
        for stream in container.streams.video
        if not stream.disposition & _STILLS and stream.codec_context is not None
    ]
    if len(pictures) < 2:
        return next(iter(pictures), None)
    moving = _moving(container, pictures)
    best = container.streams.best("video")
    return next((stream for stream in moving if best is not None and stream.index == best.index), moving[0])


def _moving(container: av.container.InputContainer, pictures: Sequence[av.VideoStream]) -> list[av.VideoStream]:
    """Those with pictures enough in the file's first seconds: a cover or a slate may bear any flag."""
    counts = dict.fromkeys((stream.index for stream in pictures), 0)
    with opened(container.name.removeprefix("file:")) as second, suppress(av.FFmpegError):
        for packet in second.demux([second.streams[number] for number in counts]):
            counts[packet.stream.index] += bool(packet.size)
            if max(counts.values()) >= _ENOUGH_PICTURES:
                break
    return [stream for stream in pictures if counts[stream.index] >= _MOVING_SHARE * max(counts.values())]


def audio_stream(container: av.container.InputContainer, number: int | None = None) -> av.AudioStream | None:
    """The sound that belongs to the picture, or the one that is asked for. Raises UsageError if the file lacks it."""
    if number is not None:
        stream = _numbered(container, number, "audio")
        assert isinstance(stream, av.AudioStream)
        return stream
    streams = [stream for stream in container.streams.audio if stream.codec_context is not None]
    if len(streams) < 2:
        return next(iter(streams), None)
    ordered = sorted(streams, key=_rank)
    if container.format.name == "mpegts":
        picture = video_stream(container)
        best, programmes = container.streams.best("audio", related=picture), multiplex(container, picture)
        ordered.sort(key=lambda stream: best is None or stream.index != best.index)
        ordered = [stream for stream in ordered if not programmes.has_apart(stream.index)] or ordered
    proper = [stream for stream in ordered if not stream.disposition & _OTHER_SOUNDS]
    chosen, has_sound = _liveliest(container, proper or ordered)
    return chosen if has_sound or len(proper) in (0, len(ordered)) else _liveliest(container, ordered)[0]


def _liveliest(
    container: av.container.InputContainer, ordered: Sequence[av.AudioStream]
) -> tuple[av.AudioStream, bool]:
    """The first track that is as good as any, and whether there is something to hear on it."""
    heard: list[_Heard] = []
    for stream in ordered:
        heard.append(_heard(container, stream.index))
        if heard[-1].is_sounding and heard[-1].rise >= _LIVELY_RISE:
            return stream, True
    place = max(range(len(ordered)), key=lambda place: (*heard[place].worth, -place))
    return ordered[place], heard[place].worth[2]


def _numbered(container: av.container.InputContainer, number: int, kind: str) -> av.stream.Stream:
    if number < len(container.streams) and container.streams[number].type == kind:
        stream: av.stream.Stream = container.streams[number]
        if getattr(stream, "codec_context", None) is not None:
            return stream
    path = container.name.removeprefix("file:")
    raise UsageError(f"{path}: stream {number} is no {kind} that can be decoded; it has {_listed(container)}")


def _listed(container: av.container.InputContainer) -> str:
    return "; ".join(f"{stream.index}: {_described(stream)}" for stream in container.streams) or "none"


def _described(stream: av.stream.Stream) -> str:
    """ "audio pcm_s16le, 2 channels, ita, Boom"."""
    context = getattr(stream, "codec_context", None)
    parts = [stream.type if context is None else f"{stream.type} {context.name}"]
    if isinstance(stream, av.VideoStream) and context is not None:
        parts.append(f"{stream.width}×{stream.height}")
    if isinstance(stream, av.AudioStream) and context is not None:
        parts.append(_num_channels(stream))
    tags = {key.lower(): value for key, value in stream.metadata.items()}
    parts += [tags[key] for key in ("language", "title", "name") if tags.get(key) not in (None, "und")]
    return ", ".join(parts)


def _num_channels(stream: av.AudioStream) -> str:
    num = stream.codec_context.layout.nb_channels
    return f"{num} channel{'s' if num != 1 else ''}"


def check_channel(stream: av.AudioStream | None, channel: int | None) -> None:
    """Raises UsageError if a sound has no such channel."""
    if stream is not None and channel is not None and channel > stream.codec_context.layout.nb_channels:
        path = Path(stream.container.name.removeprefix("file:"))
        raise UsageError(
            f"{path}: there is no channel {channel}; audio stream {stream.index} has {_num_channels(stream)}"
        )


def used_words(stream: av.stream.Stream, channels_used: str = "") -> str:
    """Which stream is used, and which channels of it, where there was a choice; else ""."""
    numbers = [other.index for other in stream.container.streams if other.type == stream.type]
    words = [f"{stream.type} stream {stream.index} of {', '.join(map(str, numbers))}"] if len(numbers) > 1 else []
    return ", ".join([*words, *([channels_used] if channels_used else [])])


def _rank(stream: av.AudioStream) -> tuple[bool, bool]:
    """Low for what a player would choose."""
    return bool(stream.disposition & _OTHER_SOUNDS), not stream.disposition & Disposition.default


@dataclass(frozen=True)
class _Heard:
    """What a track sounds like.

    Attributes:
        peak: its largest sample.
        rise: how far it rises above its floor (downmix.py); 0 for timecode.
    """

    peak: float = 0.0
    rise: float = 0.0

    @property
    def is_sounding(self) -> bool:
        """Whether it is no silence, nor the noise of an input without a microphone."""
        return self.peak >= _SOUNDING_PEAK

    @property
    def worth(self) -> tuple[bool, bool, bool]:
        """More for what is rather heard."""
        return self.rise > 0.0, self.rise >= _DULL_RISE and self.is_sounding, self.peak >= _SILENT_PEAK


def _heard(container: av.container.InputContainer, number: int) -> _Heard:
    """By some seconds from where it begins to sound, in its first minute."""
    peak, sounding, rate = 0.0, list[np.ndarray](), 0
    with suppress(av.FFmpegError, ValueError, KeyError):  # whoever decodes it says what is wrong
        for frame in _first_frames(container.name.removeprefix("file:"), number):
            data, rate = channels(frame), frame.sample_rate
            peak = max(peak, float(np.abs(data).max(initial=0.0)))
            if peak > 0.0 and all(len(data) == len(other) for other in sounding[:1]):
                sounding.append(data)
            if sum(part.shape[1] for part in sounding) >= _HEARD_SECONDS * rate:
                if peak >= _SOUNDING_PEAK:
                    break
                del sounding[: len(sounding) // 2]  # it may become louder
    return _Heard(peak, rise(np.concatenate(sounding, axis=1), rate)) if sounding else _Heard()


def _first_frames(path: str, number: int) -> Iterator[av.AudioFrame]:
    with opened(path) as second:
        for stream in second.streams:
            stream.discard = Discard.default if stream.index == number else Discard.all
        for frame in second.decode(second.streams[number]):
            if not isinstance(frame, av.AudioFrame) or (frame.time or 0.0) > _LISTEN_SECONDS:
                return
            yield frame
