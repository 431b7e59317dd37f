"""What a folder that `match` wrote says: its tables, read back as frozen records.

Folders of older versions lack columns; what they don't say is None. Paths stand in the tables as they were named when
`match` ran, so relative ones hold in the folder it ran in. Accents may be in one piece or two (NFC, NFD), and bytes
that are not UTF-8 stand there with backslashes; both lead to the file as the disk has it.
"""

import json
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

from avmatch.core.clock import seconds_from_milliseconds
from avmatch.core.errors import UsageError
from avmatch.core.matches import FURTHER_COLUMNS, Candidate, FurtherAudio, Role
from avmatch.data.manifest import Row, read_table
from avmatch.data.paths import listed_path

MATCHES, CANDIDATES, UNMATCHED, DESCRIPTION = "matches.csv", "candidates.csv", "unmatched_audio.csv", "similarity.json"
FURTHER = "also_fits.csv"
#: From this confidence on, in the pair and in its offset, a match is sure.
SURE_CONFIDENCE = 0.9
Only = Literal["sure", "all", "accepted"]
_ESCAPED_BYTE = re.compile(r"\\udc([89a-f][0-9a-f])")


@dataclass(frozen=True)
class StoredMatch:
    """A row of matches.csv.

    Attributes:
        video: the path as the disk has it.
        audio: the recording that matches, or None.
        confidence: probability in 0…1 that `audio` is right.
        offset_seconds: how late the sound is; None without a match, or where nothing knows the time.
        cue: the name of the cue that decided, "" without a match.
        offset_confidence: probability in 0…1 that the offset is right; None where the folder doesn't say.
        offset_interval_seconds: the offset lies in it with a probability of 95 %; None where the folder doesn't say.
        why: the reasons of the decision; "" where the folder doesn't say.
        runner_up: the next best audio, or None.
        is_accepted: a person accepted the pair in a review.
        further: other recordings of the same moment.
    """

    video: str
    audio: str | None
    confidence: float
    offset_seconds: float | None
    cue: str
    offset_confidence: float | None = None
    offset_interval_seconds: tuple[float, float] | None = None
    why: str = ""
    runner_up: str | None = None
    is_accepted: bool = False
    further: tuple[FurtherAudio, ...] = ()

    @property
    def is_sure(self) -> bool:
        """Whether there is a match, and pair and offset are sure."""
        offset = 1.0 if self.offset_confidence is None else self.offset_confidence
        return self.audio is not None and min(self.confidence, offset) >= SURE_CONFIDENCE


