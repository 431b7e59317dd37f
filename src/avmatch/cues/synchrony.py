"""How probable is it that two signals move together? The arithmetic shared by the synchrony cues.

Two normalised signals with correlation R over T independent ticks are more probable under "they belong together"
than under "they don't" by −T/2 · log(1 − R²) nats (the Gaussian log-likelihood ratio, with the correlation
estimated; only R > 0 counts). Ticks of real signals aren't independent; by Bartlett's formula ("On the theoretical
specification of sampling properties of autocorrelated time series", 1946) they count as

    T_eff = (T − T₀) / (1 + 2 Σ_k ρ_video(k) · ρ_audio(k)),

where T₀ ticks are lost to flattening: with them, clips of one second and of ten are equally well calibrated.

Long files are cut into windows of ten seconds on a common grid, and the nats of the windows are added: what moves,
and where, may change from one to the next.

Letters in shapes: H signals of a video, M audio files, L lags, T ticks of a window, K autocorrelation lags.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Float32

from avmatch.core.features import TICK_RATE_HZ
from avmatch.cues.series import Series, autocorrelation

WINDOW_TICKS = 10 * TICK_RATE_HZ
LOST_TICKS = 18  # T₀
MIN_WINDOW_TICKS = LOST_TICKS + 2
AUTOCORRELATION_LAGS = TICK_RATE_HZ  # one second
MAX_CORRELATION = 0.9
MIN_INFLATION = 0.5
MIN_OVERLAP = 0.3  # share of a window that both sides must cover
BLOCK_SOUNDS = 128


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
    ticks_seconds = (index * WINDOW_TICKS + np.arange(WINDOW_TICKS) + 0.5) / TICK_RATE_HZ
    times = lags_seconds[:, None] + ticks_seconds[None]
    shape = (len(sounds), *times.shape)
    shifted, inside = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    correlations = np.zeros((len(sounds), AUTOCORRELATION_LAGS))
    places: dict[tuple[float, float, int], tuple[np.ndarray, np.ndarray]] = {}  # many sounds begin and end alike
    for number, sound in enumerate(sounds):
        key = (sound.start_seconds, sound.rate_hz, len(sound.values))
        if key not in places:
            at = np.rint((times - sound.start_seconds) * sound.rate_hz).astype(np.int64)
            places[key] = at, ((at >= 0) & (at < len(sound.values))).astype(np.float32)
        at, valid = places[key]
        np.take(sound.values[:, 0], at, out=shifted[number], mode="clip")
        shifted[number] *= valid
        inside[number] = valid
        correlations[number] = sound.autocorrelation[0]
    return AudioWindows(shifted, inside, correlations)


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
    lags_seconds: Float[np.ndarray, " L"],
) -> tuple[Float[np.ndarray, " l"], Callable[[Float32[np.ndarray, "N M l"]], Float32[np.ndarray, "N M L"]]]:
    """Every second lag where that is still a tick apart or less, and what fills in the others.

    Signals with ticks of 40 ms make curves so smooth that cubic interpolation loses nothing.
    """
    fine = len(lags_seconds) > 5 and len(lags_seconds) % 2 == 1
    if not fine or lags_seconds[2] - lags_seconds[0] > 1.001 / TICK_RATE_HZ:
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
    terms = np.exp(nats - peak)
    return np.log(np.tensordot(share, terms, axes=1) + 1e-30) + peak
