"""What a training configuration holds: how often, and how far, each kind of array is augmented.

Plain numbers, and tuples that are ranges from the lowest to the highest, so that they can be written as JSON. Each
step of a chain is taken with its own probability. By default all are 0, and the array itself comes back; otherwise
a new one. Letters in shapes: S samples, T ticks or frames, F bands, D dimensions, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import get_args

import numpy as np
from jaxtyping import Float32, UInt8

from avmatch.core.errors import UsageError
from avmatch.datasets.augment.features import drop_steps, feature_noise, shift_steps
from avmatch.datasets.augment.picture import blur, jpeg, lower_rate, mirror, tone, warp
from avmatch.datasets.augment.sound import (
    CodecKind,
    NoiseKind,
    band_limit,
    codec,
    fit_noise,
    gain,
    mix_at_snr,
    reverb,
    synthetic_noise,
)
from avmatch.datasets.augment.spectrogram import spec_augment


@dataclass(frozen=True)
class SoundAugmentation:
    """From the room to the file: reverberation, noise, microphone, level, codec. Ranges as in augment.sound.

    Attributes:
        real_noise_share: how often the noise is one of those given, where some are given.
        noise_kinds: the synthetic noises, all as likely.
        codec_kinds: the codecs, all as likely.
    """

    reverb_probability: float = 0.0
    reverb_rt60_seconds: tuple[float, float] = (0.1, 0.6)
    reverb_direct_db: tuple[float, float] = (0.0, 12.0)
    noise_probability: float = 0.0
    noise_snr_db: tuple[float, float] = (0.0, 20.0)
    noise_kinds: tuple[NoiseKind, ...] = get_args(NoiseKind)
    real_noise_share: float = 0.5
    band_probability: float = 0.0
    band_high_pass_hz: tuple[float, float] = (30.0, 300.0)
    band_low_pass_hz: tuple[float, float] = (2500.0, 7500.0)
    gain_probability: float = 0.0
    gain_db: tuple[float, float] = (-12.0, 6.0)
    codec_probability: float = 0.0
    codec_kinds: tuple[CodecKind, ...] = get_args(CodecKind)
    codec_bit_rate_bps: tuple[float, float] = (12_000.0, 64_000.0)

    def __post_init__(self) -> None:
        _check(self)
        _check_kinds("noise_kinds", self.noise_kinds, get_args(NoiseKind))
        _check_kinds("codec_kinds", self.codec_kinds, get_args(CodecKind))

    def __call__(
        self,
        rng: np.random.Generator,
        sound: Float32[np.ndarray, " S"],
        sample_rate_hz: int,
        noises: Sequence[Float32[np.ndarray, " _"]] = (),
    ) -> Float32[np.ndarray, " S"]:
        """(S,) `sound` augmented; `noises` are recordings of the same rate and any length."""
        if rng.random() < self.reverb_probability:
            sound = reverb(rng, sound, sample_rate_hz, self.reverb_rt60_seconds, self.reverb_direct_db)
        if rng.random() < self.noise_probability:
            noise = self._noise(rng, len(sound), sample_rate_hz, noises)
            sound = mix_at_snr(sound, noise, rng.uniform(*self.noise_snr_db))
        if rng.random() < self.band_probability:
            sound = band_limit(rng, sound, sample_rate_hz, self.band_high_pass_hz, self.band_low_pass_hz)
        if rng.random() < self.gain_probability:
            sound = gain(rng, sound, self.gain_db)
        if rng.random() < self.codec_probability:
            sound = codec(rng, sound, sample_rate_hz, self.codec_kinds, self.codec_bit_rate_bps)
        return sound

    def _noise(
        self,
        rng: np.random.Generator,
        num_samples: int,
        sample_rate_hz: int,
        noises: Sequence[Float32[np.ndarray, " _"]],
    ) -> Float32[np.ndarray, " S"]:
        if noises and rng.random() < self.real_noise_share:
            return fit_noise(rng, noises[int(rng.integers(len(noises)))], num_samples)
        kind = self.noise_kinds[rng.integers(len(self.noise_kinds))]
        return synthetic_noise(rng, num_samples, kind, sample_rate_hz)


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


Augmentation = SoundAugmentation | SpectrogramAugmentation | FeatureAugmentation | PictureAugmentation
#: Ranges of these units are drawn by octave, or are deviations: zero has no place in them.
_POSITIVE_UNITS = ("_hz", "_seconds", "_bps", "_px")


def _check(augmentation: Augmentation) -> None:
    """Every number where it can be, told by the name of its field. Raises UsageError."""
    for field in fields(augmentation):
        name, value = field.name, getattr(augmentation, field.name)
        if name.endswith("_kinds"):
            continue
        lowest, highest = value if isinstance(value, tuple) else (value, value)
        if not lowest <= highest:
            raise UsageError(f"{name} must go from low to high, got {value}")
        if name.endswith(("_probability", "_share")) and not 0 <= lowest <= highest <= 1:
            raise UsageError(f"{name} must be within 0…1, got {value}")
        if name.startswith(("max_", "num_")) and lowest < 0:
            raise UsageError(f"{name} must not be negative, got {value}")
        if name.endswith(_POSITIVE_UNITS) and lowest <= 0:
            raise UsageError(f"{name} must be positive, got {value}")


def _check_kinds(name: str, kinds: Sequence[str], known: Sequence[str]) -> None:
    if not kinds or not set(kinds) <= set(known):
        raise UsageError(f"{name} must be some of {', '.join(known)}, got {kinds}")
