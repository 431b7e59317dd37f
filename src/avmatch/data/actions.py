"""Sets of labelled actions as they are handed out.

    UCF101     `<Class>/v_<Class>_g01_c01.avi`; lists `trainlist01.txt` (`Class/v_….avi label`), `testlist01.txt` (the
               same, the label may lack) and so on to 03, and `classInd.txt` (`label Class`). The group is the gXX.
    HMDB51     `<class>/<film>_<class>_….avi`; lists `<class>_test_split1.txt` to 3 with `name 1` for training, `name 2`
               for testing, `name 0` for neither. The group is the film.
    Kinetics   `{train,val,test}/<class>/<YouTube id>_<start>_<end>.mp4`, times with six digits

Videos and lists may lie in the folder itself or in one inside it (`UCF-101`, `ucfTrainTestlist`, …). Clips that a list
names and that aren't there are left out, as sets are never whole, unless none is there.

A reader returns no clip where its layout isn't, and raises UsageError, with the file and the rule, where it is broken.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from avmatch.core.errors import UsageError
from avmatch.data.clips import Clip
from avmatch.data.inputs import VIDEO_SUFFIXES, natural_key
from avmatch.data.splits import TEST, TRAIN, VALIDATION

_UCF_LIST = re.compile(r"(?P<split>train|test)list0?(?P<number>\d)\.txt")
_UCF_NAME = re.compile(r"v_(?P<group>.+_g\d+)_c\d+")
_HMDB_LIST = re.compile(r"(?P<label>.+)_test_split(?P<number>\d)\.txt")
_HMDB_SPLITS = {"0": "", "1": TRAIN, "2": TEST}
_KINETICS_SPLITS = {"train": TRAIN, "val": VALIDATION, "validate": VALIDATION, "test": TEST}
_KINETICS_NAME = re.compile(r"(?P<id>.{11})_\d{6}_\d{6}")

Listed = dict[str, dict[int, str]]
"""`class/name` → number of the list → split."""
_Group = Callable[[str], str]


def read_ucf101(folder: Path) -> tuple[Clip, ...]:
    """The clips that the lists name."""
    listed: Listed = defaultdict(dict)
    for path, told in _lists(folder, _UCF_LIST):
        classes = _ucf_classes(path.parent / "classInd.txt")
        for number, line in _numbered(path):
            name, _, label = line.partition(" ")
            within = name.partition("/")[0]
            if not name.endswith(".avi") or "/" not in name or (label and classes.get(label, within) != within):
                raise UsageError(
                    f"{path}, line {number}: must be `Class/name.avi` and the class's number, got {line!r}"
                )
            listed[name][int(told["number"])] = told["split"]
    return _clips(folder, listed, _ucf_group) if listed else ()


def _ucf_classes(path: Path) -> dict[str, str]:
    return {line.split()[0]: line.split()[-1] for _, line in _numbered(path)} if path.is_file() else {}


def _ucf_group(name: str) -> str:
    told = _UCF_NAME.fullmatch(Path(name).stem)
    return told["group"] if told else name


def read_hmdb51(folder: Path) -> tuple[Clip, ...]:
    """The clips that the lists name."""
    listed: Listed = defaultdict(dict)
    for path, told in _lists(folder, _HMDB_LIST):
        for number, line in _numbered(path):
            name, _, split = line.rpartition(" ")
            if split not in _HMDB_SPLITS or not name:
                raise UsageError(f"{path}, line {number}: must be `name.avi` and 0, 1 or 2, got {line!r}")
            listed[f"{told['label']}/{name}"][int(told["number"])] = _HMDB_SPLITS[split]
    return _clips(folder, listed, _hmdb_group) if listed else ()


def _hmdb_group(name: str) -> str:
    label, _, file = name.partition("/")
    return f"{label}/{file.partition(f'_{label}_')[0]}"


def read_kinetics(folder: Path) -> tuple[Clip, ...]:
    """Every clip, split by split; the group is the YouTube id."""
    clips = []
    for name, split in _KINETICS_SPLITS.items():
        for path in sorted(folder.glob(f"{name}/*/*"), key=lambda path: natural_key(os.fspath(path))):
            told = _KINETICS_NAME.fullmatch(path.stem)
            if told and path.suffix.lower() in VIDEO_SUFFIXES:
                clips.append(Clip(str(path), str(path), told["id"], (path.parent.name,), (split,)))
    return tuple(clips)


def _lists(folder: Path, pattern: re.Pattern[str]) -> list[tuple[Path, re.Match[str]]]:
    """Files of that name in the folder, or in one inside it."""
    found = [(path, pattern.fullmatch(path.name)) for path in (*folder.glob("*.txt"), *folder.glob("*/*.txt"))]
    matching = [(path, told) for path, told in found if told is not None]
    return sorted(matching, key=lambda item: natural_key(os.fspath(item[0])))


def _clips(folder: Path, listed: Listed, group_of: _Group) -> tuple[Clip, ...]:
    """Those that are there."""
    roots = [folder, *(path for path in sorted(folder.iterdir()) if path.is_dir())]
    numbers = sorted({number for splits in listed.values() for number in splits})
    clips = []
    for name, splits in sorted(listed.items(), key=lambda item: natural_key(item[0])):
        path = next((root / name for root in roots if (root / name).is_file()), None)
        if path is not None:
            own = tuple(splits.get(number, "") for number in numbers)
            clips.append(Clip(str(path), str(path), group_of(name), (name.partition("/")[0],), own))
    if not clips:
        raise UsageError(f"{folder}: the lists name {len(listed)} clips, such as {next(iter(listed))}; none is there")
    return tuple(clips)


def _numbered(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that aren't empty, from 1."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not a list in UTF-8 ({error})") from error
    return ((number, line.strip()) for number, line in enumerate(text.splitlines(), start=1) if line.strip())
