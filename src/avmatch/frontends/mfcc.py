"""Sound → mel-frequency cepstral coefficients, as the released SyncNet takes them.

    samples ─ pre-emphasis ─ frames of 25 ms, 100 a second, no window ─ |FFT|² / 512 ─ 26 mel bands ─ logarithm
        ─ cosine transform ─ lifter ─ the first of 13 replaced by the logarithm of the energy

These are the defaults of the library python_speech_features, with which SyncNet's script (syncnet_python) prepares its
sound: mel filters with corners on whole FFT bins, 0…8000 Hz, and samples on the scale of 16-bit integers, which matters
to the energy alone. Read in its source (base.py, sigproc.py); the arithmetic here is the same, in double precision.

Coefficients 4·k … 4·k + 19 are of the same time as frames k … k + 4 at 25 a second. Letters in shapes: S samples,
U frames of sound, F FFT bins.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float, Float32
from scipy.fft import dct

from avmatch.frontends.sound import (
    FFT_SAMPLES,
    HOP_SAMPLES,
    SAMPLE_RATE_HZ,
    WINDOW_SAMPLES,
    finite_samples,
    hz_from_mel,
)

NUM_COEFFICIENTS = 13
NUM_FILTERS = 26
PRE_EMPHASIS = 0.97
LIFTER = 22
#: Of a sample of 1.
_SCALE = 32768.0
#: Stands for a power of exactly zero, whose logarithm there is none of.
_SMALLEST = np.finfo(np.float64).eps


def mfcc(samples: Float32[np.ndarray, " S"]) -> Float32[np.ndarray, "U 13"]:
    """Coefficients of a stretch of sound in −1…1 at 16 kHz, U = S // 160.

    Frame k begins at sample 160·k; silence follows the last sample. (The library gives one or two frames less: it stops
    where a frame would begin with less than 25 ms left.)
    """
    num = len(samples) // HOP_SAMPLES
    if not num:
        return np.zeros((0, NUM_COEFFICIENTS), np.float32)
    scaled = finite_samples(samples).astype(np.float64) * _SCALE
    emphasised = np.append(scaled[0], scaled[1:] - PRE_EMPHASIS * scaled[:-1])
    padded = np.pad(emphasised, (0, WINDOW_SAMPLES))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW_SAMPLES)[::HOP_SAMPLES][:num]
    power = np.abs(np.fft.rfft(frames, FFT_SAMPLES, axis=1)) ** 2 / FFT_SAMPLES
    cepstrum = dct(_logarithm(power @ filters().T), type=2, axis=1, norm="ortho")[:, :NUM_COEFFICIENTS]
    cepstrum *= 1 + LIFTER / 2 * np.sin(np.pi * np.arange(NUM_COEFFICIENTS) / LIFTER)
    cepstrum[:, 0] = _logarithm(power.sum(axis=1))
    return cepstrum.astype(np.float32)


@lru_cache(maxsize=1)
def filters() -> Float[np.ndarray, "26 F"]:
    """Triangular filters over the FFT's bins, with corners on whole bins."""
    highest_mel = 2595.0 * np.log10(1.0 + SAMPLE_RATE_HZ / 2 / 700.0)
    edges_hz = hz_from_mel(np.linspace(0.0, highest_mel, NUM_FILTERS + 2))
    corners = np.floor((FFT_SAMPLES + 1) * edges_hz / SAMPLE_RATE_HZ)
    low, middle, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    bins = np.arange(FFT_SAMPLES // 2 + 1)[None]
    rising, falling = (bins - low) / (middle - low), (high - bins) / (high - middle)
    return np.maximum(0.0, np.minimum(rising, falling))


def _logarithm(power: Float[np.ndarray, ...]) -> Float[np.ndarray, ...]:
    return np.log(np.where(power == 0, _SMALLEST, power))
