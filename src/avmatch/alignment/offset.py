"""How late does the sound come? From the cues' curves over offsets to one offset, with a probability that it is right.

The weighted nats of the cues are added to a log prior, a Gaussian with half the range as its deviation: large offsets
are rarer than small ones. Their softmax over the offsets tried is the posterior, and the offset its peak, refined by a
parabola. What a cue only has because the sound repeats itself doesn't count (rivals.py).

Offsets come after belonging. There are three hypotheses about a picture and a sound: it belongs at this offset, it
belongs and nothing tells when, it is foreign (another voice, dubbing, music laid over, no cause in the picture).
Logistic maps (Platt, 1999) for the cue that decides, fitted on true and foreign pairs of development clips, half of
each, turn figures into frequencies: the posterior mass within ±80 ms of the peak, how far the peak stands out, whether
both halves of the picture agree with it, how impulsive the sound is and what the event seems to be, or how evenly face
and voice agree, and how high the peak is. One gives `belongs`, another `confidence`: that it belongs and the offset is
right. A third, fitted on true pairs alone, says how probable the offset is if the sound belongs.

Where there are a face and a voice, the cue that compares them decides; else the one that stands out most.

Wide ranges are searched in coarse steps first. The offset is then refined in fine steps about the peak, by the evidence
alone, so that it doesn't depend on the range.

Letters in shapes: C cues, L offsets.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d
from scipy.special import softmax

from avmatch.alignment.cuts import halves
from avmatch.alignment.rivals import rhythm, without_repetition
from avmatch.core.errors import Reason
from avmatch.core.features import AudioFeatures, VideoFeatures
from avmatch.cues.evidence import Calibration, Cue, NamingCue, PeakFigures, SteadyCue
from avmatch.cues.mouth import looks_at_faces
from avmatch.frontends.event_signals import strokes

#: An offset counts as right when it is at most this far off.
TOLERANCE_SECONDS = 0.08
#: Offsets are tried this far apart; in ranges above WIDE_SECONDS, four times as far.
STEP_SECONDS = 0.01
WIDE_SECONDS = 5.0
CHUNK_LAGS = 2048
#: Steps about a coarse peak: two coarse ones to either side.
FINE_LAGS = np.arange(-8, 9) * STEP_SECONDS
#: Narrower ranges are judged in this one, in which the calibrations were fitted: among a few offsets any sound has one
#: that stands alone.
JUDGED_SECONDS = 1.0
#: Deviation of the prior over offsets, as a share of the range.
USUAL_SHARE = 0.5
#: What a cue is off by however long the clip is, as a deviation: the interval can't be narrower.
BIAS_SECONDS = 0.02
COVERAGE = 0.95
#: A peak at the very edge of the range belongs to something outside it.
EDGE_CONFIDENCE = 0.3
#: Strokes at a steadier beat than this fit one period off as well: no such offset is to be acted on
#: (benchmarks/rhythm.py).
MOST_RHYTHM, RHYTHM_CONFIDENCE = 0.65, 0.6
#: From this confidence on, an offset may be acted on, if its interval is no wider than this to either side.
OK_CONFIDENCE, NARROW_SECONDS = 0.7, 0.12
#: No offset is impossible.
_LEAST_SHARE = 1e-12
#: A sound that belongs with less than this probability is called unrelated.
UNRELATED_BELOW = 0.1


@dataclass(frozen=True, eq=False)
class OffsetEstimate:
    """An offset and how sure it is.

    Attributes:
        offset_seconds: positive = the sound comes late; None if no cue could tell.
        confidence: probability that the sound belongs to the picture and the offset is right.
        cue: the name of the cue that contributed most; "" if none could tell.
        lags_seconds, nats: (L,) the curve behind it.
        reasons: why each silent cue was silent, by cue name.
        figures: what the confidence was made of; None if no cue could tell.
        belongs: probability that the sound belongs to the picture, whatever the offset; None where it isn't known.
        offset_confidence: probability that the offset is right if the sound belongs to the picture.
    """

    offset_seconds: float | None
    confidence: float
    cue: str
    lags_seconds: Float[np.ndarray, " L"]
    nats: Float[np.ndarray, " L"]
    reasons: dict[str, Reason]
    figures: PeakFigures | None = None
    belongs: float | None = None
    offset_confidence: float = 0.0


def offset_lags(max_offset_seconds: float) -> Float[np.ndarray, " L"]:
    """The offsets to try: zero and one to either side of it at least."""
    step = STEP_SECONDS if max_offset_seconds <= WIDE_SECONDS else 4 * STEP_SECONDS
    count = max(2, round(max_offset_seconds / step))
    return np.arange(-count, count + 1) * step


def estimate_offset(
    cues: Sequence[Cue], video: VideoFeatures, audio: AudioFeatures, *, max_offset_seconds: float
) -> OffsetEstimate:
    """Measure how late the sound comes."""
    lags = offset_lags(max_offset_seconds)
    prior = log_prior(lags, max_offset_seconds)
    curves, usable, reasons = [], [], {}
    for cue in cues:
        nats, reason = weighted_nats(cue, video, audio, lags)
        if reason is None:
            curves.append(nats)
            usable.append(cue)
        else:
            reasons[cue.name] = reason
    if not usable:
        return OffsetEstimate(None, 0.0, "", lags, np.zeros(len(lags)), reasons)
    plain = np.sum(curves, axis=0)
    peak = int((plain + prior).argmax())
    curves = [without_repetition(cue, nats, audio, lags) for cue, nats in zip(usable, curves, strict=True)]
    total = np.sum(curves, axis=0) + prior
    spoken = [place for place, cue in enumerate(usable) if looks_at_faces(cue)]
    contrasts = [_contrast(curve, peak) for curve in curves]
    deciding = usable[max(spoken or range(len(usable)), key=contrasts.__getitem__)]
    alone = [sum((weighted_nats(cue, half, audio, lags)[0] for cue in usable), prior) for half in halves(video)]
    figures = replace(
        peak_figures(lags, total, peak),
        weaker_half=min(_mass(lags, nats, peak) for nats in alone),
        strokes=strokes(audio.flux),
        classes=deciding.classes(video, audio) if isinstance(deciding, NamingCue) else (),
        height=float(total[peak] - prior[peak]),
        unevenness=deciding.unevenness(video, audio, float(lags[peak])) if isinstance(deciding, SteadyCue) else 0.0,
    )
    most = 1.0 if spoken or rhythm(audio) <= MOST_RHYTHM else RHYTHM_CONFIDENCE
    offset = float(lags[peak])
    if peak in (0, len(lags) - 1):
        most = min(most, EDGE_CONFIDENCE)
    else:
        offset = _finest(usable, video, audio, lags, plain, peak)
    found = OffsetEstimate(offset, 0.0, deciding.name, lags, total, reasons, figures)
    return _judged(found, figures, deciding.calibration, most)


def _finest(
    cues: Sequence[Cue],
    video: VideoFeatures,
    audio: AudioFeatures,
    lags: Float[np.ndarray, " L"],
    nats: Float[np.ndarray, " L"],
    peak: int,
) -> float:
    """The offset of the highest evidence about a peak, in fine steps and by a parabola."""
    if lags[1] - lags[0] < 1.5 * STEP_SECONDS:
        return refined(nats, lags, _climbed(nats, peak))
    near = lags[peak] + FINE_LAGS
    near = near[(near >= lags[0] - 1e-9) & (near <= lags[-1] + 1e-9)]
    fine = np.sum([weighted_nats(cue, video, audio, near)[0] for cue in cues], axis=0)
    return refined(fine, near, _climbed(fine, int(np.abs(near - lags[peak]).argmin())))


def _judged(estimate: OffsetEstimate, figures: PeakFigures, calibration: Calibration, most: float) -> OffsetEstimate:
    """How sure it is, by its figures, and no surer than `most` of the offset."""
    confidence, belongs, offset = (
        calibration.probability(figures),
        calibration.belongs(figures),
        calibration.offset(figures),
    )
    if belongs is not None:
        belongs = max(belongs, confidence)
    if offset is None:
        offset = confidence / (belongs or 1.0)
    return replace(estimate, confidence=min(confidence, most), belongs=belongs, offset_confidence=min(offset, most))


def log_prior(lags: Float[np.ndarray, " L"], max_offset_seconds: float) -> Float[np.ndarray, " L"]:
    """Large offsets are rarer than small ones (nats, not normalised)."""
    return -0.5 * (lags / (USUAL_SHARE * max_offset_seconds)) ** 2


def weighted_nats(
    cue: Cue, video: VideoFeatures, audio: AudioFeatures, lags: Float[np.ndarray, " L"]
) -> tuple[Float[np.ndarray, " L"], Reason | None]:
    """What one cue says, as far as it may be believed; zeros and the reason where it can't tell."""
    parts = []
    for begin in range(0, len(lags), CHUNK_LAGS):
        curves = cue.curves([video], [audio], lags[begin : begin + CHUNK_LAGS])
        if curves.reason() is not None:
            return np.zeros(len(lags)), curves.reason()
        parts.append(curves.nats[0, 0].astype(np.float64))
    return cue.calibration.weight * np.concatenate(parts), None


