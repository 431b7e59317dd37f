"""How late does the sound come? From the cues' curves over offsets to one offset, with a probability that it is right.

The weighted nats of the cues are added to a log prior, a Gaussian with half the range as its deviation: large offsets
are rarer than small ones. Their softmax over the offsets tried is the posterior, and the offset its peak, refined by a
parabola. A logistic map (Platt, 1999), fitted on development clips for the cue that contributed most, turns the
posterior mass within ±80 ms of the peak, how far the peak stands out, whether both halves of the picture agree with it,
how impulsive the sound is and what the event seems to be, into a frequency.

Wide ranges are searched in coarse steps first, then in fine ones about the peak.

Letters in shapes: C cues, L offsets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d
from scipy.special import softmax

from avmatch.core.errors import Reason
from avmatch.core.features import TICK_RATE_HZ, AudioFeatures, Embeddings, MouthTrack, VideoFeatures
from avmatch.cues.evidence import Cue, NamingCue, PeakFigures
from avmatch.frontends.event_signals import strokes


def halves(video: VideoFeatures) -> tuple[VideoFeatures, VideoFeatures]:
    """Its first and its second half."""
    begin, length = video.start_seconds, len(video.motion) / TICK_RATE_HZ
    return between(video, begin, begin + 0.5 * length), between(video, begin + 0.5 * length, begin + length)


def between(video: VideoFeatures, begin_seconds: float, end_seconds: float) -> VideoFeatures:
    """The features from `begin_seconds` on and before `end_seconds`, on the file's clock."""
    ticks = _ticks(video.start_seconds, TICK_RATE_HZ, begin_seconds, end_seconds)
    motion = video.motion[ticks]
    tracks = (_track_between(track, begin_seconds, end_seconds) for track in video.mouths)
    return replace(
        video,
        start_seconds=video.start_seconds + ticks.start / TICK_RATE_HZ,
        motion=motion,
        mouths=tuple(track for track in tracks if len(track)),
        duration_seconds=len(motion) / TICK_RATE_HZ,
        embeddings=_vectors_between(video.embeddings, begin_seconds, end_seconds),
    )


def _track_between(track: MouthTrack, begin_seconds: float, end_seconds: float) -> MouthTrack:
    inside = (track.pts_seconds >= begin_seconds) & (track.pts_seconds < end_seconds)
    vectors = _vectors_between(track.embeddings, begin_seconds, end_seconds)
    return MouthTrack(track.pts_seconds[inside], track.boxes[inside], track.signals[inside], vectors)


def _vectors_between(
    embeddings: Mapping[str, Embeddings], begin_seconds: float, end_seconds: float
) -> dict[str, Embeddings]:
    cut = {}
    for name, vectors in embeddings.items():
        ticks = _ticks(vectors.start_seconds, vectors.rate_hz, begin_seconds, end_seconds)
        start = vectors.start_seconds + ticks.start / vectors.rate_hz
        cut[name] = Embeddings(vectors.data[ticks], vectors.rate_hz, start)
    return cut


def _ticks(start_seconds: float, rate_hz: float, begin_seconds: float, end_seconds: float) -> slice:
    """The ticks from `begin_seconds` on and before `end_seconds`."""
    return slice(*(max(0, int(np.ceil((at - start_seconds) * rate_hz - 1e-6))) for at in (begin_seconds, end_seconds)))


#: An offset counts as right when it is at most this far off.
TOLERANCE_SECONDS = 0.08
#: Offsets are tried this far apart; in ranges above WIDE_SECONDS, four times as far.
STEP_SECONDS = 0.01
WIDE_SECONDS = 5.0
CHUNK_LAGS = 2048
#: Steps about a coarse peak: two coarse ones to either side.
FINE_LAGS = np.arange(-8, 9) * STEP_SECONDS
#: Deviation of the prior over offsets, as a share of the range.
USUAL_SHARE = 0.5
#: What a cue is off by however long the clip is, as a deviation: the interval can't be narrower.
BIAS_SECONDS = 0.02
COVERAGE = 0.95
#: A peak at the very edge of the range belongs to something outside it.
EDGE_CONFIDENCE = 0.3
#: From this confidence on, an offset may be acted on.
OK_CONFIDENCE = 0.75


