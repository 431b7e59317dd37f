"""A formant synthesiser: a buzz through resonances, and the syllables that tell it what to say.

Source and filter (Fant 1960): a glottal pulse train with a wandering pitch goes through three resonances for
each vowel, and the vowels are faded into each other by weights that also open the mouth in the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.signal
from jaxtyping import Float

from avmatch.core.clock import samples_from_seconds
from avmatch.datasets.synth.sound import SAMPLE_RATE_HZ, Wave, log_uniform, tilt, with_rms

WEIGHT_RATE_HZ = 200


class Vowel(NamedTuple):
    """Resonances (Peterson & Barney 1952, men), and how the mouth looks: opening and width in 0…1."""

    formants_hz: tuple[float, float, float]
    opening: float
    width: float


VOWELS = (
    Vowel((730, 1090, 2440), 1.0, 0.6),  # father
    Vowel((530, 1840, 2480), 0.65, 0.8),  # bet
    Vowel((270, 2290, 3010), 0.3, 1.0),  # see
    Vowel((570, 840, 2410), 0.75, 0.25),  # law
    Vowel((300, 870, 2240), 0.35, 0.05),  # do
)
BRIGHTNESS_DB_PER_OCTAVE = (2.0, 11.0)  # of the pulses, which alone would be dull
BANDWIDTHS_HZ = (80.0, 110.0, 160.0)


@dataclass(frozen=True, eq=False)
class Speech:
    """What is said: how much of each vowel sounds at each time.

    Attributes:
        weights: (V, G) loudness of each of VOWELS, WEIGHT_RATE_HZ times a second; 0 where the lips are shut.
        onset_times_seconds: (E,) when each syllable is at half its loudness.
    """

    weights: Float[np.ndarray, "V G"]
    onset_times_seconds: Float[np.ndarray, " E"]

    def at(self, time_seconds: float) -> Float[np.ndarray, " V"]:
        """The weights at a time."""
        place = min(max(time_seconds * WEIGHT_RATE_HZ, 0.0), self.weights.shape[1] - 1.001)
        index, share = int(place), place - int(place)
        return np.asarray(self.weights[:, index] * (1 - share) + self.weights[:, index + 1] * share)


def random_speech(rng: np.random.Generator, duration_seconds: float) -> Speech:
    """Syllables of random vowels, lengths and loudness, with pauses here and there."""
    times = np.arange(samples_from_seconds(duration_seconds, WEIGHT_RATE_HZ) + 2) / WEIGHT_RATE_HZ
    weights = np.zeros((len(VOWELS), len(times)))
    onsets: list[float] = []
    start = rng.uniform(0.05, 0.4)
    while start < duration_seconds:
        rise, hold, fall = rng.uniform(0.05, 0.09), rng.uniform(0.02, 0.26), rng.uniform(0.06, 0.14)
        knees = np.cumsum([start, rise, hold, fall])
        bump = np.interp(times, knees, [0, 1, 1, 0])
        weights[rng.integers(len(VOWELS))] += rng.uniform(0.4, 1.0) * (0.5 - 0.5 * np.cos(np.pi * bump))
        onsets.append(start + rise / 2)
        start = knees[-1] + (rng.uniform(0.25, 0.7) if rng.random() < 0.25 else rng.uniform(-0.03, 0.12))
    return Speech(weights, np.array(onsets))


def speak(rng: np.random.Generator, speech: Speech, duration_seconds: float) -> Wave:
    """(S,) `speech` in a random voice: pitch, breath and the length of the throat."""
    num_samples = samples_from_seconds(duration_seconds, SAMPLE_RATE_HZ)
    source = _source(rng, num_samples)
    throat = rng.uniform(0.85, 1.25)
    times = np.arange(num_samples) / SAMPLE_RATE_HZ
    grid = np.arange(speech.weights.shape[1]) / WEIGHT_RATE_HZ
    sound = np.zeros(num_samples)
    for vowel, weights in zip(VOWELS, speech.weights, strict=True):
        formants_hz = throat * np.array(vowel.formants_hz)
        filtered = scipy.signal.sosfilt(_resonances(formants_hz), source)
        sound += np.interp(times, grid, weights) * with_rms(filtered, 1.0)
    return tilt(np.asarray(sound, np.float32), rng.uniform(*BRIGHTNESS_DB_PER_OCTAVE))


def _source(rng: np.random.Generator, num_samples: int) -> Float[np.ndarray, " S"]:
    """Glottal pulses with a pitch that wanders by some semitones, and breath."""
    knots = np.linspace(0, num_samples, 2 + num_samples // (SAMPLE_RATE_HZ // 3))
    octaves = np.interp(np.arange(num_samples), knots, rng.normal(0, 0.12, len(knots)))
    pitch_hz = log_uniform(rng, 85, 280) * 2**octaves
    phase = np.cumsum(pitch_hz / SAMPLE_RATE_HZ) % 1.0
    open_phase = np.minimum(phase / 0.6, 1.0)
    pulses = np.sin(np.pi * open_phase**2)  # opens slowly, shuts fast
    breath = rng.uniform(0.02, 0.1) * rng.standard_normal(num_samples)
    return np.diff(pulses + 0.2 * breath, prepend=0.0)


def _resonances(formants_hz: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "3 6"]:
    """Second-order sections with unit gain at 0 Hz (Klatt 1980, equation 2)."""
    radius = np.exp(-np.pi * np.array(BANDWIDTHS_HZ) / SAMPLE_RATE_HZ)
    first = -2 * radius * np.cos(2 * np.pi * formants_hz / SAMPLE_RATE_HZ)
    second = radius**2
    zeros, ones = np.zeros(3), np.ones(3)
    return np.stack([1 + first + second, zeros, zeros, ones, first, second], axis=1)
