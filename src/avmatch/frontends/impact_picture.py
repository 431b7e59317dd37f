"""The picture of an impact: where the object is in each frame, when and where its path breaks, what it looks like.

A mask shows the tray, 440 × 440; the rgb, less 20 rows at its top and bottom and 100 columns at its sides, aligns with
it.

Letters in shapes: T frames, H rows, W columns, K numbers, P pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32, Num, UInt8

#: Frames a second.
FRAME_RATE_HZ = 6.0
MAX_FRAMES = 35
MASK_PX = 440
MARGIN_ROWS, MARGIN_COLUMNS = 20, 100
#: Side of the pictures of the object, and of the square of the frame that they show.
CROP_PX, SEEN_PX = 48, 192
#: Side of the small masks.
SMALL_PX = 44
#: Frames around the impact whose places are told.
AROUND = (-4, 5)


@dataclass(frozen=True, eq=False, repr=False)
class ImpactPath:
    """What is told of a path.

    Attributes:
        impact_frame: where it breaks: the wall was met within a frame of this one.
        impact_seconds: the same from the first frame on.
        places: (frames, 2) where the object is in the frames AROUND the impact, in half widths of the picture from its
            middle; ends are held.
        moving_seconds: how long it had been moving.
    """

    impact_frame: int
    impact_seconds: float
    places: Float[np.ndarray, "frames 2"]
    moving_seconds: float

    def vector(self) -> Float32[np.ndarray, " K"]:
        """All in one: places, steps from one to the next and their lengths, the hit's place squared, how long."""
        steps = np.diff(self.places, axis=0)
        x, y = self.places[-AROUND[0]]
        parts = (
            self.places.ravel(),
            steps.ravel(),
            np.linalg.norm(steps, axis=1),
            [x * x, y * y, x * y, self.moving_seconds],
        )
        return np.concatenate(parts).astype(np.float32)


def centroid(mask: UInt8[np.ndarray, "H W"]) -> tuple[float, float]:
    """x and y in pixels of what is shown (128 and more); NaN where nothing is."""
    moments = cv2.moments((mask >= 128).astype(np.uint8), binaryImage=True)
    if not moments["m00"]:
        return np.nan, np.nan
    return moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]


def whole_path(centroids: Float[np.ndarray, "T 2"]) -> Float[np.ndarray, "T 2"]:
    """The same without gaps: lines between what is known, its ends held; the picture's middle where nothing is."""
    seen = np.isfinite(centroids[:, 0])
    if not seen.any():
        return np.full(centroids.shape, MASK_PX / 2)
    ticks = np.arange(len(centroids))
    return np.stack([np.interp(ticks, ticks[seen], centroids[seen, axis]) for axis in (0, 1)], axis=1)


def repeated(items: Num[np.ndarray, " T *rest"]) -> Num[np.ndarray, " 35 *rest"]:
    """35 of them: a short sequence goes on from its start."""
    return items[np.arange(MAX_FRAMES) % len(items)]


def centroid_vector(centroids: Float[np.ndarray, "T 2"]) -> Float32[np.ndarray, 70]:
    """35 × (x, y), interleaved, in pixels; gaps are filled, a short sequence is repeated from its start."""
    vector: Float32[np.ndarray, 70] = repeated(whole_path(centroids)).astype(np.float32).ravel()
    return vector


def impact_path(centroids: Float[np.ndarray, "T 2"]) -> ImpactPath:
    """Where the path breaks: the step after which the object has lost most of the velocity that it had."""
    path = whole_path(centroids) / (MASK_PX / 2) - 1.0
    if len(path) < 3:
        return ImpactPath(0, 0.0, np.repeat(path[:1], AROUND[1] - AROUND[0] + 1, axis=0), 0.0)
    steps = np.diff(path, axis=0)
    speed = np.linalg.norm(steps, axis=1)
    lost = (steps[:-1] * (steps[:-1] - steps[1:])).sum(axis=1) / np.maximum(speed[:-1], 1e-6)
    frame = int(lost.argmax()) + 1
    around = np.clip(np.arange(frame + AROUND[0], frame + AROUND[1] + 1), 0, len(path) - 1)
    still = np.flatnonzero(speed[:frame] < 0.01)
    moving = frame - (still[-1] + 1 if len(still) else 0)
    return ImpactPath(frame, frame / FRAME_RATE_HZ, path[around], moving / FRAME_RATE_HZ)


def aligned(picture: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """The part of an rgb picture that the mask shows."""
    return picture[MARGIN_ROWS:-MARGIN_ROWS, MARGIN_COLUMNS:-MARGIN_COLUMNS]


def small_masks(masks: UInt8[np.ndarray, "T H W"]) -> UInt8[np.ndarray, "35 44 44"]:
    """Each mask as shares of blocks, 0…255; a short sequence goes on from its start."""
    small = np.stack([cv2.resize(mask, (SMALL_PX, SMALL_PX), interpolation=cv2.INTER_AREA) for mask in masks])
    stacked: UInt8[np.ndarray, "35 44 44"] = repeated(small)
    return stacked


def object_crop(
    picture: UInt8[np.ndarray, "H W 3"] | None, mask: UInt8[np.ndarray, "440 440"], x: float, y: float
) -> UInt8[np.ndarray, "48 48 4"]:
    """The object with what is around it, and its mask as the fourth colour; always at one scale, so that size is seen.

    Args:
        picture: of the whole frame, or None: then only the mask is shown.
    """
    seen = np.zeros((MASK_PX, MASK_PX, 4), np.uint8)
    if picture is not None:
        part = aligned(picture)
        if part.shape == (MASK_PX, MASK_PX, 3):
            seen[..., :3] = part
    seen[..., 3] = mask
    crop = cv2.getRectSubPix(seen[..., :3], (SEEN_PX, SEEN_PX), (x, y))
    shown = cv2.getRectSubPix(seen[..., 3], (SEEN_PX, SEEN_PX), (x, y))
    # getRectSubPix takes one or three colours, and goes on beyond the border with what is at it.
    both = np.dstack([crop, shown])
    return cv2.resize(both, (CROP_PX, CROP_PX), interpolation=cv2.INTER_AREA)
