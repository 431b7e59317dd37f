"""What the tests of all losses need."""

import jaxtyping
import pytest
import torch
from torch.nn import functional


@pytest.fixture
def unchecked_types():
    """As outside the tests, where nothing but the losses themselves looks at shapes."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def random():
    """A generator of float64 numbers, for gradient checks: random(2, 3) has shape (2, 3) and wants a gradient."""
    generator = torch.Generator().manual_seed(0)
    return lambda *shape: torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()


@pytest.fixture
def units(random):
    """The same as unit vectors in float32, without a gradient."""
    return lambda *shape: functional.normalize(random(*shape).detach().float(), dim=-1)


@pytest.fixture(params=[torch.float16, torch.bfloat16], ids=["float16", "bfloat16"])
def low_precision(request):
    return request.param


@pytest.fixture
def is_finite():
    """Whether a loss and its gradient with respect to some tensors are finite."""

    def check(loss, *tensors):
        gradients = torch.autograd.grad(loss, tensors)
        return all(bool(value.isfinite().all()) for value in (loss, *gradients))

    return check
