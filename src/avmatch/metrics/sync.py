"""How well vectors of picture and sound show the offset between them.

A frame is compared with the sound at each offset within ±`max_offset` ticks; **positive = the sound comes late**, so
column `max_offset + o` compares frame t with tick t + o of the sound. NaN is where there is nothing to compare: the
clip has no sound there, or the vectors of a tick are NaN themselves (no face). Each offset has the mean of
the frames that can be compared there; where these are less than half as many as at the best offset, it is no candidate
(the script of SyncNet pads with zeros). Near the ends of a clip there are fewer candidates, and so less to be mistaken
about: `chances` is how often a guess would be right.

**The LRS2 protocol** (Chung and Zisserman, "Out of time", 2016; Chung, Chung and Kang, "Perfect Match", 2019): 31
offsets within ±15 frames, right within ±1 frame of the truth, from K frames of evidence. A SyncNet looks at windows of
five frames, so K frames are K − 4 adjacent windows averaged; a model that is dense in time has one vector a frame, and
K of them. Every start in a clip is a trial, unless the true offset has no sound for one of the K frames.

**LSE-D and LSE-C** (Prajwal et al., "A lip sync expert is all you need", 2020, after the script of SyncNet): the
distance at the best offset, and by how much the median over the offsets lies above it.

**Sync accuracy**: is this sound in sync with this picture? The share judged right, of as many pairs that are as that
aren't. The threshold comes from one half of the recordings and judges the other, and the other way round, so that no
pair is judged by a threshold that it had a say in.

**Ties count against the system**, as in metrics.retrieval: vectors that are all alike score 0.

Letters in shapes: T frames, U ticks of the sound, D dimensions, O = 2 · max_offset + 1 offsets, S starts, N clips or
pairs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.lib.stride_tricks import sliding_window_view

from avmatch.core.errors import UsageError

MAX_OFFSET = 15
#: Right is what is at most so many frames off; of a whole clip also what is at most so many seconds off.
TOLERANCE_FRAMES, TOLERANCE_SECONDS = 1, 0.08
_ROUNDING = 1e-9

Compare = Callable[[Float[np.ndarray, "T D"], Float[np.ndarray, "T D"]], Float[np.ndarray, " T"]]


@dataclass(frozen=True)
class LipSyncErrors:
    """Prajwal et al. 2020, in the units of the model's vectors: figures of different models can't be compared.

    Attributes:
        distance: LSE-D, the mean distance at the best offset; the lower the better.
        confidence: LSE-C, the median of the mean distances less the lowest; the higher the better.
    """

    distance: float
    confidence: float


def _cosine(frames: Float[np.ndarray, "T D"], ticks: Float[np.ndarray, "T D"]) -> Float[np.ndarray, " T"]:
    return (frames * ticks).sum(axis=1)


def offset_scores(
    video: Float[np.ndarray, "T D"],
    audio: Float[np.ndarray, "U D"],
    max_offset: int = MAX_OFFSET,
    lead: int = 0,
    compare: Compare = _cosine,
) -> Float[np.ndarray, "T O"]:
    """Similarity of each frame with the sound at each offset: the cosine, given unit vectors.

    Args:
        video, audio: vectors at one rate.
        max_offset: in ticks.
        lead: which tick of the sound belongs to tick 0 of the picture, up to `max_offset`.
        compare: what stands for each frame and the tick beside it.
    """
    if max_offset < TOLERANCE_FRAMES + 1:
        raise UsageError(f"max_offset must be {TOLERANCE_FRAMES + 1} frames or more, got {max_offset}")
    if not 0 <= lead <= max_offset:
        raise UsageError(f"lead must lie in 0…{max_offset}, got {lead}")
    num = len(video)
    padded = np.full((num + 2 * max_offset, audio.shape[1]), np.nan, audio.dtype)
    padded[max_offset - lead : max_offset - lead + len(audio)] = audio[: num + max_offset + lead]
    return np.stack([compare(video, padded[place : place + num]) for place in range(2 * max_offset + 1)], axis=1)


def offset_distances(
    video: Float[np.ndarray, "T D"], audio: Float[np.ndarray, "U D"], max_offset: int = MAX_OFFSET, lead: int = 0
) -> Float[np.ndarray, "T O"]:
    """Euclidean distance instead, for vectors that aren't normalised (SyncNets); its negative is a score."""
    return offset_scores(video, audio, max_offset, lead, lambda frames, ticks: np.linalg.norm(frames - ticks, axis=1))


