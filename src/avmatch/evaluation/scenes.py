"""How well a classifier names the classes of labelled items.

    items → probabilities → accuracy, log loss, calibration, class by class

Every item with a known class counts. One that lacks a side is answered by the other, one that lacks both by what the
model says of nothing; how many there are is told.

Letters in shapes: N items, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from avmatch.core.errors import UsageError
from avmatch.core.progress import Progress
from avmatch.datasets.items import Pairs
from avmatch.datasets.predictions import Predictions, write_predictions
from avmatch.encoders.scenes import SceneModel, load_scenes
from avmatch.evaluation.held_back import held_back_rows
from avmatch.metrics.classes import confusions
from avmatch.metrics.labels import ClassScores, averages, class_scores, confusion_matrix
from avmatch.metrics.probabilities import Reliability, log_loss, reliability
from avmatch.pipelines.classify import scenes_for, usable
from avmatch.reports.classes import plot_confusion, plot_reliability, write_confusion

NUM_CONFUSIONS = 10


@dataclass(frozen=True)
class Taken:
    """A class that was taken for another one, how often, of how many."""

    label: str
    guess: str
    count: int
    support: int


@dataclass(frozen=True, eq=False)
class SceneReport:
    """One evaluation.

    Attributes:
        accuracy: 0…1.
        log_loss: in nats.
        per_class: in the order of `labels`, the model's.
        macro, weighted: means over the classes that there are, alike and by their number.
        confusion: rows are what is, columns what it was taken for.
        num_partial: items of which something is missing that the model looks at.
        predictions: of each item.
        notes: what is missing, for a person.
    """

    model: str
    data: str
    accuracy: float
    log_loss: float
    n: int
    labels: tuple[str, ...]
    per_class: tuple[ClassScores, ...]
    macro: ClassScores
    weighted: ClassScores
    confusion: Int[np.ndarray, "K K"]
    reliability: Reliability
    mistakes: tuple[Taken, ...]
    num_partial: int
    predictions: Predictions
    notes: tuple[str, ...] = ()


def evaluate_scenes(
    model: str | Path,
    data: str | Path,
    *,
    split: str | None = None,
    held_out: bool = False,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> SceneReport:
    """Measure `model` on the labelled items of `data` (datasets/pairs.py; media where it takes media).

    Args:
        split: only this one.
        held_out: only what the run `model` held back.

    Raises:
        UsageError: no known layout, no labels, or a class that the model doesn't know.
        ModelError: the model can't be used.
    """
    loaded = load_scenes(model)
    (scenes,) = scenes_for(loaded, [data], cache_dir, progress, split)
    scenes = scenes.labelled()
    if not len(scenes.pairs):
        raise UsageError(f"{data}: no item has a label")
    if held_out:
        scenes = scenes.take(held_back_rows(scenes.pairs.names, Path(model)))
    label = _in_order(scenes.pairs, loaded, data)
    probabilities: list[Float[np.ndarray, "B K"]] = []
    missing: list[dict[str, str]] = []
    for found in usable(loaded, scenes):
        probabilities.append(loaded.probabilities(found.audio, found.video))
        missing += found.missing
    names = scenes.pairs.names
    predictions = Predictions(names, loaded.description.labels, np.concatenate(probabilities), label)
    notes = [f"{name}: {side}: {why}" for name, whys in zip(names, missing, strict=True) for side, why in whys.items()]
    return report_of(str(model), str(data), predictions, notes, sum(map(bool, missing)))


def report_of(
    model: str, data: str, predictions: Predictions, notes: Sequence[str] = (), num_partial: int = 0
) -> SceneReport:
    """The figures of predictions whose classes are all known."""
    label, probabilities, labels = predictions.label, predictions.probabilities, predictions.classes
    confusion = confusion_matrix(label, probabilities.argmax(axis=1), len(labels))
    per_class = class_scores(confusion)
    macro, weighted = averages(per_class)
    return SceneReport(
        model,
        data,
        float(np.trace(confusion) / len(label)),
        log_loss(probabilities, label),
        len(label),
        labels,
        per_class,
        macro,
        weighted,
        confusion,
        reliability(probabilities, label),
        _mistakes(probabilities, label, labels),
        num_partial,
        predictions,
        tuple(notes),
    )


def write_report(report: SceneReport, folder: Path) -> None:
    """prediction.csv, confusion.csv, confusion.png and reliability.png."""
    write_predictions(folder / "prediction.csv", report.predictions)
    write_confusion(report.confusion, report.labels, folder / "confusion.csv")
    plot_confusion(report.confusion, report.labels, folder / "confusion.png")
    plot_reliability(report.reliability, folder / "reliability.png")


def _in_order(pairs: Pairs, model: SceneModel, data: str | Path) -> Int[np.ndarray, " N"]:
    """The items' labels as the model numbers them."""
    known = model.description.labels
    there = [pairs.label_names[number] for number in np.unique(pairs.label)]
    if unknown := [name for name in there if name not in known]:
        raise UsageError(
            f"{data}: has the class {unknown[0]!r}, and {model.description.model} knows {', '.join(known)}"
        )
    return np.array([known.index(pairs.label_names[number]) for number in pairs.label], np.int64)


def _mistakes(
    probabilities: Float[np.ndarray, "N K"], label: Int[np.ndarray, " N"], labels: tuple[str, ...]
) -> tuple[Taken, ...]:
    found = confusions(probabilities, label, NUM_CONFUSIONS)
    return tuple(Taken(labels[one.said], labels[one.heard], one.count, one.num_said) for one in found)
