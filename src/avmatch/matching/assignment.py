"""Who belongs to whom: one global one-to-one assignment with "no partner" on both sides.

The assignment maximises the sum of the scores (Kuhn's Hungarian method, "The Hungarian method for the assignment
problem", 1955). A pair whose confidence (confidence.py) is below the threshold is no pair.

Letters in shapes: N videos, M audio files.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

#: A pair is reported when it is at least this probable.
MIN_CONFIDENCE = 0.5


def one_to_one(
    nats: Float[np.ndarray, "N M"],
    confidence: Float[np.ndarray, "N M"],
    *,
    min_confidence: float = MIN_CONFIDENCE,
    complete: bool = False,
) -> Int[np.ndarray, " N"]:
    """The audio given to each video, or -1.

    Args:
        nats: (N, M) scores; their sum is maximised.
        confidence: (N, M) probability of each pair.
        min_confidence: pairs less probable than this are dissolved.
        complete: keep every pair; everyone on the smaller side gets a partner.
    """
    partner = np.full(nats.shape[0], -1)
    if not nats.size:
        return partner
    rows, columns = linear_sum_assignment(-np.asarray(nats, np.float64))
    keep = (confidence[rows, columns] >= min_confidence) | complete
    partner[rows[keep]] = columns[keep]
    return partner


def many_to_one(
    nats: Float[np.ndarray, "N M"],
    confidence: Float[np.ndarray, "N M"],
    *,
    min_confidence: float = MIN_CONFIDENCE,
    complete: bool = False,
) -> Int[np.ndarray, " N"]:
    """The best audio of each video on its own, or -1: one recording may serve several videos."""
    if not nats.size:
        return np.full(nats.shape[0], -1)
    best = nats.argmax(axis=1)
    sure = np.take_along_axis(confidence, best[:, None], axis=1)[:, 0] >= min_confidence
    return np.where(sure | complete, best, -1)
