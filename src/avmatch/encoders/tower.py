"""One half of a learned matcher: an ONNX graph whose metadata say what goes in and what comes out.

The graph's metadata property `avmatch` is a JSON object:

    {"model": "lips", "side": "video", "input": "frames", "rate_hz": 25, "height_px": 96, "width_px": 96}
    {"model": "lips", "side": "audio", "input": "logmel", "rate_hz": 25, "num_mels": 64}

A video tower takes float32 (1, T, H, W) grey frames in 0…1 at `rate_hz`; an audio tower takes float32 (1, T', 64)
log-mel at 100 a second, T' = T · 100 / rate_hz. Both give (1, T, D). Optional keys `scale`, `baseline` and
`independent_seconds` tell how similarity becomes evidence (cues/learned.py).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from jaxtyping import Float32

from avmatch.core.errors import ModelError
from avmatch.core.features import BAND_RATE_HZ, Embeddings
from avmatch.core.signals import AudioSamples, VideoFrames
from avmatch.frontends.sound import HOP_SAMPLES, SAMPLE_RATE_HZ, log_mel

#: Longest stretch run through a network at once.
CHUNK_SECONDS = 20.0
_FILES = {"video": "video.onnx", "audio": "audio.onnx"}


@dataclass(frozen=True)
class TowerDescription:
    """What a tower's metadata say."""

    model: str
    side: str
    input: str
    rate_hz: float
    height_px: int = 0
    width_px: int = 0
    scale: float = 1.0
    baseline: float = 0.0
    independent_seconds: float = 0.2


@dataclass(frozen=True, eq=False)
class Tower:
    """A loaded graph and its description."""

    description: TowerDescription
    session: onnxruntime.InferenceSession
    fingerprint: str

    def encode(self, inputs: Float32[np.ndarray, T * rest]) -> Float32[np.ndarray, "t D"]:
        """Unit vectors for one stretch."""
        name = self.session.get_inputs()[0].name
        output = np.asarray(self.session.run(None, {name: inputs[None]})[0], np.float32)
        if output.ndim != 3 or output.shape[0] != 1:
            raise ModelError(f"{self.description.model}: a tower must give (1, T, D), got {output.shape}")
        norm = np.linalg.norm(output[0], axis=1, keepdims=True)
        vectors: Float32[np.ndarray, "t D"] = output[0] / np.maximum(norm, 1e-9)
        return vectors


@dataclass(frozen=True, eq=False)
class TowerPair:
    """A model folder: video.onnx and audio.onnx."""

    video: Tower
    audio: Tower

    @property
    def name(self) -> str:
        """The model's name."""
        return self.video.description.model


def load_pair(folder: str | Path) -> TowerPair:
    """Load a model folder. Raises ModelError if a tower is missing or doesn't say what it is."""
    towers = {side: load_tower(Path(folder) / file, side) for side, file in _FILES.items()}
    pair = TowerPair(towers["video"], towers["audio"])
    ours, theirs = pair.video.description, pair.audio.description
    if (ours.model, ours.rate_hz) != (theirs.model, theirs.rate_hz):
        raise ModelError(
            f"{folder}: the towers differ: {ours.model} at {ours.rate_hz} Hz, {theirs.model} at {theirs.rate_hz}"
        )
    return pair


def load_tower(path: Path, side: str) -> Tower:
    """Load one graph and check its description."""
    if not path.is_file():
        raise ModelError(f"{path}: no such model file; a model folder holds {' and '.join(_FILES.values())}")
    content = path.read_bytes()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except (RuntimeError, ValueError, OSError) as error:
        raise ModelError(f"{path}: not an ONNX model that can be run ({error}); export it again") from error
    text = session.get_modelmeta().custom_metadata_map.get("avmatch")
    try:
        description = TowerDescription(**json.loads(text or "null"))
    except (TypeError, ValueError) as error:
        raise ModelError(f"{path}: no usable `avmatch` description in the graph's metadata ({error})") from error
    expected = {"video": "frames", "audio": "logmel"}[side]
    if (description.side, description.input) != (side, expected) or description.rate_hz <= 0:
        raise ModelError(f"{path}: expected a {side} tower fed with {expected}, got {description}")
    return Tower(description, session, f"{len(content)}-{hash_of(content)}")


def hash_of(content: bytes) -> str:
    """A short name for a model's bytes."""
    import hashlib

    return hashlib.blake2b(content, digest_size=8).hexdigest()


class VideoEncoder:
    """Collects VideoFrames blocks and answers with the tower's vectors on its clock."""

    def __init__(self, tower: Tower) -> None:
        self._tower = tower
        self._ticks: list[np.ndarray] = []
        self._vectors: list[np.ndarray] = []
        self._start_seconds: float | None = None
        self._num_ticks = 0

    def push(self, frames: VideoFrames) -> None:
        """Take the next block: the newest frame at each tick of the tower's clock."""
        size = (self._tower.description.width_px, self._tower.description.height_px)
        for picture, time_seconds in zip(frames.data, frames.pts_seconds.tolist(), strict=True):
            if self._start_seconds is None:
                self._start_seconds = time_seconds
            due = (time_seconds - self._start_seconds) * self._tower.description.rate_hz + 0.5
            while self._num_ticks < due:
                small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
                self._ticks.append(small.astype(np.float32) / 255.0)
                self._num_ticks += 1
                if len(self._ticks) >= CHUNK_SECONDS * self._tower.description.rate_hz:
                    self._run()

    def finish(self) -> Embeddings | None:
        """The vectors; None without a frame."""
        self._run()
        if self._start_seconds is None or not self._vectors:
            return None
        return Embeddings(
            np.concatenate(self._vectors).astype(np.float16), self._tower.description.rate_hz, self._start_seconds
        )

    def _run(self) -> None:
        if self._ticks:
            self._vectors.append(self._tower.encode(np.stack(self._ticks)))
            self._ticks = []


class AudioEncoder:
    """Collects AudioSamples blocks (mono, 16 kHz) and answers with the tower's vectors on its clock."""

    def __init__(self, tower: Tower) -> None:
        self._tower = tower
        self._pending: list[np.ndarray] = []
        self._num_pending = 0
        self._vectors: list[np.ndarray] = []
        self._start_seconds: float | None = None

    def push(self, samples: AudioSamples) -> None:
        """Take the next block."""
        if self._start_seconds is None:
            self._start_seconds = samples.pts_seconds
        self._pending.append(samples.data[0])
        self._num_pending += samples.data.shape[1]
        if self._num_pending >= CHUNK_SECONDS * SAMPLE_RATE_HZ:
            self._run(int(CHUNK_SECONDS * SAMPLE_RATE_HZ))

    def finish(self) -> Embeddings | None:
        """The vectors; None if the sound is shorter than a step."""
        step = round(BAND_RATE_HZ / self._tower.description.rate_hz) * HOP_SAMPLES
        self._run(self._num_pending // step * step)
        if self._start_seconds is None or not self._vectors:
            return None
        return Embeddings(
            np.concatenate(self._vectors).astype(np.float16), self._tower.description.rate_hz, self._start_seconds
        )

    def _run(self, num_samples: int) -> None:
        data = np.concatenate(self._pending) if self._pending else np.zeros(0, np.float32)
        if num_samples > 0:
            self._vectors.append(self._tower.encode(log_mel(data[:num_samples])))
        self._pending, self._num_pending = [data[num_samples:]], len(data) - num_samples
