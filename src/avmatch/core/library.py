"""What `index` and `search` answer with."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from avmatch.core.files import strict_json, write_text_atomically
from avmatch.core.results import Cell, Failure, csv_text, rounded

HIT_COLUMNS = ("rank", "path", "start_seconds", "length_seconds", "score", "confidence", "kind", "why")


@dataclass(frozen=True)
class Hit:
    """One file of a library that goes with what was asked for.

    Attributes:
        rank: 1 is the best.
        path: the file; of several with the same content the first by name.
        start_seconds: what lies in the file where the clip begins; negative = so much of the clip comes before it. With
            a sound that was asked for, where in the video the sound begins.
        length_seconds: how much of the file is used from there on.
        score: evidence that they belong together, in nats (log-likelihood ratio).
        confidence: probability in 0…1 that the two were recorded together, if half of all searches have such a file.
        kind: what it sounds like, or looks like; "" where no model names kinds.
        why: what each cue says.
        preview: the film in which the two were put together; None where none was asked for.
    """

    rank: int
    path: str
    start_seconds: float
    length_seconds: float
    score: float
    confidence: float
    kind: str = ""
    why: str = ""
    preview: str | None = None

    def row(self) -> tuple[Cell, ...]:
        """The cells under HIT_COLUMNS."""
        return (
            self.rank,
            self.path,
            round(self.start_seconds, 3),
            round(self.length_seconds, 3),
            rounded(self.score),
            rounded(self.confidence),
            self.kind,
            self.why,
        )

    def to_json(self) -> str:
        """One JSON object on one line, with the keys HIT_COLUMNS, and `preview` where there is one."""
        record = dict(zip(HIT_COLUMNS, self.row(), strict=True))
        return strict_json(record if self.preview is None else record | {"preview": self.preview})


@dataclass(frozen=True, repr=False)
class SearchResult:
    """What was found for one file.

    Attributes:
        query: the file that was searched for.
        hits: the best first.
        num_windows: how many windows were looked at.
    """

    query: str
    hits: tuple[Hit, ...]
    num_windows: int

    def __repr__(self) -> str:
        return f"SearchResult({self.query!r}, {len(self.hits)} hits among {self.num_windows} windows)"

    def to_csv(self, path: str | Path) -> None:
        """Write the hits under HIT_COLUMNS."""
        write_text_atomically(Path(path), csv_text(HIT_COLUMNS, (hit.row() for hit in self.hits)))

    def to_jsonl(self, path: str | Path) -> None:
        """Write one JSON object a hit."""
        write_text_atomically(Path(path), "".join(f"{hit.to_json()}\n" for hit in self.hits))


@dataclass(frozen=True)
class IndexResult:
    """What a run of `index` did.

    Attributes:
        added: files whose content was analysed.
        known: files that are new or changed, whose content was there already: they were moved, copied or touched.
        dropped: files that are gone.
        unchanged: files that were there and still are.
        files, seconds: what the index holds now: files, and their length without copies.
        failures: the files that can't be used.
    """

    added: int
    known: int
    dropped: int
    unchanged: int
    files: int
    seconds: float
    failures: tuple[Failure, ...] = ()

    def to_json(self) -> str:
        """One JSON object; of the files that can't be used how many there are."""
        return strict_json(asdict(self) | {"failures": len(self.failures)})
