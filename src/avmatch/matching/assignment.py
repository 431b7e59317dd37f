"""Which files match: one global one-to-one assignment, where any file may stay without a match.

The assignment maximises the sum of the pairs' log-odds, over those of a pair that is just probable enough; not to pair
is worth nothing, so a pair less probable than that is never made (Kuhn, "The Hungarian method for the assignment
problem", 1955, solved by scipy). Log-odds come from calibrated confidences (confidence.py): unlike raw scores they
compare a pair with the other pairs of its video and of its sound.

Letters in shapes: N videos, M audio files.
"""

import numpy as np
from jaxtyping import Float, Float64, Int
from scipy.optimize import linear_sum_assignment
from scipy.special import logit

#: A pair is reported when it is at least this probable: to look at a doubtful pair, marked as such, costs about half of
#: what a right one saves.
MIN_CONFIDENCE = 0.35
_TINY = 1e-12


def one_to_one(
    confidence: Float[np.ndarray, "N M"], *, min_confidence: float = MIN_CONFIDENCE, complete: bool = False
) -> Int[np.ndarray, " N"]:
    """The audio given to each video, or -1.

    Args:
        confidence: (N, M) probability of each pair.
        min_confidence: pairs less probable than this are not made.
        complete: every file on the smaller side gets a match, however improbable.
    """
    partner = np.full(confidence.shape[0], -1)
    if not confidence.size:
        return partner
    gain = _log_odds(confidence)
    if not complete:
        gain = np.maximum(gain - _log_odds(np.array([min_confidence])), 0.0)
    rows, columns = linear_sum_assignment(-gain)
    keep = (confidence[rows, columns] >= min_confidence) | complete
    partner[rows[keep]] = columns[keep]
    return partner


def many_to_one(
    confidence: Float[np.ndarray, "N M"], *, min_confidence: float = MIN_CONFIDENCE, complete: bool = False
) -> Int[np.ndarray, " N"]:
    """The best audio of each video on its own, or -1: one recording may serve several videos."""
    if not confidence.size:
        return np.full(confidence.shape[0], -1)
    best = confidence.argmax(axis=1)
    return np.where((confidence.max(axis=1) >= min_confidence) | complete, best, -1)


def _log_odds(confidence: Float[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
    return logit(np.clip(confidence.astype(np.float64), _TINY, 1.0 - _TINY))
