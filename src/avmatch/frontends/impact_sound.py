"""The sound of an impact in four channels: its spectrogram, when it hits, how loud and how early each channel hears it.

The spectrogram is that of scipy.signal.spectrogram at nperseg = 1024 with its defaults: a Tukey window (0.25), hop 896,
each frame less its mean, power density. 4 s at 44.1 kHz give 513 × 196 in each channel.

Letters in shapes: C channels, S samples, F bins or bands, T ticks, K numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy.fft
from jaxtyping import Float, Float32, Int
from scipy.signal import lfilter
from scipy.signal.windows import tukey

SAMPLE_RATE_HZ = 44_100
NUM_CHANNELS = 4
NUM_SAMPLES = 4 * SAMPLE_RATE_HZ
WINDOW, HOP = 1024, 896
#: Power density that counts as silence: below any microphone's own noise.
FLOOR = 1e-12
#: Impacts are looked for in steps of this length.
STEP_SECONDS = 0.004
#: Edges of the stretches, in seconds from the impact, whose levels are told of each channel; the hit is one of them.
EDGES_SECONDS = (-1.6, -1.2, -0.9, -0.65, -0.45, -0.3, -0.18, -0.08, -0.01, 0.03, 0.1, 0.25, 0.45, 0.7, 1.0, 1.4)
_HIT = 8
#: Two impacts are at least so far apart.
_APART_SECONDS = 0.06
#: The tray is half a metre across: sound takes no longer from one side to the other.
_MAX_DELAY_SECONDS = 0.0015
_HIGH_PASS = 0.97


@dataclass(frozen=True, eq=False, repr=False)
class ImpactSound:
    """What is told of a sound besides its spectrogram.

    Attributes:
        impact_seconds: when the strongest impact begins.
        arrival_seconds: (C,) how much later than their mean each channel hears it.
        levels: (stretches, C) log power in the stretches between EDGES_SECONDS around it.
        next_seconds: from it to the next strongest impact, before (negative) or after; 0 if there is no other.
        next_levels: (C,) log power of that one; as that of the stretch where there is none.
    """

    impact_seconds: float
    arrival_seconds: Float[np.ndarray, " C"]
    levels: Float[np.ndarray, "stretches C"]
    next_seconds: float
    next_levels: Float[np.ndarray, " C"]

    def vector(self) -> Float32[np.ndarray, " K"]:
        """All in one: levels of each stretch relative to the channels' mean, these means, arrivals (ms), the next."""
        means = self.levels.mean(axis=1)
        relative = (self.levels - means[:, None])[:, :-1]
        following = self.next_levels - self.next_levels.mean()
        parts = (
            relative.ravel(),
            means,
            1e3 * self.arrival_seconds[:-1],
            [self.next_seconds, self.next_levels.mean() - means[_HIT]],
            following[:-1],
        )
        return np.concatenate(parts).astype(np.float32)


def fitted(samples: Float32[np.ndarray, "C S"]) -> Float32[np.ndarray, "C 176400"]:
    """Cut to 4 s, or padded with zeros behind."""
    kept = samples[:, :NUM_SAMPLES]
    return np.pad(kept, ((0, 0), (0, NUM_SAMPLES - kept.shape[1])))


