"""Late fusion: the probabilities that several systems give the same items → one set of probabilities.

    prediction files → one order of items and classes → weights → probabilities → a prediction file

    mean       Σ_s p_s / S
    weighted   Σ_s w_s · p_s, Σ w = 1: the likeliest mixture, by expectation–maximisation (Dempster et al. 1977)
    stacked    softmax of Σ_s w_s · log p_s, w ≥ 0: logistic regression on the systems' outputs (Wolpert 1992, "Stacked
               generalization"), one weight a system, so that a few thousand items are plenty. With one system it is
               temperature scaling, w = 1 / T (Guo et al. 2017)

A weight for every pair of classes, S·K·K of them, was tried on five published systems and memorised the locations: log
loss 0.60 against 0.45 (docs/experiments/scenes.md).

Weights are fitted to items whose class is known. Figures of those are cross-validated, and so is the table that is
written: each of its rows was fused by weights that were fitted without that row's fold. A fold never cuts through a
location (the middle of `<label>-<city>-<location>-<segment>`).

`prediction.csv`, the field's table of a system's predictions, is tab-separated, a row an item:

    aid    scene_pred    [scene_label]    <class> <class> …

The class columns hold probabilities. They are written unrounded: with three decimals a log loss of 0.788 is read back
as 0.815. `scene_label` may be missing or empty; class columns are all those after the named ones.

Letters in shapes: S systems, N items, K classes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.optimize
from jaxtyping import Float, Int
from scipy.special import log_softmax, softmax

from avmatch.core.errors import UsageError
from avmatch.core.files import write_text_atomically
from avmatch.data.items import numbered
from avmatch.data.manifest import read_table
from avmatch.data.splits import group_folds
from avmatch.data.tau import location_of
from avmatch.metrics.classes import log_loss

#: The columns of a prediction file.
NAME, GUESS, LABEL = "aid", "scene_pred", "scene_label"
#: What smaller probabilities count as before their logarithm: half of the last of three decimals, which prints as 0.
LEAST_PRINTED = 5e-4
NUM_FOLDS = 5
MEAN = "mean"
_EM_ROUNDS = 500

Probabilities = Float[np.ndarray, "N K"]
Systems = Float[np.ndarray, "S N K"]
Weights = Float[np.ndarray, " S"]
Labels = Int[np.ndarray, " N"]


@dataclass(frozen=True)
class Method:
    """A way to fuse: how its weights are found, and how they are applied."""

    fit: Callable[[Systems, Labels], Weights]
    fuse: Callable[[Systems, Weights], Probabilities]


def equal_weights(systems: Systems, label: Labels) -> Weights:
    """Whatever the labels are."""
    return np.full(len(systems), 1.0 / len(systems))


def mixture_weights(systems: Systems, label: Labels) -> Weights:
    """Of the likeliest mixture. Each round, a system's weight is its mean share of the mixture's right answers."""
    right = np.maximum(systems[:, np.arange(len(label)), label], np.finfo(np.float64).tiny)
    weights = equal_weights(systems, label)
    for _ in range(_EM_ROUNDS):
        part = weights[:, None] * right
        weights = (part / part.sum(axis=0)).mean(axis=1)
    return weights


def log_weights(logits: Systems, label: Labels) -> Weights:
    """w ≥ 0 with the least log loss of softmax(Σ w·logits); a convex problem."""
    own = logits[:, np.arange(len(label)), label]

    def loss(weights: Weights) -> tuple[float, Weights]:
        log_probabilities = log_softmax(np.tensordot(weights, logits, 1), axis=1)
        slope = (np.exp(log_probabilities) * logits).sum(axis=2) - own
        return -float(log_probabilities[np.arange(len(label)), label].mean()), slope.mean(axis=1)

    bounds = [(0.0, None)] * len(logits)
    start = equal_weights(logits, label)
    return scipy.optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x


def mixture(systems: Systems, weights: Weights) -> Probabilities:
    """Σ w·p."""
    return np.tensordot(weights, systems, 1)


def logarithms(systems: Systems) -> Systems:
    """log p, with p at least LEAST_PRINTED."""
    return np.log(np.maximum(systems, LEAST_PRINTED))


METHODS: dict[str, Method] = {
    MEAN: Method(equal_weights, mixture),
    "weighted": Method(mixture_weights, mixture),
    "stacked": Method(
        lambda systems, label: log_weights(logarithms(systems), label),
        lambda systems, weights: softmax(mixture(logarithms(systems), weights), axis=1),
    ),
}


def cross_validated(way: Method, systems: Systems, label: Labels, fold: Labels) -> Probabilities:
    """Fusion in which the weights of an item are fitted to the other folds."""
    fused = np.empty(systems.shape[1:])
    for number in np.unique(fold):
        held = fold == number
        fused[held] = way.fuse(systems[:, held], way.fit(systems[:, ~held], label[~held]))
    return fused


@dataclass(frozen=True, eq=False)
class Predictions:
    """One system's probabilities for each item.

    Attributes:
        label: index into `classes`, −1 where it isn't known.
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    probabilities: Probabilities
    label: Labels

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
        UsageError: a column is missing, a probability isn't one, an item is there twice, or a label is no class.
    """
    given = Path(path)
    columns, rows = read_table(given, (NAME,))
    classes = tuple(name for name in columns if name not in (NAME, GUESS, LABEL))
    if len(classes) < 2 or not rows:
        raise UsageError(f"{given}: needs rows, and a column of probabilities for each of two classes or more")
    names = tuple(row[NAME] for row in rows)
    if len(set(names)) < len(names):
        raise UsageError(f"{given}: some `{NAME}` are there twice; an item has one row")
    cells = [[row.number_in(name, lambda value: 0 <= value <= 1, "0…1") for name in classes] for row in rows]
    if any(cell is None for line in cells for cell in line):
        raise UsageError(f"{given}: every row needs a probability for each of its {len(classes)} classes")
    labels = [row.get(LABEL) for row in rows]
    if unknown := [label for label in labels if label and label not in classes]:
        raise UsageError(f"{given}: `{LABEL}` {unknown[0]!r} is none of the classes {', '.join(classes)}")
    numbers = [classes.index(label) if label else -1 for label in labels]
    return Predictions(names, classes, np.array(cells, np.float64), np.array(numbers, np.int64))


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write one table; `scene_label` is left out where no label is known."""
    is_labelled = bool((predictions.label >= 0).any())
    classes = predictions.classes
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter="\t", lineterminator="\n")
    writer.writerow([NAME, GUESS, *([LABEL] if is_labelled else []), *classes])
    for name, own, label in zip(predictions.names, predictions.probabilities, predictions.label, strict=True):
        known = [classes[label] if label >= 0 else ""] if is_labelled else []
        writer.writerow([name, classes[int(own.argmax())], *known, *map(repr, own.tolist())])
    write_text_atomically(path, buffer.getvalue())


