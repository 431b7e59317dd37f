"""The nouns of a training set: pairs of a video item and an audio item, and how a batch of them is gathered.

Where a reader keeps pairs of features of which a side is missing or broken, a missing step is NaN, a missing side has
no steps, and a `Fault` names it. Networks (systems/scenes/model.py) leave them out.

Letters in shapes: N items, B items of a batch, T ticks or steps of one item, D dimensions, F features.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tokenize import TokenError
from typing import Literal, Protocol, SupportsIndex, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, Int, Shaped

from avmatch.core.errors import MediaError, UsageError

Side = Literal["audio", "video"]
SIDES: tuple[Side, Side] = ("audio", "video")
KINDS = {"video": ("features", "frames", "mouths", "motion"), "audio": ("features", "logmel", "samples", "bands")}
#: Items by whose length one judges the usual length.
_MEASURED = 200
#: What numpy raises on .npy and .npz files that aren't whole, or aren't such: a header is parsed as Python text.
_DAMAGES = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    OverflowError,
    SyntaxError,
    TokenError,
    RuntimeError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)


@runtime_checkable
class Items(Protocol):
    """What has a length and gives item i as an array (T, ...): an array (N, T, ...), a tuple of arrays, Ragged."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: SupportsIndex, /) -> np.ndarray: ...


@dataclass(frozen=True, eq=False, repr=False)
class Picked:
    """Some rows of items, without reading them: item i is item `rows[i]` of `items`."""

    items: Items
    rows: Int[np.ndarray, " N"]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: SupportsIndex, /) -> Shaped[np.ndarray, " T *rest"]:
        return self.items[int(self.rows[row])]


@dataclass(frozen=True)
class Fault:
    """A side of an item that is missing, or not whole."""

    name: str
    side: Side
    message: str

    def __str__(self) -> str:
        return f"{self.name}: {self.side}: {self.message}"


@dataclass(frozen=True, eq=False, repr=False)
class Pairs:
    """Item i of `video` belongs to item i of `audio`.

    Attributes:
        video, audio: the two sides; an item is (T, ...).
        names: what a person calls each pair.
        group: (N,) pieces of one recording share a number; splits never cut through a group.
        label: (N,) index into `label_names`, −1 where unknown.
        video_kind: "features" (T, D), "frames" (uint8, T H W, or T H W 3 in colour), "mouths", frames cut around the
            mouth of a face, or "motion" (T, M, 64), levels of cells (frontends/motion.py).
        audio_kind: "features" (T, D), "logmel" (T, 64), "samples" (int16, T) or "bands" (T, 32), flux, level and
            spectrum (data/tracks.py).
        video_rate_hz, audio_rate_hz: ticks a second.
        is_held_back: (N,) what the set's own lists keep from training; None where it has none.
        faults: which sides are missing or broken, as far as reading shows.
    """

    video: Items
    audio: Items
    names: tuple[str, ...]
    group: Int[np.ndarray, " N"]
    label: Int[np.ndarray, " N"]
    label_names: tuple[str, ...]
    video_kind: str = "features"
    audio_kind: str = "features"
    video_rate_hz: float = 1.0
    audio_rate_hz: float = 1.0
    is_held_back: Bool[np.ndarray, " N"] | None = None
    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        counts = {side: len(getattr(self, side)) for side in ("video", "audio", "names", "group", "label")}
        if self.is_held_back is not None:
            counts["is_held_back"] = len(self.is_held_back)
        if len(set(counts.values())) > 1:
            raise UsageError(f"every part of Pairs must have one entry a pair, got {counts}")
        if len(self) and not -1 <= self.label.min() <= self.label.max() < len(self.label_names):
            raise UsageError(
                f"labels must lie in -1…{len(self.label_names) - 1} (there are {len(self.label_names)} label_names), "
                f"got {self.label.min()}…{self.label.max()}"
            )
        check_sides((self.video_kind, self.audio_kind), (self.video_rate_hz, self.audio_rate_hz))

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return (
            f"Pairs(video: {_shape(self.video)} {self.video_kind}, audio: {_shape(self.audio)} {self.audio_kind}, "
            f"{len(np.unique(self.group))} groups, {len(self.label_names)} labels)"
        )

    def take(self, rows: Int[np.ndarray, " M"]) -> Pairs:
        """The pairs of `rows`, in that order. What lies on disk stays there."""
        names = tuple(self.names[row] for row in rows)
        kept = set(names)
        return replace(
            self,
            video=_take(self.video, rows),
            audio=_take(self.audio, rows),
            names=names,
            group=self.group[rows],
            label=self.label[rows],
            is_held_back=None if self.is_held_back is None else self.is_held_back[rows],
            faults=tuple(fault for fault in self.faults if fault.name in kept),
        )

    def labelled(self) -> Pairs:
        """Only those whose class is known."""
        return self if (self.label >= 0).all() else self.take(np.flatnonzero(self.label >= 0))