def peak_figures(
    lags_seconds: Float[np.ndarray, " L"], nats: Float[np.ndarray, " L"], peak: int | None = None
) -> PeakFigures:
    """What the curve alone says of its peak, or of another place."""
    peak = int(nats.argmax()) if peak is None else peak
    return PeakFigures(_mass(lags_seconds, nats, peak), _contrast(nats, peak))


def offset_interval(estimate: OffsetEstimate) -> tuple[float, float]:
    """The middle 95 % of the calibrated posterior, if the sound belongs to the picture: near the peak it holds as much
    as `offset_confidence` says.

    Raises:
        ValueError: there is no offset to be sure of.
    """
    if estimate.offset_seconds is None:
        raise ValueError("no cue could tell an offset, so there is no interval")
    lags = estimate.lags_seconds
    share = calibrated(estimate)
    step = float(lags[1] - lags[0])
    cumulated = np.cumsum(gaussian_filter1d(share, BIAS_SECONDS / step, mode="nearest"))
    tails = (0.5 * (1.0 - COVERAGE), 0.5 * (1.0 + COVERAGE))
    low, high = np.interp(tails, cumulated / cumulated[-1], lags + 0.5 * step)
    return min(float(low), estimate.offset_seconds), max(float(high), estimate.offset_seconds)