@dataclass(frozen=True)
class StoredResult:
    """A folder that `match` wrote.

    Attributes:
        folder: where it lies.
        matches: one per video, in the order of the table.
        candidates: the best few recordings of each video, best first; none where the folder has no such table.
        unmatched_audio: the usable recordings that no video got.
        settings: the options of the run, by name; empty where unknown.
    """

    folder: Path
    matches: tuple[StoredMatch, ...]
    candidates: tuple[Candidate, ...] = ()
    unmatched_audio: tuple[str, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_many(self) -> bool:
        """Whether a recording may cover several videos."""
        return bool(self.settings.get("many"))

    def pairs(self, only: Only) -> tuple[StoredMatch, ...]:
        """The matches that have a recording: those that are sure, those that a person accepted, or all."""
        paired = (item for item in self.matches if item.audio is not None)
        return tuple(
            item
            for item in paired
            if only == "all" or (only == "sure" and item.is_sure) or (only == "accepted" and item.is_accepted)
        )


def read_result(folder: str | Path) -> StoredResult:
    """Read what `match` wrote into `folder`.

    Raises:
        UsageError: there is no matches.csv, or a cell breaks its rule; the message names the row.
    """
    place = Path(folder)
    if not (place / MATCHES).is_file():
        raise UsageError(f"{place}: no {MATCHES} there; give the folder that `avmatch match … -o` wrote")
    _, rows = read_table(place / MATCHES, ("video", "audio", "confidence"))
    matches = [match_of(row, located) for row in rows]
    further = read_further(place, located)
    return StoredResult(
        place,
        tuple(replace(found, further=further.get(found.video, ())) for found in matches),
        tuple(
            candidate_of(row, located)
            for row in _optional(place / CANDIDATES, "video", "rank", "audio", "score", "confidence")
        ),
        tuple(located(row["audio"]) for row in _optional(place / UNMATCHED, "audio")),
        _settings(place / DESCRIPTION),
    )


def check_only(text: str) -> Only:
    """`text`, if it names a choice of pairs. Raises UsageError otherwise."""
    for known in get_args(Only):
        if text == known:
            return known
    raise UsageError(f"--only {text}: there are {', '.join(get_args(Only))}")


def match_of(row: Row, path: Callable[[str], str]) -> StoredMatch:
    """A row of matches.csv; `path` makes a path of a cell (`located`, `named`). Raises UsageError, naming the row."""
    if not row["video"]:
        raise row.error("`video` is empty; every row needs a file there")
    low, high = (_seconds(row, column) for column in ("offset_low_ms", "offset_high_ms"))
    return StoredMatch(
        video=path(row["video"]),
        audio=path(row["audio"]) if row["audio"] else None,
        confidence=_share(row, "confidence") or 0.0,
        offset_seconds=_seconds(row, "offset_ms"),
        cue=row.get("cue"),
        offset_confidence=_share(row, "offset_confidence"),
        offset_interval_seconds=None if low is None or high is None else (low, high),
        why=row.get("why"),
        runner_up=path(row.get("runner_up")) if row.get("runner_up") else None,
    )


def read_further(folder: Path, path: Callable[[str], str]) -> dict[str, tuple[FurtherAudio, ...]]:
    """The further recordings of each video that has some; `path` makes a path of a cell. Raises UsageError."""
    found: dict[str, tuple[FurtherAudio, ...]] = {}
    for row in _optional(folder / FURTHER, *FURTHER_COLUMNS):
        role: Role = "continues" if row["role"] == "continues" else "also_fits"
        item = FurtherAudio(path(row["audio"]), role, _seconds(row, "offset_ms") or 0.0)
        video = path(row["video"])
        found[video] = (*found.get(video, ()), item)
    return found


def candidate_of(row: Row, path: Callable[[str], str]) -> Candidate:
    """A row of candidates.csv, likewise."""
    rank, score = (row.number_in(column, math.isfinite, "a number") for column in ("rank", "score"))
    confidence = _share(row, "confidence") or 0.0
    offset, belongs = _seconds(row, "offset_ms"), _share(row, "belongs")
    video, audio = path(row["video"]), path(row["audio"])
    return Candidate(video, int(rank or 0), audio, score or 0.0, confidence, offset, belongs, row.get("why"))


def _share(row: Row, column: str) -> float | None:
    return row.number_in(column, lambda value: 0.0 <= value <= 1.0, "in 0…1")


def _seconds(row: Row, column: str) -> float | None:
    milliseconds = row.number_in(column, math.isfinite, "a number of milliseconds")
    return None if milliseconds is None else seconds_from_milliseconds(milliseconds)


def named(text: str) -> str:
    """The path in a cell, with the bytes that are no UTF-8."""
    return _ESCAPED_BYTE.sub(lambda found: chr(0xDC00 + int(found[1], 16)), text)


def located(text: str) -> str:
    """The file that a cell names, as the disk has it; as it is written, if there is none."""
    return os.fspath(listed_path(Path(), named(text)))


def _optional(path: Path, *needed: str) -> list[Row]:
    return read_table(path, needed)[1] if path.is_file() else []


def _settings(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # the tables say what matters
        return {}
    settings = found.get("settings") if isinstance(found, dict) else None
    return settings if isinstance(settings, dict) else {}
