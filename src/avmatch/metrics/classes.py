"""How often the right class is named: top-k, over items and over classes, and what is taken for what.

Letters in shapes: N items, K classes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from avmatch.core.errors import UsageError


@dataclass(frozen=True)
class Confusion:
    """Class `said` was taken for class `heard` so many times, of the `num_said` that there were."""

    said: int
    heard: int
    count: int
    num_said: int


def top_k_hits(
    scores: Float[np.ndarray, "N K"] | Float32[np.ndarray, "N K"], label: Int[np.ndarray, " N"], k: int
) -> Bool[np.ndarray, " N"]:
    """Whether fewer than k other classes score as high as the right one: ties, and NaN, count against the system."""
    if len(label) and not 0 <= label.min() <= label.max() < scores.shape[1]:
        raise UsageError(f"labels must lie in 0…{scores.shape[1] - 1}, got {label.min()}…{label.max()}")
    own = scores[np.arange(len(label)), label]
    return (~(scores < own[:, None])).sum(axis=1) <= k


def macro_mean(hits: Bool[np.ndarray, " N"], label: Int[np.ndarray, " N"]) -> float:
    """The mean over the classes that there are of the share of hits in each, so that rare ones weigh like others."""
    _, number = np.unique(label, return_inverse=True)
    return float((np.bincount(number, hits) / np.bincount(number)).mean())


def confusions(
    scores: Float[np.ndarray, "N K"] | Float32[np.ndarray, "N K"], label: Int[np.ndarray, " N"], num: int
) -> tuple[Confusion, ...]:
    """The `num` commonest mistakes, the commonest first."""
    said = Counter(label.tolist())
    taken = Counter(zip(label.tolist(), scores.argmax(axis=1).tolist(), strict=True))
    wrong = sorted((-count, right, heard) for (right, heard), count in taken.items() if right != heard)
    return tuple(Confusion(right, heard, -count, said[right]) for count, right, heard in wrong[:num])
