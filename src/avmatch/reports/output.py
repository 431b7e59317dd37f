"""The matches as a table for the terminal."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.table import Table
from rich.text import Text

import avmatch
from avmatch.core.errors import UsageError
from avmatch.core.files import atomic_path, strict_json, write_bytes_atomically
from avmatch.core.results import (
    CANDIDATE_COLUMNS,
    FAILURE_COLUMNS,
    MATCH_COLUMNS,
    SYNC_COLUMNS,
    Match,
    MatchResult,
    SyncResult,
    csv_text,
)
from avmatch.reports.page import page_html
from avmatch.reports.wording import NOTHING, is_doubtful, lateness, shortened

_PATH_WIDTH = 44
_DOUBT_STYLE = "yellow"


def match_table(result: MatchResult) -> Table:
    """One row a video, in the order of the input; a question mark stands at what deserves a second look."""
    table = Table(caption=_caption(result), caption_justify="left")
    for heading in ("video", "audio"):
        table.add_column(heading, overflow="fold")
    for heading in ("confidence", "sound"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("cue", no_wrap=True)
    table.add_column("runner-up", overflow="fold", style="dim")
    usable = frozenset(result.videos)
    names = _Names(_folder(match.video for match in result.matches), _folder(result.audio))
    for match in result.matches:
        table.add_row(*_cells(match, match.video in usable, names))
    return table


class _Names(NamedTuple):
    """The folders that all videos and all sounds lie in: their names are shown from there on."""

    videos: str
    audio: str

    def video(self, path: str) -> Text:
        return Text(shortened(path.removeprefix(self.videos), _PATH_WIDTH))

    def sound(self, path: str | None) -> Text:
        return Text(NOTHING if path is None else shortened(path.removeprefix(self.audio), _PATH_WIDTH))


def _folder(paths: Iterable[str]) -> str:
    """The folder in common, with its separator; "" where there is none."""
    common = os.path.commonprefix([os.path.dirname(path) + os.sep for path in paths])  # noqa: PTH120, RUF071  cut at a separator
    return common[: common.rfind(os.sep) + 1]


def _cells(match: Match, usable: bool, names: _Names) -> tuple[Text, ...]:
    if not usable:
        # The reason stands in errors.csv; a confidence of nothing would only mislead.
        return (
            names.video(match.video),
            Text("could not be used", style="red"),
            *(Text(NOTHING) for _ in range(4)),
        )
    doubtful = match.audio is not None and is_doubtful(match.confidence)
    style = _DOUBT_STYLE if doubtful else ""
    return (
        names.video(match.video),
        names.sound(match.audio),
        Text(
            NOTHING if match.audio is None else f"{'? ' if doubtful else ''}{match.confidence:.2f}",
            style=style,
        ),
        Text(lateness(match.offset_seconds)),
        Text(match.cue or NOTHING),
        names.sound(match.runner_up),
    )


def _caption(result: MatchResult) -> Text | None:
    doubtful = sum(match.audio is not None and is_doubtful(match.confidence) for match in result.matches)
    return Text(f"? {doubtful} to check", style=_DOUBT_STYLE) if doubtful else None


# The folder that `match` leaves behind, and the CSV of `sync`.
#
# Each file appears whole or not at all; files of other makers in the folder are left alone.

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