def gather(items: Items, rows: Int[np.ndarray, " B"]) -> Float32[np.ndarray, "B T *rest"]:
    """The items of `rows` as one float32 batch.

    Raises:
        UsageError: there are no rows, or the items differ in shape.
    """
    if isinstance(items, Picked):
        return gather(items.items, items.rows[rows])
    if isinstance(items, np.ndarray):
        return np.asarray(items[rows], np.float32)
    arrays = [items[int(row)] for row in rows]
    if not arrays:
        raise UsageError("a batch needs at least one row")
    for row, array in zip(rows, arrays, strict=True):
        if array.shape != arrays[0].shape:
            raise UsageError(
                f"items of one batch must have one shape: item {rows[0]} is {arrays[0].shape}, "
                f"item {row} is {array.shape}; cut or pad them to one length"
            )
    return np.stack(arrays, dtype=np.float32, casting="unsafe")


def absent() -> Float32[np.ndarray, "0 0"]:
    """A missing side."""
    return np.zeros((0, 0), np.float32)


def whole_steps(features: Shaped[np.ndarray, "*N T F"]) -> Float32[np.ndarray, "*N T F"]:
    """As float32, steps with a value that isn't finite all NaN."""
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, and so NaN
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


def checked(pairs: Pairs) -> Pairs:
    """The pairs in float32, what isn't finite taken out of them and reported as faults."""
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
    return replace(pairs, audio=sides["audio"], video=sides["video"], faults=tuple(faults))


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


def map_array(path: Path) -> Shaped[np.ndarray, " ..."]:
    """A .npy file as a memory map, so that a header that lies about its size can't fill the memory. No pickle.

    Raises:
        ValueError: it is missing, cut short, holds objects, or isn't a .npy file.
    """
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except _DAMAGES as error:
        raise ValueError(str(error)) from error


def stored_array(path: Path, name: str) -> Shaped[np.ndarray, " ..."] | None:
    """An array of a .npz file; None where the file has none of that name. No pickle.

    Raises:
        ValueError: the file or the array is damaged, holds objects, or isn't such a file.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            return np.asarray(stored[name]) if name in stored else None
    except _DAMAGES as error:
        raise ValueError(str(error)) from error


def check_sides(kinds: tuple[str, str], rates_hz: tuple[float, float]) -> None:
    """Raises UsageError if there is no such kind of items for a side, video or audio, or its rate isn't positive."""
    for side, kind, rate_hz in zip(KINDS, kinds, rates_hz, strict=True):
        if kind not in KINDS[side]:
            raise UsageError(f"{side}_kind must be one of {', '.join(KINDS[side])}, got {kind!r}")
        if not 0 < rate_hz < np.inf:
            raise UsageError(f"{side}_rate_hz must be positive, got {rate_hz}")


def unreadable(path: Path, message: str) -> MediaError:
    """What to raise for a file that can't be opened."""
    return MediaError(path, message, stage="open", reason="unreadable")


def numbered(names: Sequence[str]) -> tuple[Int[np.ndarray, " N"], tuple[str, ...]]:
    """Each name's place among the sorted different names, and those; −1 for an empty name."""
    known = sorted(set(names) - {""})
    place = {name: number for number, name in enumerate(known)} | {"": -1}
    return np.array([place[name] for name in names], np.int64), tuple(known)


def _take(items: Items, rows: Int[np.ndarray, " M"]) -> Items:
    if isinstance(items, np.ndarray) and not isinstance(items, np.memmap):
        return items[rows]
    return Picked(items, rows)


def _shape(items: Items) -> str:
    if isinstance(items, np.ndarray):
        return str(items.shape)
    return f"{len(items)} × {items[0].shape if len(items) else '()'}"
