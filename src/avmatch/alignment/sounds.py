"""Two microphones that heard the same: where the one sound lies in the other, to the sample.

    onsets, correlated at all lags → a few lags → pieces of the sounds, correlated there (GCC-PHAT) → a line → evidence

What a camera recorded and what a recorder did differ in level, tone, noise and reverberation, and their clocks drift.
So the first look is at onsets in eight bands, flattened, 50 a second (Wiener-Khinchin), which all of that changes
little; it says where to look. There, pieces of four seconds of the sounds' signs (frontends/signs.py) are correlated by
FFT with every frequency counting the same, whatever its power (Knapp and Carter, "The generalized correlation method
for estimation of time delay", 1976): reverberation and tone don't move such a peak. Pieces of a pair that belongs
together have their peaks on one line over time, whose slope is the drift of the clocks. The evidence is how far the
correlation on the line stands above the highest elsewhere, each in units of its noise, 0.5 · Σ (z² - z'²): so sounds
that repeat themselves, hum and silence, and of course foreign ones, come to nothing, and no scale is needed.

Memory follows the onsets and the length of a piece, time the number of pieces: 30 minutes are no more than 24 of them.

Letters in shapes: T ticks, B bands, P pieces, L lags.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
import scipy.fft
from jaxtyping import Bool, Complex64, Float, Float32, Float64, Int
from scipy.signal import resample_poly

from avmatch.core.features import BAND_RATE_HZ, AudioFeatures, SoundSigns
from avmatch.frontends.event_signals import flattened

#: Onsets are added up over so many ticks for the first look; so many lags are looked at then.
POOLED_TICKS, NUM_LAGS = 2, 3
#: Spectra are kept up to this size: 4 MB for 20 minutes.
_LARGEST_KEPT = 1 << 17
#: Lags closer than this are the same; a piece is looked for so far about its lag.
SAME_SECONDS, REACH_SECONDS = 0.12, 0.25
PIECE_SECONDS, MOST_PIECES = 4.0, 24
#: Less than this heard by both is too little.
LEAST_OVERLAP_SECONDS = 1.0
#: Drifts up to this are followed. A piece is on the line within this, and what lies farther away is elsewhere.
MOST_DRIFT, ON_LINE_SECONDS, ELSEWHERE_SECONDS = 200e-6, 0.0005, 0.01
#: Frequencies that count.
BAND_HZ = (150.0, 3500.0)
#: Samples depend on their neighbours: they count as this share of independent ones. No pair is surer than MAX_NATS.
INDEPENDENT, MAX_NATS = 0.5, 300.0
#: From this evidence on, sounds are the same.
SAME_NATS = 12.0
#: With this share of the evidence of a piece at another lag, or in another recording, neither is the right one.
RIVAL_SHARE = 0.5
#: Sounds are of one moment when they share at least this part of the shorter.
SHARED_PART = 0.5
#: Of noise, this share lies within so many deviations. Where more lies beyond it, the peak stands among others.
_TAIL_SHARE, _TAIL_DEVIATIONS = 0.9876, 2.5
#: White noise fills its spectrum to 0.79, a camera that hums as loudly as it hears to 0.4, tones and hum to 0.01. Signs
#: of speech change in every fourth sample or so, those of digital silence with a few clicks in one of a thousand.
LEAST_FLATNESS, LEAST_CHANGES = 0.1, 0.01
#: A drift is said where it is known to this.
_DRIFT_KNOWN = 5e-6
_LEAST_INTERVAL_SECONDS = 0.0005
#: Peaks are looked at this much finer than samples, with so many samples to either side.
_FINER, _AROUND = 8, 24


@dataclass(frozen=True)
class SoundAlignment:
    """Where the first sound lies in the second.

    Attributes:
        offset_seconds: what is heard at t in the first is heard at t + offset in the second, at `at_seconds`.
        drift_ppm: how that grows, in microseconds a second; 0 where it isn't known.
        strength: evidence that both are the same, however high: of two recordings with the same music played back, that
            which was there has more.
        num_pieces: of the sounds, that were compared.
        interval_seconds: 95 % interval of the offset.
        span_seconds: from when on and until when, on the first's clock, both sounds run.
    """

    offset_seconds: float
    drift_ppm: float
    strength: float
    num_pieces: int
    interval_seconds: tuple[float, float]
    span_seconds: tuple[float, float]

    @property
    def nats(self) -> float:
        """Evidence that both are the same, as a cue's."""
        return min(self.strength, MAX_NATS)

    @property
    def piece_nats(self) -> float:
        """The strength of a piece."""
        return self.strength / self.num_pieces

    @property
    def is_same(self) -> bool:
        """Whether both heard the same."""
        return self.nats >= SAME_NATS

    def overlaps(self, other: "SoundAlignment") -> bool:
        """Whether two alignments of the first sound are about the same part of it."""
        (begin, end), (first, last) = self.span_seconds, other.span_seconds
        return min(end, last) - max(begin, first) >= SHARED_PART * min(end - begin, last - first)


