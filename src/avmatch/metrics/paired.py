"""Is one system better than another? Differences fold by fold, or seed by seed, on the same items.

Folds differ more than systems do; what is left when each fold is compared with itself is the systems' difference.

Letters in shapes: F folds (or seeds).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from avmatch.core.errors import UsageError
from avmatch.metrics.intervals import Interval, bootstrap_interval, student_interval


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation (of n − 1), in the unit of the values."""

    mean: float
    sd: float


@dataclass(frozen=True)
class PairedDifference:
    """By how much a system is ahead.

    Attributes:
        mean: of the differences.
        sd: their sample standard deviation.
        bootstrap: percentile bootstrap interval of the mean; too narrow where folds are few.
        student: Student's t interval of the mean.
    """

    mean: float
    sd: float
    bootstrap: Interval
    student: Interval


def spread(values: Float[np.ndarray, " F"]) -> Spread:
    """Mean and sample standard deviation of two or more values."""
    if len(values) < 2:
        raise UsageError(f"a spread needs two or more values, got {len(values)}")
    return Spread(float(values.mean()), float(values.std(ddof=1)))


def paired_interval(differences: Float[np.ndarray, " F"], seed: int) -> PairedDifference:
    """The mean difference of two systems, with its 95 % intervals.

    Args:
        differences: (F,) one system's figure less the other's, per fold or seed; two or more.
        seed: of the bootstrap.
    """
    whole = spread(differences)
    return PairedDifference(
        mean=whole.mean,
        sd=whole.sd,
        bootstrap=bootstrap_interval(differences, seed),
        student=student_interval(differences),
    )
