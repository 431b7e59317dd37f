"""One half of a learned matcher: an ONNX graph whose metadata say what goes in and what comes out.

The graph's metadata property `avmatch` is a JSON object:

    {"model": "lips", "side": "video", "input": "frames", "rate_hz": 25, "height_px": 96, "width_px": 96}
    {"model": "lips", "side": "audio", "input": "logmel", "rate_hz": 25, "num_mels": 64}

A video tower takes float32 (1, T, H, W) grey frames in 0…1 at `rate_hz`, of the whole picture or, with "crop": "mouth",
cut around the mouth of a face (frontends/crops.py); an audio tower takes float32 (1, T', 64)
log-mel at 100 a second, T' = T · 100 / rate_hz, so `rate_hz` divides 100, or with the input "mfcc" (1, T', 13)
coefficients (frontends/mfcc.py). Both give (1, T, D). Optional keys `scale`, `baseline` and `independent_seconds` tell
how similarity becomes evidence (cues/learned.py), `weight`, `mass_slope`, `contrast_slope` and `intercept` how far that
may be believed (cues/evidence.py).

Vectors are scaled to length 1, and their product is what counts, unless the key `distance` is "euclidean": then they
stay as they are (SyncNets). `window_frames` says how many frames a vector has seen, those around its tick.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32

from avmatch.core.errors import ModelError
from avmatch.core.features import BAND_RATE_HZ, Embeddings
from avmatch.core.signals import AudioSamples, VideoFrames
from avmatch.encoders.runtime import open_session, run_session
from avmatch.frontends.mfcc import mfcc
from avmatch.frontends.picture import FrameClock, shades
from avmatch.frontends.sound import CHUNK_SECONDS, NUM_MELS, LogMelClock, log_mel

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_FILES = {"video": "video.onnx", "audio": "audio.onnx"}
_CROPS = ("picture", "mouth")
_INPUTS = {"video": ("frames",), "audio": ("logmel", "mfcc")}
_DISTANCES = ("cosine", "euclidean")
_FEATURES: dict[str, Callable[[Float32[np.ndarray, " S"]], Float32[np.ndarray, "T _"]]] = {
    "logmel": log_mel,
    "mfcc": mfcc,
}


@dataclass(frozen=True)
class TowerDescription:
    """What a tower's metadata say."""

    model: str
    side: str
    input: str
    rate_hz: float
    height_px: int = 0
    width_px: int = 0
    crop: str = "picture"
    num_mels: int = NUM_MELS
    scale: float = 1.0
    baseline: float = 0.0
    independent_seconds: float = 0.2
    weight: float = 1.0
    mass_slope: float = 1.0
    contrast_slope: float = 0.0
    intercept: float = 0.0
    distance: str = "cosine"
    window_frames: int = 1

    def __post_init__(self) -> None:
        if self.input not in _INPUTS.get(self.side, ()):
            raise ValueError(f"side {self.side!r} with input {self.input!r}; known are {_INPUTS}")
        if self.rate_hz < 1 or BAND_RATE_HZ % self.rate_hz:
            raise ValueError(f"rate_hz must divide {BAND_RATE_HZ} and be at least 1, got {self.rate_hz}")
        if self.side == "video" and min(self.height_px, self.width_px) <= 0:
            raise ValueError(f"height_px and width_px must be positive, got {self.height_px} and {self.width_px}")
        if self.crop not in _CROPS:
            raise ValueError(f"crop must be one of {', '.join(_CROPS)}, got {self.crop!r}")
        if self.num_mels != NUM_MELS:
            raise ValueError(f"num_mels must be {NUM_MELS}, got {self.num_mels}")
        if self.distance not in _DISTANCES or self.window_frames < 1:
            raise ValueError(
                f"distance is one of {', '.join(_DISTANCES)} and window_frames 1 or more, got {self.distance!r} and "
                f"{self.window_frames}"
            )


@dataclass(frozen=True, eq=False)
class Tower:
    """A loaded graph and its description."""

    description: TowerDescription
    session: InferenceSession
    fingerprint: str

    def encode(self, inputs: Float32[np.ndarray, " t *rest"], num_ticks: int) -> Float32[np.ndarray, "T D"]:
        """Vectors for one stretch of `num_ticks`, of length 1 unless their distance is Euclidean.

        Raises:
            ModelError: the graph can't give them.
        """
        who = f"{self.description.model}: the {self.description.side} tower"
        output = np.asarray(run_session(self.session, who, inputs[None]), np.float32)
        if output.ndim != 3 or output.shape[:2] != (1, num_ticks):
            raise ModelError(f"{who} must give (1, {num_ticks}, D), got {output.shape}; export it again")
        if self.description.distance == "euclidean":
            return output[0]
        norm = np.linalg.norm(output[0], axis=1, keepdims=True)
        vectors: Float32[np.ndarray, "T D"] = output[0] / np.maximum(norm, 1e-9)
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


