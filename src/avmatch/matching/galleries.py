"""A similarity matrix normalised over a known gallery.

Where vectors are compared in many dimensions, some are near to everything: hubs, which push the matching file down the
ranking (Radovanović, Nanopoulos and Ivanović, "Hubs in space", 2010). Where the whole gallery is known, they can be
found and taken into account. When is that fair?

- `csls` uses the other queries: fair where all of them are known before the first is answered.
- `sinkhorn` uses besides that every file has exactly one match: fair where the gallery is known *and* one-to-one, as
  in a folder of videos whose sounds are all in the other folder. Where sounds may be missing, or shared, it isn't.

Results say beside the raw figures that they were normalised. Order is what they are for: a normalised value compares
with others of the same matrix only.

Where clips are compared tick by tick, their similarity is the mean cosine over the time that they have in common. Where
picture and sound may be apart, the mean is taken at each offset, and the highest counts. Ticks of NaN (no face in
sight, no sound) are left out of it.

Letters in shapes: N videos (queries), M audio files (candidates), T ticks, D dimensions, L ticks of the longest clip.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from jaxtyping import Float, Float32, Float64, Int

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
    """Log probabilities of the pairs where every file on the smaller side has exactly one match.

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
    scores = _finite(similarity)
    if not temperature > 0.0:
        raise UsageError(f"the temperature must be above 0, got {temperature:g}")
    scores /= temperature
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


Vectors = Float32[np.ndarray, "_ _"]


def aligned_similarity(
    videos: Sequence[Vectors], audios: Sequence[Vectors]
) -> tuple[Float32[np.ndarray, "N M"], Int[np.ndarray, "N M"]]:
    """Mean cosines of every pair from their first ticks on, and over how many ticks.

    Args:
        videos, audios: unit vectors (T, D) of each clip, of any length but not empty; ticks of equal number are of one
            time.
    """
    length = np.minimum.outer([len(clip) for clip in videos], [len(clip) for clip in audios])
    num_ticks = int(length.max(initial=1))
    similarity: Float32[np.ndarray, "N M"] = _padded(videos, num_ticks) @ _padded(audios, num_ticks).T
    similarity /= length
    return similarity, length


def similarity_at_best_offset(
    videos: Sequence[Vectors], audios: Sequence[Vectors], max_offset: int
) -> tuple[Float32[np.ndarray, "N M"], Int[np.ndarray, "N M"]]:
    """Mean cosines of every pair at the offset within ±`max_offset` ticks where it is highest, and over how many ticks.

    Offsets that leave less than half of the ticks in common at offset 0 are not tried. Pairs with nothing in common
    have similarity −1 over 0 ticks.

    Args:
        videos, audios: unit vectors (T, D) of each clip, of any length but not empty; rows may be NaN.
    """
    longest = max(len(clip) for clip in (*videos, *audios))
    video_rows, in_sight = _masked(videos, longest)
    audio_rows, in_sound = _masked(audios, longest)
    fewest = 0.5 * _products(in_sight, in_sound, 0)
    best = np.full((len(videos), len(audios)), -1.0, np.float32)
    ticks = np.zeros(best.shape, np.int64)
    for offset in range(-min(max_offset, longest - 1), min(max_offset, longest - 1) + 1):
        common = _products(in_sight, in_sound, offset)
        mean = _products(video_rows, audio_rows, offset) / np.maximum(common, 1)
        better = (common > 0) & (common >= fewest) & (mean > best)
        best[better], ticks[better] = mean[better], common[better]
    return best, ticks


def _masked(
    clips: Sequence[Vectors], num_ticks: int
) -> tuple[Float32[np.ndarray, "N L D"], Float32[np.ndarray, "N L 1"]]:
    """Zeros where a clip has ended or a tick is NaN, and ones where there is something."""
    rows = _padded(clips, num_ticks).reshape(len(clips), num_ticks, -1)
    there = np.isfinite(rows).all(axis=2, keepdims=True)
    there &= np.arange(num_ticks)[:, None] < np.array([len(clip) for clip in clips])[:, None, None]
    return np.where(there, rows, np.float32(0)), there.astype(np.float32)


def _products(
    rows: Float32[np.ndarray, "N L E"], others: Float32[np.ndarray, "M L E"], offset: int
) -> Float32[np.ndarray, "N M"]:
    """Sums over the ticks of the products of tick t of the one and tick t + `offset` of the other."""
    num = rows.shape[1] - abs(offset)
    first, second = max(-offset, 0), max(offset, 0)
    return np.asarray(
        rows[:, first : first + num].reshape(len(rows), -1)
        @ others[:, second : second + num].reshape(len(others), -1).T
    )


def _padded(clips: Sequence[Vectors], num_ticks: int) -> Float32[np.ndarray, "N _"]:
    """Zeros where a clip has ended: they add nothing to a sum of products."""
    rows = np.zeros((len(clips), num_ticks, clips[0].shape[1]), np.float32)
    for row, clip in zip(rows, clips, strict=True):
        row[: len(clip)] = clip[:num_ticks]
    return rows.reshape(len(clips), -1)
