"""The face finder that ships: a small network that finds faces, and their eyes, nose and mouth, in one grey picture.

    picture (H, W) → shrunk to WORKING_PIXELS → map (1, 12, h, w) → peaks → five landmarks each → box and roll

picture.onnx takes float32 (1, 1, H, W) grey levels, H and W multiples of 16, and gives on a grid of STRIDE_PX the
probability that a face's middle lies there; the logarithm of the face's size in cells; and five landmarks, x and y,
from the cell's middle in units of that size: both eyes, the tip of the nose, both corners of the mouth, left to right
as they are seen. The size is √(a² + b²) of the distance a of the eyes and the distance b from eyes to mouth.

Boxes lie as those of OpenCV's frontal cascade do about such landmarks, in the mean over the talking people of the
development clips: that is what mouths are cut out by, and models have been trained on.

Letters in shapes: H rows and W columns of the picture, h rows and w columns of the map, C its channels, N faces.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from avmatch.artifacts.model import WEIGHTS, Description, Graph, open_graph

#: Of the map: how probable, how large, and x and y of NUM_LANDMARKS.
NUM_LANDMARKS = 5
MAP_CHANNELS = 2 + 2 * NUM_LANDMARKS
STRIDE_PX = 4
#: Sides of what the network takes are multiples of this.
MULTIPLE_PX = 16
#: What the network looks at is no larger than this.
WORKING_PIXELS = 192 * 112
MIN_PROBABILITY = 0.45
#: Of two faces whose middles are nearer than this share of the larger one's size, the surer one stays.
MIN_APART = 0.7
#: A box against the landmarks: its side in sizes, and its middle from between the eyes: down in distances from eyes to
#: mouth, sideways in the nose's own way.
BOX_SIDE, BOX_DOWN, BOX_ASIDE = 1.80, 0.265, 0.243
#: The smallest face, as of the cascades; among smaller ones are balls and screws.
LEAST_BOX_PX = 24.0
_MOST_FACES = 32


@dataclass(frozen=True, eq=False)
class Found:
    """Faces in a picture, surest first.

    Attributes:
        probabilities: (N,).
        landmarks: (N, 5, 2) x and y in pixels: eyes, nose, corners of the mouth.
    """

    probabilities: Float32[np.ndarray, " N"]
    landmarks: Float32[np.ndarray, "N 5 2"]


class NetDetector:
    """Finds faces with the network; a `FaceDetector` (frontends/faces.py)."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    @property
    def fingerprint(self) -> str:
        """Follows what it finds."""
        return self._graph.fingerprint

    def detect(self, image: UInt8[np.ndarray, "H W"]) -> Float32[np.ndarray, "N 5"]:
        """Boxes of the faces in pixels, with their roll, surest first; what is smaller says nothing of lips."""
        boxes = boxes_of(self.find(image).landmarks)
        return boxes[boxes[:, 2] >= LEAST_BOX_PX]

    def find(self, image: UInt8[np.ndarray, "H W"]) -> Found:
        """Faces with their landmarks."""
        scale = min(1.0, (WORKING_PIXELS / image.size) ** 0.5)
        height, width = (max(1, round(side * scale)) for side in image.shape)
        small = image if scale == 1.0 else cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        below, right = -height % MULTIPLE_PX, -width % MULTIPLE_PX
        padded = np.pad(small, ((0, below), (0, right)), mode="edge")
        found = self._graph.run("faces: the picture graph", padded[None, None].astype(np.float32))[0]
        peaks = peaks_of(found)
        pixels = np.array([image.shape[1] / width, image.shape[0] / height], np.float32)
        return Found(peaks.probabilities, peaks.landmarks * pixels)


def peaks_of(found: Float32[np.ndarray, "C h w"]) -> Found:
    """The faces on a map, in pixels of the network's picture."""
    probable = found[0]
    highest = cv2.dilate(probable, np.ones((3, 3), np.uint8))
    rows, columns = np.nonzero((probable >= MIN_PROBABILITY) & (probable == highest))
    order = np.argsort(-probable[rows, columns], kind="stable")[:_MOST_FACES]
    rows, columns = rows[order], columns[order]
    sizes = STRIDE_PX * np.exp(np.clip(found[1, rows, columns], -4.0, 6.0))
    cells = np.stack([columns + 0.5, rows + 0.5], axis=1) * STRIDE_PX
    parts = found[2:, rows, columns].T.reshape(-1, NUM_LANDMARKS, 2)
    landmarks = (cells[:, None] + sizes[:, None, None] * parts).astype(np.float32)
    kept = _apart(landmarks.mean(axis=1), sizes)
    return Found(probable[rows, columns][kept], landmarks[kept])


def _apart(middles: Float32[np.ndarray, "N 2"], sizes: Float32[np.ndarray, " N"]) -> list[int]:
    """Which of the faces, surest first, don't lie on a surer one."""
    kept: list[int] = []
    for number, (middle, size) in enumerate(zip(middles, sizes, strict=True)):
        gaps = [np.hypot(*(middle - middles[other])) / max(size, sizes[other]) for other in kept]
        if all(gap >= MIN_APART for gap in gaps):
            kept.append(number)
    return kept


def boxes_of(landmarks: Float32[np.ndarray, "N 5 2"]) -> Float32[np.ndarray, "N 5"]:
    """Boxes where the frontal cascade draws them: x, y, width, height, and the roll in radians (frontends/faces.py)."""
    eyes, mouth = landmarks[:, :2].mean(axis=1), landmarks[:, 3:].mean(axis=1)
    across, down = landmarks[:, 1] - landmarks[:, 0], mouth - eyes
    distance = np.maximum(np.hypot(*across.T), 1e-6)
    along = across / distance[:, None]
    upright = np.stack([-along[:, 1], along[:, 0]], axis=1)
    nose = landmarks[:, 2] - eyes
    length = np.hypot(*down.T)
    middle = eyes + along * (BOX_ASIDE * (nose * along).sum(axis=1))[:, None] + upright * (BOX_DOWN * length)[:, None]
    side = BOX_SIDE * np.hypot(distance, length)
    roll = np.arctan2(along[:, 1], along[:, 0])
    return np.stack([*(middle - side[:, None] / 2).T, side, side, roll], axis=1).astype(np.float32)


@lru_cache(maxsize=1)
def shipped_finder() -> NetDetector | None:
    """The finder that came with the package; None if none did. Raises ModelError if it can't be used."""
    path = WEIGHTS / "faces" / "picture.onnx"
    if not path.is_file():
        return None
    graph = open_graph(path, num_threads=1)  # it is so small that threads would wait for each other
    graph.description(Description, "picture")
    return NetDetector(graph)
