"""What `embed` answers with: the vectors of files, with their times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64

from avmatch.core.results import Failure

#: What is written into a folder: a line an item, last; one vector of each; or the latter as Parquet.
INDEX, POOLED, POOLED_TABLE = "embeddings.jsonl", "pooled.npy", "pooled.parquet"


def holds_vectors(folder: str | Path) -> bool:
    """Whether `embed` wrote arrays there."""
    return (Path(folder) / INDEX).is_file()


@dataclass(frozen=True, eq=False, repr=False)
class Embedded:
    """The vectors of one side of a file, or of one face in it.

    Attributes:
        path: the file.
        side: video or audio.
        part: "face 1" and so on, for models that look at faces; else "".
        times_seconds: (T,) the beginning of what each vector is of, on the file's clock.
        vectors: (T, D)
        rate_hz: vectors a second.
        pooled: (P,) one vector for all of it, comparable across both sides by its dot product; None where there is
            none.
    """

    path: str
    side: str
    part: str
    times_seconds: Float64[np.ndarray, " T"]
    vectors: Float32[np.ndarray, "T D"]
    rate_hz: float
    pooled: Float32[np.ndarray, " P"] | None = None

    def __post_init__(self) -> None:
        if len(self.times_seconds) != len(self.vectors):
            raise ValueError(f"{len(self.times_seconds)} times for {len(self.vectors)} vectors")

    def __repr__(self) -> str:
        pooled = "None" if self.pooled is None else str(self.pooled.shape)
        part = f", {self.part}" if self.part else ""
        return f"Embedded({self.path!r}, {self.side}{part}, vectors: {self.vectors.shape}, pooled: {pooled})"


@dataclass(frozen=True, eq=False, repr=False)
class EmbedResult:
    """The vectors of some files.

    Attributes:
        model: its name.
        licence: what its card says.
        items: in the order of the files.
        failures: the files that can't be used.
        scale, baseline: what the product of two pooled vectors says: scale · (product − baseline) is the score of the
            pair (glossary); None where they aren't compared as a whole.
    """

    model: str
    licence: str
    items: tuple[Embedded, ...]
    failures: tuple[Failure, ...] = ()
    scale: float | None = None
    baseline: float | None = None

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Embedded]:
        return iter(self.items)

    def __getitem__(self, place: int) -> Embedded:
        return self.items[place]

    def __repr__(self) -> str:
        return f"EmbedResult({self.model}, {len(self.items)} items, {len(self.failures)} failed)"
