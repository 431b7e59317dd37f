"""The picture and the sound of an impact as numbers.

Picture: where the object is in each frame, when and where its path breaks, what it looks like. A mask shows the tray,
440 × 440; the rgb, less 20 rows at its top and bottom and 100 columns at its sides, aligns with it.

Sound: the spectrogram of each of four channels, when the impact begins, how loud and how early each channel records it.
The spectrogram is that of scipy.signal.spectrogram at nperseg = 1024 with its defaults: a Tukey window (0.25), hop 896,
each frame less its mean, power density. 4 s at 44.1 kHz give 513 × 196 in each channel.

Letters in shapes: T frames or ticks, H rows, W columns, K numbers, P pictures, C channels, S samples, F bins or bands.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import scipy.fft
from jaxtyping import Float, Float32, Int, Num, UInt8
from scipy.signal import lfilter
from scipy.signal.windows import tukey

#: Frames a second.
FRAME_RATE_HZ = 6.0
MAX_FRAMES = 35
MASK_PX = 440
#: What an rgb picture shows beyond each side of the mask: columns, rows.
MARGIN_PX = (100, 20)
#: Side of the pictures of the object, and of the square of the frame that they show.
CROP_PX, SQUARE_PX = 48, 192
#: Side of the small masks.
SMALL_PX = 44
#: Frames around the impact whose places count.
AROUND = (-4, 5)
SAMPLE_RATE_HZ = 44_100
NUM_SAMPLES = 4 * SAMPLE_RATE_HZ
WINDOW, HOP = 1024, 896
#: Power density that counts as silence: below any microphone's own noise.
FLOOR = 1e-12
#: Impacts are looked for in steps of this length.
STEP_SECONDS = 0.004
#: Edges of the stretches, in seconds from the impact, whose levels are measured in each channel; one is the hit.
EDGES_SECONDS = (-1.6, -1.2, -0.9, -0.65, -0.45, -0.3, -0.18, -0.08, -0.01, 0.03, 0.1, 0.25, 0.45, 0.7, 1.0, 1.4)
_HIT = 8
#: Two impacts are at least so far apart.
_APART_SECONDS = 0.06
#: The tray is half a metre across: sound takes no longer from one side to the other.
_MAX_DELAY_SECONDS = 0.0015
_HIGH_PASS = 0.97


LogBands = Float32[np.ndarray, "C F T"]


@dataclass(frozen=True, eq=False, repr=False)
class ImpactPath:
    """What is measured of a path.

    Attributes:
        impact_frame: where it breaks: the wall was met within a frame of this one.
        impact_seconds: the same from the first frame on.
        places: (frames, 2) where the object is in the frames AROUND the impact, in half widths of the picture from its
            middle; ends are held.
        moving_seconds: how long it had been moving.
    """

    impact_frame: int
    impact_seconds: float
    places: Float[np.ndarray, "frames 2"]
    moving_seconds: float

    def vector(self) -> Float32[np.ndarray, " K"]:
        """All in one: places, steps from one to the next and their lengths, the hit's place squared, how long."""
        steps = np.diff(self.places, axis=0)
        x, y = self.places[-AROUND[0]]
        parts = (
            self.places.ravel(),
            steps.ravel(),
            np.linalg.norm(steps, axis=1),
            [x * x, y * y, x * y, self.moving_seconds],
        )
        return np.concatenate(parts).astype(np.float32)


def centroid(mask: UInt8[np.ndarray, "H W"]) -> tuple[float, float]:
    """x and y in pixels of what is shown (128 and more); NaN where nothing is."""
    moments = cv2.moments((mask >= 128).astype(np.uint8), binaryImage=True)
    if not moments["m00"]:
        return np.nan, np.nan
    return moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]


def whole_path(centroids: Float[np.ndarray, "T 2"]) -> Float[np.ndarray, "T 2"]:
    """The same without gaps: lines between what is known, its ends held; the picture's middle where nothing is."""
    known = np.flatnonzero(np.isfinite(centroids[:, 0]))
    if not len(known):
        return np.full(centroids.shape, MASK_PX / 2)
    ticks = np.arange(len(centroids))
    return np.stack([np.interp(ticks, known, centroids[known, axis]) for axis in (0, 1)], axis=1)


def repeated(items: Num[np.ndarray, " T *rest"]) -> Num[np.ndarray, " 35 *rest"]:
    """35 of them: a short sequence goes on from its start."""
    return items[np.arange(MAX_FRAMES) % len(items)]


def centroid_vector(centroids: Float[np.ndarray, "T 2"]) -> Float32[np.ndarray, 70]:
    """35 × (x, y), interleaved, in pixels; gaps are filled, a short sequence is repeated from its start."""
    return repeated(whole_path(centroids)).astype(np.float32).ravel()


