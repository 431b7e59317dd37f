"""Every other item of the batch is a negative, in both directions, with a learned temperature."""

import math

import jaxtyping
import pytest
import torch
from torch.nn import functional

from avmatch.training.losses import InfoNCE


def test_the_value_is_that_of_the_formula():
    video = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    audio = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    # Cosines over 0.5: (2, 1.2), (0, 1.6).
    # Rows: log(1 + e^-0.8) = 0.371101, log(1 + e^-1.6) = 0.183901, mean 0.277501
    # Columns: log(1 + e^-2) = 0.126928, log(1 + e^-0.4) = 0.513015, mean 0.319972
    assert InfoNCE(0.5)(video, audio).item() == pytest.approx((0.277501 + 0.319972) / 2, abs=1e-6)


@pytest.mark.parametrize("masked", [False, True])
def test_the_gradient_is_that_of_the_value(random, masked):
    loss = InfoNCE(0.2).double()
    positives = torch.tensor([4, 0, 2])
    same = torch.zeros(3, 5, dtype=torch.bool)
    same[0, 1] = same[2, 0] = masked

    def value(video, audio, log_scale):
        return torch.func.functional_call(loss, {"log_scale": log_scale}, (video, audio, positives, same))

    log_scale = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(value, (random(3, 4), random(5, 4), log_scale))


def test_shuffling_the_pairs_and_swapping_the_sides_change_nothing(units):
    loss, video, audio = InfoNCE(), units(6, 8), units(6, 8)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(loss(video[order], audio[order]), loss(video, audio))
    torch.testing.assert_close(loss(audio, video), loss(video, audio))


def test_positives_say_which_row_is_whose(units):
    loss, video, audio = InfoNCE(), units(6, 8), units(6, 8)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(loss(video, audio[order], order.argsort()), loss(video, audio))


def test_more_audio_is_harder_only_for_the_videos(units):
    """With a gallery from several processes, each own audio still chooses among the videos given."""
    loss, video, audio = InfoNCE(0.2), units(2, 8), units(6, 8)
    logits = video @ audio.T / 0.2
    positives = torch.tensor([4, 1])
    to_audio = logits.logsumexp(dim=1) - logits[[0, 1], positives]
    to_video = logits[:, positives].logsumexp(dim=0) - logits[[0, 1], positives]
    torch.testing.assert_close(loss(video, audio, positives), (to_audio.mean() + to_video.mean()) / 2)


def test_aligned_towers_cost_less(units):
    loss, video, audio = InfoNCE(), units(6, 8), units(6, 8)
    better = functional.normalize(audio + 0.5 * video, dim=-1)
    assert loss(video, better) < loss(video, audio)


@pytest.mark.parametrize(
    ("same", "rows", "columns"),
    [
        # 0 and 1 are windows of one recording: they choose between themselves and 2, and 2 among all.
        (((1, 1, 0), (1, 1, 0), (0, 0, 1)), ([0, 2], [1, 2], [0, 1, 2]), ([0, 2], [1, 2], [0, 1, 2])),
        # Audio 1 isn't wrong for video 0; neither then is video 0 for audio 1, and nothing else changes.
        (((0, 1, 0), (0, 0, 0), (0, 0, 0)), ([0, 2], [0, 1, 2], [0, 1, 2]), ([0, 1, 2], [1, 2], [0, 1, 2])),
    ],
)
def test_pairs_of_the_same_recording_are_left_out_and_positives_never(units, same, rows, columns):
    video, audio = units(3, 8), units(3, 8)
    logits = video @ audio.T / 0.2
    to_audio = [logits[i, choice].logsumexp(0) - logits[i, i] for i, choice in enumerate(rows)]
    to_video = [logits[choice, i].logsumexp(0) - logits[i, i] for i, choice in enumerate(columns)]
    loss = InfoNCE(0.2)(video, audio, same=torch.tensor(same, dtype=torch.bool))
    torch.testing.assert_close(loss, torch.stack(to_audio + to_video).mean())


def test_videos_that_share_one_audio_aren_t_each_other_s_strangers(units):
    video, audio = units(1, 8).expand(2, 8), units(1, 8)
    positives, same = torch.tensor([0, 0]), torch.ones(2, 1, dtype=torch.bool)
    assert InfoNCE()(video, audio, positives, same).item() == 0


