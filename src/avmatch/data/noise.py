"""Sounds louder, or with noise in them. Equal seeds give equal arrays. Letter in shapes: S samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.signal
from jaxtyping import Float32

from avmatch.core.clock import samples_from_seconds
from avmatch.core.errors import UsageError
from avmatch.frontends.sound import LOG_FLOOR
from avmatch.synth.sound import SAMPLE_RATE_HZ as SYNTH_RATE_HZ
from avmatch.synth.sound import coloured_noise, random_speech, speak, with_rms

Sound = Float32[np.ndarray, " S"]
NoiseKind = Literal["white", "pink", "brown", "hum", "babble"]

_EXPONENTS = {"white": 0.0, "pink": 1.0, "brown": 2.0}
_MAINS_HZ = (50.0, 60.0)
_NUM_HARMONICS = 20
_NUM_TALKERS = (3, 8)
#: Synthetic speech begins within this time; before it, babble would be silence.
_BABBLE_LEAD_SECONDS = 0.5


def mix_at_snr(sound: Sound, noise: Sound, snr_db: float) -> Sound:
    """(S,) `sound` + scaled `noise`, the power of the one `snr_db` above the other's over the whole length.

    Where either of them is silent there is no ratio to reach: the sound comes back as it was.
    """
    sound_power, noise_power = _power(sound), _power(noise)
    if noise_power == 0:
        return sound.copy()
    scale = np.sqrt(sound_power / noise_power / 10 ** (snr_db / 10))
    return (sound + scale * noise.astype(np.float64)).astype(np.float32)


def synthetic_noise(rng: np.random.Generator, num_samples: int, kind: NoiseKind, sample_rate_hz: int) -> Sound:
    """(num_samples,) of RMS 1: a colour of noise, mains hum with its harmonics, or several people talking."""
    if num_samples == 0:
        return np.zeros(0, np.float32)
    if kind == "hum":
        noise = _hum(rng, num_samples, sample_rate_hz)
    else:
        num_synth = -(-num_samples * SYNTH_RATE_HZ // sample_rate_hz)
        wave = _babble(rng, num_synth) if kind == "babble" else coloured_noise(rng, num_synth, _EXPONENTS[kind])
        noise = scipy.signal.resample_poly(wave, sample_rate_hz, SYNTH_RATE_HZ)[:num_samples]
    return with_rms(noise.astype(np.float32), 1.0)


def gain(rng: np.random.Generator, sound: Sound, range_db: tuple[float, float]) -> Sound:
    """(S,) `sound`, louder by a number of decibels within `range_db`."""
    return sound * np.float32(10 ** (rng.uniform(*range_db) / 20))


def _power(sound: Sound) -> float:
    return float(np.mean(np.square(sound, dtype=np.float64))) if len(sound) else 0.0


def _hum(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> Sound:
    harmonics = np.arange(1, _NUM_HARMONICS + 1)
    frequencies_hz = harmonics * _MAINS_HZ[rng.integers(len(_MAINS_HZ))] * rng.uniform(0.998, 1.002)
    amplitudes = rng.lognormal(0.0, 0.8, _NUM_HARMONICS) / harmonics * (frequencies_hz < sample_rate_hz / 2)
    phases = rng.uniform(0, 2 * np.pi, _NUM_HARMONICS)
    times = np.arange(num_samples) / sample_rate_hz
    noise = np.zeros(num_samples)
    for frequency_hz, amplitude, phase in zip(frequencies_hz, amplitudes, phases, strict=True):
        noise += amplitude * np.sin(2 * np.pi * frequency_hz * times + phase)
    return noise.astype(np.float32)


def _babble(rng: np.random.Generator, num_samples: int) -> Sound:
    """(num_samples,) at SYNTH_RATE_HZ: voices of equal loudness, all of them begun."""
    lead = samples_from_seconds(_BABBLE_LEAD_SECONDS, SYNTH_RATE_HZ)
    seconds = (lead + num_samples) / SYNTH_RATE_HZ
    babble = np.zeros(num_samples, np.float32)
    for _ in range(rng.integers(*_NUM_TALKERS, endpoint=True)):
        babble += with_rms(speak(rng, random_speech(rng, seconds), seconds)[lead:], 1.0)
    return babble


# Log-mel as a louder, quieter or noisier recording would have given it, computed on its powers.
#
# Noise is steady: its power in each band has the form of a random slope over the bands, and varies from tick to tick
# as
# that of white noise does in a mel band (chi-squared, here with four degrees of freedom). Noise that is mixed into
# the
# waveform itself is better and dearer (augment/sound.py). Letters in shapes: T ticks, F bands.

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
