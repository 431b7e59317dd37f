"""Pairs are pulled together and negatives pushed out to a margin, with the hinge squared and plain."""

import math

import jaxtyping
import pytest
import torch

from avmatch.training.losses import hadsell, weighted_contrastive


def weighted(distance, is_pair, margin):
    return weighted_contrastive(distance, is_pair, margin, 0.25)


both = pytest.mark.parametrize("loss", [hadsell, weighted])
DISTANCE = torch.tensor([0.5, 0.4, 1.5])
IS_PAIR = torch.tensor([True, False, False])


def test_hadsell_is_that_of_the_formula():
    # ½·0.5² = 0.125, ½·(1 − 0.4)² = 0.18, and beyond the margin 0
    assert hadsell(DISTANCE, IS_PAIR, 1.0).item() == pytest.approx((0.125 + 0.18 + 0) / 3)


def test_the_weighted_form_is_that_of_the_formula():
    # 0.25·0.5² = 0.0625, 0.75·(1 − 0.4) = 0.45, and beyond the margin 0
    assert weighted_contrastive(DISTANCE, IS_PAIR, 1.0, 0.25).item() == pytest.approx((0.0625 + 0.45 + 0) / 3)


@both
def test_the_gradient_is_that_of_the_value(loss):
    distance = DISTANCE.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda distance: loss(distance, IS_PAIR, 1.0), (distance,))


@both
def test_the_order_of_the_pairs_doesn_t_matter(loss):
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(loss(DISTANCE[order], IS_PAIR[order], 1.0), loss(DISTANCE, IS_PAIR, 1.0))


@both
@pytest.mark.parametrize(("step", "gain"), [((-0.1, 0, 0), True), ((0, 0.1, 0), True), ((0, 0, 0.1), False)])
def test_near_pairs_and_far_strangers_cost_less_within_the_margin(loss, step, gain):
    before, after = loss(DISTANCE, IS_PAIR, 1.0), loss(DISTANCE + torch.tensor(step), IS_PAIR, 1.0)
    assert after < before if gain else after == before


@both
@pytest.mark.parametrize("is_pair", [True, False])
def test_vectors_that_meet_have_a_finite_gradient(loss, units, is_finite, is_pair):
    video = units(1, 8).requires_grad_()
    distance = torch.linalg.vector_norm(video - video.detach(), dim=-1)
    value = loss(distance, torch.tensor([is_pair]), 1.0)
    assert value.item() == (0 if is_pair else {hadsell: 0.5, weighted: 0.75}[loss])
    assert is_finite(value, video)


def test_the_weight_decides_which_side_counts():
    assert weighted_contrastive(DISTANCE, IS_PAIR, 1.0, 1.0).item() == pytest.approx(0.25 / 3)
    assert weighted_contrastive(DISTANCE, IS_PAIR, 1.0, 0.0).item() == pytest.approx(0.6 / 3)


@both
def test_low_precision_comes_in_and_float32_comes_out(loss, is_finite, low_precision):
    low = torch.tensor([300.0, 0.4, 1.5]).to(low_precision).requires_grad_()  # 300² is beyond float16
    value = loss(low, IS_PAIR, 1.0)
    torch.testing.assert_close(value, loss(low.float(), IS_PAIR, 1.0))
    assert is_finite(value, low)


@both
def test_wrong_shapes_are_named(loss):
    with pytest.raises(jaxtyping.TypeCheckError, match="parameter 'is_pair'"):
        loss(DISTANCE, IS_PAIR[:1], 1.0)


@both
@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("distance", "is_pair"), [(DISTANCE, IS_PAIR[:1]), (DISTANCE[:1], IS_PAIR), (DISTANCE[:, None], IS_PAIR)]
)
def test_nothing_is_broadcast_in_silence(loss, distance, is_pair):
    with pytest.raises(ValueError, match=r"distance \(\d.*\) and is_pair \(\d.*\) must be equal"):
        loss(distance, is_pair, 1.0)


@both
@pytest.mark.parametrize("margin", [0.0, -1.0, math.nan])
def test_a_margin_that_isn_t_positive_is_refused(loss, margin):
    with pytest.raises(ValueError, match="margin must be positive, got"):
        loss(DISTANCE, IS_PAIR, margin)


@pytest.mark.parametrize("weight", [-0.1, 1.1, math.nan])
def test_a_weight_that_isn_t_a_share_is_refused(weight):
    with pytest.raises(ValueError, match="weight must be in 0…1, got"):
        weighted_contrastive(DISTANCE, IS_PAIR, 1.0, weight)
