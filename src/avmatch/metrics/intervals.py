"""How far a mean could be off: the percentile bootstrap and Student's t.

The bootstrap draws as many values as there are, with replacement, again and again, and takes the quantiles of the
means (Efron, "Bootstrap methods: another look at the jackknife", 1979). It assumes no form and suits many values; with
a handful (folds, seeds) it comes out too narrow, and Student's t is the one to quote.

Values of one person or recording resemble each other. Given their groups, whole groups are drawn instead of values (the
cluster bootstrap: Davison and Hinkley, "Bootstrap methods and their application", 1997, section 3.8).

Letters in shapes: N values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped
from scipy.stats import t as student

from avmatch.core.errors import UsageError


@dataclass(frozen=True)
class Interval:
    """From `low` to `high`, in the unit of the values."""

    low: float
    high: float


def bootstrap_interval(
    values: Float[np.ndarray, " N"] | Bool[np.ndarray, " N"],
    seed: int,
    *,
    group: Shaped[np.ndarray, " N"] | None = None,
    draws: int = 1000,
    level: float = 0.95,
) -> Interval:
    """Percentile bootstrap of the mean.

    Args:
        values: (N,) one figure per item; hits may be given as they are.
        seed: the same seed draws the same items, so that intervals of several figures of the same items compare.
        group: (N,) names or numbers; values of one group are drawn together. Two groups or more.
        draws: how often to resample.
        level: share of the resampled means inside, between 0 and 1.
    """
    _validate(values, 1, level)
    rng = np.random.default_rng(seed)
    if group is None:
        num = len(values)
        means = [values[rng.integers(num, size=num)].mean() for _ in range(draws)]
    else:
        means = _means_of_groups(values, group, rng, draws)
    low, high = np.quantile(means, ((1.0 - level) / 2, (1.0 + level) / 2))
    return Interval(float(low), float(high))


def student_interval(values: Float[np.ndarray, " N"], *, level: float = 0.95) -> Interval:
    """Student's t interval of the mean of two or more values that are about normal."""
    _validate(values, 2, level)
    num, mean = len(values), values.mean()
    reach = student.ppf((1.0 + level) / 2, num - 1) * values.std(ddof=1) / np.sqrt(num)
    return Interval(float(mean - reach), float(mean + reach))


def _means_of_groups(
    values: Float[np.ndarray, " N"] | Bool[np.ndarray, " N"],
    group: Shaped[np.ndarray, " N"],
    rng: np.random.Generator,
    draws: int,
) -> list[float]:
    _, number = np.unique(group, return_inverse=True)
    sizes, sums = np.bincount(number), np.bincount(number, values)
    num = len(sizes)
    if num < 2:
        raise UsageError("an interval by groups needs two or more of them, got 1")
    chosen = rng.integers(num, size=(draws, num))
    return list(sums[chosen].sum(axis=1) / sizes[chosen].sum(axis=1))


def _validate(values: Float[np.ndarray, " N"] | Bool[np.ndarray, " N"], fewest: int, level: float) -> None:
    if len(values) < fewest:
        raise UsageError(f"an interval of this kind needs {fewest} or more values, got {len(values)}")
    if not np.isfinite(values).all():
        raise UsageError(f"values[{int(np.argmin(np.isfinite(values)))}] is not a finite number")
    if not 0.0 < level < 1.0:
        raise UsageError(f"level must lie between 0 and 1, got {level:g}")
