"""The folder that `match` leaves behind, and the CSV of `sync`.

Each file appears whole or not at all; files of other makers in the folder are left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

import avmatch
from avmatch.core.errors import UsageError
from avmatch.core.files import atomic_path, write_bytes_atomically
from avmatch.core.results import (
    CANDIDATE_COLUMNS,
    FAILURE_COLUMNS,
    MATCH_COLUMNS,
    SYNC_COLUMNS,
    MatchResult,
    SyncResult,
    csv_text,
)
from avmatch.reports.page import page_html
from avmatch.reports.strict_json import strict_json

UNMATCHED_COLUMNS = ("audio",)
_CUES_KEY = "cues"


def write_match_output(result: MatchResult, out: Path) -> tuple[Path, ...]:
    """Write every file of a `match` run into the folder `out` and return their paths.

    Raises:
        UsageError: `out` is not a folder and can't be made one.
    """
    _make_folder(out)
    texts = {
        "matches.csv": csv_text(MATCH_COLUMNS, (match.row() for match in result.matches)),
        "unmatched_audio.csv": csv_text(UNMATCHED_COLUMNS, ((audio,) for audio in result.unmatched_audio)),
        "candidates.csv": csv_text(CANDIDATE_COLUMNS, (entry.row() for entry in result.candidates)),
        "errors.csv": csv_text(FAILURE_COLUMNS, (failure.row() for failure in result.failures)),
        "similarity.json": _similarity_json(result),
        "report.html": page_html(result),
    }
    for name, text in texts.items():
        write_bytes_atomically(out / name, _utf8(text))
    _write_similarity(result, out / "similarity.npy")
    return (*(out / name for name in texts), out / "similarity.npy")


def write_sync_csv(results: Sequence[SyncResult], path: Path) -> None:
    """Write one row a result, under SYNC_COLUMNS, to `path`."""
    write_bytes_atomically(path, _utf8(csv_text(SYNC_COLUMNS, (result.row() for result in results))))


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{out} can't be used as the output folder ({error.strerror}): name a folder that exists, "
            "or a new one, with -o"
        ) from error


def _similarity_json(result: MatchResult) -> str:
    settings = {key: value for key, value in result.settings.items() if key != _CUES_KEY}
    description = {
        "videos": result.videos,
        "audio": result.audio,
        "version": avmatch.__version__,
        "cues": result.settings.get(_CUES_KEY, ()),
        "settings": settings,
    }
    return strict_json(description, indent=1) + "\n"


def _write_similarity(result: MatchResult, target: Path) -> None:
    with atomic_path(target) as temporary, temporary.open("wb") as file:
        np.save(file, np.asarray(result.similarity, dtype=np.float32), allow_pickle=False)


def _utf8(text: str) -> bytes:
    """UTF-8 even for names that are not: their odd bytes become escapes, in JSON the very ones it defines."""
    return text.encode("utf-8", "backslashreplace")
