"""The vectors of encoders (artifacts/encoder.py) beside a file's features: made in the same pass, kept by themselves.

What is kept of the features stays valid, whichever encoders are asked for.
"""

import time
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from avmatch.analysis import store
from avmatch.artifacts.encoder import FRAME_SECONDS, Encoders, PictureEncoder, SoundEncoder
from avmatch.core.features import AudioFeatures, AudioSamples, ColourFrames, Embeddings, VideoFeatures, VideoFrames
from avmatch.core.log import logger
from avmatch.media.choice import StreamChoice
from avmatch.media.decode import decode, decode_with_colour
from avmatch.media.source import Reading

Side = Literal["video", "audio"]
Item = TypeVar("Item")


class VectorCollector:
    """Takes the blocks of a file and gives the vectors of some sides."""

    def __init__(self, encoders: Encoders | None, sides: Collection[Side]) -> None:
        self._picture = PictureEncoder(encoders.video) if encoders is not None and "video" in sides else None
        self._sound = SoundEncoder(encoders.audio) if encoders is not None and "audio" in sides else None

    @property
    def needs_colour(self) -> bool:
        """Whether it asks for frames in colour."""
        return self._picture is not None

    def push(self, block: VideoFrames | ColourFrames | AudioSamples) -> None:
        """Take the next block."""
        if isinstance(block, ColourFrames) and self._picture is not None:
            self._picture.push(block)
        elif isinstance(block, AudioSamples) and self._sound is not None:
            self._sound.push(block)

    def finish(self) -> dict[Side, Embeddings]:
        """The vectors of each side; none at all where there is nothing to encode."""
        found: dict[Side, PictureEncoder | SoundEncoder | None] = {"video": self._picture, "audio": self._sound}
        return {
            side: encoder.finish() or Embeddings(np.zeros((0, 0), np.float16), 1.0)
            for side, encoder in found.items()
            if encoder is not None
        }


def blocks_of(
    path: str, sides: Collection[Side], num_threads: int, choice: StreamChoice, reading: Reading, *, needs_colour: bool
) -> Iterator[VideoFrames | ColourFrames | AudioSamples]:
    """One pass over a file; frames in colour only where they are needed. Decoded ahead where threads may help."""
    options: dict[str, Any] = {"num_threads": num_threads, "choice": choice, "reading": reading}
    options |= {"video": "video" in sides, "audio": "audio" in sides}
    blocks = decode_with_colour(path, FRAME_SECONDS, **options) if needs_colour else decode(path, **options)
    return _logged(path, blocks if num_threads == 1 else ahead(blocks))


def _logged(path: str, blocks: Iterator[Item]) -> Iterator[Item]:
    """The same; and how long a pass took, with what was made of it meanwhile."""
    begin = time.monotonic()
    yield from blocks
    logger.info("%s: decoded and analysed in %.1f s", path, time.monotonic() - begin)


def ahead(blocks: Iterator[Item]) -> Iterator[Item]:
    """Give the blocks one by one while the next two are being made in another thread."""
    with ThreadPoolExecutor(1) as pool:
        waiting = deque(pool.submit(next, blocks, None) for _ in range(2))
        while (block := waiting.popleft().result()) is not None:
            waiting.append(pool.submit(next, blocks, None))
            yield block


def kept_vectors(entries: Mapping[Side, Path]) -> dict[Side, Embeddings]:
    """Those that are there."""
    found = {side: store.read(path, Embeddings) for side, path in entries.items()}
    return {side: vectors for side, vectors in found.items() if vectors is not None}


def with_vectors(
    features: VideoFeatures | AudioFeatures, name: str, vectors: Embeddings | None
) -> VideoFeatures | AudioFeatures:
    """The features with a model's vectors, if there are any."""
    if vectors is None or not len(vectors.data):
        return features
    return replace(features, embeddings={**features.embeddings, name: vectors})
