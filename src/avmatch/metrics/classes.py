"""How good answers about classes are: top-k, precision, recall and F1, confusions, log loss and calibration.

    top-k               whether the right class is among the k best; ties, and NaN, count against the system
    precision           of what was called so, the share that is        recall   of what is, the share called so
    F1                  2·P·R / (P + R)                                 support  how many there are
    log loss            −mean log p(right class); proper: only honest probabilities do best
    reliability         how often the likeliest class is right, beside its probability, in equal bins
    calibration error   Σ bins: share of items · |accuracy − probability| (Naeini et al. 2015, "Obtaining well
                        calibrated probabilities using Bayesian binning"; Guo et al. 2017, eq. 3)

A class that is never named, or that there is none of, has 0 for precision, recall and F1, as scikit-learn has it
(zero_division=0).

Letters in shapes: N items, K classes, M bins.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from avmatch.core.errors import UsageError

#: How many mistakes a report lists.
NUM_MISTAKES = 10
#: A probability of 0 for what was the case would cost infinitely much; it counts as this. Files with three decimals
#: have zeros, so that it shows: print more.
LEAST_PROBABILITY = 1e-15
#: Rows may miss a sum of 1 by so much: ten classes printed with three decimals do.
_SUM_TOLERANCE = 0.02


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


@dataclass(frozen=True)
class ClassScores:
    """Of one class, or of their mean; `support` counts items."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, eq=False)
class Reliability:
    """Bins of equal width over 0…1, by the probability of the likeliest class.

    Attributes:
        count: items in each bin.
        probability: their mean probability; NaN where there is none.
        accuracy: how often they are right; NaN where there is none.
    """

    count: Int[np.ndarray, " M"]
    probability: Float[np.ndarray, " M"]
    accuracy: Float[np.ndarray, " M"]

    @property
    def error(self) -> float:
        """The expected calibration error."""
        gap = np.abs(np.nan_to_num(self.accuracy) - np.nan_to_num(self.probability))
        return float((self.count * gap).sum() / max(1, self.count.sum()))


def top_k_hits(
    scores: Float[np.ndarray, "N K"] | Float32[np.ndarray, "N K"], label: Int[np.ndarray, " N"], k: int
) -> Bool[np.ndarray, " N"]:
    """Whether fewer than k other classes score as high as the right one."""
    if len(label):
        _check_labels(label, scores.shape[1])
    own = scores[np.arange(len(label)), label]
    return (~(scores < own[:, None])).sum(axis=1) <= k


def macro_mean(hits: Bool[np.ndarray, " N"], label: Int[np.ndarray, " N"]) -> float:
    """The mean over the classes that there are of the share of hits in each, so that rare ones weigh like others."""
    _, number = np.unique(label, return_inverse=True)
    return float((np.bincount(number, hits) / np.bincount(number)).mean())


def commonest_mistakes(
    scores: Float[np.ndarray, "N K"] | Float32[np.ndarray, "N K"],
    label: Int[np.ndarray, " N"],
    names: Sequence[str],
    num: int = NUM_MISTAKES,
) -> tuple[Mistake, ...]:
    """The `num` commonest mistakes, the commonest first."""
    support = Counter(label.tolist())
    guesses = Counter(zip(label.tolist(), scores.argmax(axis=1).tolist(), strict=True))
    wrong = sorted((-count, right, guess) for (right, guess), count in guesses.items() if right != guess)
    return tuple(Mistake(names[right], names[guess], -count, support[right]) for count, right, guess in wrong[:num])


def confusion_matrix(
    label: Int[np.ndarray, " N"], guess: Int[np.ndarray, " N"], num_classes: int
) -> Int[np.ndarray, "K K"]:
    """Counts: rows are what is, columns what it was taken for."""
    counts = np.bincount(label * num_classes + guess, minlength=num_classes * num_classes)
    return counts.reshape(num_classes, num_classes)


def class_scores(confusion: Int[np.ndarray, "K K"]) -> tuple[ClassScores, ...]:
    """One for each class."""
    right, called, support = np.diag(confusion), confusion.sum(axis=0), confusion.sum(axis=1)
    precision, recall = _share(right, called).tolist(), _share(right, support).tolist()
    f1 = _share(2 * right, called + support).tolist()
    return tuple(map(ClassScores, precision, recall, f1, support.tolist()))


def averages(scores: tuple[ClassScores, ...]) -> tuple[ClassScores, ClassScores]:
    """Macro: the mean over the classes of which there are any. Weighted: by how many there are of each."""
    table = np.array([[one.precision, one.recall, one.f1] for one in scores])
    support = np.array([one.support for one in scores])
    macro, weighted = table[support > 0].mean(axis=0), support @ table / support.sum()
    num = int(support.sum())
    of_classes, of_items = (ClassScores(float(p), float(r), float(f), num) for p, r, f in (macro, weighted))
    return of_classes, of_items


def log_loss(probabilities: Float[np.ndarray, "N K"], label: Int[np.ndarray, " N"]) -> float:
    """The mean of −log p of each item's class."""
    _check_probabilities(probabilities, label)
    own = probabilities[np.arange(len(label)), label]
    return float((-np.log(np.clip(own, LEAST_PROBABILITY, 1.0))).mean())


def reliability(
    probabilities: Float[np.ndarray, "N K"], label: Int[np.ndarray, " N"], num_bins: int = 15
) -> Reliability:
    """The bins. A probability on an edge is of the bin below, 0 of the first."""
    _check_probabilities(probabilities, label)
    likeliest = probabilities.max(axis=1)
    hits = probabilities.argmax(axis=1) == label
    place = np.clip(np.ceil(likeliest * num_bins).astype(np.int64) - 1, 0, num_bins - 1)
    count = np.bincount(place, minlength=num_bins)
    with np.errstate(invalid="ignore"):
        probability = np.bincount(place, likeliest, num_bins) / count
        accuracy = np.bincount(place, hits, num_bins) / count
    return Reliability(count, probability, accuracy)


def _check_probabilities(probabilities: Float[np.ndarray, "N K"], label: Int[np.ndarray, " N"]) -> None:
    """Raises UsageError unless there are items, rows are distributions, and labels are among their classes."""
    if not len(label):
        raise UsageError("no item with a known class: there is nothing to measure")
    is_possible = (np.isfinite(probabilities) & (probabilities >= 0)).all(axis=1)
    if not is_possible.all():
        row = int(np.argmin(is_possible))
        raise UsageError(f"probabilities must be finite and not negative; item {row} has {probabilities[row]}")
    sums = probabilities.sum(axis=1)
    if np.abs(sums - 1).max() > _SUM_TOLERANCE:
        row = int(np.abs(sums - 1).argmax())
        raise UsageError(f"probabilities of an item must sum to 1; those of item {row} sum to {sums[row]:.3f}")
    _check_labels(label, probabilities.shape[1])


def _check_labels(label: Int[np.ndarray, " N"], num_classes: int) -> None:
    if not 0 <= label.min() <= label.max() < num_classes:
        raise UsageError(f"labels must lie in 0…{num_classes - 1}, got {label.min()}…{label.max()}")


def _share(part: Int[np.ndarray, " K"], whole: Int[np.ndarray, " K"]) -> Float[np.ndarray, " K"]:
    return np.where(whole > 0, part / np.maximum(whole, 1), 0.0)