@dataclass(frozen=True, eq=False)
class Onsets:
    """What the first look takes of a sound.

    Attributes:
        bands: (T, B) flattened onsets.
        start_seconds: time of the first.
        rate_hz: ticks a second.
        keeps: whether the last spectrum is kept, where a few are compared again and again.
    """

    bands: Float32[np.ndarray, "T B"]
    start_seconds: float
    rate_hz: float = BAND_RATE_HZ / POOLED_TICKS
    keeps: bool = False
    _kept: dict[int, Complex64[np.ndarray, "F B"]] = field(default_factory=dict)

    def spectrum(self, size: int) -> Complex64[np.ndarray, "F B"]:
        """Of each band."""
        found = self._kept.get(size)
        if found is None:
            found = np.asarray(scipy.fft.rfft(self.bands, size, axis=0), np.complex64)
            if self.keeps and size <= _LARGEST_KEPT:
                self._kept.clear()
                self._kept[size] = found
        return found


def onsets(audio: AudioFeatures, *, keeps: bool = False) -> Onsets:
    """Of a sound."""
    bands = flattened(np.log1p(audio.flux.astype(np.float32)), BAND_RATE_HZ)
    return Onsets(pooled(bands, POOLED_TICKS), audio.start_seconds, keeps=keeps)


def pooled(bands: Float[np.ndarray, "T B"], num_ticks: int) -> Float32[np.ndarray, "t B"]:
    """Added up over so many ticks, about the mean of each band."""
    whole = len(bands) // num_ticks * num_ticks
    found = bands[:whole].reshape(-1, num_ticks, bands.shape[1]).sum(axis=1)
    return np.asarray(found - found.mean(axis=0) if len(found) else found, np.float32)


def first_look(own: Onsets, others: Sequence[Onsets]) -> tuple[Float64[np.ndarray, " M"], list[list[float]]]:
    """How far the best lag of each pair stands out, in deviations of its correlation; and its best few lags.

    A lag is how much later the other sound comes.
    """
    heights = np.zeros(len(others))
    found: list[list[float]] = []
    sizes = [1 << (len(own.bands) + len(other.bands)).bit_length() for other in others]  # few, for what is kept
    spectra = {size: np.conj(own.spectrum(size)) for size in set(sizes)}
    for place, (other, size) in enumerate(zip(others, sizes, strict=True)):
        if min(len(own.bands), len(other.bands)) < LEAST_OVERLAP_SECONDS * own.rate_hz:
            found.append([])
            continue
        product = (spectra[size] * other.spectrum(size)).sum(axis=1)
        correlation = scipy.fft.irfft(product, size)
        shifts = np.arange(size)
        shifts[shifts >= len(other.bands)] -= size
        overlap = np.minimum(len(own.bands), len(other.bands) - shifts) - np.maximum(0, -shifts)
        possible = overlap >= LEAST_OVERLAP_SECONDS * own.rate_hz
        scaled = np.where(possible, correlation / np.sqrt(np.maximum(overlap, own.rate_hz)), 0.0)
        scaled /= float(np.sqrt((scaled**2).sum() / possible.sum())) or 1.0
        heights[place], lags = _best_lags(scaled, shifts, own.rate_hz)
        found.append([lag + other.start_seconds - own.start_seconds for lag in lags])
    return heights, found


def _best_lags(
    scaled: Float[np.ndarray, " size"], shifts: Int[np.ndarray, " size"], rate_hz: float
) -> tuple[float, list[float]]:
    """The highest value, and the lags of the highest few that aren't the same."""
    left = scaled.copy()
    height, lags = float(left.max()), []
    for _ in range(NUM_LAGS):
        best = int(shifts[left.argmax()])
        lags.append(best / rate_hz)
        left[np.abs(shifts - best) <= SAME_SECONDS * rate_hz] = -np.inf
    return height, lags


