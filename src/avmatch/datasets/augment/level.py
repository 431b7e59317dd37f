"""Log-mel as a louder, quieter or noisier recording would have given it, computed on its powers.

Noise is steady: its power in each band has the form of a random slope over the bands, and varies from tick to tick as
that of white noise does in a mel band (chi-squared, here with four degrees of freedom). Noise that is mixed into the
waveform itself is better and dearer (augment/sound.py). Letters in shapes: T ticks, F bands.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from avmatch.core.errors import UsageError
from avmatch.frontends.sound import LOG_FLOOR

#: The noise falls or rises by up to this over all bands, in nepers of power.
_MAX_SLOPE = 4.0


@dataclass(frozen=True)
class LevelAugmentation:
    """Gain and noise with probabilities, each from a range in dB; by default none."""

    gain_probability: float = 0.0
    gain_db: tuple[float, float] = (-12.0, 6.0)
    noise_probability: float = 0.0
    noise_snr_db: tuple[float, float] = (0.0, 20.0)

    def __post_init__(self) -> None:
        if not (0 <= self.gain_probability <= 1 and 0 <= self.noise_probability <= 1):
            raise UsageError(f"probabilities must be within 0…1, got {self}")
        for low, high in (self.gain_db, self.noise_snr_db):
            if not low <= high:
                raise UsageError(f"ranges must go from low to high, got {self}")

    def __call__(self, rng: np.random.Generator, mel: Float32[np.ndarray, "T F"]) -> Float32[np.ndarray, "T F"]:
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
