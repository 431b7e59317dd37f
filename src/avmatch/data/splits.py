"""Which pairs train and which are held back. A group (the pieces of one recording) is never cut through."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int

from avmatch.core.errors import UsageError
from avmatch.data.items import numbered
from avmatch.data.manifest import Clip

TRAIN, VALIDATION, TEST = "train", "validation", "test"
#: Made here where a set has no lists.
NUM_FOLDS = 5
#: What lists call them besides.
_OTHER_NAMES = {"val": VALIDATION, "valid": VALIDATION, "dev": VALIDATION, "testing": TEST, "training": TRAIN}


def known_split(word: str) -> str:
    """What a list calls a split, as one of TRAIN, VALIDATION and TEST; other words as they are."""
    return _OTHER_NAMES.get(word.lower(), word.lower())


def listed_as_held_back(splits: Sequence[str]) -> Bool[np.ndarray, " N"] | None:
    """What a list keeps for validation; None where it lists none, or nothing else."""
    found = np.array([known_split(split) == VALIDATION for split in splits], bool)
    return found if found.any() and not found.all() else None


def fold_splits(fold: int, num_folds: int) -> tuple[str, ...]:
    """What a clip of fold 1…num_folds is in each of the lists."""
    return tuple(TEST if fold == number else TRAIN for number in range(1, num_folds + 1))


def with_splits(clips: Sequence[Clip]) -> tuple[tuple[str, ...], ...]:
    """What each clip is in each of the set's lists; where there is none, in so many folds that are made here.

    Raises:
        UsageError: a list has nothing to train on or nothing to test on.
    """
    if all(not clip.splits for clip in clips):
        label, group = ([clip.label for clip in clips], [clip.group for clip in clips])
        folds = class_folds(numbered(label)[0], numbered(group)[0], NUM_FOLDS, 0)
        return tuple(fold_splits(int(fold) + 1, NUM_FOLDS) for fold in folds)
    num_lists = max(len(clip.splits) for clip in clips)
    lists = zip(*(clip.splits + ("",) * (num_lists - len(clip.splits)) for clip in clips), strict=True)
    return tuple(zip(*(_with_test(number, splits) for number, splits in enumerate(lists, start=1)), strict=True))


def _with_test(number: int, splits: Sequence[str]) -> Sequence[str]:
    """A list as it is; where it has no test, what it calls validation is one."""
    if not {TRAIN, TEST} <= {*splits, *((TEST,) if VALIDATION in splits else ())}:
        found = ", ".join(sorted(set(splits) - {""}))
        raise UsageError(f"list {number} of {len(splits)} clips has {found}; needs train, and test or validation")
    return splits if TEST in splits else [TEST if split == VALIDATION else split for split in splits]


def to_learn_from(clips: Sequence[Clip], source: str | Path) -> tuple[Clip, ...]:
    """Without those that a list keeps for tests. Raises UsageError if nothing is left."""
    kept = tuple(clip for clip in clips if known_split(clip.split) != TEST)
    if not kept:
        raise UsageError(f"{source}: all its {len(clips)} pairs are there to test on; name the list of the others")
    return kept


def split_by_group(
    group: Int[np.ndarray, " N"], validation_share: float, seed: int
) -> tuple[Int[np.ndarray, " A"], Int[np.ndarray, " B"]]:
    """Rows to train on and rows to validate on, each in rising order.

    Groups are shuffled, and taken for validation until its number of items is as near to the share as it gets. A
    share above 0 leaves at least one group on either side.

    Raises:
        UsageError: the share is not in 0…1 (1 excluded), or there is but one group to split.
    """
    if not 0 <= validation_share < 1:
        raise UsageError(f"validation_share must lie in 0…1 and below 1, got {validation_share}")
    number, sizes = _groups(group)
    if validation_share == 0:
        return np.arange(len(group)), np.arange(0)
    if len(sizes) < 2:
        raise UsageError(f"{len(group)} items of {len(sizes)} group can't be split; groups are never cut through")
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    distance = np.abs(np.cumsum(sizes[shuffled])[:-1] - validation_share * len(group))
    held_back = np.isin(number, shuffled[: distance.argmin() + 1])
    return np.flatnonzero(~held_back), np.flatnonzero(held_back)


def group_folds(group: Int[np.ndarray, " N"], num_folds: int, seed: int) -> Int[np.ndarray, " N"]:
    """The fold of each item, 0…num_folds − 1: groups in shuffled order, each to the fold that is smallest so far.

    Raises:
        UsageError: there are fewer than two folds, or fewer groups than folds.
    """
    number, sizes = _groups(group, num_folds)
    filled, fold_of_group = np.zeros(num_folds, np.int64), np.empty(len(sizes), np.int64)
    for one in np.random.default_rng(seed).permutation(len(sizes)):
        fold_of_group[one] = filled.argmin()
        filled[fold_of_group[one]] += sizes[one]
    return fold_of_group[number]


def class_folds(
    label: Int[np.ndarray, " N"], group: Int[np.ndarray, " N"], num_folds: int, seed: int
) -> Int[np.ndarray, " N"]:
    """The fold of each item, 0…num_folds − 1: groups in shuffled order, class by class, dealt out in turn.

    A group's class is that of its first item.

    Raises:
        UsageError: there are fewer than two folds, or fewer groups than folds.
    """
    number, sizes = _groups(group, num_folds)
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    label_of_group = label[np.unique(number, return_index=True)[1]]
    fold_of_group = np.empty(len(sizes), np.int64)
    fold_of_group[shuffled[np.argsort(label_of_group[shuffled], kind="stable")]] = np.arange(len(sizes)) % num_folds
    return fold_of_group[number]


def _groups(
    group: Int[np.ndarray, " N"], num_folds: int | None = None
) -> tuple[Int[np.ndarray, " N"], Int[np.ndarray, " G"]]:
    """Each item's group as 0…G − 1, and the sizes of the groups. Raises UsageError if folds are more than groups."""
    _, number, sizes = np.unique(group, return_inverse=True, return_counts=True)
    if num_folds is not None and not 2 <= num_folds <= len(sizes):
        raise UsageError(f"num_folds must lie in 2…{len(sizes)} (the number of groups), got {num_folds}")
    return number, sizes
