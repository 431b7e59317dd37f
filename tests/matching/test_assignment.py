"""One-to-one assignment against all permutations, and what the threshold leaves alone."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment
from scipy.special import logit

from avmatch.matching.assignment import many_to_one, one_to_one

small_matrices = st.tuples(st.integers(1, 5), st.integers(1, 5)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.floats(0.001, 0.999))
)


def best_sum(gain):
    """The largest sum that any one-to-one assignment of the smaller side reaches."""
    if gain.shape[0] > gain.shape[1]:
        gain = gain.T
    rows = np.arange(gain.shape[0])
    return max(gain[rows, list(columns)].sum() for columns in permutations(range(gain.shape[1]), len(rows)))


@given(small_matrices)
def test_complete_has_the_largest_sum_of_log_odds(confidence):
    partner = one_to_one(confidence, complete=True)
    paired = partner >= 0
    assert paired.sum() == min(confidence.shape)
    assert len(set(partner[paired])) == paired.sum()
    assert logit(confidence[paired, partner[paired]]).sum() == pytest.approx(best_sum(logit(confidence)), abs=1e-6)


@given(small_matrices, st.floats(0.01, 0.99))
def test_what_lies_above_the_threshold_has_the_largest_sum(confidence, threshold):
    partner = one_to_one(confidence, min_confidence=threshold)
    paired = partner >= 0
    assert len(set(partner[paired])) == paired.sum()
    above = np.maximum(logit(confidence) - logit(threshold), 0.0)
    assert (confidence[paired, partner[paired]] >= threshold).all()
    assert above[paired, partner[paired]].sum() == pytest.approx(best_sum(above), abs=1e-6)


#: Larger ones, in which few pairs are probable: most files are linked to one or two others, or to none.
sparse_matrices = st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1)).map(
    lambda drawn: np.random.default_rng(drawn[2]).beta(0.3, 1.5, drawn[:2])
)


@given(sparse_matrices, st.floats(0.05, 0.95))
def test_parts_solved_one_by_one_are_the_answer_of_the_whole(confidence, threshold):
    """Against the dense problem over all files at once: random numbers have one best answer."""
    gain = np.maximum(logit(confidence.clip(1e-12, 1 - 1e-12)) - logit(threshold), 0.0)
    rows, columns = linear_sum_assignment(-gain)
    expected = np.full(len(confidence), -1)
    made = confidence[rows, columns] >= threshold
    expected[rows[made]] = columns[made]
    np.testing.assert_array_equal(one_to_one(confidence, min_confidence=threshold), expected)


@given(sparse_matrices)
def test_a_complete_one_is_the_answer_of_the_whole(confidence):
    rows, columns = linear_sum_assignment(-logit(confidence.clip(1e-12, 1 - 1e-12)))
    expected = np.full(len(confidence), -1)
    expected[rows] = columns
    np.testing.assert_array_equal(one_to_one(confidence, complete=True), expected)


def test_the_sum_counts_and_not_each_video_on_its_own():
    """Both videos like the first sound best; the second video loses less by giving way."""
    confidence = np.array([[0.99, 0.4], [0.98, 0.9]])
    np.testing.assert_array_equal(one_to_one(confidence), [0, 1])
    np.testing.assert_array_equal(many_to_one(confidence), [0, 0])


def test_two_lonely_ones_do_not_break_up_a_pair():
    """Forced to pair everyone, the sum would take the sound away from the video that it belongs to."""
    confidence = np.array([[0.6, 0.3], [0.59, 0.001]])
    np.testing.assert_array_equal(one_to_one(confidence, complete=True), [1, 0])
    np.testing.assert_array_equal(one_to_one(confidence), [0, -1])


@pytest.mark.parametrize("assign", [one_to_one, many_to_one])
def test_improbable_pairs_are_not_made_unless_complete(assign):
    confidence = np.diag([0.9, 0.3, 0.5])
    np.testing.assert_array_equal(assign(confidence), [0, -1, 2])
    np.testing.assert_array_equal(assign(confidence, min_confidence=0.6), [0, -1, -1])
    np.testing.assert_array_equal(assign(confidence, min_confidence=1.0, complete=True), [0, 1, 2])


@pytest.mark.parametrize("shape", [(2, 6), (6, 2)])
def test_complete_serves_everyone_on_the_smaller_side(shape):
    partner = one_to_one(np.random.default_rng(0).uniform(size=shape), complete=True)
    assert (partner >= 0).sum() == 2
    assert (partner < shape[1]).all()


def test_several_videos_may_share_a_recording_only_when_told_so():
    confidence = np.array([[0.9], [0.8], [0.7]])
    np.testing.assert_array_equal(many_to_one(confidence), [0, 0, 0])
    np.testing.assert_array_equal(one_to_one(confidence), [0, -1, -1])


@pytest.mark.parametrize("extreme", [0.0, 1.0])
def test_certainty_is_no_obstacle(extreme):
    np.testing.assert_array_equal(one_to_one(np.full((2, 2), extreme), complete=True) >= 0, [True, True])


@pytest.mark.parametrize("assign", [one_to_one, many_to_one])
@pytest.mark.parametrize("complete", [False, True])
@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_an_empty_side_leaves_everyone_alone(assign, complete, shape):
    partner = assign(np.zeros(shape), complete=complete)
    np.testing.assert_array_equal(partner, np.full(shape[0], -1))
