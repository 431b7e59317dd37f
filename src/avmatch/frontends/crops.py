"""Mouths cut out of frames, at one scale, on a regular clock: what towers for faces see, in training and in use.

    frames → faces, followed (faces.py) → the lower face of each, cut out → ticks of equal size

A face as wide as its box gives FACE_PIXELS pixels, so that a larger crop shows more of the surroundings, not more
detail. Letters in shapes: H rows, W columns of the source; T ticks of a track, S the side of a crop.
"""

from __future__ import annotations

from dataclasses import dataclass

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
MIN_SEEN_SHARE = 0.4  # of the key frames of a track, in which the detector must have found the face


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


@dataclass(frozen=True, eq=False)
class CropTrack:
    """One face: (T, S, S) crops on a regular clock whose first tick is at `start_seconds`."""

    data: UInt8[np.ndarray, "T S S"]
    start_seconds: float


class MouthCrops:
    """Collects the crops of every face of one video; the tracker runs elsewhere."""

    def __init__(self, rate_hz: float, side_px: int) -> None:
        self._rate_hz, self._side_px = rate_hz, side_px
        self._clocks: dict[int, FrameClock] = {}
        self._ticks: dict[int, list[np.ndarray]] = {}

    def take(self, located: LocatedFrame) -> None:
        """Cut the faces out of the next frame."""
        times = np.array([located.pts_seconds])
        for number, box in located.boxes.items():
            if number not in self._clocks:
                self._clocks[number] = FrameClock(self._rate_hz, self._side_px, self._side_px)
                self._ticks[number] = []
            crop = mouth_crop(located.image, box, self._side_px)
            self._ticks[number].extend(self._clocks[number].push(VideoFrames(crop[None], times)))

    def finish(self, sightings: dict[int, Sighting]) -> dict[int, CropTrack]:
        """The tracks that were seen often enough, up to where the face was last seen, by their numbers."""
        found = {}
        for number, ticks in self._ticks.items():
            start_seconds, sighting = self._clocks[number].start_seconds, sightings[number]
            assert start_seconds is not None
            lasted = sighting.last_seconds + KEY_SECONDS - start_seconds
            data = ticks[: max(1, round(lasted * self._rate_hz))]
            if sighting.hits >= MIN_SEEN_SHARE * (1 + (len(data) - 1) / self._rate_hz / KEY_SECONDS):
                found[number] = CropTrack(np.stack(data), start_seconds)
        return found
