"""One-to-one assignment against all permutations, and what the threshold dissolves."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from avmatch.matching.assignment import many_to_one, one_to_one

SURE = np.float64(1.0)
small_matrices = st.tuples(st.integers(1, 5), st.integers(1, 5)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.floats(-30, 30, width=32))
)


def best_sum(nats):
    """The largest sum that any one-to-one assignment of the smaller side reaches."""
    if nats.shape[0] > nats.shape[1]:
        nats = nats.T
    rows = np.arange(nats.shape[0])
    return max(nats[rows, list(columns)].sum() for columns in permutations(range(nats.shape[1]), len(rows)))


@given(small_matrices)
def test_no_permutation_has_a_larger_sum(nats):
    nats = nats.astype(np.float64)
    partner = one_to_one(nats, np.full(nats.shape, SURE))
    paired = partner >= 0
    assert paired.sum() == min(nats.shape)
    assert len(set(partner[paired])) == paired.sum()
    assert nats[paired, partner[paired]].sum() == pytest.approx(best_sum(nats), abs=1e-6)


@given(small_matrices, st.floats(0, 1))
def test_a_threshold_only_takes_pairs_away(nats, threshold):
    confidence = 1 / (1 + np.exp(-nats.astype(np.float64)))
    everyone = one_to_one(nats, confidence, complete=True)
    partner = one_to_one(nats, confidence, min_confidence=threshold)
    kept = partner >= 0
    np.testing.assert_array_equal(partner[kept], everyone[kept])
    assert (confidence[kept, partner[kept]] >= threshold).all()
    gone = ~kept & (everyone >= 0)
    assert (confidence[gone, everyone[gone]] < threshold).all()


def test_the_sum_counts_and_not_each_video_on_its_own():
    """Both videos like the first sound best; the second video loses less by giving way."""
    nats = np.array([[9.0, 1.0], [8.0, 7.0]])
    np.testing.assert_array_equal(one_to_one(nats, np.ones((2, 2))), [0, 1])
    np.testing.assert_array_equal(many_to_one(nats, np.ones((2, 2))), [0, 0])


@pytest.mark.parametrize("assign", [one_to_one, many_to_one])
def test_the_threshold_dissolves_unless_complete(assign):
    nats, confidence = np.diag([5.0, 0.1, 3.0]), np.diag([0.9, 0.3, 0.5])
    np.testing.assert_array_equal(assign(nats, confidence), [0, -1, 2])
    np.testing.assert_array_equal(assign(nats, confidence, min_confidence=0.6), [0, -1, -1])
    np.testing.assert_array_equal(assign(nats, confidence, min_confidence=1.0, complete=True), [0, 1, 2])


@pytest.mark.parametrize("shape", [(2, 6), (6, 2)])
def test_complete_serves_everyone_on_the_smaller_side(shape):
    nats = np.random.default_rng(0).normal(size=shape)
    partner = one_to_one(nats, np.zeros(shape), complete=True)
    assert (partner >= 0).sum() == 2
    assert (partner < shape[1]).all()


def test_several_videos_may_share_a_recording_only_when_told_so():
    nats = np.array([[4.0], [3.0], [2.0]])
    np.testing.assert_array_equal(many_to_one(nats, np.ones((3, 1))), [0, 0, 0])
    np.testing.assert_array_equal(one_to_one(nats, np.ones((3, 1))), [0, -1, -1])


@pytest.mark.parametrize("assign", [one_to_one, many_to_one])
@pytest.mark.parametrize("complete", [False, True])
@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_an_empty_side_leaves_everyone_alone(assign, complete, shape):
    partner = assign(np.zeros(shape), np.zeros(shape), complete=complete)
    np.testing.assert_array_equal(partner, np.full(shape[0], -1))
