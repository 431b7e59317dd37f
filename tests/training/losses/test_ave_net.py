"""Do picture and sound correspond, by their distance alone?"""

import math

import jaxtyping
import pytest
import torch
from torch.nn import functional

from avmatch.systems.lips.published_task import AVENetLoss


def test_the_value_is_that_of_the_formula():
    video = torch.tensor([[2.0, 0.0], [0.0, 5.0]])
    audio = torch.tensor([[3.0, 4.0], [0.0, 0.1]])
    # Unit vectors (1, 0) and (0.6, 0.8): d = √(0.4² + 0.8²) = 0.894427; yes − no = 2·(0.707107 − d) = −0.374640.
    #   A pair: log(1 + e^0.374640) = log(2.454470) = 0.897911
    # Equal directions: d = 0; yes − no = 1.414214. Strangers: log(1 + e^1.414214) = log(5.113250) = 1.631835
    loss = AVENetLoss()(video, audio, torch.tensor([True, False]))
    assert loss.item() == pytest.approx((0.897911 + 1.631835) / 2, abs=1e-6)


def test_the_gradient_is_that_of_the_value(random):
    loss, is_pair = AVENetLoss(), torch.tensor([True, False, True])

    def value(video, audio, weight, bias):
        calibration = {"calibration.weight": weight, "calibration.bias": bias}
        return torch.func.functional_call(loss, calibration, (video, audio, is_pair))

    assert torch.autograd.gradcheck(value, (random(3, 4), random(3, 4), random(2, 1), random(2)))


def test_only_directions_count(units):
    loss, video, audio, is_pair = AVENetLoss(), units(4, 8), units(4, 8), torch.tensor([True, False, True, False])
    torch.testing.assert_close(loss(7 * video, audio / 3, is_pair), loss(video, audio, is_pair))


@pytest.mark.parametrize("is_pair", [True, False])
def test_the_first_step_goes_the_right_way(units, is_pair):
    """Nearness helps pairs and harms negatives from the start, which a random start wouldn't grant."""
    loss, video, audio, truth = AVENetLoss(), units(4, 8), units(4, 8), torch.full((4,), is_pair)
    nearer = functional.normalize(audio + 0.5 * video, dim=-1)
    assert (loss(video, nearer, truth) < loss(video, audio, truth)).item() == is_pair


def test_the_start_is_equally_and_moderately_sure_of_both_ends():
    video, audio = torch.eye(2), torch.tensor([[1.0, 0.0], [1.0, 0.0]])  # a pair at 0, negatives at √2
    sure = AVENetLoss().logits(video, audio).softmax(dim=-1)
    torch.testing.assert_close(sure, torch.tensor([[0.196, 0.804], [0.804, 0.196]]), atol=5e-4, rtol=0)


def test_the_calibration_is_learned(units):
    """Pairs at √2 and negatives at 0 are the wrong way round: the layer learns even that."""
    loss, is_pair = AVENetLoss(), torch.tensor([False, True])
    video, audio = torch.eye(2), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    optimiser = torch.optim.SGD(loss.parameters(), lr=1.0)
    for _ in range(100):
        optimiser.zero_grad()
        loss(video, audio, is_pair).backward()
        optimiser.step()
    assert loss(video, audio, is_pair) < math.log(2) / 2


@pytest.mark.parametrize("length", [1.0, 0.0])
@pytest.mark.parametrize("is_pair", [True, False])
def test_vectors_that_meet_and_vectors_of_no_length_have_finite_gradients(units, is_finite, length, is_pair):
    loss, video = AVENetLoss(), (length * units(1, 8)).requires_grad_()
    audio = video.detach().clone().requires_grad_()
    assert is_finite(loss(video, audio, torch.tensor([is_pair])), video, audio, *loss.parameters())


def test_a_vector_of_no_length_against_another_has_a_finite_gradient(units, is_finite):
    video, audio = torch.zeros(1, 8, requires_grad=True), units(1, 8)
    assert is_finite(AVENetLoss()(video, audio, torch.tensor([True])), video)


def test_low_precision_comes_in_and_float32_comes_out(units, is_finite, low_precision):
    loss, is_pair = AVENetLoss(), torch.tensor([True, False, True, False])
    low = [(100 * units(4, 512)).to(low_precision).requires_grad_() for _ in "va"]
    value = loss(*low, is_pair)
    torch.testing.assert_close(value, loss(*(tensor.float() for tensor in low), is_pair))
    assert is_finite(value, *low)


def test_autocast_changes_nothing(units):
    loss, video, audio, is_pair = AVENetLoss(), units(4, 8), units(4, 8), torch.tensor([True, False, True, False])
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(video, audio, is_pair)
    torch.testing.assert_close(value, loss(video, audio, is_pair), rtol=0, atol=0)


@pytest.mark.parametrize(("audio", "num", "name"), [((1, 8), 4, "audio"), ((4, 8), 1, "is_pair")])
def test_wrong_shapes_are_named(audio, num, name):
    with pytest.raises(jaxtyping.TypeCheckError, match=f"parameter '{name}'"):
        AVENetLoss()(torch.zeros(4, 8), torch.zeros(audio), torch.ones(num, dtype=torch.bool))


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("shape", [(1, 8), (4, 1)])
def test_nothing_is_broadcast_in_silence(shape):
    truth = torch.ones(4, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"video \(4, 8\) and audio \(\d, \d\) must be equal"):
        AVENetLoss()(torch.zeros(4, 8), torch.zeros(shape), truth)
    with pytest.raises(ValueError, match="batch_size"):
        AVENetLoss()(torch.zeros(1, 8), torch.zeros(1, 8), truth)
