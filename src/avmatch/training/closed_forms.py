"""What follows from the training set in closed form, or from one convex fit; and the towers that keep it as buffers.

*Canonical correlations*, the directions of two spaces along which pairs vary together: Hotelling, "Relations between
two sets of variates" (1936), with a ridge on both covariances (Vinod 1976). Directions are scaled by their correlations
before they are compared, so that doubtful ones count less (Gong et al., "A multi-view embedding space", 2014, section
3.4, with the power 1). The kernel form (Hardoon, Szedmak and Shawe-Taylor 2004) first turns points into coordinates in
the space of a Gaussian kernel: the leading eigenvectors of the centred kernel matrix of the training points.

*Discriminant analysis* with a shrunk covariance: Friedman, "Regularized discriminant analysis" (1989). The statistics
of each class are taken for normal about its mean μ_c, with one covariance Σ for all:

    logit_c = xᵀ Σ⁻¹ μ_c − μ_cᵀ Σ⁻¹ μ_c / 2 + log share_c        Σ = (1 − s) · Σ_within + s · mean variance · I

*Softmax regression* minimises the mean log loss with a ridge on the weights.

The towers turn features (B, T, F) into vectors whose product with the other side's is a similarity; `Members` puts them
side by side, so that one product is their weighted sum.

Letters in shapes: N training items or pairs, X and Y features of the sides, D directions or statistics, R coordinates,
C and G classes, B clips, T time steps, F features, L landmarks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.optimize
import torch
from jaxtyping import Bool, Float, Float64, Int
from scipy.special import log_softmax
from torch import Tensor, nn
from torch.nn import functional

_MAX_ITERATIONS = 1000


@dataclass(frozen=True, eq=False)
class Projection:
    """(points − mean) · directions."""

    mean: Float64[np.ndarray, " X"]
    directions: Float64[np.ndarray, "X D"]


def canonical(
    first: Float[np.ndarray, "N X"],
    second: Float[np.ndarray, "N Y"],
    ridge: tuple[float, float],
    num_directions: int,
    power: float = 1.0,
) -> tuple[Projection, Projection]:
    """The most correlated directions of both sides.

    Args:
        first, second: the pairs, row by row.
        ridge: added to the diagonal of each covariance, in units of its mean.
        num_directions: how many to keep.
        power: directions are scaled by correlation ** power; 0 leaves them alike.
    """
    means = [side.mean(axis=0, dtype=np.float64) for side in (first, second)]
    x, y = first - means[0], second - means[1]
    white_x, white_y = (_inverse_root(side, part) for side, part in zip((x, y), ridge, strict=True))
    left, correlations, right = np.linalg.svd(white_x @ (x.T @ y / len(x)) @ white_y, full_matrices=False)
    kept = slice(min(num_directions, len(correlations)))
    scale = correlations[kept] ** power
    return (
        Projection(means[0], white_x @ left[:, kept] * scale),
        Projection(means[1], white_y @ right[kept].T * scale),
    )


def whitening(points: Float[np.ndarray, "N X"], num_components: int, power: float = 1.0) -> Projection:
    """The leading principal components of the training points, each divided by its deviation ** power.

    With power 1 all have unit variance; whatever the power, their variances have the mean 1.
    """
    mean = points.mean(axis=0, dtype=np.float64)
    centred = points - mean
    variances, axes = np.linalg.eigh(centred.T @ centred / len(points))
    kept = np.flatnonzero(variances > 1e-12 * variances[-1])[::-1][:num_components]
    remaining = variances[kept] ** (1.0 - power)
    scale = variances[kept] ** (-power / 2) / np.sqrt(remaining.mean())
    return Projection(mean, axes[:, kept] * scale)


@dataclass(frozen=True, eq=False)
class KernelSpace:
    """The space of a Gaussian kernel, spanned by its training points.

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
    squared = np.maximum(square[:, None] + square[None] - 2 * points @ points.T, 0.0)
    width = float(1.0 / np.median(squared))
    kernel = np.exp(-width * squared)
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


