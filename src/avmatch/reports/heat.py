"""A heat map over a picture: the picture in grey, the heat over it from yellow to red."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, UInt8

#: How much of a pixel the heat is, at most.
_STRONGEST = 0.65


def heated(picture: UInt8[np.ndarray, "H W"], cells: Float[np.ndarray, "g g"]) -> UInt8[np.ndarray, "H W 3"]:
    """An RGB picture with even sides; `cells` are in 0…1, 1 the hottest."""
    height, width = (side // 2 * 2 for side in picture.shape)
    grey = np.repeat(picture[:height, :width, None], 3, axis=2).astype(np.float32)
    smooth = cv2.resize(cells.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    warm = np.clip(smooth, 0.0, 1.0)[..., None]
    colour = np.concatenate([np.full_like(warm, 255.0), 230.0 * (1.0 - warm), np.zeros_like(warm)], axis=2)
    share = _STRONGEST * warm
    return np.asarray(np.round((1.0 - share) * grey + share * colour), np.uint8)
