"""What `fix` answers with: what was measured, what was written, and what is measured there now."""

import json
from dataclasses import dataclass
from typing import Literal

from avmatch.core.clock import milliseconds_from_seconds
from avmatch.core.results import Cell, SyncResult

Action = Literal["fixed", "in_sync", "refused", "failed"]

FIX_COLUMNS = (
    "path",
    "out",
    "action",
    "was_ms",
    "was_drift_ppm",
    "is_ms",
    "is_drift_ppm",
    "removed_ms",
    "removed_drift_ppm",
    "message",
)


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
        removed = None if self.removed_seconds is None else milliseconds_from_seconds(self.removed_seconds)
        return (
            self.path,
            self.out,
            self.action,
            *_measured(self.was),
            *_measured(self.now),
            removed,
            None if self.removed_ppm is None else round(self.removed_ppm, 1),
            self.message,
        )

    def to_json(self) -> str:
        """One JSON object on one line, with the keys FIX_COLUMNS."""
        return json.dumps(dict(zip(FIX_COLUMNS, self.row(), strict=True)))


def _measured(result: SyncResult | None) -> tuple[Cell, Cell]:
    if result is None:
        return None, None
    return result.offset_ms, None if result.drift_ppm is None else round(result.drift_ppm, 1)