def is_narrow(interval_seconds: tuple[float, float]) -> bool:
    """Whether an interval of offsets says enough to act on."""
    low, high = interval_seconds
    return high - low <= 2 * NARROW_SECONDS


def calibrated(estimate: OffsetEstimate) -> Float[np.ndarray, " L"]:
    """The probability of each offset if the sound belongs to the picture."""
    lags, posterior = estimate.lags_seconds, softmax(estimate.nats) + 1e-12
    assert estimate.offset_seconds is not None
    near = np.abs(lags - estimate.offset_seconds) <= TOLERANCE_SECONDS + 0.5 * float(lags[1] - lags[0])
    right = estimate.offset_confidence
    share = np.where(near, right / posterior[near].sum(), 0.0) * posterior
    share[~near] = (1.0 - right) / max(posterior[~near].sum(), 1e-300) * posterior[~near]
    return np.asarray(share)


def with_prior(
    estimate: OffsetEstimate, usual: Float[np.ndarray, " L"], known: Float[np.ndarray, " L"]
) -> OffsetEstimate:
    """The estimate where more is known of the offset than usually.

    Args:
        usual: the log prior that the estimate was made with.
        known: the log prior that holds.
    """
    if estimate.offset_seconds is None:
        return estimate
    lags = estimate.lags_seconds
    nats = np.log(calibrated(estimate) + _LEAST_SHARE) - usual + known
    peak = int(nats.argmax())
    right = _mass(lags, nats, peak)
    belongs = estimate.belongs
    confidence = estimate.confidence if belongs is None else max(estimate.confidence, belongs * right)
    offset = estimate.offset_seconds
    if abs(lags[peak] - offset) > float(lags[1] - lags[0]):
        offset = refined(nats, lags, peak)
    return replace(estimate, offset_seconds=offset, nats=nats, offset_confidence=right, confidence=confidence)


def within(estimate: OffsetEstimate, max_offset_seconds: float) -> OffsetEstimate:
    """The best offset of a narrower range than was searched; an offset outside it leaves little for those inside."""
    offset, lags = estimate.offset_seconds, estimate.lags_seconds
    reach = max(max_offset_seconds, STEP_SECONDS) + 1e-9
    if offset is None or abs(offset) <= reach:
        return estimate
    peak = int(np.where(np.abs(lags) <= reach, estimate.nats, -np.inf).argmax())
    near = np.abs(lags - lags[peak]) <= TOLERANCE_SECONDS + 1e-9
    right = float(calibrated(estimate)[near].sum())
    sure = min(right, EDGE_CONFIDENCE) * (1.0 if estimate.belongs is None else estimate.belongs)
    return replace(estimate, offset_seconds=float(lags[peak]), offset_confidence=right, confidence=sure)


def _climbed(nats: Float[np.ndarray, " L"], place: int) -> int:
    """The local maximum uphill of a place."""
    while 0 < place < len(nats) - 1 and nats[place] < max(nats[place - 1], nats[place + 1]):
        place += 1 if nats[place + 1] > nats[place - 1] else -1
    return place


def _mass(lags_seconds: Float[np.ndarray, " L"], nats: Float[np.ndarray, " L"], peak: int) -> float:
    near = np.abs(lags_seconds - lags_seconds[peak]) <= TOLERANCE_SECONDS + 1e-9
    return float(softmax(nats)[near].sum())


def _contrast(curve: Float[np.ndarray, " L"], peak: int) -> float:
    return float(curve[peak] - np.median(curve))


def refined(nats: Float[np.ndarray, " L"], lags: Float[np.ndarray, " L"], peak: int) -> float:
    """The offset of the maximum of the parabola through the peak and its neighbours."""
    if peak in (0, len(lags) - 1):
        return float(lags[peak])
    left, middle, right = nats[peak - 1 : peak + 2]
    bend = min(left - 2 * middle + right, -1e-12)
    return float(lags[peak] + np.clip(0.5 * (left - right) / bend, -0.5, 0.5) * (lags[1] - lags[0]))
