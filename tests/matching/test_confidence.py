"""Confidence: a probability, growing with the lead, finite in galleries of any size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import logit

from avmatch.matching.decision import confidences

matrices = st.tuples(st.integers(1, 6), st.integers(1, 6)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.floats(-100, 100, width=32))
)


def strangers(num, seed=0):
    """Scores of pairs that don't belong together, as `fused_scores` gives them."""
    return np.random.default_rng(seed).gumbel(0.6, 0.6, (num, num))


@given(matrices, st.booleans())
def test_every_confidence_is_a_probability(nats, shared):
    confidence = confidences(nats, shared=shared)
    assert confidence.shape == nats.shape
    assert ((confidence >= 0) & (confidence <= 1)).all()  # false for nan, too


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (1, 50), (50, 1)])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("value", [0.0, -3.0, 40.0])
def test_small_and_flat_galleries_are_finite(shape, shared, value):
    confidence = confidences(np.full(shape, value), shared=shared)
    assert np.isfinite(confidence).all()
    assert np.ptp(confidence) == pytest.approx(0.0, abs=1e-12)  # nothing tells the pairs apart


@pytest.mark.parametrize("shape", [(0, 0), (0, 4), (4, 0)])
def test_an_empty_side_has_no_confidences(shape):
    assert confidences(np.zeros(shape)).shape == shape


@pytest.mark.parametrize("num", [2, 5, 20, 100])
@pytest.mark.parametrize("shared", [False, True])
def test_a_higher_score_of_a_pair_never_makes_it_less_sure(num, shared):
    nats = strangers(num)
    found = []
    for score in np.linspace(-2.0, 60.0, 32):
        nats[0, 0] = score
        found.append(confidences(nats, shared=shared)[0, 0])
    assert (np.diff(found) > -1e-3).all()
    assert found[-1] > found[0] + 0.3


@pytest.mark.parametrize("axis", [0, 1])
def test_a_rival_in_the_row_or_the_column_costs_confidence(axis):
    nats = strangers(20) + 12.0 * np.eye(20)
    before = confidences(nats)[0, 0]
    nats[(0, 1) if axis else (1, 0)] = nats[0, 0]
    assert logit(confidences(nats)[0, 0]) < logit(before) - 1.0


def test_other_videos_don_t_matter_where_a_recording_may_be_shared():
    nats = strangers(20)
    nats[0, 0] = 15.0
    before = confidences(nats, shared=True)[0, 0]
    nats[1, 0] = nats[0, 0]
    assert confidences(nats, shared=True)[0, 0] == pytest.approx(before, abs=0.01)


@pytest.mark.parametrize("num", [3, 10, 50, 200])
def test_clear_winners_are_sure_and_nobody_else_is(num):
    confidence = confidences(strangers(num) + 25.0 * np.eye(num))
    assert confidence.diagonal().min() > 0.9
    assert confidence[~np.eye(num, dtype=bool)].max() < 0.5


@pytest.mark.parametrize("num", [50, 200])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_best_of_usual_noise_is_mostly_doubtful(num, seed):
    assert (confidences(strangers(num, seed)).max(axis=1) < 0.5).mean() > 0.6


@pytest.mark.parametrize("num", [2, 3, 10, 50])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_best_of_faint_noise_is_doubtful_in_any_room(num, seed):
    nats = np.random.default_rng(seed).normal(0.0, 0.3, (num, num))
    assert confidences(nats).max() < 0.5


def test_the_same_lead_says_less_in_a_larger_room():
    def winners(num):
        return confidences(strangers(num) + 8.0 * np.eye(num)).diagonal().mean()

    assert winners(100) < winners(10)


def test_a_face_is_judged_otherwise_than_an_impact():
    nats = strangers(12) + 2.5 * np.eye(12)
    by_face = np.zeros((12, 12), bool)
    by_face[0] = True
    plain, mixed = confidences(nats), confidences(nats, by_face)
    np.testing.assert_array_equal(mixed[1:], plain[1:])
    assert mixed[0, 0] != plain[0, 0]
