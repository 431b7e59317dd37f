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
from avmatch.artifacts.encoder import Encoder, Encoders, PictureEncoder, SoundEncoder
from avmatch.artifacts.windows import FrameWindows, SampleWindows, takes_stretches
from avmatch.core.features import AudioFeatures, AudioSamples, ColourFrames, Embeddings, VideoFeatures, VideoFrames
from avmatch.core.log import logger
from avmatch.frontends.sound import SAMPLE_RATE_HZ
from avmatch.media.choice import StreamChoice
from avmatch.media.decode import decode, decode_with_colour
from avmatch.media.sinks import COLOUR_SIDE_PX
from avmatch.media.source import Reading

Side = Literal["video", "audio"]
Item = TypeVar("Item")
#: Frames in colour are at most so many times larger than an encoder takes them, where that is more than usual.
LARGER = 4


class VectorCollector:
    """Takes the blocks of a file and gives the vectors of some sides."""

    def __init__(self, encoders: Encoders | None, sides: Collection[Side]) -> None:
        self._looks = None if encoders is None or "video" not in sides else encoders.video
        self._sounds = None if encoders is None or "audio" not in sides else encoders.audio
        self._picture = None if self._looks is None else _pictures(self._looks)
        self._sound = None if self._sounds is None else _samples(self._sounds)

    @property
    def also_hz(self) -> int | None:
        """The rate at which it asks for sound, if that isn't everybody's."""
        rate_hz = SAMPLE_RATE_HZ if self._sounds is None else self._sounds.description.sample_rate_hz
        return None if rate_hz == SAMPLE_RATE_HZ else rate_hz

    @property
    def colour(self) -> tuple[float, int] | None:
        """How far apart it asks for frames in colour, in seconds, and of what size; None = for none."""
        if self._looks is None:
            return None
        described = self._looks.description
        side_px = COLOUR_SIDE_PX if described.fit == "area" else LARGER * max(described.side_px, described.short_px)
        return described.frame_seconds, side_px

    def push(self, block: VideoFrames | ColourFrames | AudioSamples) -> None:
        """Take the next block."""
        if isinstance(block, ColourFrames) and self._picture is not None:
            self._picture.push(block)
        elif isinstance(block, AudioSamples) and self._sound is not None and self._is_wanted(block):
            self._sound.push(block)

    def _is_wanted(self, block: AudioSamples) -> bool:
        return block.sample_rate_hz == (self.also_hz or SAMPLE_RATE_HZ)

    def finish(self) -> dict[Side, Embeddings]:
        """The vectors of each side; none at all where there is nothing to encode."""
        found: dict[Side, _Pictures | _Sounds | None] = {"video": self._picture, "audio": self._sound}
        return {
            side: encoder.finish() or Embeddings(np.zeros((0, 0), np.float16), 1.0)
            for side, encoder in found.items()
            if encoder is not None
        }


_Pictures = PictureEncoder | FrameWindows
_Sounds = SoundEncoder | SampleWindows


def _pictures(encoder: Encoder) -> _Pictures:
    return FrameWindows(encoder) if takes_stretches(encoder.description) else PictureEncoder(encoder)


def _samples(encoder: Encoder) -> _Sounds:
    return SampleWindows(encoder) if takes_stretches(encoder.description) else SoundEncoder(encoder)


def blocks_of(
    path: str,
    sides: Collection[Side],
    num_threads: int,
    choice: StreamChoice,
    reading: Reading,
    wanted: VectorCollector,
) -> Iterator[VideoFrames | ColourFrames | AudioSamples]:
    """One pass over a file; frames in colour only where they are needed. Decoded ahead where threads may help."""
    options: dict[str, Any] = {"num_threads": num_threads, "choice": choice, "reading": reading}
    options |= {"video": "video" in sides, "audio": "audio" in sides}
    options["also_hz"] = wanted.also_hz
    if wanted.colour is None:
        blocks: Iterator[VideoFrames | ColourFrames | AudioSamples] = decode(path, **options)
    else:
        every_seconds, side_px = wanted.colour
        blocks = decode_with_colour(path, every_seconds, colour_side_px=side_px, **options)
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
