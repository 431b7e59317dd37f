"""Sets of labelled sounds as they are handed out.

    ESC-50      `meta/esc50.csv` with filename, fold, target, category, esc10, src_file, take; `audio/<filename>`, which
                is `<fold>-<src>-<take>-<target>.wav`. Those of ESC-10 are the subset `esc10`.
    ESC-10      a folder for each class, `001 - Dog bark/<fold>-<src>-<take>.ogg`; also other sets in this form
    DCASE       2013 and 2014, scenes: `<label>NN.wav`, the label is the name less its last two characters; in the
                folder, or for training in `scenes_stereo` and for testing in `scenes_stereo_testset`

ESC has five fixed folds, and the group is the recording at its source. DCASE's folder alone has no list.

A reader returns no clip where its layout isn't, and raises UsageError, with the file and the rule, where it is broken.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from avmatch.core.errors import UsageError
from avmatch.data.clips import Clip
from avmatch.data.inputs import AUDIO_SUFFIXES, natural_key
from avmatch.data.manifest import Row, read_table
from avmatch.data.splits import TEST, TRAIN, fold_splits

_NUM_FOLDS = 5
_ESC_COLUMNS = ("filename", "fold", "target", "category", "esc10", "src_file", "take")
_ESC_FILE = re.compile(r"(?P<fold>[1-5])-(?P<source>.+)-(?P<take>[A-Z]\d*)(-\d+)?")
_CLASS_FOLDER = re.compile(r"\d{3} - (?P<label>.+)")
_SCENE = re.compile(r"(?P<label>.*[^\d])\d\d")
_SCENE_FOLDERS = {"scenes_stereo": TRAIN, "scenes_stereo_testset": TEST}


def read_esc50(folder: Path) -> tuple[Clip, ...]:
    """The clips that the table names."""
    path = folder / "meta" / "esc50.csv"
    if not path.is_file():
        return ()
    return tuple(_esc50_clip(folder, row) for row in read_table(path, _ESC_COLUMNS)[1])


def _esc50_clip(folder: Path, row: Row) -> Clip:
    sound = folder / "audio" / row["filename"]
    if row["fold"] not in set("12345") or not row["category"]:
        raise row.error(f"needs a `category`, and a `fold` of 1…{_NUM_FOLDS}")
    if not sound.is_file():
        raise row.error(f"{sound} is not there")
    splits = fold_splits(int(row["fold"]), _NUM_FOLDS)
    return _clip(sound, row["category"], row["src_file"], splits, "esc10" if row["esc10"] == "True" else "")


def read_esc_folders(folder: Path) -> tuple[Clip, ...]:
    """The clips of every class's folder."""
    classes = [path for path in _sorted(folder) if path.is_dir() and _CLASS_FOLDER.fullmatch(path.name)]
    return tuple(_esc_clip(sound) for path in classes for sound in _sounds(path))


def _esc_clip(path: Path) -> Clip:
    name, within = _ESC_FILE.fullmatch(path.stem), _CLASS_FOLDER.fullmatch(path.parent.name)
    assert within is not None
    if name is None:
        raise UsageError(f"{path}: a clip of ESC must be called <fold 1…5>-<source>-<take>, such as 1-100032-A")
    return _clip(path, within["label"], name["source"], fold_splits(int(name["fold"]), _NUM_FOLDS))


def read_dcase(folder: Path) -> tuple[Clip, ...]:
    """The scenes of a folder, or of one for training and one for testing."""
    places: dict[Path, tuple[str, ...]] = {folder / name: (split,) for name, split in _SCENE_FOLDERS.items()}
    places = {place: splits for place, splits in places.items() if place.is_dir()} or {folder: ()}
    clips = [clip for place, splits in places.items() for clip in _scenes(place, splits)]
    return tuple(clips) if len({clip.label for clip in clips}) > 1 else ()


def _scenes(folder: Path, splits: tuple[str, ...]) -> list[Clip]:
    """Empty where one of the sounds is called otherwise."""
    named = [(path, _SCENE.fullmatch(path.stem)) for path in _sounds(folder)]
    clips = [_clip(path, name["label"], os.fspath(path), splits) for path, name in named if name]
    return clips if len(clips) == len(named) else []


def _clip(path: Path, label: str, group: str, splits: tuple[str, ...], subset: str = "") -> Clip:
    return Clip("", os.fspath(path), group, (label,), splits, subset)


def _sounds(folder: Path) -> list[Path]:
    return [path for path in _sorted(folder) if path.suffix.lower() in AUDIO_SUFFIXES]


def _sorted(folder: Path) -> list[Path]:
    return sorted((path for path in folder.iterdir() if path.name[0] != "."), key=lambda path: natural_key(path.name))
