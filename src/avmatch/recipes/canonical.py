"""Canonical correlations: the directions of two spaces along which pairs vary together.

Hotelling, "Relations between two sets of variates" (1936), with a ridge on both covariances (Vinod 1976). Directions
are scaled by their correlations before they are compared, so that the doubtful ones count less (the scaling of Gong et
al., "A multi-view embedding space", 2014, section 3.4, with the power 1).

The kernel form (Hardoon, Szedmak and Shawe-Taylor 2004) first turns points into coordinates in the space of a Gaussian
kernel: the leading eigenvectors of the centred kernel matrix of the training points.

Letters in shapes: N training pairs, X and Y features of the sides, D directions, R coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64


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
