"""Sound → onsets, levels and spectra in bands; log-mel; and the features of published systems.

**SoundFrontEnd**, streaming: onset flux and level in eight bands, and the spectrum in sixteen, for all cues. The mel
power spectrum of 25 ms windows is taken 100 times a second; its logarithm, floored 40 dB below the
loudest of the surrounding ten to thirty seconds, gives the level; how much it rose within 20 ms, negative changes
set to zero, gives the flux (Bello et al., "A tutorial on onset detection in music signals", 2005, eq. 4, on a
log spectrum). Both are averaged over eight equal groups of mel bands. The spectrum is the same logarithm over a floor
that is always the same, far below, averaged over sixteen groups. The clock is that of the windows' middles.

**log_mel**, and LogMelClock in streams: what towers take, one row a hop.

**filterbank**: logarithms of mel filters over short windows, as AVTS takes them: Hann windows of 20 ms, 100 a second →
|FFT|² → triangular mel filters → logarithm. Only whole windows count, so that a second gives 99 frames. Korbar, Tran
and Torresani, "Cooperative learning of audio and video models from self-supervised synchronization" (NeurIPS 2018), are
quoted with 40 filters and an input of 200 × 99; 99 is what these windows make of a second. What their 200 are isn't
known here: two seconds give 199.

**mfcc**: mel-frequency cepstral coefficients, as the released SyncNet takes them: pre-emphasis → frames of 25 ms, 100 a
second, no window → |FFT|² / 512 → 26 mel bands → logarithm → cosine transform → lifter → the first of 13 replaced by
the logarithm of the energy. These are the defaults of the library python_speech_features, with which SyncNet's script
(syncnet_python) prepares its sound: mel filters with corners on whole FFT bins, 0…8000 Hz, and samples on the scale of
16-bit integers, which matters to the energy alone. Read in its source (base.py, sigproc.py); the arithmetic here is the
same, in double precision. Coefficients 4·k … 4·k + 19 are of the same time as frames k … k + 4 at 25 a second.

Letters in shapes: S samples, T ticks, U frames of sound, F FFT bins or filters, M mel bands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Float32
from scipy.fft import dct

from avmatch.core.features import BAND_RATE_HZ, NUM_SPECTRUM_BANDS, AudioFeatures, AudioSamples

SAMPLE_RATE_HZ = 16000
NUM_MELS = 64
NUM_BANDS = 8
MEL_RANGE_HZ = (60.0, 7800.0)
HOP_SAMPLES = SAMPLE_RATE_HZ // BAND_RATE_HZ
WINDOW_SAMPLES = 400
FFT_SAMPLES = 512
FLUX_LAG_TICKS = 2
FLOOR = 1e-4
#: Added to the mel power of the log-mel that towers take, and of the spectrum.
LOG_FLOOR = 1e-6
BLOCK_TICKS = 1000
NUM_PEAKS = 200
#: Longest stretch of sound whose log-mel is taken at once.
CHUNK_SECONDS = 20.0
LARGEST_SAMPLE = 1e5  # sound is about ±1; some float files hold ±32768
_ENVELOPE_TICKS = 10  # one envelope value each 0.1 s, thinned to NUM_PEAKS at the end
#: Of `filterbank`.
FILTER_WINDOW_SAMPLES = 320
#: Of `mfcc`.
NUM_COEFFICIENTS = 13
NUM_FILTERS = 26
PRE_EMPHASIS = 0.97
LIFTER = 22
#: Of a sample of 1.
_SCALE = 32768.0
#: Stands for a power of exactly zero, whose logarithm there is none of.
_SMALLEST = np.finfo(np.float64).eps


def hz_from_mel(mel: Float[np.ndarray, " ..."]) -> Float[np.ndarray, " ..."]:
    """O'Shaughnessy's mel scale, inverted."""
    return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)


def mel_edges_hz(num_mels: int = NUM_MELS) -> Float[np.ndarray, " _"]:
    """The corner frequencies of the triangular mel filters, two more than there are filters."""
    low, high = (2595.0 * np.log10(1.0 + hz / 700.0) for hz in MEL_RANGE_HZ)
    return hz_from_mel(np.linspace(low, high, num_mels + 2))


def band_centres_hz() -> Float[np.ndarray, " 8"]:
    """The middle frequency of each of the eight bands."""
    return mel_edges_hz()[1:-1].reshape(NUM_BANDS, -1).mean(axis=1)


@lru_cache(maxsize=4)
def mel_filters(num_mels: int = NUM_MELS) -> Float32[np.ndarray, "F M"]:
    """Triangular filters from FFT bins to mel bands."""
    edges = mel_edges_hz(num_mels)
    bins = np.arange(FFT_SAMPLES // 2 + 1) * SAMPLE_RATE_HZ / FFT_SAMPLES
    return _triangles(edges, bins).T.astype(np.float32)


def _triangles(corners: Float[np.ndarray, " _"], places: Float[np.ndarray, " F"]) -> Float[np.ndarray, "_ F"]:
    """A filter a row: it rises from one corner to the next, and falls to the one after."""
    low, middle, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising, falling = (places - low) / (middle - low), (high - places) / (high - middle)
    return np.maximum(0.0, np.minimum(rising, falling))


def analysis_window() -> Float32[np.ndarray, " 512"]:
    """A Hann window of 25 ms in the middle of the FFT's frame."""
    window = np.zeros(FFT_SAMPLES, np.float32)
    margin = (FFT_SAMPLES - WINDOW_SAMPLES) // 2
    window[margin : margin + WINDOW_SAMPLES] = np.hanning(WINDOW_SAMPLES)
    return window


