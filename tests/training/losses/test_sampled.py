"""One positive against K sampled negatives."""

import jaxtyping
import pytest
import torch
from torch.nn import functional

from avmatch.training.losses import sampled_cross_entropy


def test_the_value_is_that_of_the_formula():
    query = torch.tensor([[1.0, 0.0]])
    positive = torch.tensor([[0.6, 0.8]])
    negatives = torch.tensor([[[0.0, 1.0], [-1.0, 0.0]]])
    # Cosines 0.6, 0, -1, doubled 1.2, 0, -2: log(e^1.2 + e^0 + e^-2) - 1.2 = log(3.320117 + 1 + 0.135335) - 1.2
    #   = log(4.455452) - 1.2 = 1.494129 - 1.2
    assert sampled_cross_entropy(query, positive, negatives, 2.0).item() == pytest.approx(0.294129, abs=1e-6)


def test_the_gradient_is_that_of_the_value(random):
    scale = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(sampled_cross_entropy, (random(3, 4), random(3, 4), random(3, 5, 4), scale))


def test_the_order_of_the_negatives_doesn_t_matter(units):
    query, positive, negatives = units(4, 8), units(4, 8), units(4, 6, 8)
    shuffled = negatives[:, torch.tensor([3, 0, 5, 1, 4, 2])]
    loss = sampled_cross_entropy(query, positive, negatives, 5.0)
    torch.testing.assert_close(sampled_cross_entropy(query, positive, shuffled, 5.0), loss)


def test_each_query_has_its_own_negatives(units):
    query, positive, negatives = units(4, 8), units(4, 8), units(4, 6, 8)
    alone = [sampled_cross_entropy(query[[i]], positive[[i]], negatives[[i]], 5.0) for i in range(4)]
    torch.testing.assert_close(sampled_cross_entropy(query, positive, negatives, 5.0), torch.stack(alone).mean())


def test_a_nearer_positive_and_a_further_negative_cost_less(units):
    query, positive, negatives = units(4, 8), units(4, 8), units(4, 6, 8)
    loss = sampled_cross_entropy(query, positive, negatives, 5.0)
    nearer = functional.normalize(positive + 0.5 * query, dim=-1)
    further = functional.normalize(negatives - 0.5 * query[:, None], dim=-1)
    assert sampled_cross_entropy(query, nearer, negatives, 5.0) < loss
    assert sampled_cross_entropy(query, positive, further, 5.0) < loss


@pytest.mark.parametrize("num_negatives", [1, 7])
def test_equal_candidates_cost_the_logarithm_of_their_number(units, is_finite, num_negatives):
    query = units(1, 8).requires_grad_()
    same = query.detach()
    loss = sampled_cross_entropy(query, same, same.expand(1, num_negatives, 8), 100.0)
    assert loss.item() == pytest.approx(torch.tensor(num_negatives + 1.0).log().item(), rel=1e-5)
    assert is_finite(loss, query)


def test_low_precision_comes_in_and_float32_comes_out(units, is_finite, low_precision):
    low = [tensor.to(low_precision).requires_grad_() for tensor in (units(4, 8), units(4, 8), units(4, 300, 8))]
    loss = sampled_cross_entropy(*low, 100.0)
    torch.testing.assert_close(loss, sampled_cross_entropy(*(tensor.float() for tensor in low), 100.0))
    assert is_finite(loss, *low)


def test_autocast_changes_nothing(units):
    vectors = units(4, 8), units(4, 8), units(4, 30, 8)
    with torch.autocast("cpu", torch.bfloat16):
        loss = sampled_cross_entropy(*vectors, 100.0)
    torch.testing.assert_close(loss, sampled_cross_entropy(*vectors, 100.0), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("shapes", "name"),
    [
        (((4, 8), (1, 8), (4, 3, 8)), "positive"),
        (((4, 8), (4, 1), (4, 3, 8)), "positive"),
        (((4, 8), (4, 8), (1, 3, 8)), "negatives"),
        (((4, 8), (4, 8), (4, 8)), "negatives"),
    ],
)
def test_wrong_shapes_are_named(shapes, name):
    with pytest.raises(jaxtyping.TypeCheckError, match=f"parameter '{name}'"):
        sampled_cross_entropy(*(torch.zeros(shape) for shape in shapes), 1.0)


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    "shapes",
    [
        ((1, 8), (4, 8), (4, 3, 8)),
        ((4, 8), (1, 8), (4, 3, 8)),
        ((4, 8), (4, 1), (4, 3, 8)),
        ((4, 8), (4, 8), (1, 3, 8)),
    ],
)
def test_nothing_is_broadcast_in_silence(shapes):
    with pytest.raises((RuntimeError, ValueError), match=r"[Ss]izes? .*\d"):
        sampled_cross_entropy(*(torch.zeros(shape) for shape in shapes), 1.0)
