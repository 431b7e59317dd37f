"""How far a mean could be off: the percentile bootstrap, the spread of repeated runs, and shares with their interval.

The bootstrap draws as many values as there are, with replacement, again and again, and takes the quantiles of the
means (Efron, "Bootstrap methods: another look at the jackknife", 1979). It assumes no form and suits many values; with
a handful (folds, seeds) it comes out too narrow.

Values of one person or recording resemble each other. Given their groups, whole groups are drawn instead of values (the
cluster bootstrap: Davison and Hinkley, "Bootstrap methods and their application", 1997, section 3.8).

A share of 0 or 1 has no bootstrap: every resampled mean is the same. Its interval is the exact one of the binomial
(Clopper and Pearson 1934), for as many trials as the groups are worth (Korn and Graubard, "Confidence intervals for
proportions with small expected number of positive counts estimated from survey data", 1998).

Letters in shapes: N values.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.stats
from jaxtyping import Bool, Float, Shaped

from avmatch.core.errors import UsageError


@dataclass(frozen=True)
class Interval:
    """From `low` to `high`, in the unit of the values."""

    low: float
    high: float


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation (of n − 1), in the unit of the values."""

    mean: float
    sd: float


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
class Middle:
    """A median with its bootstrap interval over groups: None with fewer than two of them."""

    median: float
    low: float | None
    high: float | None
    num_values: int


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
    if not len(values):
        raise UsageError("an interval of this kind needs 1 or more values, got 0")
    if not np.isfinite(values).all():
        raise UsageError(f"values[{int(np.argmin(np.isfinite(values)))}] is not a finite number")
    if not 0.0 < level < 1.0:
        raise UsageError(f"level must lie between 0 and 1, got {level:g}")
    rng = np.random.default_rng(seed)
    if group is None:
        num = len(values)
        means = [values[rng.integers(num, size=num)].mean() for _ in range(draws)]
    else:
        _, number = np.unique(group, return_inverse=True)
        sizes, sums = np.bincount(number), np.bincount(number, values)
        num = len(sizes)
        if num < 2:
            raise UsageError("an interval by groups needs two or more of them, got 1")
        chosen = rng.integers(num, size=(draws, num))
        means = list(sums[chosen].sum(axis=1) / sizes[chosen].sum(axis=1))
    low, high = np.quantile(means, ((1.0 - level) / 2, (1.0 + level) / 2))
    return Interval(float(low), float(high))


def spread(values: Float[np.ndarray, " F"]) -> Spread:
    """Mean and sample standard deviation of two or more values."""
    if len(values) < 2:
        raise UsageError(f"a spread needs two or more values, got {len(values)}")
    return Spread(float(values.mean()), float(values.std(ddof=1)))


def share_of(hits: Bool[np.ndarray, " N"], groups: Sequence[str], seed: int) -> Share:
    """The share of hits; the interval resamples people, or recordings, not trials."""
    if len(set(groups)) < 2:
        return Share(float(hits.mean()), None, None, len(hits))
    interval = bootstrap_interval(hits, seed, group=np.array(groups))
    return Share(float(hits.mean()), interval.low, interval.high, len(hits))


def exact_share_of(hits: Bool[np.ndarray, " N"], groups: Sequence[str]) -> Share:
    """The share of hits, with the exact interval of the binomial; also where there is no hit, or nothing else.

    Trials of one group resemble each other. N of them count as N/d, where d is by how much their groups' spread makes
    the variance larger than that of independent trials; where all are alike, as one a group.
    """
    num, share = len(hits), float(hits.mean())
    _, number = np.unique(np.array(groups), return_inverse=True)
    sizes, sums = np.bincount(number), np.bincount(number, hits)
    num_groups = len(sizes)
    worth = float(num_groups)
    if num_groups > 1 and 0.0 < share < 1.0:
        variance = num_groups / (num_groups - 1) * float(((sums - share * sizes) ** 2).sum()) / num**2
        worth = min(share * (1.0 - share) / max(variance, 1e-12), float(num))
    hit = share * worth
    low = 0.0 if share == 0.0 else float(scipy.stats.beta.ppf(0.025, hit, worth - hit + 1.0))
    high = 1.0 if share == 1.0 else float(scipy.stats.beta.ppf(0.975, hit + 1.0, worth - hit))
    return Share(share, low, high, num)


def median_of(values: Float[np.ndarray, " N"], groups: Sequence[str], seed: int, *, draws: int = 1000) -> Middle:
    """The median; the interval resamples people, or recordings, not values."""
    names, number = np.unique(np.array(groups), return_inverse=True)
    median = float(np.median(values))
    if len(names) < 2:
        return Middle(median, None, None, len(values))
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(number == group) for group in range(len(names))]
    medians = [
        np.median(values[np.concatenate([members[group] for group in rng.integers(len(names), size=len(names))])])
        for _ in range(draws)
    ]
    low, high = np.quantile(medians, (0.025, 0.975))
    return Middle(median, float(low), float(high), len(values))
