"""`prediction.csv`, the field's table of what a system says: by tabs, a row an item.

    aid    scene_pred    [scene_label]    <class> <class> …

The class columns hold probabilities. They are written unrounded: with three decimals a log loss of 0.788 is read back
as 0.815. `scene_label` may be missing or empty; class columns are all those after the named ones.

Letters in shapes: N items, K classes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from avmatch.core.errors import UsageError
from avmatch.core.files import write_text_atomically
from avmatch.datasets.manifest import read_table

NAME, GUESS, LABEL = "aid", "scene_pred", "scene_label"


@dataclass(frozen=True, eq=False)
class Predictions:
    """What one system says of each item.

    Attributes:
        label: index into `classes`, −1 where it isn't known.
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    probabilities: Float[np.ndarray, "N K"]
    label: Int[np.ndarray, " N"]

    def __repr__(self) -> str:
        return f"Predictions({len(self.names)} items, {len(self.classes)} classes)"

    def ordered(self, names: Sequence[str], classes: Sequence[str]) -> Predictions:
        """The same in another order. Raises UsageError if items or classes differ."""
        for noun, ours, theirs in (("items", self.names, names), ("classes", self.classes, classes)):
            if alone := set(ours) ^ set(theirs):
                raise UsageError(f"has other {noun}: {min(alone)!r} is in one of the tables only")
        place_of = {name: row for row, name in enumerate(self.names)}
        rows, columns = [place_of[name] for name in names], [self.classes.index(name) for name in classes]
        renumbered = np.array([*(list(classes).index(name) for name in self.classes), -1])
        return Predictions(
            tuple(names), tuple(classes), self.probabilities[np.ix_(rows, columns)], renumbered[self.label[rows]]
        )


def read_predictions(path: str | Path) -> Predictions:
    """Read one table.

    Raises:
        UsageError: a column is missing, a probability isn't one, an item stands there twice, or a label is no class.
    """
    given = Path(path)
    columns, rows = read_table(given, (NAME,))
    classes = tuple(name for name in columns if name not in (NAME, GUESS, LABEL))
    if len(classes) < 2 or not rows:
        raise UsageError(f"{given}: needs rows, and a column of probabilities for each of two classes or more")
    names = tuple(row[NAME] for row in rows)
    if len(set(names)) < len(names):
        raise UsageError(f"{given}: some `{NAME}` stand there twice; an item has one row")
    cells = [[row.number_in(name, lambda value: 0 <= value <= 1, "0…1") for name in classes] for row in rows]
    if any(cell is None for line in cells for cell in line):
        raise UsageError(f"{given}: every row needs a probability for each of its {len(classes)} classes")
    label = [_label(given, row.get(LABEL), classes) for row in rows]
    return Predictions(names, classes, np.array(cells, np.float64), np.array(label, np.int64))


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write one table; `scene_label` is left out where no label is known."""
    is_labelled = bool((predictions.label >= 0).any())
    classes = predictions.classes
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter="\t", lineterminator="\n")
    writer.writerow([NAME, GUESS, *([LABEL] if is_labelled else []), *classes])
    for name, own, label in zip(predictions.names, predictions.probabilities, predictions.label, strict=True):
        told = [classes[label] if label >= 0 else ""] if is_labelled else []
        writer.writerow([name, classes[int(own.argmax())], *told, *(repr(float(value)) for value in own)])
    write_text_atomically(path, buffer.getvalue())


def _label(path: Path, text: str, classes: tuple[str, ...]) -> int:
    if text and text not in classes:
        raise UsageError(f"{path}: `{LABEL}` {text!r} is none of the classes {', '.join(classes)}")
    return classes.index(text) if text else -1
