"""How well a classifier names the classes of labelled items.

    items → probabilities → accuracy, log loss, calibration, class by class

Every item with a known class counts. One that lacks a side is answered by the other, one that lacks both by what the
model says of nothing; how many there are is told.

Letters in shapes: N items, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from avmatch.core.errors import UsageError
from avmatch.core.results import Progress
from avmatch.data.items import Pairs
from avmatch.evaluation.held_back import held_back_rows
from avmatch.metrics.classes import (
    ClassScores,
    Mistake,
    Reliability,
    averages,
    class_scores,
    commonest_mistakes,
    confusion_matrix,
    log_loss,
    reliability,
)
from avmatch.reports.plots import plot_confusion, plot_reliability, write_confusion
from avmatch.reports.report import Report, ReportTable, mistake_tables
from avmatch.systems.scenes.fusing import Predictions, write_predictions
from avmatch.systems.scenes.media import scenes_for, usable
from avmatch.systems.scenes.runtime import SceneModel, load_scenes

_CAPTION = "calibration error in 15 bins; a probability of 0 for what is counts as 1e-15"


@dataclass(frozen=True, eq=False)
class SceneResult:
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
    mistakes: tuple[Mistake, ...]
    num_partial: int
    predictions: Predictions
    notes: tuple[str, ...] = ()

    def report(self) -> Report:
        """The figures over all, class by class, and the commonest mistakes where there are any."""
        figures = [f"{value:.4f}" for value in (self.accuracy, self.log_loss, self.reliability.error)]
        over_all = [
            ["accuracy", "log loss", "calibration error", "n", "incomplete"],
            [*figures, str(self.n), str(self.num_partial)],
        ]
        averages = zip(("macro average", "weighted average"), (self.macro, self.weighted), strict=True)
        classes = [["class", "precision", "recall", "F1", "support"]]
        for name, one in (*zip(self.labels, self.per_class, strict=True), *averages):
            classes.append([name, *(f"{value:.3f}" for value in (one.precision, one.recall, one.f1)), str(one.support)])
        return Report(
            f"Classes in {Path(self.data).name}: {Path(self.model).resolve().name}",
            (
                ReportTable(f"Which of {len(self.labels)} classes is it?", over_all, 0, _CAPTION),
                ReportTable("Class by class", classes),
                *mistake_tables(self.mistakes, "is"),
            ),
            self._values(),
            self.notes,
        )

    def _values(self) -> dict[str, object]:
        """For JSON; accuracy, precision, recall and F1 are 0…1, the log loss is in nats."""
        return {
            "kind": "classify",
            "model": self.model,
            "data": self.data,
            "accuracy": self.accuracy,
            "log_loss": self.log_loss,
            "n": self.n,
            "calibration_error": self.reliability.error,
            "per_class": {name: asdict(one) for name, one in zip(self.labels, self.per_class, strict=True)},
            "macro": asdict(self.macro),
            "weighted": asdict(self.weighted),
            "labels": self.labels,
            "confusion": self.confusion.tolist(),
            "mistakes": [asdict(one) for one in self.mistakes],
            "num_partial": self.num_partial,
            "notes": self.notes,
        }


def evaluate_scenes(
    model: str | Path,
    data: str | Path,
    *,
    split: str | None = None,
    held_out: bool = False,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> SceneResult:
    """Measure `model` on the labelled items of `data` (data/pairs.py; media where it takes media).

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
    return result_of(str(model), str(data), predictions, notes, sum(map(bool, missing)))


def result_of(
    model: str, data: str, predictions: Predictions, notes: Sequence[str] = (), num_partial: int = 0
) -> SceneResult:
    """The figures of predictions whose classes are all known."""
    label, probabilities, labels = predictions.label, predictions.probabilities, predictions.classes
    confusion = confusion_matrix(label, probabilities.argmax(axis=1), len(labels))
    per_class = class_scores(confusion)
    macro, weighted = averages(per_class)
    return SceneResult(
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
        commonest_mistakes(probabilities, label, labels),
        num_partial,
        predictions,
        tuple(notes),
    )


def write_report(report: SceneResult, folder: Path) -> None:
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
