"""What the face finder learns from: views of frames at any size, turned, mirrored, in other light and surroundings.

    frame ─ turned, mirrored, scaled so that a face has some size ─┐
    frame of an event, as the surroundings where that leaves room ─┴ light, blur, noise, compression → view → targets

Three of ten views are of surroundings alone: bottles, hands and bags are not faces. Cartoon faces are made by `avmatch
synth`; their boxes are those of the Haar cascades, their landmarks lie as in the mean face.

Letters in shapes: S the side of a view, h and w of the map, F faces.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from face_frames import Frame, size_of, turned_by

from avmatch.artifacts.finder import BOX_SIDE, STRIDE_PX
from avmatch.frontends.faces import HaarDetector
from avmatch.media.decode import decode
from avmatch.synth import SynthConfig, synthesise

SIDE_PX = 128
#: Of a face in the box of a cascade: landmarks from the box's middle, in sizes.
MEAN_FACE = np.array([(-0.338, -0.194), (0.341, -0.194), (-0.004, 0.22), (-0.278, 0.537), (0.261, 0.541)])
#: Boxes of the faces, in pixels of a view: what is looked for in a whole picture, and around a face that is followed.
BOX_PX, FOLLOWED_BOX_PX, FOLLOWED_SHARE = (6.5, 125.0), (34.0, 64.0), 0.3
LEAST_BOX_PX = 5.0
SURROUNDINGS_SHARE = 0.34
#: … of which are cartoons without faces.
DRAWN_SHARE = 0.14
#: Where faces come from. Of three in half of the draws, the one that is turned most is taken.
SHARES = {"anchors": 0.3, "more": 0.38, "grid": 0.06, "syllables": 0.04, "events": 0.16, "drawn": 0.06}
MIRRORED = (1, 0, 2, 4, 3)


@dataclass
class View:
    """A picture that is being made.

    Attributes:
        doubtful: corners of what may be a face.
    """

    image: np.ndarray
    faces: list[np.ndarray] = field(default_factory=list)
    doubtful: list[np.ndarray] = field(default_factory=list)

    def add(self, frame: Frame, places: np.ndarray) -> None:
        """The labels of a frame that was put into it."""
        is_mirrored = np.linalg.det(places[:, :2]) < 0
        for face in frame.faces:
            put = face @ places[:, :2].T + places[:, 2]
            self.faces.append(put[list(MIRRORED)] if is_mirrored else put)
        for left, top, right, bottom in frame.doubtful:
            corners = np.array([(left, top), (right, top), (left, bottom), (right, bottom)])
            put = corners @ places[:, :2].T + places[:, 2]
            self.doubtful.append(np.concatenate([put.min(axis=0), put.max(axis=0)]))


class Views:
    """Random views of frames."""

    def __init__(self, frames: Sequence[Frame], seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._with_faces: dict[str, list[list[Frame]]] = {}
        for name in SHARES:
            ours = [frame for frame in frames if frame.collection == name and frame.faces]
            self._with_faces[name] = _by_group(ours) if name in ("more", "events") else [ours]
        drawn = list(drawn_frames())
        self._with_faces["drawn"] = [[frame for frame in drawn if frame.faces]]
        self._drawn = [[frame for frame in drawn if not frame.faces]]
        empty = [frame for frame in frames if frame.collection in ("events", "more") and not frame.faces]
        self._empty = _by_group(empty)

    def draw(self) -> View:
        """One view."""
        rng = self._rng
        is_empty = rng.random() < SURROUNDINGS_SHARE
        view = self._surroundings() if is_empty else self._around_a_face(self._frame_with_face())
        view.image = in_other_light(view.image, rng)
        return view

    def _frame_with_face(self) -> Frame:
        name = str(self._rng.choice(list(SHARES), p=list(SHARES.values())))
        num = 4 if name != "drawn" and self._rng.random() < 0.5 else 1
        return max((self._pick(self._with_faces[name]) for _ in range(num)), key=_turned)

    def _pick(self, groups: list[list[Frame]]) -> Frame:
        group = groups[self._rng.integers(len(groups))]
        return group[self._rng.integers(len(group))]

    def _surroundings(self) -> View:
        rng = self._rng
        shown = self._empty if rng.random() < 0.8 else self._with_faces["events"]
        frame = self._pick(self._drawn if rng.random() < DRAWN_SHARE else shown)
        height, width = frame.image.shape
        near = SIDE_PX / min(height, width) * np.exp(rng.uniform(-0.1, 0.8))
        scale = near if rng.random() < 0.6 else SIDE_PX / max(height, width) * rng.uniform(0.95, 1.3)
        reach = SIDE_PX / 2 / scale
        middle = [rng.uniform(min(reach, side / 2), max(side - reach, side / 2)) for side in (width, height)]
        places = self._places(np.array(middle), scale, rng.normal(0, 0.1), np.full(2, SIDE_PX / 2))
        view = View(self._warped(frame.image, places))
        view.add(frame, places)
        return view

    def _around_a_face(self, frame: Frame) -> View:
        rng = self._rng
        face = frame.faces[rng.integers(len(frame.faces))]
        low, high = BOX_PX if rng.random() >= FOLLOWED_SHARE else FOLLOWED_BOX_PX
        box = np.exp(rng.uniform(np.log(low), np.log(high)))
        scale = box / BOX_SIDE / size_of(face)
        margin = min(box / 2, 0.48 * SIDE_PX) if rng.random() < 0.85 else 0.0
        roll = rng.normal(0, 0.12) if rng.random() < 0.6 else rng.uniform(-0.87, 0.87)
        places = self._places(face.mean(axis=0), scale, roll, rng.uniform(margin, SIDE_PX - margin, 2))
        if min(frame.image.shape) * scale < 1.2 * SIDE_PX and rng.random() < 0.75:
            view = self._surroundings()
            back = cv2.invertAffineTransform(places)
            view.faces = [one for one in view.faces if not _is_inside(back, one.mean(axis=0), frame.image)]
            view.image = self._warped(frame.image, places, view.image)
        else:
            view = View(self._warped(frame.image, places))
        view.add(frame, places)
        return view

    def _places(self, middle: np.ndarray, scale: float, roll: float, to: np.ndarray) -> np.ndarray:
        """The affine map that brings `middle` to `to`, turned, and mirrored half of the time."""
        turn = scale * np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
        if self._rng.random() < 0.5:
            turn = turn @ np.diag([-1, 1])
        return np.column_stack([turn, to - turn @ middle])

    def _warped(self, image: np.ndarray, places: np.ndarray, over: np.ndarray | None = None) -> np.ndarray:
        """The view; much smaller pictures are averaged first."""
        scale = np.sqrt(abs(np.linalg.det(places[:, :2])))
        if scale < 0.6:
            size = tuple(max(2, round(1.3 * scale * side)) for side in image.shape[::-1])
            ratio = np.array(image.shape[::-1]) / size
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            places = np.column_stack([places[:, :2] * ratio, places[:, 2] + places[:, :2] @ (ratio / 2 - 0.5)])
        if over is not None:
            border = cv2.BORDER_TRANSPARENT
            return cv2.warpAffine(image, places, (SIDE_PX, SIDE_PX), over.copy(), cv2.INTER_LINEAR, border)
        border = cv2.BORDER_REPLICATE if self._rng.random() < 0.5 else cv2.BORDER_CONSTANT
        grey = int(self._rng.integers(256))
        return cv2.warpAffine(image, places, (SIDE_PX, SIDE_PX), borderMode=border, borderValue=grey)


def _by_group(frames: Sequence[Frame]) -> list[list[Frame]]:
    groups: dict[str, list[Frame]] = {}
    for frame in frames:
        groups.setdefault(frame.group, []).append(frame)
    return list(groups.values())


def _turned(frame: Frame) -> float:
    turns = (turned_by(face) for face in frame.faces)
    return max((abs(aside) + 0.5 * np.radians(abs(roll)) for roll, aside in turns), default=0.0)


def _is_inside(back: np.ndarray, place: np.ndarray, image: np.ndarray) -> bool:
    column, row = back[:, :2] @ place + back[:, 2]
    return bool(0 <= column < image.shape[1] and 0 <= row < image.shape[0])


def drawn_frames(num: int = 60) -> Iterator[Frame]:
    """Cartoon faces, and other cartoons."""
    detector, nothing = HaarDetector(), np.zeros((0, 4), np.float32)
    with tempfile.TemporaryDirectory() as folder:
        for seed, kinds in enumerate((("face",), ("balls", "drums", "strings", "clock"))):
            place = Path(folder) / str(seed)
            config = SynthConfig(
                num, seed=100 + seed, duration_seconds=1.2, sizes=((320, 240), (640, 360)), kinds=kinds
            )
            synthesise(place, config)
            for path in sorted(place.glob("videos/*")):
                images = [image for block in decode(path, audio=False, num_threads=1) for image in block.data[::10]]
                for image in images:
                    boxes = detector.detect(image) if seed == 0 else nothing
                    if len(boxes) == 1 or seed:
                        faces = [MEAN_FACE * b[2] / BOX_SIDE + b[:2] + b[2:] / 2 for b in boxes]
                        yield Frame("drawn", "train", kinds[0], image, faces, nothing, nothing)


def in_other_light(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blur, light from a side, other contrast, noise, compression; each now and then."""
    view = image.astype(np.float32)
    if rng.random() < 0.25:
        view = cv2.GaussianBlur(view, (0, 0), rng.uniform(0.4, 1.3))
    if rng.random() < 0.1:
        length = int(rng.integers(2, 6))
        view = cv2.blur(view, (length, 1) if rng.random() < 0.5 else (1, length))
    if rng.random() < 0.35:
        direction, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, 1.2)
        ramp = np.linspace(-0.5, 0.5, SIDE_PX)
        view = view * (1 + strength * (np.cos(direction) * ramp + np.sin(direction) * ramp[:, None])).astype(np.float32)
    view = 255 * np.clip(view / 255, 0, 1) ** np.exp(rng.normal(0, 0.35))
    view = (view - 128) * np.exp(rng.normal(0, 0.3)) + 128 + rng.normal(0, 22)
    if rng.random() < 0.06:
        view = (view - view.mean()) * rng.uniform(0.1, 0.4) + rng.uniform(20, 200)
    if rng.random() < 0.3:
        view = view + rng.normal(0, rng.uniform(1, 10), view.shape)
    grey = np.clip(view, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        _, content = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 80))])
        grey = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE)
    return grey