@dataclass(frozen=True)
class System:
    """A file, or a way to fuse them all: how good it is, as far as classes are known.

    Attributes:
        weights: of the files in the fusion, fitted to all items; empty for a file.
    """

    name: str
    accuracy: float | None
    log_loss: float | None
    weights: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class FusedPredictions:
    """The systems, the files first, and the table by the method `how`."""

    how: str
    systems: tuple[System, ...]
    num_labelled: int
    predictions: Predictions


def fuse_predictions(files: Sequence[str | Path], how: str = MEAN, seed: int = 0) -> FusedPredictions:
    """Fuse two files or more.

    Args:
        how: mean, weighted or stacked, for the table.
        seed: of the folds.

    Raises:
        UsageError: files differ in items, classes or labels, or a fit is asked for and too few labels are known.
    """
    if how not in METHODS:
        raise UsageError(f"no way to fuse {how!r}; there are {', '.join(METHODS)}")
    if len(files) < 2:
        raise UsageError(f"fusion needs two prediction files or more, got {len(files)}")
    first, label, systems = _aligned(files)
    known = np.flatnonzero(label >= 0)
    group, locations = numbered([location_of(first.names[row]) for row in known])
    fold = group_folds(group, NUM_FOLDS, seed) if len(locations) >= NUM_FOLDS else None
    if fold is None and how != MEAN:
        raise UsageError(f"--how {how} is fitted to known classes: `scene_label` of items of {NUM_FOLDS} locations")
    judged = [_judged(str(file), own, label) for file, own in zip(files, systems, strict=True)]
    fused: dict[str, Probabilities] = {}
    for name, way in METHODS.items():
        if name == MEAN or fold is not None:
            weights = way.fit(systems[:, known], label[known])
            fused[name] = way.fuse(systems, weights)
            if fold is not None:
                fused[name][known] = cross_validated(way, systems[:, known], label[known], fold)
            judged.append(_judged(name, fused[name], label, tuple(weights.tolist())))
    return FusedPredictions(how, tuple(judged), len(known), Predictions(first.names, first.classes, fused[how], label))


def _aligned(files: Sequence[str | Path]) -> tuple[Predictions, Labels, Systems]:
    """The first table, the label of each item from whichever file has it, and all probabilities in the same order."""
    first = read_predictions(files[0])
    label, systems = first.label.copy(), [first.probabilities]
    for file in files[1:]:
        table = read_predictions(file)
        try:
            table = table.ordered(first.names, first.classes)
        except UsageError as error:
            raise UsageError(f"{file}: {error}, than {files[0]}") from error
        differ = (label >= 0) & (table.label >= 0) & (label != table.label)
        if differ.any():
            name = table.names[int(differ.argmax())]
            raise UsageError(f"{file}: {name} has another `scene_label` than in {files[0]}")
        label = np.where(label >= 0, label, table.label)
        systems.append(table.probabilities)
    return first, label, np.stack(systems)


def _judged(name: str, probabilities: Probabilities, label: Labels, weights: tuple[float, ...] = ()) -> System:
    known = label >= 0
    if not known.any():
        return System(name, None, None, weights)
    own, label = probabilities[known], label[known]
    return System(name, float((own.argmax(axis=1) == label).mean()), log_loss(own, label), weights)
