"""What a training configuration holds: how often, and how far, each kind of array is augmented.

Plain numbers, and tuples that are ranges from the lowest to the highest, so that they can be written as JSON. Each
step of a chain is taken with its own probability. By default all are 0, and the array itself comes back; otherwise
a new one. Letters in shapes: T ticks or frames, F bands, D dimensions, H rows, W columns.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float32, UInt8

from avmatch.core.errors import UsageError
from avmatch.datasets.augment.features import drop_steps, feature_noise, shift_steps
from avmatch.datasets.augment.picture import blur, jpeg, lower_rate, mirror, tone, warp
from avmatch.datasets.augment.spectrogram import spec_augment


@dataclass(frozen=True)
class SpectrogramAugmentation:
    """SpecAugment with a probability. Sizes as in augment.spectrogram."""

    mask_probability: float = 0.0
    num_time_masks: int = 2
    max_time: int = 40
    num_freq_masks: int = 2
    max_freq: int = 8

    def __post_init__(self) -> None:
        _check(self)

    def __call__(self, rng: np.random.Generator, mel: Float32[np.ndarray, "T F"]) -> Float32[np.ndarray, "T F"]:
        """(T, F) `mel` augmented."""
        if rng.random() < self.mask_probability:
            return spec_augment(rng, mel, self.num_time_masks, self.max_time, self.num_freq_masks, self.max_freq)
        return mel


@dataclass(frozen=True)
class FeatureAugmentation:
    """Shifts, lost steps and noise. Mixtures of items (features.mixup) concern both modalities: the trainer's."""

    shift_probability: float = 0.0
    max_shift_steps: int = 1
    drop_probability: float = 0.0
    drop_share: float = 0.1
    noise_probability: float = 0.0
    noise_snr_db: tuple[float, float] = (0.0, 20.0)

    def __post_init__(self) -> None:
        _check(self)

    def __call__(
        self,
        rng: np.random.Generator,
        features: Float32[np.ndarray, "*B T D"],
        deviation: Float32[np.ndarray, " D"],
    ) -> Float32[np.ndarray, "*B T D"]:
        """(…, T, D) `features` augmented, a whole batch or none of it; `deviation` as in feature_noise."""
        if rng.random() < self.shift_probability:
            features = shift_steps(rng, features, self.max_shift_steps)
        if rng.random() < self.drop_probability:
            features = drop_steps(rng, features, self.drop_share)
        if rng.random() < self.noise_probability:
            features = feature_noise(rng, features, rng.uniform(*self.noise_snr_db), deviation)
        return features


@dataclass(frozen=True)
class PictureAugmentation:
    """From the scene to the file: mirror, camera, light, focus, rate, compression. Ranges as in augment.picture."""

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

    def __post_init__(self) -> None:
        _check(self)

    def __call__(self, rng: np.random.Generator, frames: UInt8[np.ndarray, "T H W"]) -> UInt8[np.ndarray, "T H W"]:
        """(T, H, W) `frames` augmented, all of them alike."""
        if rng.random() < self.mirror_probability:
            frames = mirror(frames)
        if rng.random() < self.warp_probability:
            frames = warp(rng, frames, self.max_shift, self.scales, self.max_rotation_degrees)
        if rng.random() < self.tone_probability:
            frames = tone(rng, frames, self.max_brightness, self.contrasts, self.gammas)
        if rng.random() < self.blur_probability:
            frames = blur(rng, frames, self.blur_sigma_px)
        if rng.random() < self.rate_probability:
            frames = lower_rate(rng, frames, self.rate_kept_share)
        if rng.random() < self.jpeg_probability:
            frames = jpeg(rng, frames, self.jpeg_qualities)
        return frames


Augmentation = SpectrogramAugmentation | FeatureAugmentation | PictureAugmentation
#: Ranges of these units are drawn by octave, or are deviations: zero has no place in them.
_POSITIVE_UNITS = ("_hz", "_seconds", "_bps", "_px")


def _check(augmentation: Augmentation) -> None:
    """Every number where it can be, told by the name of its field. Raises UsageError."""
    for field in fields(augmentation):
        name, value = field.name, getattr(augmentation, field.name)
        lowest, highest = value if isinstance(value, tuple) else (value, value)
        if not lowest <= highest:
            raise UsageError(f"{name} must go from low to high, got {value}")
        if name.endswith(("_probability", "_share")) and not 0 <= lowest <= highest <= 1:
            raise UsageError(f"{name} must be within 0…1, got {value}")
        if name.startswith(("max_", "num_")) and lowest < 0:
            raise UsageError(f"{name} must not be negative, got {value}")
        if name.endswith(_POSITIVE_UNITS) and lowest <= 0:
            raise UsageError(f"{name} must be positive, got {value}")