def align_sounds(
    own: SoundSigns, other: SoundSigns, lags_seconds: Sequence[float], *, num_pieces: int = MOST_PIECES
) -> SoundAlignment | None:
    """The best alignment near one of the lags; None where the sounds have too little in common.

    A sound that repeats itself fits at several lags: then nothing speaks for any of them.
    """
    found = [alignment for lag in lags_seconds if (alignment := _aligned(own, other, lag, num_pieces)) is not None]
    best = max(found, key=lambda alignment: alignment.strength, default=None)
    if best is None:
        return None
    others = [item for item in found if abs(item.offset_seconds - best.offset_seconds) > ELSEWHERE_SECONDS]
    repeats = any(item.is_same and item.piece_nats >= RIVAL_SHARE * best.piece_nats for item in others)
    return replace(best, strength=0.0) if repeats else best


def _aligned(own: SoundSigns, other: SoundSigns, lag_seconds: float, num_pieces: int) -> SoundAlignment | None:
    """The alignment within REACH_SECONDS of a lag."""
    rate = own.rate_hz
    begin = max(own.start_seconds, other.start_seconds - lag_seconds)
    end = min(own.start_seconds + len(own) / rate, other.start_seconds + len(other) / rate - lag_seconds)
    if end - begin < LEAST_OVERLAP_SECONDS:
        return None
    length = min(PIECE_SECONDS, end - begin)
    num = max(1, min(num_pieces, int((end - begin) / length)))
    begins = np.linspace(begin, end - length, num)
    reach, num_own = round(REACH_SECONDS * rate), round(length * rate)
    curves, firsts = [], []
    for at in begins:
        first = round((at - own.start_seconds) * rate)
        apart = own.start_seconds - other.start_seconds + lag_seconds
        middle = first + round(apart * rate)
        curves.append(_phat(own.samples(first, num_own), other.samples(middle - reach, num_own + 2 * reach), rate))
        firsts.append((middle - first) / rate - own.start_seconds + other.start_seconds)
    times = begins + 0.5 * length
    place, slope, strength = _line(np.stack(curves), times, rate)
    offset, drift, half = _fitted(np.stack(curves), times, rate, place, slope)
    middle_seconds = float(times.mean())
    offset += firsts[0] - REACH_SECONDS + drift * (begin - middle_seconds)
    interval = (offset - half, offset + half)
    return SoundAlignment(offset, 1e6 * drift, strength, num, interval, (begin, end))


def _phat(own: Float32[np.ndarray, " S"], other: Float32[np.ndarray, " R"], rate_hz: int) -> Float32[np.ndarray, " L"]:
    """The correlation at all lags in reach, in units of its noise; lag 0 is the first.

    Nothing where a sound has next to nothing in it: the rest of a tone or of silence leaks from the piece's ends.
    """
    size = scipy.fft.next_fast_len(len(other), real=True)
    spectra = [scipy.fft.rfft(sound - sound.mean(), size) for sound in (own, other)]
    band, num_lags = _band(size, rate_hz), len(other) - len(own) + 1
    flatness = min(_flatness(np.abs(spectrum[band])) for spectrum in spectra)
    changes = min(np.count_nonzero(np.diff(sound)) / len(sound) for sound in (own, other))
    if flatness < LEAST_FLATNESS or changes < LEAST_CHANGES:
        return np.zeros(num_lags, np.float32)
    cross = np.conj(spectra[0]) * spectra[1]
    cross *= band / np.maximum(np.abs(cross), 1e-9)
    correlation = scipy.fft.irfft(cross, size)[:num_lags]
    sizes = np.abs(correlation)
    spread = max(1.4826 * float(np.median(sizes)), float(np.quantile(sizes, _TAIL_SHARE)) / _TAIL_DEVIATIONS)
    return np.asarray(correlation / max(spread, 1e-12), np.float32)


def _flatness(magnitudes: Float[np.ndarray, " K"]) -> float:
    """The share of the frequencies that a spectrum fills: 1 where all are the same, 1 / K for a tone."""
    return float(magnitudes.sum() ** 2 / max(len(magnitudes) * float((magnitudes**2).sum()), 1e-12))