def right_starts(
    scores: Float[np.ndarray, "T O"], num_frames: int, *, truth: int = 0, window_frames: int = 1
) -> Bool[np.ndarray, " S"]:
    """The trials of the LRS2 protocol in one clip: whether each finds the offset within a frame.

    Args:
        scores: higher is more alike.
        num_frames: K, the frames of evidence.
        truth: the true offset in frames, within the offsets tried.
        window_frames: how many frames one row of `scores` covers (5 for SyncNets, 1 for dense models).

    Returns:
        One entry for each start whose sound at the true offset is there; empty if the clip is shorter than K.
    """
    means, near = _trials(scores, num_frames, truth, window_frames)
    best = means[:, ~near].max(axis=1, initial=-np.inf)
    return (means[:, near].max(axis=1, initial=-np.inf) > best) & np.isfinite(best)


def within_shares(
    scores: Sequence[Float[np.ndarray, "_ O"]], numbers: Sequence[int], *, window_frames: int = 1
) -> dict[str, float]:
    """`within_1@K`, the share of right trials of all clips; there is none for a K of which no clip has a trial."""
    found = {}
    for num in numbers:
        right = [right_starts(item, num, window_frames=window_frames) for item in scores]
        if trials := sum(map(len, right)):
            found[f"within_1@{num}"] = float(sum(one.sum() for one in right) / trials)
    return found


def chances(
    scores: Float[np.ndarray, "T O"], num_frames: int, *, truth: int = 0, window_frames: int = 1
) -> Float[np.ndarray, " S"]:
    """How often a guess would be right in each trial of `right_starts`: the share of candidates near the truth."""
    means, near = _trials(scores, num_frames, truth, window_frames)
    is_candidate = np.isfinite(means)
    return is_candidate[:, near].sum(axis=1) / np.maximum(is_candidate.sum(axis=1), 1)


def _trials(
    scores: Float[np.ndarray, "T O"], num_frames: int, truth: int, window_frames: int
) -> tuple[Float[np.ndarray, "S O"], Bool[np.ndarray, " O"]]:
    """The means of each trial, −inf where an offset is no candidate, and which offsets are right."""
    num_windows, middle = num_frames - window_frames + 1, scores.shape[1] // 2
    if abs(truth) > middle:
        raise UsageError(f"the true offset {truth} lies outside the ±{middle} that were tried")
    if num_windows < 1 or window_frames < 1:
        raise UsageError(f"{num_frames} frames are less than one window of {window_frames}")
    near = np.abs(np.arange(scores.shape[1]) - middle - truth) <= TOLERANCE_FRAMES
    if len(scores) < num_windows:
        return np.zeros((0, scores.shape[1])), near
    is_trial = sliding_window_view(np.isfinite(scores[:, middle + truth]), num_windows).all(axis=1)
    return _means(sliding_window_view(scores, num_windows, axis=0)[is_trial]), near


def mean_curve(scores: Float[np.ndarray, "T O"]) -> Float[np.ndarray, " O"]:
    """The mean over the frames at each offset, −inf where it is no candidate; all NaN if nothing can be compared."""
    if not np.isfinite(scores).any():
        return np.full(scores.shape[1], np.nan)
    return _means(scores.T)


def offset_error(curve: Float[np.ndarray, " O"], truth: float = 0.0) -> float:
    """By how many frames the offset of the maximum is off; where several are the highest, the worst of them counts.

    Infinite where the curve says nothing.
    """
    if np.isnan(curve).any():
        return float("inf")
    return max(abs(refined_offset(curve, int(peak)) - truth) for peak in np.flatnonzero(curve == curve.max()))


