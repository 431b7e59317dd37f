"""What the pipelines answer with: frozen, printable, and exportable. `match` has a file of its own (matches.py).

Offsets follow the one convention of the project: positive means that the sound comes late.
"""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from avmatch.core.clock import Verdict, frames_from_seconds, itu_verdict, milliseconds_from_seconds, offset_text
from avmatch.core.errors import MediaError, Reason, Stage
from avmatch.core.files import write_text_atomically
from avmatch.core.tables import Cell as Cell
from avmatch.core.tables import frame_of, html_table, write_parquet

if TYPE_CHECKING:
    from matplotlib.figure import Figure


#: What a long job reports as it goes on: called with (stage, done, total).
Progress = Callable[[str, int, int], None]
Action = Literal["fixed", "in_sync", "refused", "failed"]
Status = Literal["ok", "uncertain", "unrelated", "failed"]

FAILURE_COLUMNS = ("path", "stage", "message")
SYNC_COLUMNS = tuple(
    "path offset_ms offset_frames fps confidence cue status reason verdict "
    "offset_low_ms offset_high_ms drift_ppm drift_low_ppm drift_high_ppm missing belongs rivals_ms "
    "damaged_seconds streams".split()
)
FIX_COLUMNS = tuple(
    "path out action was_ms was_drift_ppm is_ms is_drift_ppm removed_ms removed_drift_ppm message".split()
)

#: From this share on, a remark says that a part of a file could not be read.
NOTED_MISSING_SHARE = 0.01
#: The same of parts that are damaged or missing, gaps in the sound included.
NOTED_DAMAGED_SECONDS = 0.5


@dataclass(frozen=True)
class Failure:
    """One input that could not be used: a row of errors.csv."""

    path: str
    stage: Stage
    message: str
    reason: Reason = "unreadable"

    @classmethod
    def from_error(cls, error: MediaError) -> Failure:
        """The row for `error`."""
        return cls(error.path, error.stage, error.message, error.reason)

    def row(self) -> tuple[Cell, ...]:
        """The cells under FAILURE_COLUMNS."""
        return (self.path, self.stage, self.message)


@dataclass(frozen=True)
class Speaker:
    """Who speaks while faces are there.

    Attributes:
        begin_seconds, end_seconds: when this face is there.
        box: x, y, width, height in the mean, as shares of the picture's width and height.
        num_faces: how many are there at that time.
        place: "only", or which of them from the left: left, middle, right, "2nd from the left".
        lead_nats: how much better it goes with the sound than the next one.
    """

    begin_seconds: float
    end_seconds: float
    box: tuple[float, float, float, float]
    num_faces: int
    place: str
    lead_nats: float


@dataclass(frozen=True)
class Rival:
    """Another offset that may be the right one, and how probable it is, 0…1."""

    offset_seconds: float
    probability: float


@dataclass(frozen=True)
class Piece:
    """A part of a picture, and by how much its sound is late.

    Attributes:
        begin_seconds, end_seconds: on the picture's clock.
        offset_seconds: how late the sound comes there.
        offset_interval_seconds: the offset lies in it with a probability of 95 %.
        begin_interval_seconds: the beginning lies in it with a probability of 95 %; None for the picture's beginning.
    """

    begin_seconds: float
    end_seconds: float
    offset_seconds: float
    offset_interval_seconds: tuple[float, float]
    begin_interval_seconds: tuple[float, float] | None = None

    def later(self, seconds: float) -> Piece:
        """The same of a sound that comes so much later."""
        low, high = self.offset_interval_seconds
        return replace(
            self, offset_seconds=self.offset_seconds + seconds, offset_interval_seconds=(low + seconds, high + seconds)
        )

    def record(self) -> dict[str, object]:
        """As JSON can hold it: times in seconds, offsets in milliseconds."""
        record: dict[str, object] = {"begin_seconds": round(self.begin_seconds, 3)}
        if self.begin_interval_seconds is not None:
            record["begin_low_seconds"], record["begin_high_seconds"] = (
                round(at, 3) for at in self.begin_interval_seconds
            )
        low, high = self.offset_interval_seconds
        return record | {
            "end_seconds": round(self.end_seconds, 3),
            "offset_ms": offset_in_ms(self.offset_seconds),
            "offset_low_ms": offset_in_ms(low),
            "offset_high_ms": offset_in_ms(high),
        }


