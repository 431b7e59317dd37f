"""Normalised matrices against arithmetic by hand, scipy, and what each method promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from avmatch.core.errors import UsageError
from avmatch.matching.galleries import csls, sinkhorn
from avmatch.metrics.retrieval import recall_at, true_ranks

METHODS = {
    "csls": lambda s: csls(s, 3),
    "sinkhorn": lambda s: sinkhorn(s, 0.3),
}
each_method = pytest.mark.parametrize("normalise", METHODS.values(), ids=METHODS.keys())

matrices = st.tuples(st.integers(1, 6), st.integers(1, 6)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.floats(-1.0, 1.0, width=32))
)


def test_csls_by_hand():
    similarity = np.array([[0.9, 0.5, 0.1], [0.7, 0.6, 0.3]])
    # rows' nearest two: (0.9+0.5)/2 = 0.7, (0.7+0.6)/2 = 0.65; columns' two: 0.8, 0.55, 0.2
    expected = [
        [1.8 - 0.7 - 0.8, 1.0 - 0.7 - 0.55, 0.2 - 0.7 - 0.2],
        [1.4 - 0.65 - 0.8, 1.2 - 0.65 - 0.55, 0.6 - 0.65 - 0.2],
    ]
    np.testing.assert_allclose(csls(similarity, 2), expected, atol=1e-12)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (1, 1)])
def test_csls_takes_all_neighbours_where_there_are_fewer(shape):
    similarity = np.random.default_rng(0).normal(size=shape)
    expected = 2 * similarity - similarity.mean(axis=1, keepdims=True) - similarity.mean(axis=0)
    np.testing.assert_allclose(csls(similarity), expected, atol=1e-12)


@given(matrices)
def test_csls_treats_both_sides_alike(similarity):
    np.testing.assert_allclose(csls(similarity.T, 2), csls(similarity, 2).T, atol=1e-12)


def test_sinkhorn_of_two_by_two_in_closed_form():
    """Scaling keeps ad / bc, and sums of 1 leave one p: p² / (1 − p)² = ad / bc."""
    a, b, c, d = 3.0, 1.0, 2.0, 5.0
    share = np.sqrt(a * d) / (np.sqrt(a * d) + np.sqrt(b * c))
    got = np.exp(sinkhorn(np.log([[a, b], [c, d]]), 1.0))
    np.testing.assert_allclose(got, [[share, 1 - share], [1 - share, share]], atol=1e-9)


@given(matrices)
def test_sinkhorn_gives_everyone_on_the_smaller_side_one_partner(similarity):
    num_rows, num_columns = similarity.shape
    probability = np.exp(sinkhorn(similarity, 1.0, num_steps=200))
    pairs = min(num_rows, num_columns)
    np.testing.assert_allclose(probability.sum(axis=0), pairs / num_columns, rtol=1e-9)
    np.testing.assert_allclose(probability.sum(axis=1), pairs / num_rows, rtol=1e-6)


@given(matrices, st.integers(0, 2**32 - 1))
def test_sinkhorn_forgets_what_a_whole_row_or_column_has_in_common(similarity, seed):
    rng = np.random.default_rng(seed)
    shifted = similarity + rng.normal(size=(len(similarity), 1)) + rng.normal(size=similarity.shape[1])
    np.testing.assert_allclose(sinkhorn(shifted, 1.0, 200), sinkhorn(similarity, 1.0, 200), atol=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_cold_sinkhorn_is_the_optimal_assignment(seed):
    similarity = np.random.default_rng(seed).normal(size=(6, 6))
    _, partner = linear_sum_assignment(-similarity)
    np.testing.assert_array_equal(sinkhorn(similarity, 0.02, num_steps=2000).argmax(axis=1), partner)


def test_more_steps_bring_the_rows_nearer():
    similarity = np.random.default_rng(0).normal(size=(20, 20))
    errors = [abs(np.exp(sinkhorn(similarity, 0.2, steps)).sum(axis=1) - 1.0).max() for steps in (1, 10, 100)]
    assert errors[0] > 2 * errors[1] > 4 * errors[2]


def test_low_temperatures_do_not_underflow():
    assert np.isfinite(sinkhorn(np.random.default_rng(0).normal(size=(8, 8)), 1e-3)).all()


@each_method
def test_a_hub_no_longer_stands_before_the_true_partner(normalise):
    """One sound is near to every video; unnormalised, all others fail."""
    rng = np.random.default_rng(0)
    similarity = 0.05 * rng.normal(size=(30, 30)) + 0.5 * np.eye(30)
    similarity[:, 7] += 0.65
    assert recall_at(true_ranks(similarity), 1) < 0.15
    assert recall_at(true_ranks(normalise(similarity)), 1) > 0.9


@each_method
@given(matrices, st.randoms(use_true_random=False))
def test_the_order_of_the_items_does_not_matter(normalise, similarity, random):
    rows, columns = (list(range(num)) for num in similarity.shape)
    random.shuffle(rows)
    random.shuffle(columns)
    shuffled = np.ix_(rows, columns)
    np.testing.assert_allclose(normalise(similarity[shuffled]), normalise(similarity)[shuffled], atol=1e-9)


@each_method
@pytest.mark.parametrize("value", [0.0, 0.1, -1 / 3])
def test_no_rounding_breaks_the_ties_of_a_constant_matrix(normalise, value):
    np.testing.assert_array_equal(true_ranks(normalise(np.full((13, 13), value))), np.full(13, 13))


@each_method
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_work_is_done_in_float64_and_beside_the_input(normalise, dtype):
    similarity = np.random.default_rng(0).normal(size=(4, 4)).astype(dtype)
    before = similarity.copy()
    answer = normalise(similarity)
    assert answer.dtype == np.float64
    np.testing.assert_array_equal(answer, normalise(similarity.astype(np.float64)))
    np.testing.assert_array_equal(similarity, before)


@each_method
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_by_its_place(normalise, value):
    similarity = np.zeros((3, 4))
    similarity[1, 2] = value
    with pytest.raises(UsageError, match=rf"similarity\[1, 2\] is {value}; only finite"):
        normalise(similarity)


@each_method
@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_an_empty_side_is_refused(normalise, shape):
    with pytest.raises(UsageError, match=rf"shape \({shape[0]}, {shape[1]}\)"):
        normalise(np.zeros(shape))


@pytest.mark.parametrize("temperature", [0.0, -1.0, np.nan])
def test_a_temperature_is_above_zero(temperature):
    with pytest.raises(UsageError, match=f"must be above 0, got {temperature:g}"):
        sinkhorn(np.eye(2), temperature)


def test_counts_start_at_one():
    with pytest.raises(UsageError, match="1 or more neighbours, got 0"):
        csls(np.eye(2), 0)
    with pytest.raises(UsageError, match="1 or more steps, got 0"):
        sinkhorn(np.eye(2), 1.0, 0)