def impact_path(centroids: Float[np.ndarray, "T 2"]) -> ImpactPath:
    """Where the path breaks: the step after which the object has lost most of the velocity that it had."""
    path = whole_path(centroids) / (MASK_PX / 2) - 1.0
    if len(path) < 3:
        return ImpactPath(0, 0.0, np.repeat(path[:1], AROUND[1] - AROUND[0] + 1, axis=0), 0.0)
    steps = np.diff(path, axis=0)
    speed = np.linalg.norm(steps, axis=1)
    lost = (steps[:-1] * (steps[:-1] - steps[1:])).sum(axis=1) / np.maximum(speed[:-1], 1e-6)
    frame = int(lost.argmax()) + 1
    around = np.clip(np.arange(frame + AROUND[0], frame + AROUND[1] + 1), 0, len(path) - 1)
    still = np.flatnonzero(speed[:frame] < 0.01)
    moving = frame - (still[-1] + 1 if len(still) else 0)
    return ImpactPath(frame, frame / FRAME_RATE_HZ, path[around], moving / FRAME_RATE_HZ)


def aligned(picture: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """The part of an rgb picture that the mask shows."""
    columns, rows = MARGIN_PX
    return picture[rows:-rows, columns:-columns]


def small_masks(masks: UInt8[np.ndarray, "T H W"]) -> UInt8[np.ndarray, "35 44 44"]:
    """Each mask as shares of blocks, 0…255; a short sequence goes on from its start."""
    small = np.stack([cv2.resize(mask, (SMALL_PX, SMALL_PX), interpolation=cv2.INTER_AREA) for mask in masks])
    return repeated(small)


def object_crop(
    picture: UInt8[np.ndarray, "H W 3"] | None, mask: UInt8[np.ndarray, "440 440"], x: float, y: float
) -> UInt8[np.ndarray, "48 48 4"]:
    """The object with what is around it, and its mask as the fourth colour; always at one scale, which shows its size.

    Args:
        picture: of the whole frame; None, or one of another size: only the mask is shown.
    """
    rgb = np.zeros((MASK_PX, MASK_PX, 3), np.uint8) if picture is None else aligned(picture)
    if rgb.shape != (MASK_PX, MASK_PX, 3):
        rgb = np.zeros((MASK_PX, MASK_PX, 3), np.uint8)
    # getRectSubPix takes one or three colours, and goes on beyond the border with what is at it.
    parts = [cv2.getRectSubPix(part, (SQUARE_PX, SQUARE_PX), (x, y)) for part in (rgb, mask)]
    return cv2.resize(np.dstack(parts), (CROP_PX, CROP_PX), interpolation=cv2.INTER_AREA)


@dataclass(frozen=True, eq=False, repr=False)
class ImpactSound:
    """What is measured of a sound besides its spectrogram.

    Attributes:
        impact_seconds: when the strongest impact begins.
        arrival_seconds: (C,) how much later than their mean each channel records it.
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
        means, next_mean = self.levels.mean(axis=1), self.next_levels.mean()
        parts = (
            (self.levels - means[:, None])[:, :-1].ravel(),
            means,
            1e3 * self.arrival_seconds[:-1],
            [self.next_seconds, next_mean - means[_HIT]],
            (self.next_levels - next_mean)[:-1],
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
    bands: LogBands, snr_db: float, colour_nats: Float[np.ndarray, " k"], num_values: int, rng: np.random.Generator
) -> LogBands:
    """Log bands as they would be with a steady noise in each channel, so far under that channel's power.

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
    stretches = pairwise(EDGES_SECONDS)
    levels = np.stack([_level(energy, impact_seconds + low, impact_seconds + high) for low, high in stretches])
    next_seconds, next_levels = 0.0, levels[_HIT]
    if second is not None:
        next_seconds = second * STEP_SECONDS - impact_seconds
        next_levels = _level(energy, second * STEP_SECONDS, second * STEP_SECONDS + 0.04)
    return ImpactSound(impact_seconds, _arrivals(sharp, begin), levels, next_seconds, next_levels)


def _strongest(energy: Float[np.ndarray, " T"]) -> tuple[int, int | None]:
    """The steps at which the energy rises most, and second most at some distance, if that is an impact at all."""
    rise = np.maximum(np.diff(energy, prepend=energy[:1]), 0.0)
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
    """When the first 12 ms of an impact reach each channel, less the mean: peaks of the whitened cross-correlations."""
    reach = round(_MAX_DELAY_SECONDS * SAMPLE_RATE_HZ)
    start = max(begin - 2 * reach, 0)
    piece = sharp[:, start : start + 1024]
    spectrum = scipy.fft.rfft(piece * np.hanning(piece.shape[1]), 2048, axis=1)
    lags: Int[np.ndarray, " L"] = np.arange(-reach, reach + 1)
    cross = spectrum[:, None] * spectrum.conj()[None, :]
    curves = scipy.fft.irfft(cross / (np.abs(cross) + 1e-3 * np.abs(cross).mean() + FLOOR), axis=2)[:, :, lags]
    between = lags[curves.argmax(axis=2)] / SAMPLE_RATE_HZ
    return (between - between.T).mean(axis=1) / 2
