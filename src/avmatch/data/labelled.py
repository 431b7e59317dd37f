"""Sets of labelled clips as they are handed out: sounds, actions and pieces of web videos.

    ESC-50     `meta/esc50.csv` with filename, fold, target, category, esc10, src_file, take; `audio/<filename>`, which
               is `<fold>-<src>-<take>-<target>.wav`. Those of ESC-10 are the subset `esc10`.
    ESC-10     a folder for each class, `001 - Dog bark/<fold>-<src>-<take>.ogg`; also other sets in this form
    DCASE      2013 and 2014, scenes: `<label>NN.wav`, the label is the name less its last two characters; in the
               folder, or for training in `scenes_stereo` and for testing in `scenes_stereo_testset`
    UCF101     `<Class>/v_<Class>_g01_c01.avi`; lists `trainlist01.txt` (`Class/v_….avi label`), `testlist01.txt` (the
               same, the label may lack) and so on to 03, and `classInd.txt` (`label Class`). The group is the gXX.
    HMDB51     `<class>/<film>_<class>_….avi`; lists `<class>_test_split1.txt` to 3 with `name 1` for training, `name 2`
               for testing, `name 0` for neither. The group is the film.
    Kinetics   `{train,val,test}/<class>/<YouTube id>_<start>_<end>.mp4`, times with six digits
    VGGSound   `vggsound.csv` with rows `id,start,label,split` and no headings; `<id>_<start, six digits>.mp4`
    AudioSet   `balanced_train_segments.csv`, `unbalanced_train_segments.csv`, `eval_segments.csv`: comments (`# …`),
               then rows `id, start, end, "label,label"`; files `<id>.…`, `Y<id>.…` or `<id>_<start>.…`, the start in
               seconds, with or without decimals and zeros in front, or in milliseconds; an end may follow.
               `class_labels_indices.csv` beside them gives the labels' names.

ESC has five fixed folds, and the group is the recording at its source. DCASE's folder alone has no list. Of web videos
the group is the YouTube id. Videos and lists of UCF101 and HMDB51 may lie in the folder itself or in one inside it
(`UCF-101`, `ucfTrainTestlist`, …), files of VGGSound and AudioSet in any folder inside. Clips that a list names and
that are missing are left out, as these sets are never whole, unless all are missing.

A reader returns no clip where its layout isn't, and raises UsageError, with the file and the rule, where it is broken.
"""

import csv
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from avmatch.core.errors import UsageError
from avmatch.data.inputs import AUDIO_SUFFIXES, VIDEO_SUFFIXES, in_order, natural_key
from avmatch.data.manifest import Clip, Row, numbered_lines, read_table
from avmatch.data.splits import TEST, TRAIN, VALIDATION, fold_splits

_NUM_FOLDS = 5
_ESC_COLUMNS = ("filename", "fold", "target", "category", "esc10", "src_file", "take")
_ESC_FILE = re.compile(r"(?P<fold>[1-5])-(?P<source>.+)-(?P<take>[A-Z]\d*)(-\d+)?")
_CLASS_FOLDER = re.compile(r"\d{3} - (?P<label>.+)")
_SCENE = re.compile(r"(?P<label>.*[^\d])\d\d")
_SCENE_FOLDERS = {"scenes_stereo": TRAIN, "scenes_stereo_testset": TEST}
_UCF_LIST = re.compile(r"(?P<split>train|test)list0?(?P<number>\d)\.txt")
_UCF_NAME = re.compile(r"[^/]+/v_(?P<group>.+_g\d+)_c\d+\.avi")
_HMDB_LIST = re.compile(r"(?P<label>.+)_test_split(?P<number>\d)\.txt")
_HMDB_NAME = re.compile(r"(?P<group>(?P<label>[^/]+)/.*?)_(?P=label)_.*")
_HMDB_SPLITS = {"0": "", "1": TRAIN, "2": TEST}
_KINETICS_SPLITS = {"train": TRAIN, "val": VALIDATION, "validate": VALIDATION, "test": TEST}
_KINETICS_NAME = re.compile(r"(?P<id>.{11})_\d{6}_\d{6}")
_VGGSOUND = "vggsound.csv"
_AUDIOSET = {
    "balanced_train_segments.csv": TRAIN,
    "unbalanced_train_segments.csv": TRAIN,
    "eval_segments.csv": TEST,
}
_AUDIOSET_NAMES = "class_labels_indices.csv"
_PIECE_NAME = re.compile(r"Y?(?P<id>.{11})(_(?P<start>\d+(\.\d+)?)(_\d+(\.\d+)?)?)?")

