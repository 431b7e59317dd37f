"""Sounds get noisier and louder by as much as was asked for, and alike for equal seeds."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import welch

from avmatch.synth.sound import NoiseKind, gain, mix_at_snr, synthetic_noise

RATE_HZ = 16_000
NOISES = get_args(NoiseKind)


def generator(seed=0):
    return np.random.default_rng(seed)


def noise(num_samples=RATE_HZ, seed=0):
    return (0.1 * generator(seed).standard_normal(num_samples)).astype(np.float32)


def power_db(sound):
    return 10 * np.log10(np.mean(np.square(sound, dtype=np.float64)))


@settings(max_examples=50, deadline=None)
@given(snr_db=st.floats(-30, 40), loudness=st.floats(1e-3, 10.0), seed=st.integers(0, 99))
def test_the_snr_is_what_was_asked_for(snr_db, loudness, seed):
    sound, unwanted = noise(seed=seed), np.float32(loudness) * noise(seed=seed + 1)
    added = mix_at_snr(sound, unwanted, snr_db).astype(np.float64) - sound
    assert power_db(sound) - power_db(added) == pytest.approx(snr_db, abs=0.01)


def test_silence_has_no_snr():
    silence = np.zeros(100, np.float32)
    assert not mix_at_snr(silence, noise(100), 0.0).any()
    np.testing.assert_array_equal(mix_at_snr(noise(100), silence, 0.0), noise(100))
    assert mix_at_snr(noise(0), noise(0), 0.0).shape == (0,)


@pytest.mark.parametrize("kind", NOISES)
@pytest.mark.parametrize("sample_rate_hz", [8000, 44_100])
def test_synthetic_noise_has_its_length_level_and_seed(kind, sample_rate_hz):
    first, again, other = (synthetic_noise(generator(seed), 5000, kind, sample_rate_hz) for seed in (1, 1, 2))
    assert (first.shape, first.dtype) == ((5000,), np.float32)
    assert power_db(first) == pytest.approx(0.0, abs=0.001)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert [len(synthetic_noise(generator(), num, kind, sample_rate_hz)) for num in (0, 1, 2)] == [0, 1, 2]


@pytest.mark.parametrize(("kind", "decibels_per_octave"), [("white", 0.0), ("pink", -3.01), ("brown", -6.02)])
def test_noise_falls_by_its_colour(kind, decibels_per_octave):
    frequencies, spectrum = welch(synthetic_noise(generator(), 20 * RATE_HZ, kind, RATE_HZ), RATE_HZ, nperseg=4096)
    octaves = np.log2(frequencies[1:])
    kept = (octaves > np.log2(100)) & (octaves < np.log2(5000))
    slope = np.polyfit(octaves[kept], 10 * np.log10(spectrum[1:][kept]), 1)[0]
    assert slope == pytest.approx(decibels_per_octave, abs=0.3)


def test_hum_stands_on_the_harmonics_of_the_mains():
    hum = synthetic_noise(generator(), 10 * RATE_HZ, "hum", RATE_HZ)
    frequencies, spectrum = welch(hum, RATE_HZ, nperseg=RATE_HZ)
    fundamental_hz = min((50, 60), key=lambda mains: abs(frequencies[np.argmax(spectrum)] % mains))
    distance_hz = np.abs((frequencies + fundamental_hz / 2) % fundamental_hz - fundamental_hz / 2)
    assert spectrum[distance_hz <= 4].sum() > 0.99 * spectrum.sum()


def test_gain_stays_in_its_range():
    gains = [power_db(gain(generator(seed), noise(), (-12.0, 6.0))) - power_db(noise()) for seed in range(200)]
    assert -12.001 < min(gains) < -11
    assert 5 < max(gains) < 6.001


def louder(seed, sound):
    return gain(generator(seed), sound, (-12.0, 6.0))


def test_seeds_reproduce_and_the_input_is_left():
    sound = noise()
    first, again, other = (louder(seed, sound) for seed in (1, 1, 2))
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, sound)
    np.testing.assert_array_equal(sound, noise())


@pytest.mark.parametrize("num_samples", [0, 1, 2, 50])
def test_the_shortest_sounds(num_samples):
    changed = louder(0, noise(num_samples))
    assert changed.shape == (num_samples,)
    assert np.isfinite(changed).all()


def test_silence_stays_silent():
    assert np.abs(louder(0, np.zeros(4000, np.float32))).max() < 1e-4
