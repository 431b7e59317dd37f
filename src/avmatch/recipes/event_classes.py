"""Of which named class a picture or a sound is: softmax regressions over statistics of training pieces.

    statistics of pieces (event_kinds.py) ─ standardised ─ softmax regression → probabilities of classes

A class is what stands before ":" in a label: "impact" of "impact: wood". Sound and picture of one piece are of one
class g, and beyond that they are taken to have nothing to do with one another. What a pair says for its being one is

    log Σ_g p(g | picture) · p(g | sound) / p(g)        p(g): the share of the training pieces

Letters in shapes: C clips, N pieces, F statistics.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32, Int

from avmatch.datasets.items import Pairs
from avmatch.models.canonical import Classes
from avmatch.recipes.discriminant import softmax_regression
from avmatch.recipes.event_kinds import LEAST_DEVIATION, Statistics, tensor, together

#: A class of fewer recordings is left out: it would be known by what is that recording's own.
MIN_RECORDINGS = 2


def class_names(pairs: Pairs) -> list[str]:
    """Of each clip; empty without a label."""
    names = [name.partition(":")[0].strip() for name in pairs.label_names]
    return [names[number] if number >= 0 else "" for number in pairs.label.tolist()]


def fitted_classes(
    clips: Sequence[Statistics], names: Sequence[str], group: Int[np.ndarray, " C"], ridge: float
) -> tuple[Classes, Classes] | None:
    """Towers of picture and sound; the picture's probabilities are divided by the classes' shares.

    Args:
        names: the clips' classes, empty where it isn't known; those clips are left out.
        group: their recordings.
        ridge: of the weights over standardised statistics.

    Returns:
        None where fewer than two classes have MIN_RECORDINGS or more.
    """
    known = [row for row, (seen, heard) in enumerate(clips) if len(seen) and len(heard) and names[row]]
    recordings = Counter(name for name, _ in {(names[row], int(group[row])) for row in known})
    classes = sorted(name for name, num in recordings.items() if num >= MIN_RECORDINGS)
    if len(classes) < 2:
        return None
    ours = [row for row in known if names[row] in classes]
    seen, heard = together([clips[row] for row in ours])
    label = np.repeat([classes.index(names[row]) for row in ours], [len(clips[row][0]) for row in ours])
    share = np.bincount(label) / len(label)
    return _tower(seen, label, 1.0 / share, ridge), _tower(heard, label, np.ones(len(classes)), ridge)


def _tower(
    side: Float32[np.ndarray, "N F"], label: Int[np.ndarray, " N"], gains: Float[np.ndarray, " G"], ridge: float
) -> Classes:
    points = side.astype(np.float64)
    mean, deviation = points.mean(axis=0), np.maximum(points.std(axis=0), LEAST_DEVIATION)
    found = softmax_regression((points - mean) / deviation, label, len(gains), ridge)
    return Classes(tensor(mean), tensor(found.weights / deviation[:, None]), tensor(found.bias), tensor(gains))
