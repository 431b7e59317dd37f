"""The share of trials that are right, with its interval, and the classes that are taken for others, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from avmatch.metrics.classes import confusions
from avmatch.metrics.intervals import bootstrap_interval

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
