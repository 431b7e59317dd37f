"""One latency of a camera with a recorder: what many of their pairs say of the offset, each pair may share.

Two devices that were started together, or that count the same timecode, are as late against one another in one take as
in the next. So the offsets of their pairs, or what is left of them when timecode is taken away, scatter about one value
by a deviation of their own; a random-effects model (DerSimonian and Laird 1986), here with medians, since some
offsets are wrong. Where that deviation is small, each pair's offset is drawn towards the common value, the more the
less sure it is, and an offset that is probably wrong takes that value. Where it is large, as with devices that were
started by hand one after another, nothing is shared.

Letters in shapes: P pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr
from scipy.stats import norm

from avmatch.core.origins import SECONDS_PER_DAY, Origin

#: Offsets at least so sure are learned from, and so many pairs are needed.
SURE_CONFIDENCE, LEAST_PAIRS = 0.7, 5
#: A latency that varies by more than this is none; and it is known to this at best.
MOST_SPREAD_SECONDS, LEAST_SPREAD_SECONDS = 0.04, 0.004
#: At least this share of the pairs must be about it.
LEAST_SHARE = 0.6
#: Latencies are usually about so large: with few pairs they are drawn to zero.
USUAL_SECONDS = 0.1
#: Offsets that are wrong lie anywhere in so many seconds; a right one is no further off than the tolerance.
RANGE_SECONDS, TOLERANCE_SECONDS = 1.0, 0.08
#: Deviations in a 95 % interval.
_HALF_INTERVAL = 1.96
_MAD = 1.4826


@dataclass(frozen=True)
class PairOffset:
    """What is known of the offset of a pair.

    Attributes:
        seconds: the offset.
        interval_seconds: 95 % interval, if it is right.
        confidence: probability in 0…1 that it is.
    """

    seconds: float
    interval_seconds: tuple[float, float]
    confidence: float

    @property
    def deviation_seconds(self) -> float:
        """What the interval says."""
        low, high = self.interval_seconds
        return max((high - low) / (2.0 * _HALF_INTERVAL), 1e-4)


@dataclass(frozen=True)
class Latency:
    """How late a recorder's sound comes with a camera's picture.

    Attributes:
        seconds: in the middle; with `by_timecode` against what timecode says.
        spread_seconds: deviation from pair to pair.
        share: 0…1 of the pairs that are about it.
        num_pairs: that it was learned from.
        by_timecode: whether timecode is taken away first.
    """

    seconds: float
    spread_seconds: float
    share: float
    num_pairs: int
    by_timecode: bool = False


def shared_offsets(
    offsets: Sequence[PairOffset], videos: Sequence[Origin], audios: Sequence[Origin]
) -> tuple[tuple[PairOffset, ...], Latency | None]:
    """The offsets of pairs of one camera and one recorder, with what they have in common; and the latency, if there is.

    Args:
        videos, audios: where the two files of each pair come from.
    """
    plain = np.zeros(len(offsets))
    by_timecode = np.array([_by_timecode(*pair) for pair in zip(videos, audios, strict=True)])
    choices = [(plain, False), (by_timecode, True)]
    found = [(zero, known) for zero, timed in choices if (known := _latency(offsets, zero, timed)) is not None]
    if not found:
        return tuple(offsets), None
    zero, latency = min(found, key=lambda item: item[1].spread_seconds)
    expected = np.where(np.isfinite(zero), zero, np.nan) + latency.seconds
    shared = [
        _with_latency(item, float(at), latency) if np.isfinite(at) else item
        for item, at in zip(offsets, expected, strict=True)
    ]
    return tuple(shared), latency


def _by_timecode(video: Origin, audio: Origin) -> float:
    """The offset that timecode says; NaN where a file has none. A recording that began earlier comes later."""
    begin, end = (origin.times_seconds.get("timecode", np.nan) for origin in (audio, video))
    return (end - begin + SECONDS_PER_DAY / 2) % SECONDS_PER_DAY - SECONDS_PER_DAY / 2


def _latency(offsets: Sequence[PairOffset], zero: Float[np.ndarray, " P"], by_timecode: bool) -> Latency | None:
    """What sure offsets have in common; None where it is too little."""
    sure = [
        place for place, item in enumerate(offsets) if item.confidence >= SURE_CONFIDENCE and np.isfinite(zero[place])
    ]
    if len(sure) < LEAST_PAIRS:
        return None
    seconds = np.array([offsets[place].seconds - zero[place] for place in sure])
    own = np.array([offsets[place].deviation_seconds for place in sure])
    middle = float(np.median(seconds))
    scatter = _MAD * float(np.median(np.abs(seconds - middle)))
    spread = max(LEAST_SPREAD_SECONDS, float(np.sqrt(max(0.0, scatter**2 - float(np.median(own)) ** 2))))
    about = np.abs(seconds - middle) <= _HALF_INTERVAL * np.hypot(spread, own)
    if scatter > MOST_SPREAD_SECONDS or about.mean() < LEAST_SHARE:
        return None
    weight = 1.0 / (spread**2 + own[about] ** 2)
    pull = 0.0 if by_timecode else 1.0 / USUAL_SECONDS**2
    common = float((weight * seconds[about]).sum() / (weight.sum() + pull))
    share = (int(about.sum()) + 1) / (len(sure) + 2)
    return Latency(common, spread, share, len(sure), by_timecode)


def _with_latency(item: PairOffset, expected: float, latency: Latency) -> PairOffset:
    """One offset, either right and drawn towards what is expected, or wrong and replaced by it."""
    own, spread = item.deviation_seconds, latency.spread_seconds
    anywhere = 1.0 / RANGE_SECONDS
    near = latency.share * norm.pdf(item.seconds, expected, np.hypot(own, spread))
    right = item.confidence * (near + (1.0 - latency.share) * anywhere)
    wrong = (1.0 - item.confidence) * anywhere
    confidence = float(right / (right + wrong))
    if confidence < 0.5:
        holds = latency.share * float(2.0 * ndtr(TOLERANCE_SECONDS / spread) - 1.0)
        half = _HALF_INTERVAL * spread
        return PairOffset(expected, (expected - half, expected + half), (1.0 - confidence) * holds)
    shares = float(near / (near + (1.0 - latency.share) * anywhere))
    pull = shares * own**2 / (own**2 + spread**2)
    seconds = item.seconds + pull * (expected - item.seconds)
    half = _HALF_INTERVAL * own * float(np.sqrt(1.0 - pull))
    return PairOffset(seconds, (seconds - half, seconds + half), max(confidence, item.confidence * (1 - shares)))
