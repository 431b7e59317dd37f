"""Fuse published prediction files: several systems' probabilities for the same items → one table.

    files → one order of items and classes → weights → probabilities

Weights are fitted to items whose class is known. Figures of those are cross-validated, and so is the table that is
written: each of its rows was fused by weights that were fitted without that row's fold. A fold never cuts through a
location (the middle of `<label>-<city>-<location>-<segment>`), so that weights can't learn places by heart.

Letters in shapes: S systems, N items, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from avmatch.core.errors import UsageError
from avmatch.data.items import numbered
from avmatch.data.splits import group_folds
from avmatch.data.tau import location_of
from avmatch.metrics.classes import log_loss
from avmatch.systems.scenes.fusing import (
    METHODS,
    Method,
    Predictions,
    cross_validated,
    method,
    read_predictions,
    write_predictions,
)

NUM_FOLDS = 5
MEAN = "mean"


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
    """What came of it: the systems, the files first, and the table by the way that was asked for."""

    how: str
    systems: tuple[System, ...]
    num_labelled: int
    predictions: Predictions


def fuse_predictions(files: Sequence[str | Path], how: str = MEAN, seed: int = 0) -> FusedPredictions:
    """Fuse two files or more.

    Args:
        how: mean, weighted or stacked (systems/scenes/fusing.py), for the table.
        seed: of the folds.

    Raises:
        UsageError: files differ in items, classes or labels, or a fit is asked for and too few labels are known.
    """
    method(how)
    if len(files) < 2:
        raise UsageError(f"fusion needs two prediction files or more, got {len(files)}")
    tables = _aligned(files)
    first = tables[0]
    systems = np.stack([table.probabilities for table in tables])
    label = _common_label(files, tables)
    known = np.flatnonzero(label >= 0)
    fold = _folds(first.names, known, seed)
    if fold is None and how != MEAN:
        raise UsageError(f"--how {how} is fitted to known classes: `scene_label` of items of {NUM_FOLDS} locations")
    told = [_judged(str(file), table.probabilities, label) for file, table in zip(files, tables, strict=True)]
    fused: dict[str, Float[np.ndarray, "N K"]] = {}
    for name, way in METHODS.items():
        if name != MEAN and fold is None:
            continue
        weights = way.fit(systems[:, known], label[known])
        fused[name] = _fused(way, systems, weights, label, known, fold)
        told.append(_judged(name, fused[name], label, tuple(float(weight) for weight in weights)))
    return FusedPredictions(how, tuple(told), len(known), Predictions(first.names, first.classes, fused[how], label))


def write_fused(fused: FusedPredictions, path: Path) -> None:
    """Write the table."""
    write_predictions(path, fused.predictions)


def _fused(
    way: Method,
    systems: Float[np.ndarray, "S N K"],
    weights: Float[np.ndarray, " S"],
    label: Int[np.ndarray, " N"],
    known: Int[np.ndarray, " M"],
    fold: Int[np.ndarray, " M"] | None,
) -> Float[np.ndarray, "N K"]:
    """By all weights where the class isn't known, by those of the other folds where it is."""
    fused = way.fuse(systems, weights)
    if fold is not None:
        fused[known] = cross_validated(way, systems[:, known], label[known], fold)
    return fused


def _aligned(files: Sequence[str | Path]) -> list[Predictions]:
    """The tables in the order of the first."""
    first = read_predictions(files[0])
    tables = [first]
    for file in files[1:]:
        try:
            tables.append(read_predictions(file).ordered(first.names, first.classes))
        except UsageError as error:
            told = str(error)
            raise UsageError(told if str(file) in told else f"{file}: {told}, than {files[0]}") from error
    return tables


def _common_label(files: Sequence[str | Path], tables: Sequence[Predictions]) -> Int[np.ndarray, " N"]:
    """Known from whichever file knows it."""
    label = tables[0].label.copy()
    for file, table in zip(files[1:], tables[1:], strict=True):
        differ = (label >= 0) & (table.label >= 0) & (label != table.label)
        if differ.any():
            name = table.names[int(differ.argmax())]
            raise UsageError(f"{file}: {name} has another `scene_label` than in {files[0]}")
        label = np.where(label >= 0, label, table.label)
    return label


def _folds(names: Sequence[str], known: Int[np.ndarray, " M"], seed: int) -> Int[np.ndarray, " M"] | None:
    """The fold of each known item; None where there are too few locations."""
    group, locations = numbered([location_of(names[row]) for row in known])
    return group_folds(group, NUM_FOLDS, seed) if len(locations) >= NUM_FOLDS else None


def _judged(
    name: str, probabilities: Float[np.ndarray, "N K"], label: Int[np.ndarray, " N"], weights: tuple[float, ...] = ()
) -> System:
    known = label >= 0
    if not known.any():
        return System(name, None, None, weights)
    own = probabilities[known]
    return System(name, float((own.argmax(axis=1) == label[known]).mean()), log_loss(own, label[known]), weights)
