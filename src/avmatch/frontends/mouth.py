"""Frames on a regular clock, mouths cut out of them, and mouth signals.

    FrameClock       frames at whatever times → small frames on a regular clock, as towers take them, in training and
                     in use. A tick shows the frame that is nearest to it within half a tick; in gaps the last frame
                     stays.
    MouthCrops       faces, followed (faces.py) → the lower face of each, cut out at one scale → ticks of equal size;
                     level, where the detector knows how far the face is turned.
                     A face as wide as its box gives CROP_FACE_PIXELS pixels, so that a larger crop shows more of the
                     surroundings, not more detail.
    MouthFrontEnd    what the lips of every face do, frame by frame, without a trained model: the face now and one frame
                     ago, cut out at the same place → a few numbers, and nothing else is kept. As both patches are cut
                     at the same place, a jittering box can't look like motion; what the whole head does is measured on
                     the upper face and taken off.

``motion`` and ``lip_drop`` belong to the time between the frame before and this one: place them half a frame earlier
than its time. Of what was tried, the lower lip's speed against the slope of the energy at 500 to 2500 Hz says most, on
people who talk without a pause too.

Letters in shapes: T frames, H rows, W columns of the source; h rows, w columns of a tick; S the side of a crop; K
channels; colours: none (grey), or 3.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import cv2
import numpy as np
from jaxtyping import Float32, Int64, UInt8

from avmatch.core.features import ColourFrames, MouthTrack, VideoFrames
from avmatch.frontends.faces import KEY_SECONDS, FaceDetector, FaceTracker, LocatedFrame, Sighting

#: Times that differ by less count as equal.
ROUNDING_TICKS = 1e-3
#: Pixels of a crop for the width of a face's box.
CROP_FACE_PIXELS = 96
#: Where the middle of a crop lies, as a share of the box from its upper edge: between the lips of a closed mouth.
MOUTH_HEIGHT = 0.8

MOUTH_CHANNELS = ("motion", "lip_drop", "openness")
"""``motion``: log of how much the mouth changed since the frame before, beyond the head's shift.
``lip_drop``: how far the lower lip and the chin went down against the head, in face widths.
``openness``: log of how dark the dark between the lips is, against the upper face."""

MIN_TRACK_SECONDS = 0.4
FACE_PIXELS = 64  # patches are this wide, and a quarter higher; the parts below are (rows, columns) of them
UPPER_FACE = (slice(12, 38), slice(8, 56))  # brows, eyes, nose: what moves with the head
MOUTH = (slice(42, 74), slice(14, 50))  # from under the nose to the chin
LIPS = (slice(46, 64), slice(22, 42))
LOWER_LIP = (slice(52, 74), slice(18, 46))
_MAX_STEP_PX = 1.5  # between samples of a level part
BLUR_PIXELS = 1.5  # makes steps of up to two pixels a frame fit the gradient equation


class FrameClock:
    """Collects VideoFrames blocks, in order of time, and gives the ticks that they settle."""

    def __init__(self, rate_hz: float, height_px: int, width_px: int) -> None:
        self.rate_hz, self.height_px, self.width_px = rate_hz, height_px, width_px
        self.start_seconds: float | None = None  # of the first tick, which is the first frame's
        self._shown: UInt8[np.ndarray, "H W *colours"] | None = None
        self._place = 0.0  # of the frame that is shown, in ticks
        self._num_ticks = 0

    def push(self, frames: VideoFrames | ColourFrames) -> Iterator[UInt8[np.ndarray, "h w *colours"]]:
        """Take the next block; the ticks that it settles: those up to its last frame."""
        for picture, time_seconds in zip(frames.data, frames.pts_seconds.tolist(), strict=True):
            if self.start_seconds is None:
                self.start_seconds = time_seconds
            place = (time_seconds - self.start_seconds) * self.rate_hz
            while self._num_ticks <= place + ROUNDING_TICKS:
                yield self._tick(self._nearer(picture, place))
            self._shown, self._place = picture, place

    def finish(self) -> Iterator[UInt8[np.ndarray, "h w *colours"]]:
        """The tick that the last frame is nearest to, if that still waited for a nearer one."""
        if self._shown is not None and self._num_ticks < self._place + 0.5 - ROUNDING_TICKS:
            yield self._tick(self._shown)

    def _nearer(self, picture: UInt8[np.ndarray, "H W *colours"], place: float) -> UInt8[np.ndarray, "H W *colours"]:
        """What the next tick shows: the frame that is shown already, or the new one at `place`, if it is nearer."""
        if self._shown is None:
            return picture
        wait = place - self._num_ticks
        age = self._num_ticks - self._place
        return picture if wait < min(age, 0.5) + ROUNDING_TICKS else self._shown

    def _tick(self, picture: UInt8[np.ndarray, "H W *colours"]) -> UInt8[np.ndarray, "h w *colours"]:
        self._num_ticks += 1
        return np.asarray(cv2.resize(picture, (self.width_px, self.height_px), interpolation=cv2.INTER_AREA))


def shades(frames: UInt8[np.ndarray, "*T h w"]) -> Float32[np.ndarray, "*T h w"]:
    """The same in 0…1, as towers take it."""
    return frames.astype(np.float32) / np.float32(255)


def held_ticks(num_ticks: int, kept_share: float, phase: float) -> Int64[np.ndarray, " {num_ticks}"]:
    """The tick whose frame is shown at each tick by a camera that takes only a share of the frames and holds each.

    Args:
        phase: 0…1, how soon the second frame follows the first.
    """
    exposures = np.floor(np.arange(num_ticks) * kept_share + phase)
    _, first, place = np.unique(exposures, return_index=True, return_inverse=True)
    return first[place]


def mouth_crop(
    image: UInt8[np.ndarray, "H W"], box: Float32[np.ndarray, " B"], side_px: int
) -> UInt8[np.ndarray, "S S"]:
    """The lower face in a standard size, level; beyond the picture its border is repeated.

    Args:
        image: (H, W) luma.
        box: (B,) x, y, width and height of the face in pixels, and its roll where that is known.
        side_px: S.
    """
    width = max(float(box[2]), 8.0)
    if len(box) == 5:
        exact = width * side_px / CROP_FACE_PIXELS
        return _level_part(image, box, (exact, exact), MOUTH_HEIGHT, (side_px, side_px))
    side = max(2, round(width * side_px / CROP_FACE_PIXELS))
    centre = (float(box[0]) + width / 2, float(box[1]) + MOUTH_HEIGHT * width)
    part = cv2.getRectSubPix(image, (side, side), centre)
    method = cv2.INTER_AREA if side > side_px else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(part, (side_px, side_px), interpolation=method), np.uint8)


def _level_part(
    image: UInt8[np.ndarray, "H W"],
    box: Float32[np.ndarray, " 5"],
    size: tuple[float, float],
    height_share: float,
    size_px: tuple[int, int],
) -> UInt8[np.ndarray, "h w"]:
    """A part of the picture, level with the face, at another scale.

    Args:
        size: width and height of the part, in pixels of the picture.
        height_share: so many widths of the face lie between the box's upper edge and the part's middle.
        size_px: width and height of what is given back.
    """
    left, top, width, _, roll = map(float, box)
    sine, cosine = np.sin(roll), np.cos(roll)
    below = (height_share - 0.5) * width
    middle = (left + width / 2 - sine * below, top + width / 2 + cosine * below)
    finer = 1  # sampled so finely, and averaged, that no pixel is left out
    while size[0] / (finer * size_px[0]) > _MAX_STEP_PX:
        finer *= 2
    num_columns, num_rows = finer * size_px[0], finer * size_px[1]
    turn = np.array([[cosine, -sine], [sine, cosine]]) * (size[0] / num_columns, size[1] / num_rows)
    corner = middle - turn @ ((num_columns - 1) / 2, (num_rows - 1) / 2)
    how = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    places, shape = np.column_stack([turn, corner]), (num_columns, num_rows)
    part = cv2.warpAffine(image, places, shape, flags=how, borderMode=cv2.BORDER_REPLICATE)
    while part.shape[1] > size_px[0]:
        part = cv2.resize(part, (part.shape[1] // 2, part.shape[0] // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(part, np.uint8)


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

        Tracks that weren't found often enough are left out.
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


class MouthFrontEnd:
    """Mouth signals of all faces of one video, streaming.

    Args:
        detector: finds the faces; the Haar cascades when left out.
        watcher: gets every frame with the faces found in it, so that they are searched for once.

    Attributes:
        sightings: when and how often each track was found, by its number.
    """

    def __init__(
        self, detector: FaceDetector | None = None, watcher: Callable[[LocatedFrame], None] | None = None
    ) -> None:
        self._tracker = FaceTracker(detector)
        self._watcher = watcher
        self.sightings = self._tracker.sightings
        #: Of each track: time, box and signals of frame after frame.
        self._growing: dict[int, array[float]] = {}
        self._previous: UInt8[np.ndarray, "H W"] | None = None

    def push(self, frames: VideoFrames) -> None:
        """Take the next frames (T, H, W)."""
        for image, pts_seconds in zip(frames.data, frames.pts_seconds, strict=True):
            for located in self._tracker.push(image, float(pts_seconds)):
                self._measure(located)

    def finish(self) -> dict[int, MouthTrack]:
        """The tracks that lasted and were found often enough, by number, in the order of their appearance."""
        for located in self._tracker.finish():
            self._measure(located)
        tracks = {number: _track(grown, self.sightings[number]) for number, grown in self._growing.items()}
        return {number: track for number, track in tracks.items() if track is not None}

    def _measure(self, located: LocatedFrame) -> None:
        if self._watcher is not None:
            self._watcher(located)
        image = located.image
        previous = image if self._previous is None else self._previous
        size = np.array(image.shape[::-1] * 2, np.float32)
        for number, box in located.boxes.items():
            signals = mouth_signals(face_patch(previous, box), face_patch(image, box))
            row = (located.pts_seconds, *(box[:4] / size).tolist(), *signals)
            self._growing.setdefault(number, array("d")).extend(row)
        self._previous = image


def _track(grown: array[float], sighting: Sighting) -> MouthTrack | None:
    """The finished track up to where the face was last found; None when it's too short or doubtful."""
    rows = np.array(grown).reshape(-1, 1 + 4 + len(MOUTH_CHANNELS))
    rows = rows[: np.searchsorted(rows[:, 0], sighting.last_seconds + KEY_SECONDS, side="right")]
    pts_seconds = rows[:, 0].copy()
    boxes, signals = map(np.ascontiguousarray, np.split(rows[:, 1:].astype(np.float32), [4], axis=1))
    duration_seconds = float(pts_seconds[-1] - pts_seconds[0])
    if duration_seconds < MIN_TRACK_SECONDS or not sighting.is_enough(duration_seconds):
        return None
    signals[0] = signals[1]  # the first frame has nothing before it to be compared with
    return MouthTrack(pts_seconds, boxes, signals)


