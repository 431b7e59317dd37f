"""Many cues, every pair, every offset → one score, one offset and one deciding cue per pair.

Nats of the cues are weighted by their calibrations and added offset by offset, so that cues must agree on *when*. The
score of a pair is log of the mean over the offsets of exp(nats): the evidence with the unknown offset averaged out,
all offsets of the range being equally probable beforehand. The offset is where the sum is highest, refined by a
parabola through the peak.

Letters in shapes: N videos, M audio files, L offsets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int
from scipy.special import logsumexp

from avmatch.core.features import AudioFeatures, VideoFeatures
from avmatch.cues.evidence import Cue

#: Bound on the size of one block of (videos, audio, offsets).
BLOCK_VALUES = 8_000_000


@dataclass(frozen=True, eq=False, repr=False)
class Scores:
    """What the cues together say of every pair.

    Attributes:
        nats: (N, M) log-likelihood ratio of belonging together.
        offset_seconds: (N, M) where the evidence is strongest.
        deciding: (N, M) index into `cue_names` of the cue that contributed most; -1 where none could tell.
        cue_names: the names of the cues.
    """

    nats: Float32[np.ndarray, "N M"]
    offset_seconds: Float32[np.ndarray, "N M"]
    deciding: Int[np.ndarray, "N M"]
    cue_names: tuple[str, ...]


def fused_scores(
    cues: Sequence[Cue],
    videos: Sequence[VideoFeatures],
    audios: Sequence[AudioFeatures],
    lags_seconds: Float[np.ndarray, "L"],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Scores:
    """Score every pair, a block of videos at a time so that memory stays bounded."""
    shape = (len(videos), len(audios))
    nats, offsets = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    deciding = np.full(shape, -1)
    step = max(1, BLOCK_VALUES // max(1, len(audios) * len(lags_seconds)))
    for begin in range(0, len(videos), step):
        block = slice(begin, begin + step)
        curves = [
            cue.calibration.weight * cue.curves(videos[block], audios, lags_seconds).nats for cue in cues
        ]
        total: Float32[np.ndarray, "n M L"] = np.sum(curves, axis=0)
        nats[block] = evidence(total)
        peak = total.argmax(axis=2)
        offsets[block] = refined_peaks(total, peak, lags_seconds)
        at_peak = np.stack([np.take_along_axis(curve, peak[..., None], axis=2)[..., 0] for curve in curves])
        deciding[block] = np.where(np.abs(at_peak).max(axis=0) > 0.0, at_peak.argmax(axis=0), -1)
        if progress is not None:
            progress(min(begin + step, len(videos)), len(videos))
    return Scores(nats, offsets, deciding, tuple(cue.name for cue in cues))


def evidence(nats: Float32[np.ndarray, "*rest L"]) -> Float32[np.ndarray, "*rest"]:
    """log mean over offsets of exp(nats)."""
    total: Float32[np.ndarray, "*rest"] = logsumexp(nats, axis=-1) - np.log(nats.shape[-1])
    return total


def refined_peaks(
    curves: Float32[np.ndarray, "n M L"], peak: Int[np.ndarray, "n M"], lags_seconds: Float[np.ndarray, "L"]
) -> Float32[np.ndarray, "n M"]:
    """The offset of each curve's maximum, refined by the parabola through it and its neighbours."""
    last = curves.shape[2] - 1
    if last < 2:
        return lags_seconds[peak].astype(np.float32)
    inner = np.clip(peak, 1, last - 1)
    left, middle, right = (
        np.take_along_axis(curves, (inner + step)[..., None], axis=2)[..., 0] for step in (-1, 0, 1)
    )
    bend = left - 2 * middle + right
    shift = np.where(bend < -1e-9, 0.5 * (left - right) / np.minimum(bend, -1e-9), 0.0)
    shift = np.where(inner == peak, np.clip(shift, -0.5, 0.5), 0.0)
    spacing = float(lags_seconds[1] - lags_seconds[0])
    refined: Float32[np.ndarray, "n M"] = (lags_seconds[peak] + shift * spacing).astype(np.float32)
    return refined
