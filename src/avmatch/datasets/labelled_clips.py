"""The noun of sets with classes: a clip, its classes, and where the set's own lists put it."""

from __future__ import annotations

from dataclasses import dataclass

from avmatch.datasets.splits import TEST, TRAIN


@dataclass(frozen=True)
class LabelledClip:
    """A file whose class is known.

    Attributes:
        path: the file.
        labels: its classes, one in most sets.
        group: the recording that it was cut from, or the path where nobody says; a group is never cut through.
        splits: where each official list puts it: `train`, `test`, `validation`, or "" = not in that list. Five fixed
            folds are five lists, each with another fold as its test. Empty where there is no list.
        subset: a part of the set that is a set of its own, such as `esc10`.
    """

    path: str
    labels: tuple[str, ...]
    group: str
    splits: tuple[str, ...] = ()
    subset: str = ""

    @property
    def label(self) -> str:
        """Its class; the first of several."""
        return self.labels[0]


def fold_splits(fold: int, num_folds: int) -> tuple[str, ...]:
    """What a clip of fold 1…num_folds is in each of the lists."""
    return tuple(TEST if fold == number else TRAIN for number in range(1, num_folds + 1))
