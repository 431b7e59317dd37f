"""Augmentation of what the two towers take: features, log-mel, and frames.

    features   noise, dropped steps, shifts, and mixtures of two items (mixup)
    log-mel    SpecAugment (Park et al. 2019, "SpecAugment: a simple data augmentation method for automatic speech
               recognition") without its time warping, which would change the offset; what is masked takes the mean of
               the whole spectrogram, which is the paper's zero of a normalised one. And gain and noise, computed on its
               powers: noise is steady, its power in each band has the form of a random slope over the bands, and varies
               from tick to tick as that of white noise does in a mel band (chi-squared, here with four degrees of
               freedom). Noise mixed into the waveform itself (synth/sound.py) is better and costs more.
    frames     as another camera, lens or connection would have given them: one draw for all frames of a clip, as a draw
               for each frame would be motion of its own

A configuration says how often, and how far, each is augmented: plain numbers, and tuples that are ranges from the
lowest to the highest. Each step of a chain is a method and has its own probability. By default all are 0, and the array
itself comes back; otherwise a new one.

Letters in shapes: B items, T steps, ticks or frames, D dimensions, F bands, H rows, W columns; `*B` stands for a batch,
or for none.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import cv2
import numpy as np
from jaxtyping import Float32, Int, UInt8

from avmatch.core.errors import UsageError
from avmatch.frontends.mouth import held_ticks
from avmatch.frontends.sound import LOG_FLOOR

Features = Float32[np.ndarray, "*B T D"]
Mixed = Float32[np.ndarray, " B *rest"]
Shares = Float32[np.ndarray, " B"]
Spectrogram = Float32[np.ndarray, "T F"]
Frame = UInt8[np.ndarray, "H W"]
Frames = UInt8[np.ndarray, "T H W"]
#: Noise falls or rises by up to this over all bands of a log-mel, in nepers of power.
_MAX_SLOPE = 4.0


@dataclass(frozen=True)
class Augmentation:
    """A configuration whose numbers are checked by the names of their fields. Raises UsageError."""

    def __post_init__(self) -> None:
        for field in fields(self):
            name, value = field.name, getattr(self, field.name)
            lowest, highest = value if isinstance(value, tuple) else (value, value)
            if not lowest <= highest:
                raise UsageError(f"{name} must go from low to high, got {value}")
            if name.endswith(("_probability", "_share")) and not 0 <= lowest <= highest <= 1:
                raise UsageError(f"{name} must be within 0…1, got {value}")
            if name.startswith(("max_", "num_")) and lowest < 0:
                raise UsageError(f"{name} must not be negative, got {value}")
            if name.endswith("_px") and lowest <= 0:
                raise UsageError(f"{name} must be positive, got {value}")


@dataclass(frozen=True)
class FeatureAugmentation(Augmentation):
    """Shifts, lost steps and noise. Mixtures of items (`mixup`) concern both modalities: the task's."""

    shift_probability: float = 0.0
    max_shift_steps: int = 1
    drop_probability: float = 0.0
    drop_share: float = 0.1
    noise_probability: float = 0.0
    noise_snr_db: tuple[float, float] = (0.0, 20.0)

    def __call__(self, rng: np.random.Generator, features: Features) -> Features:
        """(…, T, D) `features` augmented, a whole batch or none of it; noise follows their own deviation."""
        changed = features
        if rng.random() < self.shift_probability:
            changed = self.shift_steps(rng, changed)
        if rng.random() < self.drop_probability:
            changed = self.drop_steps(rng, changed)
        if rng.random() < self.noise_probability:
            deviation = features.std(axis=tuple(range(features.ndim - 1)))
            changed = feature_noise(rng, changed, rng.uniform(*self.noise_snr_db), deviation)
        return changed

    def shift_steps(self, rng: np.random.Generator, features: Features) -> Features:
        """Each item later or earlier by up to `max_shift_steps`, its first or last step repeated to fill."""
        most, num_steps = self.max_shift_steps, features.shape[-2]
        shifts = rng.integers(-most, most, size=(*features.shape[:-2], 1), endpoint=True)
        steps = np.clip(np.arange(num_steps) - shifts, 0, num_steps - 1)
        return np.take_along_axis(features, steps[..., np.newaxis], axis=-2)

    def drop_steps(self, rng: np.random.Generator, features: Features) -> Features:
        """Each step replaced, with probability `drop_share`, by the mean over its item's steps."""
        dropped = rng.random(features.shape[:-1]) < self.drop_share
        mean = features.mean(axis=-2, keepdims=True) if features.shape[-2] else features
        return np.where(dropped[..., np.newaxis], mean, features)


