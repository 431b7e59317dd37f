"""Towers that give one vector for a whole clip, from features that somebody else computed.

The graph's metadata property `avmatch` is a JSON object:

    {"model": "two_tower_best", "side": "video", "input": "clip_features", "num_features": 512, "num_steps": 10,
     "dim": 640, "scale": 9.0, "baseline": 0.2}

A tower takes float32 (B, T, F) and gives (B, D); the product of a video's and an audio's vector is their similarity.
`num_steps` 0 takes any T. `scale` and `baseline`, fitted on held-back pairs, turn a similarity into evidence in nats:
scale · (similarity − baseline).

Letters in shapes: N clips, T time steps, F features, D embedding.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32

from avmatch.core.errors import MediaError, ModelError
from avmatch.encoders.runtime import open_session, run_session

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

CLIP_INPUT = "clip_features"
#: Clips that go through a graph at once.
BATCH = 256


@dataclass(frozen=True)
class ClipDescription:
    """What a clip tower's metadata say."""

    model: str
    side: str
    input: str
    num_features: int
    dim: int
    num_steps: int = 0
    scale: float = 1.0
    baseline: float = 0.0

    def __post_init__(self) -> None:
        if self.side not in ("video", "audio") or self.input != CLIP_INPUT:
            raise ValueError(f"side {self.side!r} with input {self.input!r}; expected video or audio with {CLIP_INPUT}")
        if min(self.num_features, self.dim) < 1 or self.scale <= 0 or self.num_steps < 0:
            raise ValueError(f"num_features, dim and scale must be positive, got {self}")


@dataclass(frozen=True, eq=False)
class ClipTower:
    """A loaded graph and its description."""

    description: ClipDescription
    session: InferenceSession

    def encode(self, clips: Sequence[Float32[np.ndarray, "_ _"]]) -> Float32[np.ndarray, "N D"]:
        """A vector for each clip (T, F); clips of one length go through together.

        Raises:
            ModelError: the graph can't take them.
        """
        vectors = np.zeros((len(clips), self.description.dim), np.float32)
        lengths = np.array([len(clip) for clip in clips])
        for length in np.unique(lengths):
            rows = np.flatnonzero(lengths == length)
            for part in np.array_split(rows, -(-len(rows) // BATCH)):
                vectors[part] = self._run(np.stack([clips[row] for row in part]))
        return vectors

    def check(self, path: str, clip: Float32[np.ndarray, "T F"]) -> None:
        """Raises MediaError if the tower doesn't take such a clip."""
        told = self.description
        steps_fit = len(clip) == told.num_steps if told.num_steps else len(clip) > 0
        if clip.shape[1] != told.num_features or not steps_fit:
            wanted = f"({told.num_steps or 'any'}, {told.num_features})"
            raise MediaError(
                path,
                f"holds features {clip.shape}, but {told.model}'s {told.side} tower takes {wanted}",
                stage="features",
                reason="unsupported",
            )

    def _run(self, batch: Float32[np.ndarray, "B T F"]) -> Float32[np.ndarray, "B D"]:
        told = self.description
        output = np.asarray(run_session(self.session, f"{told.model}: the {told.side} tower", batch), np.float32)
        if output.shape != (len(batch), told.dim) or not np.isfinite(output).all():
            raise ModelError(
                f"{told.model}: the {told.side} tower must give finite ({len(batch)}, {told.dim}), got {output.shape}; "
                "export it again"
            )
        return output


@dataclass(frozen=True, eq=False)
class ClipTowers:
    """A model folder: video.onnx and audio.onnx, one vector a clip each."""

    video: ClipTower
    audio: ClipTower

    @property
    def name(self) -> str:
        """The model's name."""
        return self.video.description.model


def takes_clip_features(folder: str | Path) -> bool:
    """Whether the model in `folder` takes features of whole clips rather than pictures and sound."""
    path = Path(folder) / "video.onnx"
    return path.is_file() and _described(path)[0].get("input") == CLIP_INPUT


def load_clip_towers(folder: str | Path) -> ClipTowers:
    """Load both towers. Raises ModelError if one is missing, or they don't belong together."""
    towers = ClipTowers(_load(Path(folder) / "video.onnx", "video"), _load(Path(folder) / "audio.onnx", "audio"))
    ours, theirs = towers.video.description, towers.audio.description
    if (ours.model, ours.dim) != (theirs.model, theirs.dim):
        raise ModelError(f"{folder}: the towers differ: {ours.model} ({ours.dim}) and {theirs.model} ({theirs.dim})")
    return towers


def _load(path: Path, side: str) -> ClipTower:
    if not path.is_file():
        raise ModelError(f"{path}: no such model file; a model folder holds video.onnx and audio.onnx")
    told, session = _described(path)
    try:
        description = ClipDescription(**told)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{path}: no usable `avmatch` description in the graph's metadata ({error})") from error
    if description.side != side:
        raise ModelError(f"{path}: expected a tower for {side}, got one for {description.side}")
    return ClipTower(description, session)


def _described(path: Path) -> tuple[dict[str, Any], InferenceSession]:
    session = open_session(path, path.read_bytes())
    try:
        told = json.loads(session.get_modelmeta().custom_metadata_map.get("avmatch", "null"))
    except ValueError as error:
        raise ModelError(f"{path}: the `avmatch` description isn't JSON ({error}); export it again") from error
    if not isinstance(told, dict):
        raise ModelError(f"{path}: no `avmatch` description in the graph's metadata; export it with avmatch")
    return told, session
