"""From the sound of a scene to the recording of it: microphone, room, noise, level and wear.

Everything that a matcher could use instead of time is drawn at random here: how bright the microphone is,
how loud the recording, how much the room hums. Pieces are cut on the scene's clock, which is what makes a
recording late or early.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.signal

from avmatch.core.clock import samples_from_seconds
from avmatch.core.signals import AudioSamples
from avmatch.datasets.synth.sound import SAMPLE_RATE_HZ, Wave, coloured_noise, tilt, with_rms
from avmatch.datasets.synth.voice import random_speech, speak

TILTS_DB_PER_OCTAVE = (-8.0, 3.0)
AMBIENCE_DB = (-45.0, -28.0)  # under the sound
LEVELS_DBFS = (-40.0, -24.0)
PEAK = 0.95
NUM_TALKERS = 4

WORN_RATE_HZ = 16_000
WORN_LEVELS = 24  # on either side of zero, on the curve of G.711
MU = 255.0


@dataclass(frozen=True)
class Take:
    """Which piece of a scene is recorded, and how well.

    Attributes:
        start_seconds, duration_seconds: the piece, on the scene's clock.
        snr_db: power of the sound over that of the added noise; None adds none.
        worn: whether it went through a narrow, coarse channel.
    """

    start_seconds: float
    duration_seconds: float
    snr_db: float | None
    worn: bool


def record(rng: np.random.Generator, sound: Wave, take: Take) -> AudioSamples:
    """One channel: the piece of `sound` that `take` asks for, at a random level, in random colours."""
    start = samples_from_seconds(take.start_seconds, SAMPLE_RATE_HZ)
    num_samples = samples_from_seconds(take.duration_seconds, SAMPLE_RATE_HZ)
    coloured = tilt(sound, rng.uniform(*TILTS_DB_PER_OCTAVE))[start : start + num_samples]
    ambience = coloured_noise(rng, num_samples, rng.uniform(0, 2))
    clean = with_rms(coloured, 1.0) + np.float32(_gain(rng.uniform(*AMBIENCE_DB))) * ambience
    level = _gain(rng.uniform(*LEVELS_DBFS))
    if take.snr_db is not None:
        clean = with_rms(clean, _gain(take.snr_db)) + _noise(rng, num_samples)
    rate_hz = SAMPLE_RATE_HZ
    if take.worn:
        clean, rate_hz = _worn(clean), WORN_RATE_HZ
    recorded = with_rms(clean, level)
    recorded = recorded * np.float32(min(1.0, PEAK / max(float(np.abs(recorded).max()), 1e-9)))
    return AudioSamples(recorded[np.newaxis], rate_hz)


def _noise(rng: np.random.Generator, num_samples: int) -> Wave:
    """(S,) of RMS 1: white, pink, or people talking."""
    colour = rng.integers(3)
    if colour < 2:
        return coloured_noise(rng, num_samples, float(colour))
    seconds = num_samples / SAMPLE_RATE_HZ
    talkers = [with_rms(speak(rng, random_speech(rng, seconds), seconds), 1.0) for _ in range(NUM_TALKERS)]
    return with_rms(np.stack(talkers).mean(axis=0), 1.0)


def _worn(sound: Wave) -> Wave:
    """(S,) at WORN_RATE_HZ, rounded to a few levels on the µ-law curve (ITU-T G.711)."""
    narrow = scipy.signal.resample_poly(sound, WORN_RATE_HZ, SAMPLE_RATE_HZ)
    peak = max(float(np.abs(narrow).max()), 1e-9)
    curved = np.sign(narrow) * np.log1p(MU * np.abs(narrow) / peak) / np.log1p(MU)
    coarse = np.round(curved * WORN_LEVELS) / WORN_LEVELS
    return np.asarray(np.sign(coarse) * np.expm1(np.abs(coarse) * np.log1p(MU)) * peak / MU, np.float32)


def _gain(decibels: float) -> float:
    return float(10 ** (decibels / 20))
