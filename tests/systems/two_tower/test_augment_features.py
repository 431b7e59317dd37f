"""Features are shaken by as much as was asked for; mixtures can be repeated on the other modality."""

import numpy as np
import pytest

from avmatch.systems.two_tower.augmentation import FeatureAugmentation, apply_mixup, feature_noise, mixup

DEVIATION = np.array([0.1, 1.0, 10.0, 0.0], np.float32)
CHANGES = {
    "feature_noise": lambda rng, features: feature_noise(rng, features, 10.0, DEVIATION),
    "drop_steps": FeatureAugmentation(drop_share=0.5).drop_steps,
    "shift_steps": FeatureAugmentation(max_shift_steps=5).shift_steps,
    "mixup": lambda rng, features: mixup(rng, features, 1.0)[0],
}


def generator(seed=0):
    return np.random.default_rng(seed)


def batch(*shape):
    return generator(3).standard_normal(shape, np.float32)


def test_noise_follows_the_deviation_of_each_dimension():
    features = batch(50, 200, 4)
    added = feature_noise(generator(), features, 6.0, DEVIATION) - features
    assert added.std(axis=(0, 1)) == pytest.approx(DEVIATION * 10 ** (-6 / 20), rel=0.02)
    assert np.corrcoef(added[..., 0].ravel(), added[..., 1].ravel())[0, 1] == pytest.approx(0.0, abs=0.03)


def test_dropped_steps_take_the_mean_of_their_item():
    features = batch(100, 50, 4)
    dropped = FeatureAugmentation(drop_share=0.2).drop_steps(generator(), features)
    changed = (dropped != features).any(axis=2)
    assert changed.mean() == pytest.approx(0.2, abs=0.03)  # 0.2 ± 0.006
    means = np.broadcast_to(features.mean(axis=1, keepdims=True), features.shape)
    np.testing.assert_array_equal(dropped[changed], means[changed])
    np.testing.assert_array_equal(FeatureAugmentation(drop_share=0.0).drop_steps(generator(), features), features)


def test_shifts_go_both_ways_for_each_item_and_repeat_the_ends():
    ramps = np.broadcast_to(np.arange(10, dtype=np.float32)[:, None], (200, 10, 2))
    shifted = FeatureAugmentation(max_shift_steps=2).shift_steps(generator(), ramps)
    for item in shifted[..., 0]:
        shift = int(5 - item[5])
        assert abs(shift) <= 2
        np.testing.assert_array_equal(item, np.clip(np.arange(10) - shift, 0, 9))
    assert set(shifted[:, 5, 0]) == {3, 4, 5, 6, 7}


def test_mixup_can_be_repeated_on_the_other_modality():
    audio, video = batch(64, 10, 4), batch(64, 7)
    mixed, order, share = mixup(generator(), audio, 0.4)
    np.testing.assert_array_equal(np.sort(order), np.arange(64))
    weight = share[:, None, None]
    np.testing.assert_allclose(mixed, weight * audio + (1 - weight) * audio[order], rtol=1e-6)
    other = apply_mixup(video, order, share)
    np.testing.assert_allclose(other[5], share[5] * video[5] + (1 - share[5]) * video[order[5]], rtol=1e-6)


def test_shares_follow_the_beta_distribution():
    alpha = 0.4
    share = mixup(generator(), batch(20_000, 1), alpha)[2]
    assert share.mean() == pytest.approx(0.5, abs=0.01)
    assert share.var() == pytest.approx(0.25 / (2 * alpha + 1), rel=0.03)  # of Beta(α, α)


def test_a_share_of_one_leaves_the_batch():
    features = batch(8, 10, 4)
    order = np.arange(8)[::-1].copy()
    np.testing.assert_array_equal(apply_mixup(features, order, np.ones(8, np.float32)), features)
    np.testing.assert_array_equal(apply_mixup(features, order, np.zeros(8, np.float32)), features[::-1])
    mixed, _, share = mixup(generator(), features, 0.0)
    np.testing.assert_array_equal(mixed, features)
    assert (share == 1).all()


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("shape", [(10, 4), (6, 10, 4)])
def test_seeds_reproduce_and_the_input_is_left(name, shape):
    features = batch(*shape)
    first, again, other = (CHANGES[name](generator(seed), features) for seed in (1, 1, 2))
    assert (first.shape, first.dtype) == (shape, np.float32)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(features, batch(*shape))


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("shape", [(0, 4), (1, 4), (0, 10, 4), (3, 0, 4), (1, 1, 4)])
def test_the_smallest_features(name, shape):
    changed = CHANGES[name](generator(), batch(*shape))
    assert changed.shape == shape
    assert np.isfinite(changed).all()