@dataclass(frozen=True, eq=False)
class OffsetEstimate:
    """An offset and how sure it is.

    Attributes:
        offset_seconds: positive = the sound comes late; None if no cue could tell.
        confidence: probability that it is right within TOLERANCE_SECONDS.
        cue: the name of the cue that contributed most; "" if none could tell.
        lags_seconds, nats: (L,) the curve behind it.
        reasons: why each silent cue was silent, by cue name.
        figures: what the confidence was made of; None if no cue could tell.
    """

    offset_seconds: float | None
    confidence: float
    cue: str
    lags_seconds: Float[np.ndarray, " L"]
    nats: Float[np.ndarray, " L"]
    reasons: dict[str, Reason]
    figures: PeakFigures | None = None


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
    total = np.sum(curves, axis=0) + prior
    peak = int(total.argmax())
    deciding = usable[int(np.argmax([_contrast(curve, peak) for curve in curves]))]
    figures = peak_figures(lags, total)
    if deciding.calibration.half_slope:
        alone = [sum((weighted_nats(cue, half, audio, lags)[0] for cue in usable), prior) for half in halves(video)]
        weaker = min(_mass(lags, nats, peak) for nats in alone)
        classes = deciding.classes(video, audio) if isinstance(deciding, NamingCue) else ()
        figures = replace(figures, weaker_half=weaker, strokes=strokes(audio.flux), classes=classes)
    confidence = deciding.calibration.probability(figures)
    offset = refined(total, lags, peak)
    if peak in (0, len(lags) - 1):
        confidence = min(confidence, EDGE_CONFIDENCE)
    elif max_offset_seconds > WIDE_SECONDS:
        near = lags[peak] + FINE_LAGS
        fine = sum((weighted_nats(cue, video, audio, near)[0] for cue in usable), log_prior(near, max_offset_seconds))
        offset = refined(fine, near, int(fine.argmax()))
    return OffsetEstimate(offset, confidence, deciding.name, lags, total, reasons, figures)


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


def peak_figures(lags_seconds: Float[np.ndarray, " L"], nats: Float[np.ndarray, " L"]) -> PeakFigures:
    """What the curve alone says of its peak."""
    peak = int(nats.argmax())
    return PeakFigures(_mass(lags_seconds, nats, peak), _contrast(nats, peak))


def offset_interval(estimate: OffsetEstimate) -> tuple[float, float]:
    """The middle 95 % of the calibrated posterior: near the peak it holds as much as the confidence says.

    Raises:
        ValueError: there is no offset to be sure of.
    """
    if estimate.offset_seconds is None:
        raise ValueError("no cue could tell an offset, so there is no interval")
    lags, posterior = estimate.lags_seconds, softmax(estimate.nats) + 1e-12
    near = np.abs(lags - lags[posterior.argmax()]) <= TOLERANCE_SECONDS + 1e-9
    share = np.where(near, estimate.confidence / posterior[near].sum(), 0.0) * posterior
    share[~near] = (1.0 - estimate.confidence) / posterior[~near].sum() * posterior[~near]
    step = float(lags[1] - lags[0])
    cumulated = np.cumsum(gaussian_filter1d(share, BIAS_SECONDS / step, mode="nearest"))
    tails = (0.5 * (1.0 - COVERAGE), 0.5 * (1.0 + COVERAGE))
    low, high = np.interp(tails, cumulated / cumulated[-1], lags + 0.5 * step)
    return min(float(low), estimate.offset_seconds), max(float(high), estimate.offset_seconds)


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
