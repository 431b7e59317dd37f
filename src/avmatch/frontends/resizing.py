"""Pictures at the size that a pretrained encoder takes, by the filter that it was trained with.

Bilinear and bicubic with antialiasing as Pillow and torchvision have it: each pixel of the result is a weighted mean of
those that its filter covers, and the filter widens with the factor by which the picture shrinks. As a picture is
resized along one side after the other, each is a product with a matrix.

Letters in shapes: H rows, W columns, n pixels before and m after along one side.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from jaxtyping import Float32, UInt8

#: Pillow's bicubic filter (Keys 1981).
_CUBIC = -0.5


def _triangle(distance: np.ndarray) -> np.ndarray:
    return np.maximum(1.0 - np.abs(distance), 0.0)


def _cubic(distance: np.ndarray) -> np.ndarray:
    far = np.abs(distance)
    near = ((_CUBIC + 2.0) * far - (_CUBIC + 3.0)) * far**2 + 1.0
    tail = _CUBIC * (((far - 5.0) * far + 8.0) * far - 4.0)
    return np.where(far < 1.0, near, np.where(far < 2.0, tail, 0.0))


#: Filters and how far they reach.
FILTERS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float]] = {
    "bilinear": (_triangle, 1.0),
    "bicubic": (_cubic, 2.0),
}


@lru_cache(maxsize=16)
def weights(num_before: int, num_after: int, name: str) -> Float32[np.ndarray, "m n"]:
    """What each pixel counts for each of the result."""
    shape, reach = FILTERS[name]
    factor = num_before / num_after
    widened = max(factor, 1.0)
    centres = (np.arange(num_after) + 0.5) * factor
    distance = np.arange(num_before) + 0.5 - centres[:, None]
    found = np.where(np.abs(distance) < reach * widened, shape(distance / widened), 0.0)
    return (found / found.sum(axis=1, keepdims=True)).astype(np.float32)


def resized(picture: UInt8[np.ndarray, "H W 3"], height: int, width: int, name: str) -> UInt8[np.ndarray, "h w 3"]:
    """A picture of `height` rows and `width` columns. The filter is one of FILTERS."""
    along = np.tensordot(weights(picture.shape[1], width, name), picture.astype(np.float32), axes=(1, 1))
    along = _whole(along)  # (w, H, 3), in whole numbers as Pillow has them
    both = np.tensordot(weights(picture.shape[0], height, name), along, axes=(1, 1))
    return _whole(both).astype(np.uint8)


def cropped(picture: UInt8[np.ndarray, "H W 3"], side_px: int) -> UInt8[np.ndarray, "s s 3"]:
    """The square in its middle."""
    top, left = ((size - side_px) // 2 for size in picture.shape[:2])
    return picture[top : top + side_px, left : left + side_px]


def shorter_side(picture: UInt8[np.ndarray, "H W 3"], short_px: int) -> tuple[int, int]:
    """Rows and columns of a picture whose shorter side is to have `short_px`."""
    height, width = picture.shape[:2]
    longer = int(short_px * max(height, width) / min(height, width))
    return (short_px, longer) if height <= width else (longer, short_px)


def _whole(shades: Float32[np.ndarray, "*s"]) -> Float32[np.ndarray, "*s"]:
    return np.clip(np.floor(shades + np.float32(0.5)), 0.0, 255.0)
