"""Motion and bands as signals to compare: what the cues and the model for any sound take.

    motion (T, M, 64)       → sources of the picture (S, C, T), 25 a second     ┐ when
    flux, level (U, B) each → bands of the sound (H, U), 100 a second           ┘
    motion                  → (F,) levels, deviations, rhythm, where and how bright ┐ what
    spectrum (U, 16)        → (F,) its mean, deviations, rhythm, rises, loudest     ┘

Both sides are flattened in the same way, so that their correlation shows events and not loudness, exposure or one
single bang: subtract the average of the surroundings, divide by the local deviation, clip.

The sources of a picture, where the sound may come from, are the cells that move most, the four quarters, and the mean
and the maximum of the whole picture. Each of them has the same channels; a channel is a motion channel
(frontends/motion.py), or its rise, on a logarithmic scale with the trend removed.

All of it comes from the features that every cue uses (frontends/motion.py, frontends/sound.py): a learned model over
them needs no second pass over the file.

Letters in shapes: T ticks, U band ticks, M motion channels, B bands, S sources, C channels, H signals (of a picture
C·S), F statistics, W windows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32
from scipy.ndimage import gaussian_filter1d, uniform_filter1d

from avmatch.core.features import BAND_RATE_HZ, TICK_RATE_HZ
from avmatch.frontends.motion import CHANGE, GRID, MOTION_CHANNELS
from avmatch.frontends.sound import NUM_BANDS

TREND_SECONDS = 0.6
DEVIATION_SECONDS = 5.0
CLIP_DEVIATIONS = 3.0
SMOOTHING_SECONDS = 0.02
_BLOCK_VALUES = 1 << 20
NUM_CELLS = 18
#: Prior that a quarter of the picture, or all of it, shows more than any single cell (things that wander about).
QUARTERS_PRIOR, WHOLE_PRIOR = 0.1, 0.15
#: Long files are worked on in stretches, so that memory stays small.
STRETCH_TICKS = 1 << 14


@dataclass(frozen=True)
class Channel:
    """A motion channel as a signal.

    Attributes:
        number: which one.
        offset: added before the logarithm; below this much, motion is noise of the flow.
        is_rise: only what it grows by counts, as in the spectral flux of a sound.
    """

    number: int
    offset: float
    is_rise: bool = False


CHANNELS = (
    Channel(0, 0.1),
    Channel(1, 0.03),
    Channel(2, 0.03),
    Channel(CHANGE, 0.3, is_rise=True),
    Channel(CHANGE, 0.3),
    Channel(MOTION_CHANNELS.index("jerk"), 0.3),
    Channel(MOTION_CHANNELS.index("flicker"), 2.0),
    Channel(MOTION_CHANNELS.index("flicker"), 2.0, is_rise=True),
)
NUM_CHANNELS = len(CHANNELS)
#: Onset and level of each band, then of all bands: onset with a third of the level, and level.
NUM_SOUND_INPUTS = 2 * NUM_BANDS + 2
BANDS_PER_TICK = BAND_RATE_HZ // TICK_RATE_HZ
#: Sound inputs are averages over a tick; an average of an even number sits half a value early.
EARLY_SECONDS = 0.5 / BAND_RATE_HZ
LEVEL_SHARE = 0.35
_STROKE_OFFSET, _LEAST_VARIANCE = 0.25, 1e-9
_BAND_ONSET_OFFSET, _ONSET_OFFSET, _LEVEL_FLOOR = 0.5, 1.0, 1e-4
#: Motion channels of the statistics, the last two light and texture, and what is added before their logarithm.
_STATISTICS = (0, 1, 2, CHANGE, MOTION_CHANNELS.index("light"), MOTION_CHANNELS.index("texture"))
_STATISTICS_OFFSETS = np.array([0.1, 0.03, 0.03, 0.3, 1.0, 1.0])[None, :, None]
#: Statistics are taken of windows of about this length.
WINDOW_SECONDS = 10.0
#: Below this many ticks there is no rhythm to speak of.
MIN_TICKS = TICK_RATE_HZ
_PICTURE_LAGS, _SOUND_LAGS = (1, 3, 8), (2, 8, 25)
#: Ticks above this share of loudness are the loudest.
_LOUD_PERCENT = 90


def flattened(values: Float[np.ndarray, "T H"], rate_hz: float) -> Float32[np.ndarray, "T H"]:
    """Remove the trend, divide by the local deviation, clip (in that order), along time."""
    flat = np.empty(values.shape, np.float32)
    step = max(1, _BLOCK_VALUES // max(1, len(values)))  # long files have many ticks: a few columns at a time
    for begin in range(0, values.shape[1], step):
        columns = slice(begin, begin + step)
        flat[:, columns] = _flattened(np.asarray(values[:, columns], np.float32), rate_hz)
    return flat


def _flattened(values: Float32[np.ndarray, "T H"], rate_hz: float) -> Float32[np.ndarray, "T H"]:
    smooth = gaussian_filter1d(values, SMOOTHING_SECONDS * rate_hz, axis=0)
    flat = smooth - surroundings(smooth, TREND_SECONDS * rate_hz)
    deviation = np.sqrt(np.maximum(surroundings(flat * flat, DEVIATION_SECONDS * rate_hz), 0.0))
    # A floor relative to the whole: stretches without any event must not be blown up into events.
    floor = 0.1 * np.sqrt((flat * flat).mean(axis=0)) + 1e-6
    limit = CLIP_DEVIATIONS
    return np.clip(flat / np.maximum(deviation, floor), -limit, limit).astype(np.float32)


def surroundings(values: Float32[np.ndarray, "T H"], sigma: float) -> Float32[np.ndarray, "T H"]:
    """Average under a triangle with deviation `sigma` (ticks): two running means, however wide."""
    width = 2 * round(sigma * 6**0.5 / 2) + 1
    return uniform_filter1d(uniform_filter1d(values, width, axis=0), width, axis=0)


def source_levels(
    motion: Float[np.ndarray, "T M 64"], channels: Sequence[Channel]
) -> tuple[Float32[np.ndarray, "T H"], Float[np.ndarray, " S"]]:
    """Flattened log levels, channel by channel with all its sources, and the sources' prior weights."""
    activity = motion[:, CHANGE].mean(axis=0, dtype=np.float32)
    cells = np.argsort(-activity, kind="stable")[:NUM_CELLS]
    num_sources = len(cells) + 4 + 2
    values = np.empty((len(motion), len(channels) * num_sources), np.float32)
    for place, channel in enumerate(channels):
        columns = slice(place * num_sources, (place + 1) * num_sources)
        for begin in range(0, len(values), STRETCH_TICKS):
            levels = _levels(motion, channel, begin, STRETCH_TICKS)
            whole = (levels.mean(axis=1, keepdims=True), levels.max(axis=1, keepdims=True))
            together = np.concatenate([levels[:, cells], _quarters(levels), *whole], axis=1)
            values[begin : begin + STRETCH_TICKS, columns] = np.log(together + channel.offset)
        values[:, columns] = flattened(values[:, columns], TICK_RATE_HZ)
    weights = (
        (1.0 - QUARTERS_PRIOR - WHOLE_PRIOR) * _shares(activity[cells]),
        QUARTERS_PRIOR * _shares(_quarters(activity[None])[0]),
        WHOLE_PRIOR * np.full(2, 0.5),
    )
    return values, np.concatenate(weights)


