"""Which files match: one global one-to-one assignment, where any file may stay without a match.

The assignment maximises the sum of the pairs' log-odds, over those of a pair that is just probable enough; not to pair
is worth nothing, so a pair less probable than that is never made (Kuhn, "The Hungarian method for the assignment
problem", 1955, solved by scipy). Log-odds come from calibrated confidences (decision.py): unlike raw scores they
compare a pair with the other pairs of its video and of its sound.

Pairs that may be made link few files: what isn't linked, however indirectly, is solved on its own, so that time and
memory follow the number of such pairs and not N · M. Only where every file must be served is it one problem.

Letters in shapes: N videos, M audio files, E pairs that may be made.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Float64, Int
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components
from scipy.special import logit

from avmatch.matching.settings import MIN_CONFIDENCE

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
    if complete:
        rows, columns = linear_sum_assignment(_log_odds(confidence), maximize=True)
        partner[rows] = columns
        return partner
    rows, columns = np.nonzero(confidence >= min_confidence)
    return one_to_one_of_pairs(
        rows, columns, confidence[rows, columns], (len(partner), confidence.shape[1]), min_confidence=min_confidence
    )


def one_to_one_of_pairs(
    rows: Int[np.ndarray, " E"],
    columns: Int[np.ndarray, " E"],
    confidence: Float[np.ndarray, " E"],
    shape: tuple[int, int],
    *,
    min_confidence: float = MIN_CONFIDENCE,
) -> Int[np.ndarray, " N"]:
    """The same from those pairs alone that may be made, each once; the rest of (N, M) is less probable."""
    partner = np.full(shape[0], -1)
    may = confidence >= min_confidence
    rows, columns, confidence = rows[may], columns[may], confidence[may]
    known = csr_array((confidence, (rows, columns)), shape)
    for some, others in _linked(rows, columns, shape):
        among = known[some][:, others].toarray()
        gain = np.where(among > 0.0, _log_odds(among) - _log_odds(np.array([min_confidence])), 0.0)
        chosen, given = linear_sum_assignment(gain, maximize=True)
        keep = among[chosen, given] >= min_confidence
        partner[some[chosen[keep]]] = others[given[keep]]
    return partner


def _linked(
    rows: Int[np.ndarray, " E"], columns: Int[np.ndarray, " E"], shape: tuple[int, int]
) -> Iterator[tuple[Int[np.ndarray, " n"], Int[np.ndarray, " m"]]]:
    """The videos and the sounds of each connected component of a bipartite graph with these edges."""
    num_videos, num_files = shape[0], sum(shape)
    edges = coo_array((np.ones(len(rows), bool), (rows, num_videos + columns)), (num_files, num_files))
    _, component = connected_components(edges, directed=False)
    touched = np.unique(np.concatenate([rows, num_videos + columns]))
    touched = touched[np.argsort(component[touched], kind="stable")]
    for files in np.split(touched, np.flatnonzero(np.diff(component[touched])) + 1) if touched.size else ():
        yield files[files < num_videos], files[files >= num_videos] - num_videos


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
