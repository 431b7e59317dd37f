"""Where does the offset jump? A camera or a recorder was paused, frames were lost, a sound was spliced.

    stretches' curves (drift.py) → a path over offsets that may jump → pieces → where each begins → an offset each

The path is the most probable one under a penalty for every jump (dynamic programming; Viterbi, 1967); a stretch can
object to it only as far as its doubt allows, and slow changes cost little, because clocks drift. A jump then stays only
if both sides, each by itself and without that bound, say so clearly. So a clip with one offset costs nothing beyond
what the search for a drift has computed anyway.

Letters in shapes: W stretches, L offsets.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int
from scipy.ndimage import gaussian_filter1d
from scipy.special import softmax

from avmatch.alignment.borders import Border, find_border
from avmatch.alignment.cuts import between
from avmatch.alignment.drift import DOUBT, MILLIONTH, Drift, Stretches
from avmatch.alignment.offset import OffsetEstimate, estimate_offset
from avmatch.core.features import TICK_RATE_HZ, AudioFeatures, VideoFeatures
from avmatch.cues.evidence import Cue

#: Jumps smaller than this are scatter.
LEAST_JUMP_SECONDS = 0.09
#: What a jump costs the path, and a change by one step (clocks drift by no more than this).
JUMP_NATS, STEP_NATS, CLOCK_PPM = 3.0, 0.5, 300.0
#: By how much a path with jumps must be better than a drift.
MORE_THAN_DRIFT_NATS = 2.0
#: What both sides of a break must say against one common offset: by their stretches before it is looked at closely, and
#: as a whole; and how sure each side must be of its own offset.
ROUGH_GAIN_NATS, LEAST_GAIN_NATS, LEAST_CONFIDENCE = 2.0, 4.0, 0.5
#: Peaks of stretches scatter by this much.
BLUR_SECONDS = 0.02


@dataclass(frozen=True, eq=False)
class Part:
    """A part of the picture with an offset of its own.

    Attributes:
        begin_seconds, end_seconds: on the picture's clock.
        begin_interval_seconds: its beginning lies in it with a probability of 95 %; None for the picture's beginning.
        estimate: its offset.
    """

    begin_seconds: float
    end_seconds: float
    begin_interval_seconds: tuple[float, float] | None
    estimate: OffsetEstimate


def find_parts(
    cues: Sequence[Cue],
    video: VideoFeatures,
    audio: AudioFeatures,
    cut: Stretches,
    drift: Drift | None,
    *,
    max_offset_seconds: float,
) -> tuple[Part, ...]:
    """The parts of a picture whose sound has other offsets; empty where one offset, or one drift, holds.

    Args:
        cut: the picture's stretches and their curves.
        drift: the drift that was found in them.
    """
    if not len(cut.curves):
        return ()
    groups = _clear(cut, _groups(cut, drift))

    @lru_cache
    def offset_between(begin_seconds: float, end_seconds: float) -> OffsetEstimate:
        part = between(video, begin_seconds, end_seconds)
        return estimate_offset(cues, part, audio, max_offset_seconds=max_offset_seconds)

    while len(groups) > 1:
        parts = _measured(cues, video, audio, cut, groups, offset_between)
        if max(part.estimate.confidence for part in parts) < LEAST_CONFIDENCE:
            break
        weak = _weakest(parts)
        if weak is None:
            return parts
        groups = _joined(groups, weak)
    return ()


def path(belief: Float[np.ndarray, "W L"], *, least_jump: int, slow_steps: int) -> tuple[Int[np.ndarray, " W"], float]:
    """The most probable offset (its number) of each stretch, and its log-probability, jumps paid.

    Args:
        least_jump: a jump is at least so many steps.
        slow_steps: from one stretch to the next it may change by so many.
    """
    num, count = belief.shape
    score, origins = belief[0], np.zeros((num, count), int)
    for row in range(1, num):
        options, sources = _jumped(score, least_jump)
        for step in sorted(range(-slow_steps, slow_steps + 1), key=abs, reverse=True):
            moved = _moved(score, step) - STEP_NATS * abs(step)
            better = moved >= options
            options = np.where(better, moved, options)
            sources = np.where(better, np.arange(count) - step, sources)
        score, origins[row] = options + belief[row], sources
    way = [int(score.argmax())]
    for row in range(num - 1, 0, -1):
        way.append(int(origins[row, way[-1]]))
    return np.array(way[::-1]), float(score.max())


def _moved(score: Float[np.ndarray, " L"], step: int) -> Float[np.ndarray, " L"]:
    moved = np.full(len(score), -np.inf)
    source, target = (
        (slice(0, len(score) - step), slice(step, None)) if step >= 0 else (slice(-step, None), slice(step))
    )
    moved[target] = score[source]
    return moved


def _jumped(score: Float[np.ndarray, " L"], least_jump: int) -> tuple[Float[np.ndarray, " L"], Int[np.ndarray, " L"]]:
    """The best of all offsets that lie at least a jump away, with its price, and which one it is."""
    count = len(score)
    options, sources = np.full(count, -np.inf), np.zeros(count, int)
    best_below = np.array(_running_best(score))
    best_above = count - 1 - np.array(_running_best(score[::-1]))[::-1]
    for target, source in (
        (slice(least_jump, None), best_below[: count - least_jump]),
        (slice(0, count - least_jump), best_above[least_jump:]),
    ):
        better = score[source] > options[target]
        options[target] = np.where(better, score[source], options[target])
        sources[target] = np.where(better, source, sources[target])
    return options - JUMP_NATS, sources


def _running_best(score: Float[np.ndarray, " L"]) -> list[int]:
    """Where the largest value up to each place is."""
    best, found = 0, []
    for place, value in enumerate(score.tolist()):
        best = place if value > score[best] else best
        found.append(best)
    return found


def _groups(cut: Stretches, drift: Drift | None) -> list[range]:
    """The numbers of the stretches of each piece of the most probable path."""
    lags, length = cut.lags_seconds, max(part.duration_seconds for part in cut.parts)
    step_seconds = float(lags[1] - lags[0])
    share = gaussian_filter1d(softmax(cut.curves + cut.log_prior, axis=1), BLUR_SECONDS / step_seconds, axis=1)
    belief = np.log((1.0 - DOUBT) * share * len(lags) + DOUBT)
    least_jump = max(2, round(LEAST_JUMP_SECONDS / step_seconds))
    slow_steps = min(int(np.ceil(CLOCK_PPM * MILLIONTH * length / step_seconds)), least_jump - 1)
    way, score = path(belief, least_jump=least_jump, slow_steps=slow_steps)
    if drift is not None:
        late = drift.drift_ppm * MILLIONTH * cut.times_seconds
        along = np.sum([np.interp(lags + by, lags, row) for by, row in zip(late, belief, strict=True)], axis=0)
        if score < along.max() + MORE_THAN_DRIFT_NATS:
            return []
    borders = [0, *(np.flatnonzero(np.abs(np.diff(way)) >= least_jump) + 1).tolist(), len(way)]
    return [range(*ends) for ends in pairwise(borders)]


def _clear(cut: Stretches, groups: list[range]) -> list[range]:
    """Without the borders whose two sides would as well have one offset."""
    while len(groups) > 1:
        totals = [cut.curves[group].sum(axis=0) for group in groups]
        gains = [_gain(*both) for both in pairwise(totals)]
        if min(gains) >= ROUGH_GAIN_NATS:
            break
        groups = _joined(groups, int(np.argmin(gains)))
    return groups


def _joined(groups: list[range], border: int) -> list[range]:
    """Without the border after this group."""
    return [*groups[:border], range(groups[border].start, groups[border + 1].stop), *groups[border + 2 :]]


def _measured(
    cues: Sequence[Cue],
    video: VideoFeatures,
    audio: AudioFeatures,
    cut: Stretches,
    groups: list[range],
    offset_between: Callable[[float, float], OffsetEstimate],
) -> tuple[Part, ...]:
    """Each group's offset, first from whole stretches, and once more when it is known where it begins and ends."""
    begin, end = video.start_seconds, video.start_seconds + len(video.motion) / TICK_RATE_HZ

    def parts(borders: Sequence[Border]) -> tuple[Part, ...]:
        begins = [Border(begin, begin, None), *borders]
        ends = [*(border.end_seconds for border in borders), end]
        return tuple(
            Part(at.begin_seconds, until, at.begin_interval_seconds, offset_between(at.begin_seconds, until))
            for at, until in zip(begins, ends, strict=True)
        )

    starts = [cut.parts[group.start].start_seconds for group in groups[1:]]
    rough = parts([Border(start, start, None) for start in starts])
    if _weakest(rough) is not None:
        return rough
    borders = []
    for group, before, after in zip(groups[1:], rough, rough[1:], strict=False):
        offsets = before.estimate.offset_seconds, after.estimate.offset_seconds
        assert offsets[0] is not None
        assert offsets[1] is not None
        first, last = cut.parts[group.start - 1], cut.parts[group.start]
        span = first.start_seconds, last.start_seconds + last.duration_seconds
        borders.append(find_border(cues, video, audio, (offsets[0], offsets[1]), span))
    return parts(borders)


def _weakest(parts: Sequence[Part]) -> int | None:
    """The border after this part isn't to be believed; None if all are."""
    for number, (before, after) in enumerate(pairwise(part.estimate for part in parts)):
        first, second = before.offset_seconds, after.offset_seconds
        if first is None or second is None or abs(second - first) < LEAST_JUMP_SECONDS:
            return number
        if _gain(before.nats, after.nats) < LEAST_GAIN_NATS:
            return number
    sure = [part.estimate.confidence for part in parts]
    least = int(np.argmin(sure))
    return None if sure[least] >= LEAST_CONFIDENCE else min(least, len(parts) - 2)


def _gain(before: Float[np.ndarray, " L"], after: Float[np.ndarray, " L"]) -> float:
    """By how much two offsets are better than one."""
    return float(before.max() + after.max() - (before + after).max())
