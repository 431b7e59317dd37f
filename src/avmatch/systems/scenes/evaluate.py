"""How well a classifier names the classes of labelled items.

    items → probabilities → accuracy, log loss, calibration, class by class

Every item with a known class counts. One that lacks a side is classified by the other, one that lacks both by the
classes' shares; the result says how many there are.

Letters in shapes: N items, K classes.
"""

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Int

from avmatch.core.errors import UsageError
from avmatch.core.results import Progress
from avmatch.data.items import Pairs
from avmatch.evaluation.galleries import held_back_rows
from avmatch.metrics import classes as metrics
from avmatch.reports.plots import plot_confusion, plot_reliability, write_confusion
from avmatch.reports.report import Report, ReportTable, mistake_tables
from avmatch.systems.scenes.fusing import Predictions, write_predictions
from avmatch.systems.scenes.media import scenes_for, usable
from avmatch.systems.scenes.runtime import SceneModel, load_scenes

_CAPTION = "calibration error in 15 bins; a probability of 0 for what is counts as 1e-15"


@dataclass(frozen=True, eq=False)
class ClassificationResult:
    """One evaluation.

    Attributes:
        predictions: of items whose classes are all known.
        num_partial: items of which something is missing that the model takes.
        notes: what is missing, for a person.
    """

    model: str
    data: str
    predictions: Predictions
    num_partial: int = 0
    notes: tuple[str, ...] = ()

    @cached_property
    def confusion(self) -> Int[np.ndarray, "K K"]:
        """Rows are what is, columns what it was taken for."""
        guess = self.predictions.probabilities.argmax(axis=1)
        return metrics.confusion_matrix(self.predictions.label, guess, len(self.predictions.classes))

    def report(self) -> Report:
        """The figures over all, class by class, and the commonest mistakes where there are any.

        In JSON, accuracy, precision, recall and F1 are 0…1, the log loss is in nats; averages are over the classes that
        there are, alike (macro) and by their number (weighted).
        """
        label, probabilities, labels = self.predictions.label, self.predictions.probabilities, self.predictions.classes
        accuracy, loss = float(np.trace(self.confusion) / len(label)), metrics.log_loss(probabilities, label)
        calibration_error = metrics.reliability(probabilities, label).error
        per_class = dict(zip(labels, metrics.class_scores(self.confusion), strict=True))
        macro, weighted = metrics.averages(tuple(per_class.values()))
        mistakes = metrics.commonest_mistakes(probabilities, label, labels)
        over_all = [
            ["accuracy", "log loss", "calibration error", "n", "incomplete"],
            [f"{accuracy:.4f}", f"{loss:.4f}", f"{calibration_error:.4f}", str(len(label)), str(self.num_partial)],
        ]
        classes = [["class", "precision", "recall", "F1", "support"]]
        for name, one in [*per_class.items(), ("macro average", macro), ("weighted average", weighted)]:
            classes.append([name, *(f"{value:.3f}" for value in (one.precision, one.recall, one.f1)), str(one.support)])
        return Report(
            f"Classes in {Path(self.data).name}: {Path(self.model).resolve().name}",
            (
                ReportTable(f"Which of {len(labels)} classes is it?", over_all, 0, _CAPTION),
                ReportTable("Class by class", classes),
                *mistake_tables(mistakes, "is"),
            ),
            {
                "kind": "classify",
                "model": self.model,
                "data": self.data,
                "accuracy": accuracy,
                "log_loss": loss,
                "n": len(label),
                "calibration_error": calibration_error,
                "per_class": {name: asdict(one) for name, one in per_class.items()},
                "macro": asdict(macro),
                "weighted": asdict(weighted),
                "labels": labels,
                "confusion": self.confusion.tolist(),
                "mistakes": [asdict(one) for one in mistakes],
                "num_partial": self.num_partial,
                "notes": self.notes,
            },
            self.notes,
        )


def evaluate_scenes(
    model: str | Path,
    data: str | Path,
    *,
    split: str | None = None,
    held_out: bool = False,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> ClassificationResult:
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
    if not len(scenes):
        raise UsageError(f"{data}: no item has a label")
    if held_out:
        scenes = scenes.take(held_back_rows(scenes.names, Path(model)))
    label = _in_order(scenes, loaded, data)
    parts, missing = [], []
    for found in usable(loaded, scenes):
        parts.append(loaded.probabilities(found.audio, found.video))
        missing += found.missing
    names = scenes.names
    predictions = Predictions(names, loaded.description.labels, np.concatenate(parts), label)
    notes = [f"{name}: {side}: {why}" for name, whys in zip(names, missing, strict=True) for side, why in whys.items()]
    return ClassificationResult(str(model), str(data), predictions, sum(map(bool, missing)), tuple(notes))


def write_report(result: ClassificationResult, folder: Path) -> None:
    """prediction.csv, confusion.csv, confusion.png and reliability.png."""
    predictions = result.predictions
    write_predictions(folder / "prediction.csv", predictions)
    write_confusion(result.confusion, predictions.classes, folder / "confusion.csv")
    plot_confusion(result.confusion, predictions.classes, folder / "confusion.png")
    plot_reliability(metrics.reliability(predictions.probabilities, predictions.label), folder / "reliability.png")


def _in_order(pairs: Pairs, model: SceneModel, data: str | Path) -> Int[np.ndarray, " N"]:
    """The items' labels as the model numbers them."""
    known, names = model.description.labels, [pairs.label_names[number] for number in pairs.label]
    if unknown := sorted(set(names) - set(known), key=pairs.label_names.index):
        raise UsageError(
            f"{data}: has the class {unknown[0]!r}, and {model.description.model} knows {', '.join(known)}"
        )
    return np.array([known.index(name) for name in names], np.int64)
