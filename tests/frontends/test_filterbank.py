"""Mel filters over short windows: against SciPy's windows and transform, and what silence and damage give."""

import numpy as np
import pytest
from scipy.signal import spectrogram

from avmatch.frontends.sound import filterbank, mel_edges_hz, mel_filters, num_frames


def noise(num_samples, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, num_samples).astype(np.float32)


@pytest.mark.parametrize(("num_samples", "frames"), [(16000, 99), (32000, 199), (320, 1), (319, 0), (0, 0), (480, 2)])
def test_whole_windows_count(num_samples, frames):
    assert filterbank(noise(num_samples)).shape == (frames, 40)
    assert num_frames(num_samples) == frames


@pytest.mark.parametrize("num_filters", [40, 64])
def test_it_is_scipys_spectrogram_through_the_filters(num_filters):
    sound = noise(8000)
    _, _, power = spectrogram(
        sound.astype(np.float64), 16000, np.hanning(320), noverlap=160, nfft=512, detrend=False, scaling="spectrum"
    )
    power *= np.hanning(320).sum() ** 2
    power[1:-1] /= 2  # one-sided
    wanted = np.log(power.T @ mel_filters(num_filters) + 1e-6)
    np.testing.assert_allclose(filterbank(sound, num_filters), wanted, atol=2e-4)


def test_a_tone_is_loudest_in_its_filter():
    centres = mel_edges_hz(40)[1:-1]
    for filter_number in (5, 20, 37):
        tone = np.sin(2 * np.pi * centres[filter_number] * np.arange(16000) / 16000).astype(np.float32)
        assert set(filterbank(tone).argmax(axis=1).tolist()) <= {filter_number - 1, filter_number, filter_number + 1}


def test_silence_and_damage_stay_finite():
    assert filterbank(np.zeros(1600, np.float32)) == pytest.approx(np.log(1e-6))
    assert np.isfinite(filterbank(np.array([np.nan, np.inf, 1e30] * 300, np.float32))).all()
