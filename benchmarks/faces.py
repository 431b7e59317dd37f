"""Faces in held-back frames: what the finder that ships finds, beside the Haar cascades and BlazeFace.

    python benchmarks/faces.py WORK [--sheets OUT]

WORK holds the labelled frames (faces_labels.py). A thousand of people and events that the finder has not learnt from:
recall by size, roll and yaw of the face; false alarms, and how many a minute there were if a frame were looked at every
second; milliseconds a frame on one thread. A face counts as found where a box lies within a third of its side and is
between half and twice as large. Labels need both BlazeFace and FaceMesh, so BlazeFace misses none by construction, and
its false alarms are what FaceMesh rejects.

`--sheets` writes what the finder missed, and what it found elsewhere, as pictures: look at them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from face_frames import Frame, frames, size_of, turned_by

from avmatch.artifacts.finder import BOX_SIDE, boxes_of, shipped_finder
from avmatch.frontends.faces import HaarDetector

NUM_FRAMES = {"wild": 300, "grid_speakers": 70, "more": 330, "events": 300}
SPLITS = ("val", "judge", "held", "heldev")
TILE_PX, TILES_PER_ROW = 200, 10


@dataclass(frozen=True)
class Face:
    """A labelled face, and who found it."""

    collection: str
    side_px: float
    roll_degrees: float
    aside: float
    found_by: frozenset[str]


@dataclass(frozen=True, eq=False)
class Alarm:
    """A box where there is no face."""

    finder: str
    frame: Frame
    box: np.ndarray


def chosen(work: Path) -> list[Frame]:
    """The same random choice every time."""
    known = list(frames(work, SPLITS))
    rng, some = np.random.default_rng(5), []
    for collection, num in NUM_FRAMES.items():
        ours = [frame for frame in known if frame.collection == collection]
        some += [ours[number] for number in rng.permutation(len(ours))[:num]]
    return some


def is_at(box: np.ndarray, landmarks: np.ndarray) -> bool:
    """Whether the box is the face's."""
    side, middle = BOX_SIDE * size_of(landmarks), box[:2] + box[2:4] / 2
    near = np.hypot(*(middle - landmarks.mean(axis=0))) < 0.35 * max(side, box[2])
    return bool(near and 0.5 < box[2] / side < 2.0)


def is_doubtful(box: np.ndarray, frame: Frame) -> bool:
    """Whether its middle lies where the teachers don't agree, or on a face that it is too large or small for."""
    middle = box[:2] + box[2:4] / 2
    on_face = any(np.hypot(*(middle - face.mean(axis=0))) < 0.9 * size_of(face) for face in frame.faces)
    inside = ((frame.doubtful[:, :2] - 5 < middle) & (middle < frame.doubtful[:, 2:] + 5)).all(axis=1)
    return bool(on_face or inside.any())


def measured(some: Sequence[Frame], detect: Callable[[np.ndarray], np.ndarray]) -> tuple[list[np.ndarray], float]:
    """Boxes of each frame, and milliseconds a frame."""
    begin = time.thread_time()
    found = [np.asarray(detect(frame.image)) for frame in some]
    return found, (time.thread_time() - begin) / len(some) * 1e3


def judged(some: Sequence[Frame], found: dict[str, list[np.ndarray]]) -> tuple[list[Face], list[Alarm]]:
    """All labelled faces, and all false alarms."""
    faces, alarms = [], []
    for number, frame in enumerate(some):
        for landmarks in frame.faces:
            who = (name for name, boxes in found.items() if any(is_at(box, landmarks) for box in boxes[number]))
            roll, aside = turned_by(landmarks)
            side = BOX_SIDE * size_of(landmarks)
            faces.append(Face(frame.collection, side, abs(roll), abs(aside), frozenset(who)))
        alarms += [
            Alarm(name, frame, box)
            for name, boxes in found.items()
            for box in boxes[number]
            if not is_doubtful(box, frame) and not any(is_at(box, face) for face in frame.faces)
        ]
    return faces, alarms


