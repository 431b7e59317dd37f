"""Labelled media: files whose class is known, before anybody has made features of them.

    a folder    of folders, one a class, with media below: <label>/…/<file>; a folder's files are groups of their own
    a table     CSV or Parquet: `path` (or `file`), relative to it; optional `label`, `group` and `split`

A file that has but sound, or but a picture, is an item like others.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from avmatch.core.errors import UsageError
from avmatch.datasets.inputs import AUDIO_SUFFIXES, MANIFEST_SUFFIXES, VIDEO_SUFFIXES, natural_key
from avmatch.datasets.pair_lists import OWN_SOUND_COLUMNS
from avmatch.datasets.tables import of_split, read_table

MEDIA_SUFFIXES = VIDEO_SUFFIXES | AUDIO_SUFFIXES
MANIFEST = "manifest.csv"


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

    Raises:
        UsageError: a table names a file that isn't there, or there is no such split.
    """
    given = Path(path)
    if given.is_dir() and (given / MANIFEST).is_file():
        given = given / MANIFEST
    if given.is_file() and given.suffix.lower() in MANIFEST_SUFFIXES:
        return _table(given, split)
    found = _folder(given) if given.is_dir() else ()
    if found and split is not None:
        raise UsageError(f"{given}: has no splits; leave out --split")
    return found


def _folder(folder: Path) -> tuple[SceneFile, ...]:
    inside = {path: path.relative_to(folder).parts for path in folder.glob("*/**/*") if is_media(path)}
    found = [
        SceneFile(os.fspath(path), parts[0], os.fspath(path))
        for path, parts in inside.items()
        if path.is_file() and not any(part.startswith(".") for part in parts)
    ]
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
