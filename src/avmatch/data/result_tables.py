"""The tables of a large result, read no further than needed: five thousand rows at once, fifty thousand when asked for.

Unlike `read_result`, nothing is looked for on the disk: paths are as the tables have them, and `located` finds a file
when it is wanted.
"""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from avmatch.core.errors import UsageError
from avmatch.core.matches import Candidate
from avmatch.data.manifest import Row, read_table
from avmatch.data.result_folder import (
    CANDIDATES,
    DESCRIPTION,
    MATCHES,
    UNMATCHED,
    StoredMatch,
    candidate_of,
    match_of,
    named,
    read_further,
)

ERRORS = "errors.csv"


@dataclass(frozen=True)
class ResultTables:
    """What a folder that `match` wrote says.

    Attributes:
        matches: one per video, in the order of the table.
        recordings: every usable recording.
        usable: the videos that could be used; None where the folder doesn't say.
        settings: the options of the run, by name.
        errors: why files could not be used, by path.
    """

    folder: Path
    matches: tuple[StoredMatch, ...]
    recordings: tuple[str, ...]
    usable: frozenset[str] | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_many(self) -> bool:
        """Whether a recording may cover several videos."""
        return bool(self.settings.get("many"))

    def candidates(self, video: str) -> tuple[Candidate, ...]:
        """The best few recordings of a video, best first; none where the folder has no such table."""
        columns, by_video = self._candidates
        cells = (dict(zip(columns, row, strict=False)) for row in by_video.get(video, ()))
        return tuple(candidate_of(Row(self.folder / CANDIDATES, 0, row), named) for row in cells)

    @cached_property
    def _candidates(self) -> tuple[list[str], dict[str, list[list[str]]]]:
        """The columns, and the rows as text by video."""
        place, by_video = self.folder / CANDIDATES, dict[str, list[list[str]]]()
        if not place.is_file():
            return [], by_video
        try:
            with place.open(encoding="utf-8-sig", newline="") as file:
                rows = csv.reader(file)
                columns = next(rows, [])
                if missing := {"video", "rank", "audio", "score", "confidence"} - set(columns):
                    raise UsageError(f"{place}: lacks a column named `{min(missing)}`")
                video = columns.index("video")
                for row in rows:
                    if len(row) > video:
                        by_video.setdefault(named(row[video]), []).append(row)
        except (UnicodeDecodeError, csv.Error) as error:
            raise UsageError(f"{place}: not a CSV in UTF-8 ({error}); match again") from error
        return columns, by_video


def read_tables(folder: Path) -> ResultTables:
    """Read what `match` wrote into `folder`, but the candidates.

    Raises:
        UsageError: there is no matches.csv, or a cell breaks its rule; the message names the row.
    """
    if not (folder / MATCHES).is_file():
        raise UsageError(f"{folder}: no {MATCHES} there; give the folder that `avmatch match … -o` wrote")
    further = read_further(folder, named)
    rows = read_table(folder / MATCHES, ("video", "audio", "confidence"))[1]
    found = (match_of(row, named) for row in rows)
    matches = tuple(replace(item, further=further[item.video]) if item.video in further else item for item in found)
    described = _description(folder / DESCRIPTION)
    listed = _list(described, "audio")
    taken = [item.audio for item in matches if item.audio is not None]
    taken += [more.audio for item in matches for more in item.further]
    left = [named(row["audio"]) for row in _rows(folder / UNMATCHED, "audio")]
    settings = described.get("settings")
    videos = _list(described, "videos")
    return ResultTables(
        folder,
        matches,
        tuple(dict.fromkeys((*map(named, listed), *taken, *left))),
        frozenset(map(named, videos)) if videos else None,
        settings if isinstance(settings, dict) else {},
        {named(row["path"]): row.get("message") for row in _rows(folder / ERRORS, "path")},
    )


def _description(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # the tables say what matters
        return {}
    return found if isinstance(found, dict) else {}


def _list(described: Mapping[str, object], name: str) -> list[str]:
    found = described.get(name)
    return [item for item in found if isinstance(item, str)] if isinstance(found, list) else []


def _rows(path: Path, column: str) -> list[Row]:
    return read_table(path, (column,))[1] if path.is_file() else []
