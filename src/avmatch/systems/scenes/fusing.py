"""Late fusion: the probabilities of several systems for the same items → one set of probabilities.

    mean       Σ_s p_s / S
    weighted   Σ_s w_s · p_s, Σ w = 1: the likeliest mixture, by expectation–maximisation (Dempster et al. 1977)
    stacked    softmax of Σ_s w_s · log p_s, w ≥ 0: logistic regression on what the systems say (Wolpert 1992, "Stacked
               generalization"), one weight a system, so that a few thousand items are plenty. With one system it is
               temperature scaling, w = 1 / T (Guo et al. 2017)

A weight for every pair of classes, S·K·K of them, was tried on five published systems and learned the locations by
heart: log loss 0.60 against 0.45 (docs/experiments.md).

Weights are fitted to items whose class is known. `cross_validated` judges each item by weights that were fitted without
its fold.

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
from avmatch.data.manifest import read_table

#: What lesser probabilities count as before their logarithm: half of the last of three decimals, which prints as 0.
LEAST_PRINTED = 5e-4
_EM_ROUNDS = 500

Systems = Float[np.ndarray, "S N K"]
Weights = Float[np.ndarray, " S"]


@dataclass(frozen=True)
class Method:
    """A way to fuse: how its weights are found, and what it makes of them."""

    fit: Callable[[Systems, Int[np.ndarray, " N"]], Weights]
    fuse: Callable[[Systems, Weights], Float[np.ndarray, "N K"]]


def equal_weights(systems: Systems, label: Int[np.ndarray, " N"]) -> Weights:
    """Whatever the labels are."""
    return np.full(len(systems), 1.0 / len(systems))


def mixture_weights(systems: Systems, label: Int[np.ndarray, " N"]) -> Weights:
    """Of the likeliest mixture. Each round, a system's weight is its mean share of the mixture's right answers."""
    right = np.maximum(systems[:, np.arange(len(label)), label], np.finfo(np.float64).tiny)
    weights = equal_weights(systems, label)
    for _ in range(_EM_ROUNDS):
        part = weights[:, None] * right
        weights = (part / part.sum(axis=0)).mean(axis=1)
    return weights


def log_weights(logits: Systems, label: Int[np.ndarray, " N"]) -> Weights:
    """w ≥ 0 with the least log loss of softmax(Σ w·logits); a convex problem."""
    own = logits[:, np.arange(len(label)), label]

    def loss(weights: Weights) -> tuple[float, Weights]:
        told = log_softmax(np.tensordot(weights, logits, 1), axis=1)
        slope = (np.exp(told) * logits).sum(axis=2) - own
        return -float(told[np.arange(len(label)), label].mean()), slope.mean(axis=1)

    bounds = [(0.0, None)] * len(logits)
    found = scipy.optimize.minimize(loss, equal_weights(logits, label), jac=True, method="L-BFGS-B", bounds=bounds)
    weights: Weights = found.x
    return weights


def mixture(systems: Systems, weights: Weights) -> Float[np.ndarray, "N K"]:
    """Σ w·p."""
    fused: Float[np.ndarray, "N K"] = np.tensordot(weights, systems, 1)
    return fused


def log_mixture(systems: Systems, weights: Weights) -> Float[np.ndarray, "N K"]:
    """softmax(Σ w·log p)."""
    fused: Float[np.ndarray, "N K"] = softmax(np.tensordot(weights, logarithms(systems), 1), axis=1)
    return fused


def logarithms(systems: Systems) -> Systems:
    """log p, with what is less than LEAST_PRINTED taken for it."""
    return np.log(np.maximum(systems, LEAST_PRINTED))


METHODS: dict[str, Method] = {
    "mean": Method(equal_weights, mixture),
    "weighted": Method(mixture_weights, mixture),
    "stacked": Method(lambda systems, label: log_weights(logarithms(systems), label), log_mixture),
}


def method(name: str) -> Method:
    """The method that goes by this name. Raises UsageError, with the names there are."""
    if name not in METHODS:
        raise UsageError(f"no way to fuse {name!r}; there are {', '.join(METHODS)}")
    return METHODS[name]


def cross_validated(
    way: Method, systems: Systems, label: Int[np.ndarray, " N"], fold: Int[np.ndarray, " N"]
) -> Float[np.ndarray, "N K"]:
    """What comes of fusion where the weights of an item are fitted to the other folds."""
    fused = np.empty(systems.shape[1:])
    for number in np.unique(fold):
        held = fold == number
        fused[held] = way.fuse(systems[:, held], way.fit(systems[:, ~held], label[~held]))
    return fused


# `prediction.csv`, the field's table of what a system says: by tabs, a row an item.
#
#     aid    scene_pred    [scene_label]    <class> <class> …
#
# The class columns hold probabilities. They are written unrounded: with three decimals a log loss of 0.788 is read
# back
# as 0.815. `scene_label` may be missing or empty; class columns are all those after the named ones.
#
# Letters in shapes: N items, K classes.

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