@dataclass(frozen=True, eq=False)
class Targets:
    """What the network should say of a view.

    Attributes:
        heat: (h, w) 1 where a face's middle is, less around it.
        counts: (h, w) whether a cell counts.
        geometry: (11, h, w) as in artifacts/finder.py.
        weights: (h, w) of the geometry.
    """

    heat: np.ndarray
    counts: np.ndarray
    geometry: np.ndarray
    weights: np.ndarray


def targets(view: View) -> Targets:
    """Of a view."""
    num = SIDE_PX // STRIDE_PX
    made = Targets(*(np.zeros(shape, np.float32) for shape in ((num, num), (num, num), (11, num, num), (num, num))))
    made.counts[:] = 1
    for box in view.doubtful:
        left, top, right, bottom = np.clip(box / STRIDE_PX + (0, 0, 1, 1), 0, num).astype(int)
        made.counts[top:bottom, left:right] = 0
    for face in sorted(view.faces, key=size_of, reverse=True):
        _mark(made, face)
    return made


def _mark(made: Targets, face: np.ndarray) -> None:
    """One face; one that is too small, or partly outside, is neither."""
    num, size, middle = len(made.heat), size_of(face), face.mean(axis=0)
    cells = np.arange(num) + 0.5
    place = middle / STRIDE_PX
    distance = (cells - place[0]) ** 2 + ((cells - place[1]) ** 2)[:, None]
    is_seen = middle.min() > 0 and middle.max() < SIDE_PX
    num_outside = int(((face < -2) | (face > SIDE_PX + 2)).any(axis=1).sum())
    if BOX_SIDE * size < LEAST_BOX_PX:
        if is_seen:
            made.counts[distance < max((size / STRIDE_PX) ** 2, 2.0)] = 0
    elif not is_seen or num_outside > 1:
        made.counts[distance < (1.2 * size / STRIDE_PX) ** 2 + 1] = 0
    else:
        spread = max(0.5, 0.16 * size / STRIDE_PX)
        heat = np.exp(-distance / (2 * spread**2))
        peak = tuple(np.clip(place[::-1].astype(int), 0, num - 1))
        heat[peak] = 1
        np.maximum(made.heat, heat, out=made.heat)
        made.counts[heat > 0.6] = 1
        near = distance < max(1.1, (0.22 * size / STRIDE_PX) ** 2)
        near[peak] = True
        made.weights[near] = near.sum() ** -0.5
        made.geometry[0][near] = np.log(size / STRIDE_PX)
        grid = np.stack(np.meshgrid(cells, cells)) * STRIDE_PX
        parts = (face.reshape(-1, 1, 1) - np.tile(grid, (len(face), 1, 1))) / size
        made.geometry[1:][:, near] = parts[:, near]