def feature_noise(
    rng: np.random.Generator, features: Features, snr_db: float, deviation: Float32[np.ndarray, " D"]
) -> Features:
    """(…, T, D) with Gaussian noise `snr_db` below the power of each dimension.

    Args:
        rng: the source of chance.
        features: (T, D) or (B, T, D).
        snr_db: 20·log10 of a dimension's deviation over that of its noise.
        deviation: (D,) standard deviation of each dimension, over the training set.
    """
    noise = rng.standard_normal(features.shape, np.float32)
    return features + noise * (deviation * np.float32(10 ** (-snr_db / 20)))


def mixup(rng: np.random.Generator, batch: Mixed, alpha: float) -> tuple[Mixed, Int[np.ndarray, " B"], Shares]:
    """Each item mixed with a random other: λ·x + (1−λ)·x', λ ~ Beta(α, α) (Zhang et al. 2018, "mixup", eq. 1).

    Args:
        rng: the source of chance.
        batch: (B, …).
        alpha: 0 mixes nothing, 1 draws every λ alike.

    Returns:
        The mixed batch, the other (B,) of each item, and λ (B,): give these two to `apply_mixup` for the other
        modality and for the targets, so that a mixed picture belongs to the sound that is mixed alike.
    """
    other = rng.permutation(len(batch))
    share = rng.beta(alpha, alpha, len(batch)) if alpha > 0 else np.ones(len(batch))
    share = share.astype(np.float32)
    return apply_mixup(batch, other, share), other, share


def apply_mixup(batch: Mixed, other: Int[np.ndarray, " B"], share: Shares) -> Mixed:
    """(B, …) share·x + (1 − share)·x[other], item by item."""
    weight = share.reshape(-1, *[1] * (batch.ndim - 1))
    return weight * batch + (1 - weight) * batch[other]


@dataclass(frozen=True)
class SpectrogramAugmentation(Augmentation):
    """SpecAugment: masks of up to `max_time` ticks over all bands, and of up to `max_freq` bands over all ticks."""

    mask_probability: float = 0.0
    num_time_masks: int = 2
    max_time: int = 40
    num_freq_masks: int = 2
    max_freq: int = 8

    def __call__(self, rng: np.random.Generator, mel: Spectrogram) -> Spectrogram:
        """(T, F) `mel` augmented."""
        if rng.random() >= self.mask_probability:
            return mel
        masked = mel.copy()
        fill = mel.mean() if mel.size else 0.0
        for stretch in _stretches(rng, len(mel), self.num_time_masks, self.max_time):
            masked[stretch] = fill
        for stretch in _stretches(rng, mel.shape[1], self.num_freq_masks, self.max_freq):
            masked[:, stretch] = fill
        return masked


def _stretches(rng: np.random.Generator, length: int, count: int, max_width: int) -> list[slice]:
    """`count` slices: each width from 0 to `max_width` as likely, anywhere in `length`; they may overlap."""
    widths = rng.integers(min(max_width, length), size=count, endpoint=True)
    starts = rng.integers(length - widths, endpoint=True)
    return [slice(start, start + width) for start, width in zip(starts, widths, strict=True)]


@dataclass(frozen=True)
class LevelAugmentation(Augmentation):
    """Gain and noise with probabilities, each from a range in dB; by default none."""

    gain_probability: float = 0.0
    gain_db: tuple[float, float] = (-12.0, 6.0)
    noise_probability: float = 0.0
    noise_snr_db: tuple[float, float] = (0.0, 20.0)

    def __call__(self, rng: np.random.Generator, mel: Spectrogram) -> Spectrogram:
        """(T, F) log-mel (frontends/sound.py) augmented."""
        gained, noisy = rng.random(2) < (self.gain_probability, self.noise_probability)
        if not (gained or noisy):
            return mel
        power = np.maximum(np.exp(mel.astype(np.float64)) - LOG_FLOOR, 0.0)
        if noisy:
            slope = rng.uniform(-_MAX_SLOPE, _MAX_SLOPE)
            noise = np.exp(np.linspace(0, slope, mel.shape[1])) * rng.gamma(2.0, size=mel.shape)
            power += noise * power.mean() / noise.mean() / 10 ** (rng.uniform(*self.noise_snr_db) / 10)
        if gained:
            power *= 10 ** (rng.uniform(*self.gain_db) / 10)
        return np.log(power + LOG_FLOOR).astype(np.float32)