@dataclass(frozen=True, eq=False, repr=False)
class SyncResult:
    """The offset between a picture and its sound.

    Attributes:
        path: the argument unchanged, or the file found below it.
        offset_seconds: how late the sound comes, where it drifts at the picture's beginning, where it jumps in the
            longest piece; None when failed.
        fps: frames a second of the picture (the mean, where it varies); None when failed.
        confidence: probability in 0…1 that the sound belongs to the picture and the offset is right within 100 ms.
        cue: the name of the cue that decided; "" when failed.
        status: ok, uncertain (it may belong, or at another offset), unrelated (the sound isn't this picture's), failed.
        reason: why not ok; None when ok.
        lags_seconds, curve: the fused score (nats) at each offset tried, for plots; empty when failed.
        message: for a person: what is wrong and what to do.
        offset_interval_seconds: the offset lies in it with a probability of 95 %; None when failed.
        drift_ppm: how the offset grows, in microseconds a second (alignment/drift.py); positive = the sound comes later
            and later; None where there is none to tell.
        drift_interval_ppm: the same with a probability of 95 %.
        speakers: who speaks, where a model for talking faces takes part.
        missing_share: 0…1 that could not be read, of the picture or of the sound; None where neither could be used.
        belongs: probability in 0…1 that the sound belongs to the picture, whatever the offset; None when failed.
        rivals: other offsets that may be the right one, most probable first.
        damaged_seconds: how much of the picture or of the sound is damaged or missing, gaps in the sound included; the
            worse of the two; None where neither could be used.
        streams: which streams and channels were used, in words, where there was a choice; else "".
        pieces: where the offset jumps, the parts of the picture with their offsets; a single one where the sound covers
            only a part of the picture; empty where one offset holds throughout.
        searched_seconds: how far offsets were searched, where farther than at first because nothing fitted there.
    """

    path: str
    offset_seconds: float | None
    fps: float | None
    confidence: float
    cue: str
    status: Status
    reason: Reason | None = None
    lags_seconds: tuple[float, ...] = ()
    curve: tuple[float, ...] = ()
    message: str = ""
    offset_interval_seconds: tuple[float, float] | None = None
    drift_ppm: float | None = None
    drift_interval_ppm: tuple[float, float] | None = None
    speakers: tuple[Speaker, ...] = ()
    missing_share: float | None = None
    belongs: float | None = None
    rivals: tuple[Rival, ...] = ()
    damaged_seconds: float | None = None
    streams: str = ""
    pieces: tuple[Piece, ...] = ()
    searched_seconds: float | None = None

    def __repr__(self) -> str:
        offset = "None" if self.offset_seconds is None else f"{self.offset_seconds:+.3f} s"
        return f"SyncResult({self.path!r}, offset: {offset}, confidence: {self.confidence:.2f}, {self.status})"

    @property
    def offset_ms(self) -> float | None:
        """The offset in milliseconds."""
        return offset_in_ms(self.offset_seconds)

    @property
    def offset_frames(self) -> float | None:
        """The offset in frames of the picture, to a hundredth."""
        if self.offset_seconds is None or self.fps is None:
            return None
        return round(frames_from_seconds(self.offset_seconds, self.fps), 2) + 0.0  # −0.0 becomes 0.0

    @property
    def is_spliced(self) -> bool:
        """Whether the offset jumps, so that no one shift puts picture and sound together."""
        return len(self.pieces) > 1

    @property
    def verdict(self) -> Verdict | None:
        """How ITU-R BT.1359 judges the offset; None when failed."""
        return None if self.offset_seconds is None else itu_verdict(self.offset_seconds)

    def row(self) -> tuple[Cell, ...]:
        """The cells under SYNC_COLUMNS."""
        return (
            self.path,
            self.offset_ms,
            self.offset_frames,
            rounded(self.fps, 3),
            round(self.confidence, 4),
            self.cue,
            self.status,
            self.reason,
            self.verdict,
            *(offset_in_ms(bound) for bound in self.offset_interval_seconds or (None, None)),
            *(rounded(ppm, 1) for ppm in (self.drift_ppm, *(self.drift_interval_ppm or (None, None)))),
            rounded(self.missing_share),
            rounded(self.belongs),
            " ".join(f"{offset_in_ms(rival.offset_seconds):+.0f}" for rival in self.rivals) or None,
            rounded(self.damaged_seconds, 2),
            self.streams or None,
        )

    def record(self) -> dict[str, object]:
        """As JSON can hold it, with the keys SYNC_COLUMNS; `speakers` where there are several faces, `pieces` where one
        offset doesn't hold throughout, and `searched_seconds` where the search went farther than at first."""
        record: dict[str, object] = dict(zip(SYNC_COLUMNS, self.row(), strict=True))
        record["rivals_ms"] = [offset_in_ms(rival.offset_seconds) for rival in self.rivals]
        if any(speaker.num_faces > 1 for speaker in self.speakers):
            record["speakers"] = [asdict(speaker) for speaker in self.speakers if speaker.num_faces > 1]
        if self.pieces:
            record["pieces"] = [piece.record() for piece in self.pieces]
        if self.searched_seconds is not None:
            record["searched_seconds"] = self.searched_seconds
        return record

    def to_json(self) -> str:
        """One JSON object on one line (`record`)."""
        return json.dumps(self.record())

    def to_csv(self, path: str | Path) -> None:
        """Write this one result, under its header, to `path`."""
        write_text_atomically(Path(path), csv_text(SYNC_COLUMNS, [self.row()]))

    def to_frame(self, library: str | None = None) -> Any:
        """A table of one row, by pandas, polars or pyarrow (core/tables.py)."""
        return frame_of(SYNC_COLUMNS, [self.row()], library)

    def plot(self) -> Figure:
        """The score over the offset (`plot_sync`)."""
        import avmatch

        return avmatch.plot_sync(self)


