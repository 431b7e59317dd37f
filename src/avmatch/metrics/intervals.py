"""How far a mean could be off: the percentile bootstrap and Student's t.

The bootstrap draws as many values as there are, with replacement, again and again, and takes the quantiles of the
means (Efron, "Bootstrap methods: another look at the jackknife", 1979). It assumes no form and suits many values; with
a handful (folds, seeds) it comes out too narrow, and Student's t is the one to quote.

Values of one person or recording resemble each other. Given their groups, whole groups are drawn instead of values (the
cluster bootstrap: Davison and Hinkley, "Bootstrap methods and their application", 1997, section 3.8).

Letters in shapes: N values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Shaped
from scipy.stats import t as student

from avmatch.core.errors import UsageError
from avmatch.metrics.classes import confusions


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


# Is one system better than another? Differences fold by fold, or seed by seed, on the same items.
#
# Folds differ more than systems do; what is left when each fold is compared with itself is the systems' difference.
#
# Letters in shapes: F folds (or seeds).


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


# The share of trials that are right, with its interval, and the classes that are taken for others, by name.

#: How many mistakes a report lists.
NUM_MISTAKES = 10


@dataclass(frozen=True)
class Share:
    """A share of trials, 0…1, with its bootstrap interval over groups: None with fewer than two of them."""

    share: float
    low: float | None
    high: float | None
    num_trials: int

    def percent(self) -> str:
        """As tables have it, with half the width of the interval."""
        if self.low is None or self.high is None:
            return f"{100 * self.share:.1f}"
        return f"{100 * self.share:.1f}±{50 * (self.high - self.low):.1f}"


@dataclass(frozen=True)
class Mistake:
    """A class that was taken for another one, how often, of how many."""

    label: str
    guess: str
    count: int
    support: int

    def values(self, *keys: str) -> dict[str, object]:
        """The four under other names."""
        return dict(zip(keys, (self.label, self.guess, self.count, self.support), strict=True))


def share_of(hits: Bool[np.ndarray, " N"], groups: Sequence[str], seed: int) -> Share:
    """The share of hits; the interval resamples people, or recordings, not trials."""
    if len(set(groups)) < 2:
        return Share(float(hits.mean()), None, None, len(hits))
    interval = bootstrap_interval(hits, seed, group=np.array(groups))
    return Share(float(hits.mean()), interval.low, interval.high, len(hits))


def commonest_mistakes(
    scores: Float[np.ndarray, "N K"] | Float32[np.ndarray, "N K"], label: Int[np.ndarray, " N"], names: Sequence[str]
) -> tuple[Mistake, ...]:
    """The NUM_MISTAKES commonest, the commonest first."""
    return tuple(
        Mistake(names[one.said], names[one.heard], one.count, one.num_said)
        for one in confusions(scores, label, NUM_MISTAKES)
    )
