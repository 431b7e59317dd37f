"""The model for any sound, over the features that every file has anyway (frontends/event_signals.py).

    video.onnx   sources (1, S, C, T) → accents (1, S, K, T), 25 a second
    audio.onnx   bands (1, H, U) → accents (1, K, U), 100 a second
    kind/        two towers over statistics (1, W, F) → a unit vector each (artifacts/tower.py)
    classes/     two more → probabilities of G named classes, the picture's divided by the classes' shares

The metadata property `avmatch` of the first two is a JSON object:

    {"model": "events", "side": "video", "input": "motion", "weights": [0.9, …], "temper": 0.4, "kind_scale": 3.1,
     "kind_baseline": 0.2, "class_share": 0.5, "weight": 1.0, "mass_slope": 0.5, "contrast_slope": 0.1,
     "intercept": -0.2, "half_slope": 0.2, "strokes_slope": 1.1, "class_slopes": [0.3, …]}

`weights` and `temper` tell how accents' nats are added (cues/events.py), kind_scale · (cosine − kind_baseline) are the
nats of the kinds, class_share · log(picture's · sound's probabilities) those of the classes, and the last seven how far
offsets may be believed (cues/evidence.py). Where class_share is 0, there are no classes.

Letters in shapes: S sources, C channels, T ticks, H inputs, U band ticks, K accents, D dimensions, W windows,
F statistics, G classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from avmatch.artifacts.graph import EVENTS, Description, Graph
from avmatch.artifacts.model import Model, open_model
from avmatch.artifacts.tower import ClipTower, ClipTowers, load_clip_towers
from avmatch.core.errors import ModelError
from avmatch.core.features import AudioFeatures, VideoFeatures
from avmatch.frontends.event_signals import (
    cell_signals,
    picture_signals,
    picture_statistics,
    sound_signals,
    sound_statistics,
)

INPUTS = {"video": "motion", "audio": "bands"}
KIND, CLASSES = "kind", "classes"


@dataclass(frozen=True, kw_only=True)
class EventDescription(Description):
    """What either side says of itself."""

    weights: tuple[float, ...]
    temper: float
    kind_scale: float
    kind_baseline: float
    class_share: float = 0.0
    weight: float = 1.0
    mass_slope: float = 1.0
    contrast_slope: float = 0.0
    intercept: float = 0.0
    half_slope: float = 0.0
    strokes_slope: float = 0.0
    class_slopes: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if INPUTS.get(self.side) != self.input:
            raise ValueError(f"side {self.side!r} with input {self.input!r}; expected one of {INPUTS}")
        if not self.weights or min(*self.weights, self.temper, self.kind_scale, self.class_share) < 0:
            raise ValueError(f"weights, temper, kind_scale and class_share can't be negative, got {self}")


@dataclass(frozen=True, eq=False)
class Kind:
    """What a file looks like, or sounds like.

    Attributes:
        vector: a unit vector.
        classes: of each named class; None where the model knows none.
    """

    vector: Float32[np.ndarray, " D"]
    classes: Float32[np.ndarray, " G"] | None = None


@dataclass(frozen=True, eq=False)
class EventModel:
    """Loaded graphs and what they say of themselves."""

    description: EventDescription
    video: Graph
    audio: Graph
    kinds: ClipTowers
    classes: ClipTowers | None = None

    @property
    def name(self) -> str:
        """The model's name."""
        return self.description.model

    def picture_accents(self, video: VideoFeatures) -> tuple[Float32[np.ndarray, "S K T"], Float[np.ndarray, " S"]]:
        """The accents of each source, and the sources' prior weights."""
        sources, weights = picture_signals(video.motion)
        return self._run(self.video, "video", sources), weights

    def cell_accents(self, video: VideoFeatures) -> Float32[np.ndarray, "64 K T"]:
        """The accents of every cell of the picture."""
        return self._run(self.video, "video", cell_signals(video.motion))

    def sound_accents(self, audio: AudioFeatures) -> Float32[np.ndarray, "K U"]:
        """The accents, on the clock of `sound_signals`."""
        return self._run(self.audio, "audio", sound_signals(audio.flux, audio.level))

    def picture_kind(self, video: VideoFeatures) -> Kind | None:
        """What it looks like; None if it is too short."""
        classes = None if self.classes is None else self.classes.video
        return _kind(self.kinds.video, classes, picture_statistics(video.motion))

    def sound_kind(self, audio: AudioFeatures) -> Kind | None:
        """What it sounds like; None if it is too short, or its spectrum isn't known."""
        classes = None if self.classes is None else self.classes.audio
        return _kind(self.kinds.audio, classes, sound_statistics(audio.spectrum))

    def _run(self, graph: Graph, side: str, signals: np.ndarray) -> np.ndarray:
        who = f"{self.name}: the {side} tower"
        output = graph.run(who, signals[None]).astype(np.float32, copy=False)
        num, ticks = len(self.description.weights), signals.shape[-1]
        if output.shape[-2:] != (num, ticks) or output.ndim != signals.ndim + 1:
            raise ModelError(f"{who} must give (…, {num}, {ticks}), got {output.shape}; export it again")
        return output[0]


def _kind(tower: ClipTower, classes: ClipTower | None, statistics: Float32[np.ndarray, "W F"]) -> Kind | None:
    if not len(statistics):
        return None
    return Kind(tower.encode([statistics])[0], None if classes is None else classes.encode([statistics])[0])


def load_event_model(model: str | Path | Model) -> EventModel:
    """The model for any sound. Raises ModelError if it is another model, or a graph isn't what it should be."""
    opened = open_model(model, EVENTS)
    video, audio = (opened.graph(side) for side in INPUTS)
    ours, theirs = video.description(EventDescription, "video"), audio.description(EventDescription, "audio")
    if (ours.model, ours.weights, ours.class_share) != (theirs.model, theirs.weights, theirs.class_share):
        raise ModelError(f"{opened.folder}: the towers differ: {ours.model} and {theirs.model}; export the model again")
    classes = load_clip_towers(opened.part(CLASSES)) if ours.class_share else None
    num, slopes = 0 if classes is None else classes.audio.description.dim, len(ours.class_slopes)
    if slopes not in (0, num):
        raise ModelError(f"{opened.folder}: {slopes} class_slopes for {num} classes; calibrate the model again")
    return EventModel(ours, video, audio, load_clip_towers(opened.part(KIND)), classes)
