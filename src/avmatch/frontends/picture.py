"""Frames at whatever times → small grey frames on a regular clock: what towers see, in training and in use.

A tick shows the first frame since half a tick before it; in gaps the last frame stays. Letters in shapes: T frames,
H rows, W columns of the source; h rows, w columns of a tick.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from avmatch.core.signals import VideoFrames

#: A frame this little more than half a tick early still waits for the next one (every second frame at twice the rate).
ROUNDING_TICKS = 1e-3


class FrameClock:
    """Collects VideoFrames blocks, in order of time, and gives the ticks that they settle."""

    def __init__(self, rate_hz: float, height_px: int, width_px: int) -> None:
        self.rate_hz, self.height_px, self.width_px = rate_hz, height_px, width_px
        self.start_seconds: float | None = None  # of the first tick, which is the first frame's
        self._shown: UInt8[np.ndarray, "H W"] | None = None
        self._num_ticks = 0

    def push(self, frames: VideoFrames) -> Iterator[UInt8[np.ndarray, "h w"]]:
        """Take the next block; the ticks up to its last frame."""
        for picture, time_seconds in zip(frames.data, frames.pts_seconds.tolist(), strict=True):
            if self.start_seconds is None:
                self.start_seconds = time_seconds
            place = (time_seconds - self.start_seconds) * self.rate_hz
            end_tick = math.ceil(place + 0.5 - ROUNDING_TICKS)
            if self._shown is not None:
                yield from self._shown_until(self._shown, end_tick - 1)
            yield from self._shown_until(picture, end_tick)
            self._shown = picture

    def _shown_until(self, picture: UInt8[np.ndarray, "H W"], end_tick: int) -> Iterator[UInt8[np.ndarray, "h w"]]:
        """`picture`, shrunk, at all ticks before `end_tick` that have none yet."""
        while self._num_ticks < end_tick:
            self._num_ticks += 1
            yield np.asarray(cv2.resize(picture, (self.width_px, self.height_px), interpolation=cv2.INTER_AREA))


def shades(frames: UInt8[np.ndarray, "*T h w"]) -> Float32[np.ndarray, "*T h w"]:
    """The same in 0…1, as towers take it."""
    return frames.astype(np.float32) / np.float32(255)
