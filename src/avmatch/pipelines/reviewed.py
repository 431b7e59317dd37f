"""A result as it holds after its review: what was decided, and the rest as `match` has it."""

from dataclasses import replace
from pathlib import Path

from avmatch.data.decision_store import DECISIONS, DecisionStore
from avmatch.data.result_folder import StoredMatch, StoredResult, located, read_result
from avmatch.data.result_tables import read_tables
from avmatch.pipelines.decided import decided
from avmatch.pipelines.review_board import ClipRow, board


def read_reviewed(folder: str | Path) -> StoredResult:
    """Read a folder that `match` wrote, with the decisions that lie there.

    Raises:
        UsageError: there is no result, or a file of it breaks its rules.
    """
    stored = read_result(folder)
    if not (stored.folder / DECISIONS).is_file():
        return stored
    tables, store = read_tables(stored.folder), DecisionStore(stored.folder / DECISIONS)
    try:
        paths = [path for match in tables.matches for path in (match.video, match.audio) if path is not None]
        found = decided(store, list(dict.fromkeys((*paths, *tables.recordings))))
    finally:
        store.close()
    rows = board(tables, found).rows
    return replace(stored, matches=tuple(map(_reviewed, stored.matches, rows)))


def _reviewed(match: StoredMatch, row: ClipRow) -> StoredMatch:
    is_accepted = row.ruling.verdict == "accepted"
    further = tuple(replace(more, audio=located(more.audio)) for more in row.further)
    if row.is_as_matched and not row.ruling.is_decided:
        return replace(match, further=further)
    audio = None if row.recording is None else located(row.recording)
    offset = row.offset_seconds
    return replace(
        match,
        audio=audio,
        confidence=row.confidence,
        offset_seconds=offset,
        offset_confidence=1.0 if is_accepted and offset is not None else None,
        offset_interval_seconds=None,
        is_accepted=is_accepted,
        further=further,
    )