@dataclass(frozen=True)
class PictureAugmentation(Augmentation):
    """From the scene to the file: mirror, camera, light, focus, rate, compression.

    Attributes:
        max_shift: largest shift, as a share of the picture's height and width.
        scales: the range of the magnification.
        max_rotation_degrees: largest turn either way.
        max_brightness: a share of white.
        blur_sigma_px: the deviation of the Gaussian.
        rate_kept_share: of the frames; each is held until the next one.
        jpeg_qualities: in 0…100.
    """

    mirror_probability: float = 0.0
    warp_probability: float = 0.0
    max_shift: float = 0.05
    scales: tuple[float, float] = (0.9, 1.1)
    max_rotation_degrees: float = 5.0
    tone_probability: float = 0.0
    max_brightness: float = 0.1
    contrasts: tuple[float, float] = (0.8, 1.25)
    gammas: tuple[float, float] = (0.8, 1.25)
    blur_probability: float = 0.0
    blur_sigma_px: tuple[float, float] = (0.3, 1.2)
    rate_probability: float = 0.0
    rate_kept_share: tuple[float, float] = (0.4, 1.0)
    jpeg_probability: float = 0.0
    jpeg_qualities: tuple[int, int] = (30, 90)

    def __call__(self, rng: np.random.Generator, frames: Frames) -> Frames:
        """(T, H, W) `frames` augmented, all of them alike."""
        steps = (
            (self.mirror_probability, self.mirror),
            (self.warp_probability, self.warp),
            (self.tone_probability, self.tone),
            (self.blur_probability, self.blur),
            (self.rate_probability, self.lower_rate),
            (self.jpeg_probability, self.jpeg),
        )
        for probability, change in steps:
            if rng.random() < probability:
                frames = change(rng, frames)
        return frames

    def mirror(self, rng: np.random.Generator, frames: Frames) -> Frames:
        """Left and right exchanged."""
        return frames[:, :, ::-1].copy()

    def warp(self, rng: np.random.Generator, frames: Frames) -> Frames:
        """Shifted, scaled and turned about the middle by one affine map; the border is repeated outwards."""
        height, width = frames.shape[1:]
        turn_degrees = rng.uniform(-self.max_rotation_degrees, self.max_rotation_degrees)
        middle = ((width - 1) / 2, (height - 1) / 2)
        affine = np.asarray(cv2.getRotationMatrix2D(middle, turn_degrees, rng.uniform(*self.scales)), np.float64)
        affine[:, 2] += rng.uniform(-self.max_shift, self.max_shift, 2) * (width, height)
        border = cv2.BORDER_REPLICATE
        return _each(frames, lambda frame: cv2.warpAffine(frame, affine, (width, height), borderMode=border))

    def tone(self, rng: np.random.Generator, frames: Frames) -> Frames:
        """Another gamma, contrast about mid-grey, and brightness, by one table."""
        levels = np.linspace(0, 1, 256) ** rng.uniform(*self.gammas)
        levels = (levels - 0.5) * rng.uniform(*self.contrasts) + 0.5
        levels += rng.uniform(-self.max_brightness, self.max_brightness)
        table = np.round(255 * np.clip(levels, 0, 1)).astype(np.uint8)
        return table[frames]

    def blur(self, rng: np.random.Generator, frames: Frames) -> Frames:
        """Out of focus."""
        sigma = rng.uniform(*self.blur_sigma_px)
        return _each(frames, lambda frame: cv2.GaussianBlur(frame, (0, 0), sigma))

    def lower_rate(self, rng: np.random.Generator, frames: Frames) -> Frames:
        """As a slower camera gives it at the same clock."""
        return frames[held_ticks(len(frames), rng.uniform(*self.rate_kept_share), rng.random())]

    def jpeg(self, rng: np.random.Generator, frames: Frames) -> Frames:
        """Each frame through JPEG and back, all of one quality."""
        quality = int(rng.integers(*self.jpeg_qualities, endpoint=True))

        def compressed(frame: Frame) -> Frame:
            _, code = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])
            return np.asarray(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE), np.uint8)

        return _each(frames, compressed)


def _each(frames: Frames, change: Callable[[Frame], Frame]) -> Frames:
    return np.stack([change(frame) for frame in frames]) if frames.size else frames.copy()
