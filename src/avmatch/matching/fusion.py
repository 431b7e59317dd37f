"""Many cues, every pair, every offset → one score, one offset and one deciding cue per pair.

Nats of the cues are weighted by their calibrations and added offset by offset, so that cues must agree on *when*. The
score of a pair is the evidence with the unknown offset averaged out, log Σ_o p(o) · exp(nats_o), under a prior over
the offsets; the offset is where nats and prior together are highest, refined by a parabola through the peak. Blocks of
videos and chunks of offsets keep memory bounded.

Letters in shapes: N videos, M audio files, L offsets, C cues.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from jaxtyping import Float, Float32, Int

from avmatch.core.features import AudioFeatures, VideoFeatures
from avmatch.core.results import Progress
from avmatch.cues.evidence import Cue

#: Bound on the size of one block of (videos, audio, offsets).
BLOCK_VALUES = 16_000_000
#: Bound on the offsets tried at once.
CHUNK_LAGS = 2048
#: A place inside a long recording is known when it is known to this.
NEAR_SECONDS = 1.0
#: In one-to-one work most recordings were started and cut together: half of the prior is within this of zero.
USUAL_OFFSET_SECONDS = 0.06
_USUAL_SHARE = 0.5
#: Some rows or columns.
Place = slice | int | Int[np.ndarray, " n"] | Int[np.ndarray, "n 1"]
#: What the weights of cues are multiplied with, by name; 1 for all others (accepted.py).
Factors = Mapping[str, float]
NO_FACTORS: Factors = MappingProxyType({})


def usual_offsets(lags_seconds: Float[np.ndarray, " L"]) -> Float[np.ndarray, " L"]:
    """Log prior over offsets: half around zero, half anywhere in the range."""
    near = np.exp(-0.5 * (lags_seconds / USUAL_OFFSET_SECONDS) ** 2)
    prior = _USUAL_SHARE * near / near.sum() + (1.0 - _USUAL_SHARE) / len(lags_seconds)
    return np.log(prior)


def any_offset(lags_seconds: Float[np.ndarray, " L"]) -> Float[np.ndarray, " L"]:
    """Log prior over offsets: all equal."""
    return np.full(len(lags_seconds), -np.log(len(lags_seconds)))


def weight_of(cue: Cue, factors: Factors) -> float:
    """What a cue's nats are multiplied with: its own calibration, and what this shoot makes of it."""
    return cue.calibration.weight * factors.get(cue.name, 1.0)


@dataclass(frozen=True, eq=False, repr=False)
class Scores:
    """What the cues together say of every pair.

    Attributes:
        nats: (N, M) log-likelihood ratio of belonging together.
        offset_seconds: (N, M) where the evidence is strongest; NaN where whole clips were compared.
        deciding: (N, M) index into `cue_names` of the cue that contributed most; -1 where none could tell.
        cue_names: the names of the cues.
        parts: (C, N, M) what each cue says of the pair at that offset, in weighted nats.
        place_share: (N, M) of the probability over all offsets, that within NEAR_SECONDS of this one.
    """

    nats: Float32[np.ndarray, "N M"]
    offset_seconds: Float32[np.ndarray, "N M"]
    deciding: Int[np.ndarray, "N M"]
    cue_names: tuple[str, ...]
    parts: Float32[np.ndarray, "C N M"]
    place_share: Float32[np.ndarray, "N M"]


