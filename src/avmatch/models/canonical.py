"""Towers whose weights are computed, not descended to: what was fitted (recipes/canonical_pairs.py) as buffers.

Each member turns features (B, T, F) into vectors whose product with the other side's is a similarity; `Members` puts
them side by side, so that one product is their weighted sum.

Letters in shapes: B clips, T time steps, F features, L landmarks, D directions, G classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


def statistics(features: Float[Tensor, "B T F"], with_deviation: bool = True) -> Float[Tensor, "B D"]:
    """Mean over time (B, F), with the standard deviation (B, 2·F)."""
    mean = features.mean(dim=1)
    if not with_deviation:
        return mean
    deviation = (features - mean[:, None]).square().mean(dim=1).clamp_min(1e-12).sqrt()
    return torch.cat((mean, deviation), dim=1)


def distances(features: Float[Tensor, "B T F"]) -> Float[Tensor, "B P"]:
    """How far the clip at each time is from itself at each other time: P = T(T−1)/2 distances, a unit vector about 0.

    What the picture shows and what is heard change together, whatever they are.
    """
    square = features.square().sum(dim=2)
    apart = square[:, :, None] + square[:, None] - 2 * features @ features.transpose(1, 2)
    num_steps = features.shape[1]
    first, second = torch.triu_indices(num_steps, num_steps, offset=1, device=features.device)
    upper = apart[:, first, second].clamp_min(0).sqrt()
    return functional.normalize(upper - upper.mean(dim=1, keepdim=True), dim=1)


class Linear(nn.Module):
    """Unit vectors of `directions` of the clip's statistics."""

    def __init__(
        self, mean: Float[Tensor, " F"], directions: Float[Tensor, "F D"], with_deviation: bool = True
    ) -> None:
        super().__init__()
        self.mean, self.directions, self.with_deviation = nn.Buffer(mean), nn.Buffer(directions), with_deviation

    def forward(self, features: Float[Tensor, "B T F"]) -> Float[Tensor, "B D"]:
        """Unit vectors."""
        return functional.normalize((statistics(features, self.with_deviation) - self.mean) @ self.directions, dim=1)


class Classes(nn.Module):
    """Probabilities of classes, of the mean of the clip's features; each times its gain.

    softmax((features − mean) · directions + bias) · gains
    """

    def __init__(
        self,
        mean: Float[Tensor, " F"],
        directions: Float[Tensor, "F G"],
        bias: Float[Tensor, " G"],
        gains: Float[Tensor, " G"],
    ) -> None:
        super().__init__()
        self.mean, self.directions = nn.Buffer(mean), nn.Buffer(directions)
        self.bias, self.gains = nn.Buffer(bias), nn.Buffer(gains)

    def forward(self, features: Float[Tensor, "B T F"]) -> Float[Tensor, "B G"]:
        """One number a class, none of them negative."""
        told = statistics(features, with_deviation=False) - self.mean
        return functional.softmax(told @ self.directions + self.bias, dim=1) * self.gains


class Kernel(nn.Module):
    """Unit vectors of directions in a Gaussian kernel's space, spanned by the training clips.

    k(x, l) = exp(−width · |x · axes − l|²),   vector = (k − mean of k) · directions + bias
    """

    def __init__(
        self,
        mean: Float[Tensor, " F"],
        axes: Float[Tensor, "F d"],
        landmarks: Float[Tensor, "L d"],
        width: float,
        directions: Float[Tensor, "L D"],
        bias: Float[Tensor, " D"],
        with_deviation: bool = True,
    ) -> None:
        super().__init__()
        self.mean, self.axes, self.landmarks = nn.Buffer(mean), nn.Buffer(axes), nn.Buffer(landmarks)
        self.directions, self.bias = nn.Buffer(directions), nn.Buffer(bias)
        self.width, self.with_deviation = width, with_deviation

    def forward(self, features: Float[Tensor, "B T F"]) -> Float[Tensor, "B D"]:
        """Unit vectors."""
        told = statistics(features, self.with_deviation)
        kernel = gaussian((told - self.mean) @ self.axes, self.landmarks, self.width)
        centred = kernel - kernel.mean(dim=1, keepdim=True)
        return functional.normalize(centred @ self.directions + self.bias, dim=1)


class Changes(nn.Module):
    """What differs from the clip's mean at each step, along `directions`, the steps side by side."""

    def __init__(self, directions: Float[Tensor, "F D"]) -> None:
        super().__init__()
        self.directions = nn.Buffer(directions)

    def forward(self, features: Float[Tensor, "B T F"]) -> Float[Tensor, "B T*D"]:
        """Vectors whose length says how much changes."""
        return ((features - features.mean(dim=1, keepdim=True)) @ self.directions).flatten(1)


class Distances(nn.Module):
    """The clip's distances from itself, as they are, or along directions."""

    def __init__(self, mean: Float[Tensor, " P"] | None = None, directions: Float[Tensor, "P D"] | None = None) -> None:
        super().__init__()
        self.mean = None if mean is None else nn.Buffer(mean)
        self.directions = None if directions is None else nn.Buffer(directions)

    def forward(self, features: Float[Tensor, "B T F"]) -> Float[Tensor, "B D"]:
        """Unit vectors."""
        found = distances(features)
        if self.mean is None or self.directions is None:
            return found
        return functional.normalize((found - self.mean) @ self.directions, dim=1)


class Members(nn.Module):
    """Several towers side by side, each times its gain."""

    def __init__(self, members: Sequence[nn.Module], gains: Sequence[float]) -> None:
        super().__init__()
        self.members, self.gains = nn.ModuleList(members), tuple(gains)

    def forward(self, features: Float[Tensor, "B T F"]) -> Float[Tensor, "B D"]:
        """The products of two such vectors are the sums of gain · gain · product over the members."""
        vectors = [gain * member(features) for gain, member in zip(self.gains, self.members, strict=True)]
        return torch.cat(vectors, dim=1)


def gaussian(points: Float[Tensor, "B d"], landmarks: Float[Tensor, "L d"], width: float) -> Float[Tensor, "B L"]:
    """exp(−width · squared distance)."""
    square = points.square().sum(dim=1, keepdim=True) + landmarks.square().sum(dim=1) - 2 * points @ landmarks.T
    return torch.exp(-width * square.clamp_min(0))