def spectrogram(samples: Float32[np.ndarray, "C S"]) -> Float32[np.ndarray, "513 T C"]:
    """Power density as scipy.signal.spectrogram(…, 44100, nperseg=1024) gives it, channels last."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW, axis=1)[:, ::HOP]
    window = tukey(WINDOW, 0.25, sym=False).astype(np.float32)
    centred = frames - frames.mean(axis=2, keepdims=True)
    power = np.square(np.abs(scipy.fft.rfft(centred * window, axis=2)))
    power /= SAMPLE_RATE_HZ * np.square(window.astype(np.float64)).sum()
    power[..., 1:-1] *= 2
    return np.ascontiguousarray(power.transpose(2, 1, 0), np.float32)


def log_bands(power: Float32[np.ndarray, "513 T C"], bins: int = 1, ticks: int = 1) -> Float32[np.ndarray, "C F t"]:
    """Natural logarithm of the power, channels first, the mean of blocks of `bins` × `ticks`; what is left over is cut.

    The first bin, which the frames' mean was taken from, stays out where bins are joined: 512 = 4 · 128.
    """
    kept = power[1:] if bins > 1 else power
    num_bands, num_ticks = kept.shape[0] // bins, kept.shape[1] // ticks
    blocks = kept[: num_bands * bins, : num_ticks * ticks].reshape(num_bands, bins, num_ticks, ticks, -1)
    return np.log(blocks.mean(axis=(1, 3)) + FLOOR).transpose(2, 0, 1).astype(np.float32)


def bands_in_noise(
    bands: Float32[np.ndarray, "C F T"],
    snr_db: float,
    colour_nats: Float[np.ndarray, " k"],
    num_values: int,
    rng: np.random.Generator,
) -> Float32[np.ndarray, "C F T"]:
    """Log bands as they'd be with a steady noise in each channel, so far under that channel's power.

    Args:
        colour_nats: log power of the noise from the lowest to the highest band, equally spaced; zeros are white noise.
        num_values: of the spectrogram that are joined in one band and tick: so many chances to be loud or soft.
    """
    power = np.exp(bands.astype(np.float64))
    _, num_bands, num_ticks = bands.shape
    colour = np.exp(np.interp(np.linspace(0, 1, num_bands), np.linspace(0, 1, len(colour_nats)), colour_nats))
    level = power.mean(axis=(1, 2)) / 10 ** (snr_db / 10)
    noise = rng.gamma(num_values, 1 / num_values, (len(bands), num_bands, num_ticks))
    noise *= level[:, None, None] * (colour / colour.mean())[:, None]
    return np.log(power + noise).astype(np.float32)


def impact_sound(samples: Float32[np.ndarray, "C S"]) -> ImpactSound:
    """The strongest impact and what is around it."""
    sharp = lfilter([1.0, -_HIGH_PASS], [1.0], samples.astype(np.float64), axis=1)
    step = round(STEP_SECONDS * SAMPLE_RATE_HZ)
    energy = np.square(sharp[:, : sharp.shape[1] // step * step]).reshape(len(sharp), -1, step).mean(axis=2)
    first, second = _strongest(energy.sum(axis=0))
    begin = _onset(sharp, first * step, step)
    impact_seconds = begin / SAMPLE_RATE_HZ
    levels = np.stack([_level(energy, impact_seconds + low, impact_seconds + high) for low, high in _stretches()])
    arrivals = _arrivals(sharp, begin)
    if second is None:
        return ImpactSound(impact_seconds, arrivals, levels, 0.0, levels[_HIT])
    second_seconds = second * STEP_SECONDS
    next_levels = _level(energy, second_seconds, second_seconds + 0.04)
    return ImpactSound(impact_seconds, arrivals, levels, second_seconds - impact_seconds, next_levels)


def _stretches() -> list[tuple[float, float]]:
    return list(pairwise(EDGES_SECONDS))


def _strongest(energy: Float[np.ndarray, " T"]) -> tuple[int, int | None]:
    """The steps at which the energy rises most, and second most at some distance, if that is an impact at all."""
    before = np.concatenate([energy[:1], energy[:-1]])
    rise = np.maximum(energy - before, 0.0)
    first = int(rise.argmax())
    apart = round(_APART_SECONDS / STEP_SECONDS)
    others = rise.copy()
    others[max(first - apart, 0) : first + apart + 1] = 0.0
    second = int(others.argmax())
    usual = float(np.median(energy))
    return first, second if others[second] > 4 * usual and others[second] > 0.01 * rise[first] else None


def _onset(sharp: Float[np.ndarray, "C S"], around: int, step: int) -> int:
    """The first sample near `around` that reaches a tenth of the peak's power."""
    begin = max(around - step, 0)
    power = np.square(sharp[:, begin : around + 2 * step]).max(axis=0)
    return begin + int(np.argmax(power >= 0.1 * power.max()))


def _level(energy: Float[np.ndarray, "C T"], low_seconds: float, high_seconds: float) -> Float[np.ndarray, " C"]:
    """Log power of a stretch; as far as it lies outside, that of the nearest end."""
    last = energy.shape[1] - 1
    begin = min(max(round(low_seconds / STEP_SECONDS), 0), last)
    end = min(max(round(high_seconds / STEP_SECONDS), begin + 1), last + 1)
    return np.log(energy[:, begin:end].mean(axis=1) + FLOOR)


def _arrivals(sharp: Float[np.ndarray, "C S"], begin: int) -> Float[np.ndarray, " C"]:
    """When each channel hears the first 12 ms of an impact, less the mean: peaks of the whitened cross-correlations."""
    reach = round(_MAX_DELAY_SECONDS * SAMPLE_RATE_HZ)
    start = max(begin - 2 * reach, 0)
    piece = sharp[:, start : start + 1024]
    spectrum = scipy.fft.rfft(piece * np.hanning(piece.shape[1]), 2048, axis=1)
    lags: Int[np.ndarray, " L"] = np.arange(-reach, reach + 1)
    cross = spectrum[:, None] * spectrum.conj()[None, :]
    curves = scipy.fft.irfft(cross / (np.abs(cross) + 1e-3 * np.abs(cross).mean() + FLOOR), axis=2)[:, :, lags]
    between = lags[curves.argmax(axis=2)] / SAMPLE_RATE_HZ
    return (between - between.T).mean(axis=1) / 2
