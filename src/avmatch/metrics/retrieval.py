"""Retrieval between videos and sounds, scored from their similarity matrix.

Rows are videos, columns are audio files, higher is more alike, and the truth is the diagonal. A query's rank is the
place of its match among all candidates, 1 = best. **Ties count against the system**: a candidate just as alike
stands before the true one, so a constant matrix scores 0 and not 100 %.

R@k is the share of queries whose rank is k or better. The subset scores are those of the STD2022 course: R@k in
random galleries of 50, averaged over 500 of them.

A matrix may be normalised over its gallery (matching.galleries) before it is scored. The subset scores then normalise
inside each subset: only the 50 are known there.

Letters in shapes: N videos, M audio files (as many), K values of k.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int

from avmatch.core.errors import UsageError
from avmatch.metrics.intervals import bootstrap_interval

Normalise = Callable[[Float[np.ndarray, "N M"]], Float[np.ndarray, "N M"]]

SUBSET_KS = (1, 5)


@dataclass(frozen=True)
class Recall:
    """A share of the queries, 0…1, with its bootstrap interval over items."""

    share: float
    low: float
    high: float


@dataclass(frozen=True)
class DirectionScores:
    """One direction's scores.

    Attributes:
        recall: R@k by k.
        median_rank: MedR: half of the queries find their match at this rank or better.
        mean_rank: the mean of the ranks; in contrast to the median it feels the worst of them.
        subset_recall: mean R@k in the random subsets, 0…1, by k; empty without subsets.
    """

    recall: Mapping[int, Recall]
    median_rank: float
    mean_rank: float
    subset_recall: Mapping[int, float]


@dataclass(frozen=True)
class RetrievalScores:
    """Both directions' scores of one gallery.

    Attributes:
        num_items: size of the gallery.
        subset_size: size of the random subsets, or None.
        video_to_audio: silent video asked, sounds ranked.
        audio_to_video: sound asked, videos ranked.
    """

    num_items: int
    subset_size: int | None
    video_to_audio: DirectionScores
    audio_to_video: DirectionScores


def validate(similarity: Float[np.ndarray, "N M"]) -> None:
    """Refuse what has no diagonal of true pairs, and NaN, which compares with nothing; infinities are allowed."""
    if similarity.shape[0] != similarity.shape[1] or not similarity.size:
        raise UsageError(f"the truth is the diagonal of a square similarity matrix, got shape {similarity.shape}")
    missing = np.argwhere(np.isnan(similarity))
    if len(missing):
        row, column = missing[0]
        raise UsageError(f"similarity[{row}, {column}] is NaN ({len(missing)} in all); -inf may say 'not at all'")


def true_ranks(similarity: Float[np.ndarray, "N M"]) -> Int[np.ndarray, " N"]:
    """The rank of each row's true column, 1 = best: how many columns are at least as alike, itself included."""
    validate(similarity)
    return (similarity >= np.diagonal(similarity)[:, None]).sum(axis=1)


def recall_at(ranks: Int[np.ndarray, " N"], k: int) -> float:
    """The share of ranks, 0…1, that are `k` or better."""
    if k < 1:
        raise UsageError(f"k must be 1 or more, got {k}")
    return float(np.mean(ranks <= k))


def subset_recalls(
    similarity: Float[np.ndarray, "N M"],
    *,
    size: int = 50,
    draws: int = 500,
    ks: Sequence[int] = SUBSET_KS,
    seed: int = 0,
    normalise: Normalise | None = None,
) -> Float64[np.ndarray, " K"]:
    """Mean R@k over random subsets of rows with their own columns.

    Args:
        similarity: (N, N), rows are the queries.
        size: items of a subset, fewer than N.
        draws: how many subsets; the same seed draws the same ones of any matrix of N.
        ks: the values of k.
        seed: of the draws.
        normalise: applied to each subset's matrix before it is scored.

    Returns:
        (K,) shares in 0…1, in the order of `ks`.
    """
    validate(similarity)
    num = len(similarity)
    if not 1 <= size < num:
        raise UsageError(f"a subset must be smaller than the gallery of {num} items, and not empty; got size {size}")
    rng = np.random.default_rng(seed)
    total = np.zeros(len(ks))
    for _ in range(draws):
        chosen = rng.choice(num, size, replace=False)
        gallery = similarity[np.ix_(chosen, chosen)]
        ranks = true_ranks(gallery if normalise is None else normalise(gallery))
        total += [recall_at(ranks, k) for k in ks]
    return total / draws


def evaluate(
    similarity: Float[np.ndarray, "N M"],
    *,
    ks: Sequence[int] = (1, 5, 10, 50),
    subset_size: int | None = 50,
    draws: int = 500,
    seed: int = 0,
    normalise: Normalise | None = None,
) -> RetrievalScores:
    """Every score of a gallery, in both directions.

    Args:
        similarity: (N, N), raw: videos × audio.
        ks: the values of k over the whole gallery; the subsets have SUBSET_KS.
        subset_size: items of a random subset, fewer than N; None scores no subsets.
        draws: how many subsets.
        seed: of the subsets and of the bootstrap.
        normalise: applied to the whole matrix, and afresh inside each subset; rows are the queries, so for audio →
            video it is given the transposed matrix.
    """
    validate(similarity)
    both = []
    for queries in (similarity, similarity.T):
        ranks = true_ranks(queries if normalise is None else normalise(queries))
        intervals = {k: bootstrap_interval(ranks <= k, seed) for k in ks}
        recall = {k: Recall(recall_at(ranks, k), one.low, one.high) for k, one in intervals.items()}
        subset: dict[int, float] = {}
        if subset_size is not None:
            shares = subset_recalls(queries, size=subset_size, draws=draws, seed=seed, normalise=normalise)
            subset = dict(zip(SUBSET_KS, shares.tolist(), strict=True))
        both.append(DirectionScores(recall, float(np.median(ranks)), float(ranks.mean()), subset))
    return RetrievalScores(len(similarity), subset_size, *both)
