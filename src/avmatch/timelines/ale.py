"""Avid log exchange: a table of clips for Avid's bins, tab-separated. One rate a file.

`Soundroll` names the recording and `Sound TC` its timecode at the clip's first frame; what that lacks is in
`Sound Subframes`, hundredths of a frame. `Sound Offset` is how far into the recording the clip begins, in frames and
hundredths.
"""

from __future__ import annotations

import math
from fractions import Fraction

from avmatch.media.timecode import timecode_at
from avmatch.timelines.edl import Reels, sub_frames
from avmatch.timelines.markup import Places
from avmatch.timelines.shoot import Clip, Timeline, is_drop_in

COLUMNS = (
    "Name",
    "Tracks",
    "Start",
    "End",
    "Duration",
    "FPS",
    "Tape",
    "Source File",
    "Soundroll",
    "Sound File",
    "Sound TC",
    "Sound Subframes",
    "Sound Offset Frames",
    "Sound Offset Subframes",
    "Sound Channels",
    "Confidence",
    "Comments",
)
#: Avid's names of picture sizes, by height; others are CUSTOM.
_FORMATS = {1080: "1080", 720: "720", 576: "PAL", 486: "NTSC", 480: "NTSC"}


def ale(timeline: Timeline, places: Places) -> bytes:
    """The clips of a timeline as an Avid log; all have its rate."""
    heading = [
        ("FIELD_DELIM", "TABS"),
        ("VIDEO_FORMAT", _FORMATS.get(timeline.height, "CUSTOM")),
        ("AUDIO_FORMAT", "48khz"),
        ("FPS", rate_text(timeline.rate)),
    ]
    reels = Reels()
    lines = ["Heading", *(f"{name}\t{value}" for name, value in heading), "", "Column", "\t".join(COLUMNS), "", "Data"]
    lines += ["\t".join(_row(clip, timeline, places, reels)) for clip in timeline.clips]
    return "\n".join([*lines, ""]).encode()


def rate_text(rate: Fraction) -> str:
    """23.976, 25, 29.97."""
    return f"{float(rate):.3f}".rstrip("0").rstrip(".")


def _row(clip: Clip, timeline: Timeline, places: Places, reels: Reels) -> list[str]:
    rate, media = timeline.rate, clip.pair.video
    is_drop = is_drop_in(media, timeline)
    num_frames = clip.pair.picture.num_frames
    begin = media.start_seconds
    start, end = (timecode_at(time, rate, is_drop=is_drop) for time in (begin, begin + num_frames / rate))
    channels = 0 if media.sound is None else media.sound.num_channels  # the clip's own
    tracks = "V" + "".join(f"A{number}" for number in range(1, channels + 1))
    cells = [clip.name, tracks, start, end, timecode_at(num_frames / rate, rate), rate_text(rate)]
    cells += [reels.name(clip.picture), places.path(media.path), *_sound_cells(clip, timeline, places)]
    cells += [f"{clip.pair.match.confidence:.2f}", clip.doubt]
    return list(map(str, cells))


def _sound_cells(clip: Clip, timeline: Timeline, places: Places) -> list[object]:
    audio, sound, lag = clip.pair.audio, clip.pair.sound, clip.pair.lag_seconds
    if audio is None or sound is None or lag is None:
        return [""] * 7
    exact = (audio.start_seconds + lag) * timeline.rate
    hundredths = round(100 * exact)
    frame = math.floor(Fraction(hundredths, 100))
    code = timecode_at(frame / timeline.rate, timeline.rate, is_drop=is_drop_in(audio, timeline))
    frames, rest = sub_frames(lag * timeline.rate)
    return [audio.path.stem, places.path(audio.path), code, hundredths - 100 * frame, frames, rest, sound.num_channels]
