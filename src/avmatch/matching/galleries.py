"""A similarity matrix normalised over a known gallery.

Where vectors are compared in many dimensions, some are near to everything: hubs, which push true partners down the
ranking (Radovanović, Nanopoulos and Ivanović, "Hubs in space", 2010). Who knows the whole gallery can see who they are
and take it into account. When is that fair?

- `csls` uses the other queries: fair where all of them are known before the first is answered.
- `sinkhorn` uses besides that everybody has exactly one partner: fair where the gallery is known *and* one-to-one, as
  in a folder of videos whose sounds are all in the other folder. Where sounds may be missing, or shared, it isn't.

Results say beside the raw figures that they were normalised. Order is what they are for: a normalised value compares
with others of the same matrix only.

Letters in shapes: N videos (queries), M audio files (candidates).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from jaxtyping import Float, Float64

from avmatch.core.errors import UsageError


def csls(similarity: Float[np.ndarray, "N M"], neighbours: int = 10) -> Float64[np.ndarray, "N M"]:
    """Twice the similarity, less how near both sides are to their nearest anyway.

        csls[i, j] = 2 s[i, j] − r[i] − c[j]

    where r[i] is the mean of row i's highest `neighbours` values and c[j] that of column j's; all of them, where there
    are fewer. Conneau et al., "Word translation without parallel data", 2018, section 2.3.

    Args:
        similarity: (N, M) finite, higher is more alike; cosines in the paper.
        neighbours: 1 or more; the paper's choice is 10.
    """
    scores = _finite(similarity)
    if neighbours < 1:
        raise UsageError(f"csls needs 1 or more neighbours, got {neighbours}")
    return 2.0 * scores - _nearness(scores, neighbours) - _nearness(scores.T, neighbours).T


def sinkhorn(
    similarity: Float[np.ndarray, "N M"], temperature: float, num_steps: int = 50
) -> Float64[np.ndarray, "N M"]:
    """Log probabilities of the pairs where everyone on the smaller side has exactly one partner.

    exp(similarity / temperature) is scaled by turns until its rows and its columns have the sums they ought to: 1 on
    the smaller side, min(N, M) / max(N, M) on the larger. Sinkhorn, "Diagonal equivalence to matrices with prescribed
    row and column sums", 1967; as entropic transport: Cuturi, "Sinkhorn distances", 2013. In logarithms, so that no
    temperature underflows; near 0 the optimal one-to-one assignment comes out.

    Args:
        similarity: (N, M) finite, higher is more alike.
        temperature: above 0, in the unit of the similarity; about 0.05 for cosines.
        num_steps: of rows and columns each, 1 or more. The columns' sums are exact, the rows' as near as the steps
            brought them; the lower the temperature, the more steps it takes.
    """
    scores = _finite(similarity) / _positive(temperature)
    if num_steps < 1:
        raise UsageError(f"sinkhorn needs 1 or more steps, got {num_steps}")
    num_rows, num_columns = scores.shape
    pairs = min(num_rows, num_columns)
    row_sum, column_sum = np.log(pairs / num_rows), np.log(pairs / num_columns)
    for _ in range(num_steps):
        scores += row_sum - _log_sum_exp(scores, axis=1)
        scores += column_sum - _log_sum_exp(scores, axis=0)
    return scores


#: Ways to normalise a matrix of nats by name; None leaves it. Nats need no other temperature.
NORMALISATIONS: dict[str, Callable[[Float[np.ndarray, "N M"]], Float[np.ndarray, "N M"]] | None] = {
    "raw": None,
    "csls": csls,
    "sinkhorn": partial(sinkhorn, temperature=1.0),
}


def _nearness(scores: Float64[np.ndarray, "N M"], neighbours: int) -> Float64[np.ndarray, "N 1"]:
    """The mean of each row's highest values."""
    count = min(neighbours, scores.shape[1])
    nearest = np.partition(scores, -count, axis=1)[:, -count:]
    return nearest.mean(axis=1, keepdims=True)


def _log_sum_exp(scores: Float64[np.ndarray, "N M"], axis: int) -> Float64[np.ndarray, "n m"]:
    """log Σ exp along `axis`, which is kept; in galleries of 50 several times as fast as scipy's."""
    highest = scores.max(axis=axis, keepdims=True)
    total: Float64[np.ndarray, "n m"] = highest + np.log(np.exp(scores - highest).sum(axis=axis, keepdims=True))
    return total


def _finite(similarity: Float[np.ndarray, "N M"]) -> Float64[np.ndarray, "N M"]:
    if not similarity.size:
        raise UsageError(f"nothing to normalise in a similarity matrix of shape {similarity.shape}")
    wrong = np.argwhere(~np.isfinite(similarity))
    if len(wrong):
        row, column = wrong[0]
        raise UsageError(
            f"similarity[{row}, {column}] is {similarity[row, column]}; only finite values can be normalised"
        )
    return similarity.astype(np.float64)


def _positive(temperature: float) -> float:
    if not temperature > 0.0:
        raise UsageError(f"the temperature must be above 0, got {temperature:g}")
    return temperature
