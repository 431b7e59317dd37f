"""The networks for impacts as ONNX graphs (task.py has their format), and the folder of the whole system.

    MODEL/classes_sound.onnx, classes_picture.onnx      the object by its sound, and by pictures
    MODEL/metric_film.onnx, metric_sound.onnx           one metric for all classes, or …
    MODEL/metric/<class number>/…                       one for each
    MODEL/system.json                                   cues, calibration and threshold (cue.py, matching.py)

Letters in shapes: N items, K classes, D dimensions.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Shaped

from avmatch.artifacts.model import COLLISIONS, Description, Graph, Model, open_model
from avmatch.core.errors import ModelError

CLASSES_GRAPH, METRIC_GRAPH = "classes_{}", "metric_{}"
SYSTEM = "system.json"
METRICS = "metric"
_TOGETHER = 32


@dataclass(frozen=True, kw_only=True)
class ImpactDescription(Description):
    """What a graph says about itself.

    Attributes:
        side: what goes in: sound, picture, path or masks.
        shape: of one item.
        bins, ticks: how spectrograms are pooled.
        outputs: "classes" or "vector".
        classes: their names, of a classifier.
    """

    shape: tuple[int, ...]
    bins: int
    ticks: int
    outputs: str
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.side not in ("sound", "picture", "path", "masks") or self.outputs not in ("classes", "vector"):
            raise ValueError(f"unknown side or outputs in {self}")
        if (self.outputs == "classes") != bool(self.classes):
            raise ValueError(f"a classifier needs classes, and nothing else has them, got {self}")


@dataclass(frozen=True, eq=False)
class ImpactNetwork:
    """A loaded graph and its description."""

    description: ImpactDescription
    graph: Graph

    def __call__(self, items: Sequence[Shaped[np.ndarray, "*shape"]]) -> Float32[np.ndarray, "N D"]:
        """What the network makes of them; D = 0 if it is no classifier and there are none.

        Raises:
            ModelError: they don't fit.
        """
        if not items:
            return np.zeros((0, len(self.description.classes)), np.float32)
        parts = (np.stack(items[begin : begin + _TOGETHER]) for begin in range(0, len(items), _TOGETHER))
        return np.concatenate([self.graph.run(self.description.model, part.astype(np.float32)) for part in parts])


@dataclass(frozen=True, eq=False)
class MetricTowers:
    """Two towers whose vectors lie near each other for one impact."""

    film: ImpactNetwork
    sound: ImpactNetwork


@dataclass(frozen=True, eq=False)
class CollisionModel:
    """The whole system.

    Attributes:
        sound_classes, picture_classes: the classifiers.
        metrics: one for all classes, or one for each in their order.
        system: what system.json holds; empty before anything was calibrated.
    """

    path: str
    sound_classes: ImpactNetwork
    picture_classes: ImpactNetwork
    metrics: tuple[MetricTowers, ...]
    system: dict[str, object] = field(default_factory=dict)


def load_collisions(model: str | Path | Model) -> CollisionModel:
    """The system of a run of `avmatch train collision`, or of its model folder.

    Raises:
        ModelError: it isn't whole, or its parts don't fit each other.
    """
    opened = open_model(model, COLLISIONS)
    try:
        system = json.loads((opened.folder / SYSTEM).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{opened.name}: no system for collisions there ({error}); make one with avmatch train collision"
        ) from error
    return replace(load_networks(opened), path=opened.name, system=system)


def load_networks(model: str | Path | Model) -> CollisionModel:
    """All that is in the model folder but system.json. Raises ModelError as `load_collisions`."""
    opened = open_model(model, COLLISIONS)
    folder = opened.folder
    sound, picture = (load_network(opened, CLASSES_GRAPH.format(side)) for side in ("sound", "picture"))
    numbers = sorted(int(place.name) for place in folder.glob(f"{METRICS}/*") if place.name.isdecimal())
    one_metric = (folder / f"{METRIC_GRAPH.format('film')}.onnx").is_file()
    places = [""] if one_metric else [f"{METRICS}/{number}/" for number in numbers]
    metrics = tuple(
        MetricTowers(*(load_network(opened, place + METRIC_GRAPH.format(side)) for side in ("film", "sound")))
        for place in places
    )
    num_classes = len(sound.description.classes)
    if picture.description.classes != sound.description.classes or len(metrics) not in (1, num_classes):
        raise ModelError(f"{folder}: classifiers of other classes, or {len(metrics)} metrics for {num_classes} classes")
    pooled = {(net.description.bins, net.description.ticks) for net in (sound, *(pair.sound for pair in metrics))}
    if len(pooled) > 1:
        raise ModelError(f"{folder}: its networks want spectrograms that are pooled differently; train it again")
    return CollisionModel(str(folder), sound, picture, metrics)


def load_network(model: Model, name: str) -> ImpactNetwork:
    """One graph of a model. Raises ModelError if there is none, or it doesn't say what it is."""
    graph = model.graph(name)
    return ImpactNetwork(graph.description(ImpactDescription), graph)
