"""A decoded frame as an array: grey or in colour, no larger than asked for, the right way up.

Letters in shapes: H height, W width.
"""

from __future__ import annotations

import av
import cv2
import numpy as np
from jaxtyping import UInt8

_PLANES_WITH_LUMA = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "gray")


def grey(frame: av.VideoFrame, max_side_px: int) -> UInt8[np.ndarray, "H W"]:
    """Luma of a frame, shrunk and upright."""
    width, height = _size(frame, max_side_px)
    if frame.format.name not in _PLANES_WITH_LUMA:
        frame = frame.reformat(width, height, "yuv420p", interpolation="AREA")
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : frame.width]
    luma = rows.copy() if rows.shape == (height, width) else _shrunk(rows, width, height)
    return _upright(frame, luma)


def _shrunk(rows: UInt8[np.ndarray, "H W"], width: int, height: int) -> UInt8[np.ndarray, "h w"]:
    """Halved while that leaves enough, which OpenCV does ten times as fast as any other step; then the rest."""
    while min(rows.shape[0] / height, rows.shape[1] / width) >= 2.0 and not (rows.shape[0] % 2 or rows.shape[1] % 2):
        rows = cv2.resize(rows, (rows.shape[1] // 2, rows.shape[0] // 2), interpolation=cv2.INTER_AREA)
    if rows.shape == (height, width):
        return rows
    # Less than a half is left to go: between four pixels, none of them is left out.
    return np.asarray(cv2.resize(rows, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def colour(frame: av.VideoFrame, max_side_px: int) -> UInt8[np.ndarray, "H W 3"]:
    """Red, green and blue of a frame, shrunk and upright."""
    width, height = _size(frame, max_side_px)
    return _upright(frame, frame.reformat(width, height, "rgb24", interpolation="AREA").to_ndarray())


def _size(frame: av.VideoFrame, max_side_px: int) -> tuple[int, int]:
    """Width and height, not yet upright."""
    scale = min(1.0, max_side_px / max(frame.width, frame.height))
    return max(1, round(frame.width * scale)), max(1, round(frame.height * scale))


def _upright(frame: av.VideoFrame, picture: UInt8[np.ndarray, "H W *colours"]) -> UInt8[np.ndarray, "h w *colours"]:
    """Turned as the display matrix says."""
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture
