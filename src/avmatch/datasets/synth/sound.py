"""Sounds of struck and plucked things, as sums of decaying modes, and noises of any colour.

A body that is struck rings in its modes, each a decaying sine (van den Doel & Pai 1998, "The sounds of
physical shapes"). What a thing sounds like is drawn without looking at it: colour and size tell nothing of
pitch, decay or timbre, so that only the times of the events connect picture and sound.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.fft
from jaxtyping import Float

from avmatch.core.clock import samples_from_seconds
from avmatch.datasets.synth.stage import Strike

SAMPLE_RATE_HZ = 48_000
Wave = Float[np.ndarray, " _"]

#: Zeros of the Bessel functions over the first: the modes of an ideal membrane (Rossing 2000, table 2.1).
MEMBRANE_RATIOS = (1.0, 1.594, 2.136, 2.296, 2.653, 2.918, 3.156, 3.501, 3.600, 3.652)
HIGHEST_MODE_HZ = 15_000.0
#: A mode is followed until it has fallen by 60 dB, that is ln(1000) time constants.
AUDIBLE_TIME_CONSTANTS = 6.9


def mix(strikes: Sequence[Strike], voices: Sequence[Wave], duration_seconds: float) -> Wave:
    """(S,) each strike's voice at its time and strength, from 0 to `duration_seconds`."""
    sound = np.zeros(samples_from_seconds(duration_seconds, SAMPLE_RATE_HZ), np.float32)
    for strike in strikes:
        start = samples_from_seconds(strike.time_seconds, SAMPLE_RATE_HZ)
        target = sound[start : start + len(voices[strike.voice])]
        target += strike.strength * voices[strike.voice][: len(target)]
    return sound


def solid_voice(rng: np.random.Generator, *, longest_decay_seconds: float = 0.25) -> Wave:
    """(S,) something hard that is hit: wood, glass, metal. Modes at random inharmonic ratios."""
    num_modes = int(rng.integers(5, 12))
    ratios = np.concatenate([[1.0], 1.0 + np.cumsum(rng.uniform(0.3, 1.3, num_modes - 1))])
    decays = log_uniform(rng, 0.06 * longest_decay_seconds, longest_decay_seconds) * ratios**-0.7
    modes = _modes(log_uniform(rng, 120, 2500) * ratios, rng.lognormal(0, 0.6, num_modes) / ratios**0.5, decays)
    return _with_click(rng, modes, 0.004)


def membrane_voice(rng: np.random.Generator) -> Wave:
    """(S,) a drum, deep or high, with more or less of a rattle."""
    ratios = np.array(MEMBRANE_RATIOS)
    decays = log_uniform(rng, 0.05, 0.3) * ratios ** -rng.uniform(0.3, 1.2)
    modes = _modes(log_uniform(rng, 80, 1200) * ratios, rng.lognormal(0, 0.5, len(ratios)) / ratios, decays)
    return _with_click(rng, modes, log_uniform(rng, 0.004, 0.06))


def string_voice(rng: np.random.Generator) -> Wave:
    """(S,) a stiff string plucked at some point: the harmonics of a triangle, the high ones decaying first."""
    harmonics = np.arange(1, 15)
    place = rng.uniform(0.08, 0.45)
    frequencies = log_uniform(rng, 90, 900) * harmonics * np.sqrt(1 + rng.uniform(0, 4e-4) * harmonics**2)
    amplitudes = np.sin(np.pi * place * harmonics) / harmonics ** rng.uniform(0.6, 1.8)
    decays = log_uniform(rng, 0.1, 0.5) / harmonics**0.5
    return _with_click(rng, _modes(frequencies, amplitudes, decays), 0.004)


def coloured_noise(rng: np.random.Generator, num_samples: int, exponent: float) -> Wave:
    """(S,) noise of RMS 1 whose power falls with frequency^`exponent`: 0 is white, 1 pink, 2 brown."""
    spectrum = scipy.fft.rfft(rng.standard_normal(num_samples, np.float32))
    return with_rms(_tilted(spectrum, num_samples, -exponent / 2), 1.0)


def tilt(sound: Wave, decibels_per_octave: float) -> Wave:
    """(S,) `sound` as a duller (negative) or brighter (positive) microphone hears it."""
    exponent = decibels_per_octave / (20 * np.log10(2))
    return _tilted(scipy.fft.rfft(sound), len(sound), exponent)


def with_rms(sound: Wave, rms: float) -> Wave:
    """`sound` scaled to a root mean square of `rms`; silence stays silence."""
    power = float(np.mean(np.square(sound, dtype=np.float64)))
    return sound if power == 0 else np.asarray(sound * (rms / np.sqrt(power)), np.float32)


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number between `low` and `high`, every octave as likely as the next."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _modes(
    frequencies_hz: Float[np.ndarray, " M"],
    amplitudes: Float[np.ndarray, " M"],
    decays_seconds: Float[np.ndarray, " M"],
) -> Wave:
    num_samples = samples_from_seconds(AUDIBLE_TIME_CONSTANTS * float(decays_seconds.max()), SAMPLE_RATE_HZ)
    voice = np.zeros(num_samples, np.float32)
    for frequency_hz, amplitude, decay_seconds in zip(frequencies_hz, amplitudes, decays_seconds, strict=True):
        if frequency_hz < HIGHEST_MODE_HZ:
            end = samples_from_seconds(AUDIBLE_TIME_CONSTANTS * decay_seconds, SAMPLE_RATE_HZ)
            times = np.arange(end, dtype=np.float32) / SAMPLE_RATE_HZ
            voice[:end] += amplitude * np.exp(-times / decay_seconds) * np.sin(2 * np.pi * frequency_hz * times)
    return with_rms(voice, 1.0) * np.float32(num_samples**-0.5)


def _with_click(rng: np.random.Generator, modes: Wave, decay_seconds: float) -> Wave:
    """The modes and the noise of the contact, together of energy 1."""
    times = np.arange(len(modes), dtype=np.float32) / SAMPLE_RATE_HZ
    click = rng.standard_normal(len(modes), np.float32) * np.exp(-times / decay_seconds)
    click *= rng.uniform(0.2, 0.8) / np.linalg.norm(click)
    voice = modes + click
    return np.asarray(voice / np.linalg.norm(voice), np.float32)


def _tilted(spectrum: np.ndarray, num_samples: int, exponent: float) -> Wave:
    """Gain (f / 1 kHz)^exponent, level below 60 Hz and above 12 kHz."""
    frequencies = scipy.fft.rfftfreq(num_samples, 1 / SAMPLE_RATE_HZ)
    gain = (np.clip(frequencies, 60, 12_000) / 1000) ** exponent
    return np.asarray(scipy.fft.irfft(spectrum * gain, num_samples), np.float32)
