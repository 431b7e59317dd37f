"""Sets of labelled pieces of web videos as they are handed out: a table, and the files that somebody has fetched.

    VGGSound   `vggsound.csv` with rows `id,start,label,split` and no headings; `<id>_<start, six digits>.mp4`
    AudioSet   `balanced_train_segments.csv`, `unbalanced_train_segments.csv`, `eval_segments.csv`: comments (`# …`),
               then rows `id, start, end, "label,label"`; files `<id>.…`, `Y<id>.…` or `<id>_<start>.…`, the start in
               seconds, with or without decimals and zeros in front, or in milliseconds; an end may follow.
               `class_labels_indices.csv` beside them gives the labels' names.

Files may lie in any folder inside. Pieces whose file isn't there are left out, as these sets are never whole, unless
none is there. The group is the YouTube id.

A reader returns no clip where its layout isn't, and raises UsageError, with the file and the rule, where it is broken.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator
from pathlib import Path

from avmatch.core.errors import UsageError
from avmatch.data.clips import Clip
from avmatch.data.inputs import AUDIO_SUFFIXES, VIDEO_SUFFIXES
from avmatch.data.manifest import read_table
from avmatch.data.splits import TEST, TRAIN

_VGGSOUND = "vggsound.csv"
_AUDIOSET = {
    "balanced_train_segments.csv": TRAIN,
    "unbalanced_train_segments.csv": TRAIN,
    "eval_segments.csv": TEST,
}
_NAME = re.compile(r"Y?(?P<id>.{11})(_(?P<start>\d+(\.\d+)?)(_\d+(\.\d+)?)?)?")
_NAMES = "class_labels_indices.csv"

Files = dict[tuple[str, float | None], str]
"""YouTube id and start in seconds, None where the name tells none → path."""


def read_vggsound(folder: Path) -> tuple[Clip, ...]:
    """The pieces that are there."""
    path = folder / _VGGSOUND
    if not path.is_file():
        return ()
    files, clips = _files(folder), []
    for number, row in _rows(path):
        if len(row) != 4 or not row[1].isdecimal() or row[3] not in (TRAIN, TEST):
            raise UsageError(f"{path}, row {number}: must be id,start,label,split with split train or test, got {row}")
        identity, start, label, split = row
        file = files.get((identity, float(start)))
        if file is not None:
            clips.append(Clip(file, file, identity, (label,), (split,)))
    return _some(path, clips)


def read_audioset(folder: Path) -> tuple[Clip, ...]:
    """The pieces that are there."""
    tables = [(folder / name, split) for name, split in _AUDIOSET.items() if (folder / name).is_file()]
    if not tables:
        return ()
    files, names, clips = _files(folder), _names(folder / _NAMES), []
    for path, split in tables:
        for number, row in _rows(path):
            try:
                identity, start_seconds, labels = row[0], float(row[1]), row[3].split(",")
            except (IndexError, ValueError) as error:
                raise UsageError(f'{path}, row {number}: must be id, start, end, "labels", got {row}') from error
            file = files.get((identity, start_seconds), files.get((identity, None)))
            if file is not None:
                named = tuple(names.get(label, label) for label in labels)
                clips.append(Clip(file, file, identity, named, (split,)))
    return _some(tables[0][0], clips)


def _names(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    return {row["mid"]: row["display_name"] for row in read_table(path, ("mid", "display_name"))[1]}


def _files(folder: Path) -> Files:
    """Every media file whose name is that of a piece; of several, a video."""
    found: Files = {}
    paths = sorted(folder.rglob("*"))
    for suffixes in (VIDEO_SUFFIXES, AUDIO_SUFFIXES):
        for path in paths:
            told = _NAME.fullmatch(path.stem)
            if told and path.suffix.lower() in suffixes:
                start = None if told["start"] is None else float(told["start"])
                found.setdefault((told["id"], start), os.fspath(path))
                if start is not None:
                    found.setdefault((told["id"], start / 1000), os.fspath(path))  # if it was told in milliseconds
    return found


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows that aren't empty or comments, from 1, as they are read: there are millions."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for number, row in enumerate(csv.reader(file, skipinitialspace=True), start=1):
                if row and not row[0].startswith("#"):
                    yield number, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: not a CSV in UTF-8 ({error})") from error


def _some(path: Path, clips: list[Clip]) -> tuple[Clip, ...]:
    if not clips:
        raise UsageError(f"{path}: none of the pieces that it names is in {path.parent}")
    return tuple(clips)
