"""Frames with labelled faces (faces_labels.py): what is a face, and what is neither a face nor none."""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from clips import SHARED

#: FaceMesh must be so sure, twice, and BlazeFace so sure, of a face; what either doubts is left out.
SURE, SURE_SCORE = 0.5, 0.4
DOUBTED, DOUBTED_SCORE = 0.05, 0.85
#: Two labels nearer than this share of their size are one face.
SAME = 0.6
LEAST_SIZE_PX = 4.0


@dataclass(frozen=True, eq=False)
class Frame:
    """A grey picture.

    Attributes:
        faces: (5, 2) landmarks of each.
        doubtful: (N, 4) corners of what may be a face.
        blaze: (N, 4) corners of what BlazeFace is sure of.
    """

    file: str
    split: str
    group: str
    image: np.ndarray
    faces: list[np.ndarray]
    doubtful: np.ndarray
    blaze: np.ndarray

    @property
    def collection(self) -> str:
        """The folder of `talk`, or events."""
        return "events" if self.file.startswith("events") else self.file.split("/")[1]


def size_of(landmarks: np.ndarray) -> float:
    """√(a² + b²) of the distance of the eyes and that from eyes to mouth (artifacts/finder.py)."""
    across, down = landmarks[1] - landmarks[0], landmarks[3:].mean(axis=0) - landmarks[:2].mean(axis=0)
    return float(np.hypot(np.hypot(*across), np.hypot(*down)))


def turned_by(landmarks: np.ndarray) -> tuple[float, float]:
    """Roll in degrees, and how far the nose is from the middle of the eyes, in distances of the eyes."""
    across = landmarks[1] - landmarks[0]
    aside = (landmarks[2] - landmarks[:2].mean(axis=0)) @ across / (across @ across + 1e-6)
    return float(np.degrees(np.arctan2(across[1], across[0]))), float(aside)


def frames(work: Path, splits: Collection[str]) -> Iterator[Frame]:
    """The frames of these splits; animals have no faces."""
    animals = set(_animals())
    for labels in sorted(work.glob("labels*.jsonl")):
        pictures = np.memmap(labels.with_name(labels.name.replace("labels", "frames")).with_suffix(".bin"), np.uint8)
        for line in labels.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if row["split"] in splits:
                height, width = row["shape"]
                image = pictures[row["at"] : row["at"] + height * width].reshape(height, width)
                seen = [] if row["file"] in animals else row["faces"]
                yield _frame(row, image, seen)


def _frame(row: dict, image: np.ndarray, seen: list[dict]) -> Frame:
    faces: list[np.ndarray] = []
    doubtful = []
    for one in seen:
        landmarks = np.array(one["pts"][:5], np.float32)
        size, middle = size_of(landmarks), landmarks.mean(axis=0)
        if min(one["f1"], one["f2"]) > SURE and one["p"] > SURE_SCORE:
            gaps = [np.hypot(*(middle - face.mean(axis=0))) / max(size, size_of(face)) for face in faces]
            if all(gap >= SAME for gap in gaps):
                if size >= LEAST_SIZE_PX:
                    faces.append(landmarks)
                else:
                    doubtful.append(one["blaze"])
        elif max(one["f1"], one["f2"]) > DOUBTED or (one["p"] > DOUBTED_SCORE and row["file"].startswith("talk")):
            doubtful.append(one["blaze"])
    blaze = [one["blaze"] for one in seen if one["p"] > SURE]
    corners = (np.array(boxes, np.float32).reshape(-1, 4) for boxes in (doubtful, blaze))
    return Frame(row["file"], row["split"], row["group"], image, faces, *corners)


def _animals() -> Iterator[str]:
    for name in ("manifest", "more"):
        with (SHARED / "events" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            yield from (f"events/{row['file']}" for row in csv.DictReader(file) if row["label"].startswith("animal"))