def fused_scores(
    cues: Sequence[Cue],
    videos: Sequence[VideoFeatures],
    audios: Sequence[AudioFeatures],
    lags_seconds: Float[np.ndarray, " L"],
    log_prior: Float[np.ndarray, " L"],
    *,
    factors: Factors = NO_FACTORS,
    progress: Progress | None = None,
) -> Scores:
    """Score every pair. `log_prior` is over the offsets (usual_offsets, any_offset) and sums to one in probability."""
    scores = no_scores(tuple(cue.name for cue in cues), (len(videos), len(audios)))
    step = max(1, BLOCK_VALUES // max(1, len(audios) * min(CHUNK_LAGS, len(lags_seconds))))
    for begin in range(0, len(videos), step):
        rows = slice(begin, min(begin + step, len(videos)))
        block = scores_of_block(cues, videos[rows], audios, lags_seconds, log_prior, factors=factors)
        put(scores, block, rows, slice(None))
        if progress is not None:
            progress("pairs", rows.stop, len(videos))
    return scores


def no_scores(cue_names: tuple[str, ...], shape: tuple[int, int]) -> Scores:
    """Scores to be filled in."""
    return Scores(
        nats=np.full(shape, -np.inf, np.float32),
        offset_seconds=np.zeros(shape, np.float32),
        deciding=np.full(shape, -1, np.int8),
        cue_names=cue_names,
        parts=np.zeros((len(cue_names), *shape), np.float32),
        place_share=np.zeros(shape, np.float32),
    )


def put(scores: Scores, block: Scores, rows: Place, columns: Place) -> None:
    """Fill in what is known of some videos and sounds."""
    scores.nats[rows, columns] = block.nats
    scores.offset_seconds[rows, columns] = block.offset_seconds
    scores.deciding[rows, columns] = block.deciding
    scores.place_share[rows, columns] = block.place_share
    for whole, part in zip(scores.parts, block.parts, strict=True):
        whole[rows, columns] = part


def with_evidence(scores: Scores, name: str, nats: Float32[np.ndarray, "N M"]) -> Scores:
    """The scores with another cue that says the same of a pair at every offset."""
    parts = np.concatenate([scores.parts, nats[None]])
    deciding = np.where(nats > np.maximum(scores.parts.max(axis=0, initial=0.0), 0.0), len(parts) - 1, scores.deciding)
    return replace(
        scores,
        nats=scores.nats + nats,
        deciding=deciding,
        cue_names=(*scores.cue_names, name),
        parts=parts,
    )


def placed(scores: Scores, offset_seconds: Float[np.ndarray, "N M"]) -> Scores:
    """The scores with offsets that something else knows; NaN where it doesn't."""
    known = np.isfinite(offset_seconds)
    return replace(
        scores,
        offset_seconds=np.where(known, offset_seconds, scores.offset_seconds).astype(np.float32),
        place_share=np.where(known, np.float32(1.0), scores.place_share),
    )


def scores_of_block(
    cues: Sequence[Cue],
    videos: Sequence[VideoFeatures],
    audios: Sequence[AudioFeatures],
    lags_seconds: Float[np.ndarray, " L"],
    log_prior: Float[np.ndarray, " L"],
    factors: Factors = NO_FACTORS,
) -> Scores:
    """Score every pair, all curves at once."""
    scores = no_scores(tuple(cue.name for cue in cues), (len(videos), len(audios)))
    best = np.full(scores.nats.shape, -np.inf, np.float32)
    for begin in range(0, len(lags_seconds), CHUNK_LAGS):
        chunk = slice(begin, begin + CHUNK_LAGS)
        lags = lags_seconds[chunk]
        curves = [weight_of(cue, factors) * cue.curves(videos, audios, lags).nats for cue in cues]
        _take_chunk(scores, best, curves, lags, log_prior[chunk])
    np.exp(np.minimum(scores.place_share - scores.nats, 0.0), out=scores.place_share)
    return scores


def scores_of_curves(
    cue_names: tuple[str, ...],
    curves: Sequence[Float32[np.ndarray, "n M l"]],
    lags_seconds: Float[np.ndarray, " l"],
    log_prior: Float[np.ndarray, " l"],
) -> Scores:
    """The same from weighted nats of each cue at all offsets."""
    shape = curves[0].shape[:2]
    scores = no_scores(cue_names, (shape[0], shape[1]))
    _take_chunk(scores, np.full(shape, -np.inf, np.float32), curves, lags_seconds, log_prior)
    np.exp(np.minimum(scores.place_share - scores.nats, 0.0), out=scores.place_share)
    return scores


def _take_chunk(
    scores: Scores,
    best: Float32[np.ndarray, "n M"],
    curves: Sequence[Float32[np.ndarray, "n M l"]],
    lags_seconds: Float[np.ndarray, " l"],
    log_prior: Float[np.ndarray, " l"],
) -> None:
    """Fold a chunk of offsets into a block's scores, offsets and deciding cues, and nats near these offsets."""
    posterior = curves[0] + log_prior.astype(np.float32)
    for curve in curves[1:]:
        posterior += curve
    peak = posterior.argmax(axis=2)
    height = np.take_along_axis(posterior, peak[..., None], axis=2)[..., 0]
    shares = posterior - height[..., None]
    whole = height + np.log(np.exp(shares, out=shares).sum(axis=2))
    del shares
    np.logaddexp(scores.nats, whole, out=scores.nats)
    better = height > best
    at_peak = np.stack([np.take_along_axis(curve, peak[..., None], axis=2)[..., 0] for curve in curves])
    deciding = np.where(np.abs(at_peak).max(axis=0) > 0.0, at_peak.argmax(axis=0), -1)
    best[better] = height[better]
    scores.offset_seconds[better] = refined_peaks(posterior, peak, lags_seconds)[better]
    scores.deciding[better] = deciding[better]
    scores.parts[:, better] = at_peak[:, better]
    scores.place_share[better] = _near(posterior, whole, lags_seconds[peak], lags_seconds)[better]


def _near(
    posterior: Float32[np.ndarray, "n M l"],
    whole: Float32[np.ndarray, "n M"],
    at_seconds: Float[np.ndarray, "n M"],
    lags_seconds: Float[np.ndarray, " l"],
) -> Float32[np.ndarray, "n M"]:
    """The part of `whole` within NEAR_SECONDS of a peak, in nats."""
    if np.ptp(lags_seconds) <= NEAR_SECONDS:
        return whole
    near = np.abs(lags_seconds - at_seconds[..., None]) <= NEAR_SECONDS
    height = posterior.max(axis=2)
    return np.asarray(height + np.log((np.exp(posterior - height[..., None]) * near).sum(axis=2)), np.float32)


def refined_peaks(
    curves: Float32[np.ndarray, "n M L"], peak: Int[np.ndarray, "n M"], lags_seconds: Float[np.ndarray, " L"]
) -> Float32[np.ndarray, "n M"]:
    """The offset of each curve's maximum, refined by the parabola through it and its neighbours."""
    last = curves.shape[2] - 1
    if last < 2:
        return lags_seconds[peak].astype(np.float32)
    inner = np.clip(peak, 1, last - 1)
    left, middle, right = (np.take_along_axis(curves, (inner + step)[..., None], axis=2)[..., 0] for step in (-1, 0, 1))
    bend = left - 2 * middle + right
    shift = np.where(bend < -1e-9, 0.5 * (left - right) / np.minimum(bend, -1e-9), 0.0)
    shift = np.where(inner == peak, np.clip(shift, -0.5, 0.5), 0.0)
    spacing = float(lags_seconds[1] - lags_seconds[0])
    refined: Float32[np.ndarray, "n M"] = (lags_seconds[peak] + shift * spacing).astype(np.float32)
    return refined
