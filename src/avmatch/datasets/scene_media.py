"""Labelled media: files whose class is known, before anybody has made features of them.

    a folder    in a layout that is known by itself (datasets/labelled.py: ESC-50, DCASE, UCF101, Kinetics …), or of
                folders, one a class, with media below: <label>/…/<file>; a folder's files are groups of their own
    a table     CSV or Parquet: `path` (or `file`), relative to it; optional `label`, `group` and `split`

A file that has but sound, or but a picture, is an item like others.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from avmatch.core.errors import UsageError
from avmatch.datasets.inputs import MANIFEST_SUFFIXES, MEDIA_SUFFIXES, natural_key
from avmatch.datasets.labelled import LAYOUTS
from avmatch.datasets.pair_lists import OWN_SOUND_COLUMNS
from avmatch.datasets.splits import TEST, known_split
from avmatch.datasets.tables import of_split, read_table

MANIFEST = "manifest.csv"
_SIDES = {"audio", "video"}


@dataclass(frozen=True)
class SceneFile:
    """A file and its class, "" where unknown; files of one recording share a group."""

    path: str
    label: str
    group: str


def is_media(path: Path) -> bool:
    """Whether the name says so."""
    return path.suffix.lower() in MEDIA_SUFFIXES


def list_scene_files(path: str | Path, split: str | None = None) -> tuple[SceneFile, ...]:
    """The files that a folder or a table names; none where it is neither of the forms at the top.

    Args:
        split: only this one, of a known layout by the first of its lists; None = all, but not such a list's tests.

    Raises:
        UsageError: a table names a file that isn't there, there is no such split, or folders are sides, not classes.
    """
    given = Path(path)
    if given.is_dir() and (given / MANIFEST).is_file():
        given = given / MANIFEST
    if given.is_file() and given.suffix.lower() in MANIFEST_SUFFIXES:
        return _table(given, split)
    if not given.is_dir():
        return ()
    if known := _of_layout(given, split):
        return known
    found = _folder(given)
    if found and split is not None:
        raise UsageError(f"{given}: has no splits; leave out --split")
    return found


def _of_layout(folder: Path, split: str | None) -> tuple[SceneFile, ...]:
    clips = next((clips for read in LAYOUTS if (clips := read(folder))), ())
    told = [(clip, known_split((*clip.splits, "")[0])) for clip in clips]
    kept = [clip for clip, own in told if (own != TEST if split is None else own == known_split(split))]
    if clips and not kept:
        raise UsageError(
            f"{folder}: has no clip of {split or 'what one learns from'}; leave out --split, or name another"
        )
    return tuple(SceneFile(clip.path, clip.label, clip.group) for clip in kept)


def _folder(folder: Path) -> tuple[SceneFile, ...]:
    inside = {path: path.relative_to(folder).parts for path in folder.glob("*/**/*") if is_media(path)}
    found = [
        SceneFile(os.fspath(path), parts[0], os.fspath(path))
        for path, parts in inside.items()
        if path.is_file() and not any(part.startswith(".") for part in parts)
    ]
    if {file.label.lower() for file in found} & _SIDES:
        raise UsageError(
            f"{folder}: audio and video are sides there, not classes; give features of theirs (of TAU "
            "feature/*.hdf5), or a table of files with `path` and `label`"
        )
    return tuple(sorted(found, key=lambda file: natural_key(file.path)))


def _table(path: Path, split: str | None) -> tuple[SceneFile, ...]:
    columns, rows = read_table(path)
    column = next((name for name in OWN_SOUND_COLUMNS if name in columns), None)
    if column is None:
        return ()
    files = []
    for row in of_split(path, columns, rows, split):
        file = path.parent / row[column]
        if not (row[column] and file.is_file()):
            number = rows.index(row) + 1
            raise UsageError(f"{path}, row {number}: {file} is not there; paths are relative to the table's folder")
        files.append(SceneFile(os.fspath(file), row.get("label", ""), row.get("group") or os.fspath(file)))
    return tuple(files)
