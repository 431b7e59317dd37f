"""All front ends and towers of a picture, and of a sound, fed block by block with what is decoded once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import UInt8

from avmatch.artifacts.tower import AudioEncoder, FaceEncoder, TowerPair, VideoEncoder
from avmatch.core.features import AudioFeatures, AudioSamples, Embeddings, MouthTrack, VideoFeatures, VideoFrames
from avmatch.frontends.faces import FaceDetector, LocatedFrame
from avmatch.frontends.motion import MotionFrontEnd
from avmatch.frontends.mouth import MouthFrontEnd
from avmatch.frontends.signs import SignFrontEnd
from avmatch.frontends.sound import SoundFrontEnd

THUMBNAIL_SIDE_PX = 160


class PictureWatcher:
    """All front ends of the picture, fed with the same frames."""

    def __init__(self, models: Sequence[TowerPair], detector: FaceDetector) -> None:
        looks = {pair.name: pair.video for pair in models}
        self._faces = {name: FaceEncoder(tower) for name, tower in looks.items() if tower.description.crop == "mouth"}
        self._encoders = {name: VideoEncoder(tower) for name, tower in looks.items() if name not in self._faces}
        self._motion = MotionFrontEnd()
        self._mouth = MouthFrontEnd(detector, self._show)
        self._num_blocks = self._num_frames = 0
        self._first_seconds = self._last_seconds = 0.0
        self._thumbnail = b""

    def push(self, frames: VideoFrames) -> None:
        """Take the next block."""
        if self._num_frames == 0:
            self._first_seconds = float(frames.pts_seconds[0])
        self._last_seconds = float(frames.pts_seconds[-1])
        self._num_frames += len(frames)
        self._num_blocks += 1
        if self._num_blocks & (self._num_blocks - 1) == 0:  # blocks 1, 2, 4, 8 …: from the middle of the file
            self._thumbnail = _jpeg(frames.data[len(frames) // 2])
        self._motion.push(frames)
        self._mouth.push(frames)
        for encoder in self._encoders.values():
            encoder.push(frames)

    def _show(self, located: LocatedFrame) -> None:
        for encoder in self._faces.values():
            encoder.take(located)

    def finish(self) -> VideoFeatures | None:
        """The features; None without a frame."""
        if self._num_frames == 0:
            return None
        span = self._last_seconds - self._first_seconds
        fps = (self._num_frames - 1) / span if span > 0 else 25.0
        start_seconds, motion = self._motion.finish()
        return VideoFeatures(
            start_seconds=start_seconds,
            motion=motion,
            mouths=self._mouths(),
            fps=fps,
            duration_seconds=span + 1.0 / fps,
            thumbnail_jpeg=self._thumbnail,
            embeddings=_finished(self._encoders),
        )

    def _mouths(self) -> tuple[MouthTrack, ...]:
        """The tracks, with the vectors of the models that look at them."""
        tracks = self._mouth.finish()
        vectors = {name: encoder.finish(self._mouth.sightings) for name, encoder in self._faces.items()}
        return tuple(
            replace(track, embeddings={name: found[number] for name, found in vectors.items() if number in found})
            for number, track in tracks.items()
        )


class SoundListener:
    """All front ends of the sound, fed with the same samples."""

    def __init__(self, models: Sequence[TowerPair]) -> None:
        self._sound, self._signs = SoundFrontEnd(), SignFrontEnd()
        self._encoders = {pair.name: AudioEncoder(pair.audio) for pair in models}

    def push(self, samples: AudioSamples) -> None:
        """Take the next block."""
        self._sound.push(samples)
        self._signs.push(samples)
        for encoder in self._encoders.values():
            encoder.push(samples)

    def finish(self) -> AudioFeatures | None:
        """The features; None without a sample."""
        features = self._sound.finish()
        return (
            None
            if features is None
            else replace(features, signs=self._signs.finish(), embeddings=_finished(self._encoders))
        )


def _finished(encoders: Mapping[str, VideoEncoder | AudioEncoder]) -> dict[str, Embeddings]:
    """The vectors of each tower that has any."""
    found = {name: encoder.finish() for name, encoder in encoders.items()}
    return {name: embeddings for name, embeddings in found.items() if embeddings is not None}


def _jpeg(picture: UInt8[np.ndarray, "H W"]) -> bytes:
    scale = min(1.0, THUMBNAIL_SIDE_PX / max(picture.shape))
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    _, encoded = cv2.imencode(".jpg", cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
    return bytes(encoded)
