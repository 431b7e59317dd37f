"""Synchrony: windows lie on one grid, nats peak where two signals fit, and mean little where they don't."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hypothesis_numpy
from scipy.ndimage import gaussian_filter1d
from scipy.special import logsumexp

from avmatch.core.features import BAND_RATE_HZ, TICK_RATE_HZ
from avmatch.cues.synchrony import (
    MIN_WINDOW_TICKS,
    WINDOW_TICKS,
    Series,
    audio_windows,
    correlation_nats,
    in_blocks,
    log_mean_exp,
    thinned,
    video_windows,
)

LAGS = np.arange(-25, 26) * 0.02


def smooth_noise(rng, seconds, smoothing_seconds):
    values = rng.standard_normal((round(seconds * BAND_RATE_HZ), 1))
    smooth = gaussian_filter1d(values, smoothing_seconds * BAND_RATE_HZ, axis=0)
    return (smooth / smooth.std()).astype(np.float32)


def series_of_picture(values, start_seconds):
    """The values at BAND_RATE_HZ, averaged over the ticks of the picture; `start_seconds` is on its grid."""
    step = BAND_RATE_HZ // TICK_RATE_HZ
    ticks = values.reshape(-1, step, 1).mean(axis=1)
    return Series(start_seconds + 0.5 / TICK_RATE_HZ, TICK_RATE_HZ, ticks)


def nats(picture, sound):
    """(L,) of all windows together."""
    return sum(
        correlation_nats(window, audio_windows([sound], window.index, LAGS))[0, 0] for window in video_windows(picture)
    )


@pytest.mark.parametrize("first_tick", [0, 1, 182, 250, -30])
@pytest.mark.parametrize("num_ticks", [20, 70, 250, 640])
def test_windows_cover_the_series_on_the_common_grid(first_tick, num_ticks):
    values = np.random.default_rng(0).standard_normal((num_ticks, 2)).astype(np.float32)
    start = (first_tick + 0.5) / TICK_RATE_HZ
    windows = video_windows(Series(start, TICK_RATE_HZ, values))
    covered = []
    for window in windows:
        inside = window.covered > 0
        covered.extend(window.index * WINDOW_TICKS + np.flatnonzero(inside))
        assert window.signals.shape == (2, WINDOW_TICKS)
        assert not window.signals[:, ~inside].any()
        np.testing.assert_allclose(window.signals.sum(axis=1), 0.0, atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(window.signals, axis=1), 1.0, rtol=1e-5)
        part = values[covered[-int(inside.sum())] - first_tick :][: int(inside.sum())]
        assert np.corrcoef(part[:, 1], window.signals[1, inside])[0, 1] == pytest.approx(1.0, abs=1e-5)
    assert covered == sorted(set(covered))
    missing = set(range(first_tick, first_tick + num_ticks)) - set(covered)
    assert len(missing) <= 2 * (MIN_WINDOW_TICKS - 1)


def test_signals_that_never_change_have_no_norm():
    (window,) = video_windows(Series(0.02, TICK_RATE_HZ, np.ones((100, 1), np.float32)))
    assert not window.signals.any()


def test_sounds_are_read_at_the_tick_and_the_lag():
    """A sound whose value is its time tells when it was read."""
    start = 3.0
    times = start + np.arange(1200) / BAND_RATE_HZ
    sound = Series(start, BAND_RATE_HZ, times[:, None].astype(np.float32))
    for index in (0, 1):
        found = audio_windows([sound], index, LAGS)
        wanted = (index * WINDOW_TICKS + np.arange(WINDOW_TICKS) + 0.5) / TICK_RATE_HZ + LAGS[:, None]
        inside = found.inside[0] > 0
        np.testing.assert_allclose(found.shifted[0][inside], wanted[inside], atol=0.5001 / BAND_RATE_HZ)
        assert (inside == ((wanted > times[0] - 0.005) & (wanted < times[-1] + 0.005))).mean() > 0.999
        assert not found.shifted[0][~inside].any()


@pytest.mark.parametrize("lag_seconds", [-0.4, -0.06, 0.0, 0.24])
@pytest.mark.parametrize("start_seconds", [0.0, 7.2, -2.0])
@pytest.mark.parametrize("seconds", [3.0, 12.0, 25.0])
def test_nats_peak_at_the_true_lag(lag_seconds, start_seconds, seconds):
    rng = np.random.default_rng(1)
    values = smooth_noise(rng, seconds, 0.04)
    noisy = values + 0.5 * smooth_noise(rng, seconds, 0.04)
    picture = series_of_picture(values, start_seconds)
    # The k-th value of the sound is in the middle of its hundredth.
    sound = Series(start_seconds + 0.5 / BAND_RATE_HZ + lag_seconds, BAND_RATE_HZ, noisy)
    curve = nats(picture, sound)
    assert LAGS[curve.argmax()] == pytest.approx(lag_seconds, abs=0.021)
    assert curve.max() > 2.0 * seconds


@pytest.mark.parametrize("smoothing_seconds", [0.02, 0.06, 0.12])
@pytest.mark.parametrize("seconds", [2.0, 10.0])
def test_independent_noise_has_about_no_nats(smoothing_seconds, seconds):
    """For R of independent ticks, T · R² is chi-squared with one degree; half of it, half the time: 1/4."""
    rng = np.random.default_rng(2)
    draws = []
    for _ in range(60):
        picture = series_of_picture(smooth_noise(rng, seconds, smoothing_seconds), 0.0)
        sound = Series(-1.0, BAND_RATE_HZ, smooth_noise(rng, seconds + 2.0, smoothing_seconds))
        draws.append(nats(picture, sound)[::5])
    assert 0.0 < np.mean(draws) < 0.35


def test_opposites_have_no_nats():
    values = smooth_noise(np.random.default_rng(0), 5.0, 0.1)
    sound = Series(0.5 / BAND_RATE_HZ, BAND_RATE_HZ, -values)
    assert nats(series_of_picture(values, 0.0), sound)[25] == 0.0


def test_too_little_overlap_says_nothing():
    values = smooth_noise(np.random.default_rng(0), 10.0, 0.04)
    picture = series_of_picture(values, 0.0)
    assert not nats(picture, Series(30.0, BAND_RATE_HZ, values)).any()
    assert not nats(picture, Series(0.005, BAND_RATE_HZ, values[:200])).any()
    assert nats(picture, Series(0.005, BAND_RATE_HZ, values[:500]))[25] > 5.0


@given(
    nats=hypothesis_numpy.arrays(np.float32, (5, 3, 2), elements=st.floats(0, 300, width=32)),
    weights=hypothesis_numpy.arrays(np.float64, 5, elements=st.floats(0.01, 10.0)),
)
def test_log_mean_exp_is_scipys(nats, weights):
    share = (weights / weights.sum())[:, None, None]
    expected = logsumexp(nats.astype(np.float64), b=share, axis=0)
    np.testing.assert_allclose(log_mean_exp(nats, weights), expected, rtol=1e-4, atol=1e-4)


def test_every_second_lag_is_enough_for_a_smooth_curve():
    lags, between = thinned(LAGS)
    np.testing.assert_array_equal(lags, LAGS[::2])
    curve = np.exp(-0.5 * (LAGS / 0.06) ** 2).astype(np.float32)
    np.testing.assert_allclose(between(curve[None, None, ::2])[0, 0], curve, atol=0.012)


@pytest.mark.parametrize("lags", [np.arange(5) * 0.01, np.arange(50) * 0.02, np.arange(-25, 26) * 0.04])
def test_lags_that_are_few_even_or_far_apart_are_all_tried(lags):
    kept, between = thinned(lags)
    nats = np.ones((1, 1, len(lags)), np.float32)
    np.testing.assert_array_equal(kept, lags)
    assert between(nats) is nats


def test_blocks_of_sounds_give_what_all_of_them_give():
    rng = np.random.default_rng(1)
    picture = series_of_picture(smooth_noise(rng, 4, 0.08), 0.0)
    sounds = [Series(0.0, BAND_RATE_HZ, smooth_noise(rng, seconds, 0.05)) for seconds in rng.uniform(2, 6, 300)]
    (window,) = video_windows(picture)
    together = audio_windows(sounds, 0, LAGS)
    parts = np.concatenate([correlation_nats(window, block) for block in in_blocks(together)], axis=1)
    np.testing.assert_allclose(parts, correlation_nats(window, together), rtol=1e-4, atol=1e-4)