@lru_cache(maxsize=16)
def _band(size: int, rate_hz: int) -> Bool[np.ndarray, " F"]:
    frequencies = np.fft.rfftfreq(size, 1.0 / rate_hz)
    return np.asarray((frequencies >= BAND_HZ[0]) & (frequencies <= BAND_HZ[1]))


def _line(
    curves: Float32[np.ndarray, "P L"], times: Float64[np.ndarray, " P"], rate_hz: int
) -> tuple[float, float, float]:
    """The line over time that the correlation is highest on: its lag in the middle of the times, its slope (both in
    samples), and its evidence."""
    peaks, middle = curves.argmax(axis=1), float(times.mean())
    near = round(ON_LINE_SECONDS * rate_hz)
    highest = np.max([np.roll(curves, step, axis=1) for step in range(-near, near + 1)], axis=0)
    best = (float(peaks[0]), 0.0, -np.inf)
    order = np.argsort(-curves.max(axis=1))[:8]
    for first in order:
        slopes = [
            (peaks[second] - peaks[first]) / (times[second] - times[first]) for second in order if second != first
        ]
        for slope in [0.0, *(slope for slope in slopes if abs(slope) <= MOST_DRIFT * rate_hz)]:
            lags = peaks[first] + slope * (times - times[first])
            height = _heights(highest, lags)
            total = float((np.maximum(height, 0.0) ** 2).sum())
            if total > best[2]:
                best = (float(peaks[first] + slope * (middle - times[first])), float(slope), total)
    lags = best[0] + best[1] * (times - middle)
    far = np.abs(np.arange(curves.shape[1]) - lags[:, None]) > ELSEWHERE_SECONDS * rate_hz
    elsewhere = np.where(far, curves, 0.0).max(axis=1)
    above = np.maximum(_heights(highest, lags), 0.0) ** 2 - elsewhere**2
    nats = 0.5 * INDEPENDENT * float(np.maximum(above, 0.0).sum())
    return best[0], best[1], nats


def _heights(curves: Float[np.ndarray, "P L"], lags: Float[np.ndarray, " P"]) -> Float[np.ndarray, " P"]:
    places = np.clip(np.round(lags).astype(int), 0, curves.shape[1] - 1)
    return np.asarray(curves[np.arange(len(curves)), places])


def _fitted(
    curves: Float32[np.ndarray, "P L"], times: Float64[np.ndarray, " P"], rate_hz: int, place: float, slope: float
) -> tuple[float, float, float]:
    """Lag in the middle of the times in seconds, drift, and half the interval, by the peaks on the line."""
    near = round(ON_LINE_SECONDS * rate_hz)
    middle = float(times.mean())
    found, weights = [], []
    for curve, time in zip(curves, times, strict=True):
        at = round(place + slope * (time - middle))
        low = min(max(1, at - near), len(curve) - 2)
        peak = low + int(curve[low : max(low + 1, min(at + near + 1, len(curve) - 1))].argmax())
        found.append(_between_samples(curve, peak) / rate_hz)
        top = float(curve[peak])
        weights.append(max(top, 0.1) ** 2)
    apart = times - middle
    lags, share = np.array(found), np.array(weights) / np.sum(weights)
    drift = slope / rate_hz
    known = len(times) > 2 and float(np.sqrt(share @ apart**2)) > 0.25 / rate_hz / _DRIFT_KNOWN
    if known:
        centred = apart - share @ apart
        drift = float((share * centred) @ lags / ((share * centred) @ centred))
    rest = lags - drift * apart
    error = float(np.sqrt(share @ (rest - share @ rest) ** 2) / np.sqrt(len(times)))
    lag = float(share @ rest)
    return lag, drift if known else 0.0, max(_LEAST_INTERVAL_SECONDS, 1.96 * error)


def _between_samples(curve: Float[np.ndarray, " L"], peak: int) -> float:
    """Where a band-limited curve is highest, about its largest sample."""
    first = max(0, peak - _AROUND)
    around = resample_poly(curve[first : peak + _AROUND + 1].astype(float), _FINER, 1)
    near = (peak - first) * _FINER
    low = max(1, near - _FINER)
    top = low + int(around[low : near + _FINER + 1].argmax())
    if top + 1 >= len(around):
        return float(peak)
    left, middle, right = around[top - 1 : top + 2]
    bend = min(left - 2.0 * middle + right, -1e-12)
    return first + (top + float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5))) / _FINER
