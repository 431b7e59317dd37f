"""Offsets that fit about as well: a sound that repeats itself fits a picture at more than one of them.

A metronome agrees with its pendulum one period off nearly as well as where it belongs. What tells the two apart is only
the part of the sound that does *not* repeat. If ρ(τ) is the autocorrelation of what a cue compares (onsets, vectors),
a share ρ of its evidence is the same at offsets that lie τ apart, so that of the difference between its peak p and
another offset l only the rest counts:

    nats'(l) = nats(p) − (1 − ρ(|l − p|)) · (nats(p) − nats(l))

Within the main lobe of ρ nothing changes: there the sound is like itself because it is the same moment.

Letters in shapes: L offsets.
"""

import numpy as np
import scipy.fft
from jaxtyping import Float
from scipy.ndimage import maximum_filter1d

from avmatch.core.features import BAND_RATE_HZ, AudioFeatures
from avmatch.core.results import Rival
from avmatch.cues.evidence import Cue
from avmatch.cues.learned import EmbeddingCue
from avmatch.cues.synchrony import accent_series, remembered

#: The main lobe ends where the autocorrelation first falls below this.
LOBE_END = 0.2
#: No sound repeats itself so exactly that nothing is left to tell.
MOST_REPEATED = 0.98
#: Strokes of a rhythm aren't exactly one period apart.
JITTER_SECONDS = 0.03
LONGEST_PERIOD_SECONDS = 2.0
#: Rivals less probable than this aren't reported, and no more than so many are.
LEAST_SHARE, MOST_RIVALS = 0.05, 5
#: Offsets nearer than this to a better one are that one.
NEAR_SECONDS = 0.12
_COLUMNS = 16


def without_repetition(
    cue: Cue, nats: Float[np.ndarray, " L"], audio: AudioFeatures, lags_seconds: Float[np.ndarray, " L"]
) -> Float[np.ndarray, " L"]:
    """A cue's evidence, less what it only has because the sound repeats itself."""
    step_seconds = float(lags_seconds[1] - lags_seconds[0])
    if isinstance(cue, EmbeddingCue):
        vectors = audio.embeddings[cue.model]
        similar = _autocorrelation(vectors.data.astype(np.float64))
        repeated, rate_hz = (similar - cue.baseline) / (1.0 - cue.baseline), vectors.rate_hz
    else:
        repeated, rate_hz = _onset_repetition(audio), float(BAND_RATE_HZ)
    ticks, ends = np.arange(len(repeated)), np.flatnonzero(repeated < LOBE_END)
    beyond = np.where(ticks < (ends[0] if len(ends) else len(ticks)), 0.0, np.clip(repeated, 0.0, MOST_REPEATED))
    wide = maximum_filter1d(beyond, 2 * round(JITTER_SECONDS * rate_hz) + 1)
    share = np.where(ticks < NEAR_SECONDS * rate_hz, 0.0, wide)
    peak = int(nats.argmax())
    apart = np.abs(np.arange(len(nats)) - peak) * step_seconds * rate_hz
    repeats = np.interp(apart, ticks, share, right=0.0)
    return np.asarray(nats[peak] - (1.0 - repeats) * (nats[peak] - nats))


def rhythm(audio: AudioFeatures) -> float:
    """How steady a beat the sound has, 0…1: the autocorrelation of its onsets one period apart, or two if that is less.

    The period is that between 0.12 and 2 s which fits best; 0 where the sound is too short for two of it.
    """
    similar = _onset_repetition(audio)
    first = round(NEAR_SECONDS * BAND_RATE_HZ)
    last = min(round(LONGEST_PERIOD_SECONDS * BAND_RATE_HZ), len(similar) // 3)
    if last <= first:
        return 0.0
    period = first + int(similar[first:last].argmax())
    jitter = round(JITTER_SECONDS * BAND_RATE_HZ)
    again = similar[2 * period - jitter : 2 * period + jitter + 1].max()
    return float(np.clip(min(similar[period], again), 0.0, 1.0))


def rivals(
    lags_seconds: Float[np.ndarray, " L"], probability: Float[np.ndarray, " L"], offset_seconds: float
) -> tuple[Rival, ...]:
    """Peaks of a posterior away from the offset, most probable first."""
    left = np.where(np.abs(lags_seconds - offset_seconds) <= NEAR_SECONDS, 0.0, probability)
    found: list[Rival] = []
    while len(found) < MOST_RIVALS:
        at = float(lags_seconds[left.argmax()])
        near = np.abs(lags_seconds - at) <= NEAR_SECONDS
        share = float(left[near].sum())
        if share < LEAST_SHARE:
            break
        found.append(Rival(at, share))
        left = np.where(near, 0.0, left)
    return tuple(sorted(found, key=lambda rival: -rival.probability))


@remembered
def _onset_repetition(audio: AudioFeatures) -> Float[np.ndarray, " T"]:
    values = accent_series(audio).values.astype(np.float64)
    if not len(values):
        return np.zeros(1)
    similar = _autocorrelation(values - values.mean(axis=0))
    return np.asarray(similar / max(float(similar[0]), 1e-12))


def _autocorrelation(values: Float[np.ndarray, "T D"]) -> Float[np.ndarray, " T"]:
    """Mean product of rows that lie 0, 1 … T − 1 ticks apart; beyond half the length too few are left to tell."""
    num = len(values)
    size = scipy.fft.next_fast_len(2 * num, real=True)
    power = np.zeros(size // 2 + 1)
    for first in range(0, values.shape[1], _COLUMNS):  # some at a time: a long file has many ticks
        power += (np.abs(scipy.fft.rfft(values[:, first : first + _COLUMNS], size, axis=0)) ** 2).sum(axis=1)
    products = scipy.fft.irfft(power, size)[:num]
    return np.asarray(np.where(np.arange(num) < 0.75 * num, products / np.arange(num, 0, -1), 0.0))
