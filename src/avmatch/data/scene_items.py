"""The nouns of labelled scenes: two sequences of features an item, of which one may be missing or broken.

An item of which something isn't there is kept: a step that isn't there is NaN, a side that isn't there has no steps,
and a `Fault` names it. Networks (systems/scenes/model.py) leave out what isn't there.

Letters in shapes: N items, B items of a batch, T steps, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float32, Int, Shaped

from avmatch.core.errors import UsageError
from avmatch.data.items import Items, Pairs, gather

Side = Literal["audio", "video"]
SIDES: tuple[Side, Side] = ("audio", "video")
#: Items whose length tells how long items usually are.
_MEASURED = 200


@dataclass(frozen=True)
class Fault:
    """One side of an item that isn't there, or not whole."""

    name: str
    side: Side
    message: str

    def __str__(self) -> str:
        return f"{self.name}: {self.side}: {self.message}"


@dataclass(frozen=True, eq=False)
class Scenes:
    """What was read.

    Attributes:
        pairs: the items; steps that aren't there are NaN, sides that aren't there have none.
        faults: what isn't there, as far as reading tells.
    """

    pairs: Pairs
    faults: tuple[Fault, ...] = ()

    def labelled(self) -> Scenes:
        """Only the items whose class is known."""
        return self.take(np.flatnonzero(self.pairs.label >= 0))

    def take(self, rows: Int[np.ndarray, " M"]) -> Scenes:
        """The items of `rows`, in that order."""
        if np.array_equal(rows, np.arange(len(self.pairs))):
            return self
        names = {self.pairs.names[row] for row in rows}
        return Scenes(self.pairs.take(rows), tuple(fault for fault in self.faults if fault.name in names))


def absent() -> Float32[np.ndarray, "0 0"]:
    """A side that isn't there."""
    return np.zeros((0, 0), np.float32)


def whole_steps(features: Shaped[np.ndarray, "*N T F"]) -> Float32[np.ndarray, "*N T F"]:
    """As float32, steps with a value that isn't finite all NaN."""
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, and isn't there either
        steps = np.array(features, np.float32)
    steps[~np.isfinite(steps).all(axis=-1)] = np.nan
    return steps


def padded(clips: Sequence[Float32[np.ndarray, "_ _"]], num_features: int) -> Float32[np.ndarray, "N T F"]:
    """Clips (T, F) of any lengths as one array, NaN where a clip has no step. Raises UsageError for another F."""
    batch = np.full((len(clips), max(1, *map(len, clips)), num_features), np.nan, np.float32)
    for row, clip in enumerate(clips):
        if len(clip):
            if clip.shape[1] != num_features:
                raise UsageError(f"features have {clip.shape[1]} dimensions, expected {num_features}")
            batch[row, : len(clip)] = clip
    return batch


def checked(pairs: Pairs) -> Scenes:
    """The pairs in float32, what isn't finite taken out of them and told as faults."""
    faults: list[Fault] = []
    sides: dict[Side, Items] = {}
    for side in SIDES:
        items = getattr(pairs, side)
        clips = whole_steps(items) if isinstance(items, np.ndarray) else tuple(whole_steps(clip) for clip in items)
        faults += [
            Fault(name, side, message)
            for name, clip in zip(pairs.names, clips, strict=True)
            if (message := missing_steps(clip))
        ]
        sides[side] = clips
    return Scenes(replace(pairs, audio=sides["audio"], video=sides["video"]), tuple(faults))


def gathered_steps(items: Items, rows: Int[np.ndarray, " B"], num_features: int) -> Float32[np.ndarray, "B T F"]:
    """The items of `rows` as one batch, NaN where there is no step."""
    if isinstance(items, np.ndarray):
        return gather(items, rows)
    return padded([items[int(row)] for row in rows], num_features)


def num_features(items: Items) -> int:
    """Of the first item that has any steps; 0 where none has."""
    return next((clip.shape[1] for clip in map(items.__getitem__, range(len(items))) if len(clip)), 0)


def usual_length(items: Items) -> int:
    """The median number of steps, by the first items."""
    return int(np.median([len(items[row]) for row in range(min(len(items), _MEASURED))]))


def missing_steps(clip: Float32[np.ndarray, "T F"]) -> str:
    """What to say of a clip's missing steps; "" where none is missing."""
    gone = int(np.isnan(clip).any(axis=-1).sum())
    if gone == 0:
        return "" if len(clip) else "missing"
    return "broken: no step is finite" if gone == len(clip) else f"{gone} of {len(clip)} steps aren't finite"
