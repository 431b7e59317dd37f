"""Many pictures against many sounds at whole ticks of offset: what large galleries are first looked at with.

The same arithmetic as in synchrony.py. A sound that is read once a tick needs no copy for each offset: under a window
of T ticks, what is there at the l-th offset are its ticks from l · step on. So the products of all signals of a block
of pictures with all sounds of a block are one matrix product an offset, the sums over what a picture covers are
differences of running sums, and all that follows is done in place, on pieces that stay in the processor's cache.

Learned vectors are multiplied frequency by frequency. Of the products only the offsets that are asked for are read, any
fraction of a tick, and their sum over a range around them.

Letters in shapes: K signals of pictures, m sounds, T ticks of a window, S ticks under it at all offsets, L offsets, A
autocorrelation lags, D dimensions, F frequencies, R rows read, W = 2F, E = 2D.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import scipy.fft
from jaxtyping import Float, Float32, Int

from avmatch.core.features import TICK_RATE_HZ
from avmatch.cues.synchrony import (
    LOST_TICKS,
    MAX_CORRELATION,
    MIN_INFLATION,
    MIN_OVERLAP,
    WINDOW_TICKS,
    Series,
)

#: So many signals of pictures are multiplied at once.
BLOCK_SIGNALS = 32
#: Evidence is cut off here, far above all that matters, so that its exponential is finite.
MOST_NATS = 60.0


@dataclass(frozen=True, eq=False)
class TickSound:
    """One signal of a sound, read once a tick.

    Attributes:
        begin: its first tick; tick k is (k + 0.5) / TICK_RATE_HZ after the first offset.
        values: (T,)
        memory: (A,) its autocorrelation.
    """

    begin: int
    values: Float32[np.ndarray, " T"]
    memory: Float32[np.ndarray, " A"]


def at_ticks(sound: Series, first_lag_seconds: float) -> TickSound:
    """Read the one signal of a sound once a tick."""
    late = first_lag_seconds - sound.start_seconds
    begin = int(np.ceil(-late * TICK_RATE_HZ - 0.5 - 0.5 * TICK_RATE_HZ / sound.rate_hz))
    num = int(len(sound.values) * TICK_RATE_HZ / sound.rate_hz) + 2
    times = (begin + np.arange(num) + 0.5) / TICK_RATE_HZ + late
    at = np.rint(times * sound.rate_hz - 1e-6).astype(np.int64)  # what lies half-way belongs to the earlier one
    inside = np.flatnonzero((at >= 0) & (at < len(sound.values)))
    begin += int(inside[0]) if inside.size else 0
    return TickSound(begin, sound.values[at[inside], 0], sound.autocorrelation[0].astype(np.float32))


def under_window(sounds: Sequence[TickSound | None], first: int, num_lags: int, step: int) -> "SoundsUnder":
    """What sounds have under the window that begins at tick `first`; None has nothing anywhere."""
    num = WINDOW_TICKS + (num_lags - 1) * step
    ticks = np.zeros((len(sounds), num), np.float32)
    begins, ends = np.zeros(len(sounds), np.int64), np.zeros(len(sounds), np.int64)
    for number, sound in enumerate(sounds):
        if sound is not None:
            later = sound.begin - first
            begin, end = max(later, 0), min(later + len(sound.values), num)
            if begin < end:
                begins[number], ends[number] = begin, end
                ticks[number, begin:end] = sound.values[begin - later : end - later]
    return SoundsUnder(np.ascontiguousarray(ticks.T), begins, ends, num_lags, step)


@dataclass(frozen=True, eq=False)
class SoundsUnder:
    """What m sounds have under a window, at all offsets.

    Attributes:
        ticks: (S, m) zero outside a sound.
        begins, ends: (m,) where each sound begins and ends, 0…S.
        num_lags, step: the offsets are so many ticks apart.
    """

    ticks: Float32[np.ndarray, "S m"]
    begins: Int[np.ndarray, " m"]
    ends: Int[np.ndarray, " m"]
    num_lags: int
    step: int
    _sums: list[Float[np.ndarray, "_ m"]] = field(default_factory=list)
    _scales: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def products(
        self, signals: Float32[np.ndarray, "K t"], begin: int, out: Float32[np.ndarray, "K L m"]
    ) -> Float32[np.ndarray, "K L m"]:
        """Of signals that are zero before tick `begin` of the window and after their end."""
        num = signals.shape[1]
        for lag in range(self.num_lags):
            first = begin + lag * self.step
            np.matmul(signals, self.ticks[first : first + num], out=out[:, lag])
        return out

    def scale(self, begin: int, end: int) -> tuple[Float32[np.ndarray, "L m"], Float32[np.ndarray, "L m"]]:
        """(ticks in common with begin … end − 1, what products must be multiplied by to be correlations)."""
        if (begin, end) not in self._scales:
            self._scales[begin, end] = self._scale(begin, end)
        return self._scales[begin, end]

    def _scale(self, begin: int, end: int) -> tuple[Float32[np.ndarray, "L m"], Float32[np.ndarray, "L m"]]:
        if not self._sums:
            padded = np.concatenate([np.zeros((1, self.ticks.shape[1])), self.ticks])
            self._sums.extend((np.cumsum(padded, axis=0), np.cumsum(padded * padded, axis=0)))
        later = self.step * np.arange(self.num_lags)
        first, last = begin + later[:, None], end + later[:, None]
        overlap = np.maximum(np.minimum(last, self.ends) - np.maximum(first, self.begins), 0)
        total, energy = (sums[end + later] - sums[begin + later] for sums in self._sums)
        energy -= total * total / np.maximum(overlap, 1)
        share = overlap / max(end - begin, 1)
        norm = np.sqrt(np.maximum(energy, 0.0) * share)
        usable = (norm > 1e-3) & (share >= MIN_OVERLAP)
        scale = np.where(usable, 1.0 / np.maximum(norm, 1e-3), 0.0)
        return overlap.astype(np.float32), scale.astype(np.float32)


def worth_of_ticks(
    memory: Float32[np.ndarray, "K A"], sounds: Float32[np.ndarray, "m A"], num_ticks: int, temper: float
) -> Float32[np.ndarray, "K m"]:
    """What log(1 − R²) and the ticks in common are multiplied by to be nats, for pictures that cover so many ticks."""
    inflation = memory @ sounds.T
    inflation *= 2.0
    inflation += 1.0
    np.maximum(inflation, MIN_INFLATION, out=inflation)
    kept = 1.0 - LOST_TICKS / num_ticks
    return np.divide(np.float32(-0.5 * kept * temper), inflation, out=inflation)


def to_nats(
    correlations: Float32[np.ndarray, "K L m"],
    overlap: Float32[np.ndarray, "L m"],
    worth: Float32[np.ndarray, "K m"],
) -> Float32[np.ndarray, "K L m"]:
    """Correlations become nats, in place."""
    np.clip(correlations, 0.0, MAX_CORRELATION, out=correlations)
    np.multiply(correlations, correlations, out=correlations)
    np.subtract(1.0, correlations, out=correlations)
    np.log(correlations, out=correlations)
    correlations *= overlap
    correlations *= worth[:, None]
    return correlations


def log_mean_exp_over(nats: Float32[np.ndarray, "K n"], shares: Float32[np.ndarray, " K"]) -> Float32[np.ndarray, " n"]:
    """log Σ_k share_k · exp(nats_k) of nats from 0 on, which are lost."""
    np.minimum(nats, MOST_NATS, out=nats)
    np.exp(nats, out=nats)
    total = shares @ nats
    return np.log(total, out=total)


@dataclass(frozen=True, eq=False)
class Reading:
    """How products of spectra become sums at the offsets asked for.

    Attributes:
        size: of the transforms.
        first: the earliest tick of a sound, from that of the pictures on.
        num_ticks: of the sounds.
        rows: (R, W) the offsets, then the sum over all offsets of the range.
    """

    size: int
    first: int
    num_ticks: int
    rows: Float32[np.ndarray, "R W"]


@lru_cache(maxsize=64)
def reading(num_ticks: int, lags_ticks: tuple[float, ...], first: int, last: int) -> Reading:
    """For pictures of so many ticks.

    Args:
        lags_ticks: the offsets, any fractions.
        first, last: the range, in whole ticks.
    """
    size = scipy.fft.next_fast_len(num_ticks + last - first, real=True)
    frequency = np.arange(size // 2 + 1)
    weight = np.where((frequency == 0) | (2 * frequency == size), 1.0, 2.0) / size
    phase = 2j * np.pi * frequency / size
    waves = weight * np.exp(phase * (np.array(lags_ticks)[:, None] - first))
    every = weight * np.exp(phase * np.arange(last - first + 1)[:, None]).sum(axis=0)
    waves = np.concatenate([waves, every[None]])
    # Re(P · wave) = Re P · Re wave − Im P · Im wave
    rows = np.stack([waves.real, -waves.imag], axis=2).reshape(len(waves), -1)
    return Reading(size, first, num_ticks + last - first, rows.astype(np.float32))


def picture_spectra(
    ticks: Float32[np.ndarray, "K T D"], early_ticks: Float[np.ndarray, " K"], size: int
) -> Float32[np.ndarray, "F K E"]:
    """Transforms of pictures that begin so much after their tick: real parts, then imaginary ones."""
    spectra = scipy.fft.rfft(ticks, size, axis=1)
    phase = -2j * np.pi * np.arange(spectra.shape[1]) / size * early_ticks[:, None]
    spectra *= np.exp(phase)[..., None]
    return np.ascontiguousarray(np.concatenate([spectra.real, spectra.imag], axis=2).transpose(1, 0, 2), np.float32)


def sound_spectra(
    ticks: Float32[np.ndarray, "S D m"], late_ticks: Float[np.ndarray, " m"], size: int
) -> Float32[np.ndarray, "F 2 E m"]:
    """Transforms of sounds, arranged so that a picture's times them are the real and the imaginary part."""
    spectra = scipy.fft.rfft(ticks, size, axis=0)
    if late_ticks.any():
        phase = -2j * np.pi * np.arange(len(spectra))[:, None] / size * late_ticks
        spectra *= np.exp(phase)[:, None].astype(np.complex64)
    dims = ticks.shape[1]
    sides = np.empty((len(spectra), 2, 2 * dims, ticks.shape[2]), np.float32)
    sides[:, 0, :dims] = sides[:, 1, dims:] = spectra.real
    sides[:, 0, dims:] = sides[:, 1, :dims] = spectra.imag
    np.negative(sides[:, 1, dims:], out=sides[:, 1, dims:])
    return sides


def read_products(
    pictures: Float32[np.ndarray, "F K E"], sounds: Float32[np.ndarray, "F 2 E m"], read: Reading
) -> Float32[np.ndarray, "R K m"]:
    """The sums of products of each picture with each sound."""
    num, num_sounds = pictures.shape[1], sounds.shape[3]
    found = np.empty((len(read.rows), num, num_sounds), np.float32)
    for begin in range(0, num, BLOCK_SIGNALS):
        some = np.ascontiguousarray(pictures[:, begin : begin + BLOCK_SIGNALS])
        products = np.matmul(some[:, None], sounds).reshape(read.rows.shape[1], -1)
        found[:, begin : begin + BLOCK_SIGNALS] = (read.rows @ products).reshape(len(read.rows), -1, num_sounds)
    return found
