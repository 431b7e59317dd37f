"""The timeline as a table: a clip a row, with the source timecode of both sides; as CSV, Parquet or lines of JSON."""

from __future__ import annotations

import io
import json
from fractions import Fraction
from types import ModuleType

from avmatch.core.clock import milliseconds_from_seconds
from avmatch.core.errors import MissingExtraError
from avmatch.core.results import Cell, csv_text
from avmatch.media.info import MediaInfo
from avmatch.timelines.ale import rate_text
from avmatch.timelines.markup import Places
from avmatch.timelines.shoot import Clip, Timeline, label_of

#: `offset_samples` is where the clip's first frame lies in the recording, from its first sample on, or from its first
#: frame where it has a picture too.
COLUMNS = tuple(
    "clip video audio confidence offset_confidence offset_ms offset_samples sample_rate_hz fps video_timecode "
    "video_timecode_from audio_timecode audio_timecode_from audio_timecode_at_clip channels channel_names "
    "timeline_timecode timeline_frame num_frames lane check".split()
)
_WHOLE = ("offset_samples", "sample_rate_hz", "channels", "timeline_frame", "num_frames", "lane")
_REAL = ("confidence", "offset_confidence", "offset_ms")


def csv(timeline: Timeline, places: Places) -> bytes:
    """The table as CSV."""
    return csv_text(COLUMNS, [_row(clip, timeline, places) for clip in timeline.clips]).encode()


def jsonl(timeline: Timeline, places: Places) -> bytes:
    """The table as lines of JSON, a clip an object."""
    rows = (dict(zip(COLUMNS, _row(clip, timeline, places), strict=True)) for clip in timeline.clips)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def parquet(timeline: Timeline, places: Places) -> bytes:
    """The table as Parquet.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    pyarrow = check_parquet()
    rows = [_row(clip, timeline, places) for clip in timeline.clips]
    kinds = dict.fromkeys(_WHOLE, pyarrow.int64()) | dict.fromkeys(_REAL, pyarrow.float64())
    columns = {
        name: pyarrow.array([row[place] for row in rows], kinds.get(name, pyarrow.string()))
        for place, name in enumerate(COLUMNS)
    }
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), buffer)
    return buffer.getvalue()


def check_parquet() -> ModuleType:
    """The library. Raises MissingExtraError if it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow", "parquet", "the format parquet") from error
    return pyarrow


def _row(clip: Clip, timeline: Timeline, places: Places) -> tuple[Cell, ...]:
    match, video, audio, lag = clip.pair.match, clip.pair.video, clip.pair.audio, clip.pair.lag_seconds
    sound = clip.pair.sound
    cells: dict[str, Cell] = {
        "clip": clip.name,
        "video": places.path(video.path),
        "audio": places.path(audio.path) if audio is not None else None,
        "confidence": round(match.confidence, 4),
        "offset_confidence": None if match.offset_confidence is None else round(match.offset_confidence, 4),
        "offset_ms": None if match.offset_seconds is None else milliseconds_from_seconds(match.offset_seconds),
        "fps": rate_text(clip.pair.picture.rate),
        **_source("video", video, timeline),
        "timeline_timecode": str(timeline.label(clip.picture.at_frame)),
        "timeline_frame": clip.picture.at_frame,
        "num_frames": clip.picture.num_frames,
        "lane": clip.lane,
        "check": clip.doubt or None,
    }
    if sound is not None and audio is not None and lag is not None:
        cells |= {
            "offset_samples": int(lag * sound.sample_rate_hz),
            "sample_rate_hz": sound.sample_rate_hz,
            **_source("audio", audio, timeline),
            "audio_timecode_at_clip": str(label_of(audio, lag, timeline)),
            "channels": sound.num_channels,
            "channel_names": " ".join(sound.names) or None,
        }
    return tuple(cells.get(name) for name in COLUMNS)


def _source(kind: str, media: MediaInfo, timeline: Timeline) -> dict[str, Cell]:
    """A file's timecode and what said it; nothing where the file doesn't say."""
    if media.start is None:
        return {}
    return {
        f"{kind}_timecode": str(label_of(media, Fraction(0), timeline)),
        f"{kind}_timecode_from": media.start.source,
    }
