"""What `match` answers with: frozen, printable, and exportable."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Float32

from avmatch.core.clock import NOTHING, offset_text
from avmatch.core.files import write_text_atomically
from avmatch.core.results import Cell, Failure, csv_text, offset_in_ms, rounded
from avmatch.core.tables import frame_of, html_table, write_parquet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MATCH_COLUMNS = (
    *("video", "audio", "confidence", "score", "offset_ms", "cue", "runner_up", "runner_up_score", "missing"),
    *("offset_confidence", "offset_low_ms", "offset_high_ms", "why"),
)
CANDIDATE_COLUMNS = ("video", "rank", "audio", "score", "confidence", "offset_ms", "belongs", "why")


Role = Literal["continues", "also_fits"]
FURTHER_COLUMNS = ("video", "audio", "role", "offset_ms")


@dataclass(frozen=True)
class FurtherAudio:
    """Another recording that belongs to a video which has one.

    Attributes:
        audio: the recording.
        role: continues (the recorder split its file: it goes on where the first ends, or ends where that begins), or
            also_fits (another recorder of the same take).
        offset_seconds: how late its sound is.
    """

    audio: str
    role: Role
    offset_seconds: float


@dataclass(frozen=True)
class Match:
    """What was decided for one video.

    Attributes:
        video: the path as the user named it.
        audio: the recording that matches, or None.
        confidence: probability in 0…1 that `audio` is right (without a match: of its best candidate).
        score: fused score of the pair, in nats (log-likelihood ratio); comparable within a run.
        offset_seconds: how late the sound is; None without a match.
        cue: the name of the cue that decided, "" without a match.
        runner_up: the next best audio for this video, or None.
        runner_up_score: its fused score.
        missing_share: 0…1 that could not be read, of the video or of `audio`; None for a video that can't be used.
        offset_confidence: probability in 0…1 that the offset is right, if the pair is; None where it isn't known.
        offset_interval_seconds: 95 % interval of the offset, if the pair is right; None where there is none.
        why: what the decision rests on, in a few words.
        further: other recordings of the same moment, in order of time.
    """

    video: str
    audio: str | None
    confidence: float
    score: float | None
    offset_seconds: float | None
    cue: str
    runner_up: str | None = None
    runner_up_score: float | None = None
    missing_share: float | None = None
    offset_confidence: float | None = None
    offset_interval_seconds: tuple[float, float] | None = None
    why: str = ""
    further: tuple[FurtherAudio, ...] = ()

    def further_rows(self) -> list[tuple[Cell, ...]]:
        """The cells under FURTHER_COLUMNS, one row for each further recording."""
        return [(self.video, item.audio, item.role, offset_in_ms(item.offset_seconds)) for item in self.further]

    def record(self) -> dict[str, object]:
        """As JSON can hold it, with the keys MATCH_COLUMNS; `also_fits` where there are further recordings."""
        record: dict[str, object] = dict(zip(MATCH_COLUMNS, self.row(), strict=True))
        if self.further:
            record["also_fits"] = [dict(zip(FURTHER_COLUMNS[1:], row[1:], strict=True)) for row in self.further_rows()]
        return record

    def html_cells(self) -> tuple[str, ...]:
        """What notebooks show: clip, recording, confidence, offset, why."""
        confidence = NOTHING if self.audio is None else f"{self.confidence:.2f}"
        offset = offset_text(self.offset_seconds, self.offset_interval_seconds)
        texts = (self.video, self.audio or NOTHING, confidence, offset, self.why)
        return tuple(map(html.escape, texts))

    def row(self) -> tuple[Cell, ...]:
        """The cells under MATCH_COLUMNS."""
        return (
            self.video,
            self.audio,
            round(self.confidence, 4),
            rounded(self.score),
            offset_in_ms(self.offset_seconds),
            self.cue,
            self.runner_up,
            rounded(self.runner_up_score),
            rounded(self.missing_share),
            rounded(self.offset_confidence),
            *(offset_in_ms(bound) for bound in self.offset_interval_seconds or (None, None)),
            self.why,
        )


@dataclass(frozen=True)
class Candidate:
    """One audio considered for one video; rank 1 is the best.

    Attributes:
        belongs: probability in 0…1 that the two belong together by their own evidence, whatever else is there; None
            where it wasn't measured.
        why: what each cue says of the pair.
    """

    video: str
    rank: int
    audio: str
    score: float
    confidence: float
    offset_seconds: float | None
    belongs: float | None = None
    why: str = ""

    def row(self) -> tuple[Cell, ...]:
        """The cells under CANDIDATE_COLUMNS."""
        return (
            self.video,
            self.rank,
            self.audio,
            rounded(self.score),
            round(self.confidence, 4),
            offset_in_ms(self.offset_seconds),
            rounded(self.belongs),
            self.why,
        )


@dataclass(frozen=True, repr=False)
class Preview:
    """What the report shows of one file.

    Attributes:
        duration_seconds: length of the stream that was used.
        thumbnail_jpeg: a small picture of a video, or None.
        peaks: about 200 values in 0…1, the loudness contour of an audio file; empty for a video.
    """

    duration_seconds: float
    thumbnail_jpeg: bytes | None = None
    peaks: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class MatchResult:
    """Every decision of one `match` run.

    Attributes:
        matches: one per video, in the order of the input, failed videos included.
        unmatched_audio: the usable audio files that no video got, nor has as a further one.
        candidates: the best few audio files of each video, best first.
        videos, audio: the paths of the similarity matrix's rows and columns (usable files only).
        similarity: (videos, audio) fused scores in nats; (0, 0) where there are too many to keep.
        failures: the inputs that could not be used.
        settings: cues and options of the run, as JSON can hold them.
        notes: remarks for a person (lengths that differ, and the like).
        previews: what a report shows of each usable file, by path.
    """

    matches: tuple[Match, ...]
    unmatched_audio: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    videos: tuple[str, ...]
    audio: tuple[str, ...]
    similarity: Float32[np.ndarray, "N M"]
    failures: tuple[Failure, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    previews: Mapping[str, Preview] = field(default_factory=dict)

    def __post_init__(self) -> None:
        expected = (len(self.videos), len(self.audio))
        if self.similarity.shape not in (expected, (0, 0)):
            raise ValueError(f"similarity must have shape {expected}, got {self.similarity.shape}")

    def __repr__(self) -> str:
        paired = sum(match.audio is not None for match in self.matches)
        return (
            f"MatchResult({len(self.matches)} videos, {len(self.audio)} audio, {paired} paired, "
            f"{len(self.failures)} failed)"
        )

    def __len__(self) -> int:
        return len(self.matches)

    def __iter__(self) -> Iterator[Match]:
        return iter(self.matches)

    def _repr_html_(self) -> str:
        rows = [(self._thumbnail(match.video), *match.html_cells()) for match in self.matches]
        return html_table(("", "clip", "recording", "confidence", "offset", "why"), rows, repr(self))

    def _thumbnail(self, path: str) -> str:
        jpeg = self.previews[path].thumbnail_jpeg if path in self.previews else None
        return f'<img src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}" height="48">' if jpeg else ""

    def to_json(self) -> str:
        """A JSON list with an object for each video (`Match.record`)."""
        return json.dumps([match.record() for match in self.matches])

    def to_csv(self, path: str | Path) -> None:
        """Write matches.csv's content to `path`."""
        write_text_atomically(Path(path), csv_text(MATCH_COLUMNS, (match.row() for match in self.matches)))

    def to_parquet(self, path: str | Path) -> None:
        """Write the same as Parquet. Raises MissingExtraError without pyarrow."""
        write_parquet(MATCH_COLUMNS, [match.row() for match in self.matches], Path(path))

    def to_frame(self, library: str | None = None) -> Any:
        """The same as a table of pandas, polars or pyarrow (core/tables.py)."""
        return frame_of(MATCH_COLUMNS, [match.row() for match in self.matches], library)

    def plot(self) -> Figure:
        """The similarity matrix, decided pairs on the diagonal (`plot_match`)."""
        import avmatch

        return avmatch.plot_match(self)
