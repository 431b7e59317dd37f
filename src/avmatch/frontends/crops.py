"""Mouths cut out of frames, at one scale, on a regular clock: what towers for faces see, in training and in use.

    frames → faces, followed (faces.py) → the lower face of each, cut out → ticks of equal size

A face as wide as its box gives FACE_PIXELS pixels, so that a larger crop shows more of the surroundings, not more
detail. Letters in shapes: H rows, W columns of the source; S the side of a crop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from avmatch.core.signals import VideoFrames
from avmatch.frontends.faces import KEY_SECONDS, LocatedFrame, Sighting
from avmatch.frontends.picture import FrameClock

#: Pixels of a crop for the width of a face's box.
FACE_PIXELS = 96
#: Where the middle of a crop lies, as a share of the box from its upper edge: between the lips of a closed mouth.
MOUTH_HEIGHT = 0.8


def mouth_crop(
    image: UInt8[np.ndarray, "H W"], box: Float32[np.ndarray, " 4"], side_px: int
) -> UInt8[np.ndarray, "S S"]:
    """The lower face in a standard size; beyond the picture its border is repeated.

    Args:
        image: (H, W) luma.
        box: (4,) x, y, width and height of the face in pixels.
        side_px: S.
    """
    width = max(float(box[2]), 8.0)
    side = max(2, round(width * side_px / FACE_PIXELS))
    centre = (float(box[0]) + width / 2, float(box[1]) + MOUTH_HEIGHT * width)
    part = cv2.getRectSubPix(image, (side, side), centre)
    method = cv2.INTER_AREA if side > side_px else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(part, (side_px, side_px), interpolation=method), np.uint8)


class MouthCrops:
    """Cuts out every face of one video on a regular clock of its own, streaming; the tracker runs elsewhere."""

    def __init__(self, rate_hz: float, side_px: int) -> None:
        self._rate_hz, self._side_px = rate_hz, side_px
        self._clocks: dict[int, FrameClock] = {}
        self._num_ticks: Counter[int] = Counter()

    def take(self, located: LocatedFrame) -> Iterator[tuple[int, UInt8[np.ndarray, "S S"]]]:
        """Take the next frame; the ticks that it settles, each with the number of its face's track."""
        times = np.array([located.pts_seconds])
        for number, box in located.boxes.items():
            clock = self._clocks.setdefault(number, FrameClock(self._rate_hz, self._side_px, self._side_px))
            crop = mouth_crop(located.image, box, self._side_px)
            for tick in clock.push(VideoFrames(crop[None], times)):
                self._num_ticks[number] += 1
                yield number, tick

    def extents(self, sightings: Mapping[int, Sighting]) -> dict[int, tuple[float, int]]:
        """When each track begins, in seconds, and how many of its ticks show the face.

        Tracks that weren't seen often enough are left out.
        """
        found = {}
        for number, clock in self._clocks.items():
            sighting = sightings[number]
            assert clock.start_seconds is not None
            lasted_seconds = sighting.last_seconds + KEY_SECONDS - clock.start_seconds
            num_ticks = min(self._num_ticks[number], max(1, round(lasted_seconds * self._rate_hz)))
            if sighting.is_enough((num_ticks - 1) / self._rate_hz):
                found[number] = clock.start_seconds, num_ticks
        return found