@dataclass(frozen=True, eq=False, repr=False)
class SyncResults(Sequence[SyncResult]):
    """What `sync_all` answers, in the order of the files."""

    results: tuple[SyncResult, ...]

    @overload
    def __getitem__(self, place: int) -> SyncResult: ...

    @overload
    def __getitem__(self, place: slice) -> SyncResults: ...

    def __getitem__(self, place: int | slice) -> SyncResult | SyncResults:
        return SyncResults(self.results[place]) if isinstance(place, slice) else self.results[place]

    def __len__(self) -> int:
        return len(self.results)

    def __repr__(self) -> str:
        num_ok = sum(result.status == "ok" for result in self.results)
        return f"SyncResults({len(self.results)} files, {num_ok} ok)"

    def _repr_html_(self) -> str:
        rows = [
            (
                html.escape(result.path),
                offset_text(result.offset_seconds, result.offset_interval_seconds),
                f"{result.confidence:.2f}",
                result.status,
                html.escape(result.message),
            )
            for result in self.results
        ]
        return html_table(("clip", "offset", "confidence", "status", ""), rows, repr(self))

    def to_json(self) -> str:
        """A JSON list with an object for each file (`SyncResult.record`)."""
        return json.dumps([result.record() for result in self.results])

    def to_csv(self, path: str | Path) -> None:
        """Write the table that `avmatch sync -o` writes."""
        write_text_atomically(Path(path), csv_text(SYNC_COLUMNS, (result.row() for result in self.results)))

    def to_parquet(self, path: str | Path) -> None:
        """Write the same as Parquet. Raises MissingExtraError without pyarrow."""
        write_parquet(SYNC_COLUMNS, [result.row() for result in self.results], Path(path))

    def to_frame(self, library: str | None = None) -> Any:
        """The same as a table of pandas, polars or pyarrow (core/tables.py)."""
        return frame_of(SYNC_COLUMNS, [result.row() for result in self.results], library)


@dataclass(frozen=True, repr=False)
class FixResult:
    """What became of one file.

    Attributes:
        path: the original, as the user named it.
        action: fixed (a copy was written), in_sync (nothing to do), refused (too unsure to act), failed.
        out: the copy; None where none was written.
        was: the measurement of the original; None where the offset was given, or the file can't be used.
        now: the measurement of the copy.
        removed_seconds, removed_ppm: the offset and the drift that were taken out; positive = the sound came late.
        message: for a person: why nothing was written, or what is different in the copy.
    """

    path: str
    action: Action
    out: str | None = None
    was: SyncResult | None = None
    now: SyncResult | None = None
    removed_seconds: float | None = None
    removed_ppm: float | None = None
    message: str = ""

    def __repr__(self) -> str:
        return f"FixResult({self.path!r}, {self.action}, was: {self.was!r}, now: {self.now!r})"

    def row(self) -> tuple[Cell, ...]:
        """The cells under FIX_COLUMNS."""
        return (
            self.path,
            self.out,
            self.action,
            *((None, None) if self.was is None else (self.was.offset_ms, rounded(self.was.drift_ppm, 1))),
            *((None, None) if self.now is None else (self.now.offset_ms, rounded(self.now.drift_ppm, 1))),
            offset_in_ms(self.removed_seconds),
            rounded(self.removed_ppm, 1),
            self.message,
        )

    def to_json(self) -> str:
        """One JSON object on one line, with the keys FIX_COLUMNS."""
        return json.dumps(dict(zip(FIX_COLUMNS, self.row(), strict=True)))


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A CSV document with a header; None becomes an empty cell."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return buffer.getvalue()


def rounded(value: float | None, digits: int = 4) -> float | None:
    """A cell of a number."""
    return None if value is None else round(value, digits)


def offset_in_ms(seconds: float | None) -> float | None:
    """A cell of an offset."""
    return None if seconds is None else milliseconds_from_seconds(seconds)
