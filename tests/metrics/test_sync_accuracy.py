"""Sync accuracy: the best threshold against all of them, and that no pair has a say in its own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avmatch.core.errors import UsageError
from avmatch.metrics.sync import best_threshold, judged_right


def right_at(threshold, in_sync, out_of_sync):
    return (in_sync > threshold).sum() + (out_of_sync < threshold).sum()


@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), min_size=1, max_size=12))
def test_no_threshold_is_better(pairs):
    in_sync, out_of_sync = np.array(pairs, float).T
    every = np.unique(np.concatenate((in_sync, out_of_sync)))
    all_cuts = [every[0] - 1, *((every[1:] + every[:-1]) / 2), every[-1] + 1]
    threshold = best_threshold(in_sync, out_of_sync)
    assert right_at(threshold, in_sync, out_of_sync) == max(right_at(cut, in_sync, out_of_sync) for cut in all_cuts)


def test_what_is_apart_is_judged_right():
    rng = np.random.default_rng(0)
    assert judged_right(rng.uniform(2, 3, 40), rng.uniform(0, 1, 40), np.arange(40)).all()


def test_a_constant_is_right_half_of_the_time():
    assert judged_right(np.ones(40), np.ones(40), np.arange(40)).mean() == 0.5


def test_chance_is_a_half_because_thresholds_come_from_other_recordings():
    """With thresholds of their own, so few pairs would come out far above."""
    rng = np.random.default_rng(1)
    drawn = [(rng.normal(size=6), rng.normal(size=6)) for _ in range(300)]
    ours = [judged_right(*pair, np.arange(6)).mean() for pair in drawn]
    own = [right_at(best_threshold(*pair), *pair) / 12 for pair in drawn]
    assert np.mean(ours) == pytest.approx(0.5, abs=0.03)
    assert np.mean(own) > 0.6


def test_gaussians_are_told_apart_as_often_as_they_can_be():
    rng = np.random.default_rng(2)
    right = judged_right(rng.normal(1, 1, 5000), rng.normal(-1, 1, 5000), np.arange(5000) // 5)
    assert right.mean() == pytest.approx(0.8413, abs=0.012)  # Φ(1)


def test_one_recording_has_no_other():
    with pytest.raises(UsageError, match="a threshold comes from other recordings, but there is 1"):
        judged_right(np.ones(3), np.zeros(3), np.zeros(3, int))