def print_recall(faces: Sequence[Face], names: Sequence[str]) -> None:
    parts: dict[str, Callable[[Face], bool]] = {"all": lambda _: True}
    for collection in NUM_FRAMES:
        parts[collection] = lambda face, wanted=collection: face.collection == wanted
    for label, value, edges in (
        ("{}–{} px", lambda face: face.side_px, (0, 36, 64, 120, 640)),
        ("roll {}–{}°", lambda face: face.roll_degrees, (0, 10, 25, 90)),
        ("nose aside {}–{}", lambda face: face.aside, (0, 0.2, 0.45, 9)),
    ):
        for low, high in pairwise(edges):
            parts[label.format(low, high)] = lambda face, v=value, a=low, b=high: a <= v(face) < b
    print(f"{'recall, %':<20} faces " + "".join(f"{name:>8}" for name in names))
    for label, is_in in parts.items():
        ours = [face for face in faces if is_in(face)]
        shares = [100 * np.mean([name in face.found_by for face in ours]) if ours else np.nan for name in names]
        print(f"{label:<20} {len(ours):5d} " + "".join(f"{share:8.1f}" for share in shares))


def print_alarms(alarms: Sequence[Alarm], some: Sequence[Frame], names: Sequence[str]) -> None:
    print(f"{'false alarms':<20} frames" + "".join(f"{name:>8}" for name in names) + "   (a minute)")
    for collection in NUM_FRAMES:
        num = sum(frame.collection == collection for frame in some)
        counts = [sum(a.finder == name and a.frame.collection == collection for a in alarms) for name in names]
        rates = " / ".join(f"{60 * count / num:.1f}" for count in counts)
        print(f"{collection:<20} {num:6d}" + "".join(f"{count:8d}" for count in counts) + f"   {rates}")


def write_sheet(path: Path, items: Sequence[tuple[Frame, np.ndarray]]) -> None:
    """Pictures with a box each."""
    tiles = [np.full((TILE_PX, TILE_PX), 20, np.uint8) for _ in range(-(-len(items) // TILES_PER_ROW) * TILES_PER_ROW)]
    for tile, (frame, box) in zip(tiles, items, strict=False):
        image = frame.image.copy()
        left, top, width, height = (round(float(value)) for value in box[:4])
        cv2.rectangle(image, (left, top), (left + width, top + height), 255, 2)
        scale = TILE_PX / max(image.shape)
        shrunk = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[:TILE_PX, :TILE_PX]
        tile[: shrunk.shape[0], : shrunk.shape[1]] = shrunk
        cv2.putText(tile, Path(frame.file).stem, (2, TILE_PX - 5), 0, 0.4, 255)
    if tiles:
        lines = [np.hstack(tiles[place : place + TILES_PER_ROW]) for place in range(0, len(tiles), TILES_PER_ROW)]
        cv2.imwrite(str(path), np.vstack(lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--sheets", type=Path)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    some, finder = chosen(given.work), shipped_finder()
    assert finder is not None
    found, spent = {}, {}
    for name, detect in (("finder", finder.detect), ("Haar", HaarDetector().detect)):
        found[name], spent[name] = measured(some, detect)
    corners = [frame.blaze for frame in some]
    found["Blaze"] = [np.concatenate([one[:, :2], one[:, 2:] - one[:, :2]], axis=1) for one in corners]
    faces, alarms = judged(some, found)
    print(f"{len(some)} frames; ms a frame on one thread: " + ", ".join(f"{n} {ms:.2f}" for n, ms in spent.items()))
    print_recall(faces, list(found))
    print_alarms(alarms, some, list(found))
    if given.sheets is not None:
        given.sheets.mkdir(parents=True, exist_ok=True)
        write_sheet(given.sheets / "alarms.png", [(a.frame, a.box) for a in alarms if a.finder == "finder"])
        missed = [
            (frame, boxes_of(landmarks[None])[0])
            for frame, boxes in zip(some, found["finder"], strict=True)
            for landmarks in frame.faces
            if not any(is_at(box, landmarks) for box in boxes)
        ]
        write_sheet(given.sheets / "missed.png", missed)


if __name__ == "__main__":
    main()
