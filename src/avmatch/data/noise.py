"""Sound made louder, or mixed with noise. Equal seeds give equal arrays. Letter in shapes: S samples."""

from typing import Literal

import numpy as np
import scipy.signal
from jaxtyping import Float32

from avmatch.core.clock import samples_from_seconds
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
