"""Series: trends go, events stay, outliers are clipped, times are right."""

import weakref

import numpy as np
import pytest

from avmatch.core.features import BAND_RATE_HZ, TICK_RATE_HZ, AudioFeatures
from avmatch.cues.synchrony import Series, accent_series, autocorrelation, level_series, onset_series
from avmatch.frontends.event_signals import CLIP_DEVIATIONS, flattened

TICKS = 30 * TICK_RATE_HZ
TIMES = np.arange(TICKS) / TICK_RATE_HZ


def events(seed=0):
    """(T, 1) some sharp events on a floor of small noise."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 0.05, TICKS)
    values[rng.choice(TICKS, 25, replace=False)] += 1.0
    return values[:, None]


def sound(flux, level=None, start_seconds=0.0):
    level = np.full_like(flux, -5.0) if level is None else level
    return AudioFeatures(start_seconds, flux, level, len(flux) / BAND_RATE_HZ, 1.0)


def correlation(a, b):
    return np.corrcoef(a.ravel(), b.ravel())[0, 1]


@pytest.mark.parametrize(
    "trend", [0.3 * TIMES, np.sin(2 * np.pi * TIMES / 20), 3.0 * np.exp(-TIMES / 10)], ids=["ramp", "swell", "decay"]
)
def test_trends_are_removed(trend):
    assert correlation(flattened(events() + trend[:, None], TICK_RATE_HZ), flattened(events(), TICK_RATE_HZ)) > 0.97


def test_a_lone_ramp_is_flat_away_from_the_ends():
    flat = flattened((5.0 * TIMES)[:, None], TICK_RATE_HZ)
    middle = slice(4 * TICK_RATE_HZ, -4 * TICK_RATE_HZ)
    assert np.abs(flat[middle]).max() < 0.01


def test_constants_are_nothing():
    assert not flattened(np.full((50, 3), 7.0), TICK_RATE_HZ).any()


def test_the_scale_does_not_matter():
    np.testing.assert_allclose(
        flattened(100.0 * events(), TICK_RATE_HZ), flattened(events(), TICK_RATE_HZ), rtol=1e-3, atol=1e-3
    )


def test_one_bang_does_not_drown_the_rest():
    loud = events()
    loud[400] = 1000.0
    flat = flattened(loud, TICK_RATE_HZ)
    assert flat.max() == CLIP_DEVIATIONS
    assert flat.min() >= -CLIP_DEVIATIONS
    far = np.abs(TIMES - TIMES[400]) > 10.0
    assert correlation(flat[far] > 0.0, flattened(events(), TICK_RATE_HZ)[far] > 0.0) > 0.9


def test_signals_do_not_mix():
    both = flattened(np.concatenate([events(0), events(1)], axis=1), TICK_RATE_HZ)
    np.testing.assert_allclose(both[:, 1:], flattened(events(1), TICK_RATE_HZ), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("series", [onset_series, level_series, accent_series])
@pytest.mark.parametrize("start_seconds", [0.0, 1.37])
def test_events_of_a_sound_keep_their_time(series, start_seconds):
    flux = np.full((600, 8), 0.05, np.float32)
    level = np.full((600, 8), -8.0, np.float32)
    flux[300], level[300] = 2.0, 0.0
    found = series(sound(flux, level, start_seconds))
    weights = np.maximum(found.values[:, 0], 0.0)
    times = found.start_seconds + np.arange(600) / found.rate_hz
    assert found.rate_hz == BAND_RATE_HZ
    assert np.average(times, weights=weights) == pytest.approx(start_seconds + 3.0, abs=0.002)


def test_a_sound_is_worked_on_once_and_forgotten_with_it():
    one = sound(np.zeros((200, 8), np.float32))
    kept = weakref.ref(accent_series(one))
    assert accent_series(one) is kept()
    del one
    assert kept() is None


def test_autocorrelation_is_that_of_the_definition():
    values = np.random.default_rng(0).standard_normal((40, 3))
    expected = [
        [(values[lag:, h] * values[:-lag, h]).sum() / (values[:, h] ** 2).sum() for lag in range(1, 11)]
        for h in range(3)
    ]
    np.testing.assert_allclose(autocorrelation(values, 10), expected, atol=1e-9)


def test_autocorrelation_beyond_the_end_is_zero():
    found = autocorrelation(np.random.default_rng(0).standard_normal((4, 1)), 10)
    assert found.shape == (1, 10)
    assert not found[:, 3:].any()
    assert not autocorrelation(np.zeros((20, 2)), 5).any()


def test_autocorrelation_of_a_fast_series_is_on_the_slow_clock():
    slow = np.random.default_rng(0).standard_normal((200, 1)).astype(np.float32)
    fast = Series(0.0, BAND_RATE_HZ, slow.repeat(BAND_RATE_HZ // TICK_RATE_HZ, axis=0))
    np.testing.assert_allclose(fast.autocorrelation, Series(0.0, TICK_RATE_HZ, slow).autocorrelation, atol=1e-5)
