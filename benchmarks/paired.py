"""Is one system better than another? Differences fold by fold, or seed by seed, on the same items.

Folds differ more than systems do; what is left when each fold is compared with itself is the systems' difference. With
a handful of folds the bootstrap comes out too narrow, and Student's t is the one to quote.

Letters in shapes: F folds (or seeds), N values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import t as student

from avmatch.core.errors import UsageError
from avmatch.metrics.intervals import Interval, bootstrap_interval, spread


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


def student_interval(values: Float[np.ndarray, " N"], *, level: float = 0.95) -> Interval:
    """Student's t interval of the mean of two or more values that are about normal."""
    num = len(values)
    if num < 2:
        raise UsageError(f"an interval of this kind needs 2 or more values, got {num}")
    if not 0.0 < level < 1.0:
        raise UsageError(f"level must lie between 0 and 1, got {level:g}")
    mean = values.mean()
    reach = student.ppf((1.0 + level) / 2, num - 1) * values.std(ddof=1) / np.sqrt(num)
    return Interval(float(mean - reach), float(mean + reach))
