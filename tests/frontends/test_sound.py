"""Onset flux and level: where clicks are, whatever the blocks and the gain."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avmatch.core.features import BAND_RATE_HZ, NUM_SPECTRUM_BANDS, AudioSamples
from avmatch.frontends.sound import (
    BLOCK_TICKS,
    HOP_SAMPLES,
    NUM_BANDS,
    NUM_PEAKS,
    SAMPLE_RATE_HZ,
    SoundFrontEnd,
    band_centres_hz,
    log_mel,
    mel_filters,
)


def features(data, cuts=(), pts_seconds=0.0):
    """The features of (S,) samples pushed in blocks that end at `cuts`."""
    front_end = SoundFrontEnd()
    edges = [0, *sorted(cuts), len(data)]
    for begin, end in pairwise(edges):
        start = pts_seconds + begin / SAMPLE_RATE_HZ
        front_end.push(AudioSamples(data[None, begin:end].astype(np.float32), SAMPLE_RATE_HZ, start))
    return front_end.finish()


def noise(seconds, level=0.1):
    return level * np.random.default_rng(0).standard_normal(round(seconds * SAMPLE_RATE_HZ))


def bursts():
    """Noise that comes and goes, with pauses, for longer than two blocks of the front end."""
    times = np.arange(round(2.2 * BLOCK_TICKS * HOP_SAMPLES)) / SAMPLE_RATE_HZ
    return noise(len(times) / SAMPLE_RATE_HZ) * (np.sin(2 * np.pi * 1.3 * times) > 0.3) * (1.0 + times)


BURSTS = bursts()
WHOLE = features(BURSTS)


@pytest.mark.parametrize("click_seconds", [0.25, 0.5031, 1.2345, 1.777])
@pytest.mark.parametrize("pts_seconds", [0.0, 0.73])
def test_a_click_gives_its_flux_within_a_tick(click_seconds, pts_seconds):
    data = noise(2.0, level=1e-4)
    data[round(click_seconds * SAMPLE_RATE_HZ)] = 0.8
    found = features(data, pts_seconds=pts_seconds)
    peak = found.start_seconds + np.argmax(found.flux.mean(axis=1)) / BAND_RATE_HZ
    assert peak == pytest.approx(pts_seconds + click_seconds, abs=1.0 / BAND_RATE_HZ)


def test_a_tone_raises_the_band_that_it_is_in():
    times = np.arange(2 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    for band, centre in enumerate(band_centres_hz()):
        level = features(0.3 * np.sin(2 * np.pi * centre * times)).level.astype(np.float32)
        assert level.mean(axis=0).argmax() == band


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, len(BURSTS)), max_size=6))
def test_blocks_of_any_size_give_the_same_answer(cuts):
    found = features(BURSTS, cuts)
    np.testing.assert_array_equal(found.flux, WHOLE.flux)
    np.testing.assert_array_equal(found.level, WHOLE.level)
    np.testing.assert_array_equal(found.spectrum, WHOLE.spectrum)
    assert (found.peaks, found.peak, found.duration_seconds) == (WHOLE.peaks, WHOLE.peak, WHOLE.duration_seconds)


def test_blocks_of_a_hundredth_of_a_second_give_the_same_answer():
    found = features(BURSTS, range(160, len(BURSTS), 160))
    np.testing.assert_array_equal(found.flux, WHOLE.flux)


def test_nothing_jumps_where_the_front_ends_own_blocks_meet():
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(len(BURSTS)) / SAMPLE_RATE_HZ)
    inside = features(tone).flux.astype(np.float32)[10:-10]
    assert inside.max() < 0.2


@pytest.mark.parametrize("gain", [0.01, 0.3, 10.0])
def test_flux_does_not_depend_on_the_gain(gain):
    found = features(gain * BURSTS)
    np.testing.assert_allclose(found.flux.astype(np.float32), WHOLE.flux.astype(np.float32), atol=0.01)
    np.testing.assert_allclose(
        found.level.astype(np.float32) - WHOLE.level.astype(np.float32), 2 * np.log(gain), atol=0.03
    )
    assert found.peaks == pytest.approx(WHOLE.peaks, abs=0.002)


def test_the_spectrum_is_the_log_mel_in_fewer_bands():
    """Over the same floor wherever it is, unlike the level; both clocks begin with the first sample."""
    wanted = log_mel(BURSTS.astype(np.float32)).reshape(-1, NUM_SPECTRUM_BANDS, 4).mean(axis=2)
    np.testing.assert_allclose(WHOLE.spectrum[: len(wanted)].astype(np.float32), wanted, atol=0.01)
    assert WHOLE.spectrum.shape == (len(WHOLE.flux), NUM_SPECTRUM_BANDS)
    assert WHOLE.spectrum.dtype == np.float16


def test_silence_has_no_flux_and_no_peak():
    found = features(np.zeros(SAMPLE_RATE_HZ))
    assert found.peak == 0.0
    assert not found.flux.any()
    np.testing.assert_allclose(found.spectrum.astype(np.float32), np.log(1e-6), atol=0.01)
    assert not any(found.peaks)


def test_samples_that_are_no_numbers_are_silence():
    data = noise(1.0)
    zeroed = data.copy()
    data[4000:4400], zeroed[4000:4400] = np.nan, 0.0
    np.testing.assert_array_equal(features(data).flux, features(zeroed).flux)


@pytest.mark.parametrize("value", [np.inf, -np.inf, 3e38, -1e30])
def test_absurd_samples_of_damaged_files_stay_finite(value):
    data = noise(1.0)
    data[5000] = value
    found = features(data)
    assert np.isfinite(found.flux).all()
    assert np.isfinite(found.level).all()
    assert np.isfinite(found.spectrum).all()
    assert np.isfinite([found.peak, *found.peaks]).all()
    assert np.isfinite(log_mel(data.astype(np.float32))).all()


def test_length_and_contour_are_told():
    data = noise(3.0)
    data[: SAMPLE_RATE_HZ * 3 // 2] *= 0.1
    found = features(data)
    assert found.duration_seconds == 3.0
    assert found.peak == pytest.approx(np.abs(data).max())
    assert 20 <= len(found.peaks) <= NUM_PEAKS
    half = len(found.peaks) // 2
    assert max(found.peaks[: half - 1]) < 0.2 < 0.5 < min(found.peaks[half + 1 :])
    assert max(found.peaks) == 1.0


def test_the_contour_of_long_sounds_is_thinned():
    assert len(WHOLE.peaks) == NUM_PEAKS


@pytest.mark.parametrize("num_samples", [1, 100, 400, 1000])
def test_very_short_sounds_have_features(num_samples):
    found = features(noise(1.0)[:num_samples])
    assert found.flux.shape == (1 + num_samples // HOP_SAMPLES, NUM_BANDS)
    assert found.duration_seconds == num_samples / SAMPLE_RATE_HZ


def test_no_sample_has_no_features():
    assert SoundFrontEnd().finish() is None
    assert features(np.zeros(0)) is None


@pytest.mark.parametrize(("channels", "rate_hz"), [(2, 16000), (1, 48000)])
def test_other_sound_is_refused(channels, rate_hz):
    samples = AudioSamples(np.zeros((channels, 100), np.float32), rate_hz)
    with pytest.raises(ValueError, match=r"expected mono at 16000 Hz, got AudioSamples"):
        SoundFrontEnd().push(samples)


def test_mel_filters_cover_the_range_without_gaps():
    filters = mel_filters()
    assert (filters.max(axis=0) > 0.0).all()
    bins = np.arange(len(filters)) * SAMPLE_RATE_HZ / 512
    assert (filters[(bins > 150.0) & (bins < 7700.0)].sum(axis=1) > 0.0).all()


def test_log_mel_has_a_frame_for_each_hop():
    assert log_mel(noise(1.0).astype(np.float32)).shape == (BAND_RATE_HZ, 64)