def within_frame(errors_frames: Float[np.ndarray, " N"]) -> Bool[np.ndarray, " N"]:
    """Which offsets of clips are at most a frame off."""
    return np.abs(errors_frames) <= TOLERANCE_FRAMES + _ROUNDING


def within_80_ms(errors_seconds: Float[np.ndarray, " N"]) -> Bool[np.ndarray, " N"]:
    """Which offsets of clips are at most 80 ms off."""
    return np.abs(errors_seconds) <= TOLERANCE_SECONDS + _ROUNDING


def lip_sync_errors(distances: Float[np.ndarray, "T O"]) -> LipSyncErrors | None:
    """LSE-D and LSE-C of one clip from its `offset_distances`; None if it has nothing to compare."""
    there = distances[:, np.isfinite(distances).any(axis=0)]
    if not there.size:
        return None
    curve = np.nanmean(there, axis=0)
    return LipSyncErrors(float(curve.min()), float(np.median(curve) - curve.min()))


def _means(scores: Float[np.ndarray, "*rest O K"]) -> Float[np.ndarray, "*rest O"]:
    """The mean over K of what is there, −inf for offsets that aren't candidates."""
    there = np.isfinite(scores)
    num = there.sum(axis=-1)
    is_candidate = (num > 0) & (2 * num >= num.max(axis=-1, keepdims=True))
    sums = np.where(there, scores, 0.0).sum(axis=-1)
    return np.where(is_candidate, sums / np.maximum(num, 1), -np.inf)


def refined_offset(curve: Float[np.ndarray, " O"], peak: int) -> float:
    """The offset of a peak of the curve in frames, refined by the parabola through it and its neighbours."""
    place = float(peak - len(curve) // 2)
    around = curve[peak - 1 : peak + 2]
    if len(around) < 3 or not np.isfinite(around).all():
        return place
    left, middle, right = around
    bend = left - 2 * middle + right
    return place + float(0.5 * (left - right) / bend) if bend < 0 else place


def best_threshold(in_sync: Float[np.ndarray, " N"], out_of_sync: Float[np.ndarray, " N"]) -> float:
    """Above which most are judged right: halfway between two scores, in the middle of all that are as good.

    Args:
        in_sync, out_of_sync: scores, higher where the network believes more in sync.
    """
    scores = np.concatenate((in_sync, out_of_sync)).astype(np.float64)
    order = np.argsort(scores, kind="stable")
    scores, is_sync = scores[order], (order < len(in_sync)).astype(np.int64)
    # Cut k: the k lowest are called out of sync.
    right = np.concatenate(([0], np.cumsum(1 - is_sync))) + np.concatenate(([0], np.cumsum(is_sync[::-1])))[::-1]
    ends = np.concatenate((scores[:1] - 1, scores, scores[-1:] + 1))
    cuts = (ends[:-1] + ends[1:]) / 2
    is_cut = np.concatenate(([True], scores[1:] > scores[:-1], [True]))  # between equal scores there is none
    best = np.flatnonzero(is_cut & (right == right[is_cut].max()))
    return float(cuts[best[len(best) // 2]])


def judged_right(
    in_sync: Float[np.ndarray, " N"], out_of_sync: Float[np.ndarray, " N"], group: Int[np.ndarray, " N"], seed: int = 0
) -> Bool[np.ndarray, "N 2"]:
    """Whether each pair, in sync and out of sync, is judged right by the threshold of the other half.

    Args:
        group: (N,) the recording that pair i of both kinds comes from; the halves are of whole recordings.
        seed: of the halves.

    Raises:
        UsageError: there are fewer than two recordings.
    """
    names, number = np.unique(group, return_inverse=True)
    if len(names) < 2:
        raise UsageError(f"a threshold comes from other recordings, but there is {len(names)}")
    half = (np.random.default_rng(seed).permutation(len(names)) % 2 == 0)[number]
    right = np.empty((len(group), 2), bool)
    for judged in (half, ~half):
        threshold = best_threshold(in_sync[~judged], out_of_sync[~judged])
        right[judged, 0] = in_sync[judged] > threshold
        right[judged, 1] = out_of_sync[judged] < threshold
    return right
