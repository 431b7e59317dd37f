"""Pictures as a worse camera or line would have given them, a block of frames at a time; times stay true.

Each degradation is made for one clip, takes its blocks in order, and gives back what is left of each.

Letters in shapes: T frames, H rows, W columns.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from avmatch.core.features import MouthTrack, VideoFrames

Degrader = Callable[[VideoFrames], VideoFrames]

#: A hidden face is so many pixels wide and high, and covers so much more than the detector's box.
FACE_PX, FACE_MARGIN = 4, 0.25
#: A track of a face holds for so long before and after its frames.
TRACK_SLACK_SECONDS = 0.2
#: Frames are at their times to this.
_SLACK_SECONDS = 1e-6


def shrunk(scale: float) -> Degrader:
    """Fewer pixels: each side is multiplied by `scale`, to 16 at least."""

    def degrade(frames: VideoFrames) -> VideoFrames:
        if not len(frames):
            return frames
        size = (max(16, round(frames.data.shape[2] * scale)), max(16, round(frames.data.shape[1] * scale)))
        small = [cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in frames.data]
        return VideoFrames(np.asarray(np.stack(small), np.uint8), frames.pts_seconds)

    return degrade


def with_gaps(rng: np.random.Generator, share: float) -> Degrader:
    """Frames are lost at random, this share of them; the very first stays."""
    is_first = True

    def degrade(frames: VideoFrames) -> VideoFrames:
        nonlocal is_first
        kept = rng.random(len(frames)) >= share
        if is_first and len(frames):
            kept[0], is_first = True, False
        return _only(frames, kept)

    return degrade


def at_rate(fps: float) -> Degrader:
    """As a camera with so many frames a second has it: each of its frames is the last one up to its time."""
    held: VideoFrames | None = None
    tick = 0

    def degrade(frames: VideoFrames) -> VideoFrames:
        nonlocal held, tick
        if not len(frames):
            return frames
        if held is None:
            tick = int(np.ceil(frames.pts_seconds[0] * fps - _SLACK_SECONDS))
            known = frames
        else:
            known = VideoFrames(
                np.concatenate([held.data, frames.data]), np.concatenate([held.pts_seconds, frames.pts_seconds])
            )
        end = int(np.floor(frames.pts_seconds[-1] * fps + _SLACK_SECONDS)) + 1
        times = np.arange(tick, max(tick, end)) / fps
        tick, held = max(tick, end), _only(frames, np.arange(len(frames)) == len(frames) - 1)
        place = np.searchsorted(known.pts_seconds, times + _SLACK_SECONDS, "right") - 1
        return VideoFrames(known.data[place], times)

    return degrade


def without_faces(tracks: Sequence[MouthTrack]) -> Degrader:
    """Faces are hidden, as where somebody's face is made unrecognisable: a few blurred pixels are left of each."""

    def degrade(frames: VideoFrames) -> VideoFrames:
        pictures = frames.data.copy()
        for track in tracks:
            for number, time_seconds in enumerate(frames.pts_seconds.tolist()):
                if (box := _box(track, time_seconds)) is not None:
                    _hide(pictures[number], box)
        return VideoFrames(pictures, frames.pts_seconds)

    return degrade


def _only(frames: VideoFrames, kept: Bool[np.ndarray, " T"]) -> VideoFrames:
    return VideoFrames(frames.data[kept], frames.pts_seconds[kept])


def _box(track: MouthTrack, time_seconds: float) -> Float[np.ndarray, " 4"] | None:
    """Where a face is: left, top, right and bottom as shares of the picture; None where there is none."""
    times = track.pts_seconds
    if not len(times) or not times[0] - TRACK_SLACK_SECONDS <= time_seconds <= times[-1] + TRACK_SLACK_SECONDS:
        return None
    left, top, width, height = (np.interp(time_seconds, times, column) for column in track.boxes.T)
    aside, above = FACE_MARGIN * width, FACE_MARGIN * height
    return np.array([left - aside, top - above, left + width + aside, top + height + above])


def _hide(picture: UInt8[np.ndarray, "H W"], box: Float[np.ndarray, " 4"]) -> None:
    """In place."""
    height, width = picture.shape
    left, top, right, bottom = (box * (width, height, width, height)).round().astype(int)
    face = picture[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
    if min(face.shape) >= FACE_PX:
        few = cv2.resize(face, (FACE_PX, FACE_PX), interpolation=cv2.INTER_AREA)
        face[:] = cv2.resize(few, face.shape[::-1], interpolation=cv2.INTER_LINEAR)
