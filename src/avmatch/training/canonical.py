"""Canonical correlations: the directions of two spaces along which pairs vary together.

Hotelling, "Relations between two sets of variates" (1936), with a ridge on both covariances (Vinod 1976). Directions
are scaled by their correlations before they are compared, so that the doubtful ones count less (the scaling of Gong et
al., "A multi-view embedding space", 2014, section 3.4, with the power 1).

The kernel form (Hardoon, Szedmak and Shawe-Taylor 2004) first turns points into coordinates in the space of a Gaussian
kernel: the leading eigenvectors of the centred kernel matrix of the training points.

Letters in shapes: N training pairs, X and Y features of the sides, D directions, R coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, eq=False)
class Canonical:
    """Means and scaled directions of both sides: project (x − mean) · directions."""

    first_mean: Float64[np.ndarray, " X"]
    second_mean: Float64[np.ndarray, " Y"]
    first: Float64[np.ndarray, "X D"]
    second: Float64[np.ndarray, "Y D"]
    correlations: Float64[np.ndarray, " D"]


def canonical(
    first: Float[np.ndarray, "N X"],
    second: Float[np.ndarray, "N Y"],
    ridge: tuple[float, float],
    num_directions: int,
    power: float = 1.0,
) -> Canonical:
    """Fit.

    Args:
        first, second: the pairs, row by row.
        ridge: added to the diagonal of each covariance, in units of its mean.
        num_directions: how many to keep, the most correlated first.
        power: directions are scaled by correlation ** power; 0 leaves them alike.
    """
    first_mean, second_mean = first.mean(axis=0, dtype=np.float64), second.mean(axis=0, dtype=np.float64)
    x, y = first - first_mean, second - second_mean
    white_x, white_y = (_inverse_root(side, part) for side, part in zip((x, y), ridge, strict=True))
    left, correlations, right = np.linalg.svd(white_x @ (x.T @ y / len(x)) @ white_y, full_matrices=False)
    kept = slice(min(num_directions, len(correlations)))
    scale = correlations[kept] ** power
    return Canonical(
        first_mean, second_mean, white_x @ left[:, kept] * scale, white_y @ right[kept].T * scale, correlations[kept]
    )


@dataclass(frozen=True, eq=False)
class Whitening:
    """Scaled principal components: project (x − mean) · components."""

    mean: Float64[np.ndarray, " X"]
    components: Float64[np.ndarray, "X D"]


def whitening(points: Float[np.ndarray, "N X"], num_components: int, power: float = 1.0) -> Whitening:
    """The leading principal components of the training points, each divided by its deviation ** power.

    With power 1 all have unit variance; whatever the power, their variances have the mean 1.
    """
    mean = points.mean(axis=0, dtype=np.float64)
    centred = points - mean
    variances, axes = np.linalg.eigh(centred.T @ centred / len(points))
    kept = np.flatnonzero(variances > 1e-12 * variances[-1])[::-1][:num_components]
    remaining = variances[kept] ** (1.0 - power)
    scale = variances[kept] ** (-power / 2) / np.sqrt(remaining.mean())
    return Whitening(mean, axes[:, kept] * scale)


@dataclass(frozen=True, eq=False)
class KernelSpace:
    """The space of a Gaussian kernel, seen from its training points.

    Attributes:
        width: of exp(−width · squared distance); 1 over the median squared distance.
        coordinates: (N, R) of the training points.
        projection, shift: coordinates of a point with kernel values k: (k − mean(k)) · projection − shift.
    """

    width: float
    coordinates: Float64[np.ndarray, "N R"]
    projection: Float64[np.ndarray, "N R"]
    shift: Float64[np.ndarray, " R"]


def kernel_space(points: Float[np.ndarray, "N D"], num_coordinates: int) -> KernelSpace:
    """Kernel PCA (Schölkopf, Smola and Müller 1998) of the training points."""
    square = (points**2).sum(axis=1)
    apart = np.maximum(square[:, None] + square[None] - 2 * points @ points.T, 0.0)
    width = float(1.0 / np.median(apart))
    kernel = np.exp(-width * apart)
    mean = kernel.mean(axis=0)
    values, vectors = np.linalg.eigh(kernel - mean - mean[:, None] + mean.mean())
    values, vectors = values[::-1][:num_coordinates], vectors[:, ::-1][:, :num_coordinates]
    kept = values > 1e-6 * values[0]
    values, vectors = values[kept], vectors[:, kept]
    projection = vectors / np.sqrt(values)
    return KernelSpace(width, vectors * np.sqrt(values), projection, (mean - mean.mean()) @ projection)


def _inverse_root(side: Float64[np.ndarray, "N X"], ridge: float) -> Float64[np.ndarray, "X X"]:
    """The inverse square root of the side's covariance with its ridge."""
    covariance = side.T @ side / len(side)
    covariance += ridge * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    values, vectors = np.linalg.eigh(covariance)
    return (vectors / np.sqrt(np.maximum(values, 1e-12))) @ vectors.T


# Towers whose weights are computed, not descended to: what was fitted (systems/two_tower/canonical.py) as buffers.
#
# Each member turns features (B, T, F) into vectors whose product with the other side's is a similarity; `Members`
# puts
# them side by side, so that one product is their weighted sum.
#
# Letters in shapes: B clips, T time steps, F features, L landmarks, D directions, G classes.


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
