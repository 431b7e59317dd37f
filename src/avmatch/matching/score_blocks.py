"""Galleries whose scores don't fit into memory, where a score is a product of two vectors.

    rows    → blocks of scores, on disk → median and spread, the best two, and the leaders of each row
    columns → the same blocks, read crosswise → the best two, and the leaders of each column
            → confidences of all leaders (decision.py) → one sparse assignment (assignment.py)

Rows and columns are done in blocks, by threads or by a cluster: `each` is whoever does them. What a block of scores
depends on is in its folder's name, so that a run that was ended goes on from there.

Letters in shapes: N videos, M audio files, P numbers of a vector, E pairs, n and m files of a block.
"""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Float64, Int

from avmatch.core.files import write_array_atomically
from avmatch.matching.decision import by_gallery, figures_of_pairs, unmatched
from avmatch.matching.shortlist import leaders

#: Rows, or columns, of a block.
BLOCK = 256


@runtime_checkable
class BlockTask(Protocol):
    """What is done to each block; its argument is the first row or column."""

    def prepared(self) -> Callable[[int], Any]:
        """What does it."""


#: Does a task for each of some blocks, and answers in their order.
Each = Callable[[BlockTask, Sequence[int], str], list[Any]]


@dataclass(frozen=True, eq=False)
class Vectors:
    """Both sides: score = scale · (product − baseline).

    Attributes:
        videos, audios: (N, P) and (M, P), finite.
    """

    videos: Float32[np.ndarray, "N P"]
    audios: Float32[np.ndarray, "M P"]
    scale: float
    baseline: float

    @property
    def shape(self) -> tuple[int, int]:
        """N and M."""
        return len(self.videos), len(self.audios)

    @property
    def fingerprint(self) -> str:
        """Follows everything that scores depend on."""
        digest = hashlib.blake2b(f"{self.shape} {self.scale} {self.baseline} {BLOCK}".encode(), digest_size=16)
        for side in (self.videos, self.audios):
            digest.update(np.ascontiguousarray(side).tobytes())
        return digest.hexdigest()

    def scores(self, rows: slice) -> Float32[np.ndarray, "n M"]:
        """Of some rows."""
        products = self.videos[rows] @ self.audios.T
        return np.asarray(np.float32(self.scale) * (products - np.float32(self.baseline)), np.float32)


@dataclass(frozen=True, eq=False)
class Listed:
    """Pairs that may lead a row or a column.

    Attributes:
        rows, columns: (E,) sorted by row, each pair once.
        nats: (E,) their scores.
        confidence: (E,) probability in 0…1 that each is right.
    """

    rows: Int[np.ndarray, " E"]
    columns: Int[np.ndarray, " E"]
    nats: Float64[np.ndarray, " E"]
    confidence: Float64[np.ndarray, " E"]


@dataclass(frozen=True, eq=False)
class _Best:
    """Of each row or column of a block: the best two values, where the best is, and the leaders, by their places."""

    first: Float64[np.ndarray, " n"]
    second: Float64[np.ndarray, " n"]
    place: Int[np.ndarray, " n"]
    listed: tuple[Int[np.ndarray, " _"], ...]
    nats: tuple[Float64[np.ndarray, " _"], ...]
    median: Float64[np.ndarray, " n"]
    decile: Float64[np.ndarray, " n"]


@dataclass(frozen=True, eq=False)
class RowTask:
    """Scores of a block of rows, kept in the folder."""

    vectors: Vectors
    folder: Path

    def prepared(self) -> Callable[[int], _Best]:
        """See BlockTask."""
        return self._block

    def _block(self, begin: int) -> _Best:
        nats = block_of(self.vectors, self.folder, begin).astype(np.float64)
        return _best(nats, nats, *np.quantile(nats, (0.5, 0.9), axis=1))


