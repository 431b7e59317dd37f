"""Find faces and follow them from frame to frame.

    picture → detector, now and then → association → boxes for every frame

A detector is slow and its boxes jitter, so it looks at the whole picture about once a second, and every
quarter of a second at the surroundings of each face that is already followed. Boxes in between are
interpolated, which is why frames come out a few later than they go in. A shot cut ends every track.

Boxes are (x, y, width, height) in pixels of the picture. Detectors that know how far a face is turned add its roll in
radians, positive where the picture's right eye is the lower one. Letters in shapes: H rows, W columns, N faces, B = 4
numbers a box, or 5 with the roll.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import cv2
import cv2.data
import numpy as np
from jaxtyping import Float, Float32, UInt8

from avmatch.core.errors import ModelError

#: What stands for the Haar cascades where a person names a detector.
HAAR = Path("haar")
_MIN_FACE_SHARE = 0.08  # smallest face that the cascades look for, of the picture's shorter side
_MIN_SCORE = 0.7  # of a face that YuNet found; surest is 1
CASCADE_WINDOW = 24  # side of the smallest face that the cascades find, pixels
KEY_SECONDS = 0.24
MAX_WAITING_FRAMES = 16
SCAN_SECONDS = 1.0
MAX_EMPTY_SECONDS = 2.0  # without a face the pauses between scans grow up to this
NEVER = -1e9  # seconds; long before any frame
MAX_FACES = 6
MAX_MISSES = 2
MIN_FOUND_SHARE = 0.4  # of the key frames of a track, in which the detector must have found the face
SURROUNDINGS = 2.0  # side of the part that is searched for a known face, in face widths
SURROUNDINGS_PIXELS = 96
SAME_FACE_OVERLAP = 0.3
CUT_LEVEL = 12.0  # grey levels that a picture must change by, on average, to be called a cut
CUT_RATIO = 4.0  # … and how many times as much as it has changed lately
#: Of the shorter side, so many rows or columns are looked at for cuts: all of them would take as long as flow does.
_LEAST_SAMPLES = 96


@runtime_checkable
class FaceDetector(Protocol):
    """Anything that finds faces in one grey picture."""

    def detect(self, image: UInt8[np.ndarray, "H W"]) -> Float32[np.ndarray, "N B"]:
        """Boxes of the faces, in pixels, largest or surest first."""
        ...


class HaarDetector:
    """OpenCV's Haar cascades: the frontal face, else the profile in either direction.

    Viola and Jones, *Rapid object detection using a boosted cascade of simple features*, CVPR 2001.
    """

    def __init__(self) -> None:
        self._frontal = _cascade("haarcascade_frontalface_alt2.xml")
        self._profile = _cascade("haarcascade_profileface.xml")

    def detect(self, image: UInt8[np.ndarray, "H W"]) -> Float32[np.ndarray, "N 4"]:
        """Boxes (N, 4) of the faces in pixels, largest first."""
        boxes = _search(self._frontal, image, _MIN_FACE_SHARE, min_neighbours=4)
        for flip in (False, True):
            if len(boxes) == 0:
                boxes = self._profiles(image, flip)
        return boxes[np.argsort(-boxes[:, 2], kind="stable")]

    def _profiles(self, image: UInt8[np.ndarray, "H W"], flip: bool) -> Float32[np.ndarray, "N 4"]:
        """Profiles, which are found in things too: only large and sure ones. The cascade knows one direction."""
        turned = np.ascontiguousarray(image[:, ::-1]) if flip else image
        boxes = _search(self._profile, turned, 2 * _MIN_FACE_SHARE, min_neighbours=6)
        if flip:
            boxes[:, 0] = image.shape[1] - boxes[:, 0] - boxes[:, 2]
        return boxes


def _search(
    cascade: cv2.CascadeClassifier, image: UInt8[np.ndarray, "H W"], min_share: float, min_neighbours: int
) -> Float32[np.ndarray, "N 4"]:
    """Search at the scale where the smallest face fills the cascade's window: time goes with pixels."""
    scale = min(1.0, CASCADE_WINDOW / (min_share * min(image.shape)))
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    smallest = (CASCADE_WINDOW, CASCADE_WINDOW)
    found = cascade.detectMultiScale(small, scaleFactor=1.2, minNeighbors=min_neighbours, minSize=smallest)
    return np.asarray(found, np.float32).reshape(-1, 4) / np.float32(scale)


def _cascade(name: str) -> cv2.CascadeClassifier:
    return cv2.CascadeClassifier(str(Path(cv2.data.haarcascades) / name))


