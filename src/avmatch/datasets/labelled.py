"""Clips with classes, from whatever layout they lie in.

ESC-50, ESC-10, DCASE 2013/14    sound_layouts.py
UCF101, HMDB51, Kinetics         action_layouts.py
VGGSound, AudioSet               web_layouts.py
a CSV or Parquet file            a list of media (pair_lists.py) with a column `label`; or a folder with such a
                                 `manifest.csv`. Files are taken whole, and of a pair its sound
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from avmatch.core.errors import UsageError
from avmatch.datasets.action_layouts import read_hmdb51, read_kinetics, read_ucf101
from avmatch.datasets.inputs import MANIFEST_SUFFIXES
from avmatch.datasets.items import numbered
from avmatch.datasets.labelled_clips import LabelledClip, fold_splits
from avmatch.datasets.pair_lists import read_pair_list
from avmatch.datasets.sound_layouts import read_dcase, read_esc50, read_esc_folders
from avmatch.datasets.splits import TEST, TRAIN, VALIDATION, class_folds
from avmatch.datasets.web_layouts import read_audioset, read_vggsound

MANIFEST = "manifest.csv"
#: Made here where a set has no lists.
NUM_FOLDS = 5
#: Told by what is there; the one that asks for least comes last.
LAYOUTS: tuple[Callable[[Path], tuple[LabelledClip, ...] | None], ...] = (
    read_esc50,
    read_esc_folders,
    read_ucf101,
    read_hmdb51,
    read_vggsound,
    read_audioset,
    read_kinetics,
    read_dcase,
)


def read_labelled(path: str | Path) -> tuple[LabelledClip, ...]:
    """The clips of a folder or table; the layout is told by what is there.

    Raises:
        UsageError: it is none of the layouts, or one that is broken; the message names the file and the rule.
    """
    given = Path(path)
    table = given / MANIFEST if (given / MANIFEST).is_file() else given
    if table.suffix.lower() in MANIFEST_SUFFIXES:
        return _listed(table)
    for read in LAYOUTS if given.is_dir() else ():
        if clips := read(given):
            return clips
    known = "ESC-50, ESC-10, DCASE, UCF101, HMDB51, Kinetics, VGGSound and AudioSet"
    raise UsageError(f"{given}: no clips with classes; known are {known}, and tables with a column `label`")


def with_splits(clips: Sequence[LabelledClip]) -> tuple[tuple[str, ...], ...]:
    """What each clip is in each of the set's lists; where there is none, in so many folds that are made here.

    Raises:
        UsageError: a list has nothing to train on or nothing to test on.
    """
    if all(not clip.splits for clip in clips):
        label, group = (
            numbered(names)[0] for names in ([clip.label for clip in clips], [clip.group for clip in clips])
        )
        folds = class_folds(label, group, NUM_FOLDS, 0)
        return tuple(fold_splits(int(fold) + 1, NUM_FOLDS) for fold in folds)
    num_lists = max(len(clip.splits) for clip in clips)
    lists = zip(*(clip.splits + ("",) * (num_lists - len(clip.splits)) for clip in clips), strict=True)
    return tuple(zip(*(_with_test(number, told) for number, told in enumerate(lists, start=1)), strict=True))


def _with_test(number: int, told: Sequence[str]) -> Sequence[str]:
    """A list as it is; where it has no test, what it calls validation is one."""
    if not {TRAIN, TEST} <= {*told, *((TEST,) if VALIDATION in told else ())}:
        found = ", ".join(sorted(set(told) - {""}))
        raise UsageError(f"list {number} of {len(told)} clips has {found}; needs train, and test or validation")
    return told if TEST in told else [TEST if split == VALIDATION else split for split in told]


def _listed(table: Path) -> tuple[LabelledClip, ...]:
    pairs = read_pair_list(table)
    if alone := next((pair for pair in pairs if not pair.label), None):
        raise UsageError(f"{table}: {alone.video} has no class; every row needs a `label`")
    if piece := next((pair for pair in pairs if pair.start_seconds or pair.duration_seconds), None):
        raise UsageError(f"{table}: {piece.video}: classes are of whole files; cut its pieces into files of their own")
    return tuple(
        LabelledClip(pair.audio, (pair.label,), pair.group, (pair.split,) if pair.split else ()) for pair in pairs
    )
