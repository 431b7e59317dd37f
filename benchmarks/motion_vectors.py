"""Motion vectors of the codec in place of optical flow: what they cost, and what they are worth.

    python benchmarks/motion_vectors.py [--clips 60]

The same motion features (frontends/motion.py) from flow and from the vectors that the decoder exports: blocks that
refer to one of the frames before, spread over the small picture; where there are none, nothing moves. Development
events of `events/manifest.csv`, one of each recording: CPU milliseconds a frame, and how often the untrained motion cue
finds a clip's own sound among all of them, picture and sound beginning together.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import av
import cv2
import numpy as np
from clips import rows

from avmatch.analysis.features import Analyser, one_thread_each
from avmatch.core.features import VideoFeatures
from avmatch.cues.motion import MotionCue
from avmatch.frontends import motion
from avmatch.matching.fusion import fused_scores, usual_offsets
from matching import LAGS_SECONDS, figures

BLOCK_PX = 16


def decoded(path: str, *, has_vectors: bool) -> list[tuple[np.ndarray, float, np.ndarray | None]]:
    """Small grey pictures, their times, and the vectors (h, w, 2) in pixels of the small picture a frame."""
    found = []
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        if has_vectors:
            stream.codec_context.options = {"flags2": "+export_mvs"}
        for frame in container.decode(stream):
            rows = np.frombuffer(memoryview(frame.planes[0]), np.uint8).reshape(frame.height, -1)[:, : frame.width]
            small = motion._shrunk(rows)
            vectors = field(frame, small.shape) if has_vectors else None
            found.append((small, frame.time, vectors))
    return found


def field(frame: av.VideoFrame, shape: tuple[int, int]) -> np.ndarray:
    """Vectors of the blocks of one frame, over the small picture."""
    size = -(-frame.height // BLOCK_PX), -(-frame.width // BLOCK_PX)
    blocks = np.zeros((*size, 2), np.float32)
    data = frame.side_data.get("MOTION_VECTORS")
    if data is not None:
        vectors = data.to_ndarray()
        vectors = vectors[vectors["source"] < 0]
        rows = np.clip(vectors["dst_y"] // BLOCK_PX, 0, size[0] - 1)
        columns = np.clip(vectors["dst_x"] // BLOCK_PX, 0, size[1] - 1)
        moved = np.stack([vectors["dst_x"] - vectors["src_x"], vectors["dst_y"] - vectors["src_y"]], axis=1)
        blocks[rows, columns] = moved * (shape[1] / frame.width)
    return cv2.resize(blocks, shape[::-1], interpolation=cv2.INTER_NEAREST)


class _Given:
    """Stands for the flow: what was decoded for the frame."""

    def __init__(self) -> None:
        self.vectors: np.ndarray | None = None

    def calc(self, _before: np.ndarray, _after: np.ndarray, _flow: None) -> np.ndarray:
        assert self.vectors is not None
        return self.vectors


def signals(path: str, *, has_vectors: bool) -> tuple[float, np.ndarray, float, int]:
    """Motion features (as MotionFrontEnd.finish), CPU seconds, and the number of frames."""
    begin = time.process_time()
    front_end, given = motion.MotionFrontEnd(), _Given()
    if has_vectors:
        front_end._flow = given
    frames = decoded(path, has_vectors=has_vectors)
    for small, seconds, vectors in frames:
        given.vectors = vectors
        front_end._take(small, seconds)
    return *front_end.finish(), time.process_time() - begin, len(frames)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=60)
    given = parser.parse_args()
    paths = list({row["group"]: row["path"] for row in rows("events")}.values())[: given.clips]
    with one_thread_each:
        audios = [Analyser(None, (), 1).audio(path) for path in paths]
        print(f"{len(paths)} events, one of each recording")
        for name, has_vectors in (("flow", False), ("motion vectors", True)):
            report(name, paths, audios, lambda path, wanted=has_vectors: signals(path, has_vectors=wanted))


def report(name: str, paths: list[str], audios: list, made: Callable[[str], tuple]) -> None:
    videos, spent, num = [], 0.0, 0
    for path in paths:
        start, levels, seconds, num_frames = made(path)
        spent, num = spent + seconds, num + num_frames
        lasts = len(levels) / 25
        videos.append(VideoFeatures(start_seconds=start, motion=levels, mouths=(), fps=25.0, duration_seconds=lasts))
    nats = fused_scores((MotionCue(),), videos, audios, LAGS_SECONDS, usual_offsets(LAGS_SECONDS)).nats
    top1, top5, assigned, _ = figures(nats.astype(np.float64))
    print(f"{name:<16} {spent / num * 1e3:5.2f} ms a frame with the decode   top-1 {100 * top1:5.1f} %   "
          f"top-5 {100 * top5:5.1f} %   assigned {100 * assigned:5.1f} %", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
