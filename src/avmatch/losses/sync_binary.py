"""Binary cross-entropy of "in sync", from one logit a clip.

    loss = − mean_b ( Y·log σ(z) + (1 − Y)·log(1 − σ(z)) )

The sigmoid is never formed: log σ(z) = − softplus(−z) is finite at any logit.

Letters in shapes: B batch.
"""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from avmatch.losses.precision import at_least_float32


def sync_binary_cross_entropy(logit: Float[Tensor, " B"], in_sync: Bool[Tensor, " B"]) -> Float[Tensor, ""]:
    """How surprising the truth is, in nats.

    Args:
        logit: (B,) z, positive where the network believes in sync.
        in_sync: (B,) Y, the truth.

    Raises:
        ValueError: the shapes differ.
    """
    logit = at_least_float32(logit)
    return functional.binary_cross_entropy_with_logits(logit, in_sync.to(logit.dtype))
