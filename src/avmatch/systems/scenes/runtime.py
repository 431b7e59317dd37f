"""The trained classifier of scenes at work: the graph, the result of an item, and a sentence about it.

`scenes.onnx` takes float32 `audio` (B, T, F) and `video` (B, U, G), NaN for missing steps, of which a whole side may
consist, and gives logits (B, K), calibrated. Its metadata property `avmatch` is a JSON object:

    {"model": "scene_best", "input": "scene_features", "labels": ["Church bell", …], "audio_features": 128,
     "video_features": 512, "window_steps": 10, "rate_hz": 1.0, "sides": ["audio", "video"], "front_end": ""}

`window_steps` is the length that it was trained on, at `rate_hz`; `front_end` names the towers whose vectors its
features are, "" where others computed them.

Letters in shapes: N clips, B clips of a batch, T and U time steps, F and G features, K classes.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float, Float32
from scipy.special import softmax

from avmatch.artifacts.model import SCENES, Description, Graph, Model, open_model
from avmatch.core.errors import ModelError
from avmatch.data.items import SIDES, Side, absent, padded

SCENES_MODEL = "scenes"
SCENE_INPUT = "scene_features"
#: Clips that go through the graph at once, fewer where they are long: a batch is as long as its longest clip.
BATCH, BATCH_STEPS = 128, 32_768

#: Which side alone names the label: one of them, both, or neither, so that it takes them together. "" without a label.
CarriedBy = Literal["audio", "video", "both", "together", ""]
SceneStatus = Literal["ok", "partial", "failed"]
Clip = Float32[np.ndarray, "_ _"]
_CARRIED = {
    "audio": "by its sound",
    "video": "by its picture",
    "both": "by either side",
    "together": "by both together",
}


@dataclass(frozen=True)
class Span:
    """A stretch of a long item with one label, and the mean probability of that label in it."""

    begin_seconds: float
    end_seconds: float
    label: str
    probability: float


@dataclass(frozen=True, repr=False)
class SceneResult:
    """The label of one item.

    Attributes:
        path: the file as the user named it, or the item's name in a set.
        label: the likeliest class; None when failed.
        probabilities: of every class; empty when failed.
        carried_by: see CarriedBy.
        missing: why a side is missing or not whole, by side; what can be done without it is done.
        timeline: of items much longer than those of the training.
        status: ok, partial (something is missing) or failed (there is nothing to classify).
    """

    path: str
    label: str | None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    carried_by: CarriedBy = ""
    missing: Mapping[str, str] = field(default_factory=dict)
    timeline: tuple[Span, ...] = ()

    def __repr__(self) -> str:
        return f"SceneResult({self.path!r}, {self.label!r}, {self.probability:.2f}, {self.status})"

    @property
    def probability(self) -> float:
        """Of the label; 0 when failed."""
        return 0.0 if self.label is None else self.probabilities[self.label]

    @property
    def status(self) -> SceneStatus:
        """How far the item could be used."""
        if self.label is None:
            return "failed"
        return "partial" if self.missing else "ok"

    def to_json(self) -> str:
        """One JSON object on one line."""
        return json.dumps(asdict(self) | {"probability": self.probability, "status": self.status}, allow_nan=False)


@dataclass(frozen=True, kw_only=True)
class SceneDescription(Description):
    """What the graph says of itself; see the module."""

    labels: tuple[str, ...]
    audio_features: int
    video_features: int
    window_steps: int
    rate_hz: float
    sides: tuple[Side, ...] = SIDES
    front_end: str = ""

    def __post_init__(self) -> None:
        if self.input != SCENE_INPUT or len(self.labels) < 2 or not set(self.sides) <= set(SIDES) or not self.sides:
            raise ValueError(f"needs the input {SCENE_INPUT}, two labels or more, and sides, got {self}")
        if min(self.audio_features, self.video_features, self.window_steps) < 1 or self.rate_hz <= 0:
            raise ValueError(f"numbers of features, window_steps and rate_hz must be positive, got {self}")

    @property
    def num_features(self) -> dict[Side, int]:
        """Of each side."""
        return {"audio": self.audio_features, "video": self.video_features}


@dataclass(frozen=True, eq=False)
class SceneModel:
    """A loaded graph and its description."""

    description: SceneDescription
    graph: Graph

    def probabilities(self, audio: Sequence[Clip], video: Sequence[Clip]) -> Float[np.ndarray, "N K"]:
        """Of each clip's classes; a side without steps is missing.

        Raises:
            UsageError: clips don't have the features that the model takes.
            ModelError: the graph can't give them.
        """
        edges = [*_begins([max(map(len, clips)) for clips in zip(audio, video, strict=True)]), len(audio)]
        parts = [self._run(audio[begin:end], video[begin:end]) for begin, end in pairwise(edges)]
        return np.concatenate([np.zeros((0, len(self.description.labels))), *parts])

    def _run(self, audio: Sequence[Clip], video: Sequence[Clip]) -> Float[np.ndarray, "B K"]:
        model, classes = self.description.model, len(self.description.labels)
        inputs = [
            padded(clips if side in self.description.sides else [absent()] * len(clips), size)
            for (side, size), clips in zip(self.description.num_features.items(), (audio, video), strict=True)
        ]
        logits = self.graph.run(model, *inputs).astype(np.float64)
        if logits.shape != (len(audio), classes) or not np.isfinite(logits).all():
            raise ModelError(
                f"{model}: must give finite ({len(audio)}, {classes}), got {logits.shape}; export it again"
            )
        return softmax(logits, axis=1)


def _begins(lengths: Sequence[int]) -> Iterator[int]:
    """Where batches begin."""
    begin, longest = 0, 0
    for place, length in enumerate(lengths):
        longest, num = max(longest, length), place + 1 - begin
        if num == 1 or num > BATCH or num * longest > BATCH_STEPS:
            begin, longest = place, length
            yield place


def load_scenes(model: str | Path | Model) -> SceneModel:
    """The classifier of a run, or of an exported folder.

    Raises:
        ModelError: there is none, or it doesn't say what it is.
    """
    graph = open_model(model, SCENES).graph(SCENES_MODEL)
    return SceneModel(graph.description(SceneDescription), graph)


def scene_sentence(result: SceneResult) -> str:
    """The label, how probable, what carried it, and what is missing."""
    missing = "; ".join(f"{side} {why}" for side, why in result.missing.items())
    if result.label is None:
        return f"nothing to classify: {missing}"
    sentence = f"{result.label}, {result.probability:.2f}, {_CARRIED[result.carried_by]}"
    return f"{sentence}; {missing}" if missing else sentence


def timeline_lines(result: SceneResult) -> Iterator[str]:
    """A line a stretch."""
    for span in result.timeline:
        yield f"  {span.begin_seconds:8.1f} s to {span.end_seconds:8.1f} s  {span.label}, {span.probability:.2f}"