def face_patch(image: UInt8[np.ndarray, "H W"], box: Float32[np.ndarray, " B"]) -> Float32[np.ndarray, "80 64"]:
    """The face in a standard size, level, with a quarter more at the chin, which opens below the box."""
    shape = (FACE_PIXELS, FACE_PIXELS * 5 // 4)
    if len(box) == 5:
        exact = max(float(box[2]), 8.0)
        return _level_part(image, box, (exact, exact * 5 / 4), 5 / 8, shape).astype(np.float32)
    width = max(8, round(float(box[2])))
    height = width * 5 // 4
    centre = (float(box[0] + box[2] / 2), float(box[1] + height / 2))
    part = cv2.getRectSubPix(image, (width, height), centre)
    return cv2.resize(part, shape, interpolation=cv2.INTER_AREA).astype(np.float32)


def mouth_signals(
    before: Float32[np.ndarray, "80 64"], now: Float32[np.ndarray, "80 64"]
) -> tuple[float, float, float]:
    """The `MOUTH_CHANNELS` of a face one frame ago and now, cut out at the same place."""
    before, now = (cv2.GaussianBlur(patch, (0, 0), BLUR_PIXELS) for patch in (before, now))
    mean, change = (before + now) / 2, now - before
    across = cv2.Sobel(mean, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(mean, cv2.CV_32F, 0, 1, scale=1 / 8)
    head = shift(across[UPPER_FACE], down[UPPER_FACE], change[UPPER_FACE])
    lip = shift(across[LOWER_LIP], down[LOWER_LIP], change[LOWER_LIP])
    beyond = change[MOUTH] + head[0] * across[MOUTH] + head[1] * down[MOUTH]
    motion = float(np.log1p(np.abs(beyond).mean()))
    dark, usual = _quantile(now[LIPS], 0.1), _quantile(now[UPPER_FACE], 0.5)
    return motion, (lip[1] - head[1]) / FACE_PIXELS, float(np.log((usual + 10) / (dark + 10)))


def _quantile(values: Float32[np.ndarray, "H W"], share: float) -> float:
    """As `np.quantile`, which takes longer to look at its arguments than to sort these few."""
    ordered = np.sort(values, axis=None)
    low, part = divmod(share * (len(ordered) - 1), 1)
    below, above = float(ordered[int(low)]), float(ordered[min(int(low) + 1, len(ordered) - 1)])
    return below + (above - below) * part


def shift(
    across: Float32[np.ndarray, "H W"], down: Float32[np.ndarray, "H W"], change: Float32[np.ndarray, "H W"]
) -> tuple[float, float]:
    """How far a part of the picture went, in pixels to the right and down.

    Least squares over the part of I_x u + I_y v + I_t = 0 (Lucas and Kanade, 1981).

    Args:
        across, down: the picture's slopes I_x and I_y.
        change: its change I_t.
    """
    xx, xy, yy = (float((a * b).sum()) for a, b in ((across, across), (across, down), (down, down)))
    xt, yt = float((across * change).sum()), float((down * change).sum())
    xx, yy = xx + 1.0, yy + 1.0  # a flat part has not moved
    determinant = xx * yy - xy * xy
    return (xy * yt - yy * xt) / determinant, (xy * xt - xx * yt) / determinant
