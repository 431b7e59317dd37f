"""Spectrograms with stretches of time and bands of frequency blotted out.

SpecAugment (Park et al. 2019, "SpecAugment: a simple data augmentation method for automatic speech recognition"),
without its time warping, which would change the offset. What is masked takes the mean of the whole spectrogram,
which is the paper's zero of a normalised one. Letters in shapes: T ticks, F bands.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

Spectrogram = Float32[np.ndarray, "T F"]


def spec_augment(
    rng: np.random.Generator,
    mel: Spectrogram,
    num_time_masks: int,
    max_time: int,
    num_freq_masks: int,
    max_freq: int,
) -> Spectrogram:
    """(T, F) with masks of at most `max_time` ticks over all bands and at most `max_freq` bands over all ticks."""
    masked = mel.copy()
    fill = mel.mean() if mel.size else 0.0
    for stretch in _stretches(rng, len(mel), num_time_masks, max_time):
        masked[stretch] = fill
    for stretch in _stretches(rng, mel.shape[1], num_freq_masks, max_freq):
        masked[:, stretch] = fill
    return masked


def _stretches(rng: np.random.Generator, length: int, count: int, max_width: int) -> list[slice]:
    """`count` slices: each width from 0 to `max_width` as likely, anywhere in `length`; they may overlap."""
    widths = rng.integers(min(max_width, length), size=count, endpoint=True)
    starts = rng.integers(length - widths, endpoint=True)
    return [slice(start, start + width) for start, width in zip(starts, widths, strict=True)]