@dataclass(frozen=True, eq=False)
class ColumnTask:
    """What the blocks say of some columns, in units of the rows."""

    vectors: Vectors
    folder: Path
    middle: Float64[np.ndarray, " N"]
    spread: Float64[np.ndarray, " N"]

    def prepared(self) -> Callable[[int], _Best]:
        """See BlockTask."""
        return self._block

    def _block(self, begin: int) -> _Best:
        blocks = (block_of(self.vectors, self.folder, row) for row in range(0, len(self.middle), BLOCK))
        parts = [np.array(block[:, begin : begin + BLOCK]) for block in blocks]
        nats = np.concatenate(parts).astype(np.float64).T
        unused = np.zeros(len(nats))
        return _best((nats - self.middle) / self.spread, nats, unused, unused)


def block_path(folder: Path, begin: int) -> Path:
    """Where the block from this row on is kept."""
    return folder / f"{begin:09d}.npy"


def block_of(vectors: Vectors, folder: Path, begin: int) -> Float32[np.ndarray, "n M"]:
    """The scores of a block of rows: as they are kept, or computed, and kept.

    Another process that is done with the same scores may remove the folder at any time.
    """
    place = block_path(folder, begin)
    with suppress(FileNotFoundError):
        return np.asarray(np.load(place, mmap_mode="r", allow_pickle=False))
    scores = vectors.scores(slice(begin, begin + BLOCK))
    with suppress(FileNotFoundError):
        write_array_atomically(place, scores)
    return scores


def listed_pairs(vectors: Vectors, folder: Path, each: Each, *, shared: bool = False) -> Listed:
    """Write all scores into a folder, block by block, and give the pairs that may lead, with their confidences.

    Args:
        shared: a recording may serve several videos, so the lead over other videos says nothing.
    """
    num_rows, num_columns = vectors.shape
    in_rows = _joined(each(RowTask(vectors, folder), range(0, num_rows, BLOCK), "rows"))
    middle, spread = unmatched(in_rows.median, in_rows.decile, num_columns)
    in_columns = _joined(each(ColumnTask(vectors, folder, middle, spread), range(0, num_columns, BLOCK), "columns"))
    lengths = [np.repeat(np.arange(len(one.listed)), list(map(len, one.listed))) for one in (in_rows, in_columns)]
    rows = np.concatenate([lengths[0], *in_columns.listed])
    columns = np.concatenate([*in_rows.listed, lengths[1]])
    nats = np.concatenate([*in_rows.nats, *in_columns.nats])
    _, once = np.unique(rows * num_columns + columns, return_index=True)
    rows, columns, nats = rows[once], columns[once], nats[once]
    others = np.where(in_rows.place[rows] == columns, in_rows.second[rows], in_rows.first[rows])
    row_rival = (others - middle[rows]) / spread[rows]
    column_rival = np.where(in_columns.place[columns] == rows, in_columns.second[columns], in_columns.first[columns])
    rivals = row_rival, row_rival if shared else column_rival
    found = figures_of_pairs(nats, middle[rows], spread[rows], rivals, num_rows * num_columns)
    return Listed(rows, columns, nats, by_gallery(found)[:, 0])


def _best(
    values: Float64[np.ndarray, "n M"],
    nats: Float64[np.ndarray, "n M"],
    median: Float64[np.ndarray, " n"],
    decile: Float64[np.ndarray, " n"],
) -> _Best:
    """The best by `values`, and the leaders by `nats`."""
    place = values.argmax(axis=1)
    alone = np.full(len(values), -np.inf)
    second = np.partition(values, -2, axis=1)[:, -2] if values.shape[1] > 1 else alone
    listed = tuple(leaders(row) for row in nats)
    chosen = tuple(row[places] for row, places in zip(nats, listed, strict=True))
    return _Best(values[np.arange(len(values)), place], second, place, listed, chosen, median, decile)


def _joined(blocks: Sequence[_Best]) -> _Best:
    def arrays(name: str) -> np.ndarray:
        return np.concatenate([getattr(block, name) for block in blocks])

    return _Best(
        arrays("first"),
        arrays("second"),
        arrays("place"),
        tuple(one for block in blocks for one in block.listed),
        tuple(one for block in blocks for one in block.nats),
        arrays("median"),
        arrays("decile"),
    )