def cell_signals(motion: Float[np.ndarray, "T M 64"]) -> Float32[np.ndarray, "64 C T"]:
    """The channels of every cell, whether it is a likely source or not."""
    signals = np.empty((GRID * GRID, NUM_CHANNELS, len(motion)), np.float32)
    for place, channel in enumerate(CHANNELS):
        levels = _levels(motion, channel, 0, len(motion))
        signals[:, place] = flattened(np.log(levels + channel.offset), TICK_RATE_HZ).T
    return signals


def _levels(
    motion: Float[np.ndarray, "T M 64"], channel: Channel, begin: int, length: int
) -> Float32[np.ndarray, "t 64"]:
    """A stretch of one channel."""
    levels = motion[max(begin - 1, 0) : begin + length, channel.number].astype(np.float32)
    if channel.is_rise:
        levels = np.maximum(0.0, np.diff(levels, axis=0, prepend=levels[:1]))
    return levels[1:] if begin else levels


def _quarters(levels: Float32[np.ndarray, "T 64"]) -> Float32[np.ndarray, "T 4"]:
    half = GRID // 2
    means: Float32[np.ndarray, "T 4"] = levels.reshape(-1, 2, half, 2, half).mean(axis=(2, 4)).reshape(-1, 4)
    return means


def _shares(activity: Float[np.ndarray, " S"]) -> Float[np.ndarray, " S"]:
    """What moves more is the more probable source, but not in proportion."""
    root = np.sqrt(activity) + 1e-9
    return root / root.sum()


def picture_signals(
    motion: Float[np.ndarray, "T M 64"],
) -> tuple[Float32[np.ndarray, "S C T"], Float[np.ndarray, " S"]]:
    """The channels of each source, and the sources' prior weights."""
    values, weights = source_levels(motion, CHANNELS)
    signals: Float32[np.ndarray, "S C T"] = values.reshape(len(motion), NUM_CHANNELS, len(weights)).transpose(2, 1, 0)
    return np.ascontiguousarray(signals), weights


def sound_signals(flux: Float[np.ndarray, "U B"], level: Float[np.ndarray, "U B"]) -> Float32[np.ndarray, "H U"]:
    """Onset and level of each band and of all; value i is of EARLY_SECONDS before tick i."""
    rises, levels = flux.astype(np.float32), level.astype(np.float32)
    onset = BANDS_PER_TICK * _tick_mean(rises)
    power = _tick_mean(np.exp(levels).mean(axis=1, keepdims=True))
    inputs = [
        np.log(onset + _BAND_ONSET_OFFSET),
        _tick_mean(levels),
        np.log(onset.mean(axis=1, keepdims=True) + _ONSET_OFFSET),
        np.log(power + _LEVEL_FLOOR * float(power.max(initial=1e-9))),
    ]
    flat = flattened(np.concatenate(inputs, axis=1), BAND_RATE_HZ)
    accent = flat[:, -2] + LEVEL_SHARE * flat[:, -1]
    flat[:, -2] = accent / max(float(accent.std()), 1e-6)
    return np.ascontiguousarray(flat.T)


