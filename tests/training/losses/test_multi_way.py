"""Which of N sounds belongs to the picture, by inverse distance and by cosine."""

import math

import jaxtyping
import pytest
import torch
from torch.nn import functional

from avmatch.training.losses import multi_way_cosine, multi_way_inverse_distance


def cosine(video, audio, target):
    return multi_way_cosine(video, audio, target, 4.0)


both = pytest.mark.parametrize("loss", [multi_way_inverse_distance, cosine])


def test_the_inverse_distance_is_that_of_the_formula():
    video = torch.zeros(1, 2)
    audio = torch.tensor([[[3.0, 4.0], [1.0, 0.0], [0.0, 2.0]]])
    # Distances 5, 1, 2, inverse 0.2, 1, 0.5: log(e^0.2 + e^1 + e^0.5) - 1 = log(1.221403 + 2.718282 + 1.648721) - 1
    #   = log(5.588406) - 1 = 1.720694 - 1. The softened distance moves the fifth decimal.
    loss = multi_way_inverse_distance(video, audio, torch.tensor([1]))
    assert loss.item() == pytest.approx(0.720694, abs=5e-5)


def test_the_cosine_is_that_of_the_formula():
    video = torch.tensor([[1.0, 0.0]])
    audio = torch.tensor([[[0.0, 1.0], [-1.0, 0.0], [0.6, 0.8]]])
    # Cosines 0, -1, 0.6, fourfold 0, -4, 2.4: log(1 + e^-4 + e^2.4) - 2.4 = log(1 + 0.018316 + 11.023176) - 2.4
    #   = log(12.041492) - 2.4 = 2.488358 - 2.4
    assert cosine(video, audio, torch.tensor([2])).item() == pytest.approx(0.088358, abs=1e-6)


@both
def test_the_gradient_is_that_of_the_value(loss, random):
    assert torch.autograd.gradcheck(loss, (random(3, 4), random(3, 5, 4), torch.tensor([0, 4, 2])))


@both
def test_moving_the_candidates_and_the_target_together_changes_nothing(loss, units):
    video, audio, target = units(3, 8), units(3, 5, 8), torch.tensor([0, 4, 2])
    order = torch.tensor([2, 0, 4, 1, 3])
    moved = order.argsort()[target]
    torch.testing.assert_close(loss(video, audio[:, order], moved), loss(video, audio, target))


@both
def test_a_nearer_partner_costs_less(loss, units):
    video, audio, target = units(3, 8), units(3, 5, 8), torch.tensor([0, 4, 2])
    better = audio.clone()
    better[range(3), target] = functional.normalize(audio[range(3), target] + 0.5 * video, dim=-1)
    assert loss(video, better, target) < loss(video, audio, target)


@both
def test_equal_candidates_cost_the_logarithm_of_their_number(loss, units, is_finite):
    video = units(2, 8).requires_grad_()
    audio = video.detach()[:, None].expand(2, 6, 8).clone().requires_grad_()
    value = loss(video, audio, torch.tensor([0, 5]))
    assert value.item() == pytest.approx(math.log(6), rel=1e-5)
    assert is_finite(value, video, audio)


@both
def test_one_candidate_is_no_choice(loss, units, is_finite):
    video, audio = units(1, 8).requires_grad_(), units(1, 1, 8)
    value = loss(video, audio, torch.tensor([0]))
    assert value.item() == 0
    assert is_finite(value, video)


def test_a_stranger_at_distance_zero_costs_a_hundred_nats_at_most(units, is_finite):
    video = units(1, 8).requires_grad_()
    audio = torch.stack((video.detach(), -video.detach()), dim=1).requires_grad_()
    # Logits 1 / 0.01 and 1 / √(4 + 0.0001) = 0.499994
    value = multi_way_inverse_distance(video, audio, torch.tensor([1]))
    assert value.item() == pytest.approx(99.500006, abs=1e-3)
    assert is_finite(value, video, audio)


def test_a_stranger_beside_the_video_is_pushed_away():
    video = torch.zeros(1, 1)
    audio = torch.tensor([[[0.001], [-0.5]]], requires_grad=True)
    multi_way_inverse_distance(video, audio, torch.tensor([1])).backward()
    # d/dx of (x² + ε²)^-½ is −x·(x² + ε²)^-1.5 = −0.001 / (0.000101)^1.5 = −0.001 / 1.015037e-6
    assert audio.grad[0, 0].item() == pytest.approx(-985.19, rel=1e-4)


@both
def test_low_precision_comes_in_and_float32_comes_out(loss, units, is_finite, low_precision):
    low = [tensor.to(low_precision).requires_grad_() for tensor in (units(3, 8), units(3, 5, 8))]
    target = torch.tensor([0, 4, 2])
    value = loss(*low, target)
    torch.testing.assert_close(value, loss(*(tensor.float() for tensor in low), target))
    assert is_finite(value, *low)


@both
def test_long_half_precision_vectors_don_t_overflow(loss, is_finite):
    video, audio = torch.full((1, 512), 100.0).half(), torch.full((1, 2, 512), -100.0).half().requires_grad_()
    value = loss(video, audio, torch.tensor([1]))  # the squares add up to 20 million, far beyond 65504
    assert value.item() == pytest.approx(math.log(2))
    assert is_finite(value, audio)


@both
def test_autocast_changes_nothing(loss, units):
    video, audio, target = units(3, 8), units(3, 5, 8), torch.tensor([0, 4, 2])
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(video, audio, target)
    torch.testing.assert_close(value, loss(video, audio, target), rtol=0, atol=0)


@both
@pytest.mark.parametrize(
    ("video", "audio", "target", "name"),
    [((1, 8), (3, 5, 8), 3, "audio"), ((3, 8), (3, 8), 3, "audio"), ((3, 8), (3, 5, 8), 1, "target")],
)
def test_wrong_shapes_are_named(loss, video, audio, target, name):
    with pytest.raises(jaxtyping.TypeCheckError, match=f"parameter '{name}'"):
        loss(torch.zeros(video), torch.zeros(audio), torch.zeros(target, dtype=torch.int64))


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(("num_videos", "num_lists"), [(1, 3), (3, 1)])
def test_nothing_is_broadcast_in_silence(num_videos, num_lists):
    video, audio, target = torch.zeros(num_videos, 8), torch.zeros(num_lists, 5, 8), torch.zeros(3, dtype=torch.int64)
    with pytest.raises(ValueError, match=f"{num_videos} videos but {num_lists} lists"):
        multi_way_inverse_distance(video, audio, target)
    with pytest.raises(RuntimeError, match="Expected size"):
        cosine(video, audio, target)
