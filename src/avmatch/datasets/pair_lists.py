"""Which video belongs to which sound: lists of media files to train on.

What a list can be:
    a CSV or Parquet file  `video` and `audio`, or `path` (or `file`): a video with its own sound. Optional: `group`
                           (pieces of one recording share it), `label`, `split`, `start_seconds`, `duration_seconds`,
                           `offset_ms` (positive = the sound comes late). Other columns are left alone. Paths are
                           relative to the file.
    a folder               with `truth.csv` (what `avmatch synth` writes), with `manifest.csv` (a list as above), with
                           `video/` and `audio/` (STD2022: the same stem is a pair; its tests are shuffled, and
                           refused), or these two in `Train/`, in the layout of UCF101, HMDB51,
                           Kinetics, VGGSound or AudioSet (action_layouts.py, web_layouts.py), or else all the videos in
                           it, each with its own sound.

`start_s` and `duration_s`, as manifests of cut pieces have them, tell where a piece lay in its source, not in the
file: they are left alone.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from avmatch.core.clock import seconds_from_milliseconds
from avmatch.core.errors import UsageError
from avmatch.datasets.action_layouts import read_hmdb51, read_kinetics, read_ucf101
from avmatch.datasets.inputs import MANIFEST_SUFFIXES, list_audio, list_videos
from avmatch.datasets.splits import TEST, known_split, recordings
from avmatch.datasets.std2022 import refuse_shuffled
from avmatch.datasets.synth.folder import TRUTH_COLUMNS
from avmatch.datasets.tables import Row, number_in, read_table
from avmatch.datasets.web_layouts import read_audioset, read_vggsound

OWN_SOUND_COLUMNS = ("path", "file")
_VIDEO_LAYOUTS = (read_ucf101, read_hmdb51, read_vggsound, read_audioset, read_kinetics)


@dataclass(frozen=True)
class MediaPair:
    """A video file and the file of its sound.

    Attributes:
        video, audio: paths; the same one twice where a video has its own sound.
        group: pieces of one recording share it; where nothing else is known, the pairs that share a file, and it is
            the path of their first video.
        label: its class, "" where unknown.
        start_seconds, duration_seconds: the part of both files that is meant; None is from the start, to the end.
        split: what the list says, "" where it says nothing.
        offset_seconds: how late the sound is.
    """

    video: str
    audio: str
    group: str
    label: str
    start_seconds: float | None = None
    duration_seconds: float | None = None
    split: str = ""
    offset_seconds: float = 0.0


def read_pair_list(path: str | Path) -> tuple[MediaPair, ...]:
    """The pairs that a table or a folder names (see the top of this file).

    Raises:
        UsageError: it is none of the known forms; the message names the file and the row.
    """
    given = Path(path)
    if given.is_dir():
        return _folder(given)
    if given.suffix.lower() in MANIFEST_SUFFIXES:
        return _table(given)
    raise UsageError(f"{given}: not a list of pairs; give a CSV or Parquet file or a folder of videos")


def to_learn_from(pairs: Sequence[MediaPair], source: str | Path) -> tuple[MediaPair, ...]:
    """Without those that a list keeps for tests. Raises UsageError if nothing is left."""
    kept = tuple(pair for pair in pairs if known_split(pair.split) != TEST)
    if not kept:
        raise UsageError(f"{source}: all its {len(pairs)} pairs are there to test on; name the list of the others")
    return kept


def _folder(folder: Path) -> tuple[MediaPair, ...]:
    for name in ("truth.csv", "manifest.csv"):
        if (folder / name).is_file():
            return _table(folder / name)
    if (folder / "video").is_dir() and (folder / "audio").is_dir():
        return _same_stems(folder)
    if (folder / "Train" / "video").is_dir() and (folder / "Train" / "audio").is_dir():
        return _same_stems(folder / "Train")
    for read in _VIDEO_LAYOUTS:
        if clips := read(folder):
            return tuple(MediaPair(c.path, c.path, c.group, c.label, split=(*c.splits, "")[0]) for c in clips)
    return tuple(MediaPair(video, video, group=video, label="") for video in list_videos(folder))


def _same_stems(folder: Path) -> tuple[MediaPair, ...]:
    refuse_shuffled(folder)
    audio = _by_stem(folder / "audio", list_audio(folder / "audio"))
    videos = _by_stem(folder / "video", list_videos(folder / "video"))
    if alone := sorted(audio.keys() ^ videos.keys()):
        raise UsageError(
            f"{folder}: the same stem in video/ and audio/ is a pair, but {alone[0]} is in one of them only "
            f"({len(alone)} such)"
        )
    return tuple(MediaPair(video, audio[stem], group=video, label="") for stem, video in videos.items())


def _by_stem(folder: Path, files: Sequence[str]) -> dict[str, str]:
    """Files by their path below `folder`, without the suffix. Raises UsageError if two are of one stem."""
    found: dict[str, str] = {}
    for file in files:
        stem = Path(file).relative_to(folder).with_suffix("").as_posix()
        if stem in found:
            raise UsageError(f"{found[stem]}, {file}: of one stem, so that either may be meant; keep one of them there")
        found[stem] = file
    return found


def _table(path: Path) -> tuple[MediaPair, ...]:
    columns, rows = read_table(path)
    own = next((name for name in OWN_SOUND_COLUMNS if name in columns), None)
    if own is None and not {"video", "audio"} <= set(columns):
        raise UsageError(
            f"{path}: needs the columns `video` and `audio`, or `path` for videos with their own sound; "
            f"found: {', '.join(columns) or 'none'}"
        )
    is_truth = columns == TRUTH_COLUMNS
    sides = ("video", "audio") if own is None or {"video", "audio"} <= set(columns) else (own, own)
    pairs = [
        _pair(path, number, row, sides, label=row.get("kind" if is_truth else "label", ""))
        for number, row in enumerate(rows, start=1)
        if not is_truth or (row["video"] and row["audio"])  # an empty side of a truth: an extra without a partner
    ]
    if not pairs:
        raise UsageError(f"{path}: names no pair")
    alone = [pair for pair in pairs if not pair.group]
    named = iter(recordings([(pair.video, pair.audio) for pair in alone]))
    return tuple(pair if pair.group else replace(pair, group=next(named)) for pair in pairs)


def _pair(path: Path, number: int, row: Row, sides: tuple[str, str], label: str) -> MediaPair:
    video, audio = (_file(path, number, row, column) for column in sides)
    offset_ms = number_in(path, number, row, "offset_ms", math.isfinite, "a number")
    return MediaPair(
        video,
        audio,
        group=row.get("group", ""),
        label=label,
        start_seconds=number_in(path, number, row, "start_seconds", lambda value: 0 <= value < math.inf, "0 or more"),
        duration_seconds=number_in(
            path, number, row, "duration_seconds", lambda value: 0 < value < math.inf, "above 0"
        ),
        split=row.get("split", ""),
        offset_seconds=seconds_from_milliseconds(offset_ms or 0.0),
    )


def _file(path: Path, number: int, row: Row, column: str) -> str:
    if not row[column]:
        raise UsageError(f"{path}, row {number}: `{column}` is empty; every row needs a file there")
    file = path.parent / row[column]
    if not file.is_file():
        raise UsageError(f"{path}, row {number}: {file} is not there; paths are relative to the table's folder")
    return os.fspath(file)
