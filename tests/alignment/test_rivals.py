"""Sounds that repeat themselves keep all their offsets."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.special import softmax

from avmatch.alignment.offset import offset_lags
from avmatch.alignment.rivals import JITTER_SECONDS, rhythm, rivals, without_repetition
from avmatch.core.features import BAND_RATE_HZ, AudioFeatures, Embeddings
from avmatch.cues.evidence import Calibration
from avmatch.cues.learned import EmbeddingCue

LAGS = offset_lags(1.0)


PLAIN = Calibration()


@dataclass(frozen=True)
class Plain:
    name: str = "plain"
    calibration: Calibration = PLAIN

    def curves(self, videos, audios, lags_seconds):
        raise AssertionError("its evidence is given")


def struck(times_seconds, seconds=8.0):
    """Features of a sound that is struck at these times."""
    flux = np.zeros((round(seconds * BAND_RATE_HZ), 8), np.float32)
    for time in times_seconds:
        if time < seconds:
            flux[int(time * BAND_RATE_HZ)] = 5.0
    return AudioFeatures(0.0, flux, np.full_like(flux, -8.0), seconds, 1.0)


def peaks(*places_and_heights):
    return sum(height * np.exp(-0.5 * ((LAGS - at) / 0.03) ** 2) for at, height in places_and_heights)


@pytest.mark.parametrize("period_seconds", [0.3, 0.5, 0.8])
def test_a_metronome_is_not_sure_of_its_period(period_seconds):
    nats = peaks((0.0, 40.0), (period_seconds, 30.0), (-period_seconds, 30.0))
    sound = struck(np.arange(0.2, 8.0, period_seconds))
    before, after = softmax(nats), softmax(without_repetition(Plain(), nats, sound, LAGS))
    near = np.abs(LAGS) <= 0.12
    assert before[near].sum() > 0.99
    assert after[near].sum() < 0.75
    found = rivals(LAGS, after, 0.0)
    places = sorted(rival.offset_seconds for rival in found[:2])
    assert places == pytest.approx([-period_seconds, period_seconds], abs=JITTER_SECONDS)


def test_strokes_at_random_times_stay_as_sure_as_they_are():
    nats = peaks((0.1, 40.0), (0.6, 30.0))
    sound = struck(np.cumsum(np.random.default_rng(0).uniform(0.15, 0.9, 14)))
    after = softmax(without_repetition(Plain(), nats, sound, LAGS))
    assert after[np.abs(LAGS - 0.1) <= 0.12].sum() > 0.95
    assert rivals(LAGS, after, 0.1) == ()


def test_the_peak_and_what_is_next_to_it_stay():
    nats = peaks((0.0, 40.0), (0.5, 30.0))
    after = without_repetition(Plain(), nats, struck(np.arange(0.2, 8.0, 0.5)), LAGS)
    assert after.argmax() == nats.argmax()
    near = np.abs(LAGS) <= 0.04
    np.testing.assert_allclose(after[near], nats[near])


def test_vectors_repeat_themselves_as_strokes_do():
    rng = np.random.default_rng(1)
    bar = rng.normal(size=(20, 16))  # 0.8 s
    once, again = rng.normal(size=(200, 16)), np.tile(bar, (10, 1))
    nats = peaks((0.0, 40.0), (0.8, 30.0))
    masses = []
    for vectors in (once, again):
        unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
        sound = AudioFeatures(
            0.0, np.zeros((800, 8)), np.zeros((800, 8)), 8.0, 1.0, embeddings={"m": Embeddings(unit, 25)}
        )
        masses.append(softmax(without_repetition(EmbeddingCue("m"), nats, sound, LAGS))[np.abs(LAGS) <= 0.12].sum())
    assert masses[0] > 0.99 > 0.7 > masses[1]


def test_a_sound_of_no_length_has_no_rhythm():
    nats = peaks((0.0, 4.0))
    np.testing.assert_allclose(without_repetition(Plain(), nats, struck((), 0.01), LAGS), nats, atol=1e-9)


@pytest.mark.parametrize("period_seconds", [0.25, 0.5, 0.9])
def test_a_steady_beat_is_a_rhythm_and_random_strokes_are_none(period_seconds):
    assert rhythm(struck(np.arange(0.2, 8.0, period_seconds))) > 0.9
    for seed in range(5):
        assert rhythm(struck(np.cumsum(np.random.default_rng(seed).uniform(0.15, 0.9, 14)))) < 0.6
    assert rhythm(struck((), 0.1)) == rhythm(struck(())) == 0.0
