"""The arithmetic of the synchrony cues: comparable signals on a known clock, and whether two of them move together.

Two normalised signals with correlation R over T independent ticks are more probable under "they belong together" than
under "they don't" by −T/2 · log(1 − R²) nats (the Gaussian log-likelihood ratio, with the correlation estimated; only R
> 0 counts). Ticks of real signals aren't independent; by Bartlett's formula ("On the theoretical specification of
sampling properties of autocorrelated time series", 1946) they count as

    T_eff = (T − T₀) / (1 + 2 Σ_k ρ_video(k) · ρ_audio(k)),

where T₀ ticks are lost to flattening: with them, clips of one second and of ten are equally well calibrated.

Long files are cut into windows of ten seconds on a common grid, and the nats of the windows are added: what moves, and
where, may change from one to the next.

Learned cues compare two streams of vectors, one moved along the other, by the sum of their products at every lag:

    s[lag] = Σ_t v[t] · a[t + lag]

By the fast Fourier transform, a block of ticks after another, so that neither the length of a file nor the number of
lags comes in as a square; all pairs of a block share their transforms, and the products over D are one matrix product a
frequency.

Letters in shapes: N videos, M audio files, H signals of a video, T ticks, L lags, K autocorrelation lags, D dimensions,
B ticks of a block, F frequencies.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, wraps
from typing import TypeVar
from weakref import WeakKeyDictionary, finalize

import numpy as np
import scipy.fft
from jaxtyping import Complex64, Float, Float32, Int
from scipy.ndimage import uniform_filter1d

from avmatch.core.features import BAND_RATE_HZ, TICK_RATE_HZ, AudioFeatures, VideoFeatures
from avmatch.frontends.event_signals import flattened

File = TypeVar("File", AudioFeatures, VideoFeatures)
Made = TypeVar("Made")
ONSET_OFFSET = 1.0  # added before the logarithm: below this much flux, differences don't matter
LEVEL_SHARE = 0.35
LEVEL_FLOOR = 1e-4  # 40 dB below the loudest
_BANDS_PER_TICK = BAND_RATE_HZ // TICK_RATE_HZ


@dataclass(frozen=True, eq=False)
class Series:
    """Signals on a regular clock: values (T, H), first value at `start_seconds`."""

    start_seconds: float
    rate_hz: float
    values: Float32[np.ndarray, "T H"]

    @cached_property
    def autocorrelation(self) -> Float[np.ndarray, "H K"]:
        """Of the signals thinned to TICK_RATE_HZ, at lags of 1…TICK_RATE_HZ ticks."""
        thinned = self.values[:: round(self.rate_hz / TICK_RATE_HZ)]
        return autocorrelation(thinned - thinned.mean(axis=0), TICK_RATE_HZ)


def remembered(
    make: Callable[[File], Made], most: float = np.inf, size_of: Callable[[Made], int] = lambda made: 1
) -> Callable[[File], Made]:
    """Keep what is made of a file for as long as the file lives: it is read against every block of others.

    Args:
        most: nothing more is kept while what is kept has this size.
    """
    kept: WeakKeyDictionary[File, Made] = WeakKeyDictionary()
    size = 0

    def add(more: int) -> None:
        nonlocal size
        size += more

    @wraps(make)
    def get(file: File) -> Made:
        if file in kept:
            return kept[file]
        made = make(file)
        if size < most:
            kept[file] = made
            add(size_of(made))
            finalize(file, add, -size_of(made))
        return made

    return get


@remembered
def accent_series(audio: AudioFeatures) -> Series:
    """Where the sound sets in, and a third as strong how it dies away: onset strength and level, at BAND_RATE_HZ."""
    onset, level = onset_series(audio), level_series(audio)
    values = onset.values + LEVEL_SHARE * level.values
    deviation = max(float(values.std()), 1e-6)
    return Series(onset.start_seconds, onset.rate_hz, (values / deviation).astype(np.float32))


@remembered
def onset_series(audio: AudioFeatures) -> Series:
    """The onset strength of a sound at BAND_RATE_HZ: log of the mean flux over one video tick."""
    flux = audio.flux.astype(np.float32).mean(axis=1)
    return _tick_averaged(audio, flux * _BANDS_PER_TICK, ONSET_OFFSET)


@remembered
def level_series(audio: AudioFeatures) -> Series:
    """The level of a sound at BAND_RATE_HZ: log of the mean power over one video tick."""
    power = np.exp(audio.level.astype(np.float32)).mean(axis=1)
    return _tick_averaged(audio, power, LEVEL_FLOOR * float(power.max(initial=1e-9)))


def _tick_averaged(audio: AudioFeatures, values: Float32[np.ndarray, " T"], offset: float) -> Series:
    mean = uniform_filter1d(values, _BANDS_PER_TICK, mode="nearest")
    # An even-length average sits half a value early.
    start = audio.start_seconds - 0.5 / BAND_RATE_HZ
    return Series(start, BAND_RATE_HZ, flattened(np.log(mean + offset)[:, None], BAND_RATE_HZ))


def autocorrelation(values: Float[np.ndarray, "T H"], num_lags: int) -> Float[np.ndarray, "H K"]:
    """Normalised autocorrelation at lags 1…num_lags, (H, num_lags); zero beyond the signal's length."""
    size = 2 * max(len(values), 1)
    spectrum = np.fft.rfft(values, size, axis=0)
    full = np.fft.irfft(np.abs(spectrum) ** 2, size, axis=0)[: min(len(values), num_lags + 1)]
    out = np.zeros((values.shape[1], num_lags))
    out[:, : len(full) - 1] = (full[1:] / np.maximum(full[:1], 1e-9)).T
    return out


