"""Linear classifiers that one fit gives: discriminant analysis, and softmax regression.

The first has a shrunk covariance (Friedman 1989, "Regularized discriminant analysis"). The statistics of each class are
taken for normal about its mean μ_c, with one covariance Σ for all:

    logit_c = xᵀ Σ⁻¹ μ_c − μ_cᵀ Σ⁻¹ μ_c / 2 + log share_c        Σ = (1 − s) · Σ_within + s · mean variance · I

Letters in shapes: N items, D statistics, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.optimize
from jaxtyping import Bool, Float64, Int
from scipy.special import log_softmax

_MAX_ITERATIONS = 1000


@dataclass(frozen=True, eq=False)
class Discriminants:
    """logits = statistics · weights + bias."""

    weights: Float64[np.ndarray, "D C"]
    bias: Float64[np.ndarray, " C"]


def discriminants(
    statistics: Float64[np.ndarray, "N D"],
    label: Int[np.ndarray, " N"],
    num_classes: int,
    shrinkage: float,
    columns: Bool[np.ndarray, " D"],
) -> Discriminants:
    """Fitted to `columns` of the statistics; the others have weight 0. A class without items never wins."""
    count = np.bincount(label, minlength=num_classes)
    share = (count + 1e-9) / (count + 1e-9).sum()
    points = statistics[:, columns]
    member = np.eye(num_classes)[label]
    mean = member.T @ points / np.maximum(count, 1)[:, None]
    mean[count == 0] = mean[count.argmax()]  # at 0, far from all, it would win where every class is far
    apart = points - mean[label]
    within = apart.T @ apart / max(1, len(points))
    size = within.shape[0]
    spread = float(np.trace(within)) / max(1, size) or 1.0
    within = (1 - shrinkage) * within + shrinkage * spread * np.eye(size)
    weights = np.zeros((statistics.shape[1], num_classes))
    weights[columns] = scipy.linalg.solve(within, mean.T, assume_a="pos") if size else 0.0
    bias = np.log(share) - (weights[columns] * mean.T).sum(axis=0) / 2
    return Discriminants(weights, bias)


def softmax_regression(
    points: Float64[np.ndarray, "N D"], label: Int[np.ndarray, " N"], num_classes: int, ridge: float
) -> Discriminants:
    """Where the mean log loss + ridge / 2 · |weights|² is least; the bias costs nothing."""
    num, size = points.shape
    member = np.eye(num_classes)[label]

    def loss_and_slope(flat: Float64[np.ndarray, " P"]) -> tuple[float, Float64[np.ndarray, " P"]]:
        weights, bias = flat[: size * num_classes].reshape(size, num_classes), flat[size * num_classes :]
        log_probabilities = log_softmax(points @ weights + bias, axis=1)
        excess = (np.exp(log_probabilities) - member) / num
        loss = -(member * log_probabilities).sum() / num + ridge / 2 * (weights**2).sum()
        return float(loss), np.concatenate([(points.T @ excess + ridge * weights).ravel(), excess.sum(axis=0)])

    start = np.zeros((size + 1) * num_classes)
    found = scipy.optimize.minimize(
        loss_and_slope, start, jac=True, method="L-BFGS-B", options={"maxiter": _MAX_ITERATIONS}
    )
    return Discriminants(
        found.x[: size * num_classes].reshape(size, num_classes), np.asarray(found.x[size * num_classes :])
    )
