"""Clips as another camera, lens or connection would have given them: one draw for all frames of a clip.

A draw for each frame would be motion of its own. Letters in shapes: T frames, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from jaxtyping import UInt8

Frame = UInt8[np.ndarray, "H W"]
Frames = UInt8[np.ndarray, "T H W"]


def mirror(frames: Frames) -> Frames:
    """(T, H, W) with left and right exchanged."""
    return frames[:, :, ::-1].copy()


def warp(
    rng: np.random.Generator,
    frames: Frames,
    max_shift: float = 0.05,
    scales: tuple[float, float] = (0.9, 1.1),
    max_rotation_degrees: float = 5.0,
) -> Frames:
    """(T, H, W) shifted, scaled and turned about the middle by one affine map; the border is repeated outwards.

    Args:
        rng: the source of chance.
        frames: (T, H, W).
        max_shift: largest shift, as a share of the picture's height and width.
        scales: the range of the magnification.
        max_rotation_degrees: largest turn either way.
    """
    height, width = frames.shape[1:]
    turn_degrees = rng.uniform(-max_rotation_degrees, max_rotation_degrees)
    middle = ((width - 1) / 2, (height - 1) / 2)
    affine = np.asarray(cv2.getRotationMatrix2D(middle, turn_degrees, rng.uniform(*scales)), np.float64)
    affine[:, 2] += rng.uniform(-max_shift, max_shift, 2) * (width, height)
    return _each(frames, lambda frame: cv2.warpAffine(frame, affine, (width, height), borderMode=cv2.BORDER_REPLICATE))


def tone(
    rng: np.random.Generator,
    frames: Frames,
    max_brightness: float = 0.1,
    contrasts: tuple[float, float] = (0.8, 1.25),
    gammas: tuple[float, float] = (0.8, 1.25),
) -> Frames:
    """(T, H, W) with another gamma, contrast about mid-grey, and brightness (a share of white), by one table."""
    levels = np.linspace(0, 1, 256) ** rng.uniform(*gammas)
    levels = (levels - 0.5) * rng.uniform(*contrasts) + 0.5 + rng.uniform(-max_brightness, max_brightness)
    table = np.round(255 * np.clip(levels, 0, 1)).astype(np.uint8)
    return table[frames]


def blur(rng: np.random.Generator, frames: Frames, sigma_px: tuple[float, float] = (0.3, 1.2)) -> Frames:
    """(T, H, W) out of focus: a Gaussian whose deviation is within `sigma_px`, positive."""
    sigma = rng.uniform(*sigma_px)
    return _each(frames, lambda frame: cv2.GaussianBlur(frame, (0, 0), sigma))


def jpeg(rng: np.random.Generator, frames: Frames, qualities: tuple[int, int] = (30, 90)) -> Frames:
    """(T, H, W) each frame through JPEG and back, all of one quality in 0…100."""
    quality = int(rng.integers(*qualities, endpoint=True))

    def compressed(frame: Frame) -> Frame:
        _, code = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return np.asarray(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE), np.uint8)

    return _each(frames, compressed)


def lower_rate(rng: np.random.Generator, frames: Frames, kept_share: tuple[float, float] = (0.4, 1.0)) -> Frames:
    """(T, H, W) as a slower camera gives it at the same clock: a share of the frames, each held until the next one."""
    share = rng.uniform(*kept_share)
    exposures = np.floor(np.arange(len(frames)) * share + rng.random())
    _, first, place = np.unique(exposures, return_index=True, return_inverse=True)
    return frames[first[place]]


def _each(frames: Frames, change: Callable[[Frame], Frame]) -> Frames:
    return np.stack([change(frame) for frame in frames]) if frames.size else frames.copy()