def load_pair(folder: str | Path, *, any_distance: bool = False) -> TowerPair:
    """Load a model folder.

    Args:
        any_distance: also models whose vectors must be compared by another distance than the cosine.

    Raises:
        ModelError: a tower is missing, doesn't say what it is, or has a distance that isn't wanted.
    """
    towers = {side: load_tower(Path(folder) / file, side) for side, file in _FILES.items()}
    pair = TowerPair(towers["video"], towers["audio"])
    ours, theirs = pair.video.description, pair.audio.description
    if (ours.model, ours.rate_hz, ours.distance) != (theirs.model, theirs.rate_hz, theirs.distance):
        raise ModelError(
            f"{folder}: the towers differ: {ours.model} at {ours.rate_hz} Hz, {theirs.model} at {theirs.rate_hz}; by "
            f"{ours.distance} and {theirs.distance} distance"
        )
    if ours.distance != "cosine" and not any_distance:
        raise ModelError(
            f"{folder}: {ours.model} compares by {ours.distance} distance, which only `avmatch evaluate --protocol "
            "sync` can do"
        )
    return pair


def load_tower(path: Path, side: str) -> Tower:
    """Load one graph and check its description."""
    if not path.is_file():
        raise ModelError(f"{path}: no such model file; a model folder holds {' and '.join(_FILES.values())}")
    content = path.read_bytes()
    session = open_session(path, content)
    text = session.get_modelmeta().custom_metadata_map.get("avmatch")
    try:
        description = TowerDescription(**json.loads(text or "null"))
    except (TypeError, ValueError) as error:
        raise ModelError(f"{path}: no usable `avmatch` description in the graph's metadata ({error})") from error
    if description.side != side:
        raise ModelError(f"{path}: expected a tower for {side}, got one for {description.side}")
    return Tower(description, session, hashlib.blake2b(content, digest_size=8).hexdigest())


class VideoEncoder:
    """Collects VideoFrames blocks and answers with the tower's vectors on its clock."""

    def __init__(self, tower: Tower) -> None:
        told = tower.description
        self._tower = tower
        self._clock = FrameClock(told.rate_hz, told.height_px, told.width_px)
        self._ticks: list[np.ndarray] = []
        self._vectors: list[np.ndarray] = []

    def push(self, frames: VideoFrames) -> None:
        """Take the next block."""
        for tick in self._clock.push(frames):
            self._ticks.append(shades(tick))
            if len(self._ticks) >= CHUNK_SECONDS * self._clock.rate_hz:
                self._run()

    def finish(self) -> Embeddings | None:
        """The vectors; None without a frame."""
        self._ticks += map(shades, self._clock.finish())
        self._run()
        return embeddings_of(self._tower, self._vectors, self._clock.start_seconds)

    def _run(self) -> None:
        if self._ticks:
            self._vectors.append(self._tower.encode(np.stack(self._ticks), len(self._ticks)))
            self._ticks = []


class AudioEncoder:
    """Collects AudioSamples blocks (mono, 16 kHz) and answers with the tower's vectors on its clock."""

    def __init__(self, tower: Tower) -> None:
        self._tower = tower
        self._clock = LogMelClock(tower.description.rate_hz, _FEATURES[tower.description.input])
        self._vectors: list[np.ndarray] = []

    def push(self, samples: AudioSamples) -> None:
        """Take the next block."""
        self._run(self._clock.push(samples))

    def finish(self) -> Embeddings | None:
        """The vectors; None if the sound is shorter than a tick."""
        self._run(self._clock.finish())
        return embeddings_of(self._tower, self._vectors, self._clock.start_seconds)

    def _run(self, stretches: Iterable[Float32[np.ndarray, "T _"]]) -> None:
        for features in stretches:
            num_ticks = round(len(features) * self._tower.description.rate_hz / BAND_RATE_HZ)
            self._vectors.append(self._tower.encode(features, num_ticks))


def embeddings_of(tower: Tower, vectors: Sequence[np.ndarray], start_seconds: float | None) -> Embeddings | None:
    """What a tower said of the stretches of a stream, one after another; None where there was none."""
    if start_seconds is None or not vectors:
        return None
    return Embeddings(np.concatenate(vectors).astype(np.float16), tower.description.rate_hz, start_seconds)
