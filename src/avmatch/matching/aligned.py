"""Clips compared tick by tick: how alike two clips are is their mean cosine over the time they have in common.

Where picture and sound may be apart, the mean is taken at each offset, and the highest counts. Ticks of NaN (no face in
sight, no sound) are left out of it.

Letters in shapes: N videos, M audio, T ticks, D dimensions, L ticks of the longest clip.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Int

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
    seen, in_sight = _masked(videos, longest)
    heard, in_sound = _masked(audios, longest)
    fewest = 0.5 * _products(in_sight, in_sound, 0)
    best = np.full((len(videos), len(audios)), -1.0, np.float32)
    ticks = np.zeros(best.shape, np.int64)
    for offset in range(-min(max_offset, longest - 1), min(max_offset, longest - 1) + 1):
        common = _products(in_sight, in_sound, offset)
        mean = _products(seen, heard, offset) / np.maximum(common, 1)
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
    seen: Float32[np.ndarray, "N L E"], heard: Float32[np.ndarray, "M L E"], offset: int
) -> Float32[np.ndarray, "N M"]:
    """Sums over the ticks of the products of tick t of the one and tick t + `offset` of the other."""
    num = seen.shape[1] - abs(offset)
    first, second = max(-offset, 0), max(offset, 0)
    return np.asarray(
        seen[:, first : first + num].reshape(len(seen), -1) @ heard[:, second : second + num].reshape(len(heard), -1).T
    )


def _padded(clips: Sequence[Vectors], num_ticks: int) -> Float32[np.ndarray, "N _"]:
    """Zeros where a clip has ended: they add nothing to a sum of products."""
    rows = np.zeros((len(clips), num_ticks, clips[0].shape[1]), np.float32)
    for row, clip in zip(rows, clips, strict=True):
        row[: len(clip)] = clip[:num_ticks]
    return rows.reshape(len(clips), -1)