Listed = dict[str, dict[int, str]]
"""`class/name` → number of the list → split."""
Pieces = dict[tuple[str, float | None], str]
"""YouTube id and start in seconds, None where the name has none → path."""


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
    return _sound_clip(sound, row["category"], row["src_file"], splits, "esc10" if row["esc10"] == "True" else "")


def read_esc_folders(folder: Path) -> tuple[Clip, ...]:
    """The clips of every class's folder."""
    found = []
    for inside in in_order(path for path in folder.iterdir() if path.is_dir()):
        if name := _CLASS_FOLDER.fullmatch(inside.name):
            found += [_esc_clip(sound, name["label"]) for sound in _sounds(inside)]
    return tuple(found)


def _esc_clip(path: Path, label: str) -> Clip:
    name = _ESC_FILE.fullmatch(path.stem)
    if name is None:
        raise UsageError(f"{path}: a clip of ESC must be called <fold 1…5>-<source>-<take>, such as 1-100032-A")
    return _sound_clip(path, label, name["source"], fold_splits(int(name["fold"]), _NUM_FOLDS))


def read_dcase(folder: Path) -> tuple[Clip, ...]:
    """The scenes of a folder, or of one for training and one for testing."""
    places: dict[Path, tuple[str, ...]] = {folder / name: (split,) for name, split in _SCENE_FOLDERS.items()}
    places = {place: splits for place, splits in places.items() if place.is_dir()} or {folder: ()}
    clips: list[Clip] = []
    for place, splits in places.items():
        named = [(path, _SCENE.fullmatch(path.stem)) for path in _sounds(place)]
        scenes = [_sound_clip(path, name["label"], os.fspath(path), splits) for path, name in named if name]
        clips += scenes if len(scenes) == len(named) else []
    return tuple(clips) if len({clip.label for clip in clips}) > 1 else ()


def _sound_clip(path: Path, label: str, group: str, splits: tuple[str, ...], subset: str = "") -> Clip:
    return Clip("", os.fspath(path), group, (label,), splits, subset)


def _sounds(folder: Path) -> list[Path]:
    return in_order(path for path in folder.iterdir() if path.suffix.lower() in AUDIO_SUFFIXES and path.name[0] != ".")


def read_ucf101(folder: Path) -> tuple[Clip, ...]:
    """The clips that the lists name."""
    listed: Listed = defaultdict(dict)
    for path, of_list in _lists(folder, _UCF_LIST):
        index = path.parent / "classInd.txt"
        lines = numbered_lines(index) if index.is_file() else ()
        classes = {line.split()[0]: line.split()[-1] for _, line in lines}
        for number, line in numbered_lines(path):
            name, _, label = line.partition(" ")
            within = name.partition("/")[0]
            if not name.endswith(".avi") or "/" not in name or (label and classes.get(label, within) != within):
                raise UsageError(
                    f"{path}, line {number}: must be `Class/name.avi` and the class's number, got {line!r}"
                )
            listed[name][int(of_list["number"])] = of_list["split"]
    return _listed_clips(folder, listed, _UCF_NAME)


def read_hmdb51(folder: Path) -> tuple[Clip, ...]:
    """The clips that the lists name."""
    listed: Listed = defaultdict(dict)
    for path, of_list in _lists(folder, _HMDB_LIST):
        for number, line in numbered_lines(path):
            name, _, split = line.rpartition(" ")
            if split not in _HMDB_SPLITS or not name:
                raise UsageError(f"{path}, line {number}: must be `name.avi` and 0, 1 or 2, got {line!r}")
            listed[f"{of_list['label']}/{name}"][int(of_list["number"])] = _HMDB_SPLITS[split]
    return _listed_clips(folder, listed, _HMDB_NAME)