@dataclass(frozen=True, eq=False)
class Discriminants:
    """logits = statistics · weights + bias."""

    weights: Float64[np.ndarray, "D C"]
    bias: Float64[np.ndarray, " C"]


def discriminants(
    items: Float64[np.ndarray, "N D"],
    label: Int[np.ndarray, " N"],
    num_classes: int,
    shrinkage: float,
    columns: Bool[np.ndarray, " D"],
) -> Discriminants:
    """Fitted to `columns` of the statistics alone; the others have weight 0. A class without items never wins."""
    count = np.bincount(label, minlength=num_classes)
    share = (count + 1e-9) / (count + 1e-9).sum()
    points = items[:, columns]
    member = np.eye(num_classes)[label]
    mean = member.T @ points / np.maximum(count, 1)[:, None]
    mean[count == 0] = mean[count.argmax()]  # at 0, far from all, it would win where every class is far
    centred = points - mean[label]
    within = centred.T @ centred / max(1, len(points))
    size = within.shape[0]
    spread = float(np.trace(within)) / max(1, size) or 1.0
    within = (1 - shrinkage) * within + shrinkage * spread * np.eye(size)
    weights = np.zeros((items.shape[1], num_classes))
    weights[columns] = scipy.linalg.solve(within, mean.T, assume_a="pos") if size else 0.0
    bias = np.log(share) - (weights[columns] * mean.T).sum(axis=0) / 2
    return Discriminants(weights, bias)


def softmax_regression(
    points: Float64[np.ndarray, "N D"], label: Int[np.ndarray, " N"], num_classes: int, ridge: float
) -> Discriminants:
    """Where the mean log loss + ridge / 2 · |weights|² is least; the bias costs nothing."""
    num, size = points.shape
    member = np.eye(num_classes)[label]

    def loss(flat: Float64[np.ndarray, " P"]) -> tuple[float, Float64[np.ndarray, " P"]]:
        rows = flat.reshape(size + 1, num_classes)
        weights, bias = rows[:-1], rows[-1]
        log_shares = log_softmax(points @ weights + bias, axis=1)
        excess = (np.exp(log_shares) - member) / num
        value = -(member * log_shares).sum() / num + ridge / 2 * (weights**2).sum()
        return float(value), np.concatenate([(points.T @ excess + ridge * weights).ravel(), excess.sum(axis=0)])

    start = np.zeros((size + 1) * num_classes)
    found = scipy.optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _MAX_ITERATIONS})
    rows = np.asarray(found.x).reshape(size + 1, num_classes)
    return Discriminants(rows[:-1], rows[-1])


def statistics(features: Float[Tensor, "B T F"], with_deviation: bool = True) -> Float[Tensor, "B D"]:
    """Mean over time (B, F), with the standard deviation (B, 2·F)."""
    mean = features.mean(dim=1)
    if not with_deviation:
        return mean
    deviation = (features - mean[:, None]).square().mean(dim=1).clamp_min(1e-12).sqrt()
    return torch.cat((mean, deviation), dim=1)


def distances(features: Float[Tensor, "B T F"]) -> Float[Tensor, "B P"]:
    """How far the clip at each time is from itself at each other time: P = T(T−1)/2 distances, a unit vector about 0.

    What the picture shows and what the sound contains change together, whatever they are.
    """
    square = features.square().sum(dim=2)
    squared = square[:, :, None] + square[:, None] - 2 * features @ features.transpose(1, 2)
    num_steps = features.shape[1]
    first, second = torch.triu_indices(num_steps, num_steps, offset=1, device=features.device)
    upper = squared[:, first, second].clamp_min(0).sqrt()
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
        centred = statistics(features, with_deviation=False) - self.mean
        return functional.softmax(centred @ self.directions + self.bias, dim=1) * self.gains


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
        points = (statistics(features, self.with_deviation) - self.mean) @ self.axes
        kernel = gaussian(points, self.landmarks, self.width)
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
