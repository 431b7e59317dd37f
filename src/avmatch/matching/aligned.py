"""Clips compared tick by tick: how alike two clips are is their mean cosine over the time they have in common.

Letters in shapes: N videos, M audio, T ticks, D dimensions.
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


def _padded(clips: Sequence[Vectors], num_ticks: int) -> Float32[np.ndarray, "N _"]:
    """Zeros where a clip has ended: they add nothing to a sum of products."""
    rows = np.zeros((len(clips), num_ticks, clips[0].shape[1]), np.float32)
    for row, clip in zip(rows, clips, strict=True):
        row[: len(clip)] = clip[:num_ticks]
    return rows.reshape(len(clips), -1)
