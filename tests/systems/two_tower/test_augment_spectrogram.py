"""Masks are as wide as stated, filled with the mean, and alike for equal seeds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avmatch.systems.two_tower.augmentation import SpectrogramAugmentation


def masked_by(rng, mel, *settings):
    return SpectrogramAugmentation(1.0, *settings)(rng, mel)


def time_masks(rng, mel, num_masks, max_time):
    return masked_by(rng, mel, num_masks, max_time, 0, 0)


def spectrogram(num_ticks=60, num_bands=20):
    return np.random.default_rng(9).normal(3.0, 1.0, (num_ticks, num_bands)).astype(np.float32)


def run_lengths(flags):
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return edges[1::2] - edges[::2]


@given(seed=st.integers(0, 1000), max_time=st.integers(0, 80), max_freq=st.integers(0, 30))
def test_one_mask_each_is_at_most_as_wide_as_stated(seed, max_time, max_freq):
    mel = spectrogram()
    changed = masked_by(np.random.default_rng(seed), mel, 1, max_time, 1, max_freq) != mel
    ticks, bands = changed.all(axis=1), changed.all(axis=0)
    if not (ticks.all() or bands.all()):  # then each mask shows as the rows and columns that are wholly changed
        np.testing.assert_array_equal(changed, ticks[:, None] | bands[None])
    assert len(run_lengths(ticks)) <= 1 or bands.all()
    assert len(run_lengths(bands)) <= 1 or ticks.all()
    assert ticks.sum() <= max_time or bands.all()
    assert bands.sum() <= max_freq or ticks.all()


def test_every_width_and_place_of_a_mask_is_drawn():
    mel = spectrogram()
    masks = [(time_masks(np.random.default_rng(seed), mel, 1, 5) != mel).all(axis=1) for seed in range(600)]
    counts = np.bincount([mask.sum() for mask in masks], minlength=6)
    assert len(counts) == 6
    assert np.abs(counts - 100).max() < 40  # 100 ± 9
    assert np.any(masks, axis=0).all()


def test_masks_are_not_cut_by_the_ends():
    mel = spectrogram(2, 20)
    num_masked = sum(
        (time_masks(np.random.default_rng(seed), mel, 1, 2) != mel).all(axis=1).sum() for seed in range(600)
    )
    assert num_masked == pytest.approx(600, abs=80)  # 0, 1 and 2 ticks as often: 600 ± 20


def test_several_masks_leave_the_bands_alone_and_take_the_mean():
    mel = spectrogram()
    masked = time_masks(np.random.default_rng(0), mel, 4, 10)
    changed = (masked != mel).any(axis=1)
    assert 0 < changed.sum() <= 40
    assert (masked[changed] == mel.mean()).all()
    np.testing.assert_array_equal(masked[~changed], mel[~changed])


def test_seeds_reproduce_and_the_input_is_left():
    mel = spectrogram()
    first, again, other = (masked_by(np.random.default_rng(seed), mel, 2, 20, 2, 5) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(mel, spectrogram())


@pytest.mark.parametrize("shape", [(0, 20), (1, 20), (60, 0), (1, 1)])
def test_the_smallest_spectrograms(shape):
    masked = masked_by(np.random.default_rng(0), spectrogram(*shape), 2, 10, 2, 5)
    assert masked.shape == shape
    assert np.isfinite(masked).all()