def _lists(folder: Path, pattern: re.Pattern[str]) -> Iterator[tuple[Path, re.Match[str]]]:
    """Files of that name in the folder, or in one inside it."""
    for path in in_order((*folder.glob("*.txt"), *folder.glob("*/*.txt"))):
        if name := pattern.fullmatch(path.name):
            yield path, name


def _listed_clips(folder: Path, listed: Listed, grouped: re.Pattern[str]) -> tuple[Clip, ...]:
    """Those that are there; a name of another pattern is a group of its own."""
    roots = [folder, *(path for path in sorted(folder.iterdir()) if path.is_dir())]
    numbers = sorted({number for splits in listed.values() for number in splits})
    clips = []
    for name in sorted(listed, key=natural_key):
        path = next((root / name for root in roots if (root / name).is_file()), None)
        if path is not None:
            own = tuple(listed[name].get(number, "") for number in numbers)
            parts = grouped.fullmatch(name)
            group = parts["group"] if parts else name
            clips.append(Clip(str(path), str(path), group, (name.partition("/")[0],), own))
    if listed and not clips:
        raise UsageError(f"{folder}: the lists name {len(listed)} clips, such as {next(iter(listed))}; none is there")
    return tuple(clips)


def read_kinetics(folder: Path) -> tuple[Clip, ...]:
    """Every clip, split by split; the group is the YouTube id."""
    clips = []
    for name, split in _KINETICS_SPLITS.items():
        for path in in_order(folder.glob(f"{name}/*/*")):
            parts = _KINETICS_NAME.fullmatch(path.stem)
            if parts and path.suffix.lower() in VIDEO_SUFFIXES:
                clips.append(Clip(str(path), str(path), parts["id"], (path.parent.name,), (split,)))
    return tuple(clips)


def read_vggsound(folder: Path) -> tuple[Clip, ...]:
    """The pieces that are there."""
    path = folder / _VGGSOUND
    if not path.is_file():
        return ()
    pieces, clips = _pieces(folder), []
    for number, row in _rows(path):
        if len(row) != 4 or not row[1].isdecimal() or row[3] not in (TRAIN, TEST):
            raise UsageError(f"{path}, row {number}: must be id,start,label,split with split train or test, got {row}")
        identity, start, label, split = row
        if (file := pieces.get((identity, float(start)))) is not None:
            clips.append(Clip(file, file, identity, (label,), (split,)))
    return _some(path, clips)


def read_audioset(folder: Path) -> tuple[Clip, ...]:
    """The pieces that are there."""
    tables = [(folder / name, split) for name, split in _AUDIOSET.items() if (folder / name).is_file()]
    if not tables:
        return ()
    index = folder / _AUDIOSET_NAMES
    rows = read_table(index, ("mid", "display_name"))[1] if index.is_file() else ()
    names = {row["mid"]: row["display_name"] for row in rows}
    pieces, clips = _pieces(folder), []
    for path, split in tables:
        for number, row in _rows(path):
            try:
                identity, start_seconds, labels = row[0], float(row[1]), row[3].split(",")
            except (IndexError, ValueError) as error:
                raise UsageError(f'{path}, row {number}: must be id, start, end, "labels", got {row}') from error
            file = pieces.get((identity, start_seconds), pieces.get((identity, None)))
            if file is not None:
                named = tuple(names.get(label, label) for label in labels)
                clips.append(Clip(file, file, identity, named, (split,)))
    return _some(tables[0][0], clips)


def _pieces(folder: Path) -> Pieces:
    """Every media file whose name is that of a piece; of several, a video."""
    found: Pieces = {}
    paths = sorted(folder.rglob("*"))
    for suffixes in (VIDEO_SUFFIXES, AUDIO_SUFFIXES):
        for path in paths:
            name = _PIECE_NAME.fullmatch(path.stem)
            if name and path.suffix.lower() in suffixes:
                start = None if name["start"] is None else float(name["start"])
                found.setdefault((name["id"], start), os.fspath(path))
                if start is not None:
                    found.setdefault((name["id"], start / 1000), os.fspath(path))  # if it is in milliseconds
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


VIDEO_LAYOUTS = (read_ucf101, read_hmdb51, read_vggsound, read_audioset, read_kinetics)
#: The one with the fewest conditions comes last.
LABELLED_LAYOUTS = (read_esc50, read_esc_folders, *VIDEO_LAYOUTS, read_dcase)
