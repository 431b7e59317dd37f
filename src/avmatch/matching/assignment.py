"""Who belongs to whom, and how sure: one global one-to-one assignment with "no partner" on both sides.

Model: each set of disjoint pairs has a probability proportional to Π w_ij over its pairs, with
w_ij = λ · exp(nats_ij). λ is chosen so that, without evidence, a share `partner_prior` of the smaller side is
expected to be paired. The confidence of a pair is its marginal probability under this model, by belief propagation
(Bayati, Gamarnik, Katz, Nair and Tetali, "Simple deterministic approximation algorithms for counting matchings",
2007), so it knows that a sound that another video has a better claim to is not available. The assignment maximises the
sum of the scores (Kuhn's Hungarian method); a pair below the confidence threshold is no pair.

Letters in shapes: N videos, M audio files.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32, Float64, Int
from scipy.optimize import linear_sum_assignment

#: Expected share of the smaller side that has a partner, before looking.
PARTNER_PRIOR = 0.8
#: A pair is reported when it is at least this probable.
MIN_CONFIDENCE = 0.5
#: No evidence can outweigh this many nats: calibration beyond it has not been measured.
MAX_NATS = 30.0
_ROUNDS = 60


def confidences(
    nats: Float32[np.ndarray, "N M"], *, partner_prior: float = PARTNER_PRIOR
) -> Float64[np.ndarray, "N M"]:
    """Probability of each pair under the one-to-one model; rows and columns sum to at most one."""
    num_videos, num_audio = nats.shape
    if not nats.size:
        return np.zeros(nats.shape)
    paired = partner_prior * min(num_videos, num_audio)
    alone = (1.0 - paired / num_videos) * (1.0 - paired / num_audio)
    weights = np.exp(np.clip(nats.astype(np.float64), -MAX_NATS, MAX_NATS)) * (
        paired / (num_videos * num_audio * alone)
    )
    # Messages: how free video i is for audio j, leaving j itself aside; and the other way round.
    from_video, from_audio = np.ones_like(weights), np.ones_like(weights)
    for _ in range(_ROUNDS):
        from_video = _free(weights * from_audio, axis=1)
        from_audio = _free(weights * from_video, axis=0)
    odds = weights * from_video * from_audio
    return odds / (1.0 + odds)


def _free(claims: Float64[np.ndarray, "N M"], *, axis: int) -> Float64[np.ndarray, "N M"]:
    """1 / (1 + Σ of the other claims), without subtracting nearly equal numbers.

    The sum without the largest is taken apart for the largest itself.
    """
    largest = np.expand_dims(np.argmax(claims, axis=axis), axis)
    others = np.maximum(claims.sum(axis=axis, keepdims=True) - claims, 0.0)
    rest = claims.copy()
    np.put_along_axis(rest, largest, 0.0, axis)
    np.put_along_axis(others, largest, rest.sum(axis=axis, keepdims=True), axis)
    return 1.0 / (1.0 + others)


def one_to_one(
    nats: Float[np.ndarray, "N M"],
    confidence: Float64[np.ndarray, "N M"],
    *,
    min_confidence: float = MIN_CONFIDENCE,
    complete: bool = False,
) -> Int[np.ndarray, N]:
    """The audio given to each video, or -1.

    Args:
        nats: (N, M) scores; their sum is maximised.
        confidence: (N, M) of `confidences`.
        min_confidence: pairs less probable than this are dissolved.
        complete: keep every pair; everyone on the smaller side gets a partner.
    """
    partner = np.full(nats.shape[0], -1)
    if not nats.size:
        return partner
    rows, columns = linear_sum_assignment(-np.asarray(nats, np.float64))
    keep = np.full(len(rows), True) if complete else confidence[rows, columns] >= min_confidence
    partner[rows[keep]] = columns[keep]
    return partner


def many_to_one(
    nats: Float[np.ndarray, "N M"],
    confidence: Float64[np.ndarray, "N M"],
    *,
    min_confidence: float = MIN_CONFIDENCE,
    complete: bool = False,
) -> Int[np.ndarray, N]:
    """The best audio of each video on its own, or -1: one recording may serve several videos."""
    if not nats.size:
        return np.full(nats.shape[0], -1)
    best = nats.argmax(axis=1)
    sure = np.take_along_axis(confidence, best[:, None], axis=1)[:, 0] >= min_confidence
    return np.where(sure | complete, best, -1)


def row_confidences(
    nats: Float32[np.ndarray, "N M"], *, partner_prior: float = PARTNER_PRIOR
) -> Float64[np.ndarray, "N M"]:
    """Probability of each audio for each video when sounds may be shared: rows only, by Bayes' rule."""
    odds = np.exp(np.clip(nats.astype(np.float64), -MAX_NATS, MAX_NATS)) * (partner_prior / max(1, nats.shape[1]))
    return odds / (1.0 - partner_prior + odds.sum(axis=1, keepdims=True))
