"""How good are answers to the three tasks of the collisions?

Answers and truth are mappings from a sound's name to a number: its class (task 1), or its film, −1 for none (tasks 2
and 3). A sound without an answer counts as wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from avmatch.systems.collisions.report import NO_PARTNER


@dataclass(frozen=True)
class AloneScore:
    """Of the answer "no partner"."""

    precision: float
    recall: float
    f1: float


def hits(answers: Mapping[str, int], truth: Mapping[str, int]) -> Bool[np.ndarray, " M"]:
    """Whether each sound of the truth, in its order, has the right answer."""
    return np.array([answers.get(sound) == number for sound, number in truth.items()], bool)


def alone_score(answers: Mapping[str, int], truth: Mapping[str, int]) -> AloneScore:
    """Task 3 in one group, or in several whose names were made distinct."""
    said = np.array([answers.get(sound) == NO_PARTNER for sound in truth])
    is_so = np.array([number == NO_PARTNER for number in truth.values()])
    both = int((said & is_so).sum())
    precision, recall = both / max(int(said.sum()), 1), both / max(int(is_so.sum()), 1)
    f1 = 2 * both / max(int(said.sum() + is_so.sum()), 1)
    return AloneScore(precision, recall, f1)
