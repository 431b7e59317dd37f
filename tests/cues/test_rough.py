"""Rough forms of cues: what is left out is what tells little."""

import numpy as np
import pytest

from avmatch.core.features import Embeddings
from avmatch.cues.evidence import RoughCue
from avmatch.cues.learned import EmbeddingCue, in_principal
from avmatch.cues.synchrony import WINDOW_TICKS, Series, thinned, video_windows

RNG = np.random.default_rng(0)


def window(num_signals, rank):
    """A window of signals that are mixtures of so many."""
    values = RNG.standard_normal((WINDOW_TICKS, rank)) @ RNG.standard_normal((rank, num_signals))
    (found,) = video_windows(Series(0.02, 25.0, values.astype(np.float32)))
    return found


@pytest.mark.parametrize(("rank", "num"), [(3, 3), (3, 8), (20, 20)])
def test_signals_of_few_components_lose_nothing(rank, num):
    one = window(20, rank)
    ticks = RNG.standard_normal((50, WINDOW_TICKS)).astype(np.float32)
    rough = one.in_components(num)
    assert rough.signals.shape == (num, WINDOW_TICKS)
    np.testing.assert_allclose(rough.products(ticks), one.products(ticks), atol=2e-4)


def test_signals_of_many_components_keep_their_norm():
    rough = window(20, 20).in_components(6)
    np.testing.assert_allclose(np.linalg.norm(rough.mixing @ rough.signals, axis=1), 1.0, atol=1e-4)


def test_a_signal_without_any_motion_stays_without():
    values = RNG.standard_normal((WINDOW_TICKS, 5)).astype(np.float32)
    values[:, 2] = 1.0
    (one,) = video_windows(Series(0.02, 25.0, values))
    rough = one.in_components(2)
    assert np.isfinite(rough.mixing).all()
    assert not rough.products(np.ones((1, WINDOW_TICKS), np.float32))[2].any()


def unit_vectors(basis, num=60):
    vectors = RNG.standard_normal((num, len(basis))) @ basis
    return Embeddings((vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), 25.0)


def test_products_with_sounds_stay_in_their_principal_dimensions():
    basis = RNG.standard_normal((6, 64))
    sounds, tracks = [unit_vectors(basis) for _ in range(4)], [unit_vectors(np.eye(64)) for _ in range(3)]
    few_tracks, few_sounds = in_principal(tracks, sounds, 6)
    for track, few in zip(tracks, few_tracks, strict=True):
        assert few.data.shape == (60, 6)
        np.testing.assert_allclose(few.data @ few_sounds[0].data.T, track.data @ sounds[0].data.T, atol=5e-3)


def test_the_cue_of_towers_has_a_rough_form():
    cue = EmbeddingCue("lips", scale=3.0)
    assert isinstance(cue, RoughCue)
    assert cue.rough().num_dimensions is not None
    assert (cue.rough().name, cue.rough().scale, cue.rough().calibration) == (cue.name, 3.0, cue.calibration)


@pytest.mark.parametrize(
    ("step", "apart", "num"), [(0.02, 0.04, 26), (0.04, 0.04, 51), (0.04, 0.08, 26), (0.02, 0.01, 51)]
)
def test_offsets_no_farther_apart_than_that_are_thinned(step, apart, num):
    lags = np.arange(-25, 26) * step
    some, filled = thinned(lags, apart)
    assert len(some) == num
    curve = np.cos(2.0 * some / step / 25).astype(np.float32)[None, None]
    np.testing.assert_allclose(filled(curve)[0, 0], np.cos(2.0 * lags / step / 25), atol=2e-3)
