"""Sequences of features, shaken: noise, lost steps, shifts, and mixtures of two items.

Letters in shapes: B items, T steps, D dimensions; `*B` stands for a batch, or for none.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int

Features = Float32[np.ndarray, "*B T D"]


def feature_noise(
    rng: np.random.Generator, features: Features, snr_db: float, deviation: Float32[np.ndarray, " D"]
) -> Features:
    """(…, T, D) with Gaussian noise `snr_db` below the power of each dimension.

    Args:
        rng: the source of chance.
        features: (T, D) or (B, T, D).
        snr_db: 20·log10 of a dimension's deviation over that of its noise.
        deviation: (D,) standard deviation of each dimension, over the training set.
    """
    noise = rng.standard_normal(features.shape, np.float32)
    return features + noise * (deviation * np.float32(10 ** (-snr_db / 20)))


def drop_steps(rng: np.random.Generator, features: Features, share: float) -> Features:
    """(…, T, D) where each step is, with probability `share`, replaced by the mean over its item's steps."""
    dropped = rng.random(features.shape[:-1]) < share
    mean = features.mean(axis=-2, keepdims=True) if features.shape[-2] else features
    return np.where(dropped[..., np.newaxis], mean, features)


def shift_steps(rng: np.random.Generator, features: Features, max_steps: int) -> Features:
    """(…, T, D), each item later or earlier by up to `max_steps`, its first or last step repeated to fill."""
    shifts = rng.integers(-max_steps, max_steps, size=(*features.shape[:-2], 1), endpoint=True)
    num_steps = features.shape[-2]
    steps = np.clip(np.arange(num_steps) - shifts, 0, num_steps - 1)
    return np.take_along_axis(features, steps[..., np.newaxis], axis=-2)


def mixup(
    rng: np.random.Generator, batch: Float32[np.ndarray, " B *rest"], alpha: float
) -> tuple[Float32[np.ndarray, " B *rest"], Int[np.ndarray, " B"], Float32[np.ndarray, " B"]]:
    """Each item mixed with a random other: λ·x + (1−λ)·x', λ ~ Beta(α, α) (Zhang et al. 2018, "mixup", eq. 1).

    Args:
        rng: the source of chance.
        batch: (B, …).
        alpha: 0 mixes nothing, 1 draws every λ alike.

    Returns:
        The mixed batch, the partner (B,) of each item, and λ (B,): give these two to `apply_mixup` for the other
        modality and for the targets, so that a mixed picture belongs to the sound that is mixed alike.
    """
    partner = rng.permutation(len(batch))
    share = rng.beta(alpha, alpha, len(batch)) if alpha > 0 else np.ones(len(batch))
    share = share.astype(np.float32)
    return apply_mixup(batch, partner, share), partner, share


def apply_mixup(
    batch: Float32[np.ndarray, " B *rest"], partner: Int[np.ndarray, " B"], share: Float32[np.ndarray, " B"]
) -> Float32[np.ndarray, " B *rest"]:
    """(B, …) share·x + (1 − share)·x[partner], item by item."""
    weight = share.reshape(-1, *[1] * (batch.ndim - 1))
    return weight * batch + (1 - weight) * batch[partner]
