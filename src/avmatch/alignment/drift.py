"""Does the offset grow along the file? Two recorders whose clocks disagree drift apart by some millionths.

    stretches of the picture → a curve over offsets each → one line through them → a drift, if it is one

Where sound and picture start `offset` apart and drift by `drift_ppm`, an event shown at p sounds at

    s = p + offset + drift_ppm · 10⁻⁶ · (p − p₀),

p₀ being the picture's beginning: with a positive drift the sound comes later and later. This line is the only place
that says what the sign means.

The line is first searched in the curves themselves, which need no decision for any single stretch: the stretches'
log-likelihoods, each with a share of doubt that bounds what it can object (a mixture with a uniform distribution), are
added up along every line of a grid, a Hough transform. Then the peak of each stretch near that line is fitted by least
squares with Huber's weights ("Robust estimation of a location parameter", 1964); the scatter of the peaks, and not the
nats, says how sure the slope is. A drift is reported only where zero lies outside its interval at 99 % and
where it adds up to half a frame over the file.

Letters in shapes: W stretches, L offsets.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.special import softmax
from scipy.stats import t as student

from avmatch.alignment.cuts import between
from avmatch.alignment.offset import (
    STEP_SECONDS,
    TOLERANCE_SECONDS,
    log_prior,
    offset_lags,
    refined,
    weighted_nats,
)
from avmatch.core.features import BAND_RATE_HZ, AudioFeatures, Embeddings, VideoFeatures
from avmatch.cues.evidence import Cue

MILLIONTH = 1e-6
#: A twelfth of the file, in whole windows of the cues (synchrony.py), within these bounds.
NUM_STRETCHES = 12
GRID_SECONDS = 10.0
SHORTEST_SECONDS, LONGEST_SECONDS = 10.0, 60.0
#: Files shorter than this are too short to find a drift.
MIN_SECONDS = 40.0
#: Those shorter than this are never cut up, and those shorter than MIN_SECONDS into stretches of this length.
LEAST_SECONDS, SHORT_STRETCH_SECONDS = 16.0, 5.0
#: Stretches that a line needs.
MIN_STRETCHES = 3
#: A film run at 1000/1001 of its speed makes 1000 ppm; worse clocks are not clocks.
MAX_DRIFT_PPM = 1500.0
#: Share of a stretch's belief that says nothing about the offset.
DOUBT = 0.2
#: How far from the line a stretch's peak is looked for.
NEAR_LAGS = np.arange(-15, 16) * STEP_SECONDS
#: What peaks scatter by even where the evidence is endless.
FLOOR_SECONDS = 0.005
HUBER_DEVIATIONS = 1.5
ROUNDS = 10
SIGNIFICANCE = 0.01
#: A drift that makes less than this over the file is of no use to anyone.
MIN_EFFECT_SECONDS = 0.02


@dataclass(frozen=True)
class Drift:
    """How the offset grows.

    Attributes:
        drift_ppm: microseconds a second; positive = the sound comes later and later.
        interval_ppm: 95 % interval of it.
        start_error_seconds: half the 95 % interval that the slope adds to the offset at the picture's beginning.
    """

    drift_ppm: float
    interval_ppm: tuple[float, float]
    start_error_seconds: float


@dataclass(frozen=True, eq=False)
class Stretches:
    """A picture cut into stretches, and what they say.

    Attributes:
        parts: (W,) the stretches.
        times_seconds: (W,) their middles, from the picture's beginning on.
        lags_seconds: (L,) the offsets tried.
        curves: (W, L) nats.
        log_prior: (L,) each one's part of the prior over offsets.
    """

    parts: tuple[VideoFeatures, ...]
    times_seconds: Float[np.ndarray, " W"]
    lags_seconds: Float[np.ndarray, " L"]
    curves: Float[np.ndarray, "W L"]
    log_prior: Float[np.ndarray, " L"]


def cut_up(
    cues: Sequence[Cue], video: VideoFeatures, audio: AudioFeatures, *, max_offset_seconds: float
) -> Stretches | None:
    """The stretches of a picture and their curves; None where it is too short to have several."""
    parts = stretches(video)
    if min(video.duration_seconds, audio.duration_seconds) < LEAST_SECONDS or len(parts) < MIN_STRETCHES:
        return None
    lags = offset_lags(max_offset_seconds)
    times = np.array([part.start_seconds + 0.5 * part.duration_seconds for part in parts]) - video.start_seconds
    curves = np.stack([_nats(cues, part, audio, lags) for part in parts])
    return Stretches(tuple(parts), times, lags, curves, log_prior(lags, max_offset_seconds) / len(parts))


def estimate_drift(
    cues: Sequence[Cue],
    video: VideoFeatures,
    audio: AudioFeatures,
    *,
    max_offset_seconds: float,
    cut: Stretches | None = None,
) -> Drift | None:
    """The drift between picture and sound; None where none is found. `cut`: if the picture is cut up already."""
    if min(video.duration_seconds, audio.duration_seconds) < MIN_SECONDS:
        return None
    cut = cut or cut_up(cues, video, audio, max_offset_seconds=max_offset_seconds)
    if cut is None:
        return None
    parts, times, lags, curves = cut.parts, cut.times_seconds, cut.lags_seconds, cut.curves
    line = _best_line(curves + cut.log_prior, times, lags)
    expected = line[0] + line[1] * times
    near = [offset + NEAR_LAGS for offset in expected]
    peaks = [_peak(_nats(cues, part, audio, at), at) for part, at in zip(parts, near, strict=True)]
    chosen = np.array([_agrees(curve, lags, at) for curve, at in zip(curves, expected, strict=True)])
    offsets, deviations = np.array(peaks).T
    return _significant(times[chosen], offsets[chosen], deviations[chosen], video.duration_seconds)


def without_drift(audio: AudioFeatures, drift_ppm: float, begin_seconds: float) -> AudioFeatures:
    """The sound's features with the drift taken out; `begin_seconds` is the picture's beginning, which stays."""
    pace = 1.0 + drift_ppm * MILLIONTH

    def ticks(num: int, start_seconds: float, rate_hz: float) -> tuple[np.ndarray, float]:
        start = begin_seconds + (start_seconds - begin_seconds) / pace
        return np.minimum(np.rint(np.arange(int(num / pace)) * pace).astype(int), num - 1), start

    bands, start = ticks(len(audio.flux), audio.start_seconds, BAND_RATE_HZ)
    embeddings = {}
    for name, vectors in audio.embeddings.items():
        chosen, begin = ticks(len(vectors.data), vectors.start_seconds, vectors.rate_hz)
        embeddings[name] = Embeddings(vectors.data[chosen], vectors.rate_hz, begin)
    return replace(
        audio,
        start_seconds=start,
        flux=audio.flux[bands],
        level=audio.level[bands],
        spectrum=audio.spectrum[bands] if len(audio.spectrum) else audio.spectrum,
        duration_seconds=audio.duration_seconds / pace,
        embeddings=embeddings,
    )


def stretches(video: VideoFeatures) -> list[VideoFeatures]:
    """The picture cut into pieces on the grid of the cues' windows."""
    whole = round(video.duration_seconds / NUM_STRETCHES / GRID_SECONDS) * GRID_SECONDS
    length = min(max(whole, SHORTEST_SECONDS), LONGEST_SECONDS)
    if video.duration_seconds < MIN_SECONDS:
        length = SHORT_STRETCH_SECONDS
    first = int(video.start_seconds // length)
    last = int((video.start_seconds + video.duration_seconds) // length)
    parts = [between(video, index * length, (index + 1) * length) for index in range(first, last + 1)]
    return [part for part in parts if part.duration_seconds > 0.5 * min(length, SHORTEST_SECONDS)]


def _nats(
    cues: Sequence[Cue], video: VideoFeatures, audio: AudioFeatures, lags: Float[np.ndarray, " L"]
) -> Float[np.ndarray, " L"]:
    return np.sum([weighted_nats(cue, video, audio, lags)[0] for cue in cues], axis=0)


def _best_line(
    curves: Float[np.ndarray, "W L"], times: Float[np.ndarray, " W"], lags: Float[np.ndarray, " L"]
) -> tuple[float, float]:
    """(offset at the beginning, slope) of the line along which the stretches together are the most probable."""
    step = lags[1] - lags[0]
    middle = 0.5 * float(times[0] + times[-1])
    reach = max(float(times[-1]) - middle, 1.0)
    belief = np.log((1.0 - DOUBT) * softmax(curves, axis=1) * len(lags) + DOUBT)
    num = int(np.ceil(MAX_DRIFT_PPM * MILLIONTH * reach / step))
    belief = np.pad(belief, ((0, 0), (num, num)), constant_values=np.log(DOUBT))
    best = (-np.inf, 0.0, 0.0)
    for slope in sorted(np.arange(-num, num + 1) * (step / reach), key=abs):  # of equals, the flattest
        shifts = np.rint(slope * (times - middle) / step).astype(int)
        total = np.sum(
            [row[num + shift : num + shift + len(lags)] for row, shift in zip(belief, shifts, strict=True)], 0
        )
        if total.max() > best[0]:
            best = (float(total.max()), float(lags[total.argmax()]), float(slope))
    return best[1] - best[2] * middle, best[2]


def _peak(nats: Float[np.ndarray, " L"], lags: Float[np.ndarray, " L"]) -> tuple[float, float]:
    """Where a stretch's curve peaks near the line, and the deviation of its posterior there."""
    share = softmax(nats)
    mean = float(share @ lags)
    return refined(nats, lags, int(nats.argmax())), float(np.sqrt(share @ (lags - mean) ** 2)) + FLOOR_SECONDS


def _agrees(nats: Float[np.ndarray, " L"], lags: Float[np.ndarray, " L"], expected_seconds: float) -> bool:
    """Whether most of a stretch's belief lies near the line."""
    return bool(softmax(nats)[np.abs(lags - expected_seconds) <= TOLERANCE_SECONDS].sum() > 0.5)


def _significant(
    times: Float[np.ndarray, " W"],
    offsets: Float[np.ndarray, " W"],
    deviations: Float[np.ndarray, " W"],
    duration_seconds: float,
) -> Drift | None:
    """The slope by least squares with Huber's weights; None where it may as well be zero."""
    if len(times) < MIN_STRETCHES:
        return None
    basis = np.stack([np.ones_like(times), times], axis=1)
    surety = 1.0 / deviations
    weights = np.ones_like(times)
    for _ in range(ROUNDS):
        root = surety * np.sqrt(weights)
        line = np.linalg.lstsq(basis * root[:, None], offsets * root, rcond=None)[0]
        misfit = np.abs(offsets - basis @ line) * surety
        spread = 1.4826 * float(np.median(misfit)) + 1e-9
        weights = np.minimum(1.0, HUBER_DEVIATIONS * spread / np.maximum(misfit, 1e-9))
    freedom = max(float(weights.sum()) - 2.0, 0.5)
    scatter = float((weights * misfit**2).sum()) / freedom
    covariance = scatter * np.linalg.inv((basis * (surety**2 * weights)[:, None]).T @ basis)
    error = float(np.sqrt(covariance[1, 1]))
    slope = float(line[1])
    if abs(slope) < student.ppf(1.0 - SIGNIFICANCE / 2, freedom) * error:
        return None
    if abs(slope) * duration_seconds < MIN_EFFECT_SECONDS:
        return None
    half = float(student.ppf(0.975, freedom)) * error
    low, high = ((slope + sign * half) / MILLIONTH for sign in (-1, 1))
    return Drift(slope / MILLIONTH, (low, high), half * 0.5 * duration_seconds)
