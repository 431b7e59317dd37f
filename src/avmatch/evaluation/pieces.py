"""Evaluations of clips that are cut into pieces: lengths, offsets and noise; names and cells of their tables."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from avmatch.core.errors import UsageError
from avmatch.evaluation.galleries import NOISES
from avmatch.metrics.intervals import Share
from avmatch.reports.report import TIES, Lines, Report, ReportTable

#: The usual pieces of talking clips.
PIECES_SECONDS = (0.0, 2.0, 4.0)
#: How often the sound of each is moved.
NUM_SHIFTS = 5
#: The cell of a figure without a trial.
NO_FIGURE = "–"
_INTERVAL = "± half of the 95 % bootstrap interval over groups"


@dataclass(frozen=True)
class TalkProtocol:
    """How pieces of clips are measured.

    Attributes:
        ks: frames of evidence (sync) or R@k (match); None = the usual ones.
        pieces_seconds: clips are cut into disjoint pieces of each of these lengths; 0 = whole clips; () = the usual.
        max_offset_seconds: offsets searched; None = the usual range.
        noise_snr_db: also in noise at each of these ratios.
        noise_kind: of NOISES; None = one that is drawn for each file.
        split: only the clips that the data put there; None = all.
        seed: of shifts, noise and intervals.
    """

    ks: tuple[int, ...] | None = None
    pieces_seconds: tuple[float, ...] = ()
    max_offset_seconds: float | None = None
    noise_snr_db: tuple[float, ...] = ()
    noise_kind: str | None = None
    split: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.ks or (1,)) < 1 or min(self.pieces_seconds, default=0) < 0:
            raise UsageError(
                f"k must be at least 1 and pieces 0 seconds (whole) or more, got k {self.ks} and {self.pieces_seconds}"
            )
        if self.max_offset_seconds is not None and not self.max_offset_seconds > 0:
            raise UsageError(f"the largest offset must be above 0 seconds, got {self.max_offset_seconds:g}")
        if self.noise_kind not in (None, *NOISES):
            raise UsageError(f"no noise {self.noise_kind!r}; there are {', '.join(NOISES)}")


def piece_places(num_ticks: int, seconds: float, rate_hz: float) -> list[tuple[int, int]]:
    """First tick and end of all disjoint pieces of this length, from the clip's beginning; of the whole for 0."""
    length = round(seconds * rate_hz) or num_ticks
    return [(begin, begin + length) for begin in range(0, num_ticks - length + 1, length)]


def piece_shifts(name: str, place: tuple[int, int], most: int, seed: int) -> list[int]:
    """By how much the sound of a piece is moved, up to `most` either way: the same for all models and conditions."""
    rng = np.random.default_rng([seed, zlib.crc32(name.encode(errors="surrogateescape")), *place])
    return rng.choice(np.arange(-most, most + 1), min(NUM_SHIFTS, 2 * most + 1), replace=False).tolist()


def piece_name(seconds: float, snr_db: float | None = None) -> str:
    """The name of this length in tables and notes, with its noise."""
    return condition_name(f"{seconds:g} s" if seconds else "whole", snr_db)


def condition_name(name: str, snr_db: float | None) -> str:
    """The name of a row, with its noise."""
    return name if snr_db is None else f"{name} {snr_db:g} dB"


def percents(shares: Sequence[Share | None]) -> list[str]:
    """Cells of a table."""
    return [NO_FIGURE if share is None else share.percent() for share in shares]


def piece_report(kind: str, what: str, values: Mapping[str, Any], tables: Mapping[str, Lines]) -> Report:
    """The report on a result; `values` are its fields, `tables` its lines by title."""
    return Report(
        f"{what} on {Path(values['data']).name}: {Path(values['model']).resolve().name}",
        tuple(ReportTable(title, lines, 1, TIES, _INTERVAL) for title, lines in tables.items()),
        {"kind": kind, **values},
        values["notes"],
        f"Shares in %; {_INTERVAL}; {TIES}",
    )