def strokes(flux: Float[np.ndarray, "U B"]) -> float:
    """How much a sound consists of single strokes: log of the kurtosis of its onsets; noise has 1, hits have 2.

    Onsets are the logarithm of the mean rise of all bands, averaged over a tick. 0 for silence.
    """
    if not len(flux):
        return 0.0
    rises = np.asarray(flux, np.float32).mean(axis=1, keepdims=True)
    onset = np.log(_tick_mean(rises) + _STROKE_OFFSET)[:, 0].astype(np.float64)
    deviation = onset - onset.mean()
    variance = float(np.mean(deviation**2))
    return float(np.log(max(np.mean(deviation**4) / variance**2, 1.0))) if variance > _LEAST_VARIANCE else 0.0


def _tick_mean(values: Float32[np.ndarray, "U n"]) -> Float32[np.ndarray, "U n"]:
    return np.asarray(uniform_filter1d(values, BANDS_PER_TICK, axis=0, mode="nearest"), np.float32)


def picture_statistics(motion: Float[np.ndarray, "T M 64"]) -> Float32[np.ndarray, "W F"]:
    """Of each of its windows; none if it is shorter than a second."""
    return _of_windows(_of_picture, motion, TICK_RATE_HZ)


def sound_statistics(spectrum: Float[np.ndarray, "U B"]) -> Float32[np.ndarray, "W F"]:
    """Of each of its windows; none if it is shorter than a second."""
    return _of_windows(_of_sound, spectrum, BAND_RATE_HZ)


def _of_windows(
    statistics: Callable[[np.ndarray], Float[np.ndarray, " F"]], values: np.ndarray, rate_hz: int
) -> Float32[np.ndarray, "W F"]:
    """Of equal parts, none of them longer than a window; of none where there is less than MIN_TICKS."""
    if len(values) * TICK_RATE_HZ < MIN_TICKS * rate_hz:
        return np.zeros((0, 0), np.float32)
    parts = np.array_split(values, -(-len(values) // round(WINDOW_SECONDS * rate_hz)))
    return np.stack([statistics(part).astype(np.float32) for part in parts])


def _of_picture(motion: Float[np.ndarray, "T M 64"]) -> Float[np.ndarray, " F"]:
    levels = np.log(np.maximum(motion[:, _STATISTICS].astype(np.float64), 0.0) + _STATISTICS_OFFSETS)
    whole = np.concatenate([levels.mean(axis=2), levels.max(axis=2)], axis=1)
    of_cells = levels.mean(axis=0)
    deviation = levels.std(axis=0)
    high, middle = np.percentile(whole, (90, 50), axis=0)
    where = of_cells[_STATISTICS.index(CHANGE)].reshape(GRID, GRID)
    light, texture = (of_cells[number].reshape(GRID, GRID) for number in (-2, -1))
    return np.concatenate(
        [
            whole.mean(axis=0),
            whole.std(axis=0),
            deviation.mean(axis=1),
            deviation.max(axis=1),
            of_cells.std(axis=1),
            high - middle,
            *_rhythm(whole, _PICTURE_LAGS),
            *_profile(where - where.mean()),
            *_profile(light - light.mean()),
            *_profile(texture),
        ]
    )


def _of_sound(spectrum: Float[np.ndarray, "U B"]) -> Float[np.ndarray, " F"]:
    spectrum = spectrum.astype(np.float64)
    mean = spectrum.mean(axis=0)
    high, middle, low = np.percentile(spectrum, (95, 50, 5), axis=0)
    rise = np.maximum(spectrum[BANDS_PER_TICK:] - spectrum[:-BANDS_PER_TICK], 0.0)
    loudness = spectrum.mean(axis=1)
    loudest = spectrum[loudness >= np.percentile(loudness, _LOUD_PERCENT)].mean(axis=0)
    return np.concatenate(
        [
            mean - mean.mean(),
            [mean.mean()],
            spectrum.std(axis=0),
            high - middle,
            middle - low,
            rise.mean(axis=0),
            rise.std(axis=0),
            loudest - loudest.mean(),
            *_rhythm(spectrum, _SOUND_LAGS),
        ]
    )


def _rhythm(values: Float[np.ndarray, "T n"], lags: tuple[int, ...]) -> list[Float[np.ndarray, " n"]]:
    """Autocorrelation."""
    centred = values - values.mean(axis=0)
    variance = values.var(axis=0) + 0.01
    return [(centred[lag:] * centred[:-lag]).mean(axis=0) / variance for lag in lags]


def _profile(cells: Float[np.ndarray, "8 8"]) -> tuple[Float[np.ndarray, " 8"], Float[np.ndarray, " 8"]]:
    """By column and by row."""
    return cells.mean(axis=0), cells.mean(axis=1)
