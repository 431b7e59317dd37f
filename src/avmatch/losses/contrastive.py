"""Contrastive losses of pairs: pull what belongs together, push strangers out to a margin.

    hadsell                mean_b  ½·Y·D² + ½·(1 − Y)·max(0, m − D)²
    weighted_contrastive   mean_b  λ·Y·D² + (1 − λ)·(1 − Y)·max(0, m − D)

Y = 1 for a pair. The first is eq. 4 of Hadsell, Chopra and LeCun, "Dimensionality reduction by learning an invariant
mapping" (CVPR 2006), where Y = 0 means similar, so that Y and 1 − Y change places. The second balances the two sides by
λ, and its hinge isn't squared: a stranger is pushed equally hard all the way out.

Distances are the caller's: `torch.linalg.vector_norm` has the gradient 0 where two vectors meet, whereas the square
root of a sum of squares has NaN.

Letters in shapes: B batch.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from avmatch.losses.precision import at_least_float32


def hadsell(distance: Float[Tensor, " B"], is_pair: Bool[Tensor, " B"], margin: float) -> Float[Tensor, ""]:
    """The contrastive loss with the squared hinge.

    Args:
        distance: (B,) Euclidean distances D, not negative.
        is_pair: (B,) Y, whether the two belong together.
        margin: m, the distance beyond which strangers are left alone; positive.

    Raises:
        ValueError: the margin isn't positive, or the shapes differ.
    """
    distance = _checked(distance, is_pair, margin)
    hinge = (margin - distance).clamp(min=0)
    return torch.where(is_pair, distance.square(), hinge.square()).mean() / 2


def weighted_contrastive(
    distance: Float[Tensor, " B"], is_pair: Bool[Tensor, " B"], margin: float, weight: float
) -> Float[Tensor, ""]:
    """The contrastive loss with the plain hinge.

    Args:
        distance: (B,) Euclidean distances D, not negative.
        is_pair: (B,) Y, whether the two belong together.
        margin: m, the distance beyond which strangers are left alone; positive.
        weight: λ in 0…1, the share of the pairs.

    Raises:
        ValueError: the margin isn't positive, the weight is outside 0…1, or the shapes differ.
    """
    if not 0 <= weight <= 1:
        raise ValueError(f"weight must be in 0…1, got {weight}")
    distance = _checked(distance, is_pair, margin)
    hinge = (margin - distance).clamp(min=0)
    return torch.where(is_pair, weight * distance.square(), (1 - weight) * hinge).mean()


def _checked(distance: Float[Tensor, " B"], is_pair: Bool[Tensor, " B"], margin: float) -> Float[Tensor, " B"]:
    if not margin > 0:
        raise ValueError(f"margin must be positive, got {margin}")
    if distance.shape != is_pair.shape:
        raise ValueError(f"distance {tuple(distance.shape)} and is_pair {tuple(is_pair.shape)} must be equal (batch,)")
    return at_least_float32(distance)