def mel_power(samples: Float32[np.ndarray, " S"], num_ticks: int) -> Float32[np.ndarray, "T 64"]:
    """Mel power of `num_ticks` frames; frame k begins at sample k · HOP_SAMPLES."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, FFT_SAMPLES)[::HOP_SAMPLES][:num_ticks]
    spectrum = np.abs(np.fft.rfft(frames * analysis_window(), axis=1)).astype(np.float32)
    power: Float32[np.ndarray, "T 64"] = spectrum**2 @ mel_filters()
    return power


def finite_samples(samples: Float32[np.ndarray, " S"]) -> Float32[np.ndarray, " S"]:
    """NaN is silence, and no sample is so large that its power overflows: damaged float files."""
    finite = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
    return np.clip(finite, -LARGEST_SAMPLE, LARGEST_SAMPLE)


def log_mel(samples: Float32[np.ndarray, " S"]) -> Float32[np.ndarray, "T 64"]:
    """Log-mel of a stretch of sound, one frame per HOP_SAMPLES, the first centred on the first sample."""
    margin = FFT_SAMPLES // 2
    logarithm: Float32[np.ndarray, "T 64"] = np.log(
        mel_power(np.pad(finite_samples(samples), (margin, margin)), len(samples) // HOP_SAMPLES) + LOG_FLOOR
    )
    return logarithm


class LogMelClock:
    """Collects AudioSamples blocks (mono, 16 kHz, in order of time) and gives the log-mel of whole ticks.

    It comes in stretches of CHUNK_SECONDS, which are the most that towers take at once.

    Args:
        features: of a stretch of samples, one row per HOP_SAMPLES.
    """

    def __init__(
        self, rate_hz: float, features: Callable[[Float32[np.ndarray, " S"]], Float32[np.ndarray, "T _"]] = log_mel
    ) -> None:
        self.start_seconds: float | None = None  # of the first tick, which is the first sample's
        self._features = features
        self._samples_per_tick = round(SAMPLE_RATE_HZ / rate_hz)
        self._chunk_samples = round(CHUNK_SECONDS * rate_hz) * self._samples_per_tick
        self._pending: list[np.ndarray] = []
        self._num_pending = 0

    def push(self, samples: AudioSamples) -> Iterator[Float32[np.ndarray, "T _"]]:
        """Take the next block; the stretches that it completes."""
        if self.start_seconds is None:
            self.start_seconds = samples.pts_seconds
        self._pending.append(samples.data[0])
        self._num_pending += samples.data.shape[1]
        while self._num_pending >= self._chunk_samples:
            yield self._taken(self._chunk_samples)

    def finish(self) -> Iterator[Float32[np.ndarray, "T _"]]:
        """The last stretch, if there is a whole tick left."""
        if num_ticks := self._num_pending // self._samples_per_tick:
            yield self._taken(num_ticks * self._samples_per_tick)

    def _taken(self, num_samples: int) -> Float32[np.ndarray, "T _"]:
        data = np.concatenate(self._pending)
        self._pending, self._num_pending = [data[num_samples:]], len(data) - num_samples
        return self._features(data[:num_samples])


class SoundFrontEnd:
    """Collects AudioSamples blocks (mono, 16 kHz, in order of time) and answers with AudioFeatures."""

    def __init__(self) -> None:
        # Half a window of silence in front puts the middle of the first window on the first sample.
        self._pending = np.zeros(FFT_SAMPLES // 2, np.float32)
        self._start_seconds: float | None = None
        self._num_samples = 0
        self._peak = 0.0
        self._powers: list[np.ndarray] = []  # blocks whose neighbours are not all there yet
        self._ceilings: list[float] = []
        self._previous = np.zeros((0, NUM_MELS), np.float32)
        self._settled: list[tuple[np.ndarray, ...]] = []  # flux, level, spectrum and loudness of block after block

    def push(self, samples: AudioSamples) -> None:
        """Take the next block."""
        if samples.sample_rate_hz != SAMPLE_RATE_HZ or samples.data.shape[0] != 1:
            raise ValueError(f"expected mono at {SAMPLE_RATE_HZ} Hz, got {samples!r}")
        if self._start_seconds is None:
            self._start_seconds = samples.pts_seconds
        data = finite_samples(samples.data[0])
        self._num_samples += len(data)
        if len(data):
            self._peak = max(self._peak, float(np.abs(data).max()))
        self._pending = np.concatenate([self._pending, data])
        while len(self._pending) >= FFT_SAMPLES + (BLOCK_TICKS - 1) * HOP_SAMPLES:
            self._take_block(BLOCK_TICKS)

    def finish(self) -> AudioFeatures | None:
        """The features of everything pushed; None if there was no sample."""
        if self._start_seconds is None or self._num_samples == 0:
            return None
        self._pending = np.concatenate([self._pending, np.zeros(FFT_SAMPLES // 2, np.float32)])
        ticks = 1 + (len(self._pending) - FFT_SAMPLES) // HOP_SAMPLES
        if ticks > 0:
            self._take_block(ticks)
        while self._powers:
            self._settle_block(0.0)
        flux, level, spectrum, loudness = map(np.concatenate, zip(*self._settled, strict=True))
        return AudioFeatures(
            start_seconds=self._start_seconds,
            flux=flux,
            level=level,
            duration_seconds=self._num_samples / SAMPLE_RATE_HZ,
            peak=self._peak,
            peaks=_contour(loudness),
            spectrum=spectrum,
        )

    def _take_block(self, ticks: int) -> None:
        """Spectrum of the next `ticks` windows; settles the block before, whose surroundings are now known."""
        power = mel_power(self._pending, ticks)
        self._pending = self._pending[ticks * HOP_SAMPLES :].copy()
        ceiling = float(power.max())
        if self._powers:
            self._settle_block(ceiling)
        self._powers.append(power)
        self._ceilings.append(ceiling)

    def _settle_block(self, next_ceiling: float) -> None:
        power = self._powers.pop(0)
        floor = FLOOR * max(*self._ceilings[-2:], next_ceiling, 0.0) + 1e-9
        log_power = np.log(power + floor)
        before = np.log(self._previous + floor) if len(self._previous) else log_power[:1]
        before = np.concatenate([before[:1]] * (FLUX_LAG_TICKS - len(before)) + [before])
        earlier = np.concatenate([before[-FLUX_LAG_TICKS:], log_power])[: len(log_power)]
        flux = _grouped(np.maximum(0.0, log_power - earlier), NUM_BANDS)
        spectrum = _grouped(np.log(power + LOG_FLOOR), NUM_SPECTRUM_BANDS)
        loudness = np.sqrt(power.sum(axis=1))
        envelope = np.maximum.reduceat(loudness, np.arange(0, len(loudness), _ENVELOPE_TICKS)).astype(np.float32)
        self._settled.append((flux, _grouped(log_power, NUM_BANDS), spectrum, envelope))
        self._previous = power[-FLUX_LAG_TICKS:]


def _grouped(mels: Float[np.ndarray, "T M"], num_bands: int) -> np.ndarray:
    return mels.reshape(len(mels), num_bands, -1).mean(axis=2).astype(np.float16)


def _contour(loudness: Float32[np.ndarray, " T"]) -> tuple[float, ...]:
    """At most NUM_PEAKS maxima of the loudness, scaled to 0…1."""
    edges = np.unique(np.linspace(0, len(loudness), NUM_PEAKS + 1).astype(int)[:-1])
    maxima = np.maximum.reduceat(loudness, edges)
    return tuple(np.round(maxima / max(float(maxima.max()), 1e-9), 3).tolist())


def filterbank(samples: Float32[np.ndarray, " S"], num_filters: int = 40) -> Float32[np.ndarray, "U F"]:
    """Of a stretch of sound in −1…1 at 16 kHz; frame k begins at sample 160·k."""
    num = num_frames(len(samples))
    if not num:
        return np.zeros((0, num_filters), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(finite_samples(samples), FILTER_WINDOW_SAMPLES)[::HOP_SAMPLES]
    window = np.hanning(FILTER_WINDOW_SAMPLES).astype(np.float32)
    power = np.abs(np.fft.rfft(frames[:num] * window, FFT_SAMPLES, axis=1)).astype(np.float32) ** 2
    logarithm: Float32[np.ndarray, "U F"] = np.log(power @ mel_filters(num_filters) + np.float32(LOG_FLOOR))
    return logarithm


def num_frames(num_samples: int) -> int:
    """How many whole windows there are in so many samples."""
    return max((num_samples - FILTER_WINDOW_SAMPLES) // HOP_SAMPLES + 1, 0)


def mfcc(samples: Float32[np.ndarray, " S"]) -> Float32[np.ndarray, "U 13"]:
    """Coefficients of a stretch of sound in −1…1 at 16 kHz, U = S // 160.

    Frame k begins at sample 160·k; silence follows the last sample. (The library gives one or two frames less: it stops
    where a frame would begin with less than 25 ms left.)
    """
    num = len(samples) // HOP_SAMPLES
    if not num:
        return np.zeros((0, NUM_COEFFICIENTS), np.float32)
    scaled = finite_samples(samples).astype(np.float64) * _SCALE
    emphasised = np.append(scaled[0], scaled[1:] - PRE_EMPHASIS * scaled[:-1])
    padded = np.pad(emphasised, (0, WINDOW_SAMPLES))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW_SAMPLES)[::HOP_SAMPLES][:num]
    power = np.abs(np.fft.rfft(frames, FFT_SAMPLES, axis=1)) ** 2 / FFT_SAMPLES
    cepstrum = dct(_logarithm(power @ filters().T), type=2, axis=1, norm="ortho")[:, :NUM_COEFFICIENTS]
    cepstrum *= 1 + LIFTER / 2 * np.sin(np.pi * np.arange(NUM_COEFFICIENTS) / LIFTER)
    cepstrum[:, 0] = _logarithm(power.sum(axis=1))
    return cepstrum.astype(np.float32)


@lru_cache(maxsize=1)
def filters() -> Float[np.ndarray, "26 F"]:
    """Triangular filters over the FFT's bins, with corners on whole bins."""
    highest_mel = 2595.0 * np.log10(1.0 + SAMPLE_RATE_HZ / 2 / 700.0)
    edges_hz = hz_from_mel(np.linspace(0.0, highest_mel, NUM_FILTERS + 2))
    corners = np.floor((FFT_SAMPLES + 1) * edges_hz / SAMPLE_RATE_HZ)
    return _triangles(corners, np.arange(FFT_SAMPLES // 2 + 1.0))


def _logarithm(power: Float[np.ndarray, " ..."]) -> Float[np.ndarray, " ..."]:
    return np.log(np.where(power == 0, _SMALLEST, power))