WINDOW_TICKS = 10 * TICK_RATE_HZ
LOST_TICKS = 18  # T₀
MIN_WINDOW_TICKS = LOST_TICKS + 2
AUTOCORRELATION_LAGS = TICK_RATE_HZ  # one second
MAX_CORRELATION = 0.9
MIN_INFLATION = 0.5
MIN_OVERLAP = 0.3  # share of a window that both sides must cover
BLOCK_SOUNDS = 128
#: Up to so many lags it is kept which values lie where.
KEPT_LAGS = 128


@dataclass(frozen=True, eq=False)
class VideoWindow:
    """Ten seconds or less of a video's signals, on the common grid.

    Attributes:
        index: number of the window; it begins at index · 10 s.
        signals: (H, WINDOW_TICKS) zero mean and unit norm over the ticks covered, zero elsewhere.
        covered: (WINDOW_TICKS,) 1 where the video has a tick.
        autocorrelation: (H, K).
    """

    index: int
    signals: Float32[np.ndarray, "H T"]
    covered: Float32[np.ndarray, " T"]
    autocorrelation: Float[np.ndarray, "H K"]


def video_windows(series: Series) -> list[VideoWindow]:
    """Cut a video's signals (at TICK_RATE_HZ) into windows on the common grid."""
    first = round(series.start_seconds * TICK_RATE_HZ - 0.5)
    windows = []
    for index in range(first // WINDOW_TICKS, (first + len(series.values) - 1) // WINDOW_TICKS + 1):
        begin = max(0, index * WINDOW_TICKS - first)
        part = series.values[begin : (index + 1) * WINDOW_TICKS - first]
        if len(part) < MIN_WINDOW_TICKS:
            continue
        offset = first + begin - index * WINDOW_TICKS
        windows.append(_window(index, offset, part))
    return windows


def _window(index: int, offset: int, part: Float32[np.ndarray, "t H"]) -> VideoWindow:
    centred = part - part.mean(axis=0)
    norm = np.linalg.norm(centred, axis=0)
    unit = np.where(norm > 1e-3, centred / np.maximum(norm, 1e-3), 0.0)
    signals = np.zeros((part.shape[1], WINDOW_TICKS), np.float32)
    signals[:, offset : offset + len(part)] = unit.T
    covered = np.zeros(WINDOW_TICKS, np.float32)
    covered[offset : offset + len(part)] = 1.0
    return VideoWindow(index, signals, covered, autocorrelation(unit, AUTOCORRELATION_LAGS))


@dataclass(frozen=True, eq=False)
class AudioWindows:
    """One window's worth of every sound, shifted by every lag.

    Attributes:
        shifted: (M, L, T) the sounds' signals at tick + lag; 0 outside a sound.
        inside: (M, L, T) whether the sound has a value there.
        autocorrelation: (M, K) of the whole sounds.
    """

    shifted: Float32[np.ndarray, "M L T"]
    inside: Float32[np.ndarray, "M L T"]
    autocorrelation: Float[np.ndarray, "M K"]
    _under: dict[bytes, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def under(
        self, covered: Float32[np.ndarray, " T"]
    ) -> tuple[Float32[np.ndarray, "M L"], Float32[np.ndarray, "M L"]]:
        """(ticks in common, what a product with unit signals must be multiplied by to be a correlation).

        Remembered: most videos of a folder cover a window alike.
        """
        key = covered.tobytes()
        if key not in self._under:
            overlap = self.inside @ covered
            mean = (self.shifted @ covered) / np.maximum(overlap, 1.0)
            energy = (self.shifted * self.shifted) @ covered - mean * mean * overlap
            share = overlap / max(float(covered.sum()), 1.0)
            # The picture's norm over the overlap is not known per lag; its share of the ticks stands for it.
            norm = np.sqrt(np.maximum(energy, 0.0) * share)
            usable = (norm > 1e-3) & (share >= MIN_OVERLAP)
            self._under[key] = overlap, np.where(usable, 1.0 / np.maximum(norm, 1e-3), 0.0).astype(np.float32)
        return self._under[key]


def audio_windows(sounds: Sequence[Series], index: int, lags_seconds: Float[np.ndarray, " L"]) -> AudioWindows:
    """Read every sound (one signal each) under window `index` at every lag."""
    lags = tuple(lags_seconds.tolist())
    places = _kept_places if len(lags) <= KEPT_LAGS else _places
    shape = (len(sounds), len(lags), WINDOW_TICKS)
    shifted, inside = np.empty(shape, np.float32), np.empty(shape, np.float32)
    correlations = np.zeros((len(sounds), AUTOCORRELATION_LAGS))
    for number, sound in enumerate(sounds):
        at, valid = places(sound.start_seconds, sound.rate_hz, len(sound.values), index, lags)
        np.take(sound.values[:, 0], at, out=shifted[number], mode="clip")
        shifted[number] *= valid
        inside[number] = valid
        correlations[number] = sound.autocorrelation[0]
    return AudioWindows(shifted, inside, correlations)


def _places(
    start_seconds: float, rate_hz: float, num: int, index: int, lags_seconds: tuple[float, ...]
) -> tuple[Int[np.ndarray, "L T"], Float32[np.ndarray, "L T"]]:
    """Which value of a sound lies under each tick of a window at each lag, and 1 where there is one.

    Many sounds begin and end alike, and all signals of one sound do.
    """
    ticks_seconds = (index * WINDOW_TICKS + np.arange(WINDOW_TICKS) + 0.5) / TICK_RATE_HZ
    times = np.array(lags_seconds)[:, None] + ticks_seconds[None]
    at = np.rint((times - start_seconds) * rate_hz).astype(np.int64)
    return at, ((at >= 0) & (at < num)).astype(np.float32)


_kept_places = lru_cache(maxsize=128)(_places)


def in_blocks(sounds: AudioWindows) -> list[AudioWindows]:
    """A few sounds at a time: what is made of them stays in the processor's cache."""
    parts = [slice(begin, begin + BLOCK_SOUNDS) for begin in range(0, len(sounds.shifted), BLOCK_SOUNDS)]
    return [AudioWindows(sounds.shifted[part], sounds.inside[part], sounds.autocorrelation[part]) for part in parts]


def correlation_nats(video: VideoWindow, sounds: AudioWindows) -> Float32[np.ndarray, "H M L"]:
    """Nats of every signal of one window against every sound at every lag, as the module's story derives."""
    num_sounds, num_lags, ticks = sounds.shifted.shape
    overlap, scale = sounds.under(video.covered)
    # The picture's signals have no mean, so that of the sounds needn't be taken off.
    nats = (video.signals @ sounds.shifted.reshape(-1, ticks).T).reshape(-1, num_sounds, num_lags)
    inflation = 1.0 + 2.0 * video.autocorrelation @ sounds.autocorrelation.T
    kept = 1.0 - LOST_TICKS / float(video.covered.sum())
    nats *= scale
    np.clip(nats, 0.0, MAX_CORRELATION, out=nats)
    np.multiply(nats, nats, out=nats)
    np.subtract(1.0, nats, out=nats)
    np.log(nats, out=nats)
    nats *= overlap
    nats *= (-0.5 * kept / np.maximum(inflation, MIN_INFLATION)).astype(np.float32)[:, :, None]
    return nats


def thinned(
    lags_seconds: Float[np.ndarray, " L"], apart_seconds: float = 1 / TICK_RATE_HZ
) -> tuple[Float[np.ndarray, " l"], Callable[[Float32[np.ndarray, "N M l"]], Float32[np.ndarray, "N M L"]]]:
    """Every second lag where these are still so far apart or less, and what fills in the others.

    Signals with ticks of 40 ms make curves so smooth that cubic interpolation loses nothing.
    """
    fine = len(lags_seconds) > 5 and len(lags_seconds) % 2 == 1
    if not fine or lags_seconds[2] - lags_seconds[0] > 1.001 * apart_seconds:
        return lags_seconds, lambda nats: nats

    def filled(nats: Float32[np.ndarray, "N M l"]) -> Float32[np.ndarray, "N M L"]:
        whole = np.empty((*nats.shape[:2], len(lags_seconds)), np.float32)
        whole[..., ::2] = nats
        near = nats[..., :-1] + nats[..., 1:]
        whole[..., 1::2] = 0.5 * near
        whole[..., 3:-3:2] = (9.0 * near[..., 1:-1] - nats[..., :-3] - nats[..., 3:]) / 16.0
        return whole

    return lags_seconds[::2], filled


def log_mean_exp(
    nats: Float32[np.ndarray, " H *rest"], weights: Float[np.ndarray, " H"]
) -> Float32[np.ndarray, "*rest"]:
    """log Σ_h w_h · exp(nats_h): one of the H signals is tied to the sound, with prior w."""
    share = (weights / max(float(weights.sum()), 1e-12)).astype(np.float32)
    peak = nats.max(axis=0)
    terms = nats - peak
    np.exp(terms, out=terms)
    return np.log(np.tensordot(share, terms, axes=1) + 1e-30) + peak


#: Ticks of a block, at most, and streams whose transforms are held at once.
BLOCK_TICKS = 2048
STREAMS = 64


@dataclass(frozen=True, eq=False)
class Stream:
    """Vectors (T, D) at the ticks `begin`, `begin` + 1, … of a clock that all streams share."""

    vectors: Float[np.ndarray, "T D"]
    begin: int

    @property
    def end(self) -> int:
        """The tick after the last."""
        return self.begin + len(self.vectors)


def sliding_products(
    videos: Sequence[Stream], audios: Sequence[Stream], first_lag: int, last_lag: int
) -> Float32[np.ndarray, "N M L"]:
    """The sums at all lags from `first_lag` to `last_lag`, in ticks; what lies outside a stream adds nothing."""
    sums = np.zeros((len(videos), len(audios), last_lag - first_lag + 1), np.float32)
    for begin, end in _blocks(videos):
        rows = _inside(videos, begin, end)
        columns = _inside(audios, begin + first_lag, end + last_lag)
        size = scipy.fft.next_fast_len(end - begin + last_lag - first_lag, real=True)
        for some_columns in _parts(columns):
            audio_side = _spectra([audios[column] for column in some_columns], begin + first_lag, end + last_lag, size)
            for some_rows in _parts(rows):
                video_side = _spectra([videos[row] for row in some_rows], begin, end, size)
                products = video_side.conj() @ audio_side.transpose(0, 2, 1)
                curves = scipy.fft.irfft(products, size, axis=0)[: sums.shape[2]]
                sums[np.ix_(some_rows, some_columns)] += curves.transpose(1, 2, 0)
    return sums


def _blocks(streams: Sequence[Stream]) -> Iterator[tuple[int, int]]:
    """Stretches of ticks that cover all streams, no longer than is needed."""
    if not streams:
        return
    longest = max(len(stream.vectors) for stream in streams)
    begin, end = min(stream.begin for stream in streams), max(stream.end for stream in streams)
    size = min(max(longest, 1), BLOCK_TICKS)
    if end - begin <= BLOCK_TICKS:
        size = end - begin
    for start in range(begin, end, max(size, 1)):
        yield start, min(start + size, end)


def _inside(streams: Sequence[Stream], begin: int, end: int) -> list[int]:
    """Which streams have a tick in begin … end − 1."""
    return [number for number, stream in enumerate(streams) if stream.begin < end and stream.end > begin]


def _parts(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    return (numbers[first : first + STREAMS] for first in range(0, len(numbers), STREAMS))


def _spectra(streams: Sequence[Stream], begin: int, end: int, size: int) -> Complex64[np.ndarray, "F N D"]:
    """Transforms over the ticks begin … end − 1, zeros where a stream has none."""
    ticks = np.zeros((end - begin, len(streams), streams[0].vectors.shape[1]), np.float32)
    for column, stream in enumerate(streams):
        first, last = max(begin, stream.begin), min(end, stream.end)
        ticks[first - begin : last - begin, column] = stream.vectors[first - stream.begin : last - stream.begin]
    return np.ascontiguousarray(scipy.fft.rfft(ticks, size, axis=0), np.complex64)
