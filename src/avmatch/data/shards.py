"""Packed shards: many items in few files, so that a set larger than memory trains at the speed of the disk.

    video-00000.npy, audio-00000.npy, …   items one after another along time, (sum of T, ...)
    index.json                            names, groups, labels, lengths; written last, so that what it names is there

Nothing is pickled. Opening maps the shards into memory and reads none of the items.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
from jaxtyping import Int, Shaped

from avmatch.core.errors import UsageError
from avmatch.core.files import atomic_path, write_text_atomically
from avmatch.data.items import Pairs, check_sides, map_array, numbered

INDEX, SHARDS_VERSION = "index.json", 1
SHARD_BYTES = 256 << 20
SIDES = ("video", "audio")


@dataclass(frozen=True, eq=False, repr=False)
class Ragged:
    """Items of any length, one after another in few arrays. Item i is a view, not a copy.

    Attributes:
        shards: arrays (sum of T, ...) whose items differ in T alone.
        shard, begin, length: (N,) where each item lies.
    """

    shards: tuple[np.ndarray, ...]
    shard: Int[np.ndarray, " N"]
    begin: Int[np.ndarray, " N"]
    length: Int[np.ndarray, " N"]

    def __len__(self) -> int:
        return len(self.length)

    def __getitem__(self, row: SupportsIndex, /) -> Shaped[np.ndarray, " T *rest"]:
        begin = self.begin[row]
        return self.shards[self.shard[row]][begin : begin + self.length[row]]


@dataclass
class _Index:
    """What index.json holds: a column for each thing known of an item, shards in order."""

    video_kind: str
    audio_kind: str
    video_rate_hz: float
    audio_rate_hz: float
    names: list[str] = field(default_factory=list)
    group: list[str] = field(default_factory=list)
    label: list[str] = field(default_factory=list)
    video: list[int] = field(default_factory=list)  # lengths
    audio: list[int] = field(default_factory=list)
    num_items: list[int] = field(default_factory=list)  # of each shard
    version: int = SHARDS_VERSION

    def __post_init__(self) -> None:
        check_sides((self.video_kind, self.audio_kind), (self.video_rate_hz, self.audio_rate_hz))
        columns = (self.names, self.group, self.label, self.video, self.audio)
        if self.version != SHARDS_VERSION or {len(column) for column in columns} != {sum(self.num_items)}:
            raise ValueError("another version, or columns of unequal length")

    @property
    def settings(self) -> dict[str, Any]:
        """What all shards of a folder share."""
        return {f"{side}_{name}": getattr(self, f"{side}_{name}") for name in ("kind", "rate_hz") for side in SIDES}


class ShardWriter:
    """Packs pairs into shards; a context manager.

    A job that was interrupted resumes: `names` are those that are already there. Each shard is written whole or not at
    all; what was added since the last one is lost with a kill, and kept when an error or Ctrl-C ends the block.

    Args:
        folder: where to; made where it is missing.
        shard_bytes: a shard is written when either side has gathered this much.
        video_kind, audio_kind, video_rate_hz, audio_rate_hz: as in `Pairs`.

    Raises:
        UsageError: the folder holds shards of other kinds or rates.
    """

    def __init__(
        self,
        folder: str | Path,
        shard_bytes: int = SHARD_BYTES,
        *,
        video_kind: str = "features",
        audio_kind: str = "features",
        video_rate_hz: float = 1.0,
        audio_rate_hz: float = 1.0,
    ) -> None:
        self.folder = Path(folder)
        self._shard_bytes = shard_bytes
        self._index = _Index(video_kind, audio_kind, video_rate_hz, audio_rate_hz)
        self._formats = dict.fromkeys(SIDES, "")
        if (self.folder / INDEX).exists():
            wanted, self._index = self._index.settings, _read_index(self.folder)
            if self._index.settings != wanted:
                raise UsageError(f"{self.folder}: holds shards with {self._index.settings}, not {wanted}")
            self._formats = {side: _format(_opened(self.folder, side, 0)) for side in SIDES}
        self._waiting: dict[str, list[np.ndarray]] = {side: [] for side in SIDES}
        self._waiting_bytes = dict.fromkeys(SIDES, 0)
        #: The pairs that are already there.
        self.names = set(self._index.names)

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, *raised: object) -> None:
        self._write_shard()

    def add(
        self,
        name: str,
        video: Shaped[np.ndarray, " T *rest"],
        audio: Shaped[np.ndarray, " U *more"],
        group: str = "",
        label: str = "",
    ) -> None:
        """Add one pair.

        Args:
            name: what it is called, once in all shards.
            video, audio: (T, ...) of plain numbers; all items of a side agree in type and in all but T.
            group: pieces of one recording share it; empty for one of its own.
            label: its class; empty where unknown.

        Raises:
            UsageError: the name is there already, or an array isn't like the others or isn't finite.
        """
        if name in self.names:
            raise UsageError(f"{name}: already in {self.folder}; skip what is in `names`")
        arrays = {"video": video, "audio": audio}
        self._formats = {side: self._checked(name, side, array) for side, array in arrays.items()}
        self.names.add(name)
        self._index.names.append(name)
        self._index.group.append(group or name)
        self._index.label.append(label)
        self._index.video.append(len(video))
        self._index.audio.append(len(audio))
        for side, array in arrays.items():
            self._waiting[side].append(np.array(array))  # a copy: the caller may fill its array again
            self._waiting_bytes[side] += array.nbytes
        if max(self._waiting_bytes.values()) >= self._shard_bytes:
            self._write_shard()

    def _checked(self, name: str, side: str, array: Shaped[np.ndarray, " T *rest"]) -> str:
        if array.dtype.kind not in "fiu" or array.size == 0 or not np.isfinite(array).all():
            raise UsageError(f"{name}: {side} {array.shape} {array.dtype} must hold finite numbers, and some")
        form = _format(array)
        if self._formats[side] not in ("", form):
            raise UsageError(f"{name}: {side} is {form}, but in {self.folder} all are {self._formats[side]}")
        return form

    def _write_shard(self) -> None:
        """What waits becomes one file a side, then the index is written."""
        if not self._waiting["video"]:
            return
        for side in SIDES:
            target = _shard_path(self.folder, side, len(self._index.num_items))
            with atomic_path(target) as temporary:
                np.save(temporary, np.concatenate(self._waiting[side]), allow_pickle=False)
        self._index.num_items.append(len(self._waiting["video"]))
        write_text_atomically(self.folder / INDEX, json.dumps(asdict(self._index)))
        self._waiting = {side: [] for side in SIDES}
        self._waiting_bytes = dict.fromkeys(SIDES, 0)


def open_shards(folder: str | Path) -> Pairs:
    """The pairs of a folder of shards; items stay on the disk until they are asked for.

    Raises:
        UsageError: the index or a shard is missing, cut short, or not what the index says.
    """
    folder = Path(folder)
    index = _read_index(folder)
    return Pairs(
        _ragged(folder, "video", index.video, index.num_items),
        _ragged(folder, "audio", index.audio, index.num_items),
        tuple(index.names),
        numbered(index.group)[0],
        *numbered(index.label),
        **index.settings,
    )


def _ragged(folder: Path, side: str, lengths: Sequence[int], num_items: Sequence[int]) -> Ragged:
    per_shard = np.split(np.array(lengths, np.int64), np.cumsum(num_items)[:-1])
    shards = tuple(_opened(folder, side, number) for number in range(len(num_items)))
    for number, (array, length) in enumerate(zip(shards, per_shard, strict=True)):
        if len(array) != length.sum() or _format(array) != _format(shards[0]):
            raise UsageError(
                f"{_shard_path(folder, side, number)}: has {len(array)} ticks of {_format(array)}, but {INDEX} says "
                f"{length.sum()} ticks of {_format(shards[0])}; the files are not of one packing: pack the set again"
            )
    return Ragged(
        shards,
        shard=np.repeat(np.arange(len(num_items)), num_items),
        begin=np.concatenate([np.cumsum(length) - length for length in per_shard]),
        length=np.concatenate(per_shard),
    )


def _opened(folder: Path, side: str, number: int) -> np.ndarray:
    path = _shard_path(folder, side, number)
    try:
        return map_array(path)
    except ValueError as error:
        raise UsageError(f"{path}: the shard is missing, cut short or damaged ({error}); pack the set again") from error


def _read_index(folder: Path) -> _Index:
    path = folder / INDEX
    try:
        index = _Index(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{path}: not the index of a folder of shards ({error}); pack the set again") from error
    if not index.names:
        raise UsageError(f"{path}: names no pair")
    return index


def _shard_path(folder: Path, side: str, number: int) -> Path:
    return folder / f"{side}-{number:05d}.npy"


def _format(array: Shaped[np.ndarray, " T *rest"]) -> str:
    """What all items of a side share: everything but T."""
    return f"{array.dtype} (T, {', '.join(map(str, array.shape[1:]))})"