class YuNetDetector:
    """The YuNet network, from an ONNX file that the user gives.

    Wu, Peng and Yu, *YuNet: a tiny millisecond-level face detector*, 2023.

    Args:
        path: ``face_detection_yunet_*.onnx``.

    Raises:
        ModelError: there is no such file, or it is something else.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise ModelError(f"{path}: no such file; name a face_detection_yunet_*.onnx")
        try:
            self._network = cv2.FaceDetectorYN.create(str(path), "", (320, 320), _MIN_SCORE)
            self.detect(np.zeros((64, 64), np.uint8))
        except cv2.error as error:
            raise ModelError(f"{path}: no YuNet that OpenCV can run; name a face_detection_yunet_*.onnx") from error

    def detect(self, image: UInt8[np.ndarray, "H W"]) -> Float32[np.ndarray, "N 4"]:
        """Boxes (N, 4) of the faces in pixels, surest first."""
        self._network.setInputSize((image.shape[1], image.shape[0]))
        _, found = self._network.detect(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))
        if found is None:
            return np.zeros((0, 4), np.float32)
        return _square(np.asarray(found, np.float32)[:, :4])


def _square(boxes: Float32[np.ndarray, "N 4"]) -> Float32[np.ndarray, "N 4"]:
    """Boxes as the Haar cascades draw them: as high as wide, the chin at the lower edge."""
    bottom = boxes[:, 1] + boxes[:, 3]
    side = np.maximum(boxes[:, 2], 0.8 * boxes[:, 3])
    left = boxes[:, 0] + (boxes[:, 2] - side) / 2
    return np.stack([left, bottom - side, side, side], axis=1).astype(np.float32)


def overlap(box: Float[np.ndarray, " B"], other: Float[np.ndarray, " B"]) -> float:
    """Intersection over union of two boxes as if they were upright, 0 to 1."""
    low = np.maximum(box[:2], other[:2])
    high = np.minimum(box[:2] + box[2:4], other[:2] + other[2:4])
    common = float(np.prod(np.maximum(high - low, 0)))
    return common / (float(np.prod(box[2:4])) + float(np.prod(other[2:4])) - common + 1e-9)


@dataclass(frozen=True, eq=False)
class LocatedFrame:
    """A frame with the faces in it.

    Attributes:
        image: (H, W) luma.
        pts_seconds: its presentation time.
        boxes: smoothed pixel box (B,) of each face, by the number of its track.
    """

    image: UInt8[np.ndarray, "H W"]
    pts_seconds: float
    boxes: dict[int, Float32[np.ndarray, " B"]]


class CutFinder:
    """Says where the picture changes at once, much more than it has lately."""

    def __init__(self) -> None:
        self._last: np.ndarray | None = None
        self._level = 0.0

    def is_cut(self, image: UInt8[np.ndarray, "H W"]) -> bool:
        """Whether this frame starts a new shot; the very first one doesn't."""
        step = max(1, min(image.shape) // _LEAST_SAMPLES)
        thumbnail = cv2.resize(image[::step, ::step], (32, 32), interpolation=cv2.INTER_AREA)
        change = 0.0 if self._last is None else float(cv2.norm(thumbnail, self._last, cv2.NORM_L1)) / 1024
        self._last = thumbnail
        cut = change > max(CUT_LEVEL, CUT_RATIO * self._level)
        self._level += 0.1 * (change - self._level)
        return cut


@dataclass
class Sighting:
    """When and how often the detector found a face."""

    first_seconds: float
    last_seconds: float
    hits: int = 1

    def is_enough(self, duration_seconds: float) -> bool:
        """Whether it was found often enough to believe in a track that lasted so long."""
        return self.hits >= MIN_FOUND_SHARE * (1 + duration_seconds / KEY_SECONDS)


@dataclass(eq=False)
class _Face:
    """A face that is being followed: its box at this key frame and at the one before."""

    box: np.ndarray
    sighting: Sighting
    misses: int = 0  # in a row
    previous: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.previous = self.box

    def move(self, found: np.ndarray | None, pts_seconds: float) -> None:
        """Move to where the detector found the face, or stay."""
        self.previous = self.box
        if found is None:
            self.misses += 1
            return
        self.misses = 0
        self.sighting.hits += 1
        self.sighting.last_seconds = pts_seconds
        shape = self.box[2:] + 0.3 * (found[2:] - self.box[2:])
        old, new = self.box[:2] + self.box[2:4] / 2, found[:2] + found[2:4] / 2
        self.box = np.concatenate([old + 0.6 * (new - old) - shape[:2] / 2, shape]).astype(np.float32)


class FaceTracker:
    """Follows the faces of one video, frame by frame, with at most ``MAX_WAITING_FRAMES`` in memory.

    Args:
        detector: finds the faces; the Haar cascades when left out.

    Attributes:
        sightings: when and how often each track was found, by its number.
    """

    def __init__(self, detector: FaceDetector | None = None) -> None:
        self._detector = detector or HaarDetector()
        self._cuts = CutFinder()
        self._faces: dict[int, _Face] = {}
        self._waiting: list[tuple[np.ndarray, float]] = []
        self._key_seconds = NEVER
        self._scan_seconds = NEVER
        self._empty_seconds = KEY_SECONDS
        self.sightings: dict[int, Sighting] = {}

    def push(self, image: UInt8[np.ndarray, "H W"], pts_seconds: float) -> list[LocatedFrame]:
        """Take the next frame, which must not change; give back those whose boxes are settled, in order."""
        settled: list[LocatedFrame] = []
        if self._cuts.is_cut(image):
            settled = self.finish()
            self._scan_seconds, self._empty_seconds = NEVER, KEY_SECONDS
        self._waiting.append((image, pts_seconds))
        if pts_seconds - self._key_seconds < KEY_SECONDS and len(self._waiting) < MAX_WAITING_FRAMES:
            return settled
        self._look(image, pts_seconds)
        settled += self._settle(pts_seconds)
        return settled

    def finish(self) -> list[LocatedFrame]:
        """End all tracks; give back the frames that were waiting."""
        settled: list[LocatedFrame] = []
        if self._waiting:
            self._find_again(*self._waiting[-1])
            settled = self._settle(self._waiting[-1][1])
        self._faces = {}
        self._key_seconds = NEVER
        return settled

    def _look(self, image: np.ndarray, pts_seconds: float) -> None:
        """Find the known faces again; scan the whole picture for new ones when it is time."""
        self._find_again(image, pts_seconds)
        lost = any(face.misses == 1 for face in self._faces.values())
        period = SCAN_SECONDS if self._faces else self._empty_seconds
        if not lost and pts_seconds - self._scan_seconds < period:
            return
        self._scan_seconds = pts_seconds
        for box in self._detector.detect(image)[:MAX_FACES]:
            self._meet(box, pts_seconds)
        self._empty_seconds = KEY_SECONDS if self._faces else min(2 * self._empty_seconds, MAX_EMPTY_SECONDS)

    def _find_again(self, image: np.ndarray, pts_seconds: float) -> None:
        for face in self._faces.values():
            face.move(self._near(image, face.box), pts_seconds)

    def _near(self, image: np.ndarray, box: np.ndarray) -> np.ndarray | None:
        """The face that overlaps the box most, searched in its surroundings at a small scale."""
        reach = SURROUNDINGS * box[2:4] / 2
        centre = box[:2] + box[2:4] / 2
        left, top = np.maximum(centre - reach, 0).astype(int)
        right, bottom = np.ceil(centre + reach).astype(int)
        part = image[top:bottom, left:right]
        if min(part.shape) < 8:
            return None
        scale = min(1.0, SURROUNDINGS_PIXELS / max(part.shape))
        part = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        found = self._detector.detect(part)
        found[:, :4] /= np.float32(scale)
        found[:, :2] += np.array([left, top], np.float32)
        best = max(found, key=lambda other: overlap(box, other), default=None)
        return best if best is not None and overlap(box, best) > SAME_FACE_OVERLAP else None

    def _meet(self, box: np.ndarray, pts_seconds: float) -> None:
        """A face found in the whole picture: one that was just lost, one that is known, or a new one."""
        for face in self._faces.values():
            if overlap(box, face.box) > SAME_FACE_OVERLAP / 2:
                if face.misses:
                    face.move(box, pts_seconds)
                return
        if len(self._faces) < MAX_FACES:
            number = len(self.sightings)
            self.sightings[number] = Sighting(pts_seconds, pts_seconds)
            self._faces[number] = _Face(box, self.sightings[number])

    def _settle(self, key_seconds: float) -> list[LocatedFrame]:
        """The frames up to this key frame, each face's box interpolated from the key frame before."""
        start, span = self._key_seconds, max(key_seconds - self._key_seconds, 1e-9)
        settled = []
        for image, seconds in self._waiting:
            share = np.float32(min((seconds - start) / span, 1.0))
            boxes = {
                number: face.previous + share * (face.box - face.previous)
                for number, face in self._faces.items()
                if seconds >= face.sighting.first_seconds
            }
            settled.append(LocatedFrame(image, seconds, boxes))
        self._waiting = []
        self._key_seconds = key_seconds
        self._faces = {number: face for number, face in self._faces.items() if face.misses <= MAX_MISSES}
        return settled
