"""In sync or not, from one logit a clip."""

import jaxtyping
import pytest
import torch

from avmatch.training.losses import sync_binary_cross_entropy

LOGIT = torch.tensor([0.0, 2.0, -1.0])
IN_SYNC = torch.tensor([True, False, False])


def test_the_value_is_that_of_the_formula():
    # −log σ(0) = 0.693147; −log(1 − σ(2)) = log(1 + e^2) = 2.126928; −log(1 − σ(−1)) = log(1 + e^-1) = 0.313262
    loss = sync_binary_cross_entropy(LOGIT, IN_SYNC)
    assert loss.item() == pytest.approx((0.693147 + 2.126928 + 0.313262) / 3, abs=1e-6)


def test_the_gradient_is_that_of_the_value():
    logit = LOGIT.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda logit: sync_binary_cross_entropy(logit, IN_SYNC), (logit,))


def test_the_order_of_the_clips_doesn_t_matter():
    order = torch.tensor([2, 0, 1])
    loss = sync_binary_cross_entropy(LOGIT, IN_SYNC)
    torch.testing.assert_close(sync_binary_cross_entropy(LOGIT[order], IN_SYNC[order]), loss)


def test_denying_everything_is_saying_the_opposite():
    loss = sync_binary_cross_entropy(LOGIT, IN_SYNC)
    torch.testing.assert_close(sync_binary_cross_entropy(-LOGIT, ~IN_SYNC), loss)


@pytest.mark.parametrize("index", [0, 1, 2])
def test_more_belief_in_the_truth_costs_less(index):
    better = LOGIT.clone()
    better[index] += 0.5 if IN_SYNC[index] else -0.5
    assert sync_binary_cross_entropy(better, IN_SYNC) < sync_binary_cross_entropy(LOGIT, IN_SYNC)


@pytest.mark.parametrize("logit", [-1e4, -100.0, 100.0, 1e4])
def test_a_sure_error_costs_its_logit_and_stays_finite(is_finite, logit):
    one = torch.tensor([logit], requires_grad=True)
    loss = sync_binary_cross_entropy(one, torch.tensor([logit < 0]))
    assert loss.item() == pytest.approx(abs(logit))
    assert is_finite(loss, one)


def test_low_precision_comes_in_and_float32_comes_out(is_finite, low_precision):
    low = (30000 * LOGIT).to(low_precision).requires_grad_()  # the sum is beyond float16
    loss = sync_binary_cross_entropy(low, IN_SYNC)
    torch.testing.assert_close(loss, sync_binary_cross_entropy(low.float(), IN_SYNC))
    assert is_finite(loss, low)


def test_wrong_shapes_are_named():
    with pytest.raises(jaxtyping.TypeCheckError, match="parameter 'in_sync'"):
        sync_binary_cross_entropy(LOGIT, IN_SYNC[:1])


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(("logit", "in_sync"), [(LOGIT, IN_SYNC[:1]), (LOGIT[:, None], IN_SYNC)])
def test_nothing_is_broadcast_in_silence(logit, in_sync):
    with pytest.raises(ValueError, match=r"Target size .* must be the same as input size"):
        sync_binary_cross_entropy(logit, in_sync)