def test_a_batch_of_one_or_of_one_recording_teaches_nothing(units, is_finite):
    loss = InfoNCE()
    for num in (1, 3):
        video, audio = units(num, 8).requires_grad_(), units(num, 8).requires_grad_()
        value = loss(video, audio, same=torch.ones(num, num, dtype=torch.bool))
        assert value.item() == 0
        assert is_finite(value, video, audio, loss.log_scale)


def test_identical_vectors_cost_the_logarithm_of_their_number(units, is_finite):
    loss, video = InfoNCE(0.01), units(1, 8).repeat(5, 1).requires_grad_()
    value = loss(video, video)
    assert value.item() == pytest.approx(math.log(5), rel=1e-5)
    assert is_finite(value, video, loss.log_scale)


def test_the_temperature_is_learned_or_not():
    assert InfoNCE(0.07).scale().item() == pytest.approx(1 / 0.07)
    assert [name for name, _ in InfoNCE().named_parameters()] == ["log_scale"]
    fixed = InfoNCE(0.2, learnable=False)
    assert list(fixed.parameters()) == []
    assert fixed.state_dict()["log_scale"].item() == pytest.approx(math.log(5))


def test_no_cosine_is_multiplied_by_more_than_a_hundred_and_the_scale_comes_down_again():
    loss = InfoNCE(0.01)
    with torch.no_grad():
        loss.log_scale += 3
    video, audio = torch.eye(2), torch.eye(2).flip(0)  # each is most like the wrong one: a smaller scale would help
    value = loss(video, audio)
    assert value.item() == pytest.approx(100, abs=1e-3)
    value.backward()
    assert loss.log_scale.grad.item() == pytest.approx(100, abs=1e-2)  # of e^τ − 0 with respect to τ
    assert loss.log_scale.item() == pytest.approx(math.log(100))


def test_two_batches_may_go_before_one_backward(units):
    loss = InfoNCE(0.01)
    (loss(units(3, 8), units(3, 8)) + loss(units(3, 8), units(3, 8))).backward()
    assert loss.log_scale.grad.isfinite()


@pytest.mark.parametrize("temperature", [0.0099, 0.0, -1.0, math.nan])
def test_a_temperature_too_small_is_refused(temperature):
    with pytest.raises(ValueError, match=r"at least 0\.01, got"):
        InfoNCE(temperature)


def test_low_precision_comes_in_and_float32_comes_out(units, is_finite, low_precision):
    loss = InfoNCE(0.01)
    low = [tensor.to(low_precision).requires_grad_() for tensor in (units(300, 8), units(300, 8))]
    value = loss(*low)
    torch.testing.assert_close(value, loss(*(tensor.float() for tensor in low)))
    assert is_finite(value, *low, loss.log_scale)


def test_autocast_changes_nothing(units):
    loss, video, audio = InfoNCE(0.01), units(30, 8), units(30, 8)
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(video, audio)
    torch.testing.assert_close(value, loss(video, audio), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("audio", "positives", "same", "name"),
    [((4, 1), 4, (4, 4), "audio"), ((4, 8), 1, (4, 4), "positives"), ((4, 8), 4, (1, 4), "same")],
)
def test_wrong_shapes_are_named(audio, positives, same, name):
    with pytest.raises(jaxtyping.TypeCheckError, match=f"parameter '{name}'"):
        InfoNCE()(
            torch.zeros(4, 8),
            torch.zeros(audio),
            torch.zeros(positives, dtype=torch.int64),
            torch.zeros(same, dtype=torch.bool),
        )


@pytest.mark.parametrize("num_audio", [1, 7])
def test_as_many_videos_as_audio_unless_positives_say_more(num_audio):
    with pytest.raises(ValueError, match=f"4 videos but {num_audio} audio: say in `positives`"):
        InfoNCE()(torch.zeros(4, 8), torch.zeros(num_audio, 8))


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("shape", [(1, 4), (4, 1)])
def test_a_mask_isn_t_broadcast(shape):
    with pytest.raises(ValueError, match=r"same must have shape \(4, 4\), got \("):
        InfoNCE()(torch.zeros(4, 8), torch.zeros(4, 8), same=torch.zeros(shape, dtype=torch.bool))
