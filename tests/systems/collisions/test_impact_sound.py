"""The four-channel spectrogram against scipy's; onsets, arrivals and levels of impacts that are known."""

import numpy as np
import pytest
from scipy.signal import spectrogram as scipy_spectrogram

from avmatch.core.features import AudioSamples
from avmatch.systems.collisions.features import noisy
from avmatch.systems.collisions.frontends import (
    NUM_SAMPLES,
    SAMPLE_RATE_HZ,
    bands_in_noise,
    fitted,
    impact_sound,
    log_bands,
    spectrogram,
)


def knocks(times, delays, gains, noise=1e-4, seed=0):
    """Short noisy knocks at `times` (s), each channel late by `delays` samples and as loud as `gains`."""
    rng = np.random.default_rng(seed)
    sound = rng.normal(0, noise, (4, NUM_SAMPLES))
    for seconds, strength in times:
        knock = strength * rng.normal(0, 1, 900) * np.exp(-np.arange(900) / 200)
        for channel in range(4):
            begin = round(seconds * SAMPLE_RATE_HZ) + delays[channel]
            kept = knock[: NUM_SAMPLES - begin]
            sound[channel, begin : begin + len(kept)] += gains[channel] * kept
    return sound.astype(np.float32)


def test_the_spectrogram_is_scipys_with_its_defaults():
    sound = np.random.default_rng(0).normal(0, 0.1, (4, NUM_SAMPLES)).astype(np.float32)
    ours = spectrogram(sound)
    _, _, theirs = scipy_spectrogram(sound.astype(np.float64), SAMPLE_RATE_HZ, nperseg=1024)
    assert ours.shape == (513, 196, 4)
    np.testing.assert_allclose(ours, theirs.transpose(1, 2, 0), rtol=2e-3, atol=1e-12)


def test_short_sounds_are_padded_and_long_ones_cut():
    short = fitted(np.ones((4, 100), np.float32))
    assert short.shape == (4, NUM_SAMPLES)
    assert short[:, :100].all()
    assert not short[:, 100:].any()
    assert fitted(np.ones((4, NUM_SAMPLES + 5), np.float32)).shape == (4, NUM_SAMPLES)


def test_bands_are_means_of_blocks():
    power = np.random.default_rng(0).uniform(0.1, 1, (513, 196, 4)).astype(np.float32)
    whole, pooled = log_bands(power), log_bands(power, 4, 2)
    assert (whole.shape, pooled.shape) == ((4, 513, 196), (4, 128, 98))
    np.testing.assert_allclose(whole[2], np.log(power[..., 2]), rtol=1e-5)
    np.testing.assert_allclose(pooled[1, 3, 5], np.log(power[13:17, 10:12, 1].mean()), rtol=1e-5)


@pytest.mark.parametrize("snr_db", [20.0, 0.0])
def test_noise_in_the_bands_is_that_of_noise_in_the_sound(snr_db):
    """White noise, in each channel so far under its own power; how it varies from value to value, too."""
    gains = [1.0, 0.5, 0.25, 0.7]
    sound = knocks([(1.7, 0.5)], [0, 0, 0, 0], gains)
    clean = log_bands(spectrogram(sound), 4, 2)
    rng = np.random.default_rng(1)
    really = log_bands(spectrogram(noisy(AudioSamples(sound, SAMPLE_RATE_HZ), snr_db, rng).data), 4, 2)
    found = bands_in_noise(clean, snr_db, np.zeros(2), 8, rng)
    before_the_knock = (slice(None), slice(None), slice(None, 30))
    for measure in (np.mean, np.std):
        ours, theirs = (measure(bands[before_the_knock], axis=(1, 2)) for bands in (found, really))
        np.testing.assert_allclose(ours, theirs, atol=0.15)
    assert np.abs(found.max(axis=(1, 2)) - clean.max(axis=(1, 2))).max() < 0.7


def test_noise_may_have_a_colour():
    clean = np.full((4, 16, 9), -40.0, np.float32)
    clean[:, :, 4] = 0.0
    found = bands_in_noise(clean, 10.0, np.array([0.0, -3.0]), 200, np.random.default_rng(0))
    np.testing.assert_allclose(found[:, 0, 0] - found[:, -1, 0], 3.0, atol=0.4)
    power = np.exp(found[:, :, :4]).mean(axis=(1, 2))
    np.testing.assert_allclose(power, np.exp(clean).mean(axis=(1, 2)) / 10, rtol=0.05)


def test_onset_arrivals_and_levels_of_a_knock():
    delays, gains = np.array([0, 20, 35, 9]), np.array([1.0, 0.5, 0.25, 0.7])
    found = impact_sound(knocks([(1.7, 0.5)], delays, gains))
    assert found.impact_seconds == pytest.approx(1.7, abs=0.001)
    np.testing.assert_allclose(found.arrival_seconds, (delays - delays.mean()) / SAMPLE_RATE_HZ, atol=3e-5)
    hit = found.levels[8] - found.levels[8].mean()
    np.testing.assert_allclose(hit, 2 * np.log(gains) - 2 * np.log(gains).mean(), atol=0.1)
    assert found.next_seconds == 0.0


def test_the_next_impact_is_told_before_and_after():
    same = np.zeros(4, int), np.ones(4)
    assert impact_sound(knocks([(1.5, 0.5), (1.9, 0.2)], *same)).next_seconds == pytest.approx(0.4, abs=0.01)
    assert impact_sound(knocks([(1.1, 0.2), (1.5, 0.5)], *same)).next_seconds == pytest.approx(-0.4, abs=0.01)


@pytest.mark.parametrize("level", [0.0, 0.5, 1e-20])
def test_silence_gives_numbers(level):
    vector = impact_sound(np.full((4, NUM_SAMPLES), level, np.float32)).vector()
    assert np.isfinite(vector).all()
    assert vector.shape == impact_sound(knocks([(1.5, 0.5)], np.zeros(4, int), np.ones(4))).vector().shape


@pytest.mark.parametrize("seconds", [0.0, 3.97])
def test_impacts_at_the_very_ends_give_numbers(seconds):
    sound = knocks([(seconds, 0.5)], np.zeros(4, int), np.ones(4))
    assert np.isfinite(impact_sound(sound).vector()).all()
