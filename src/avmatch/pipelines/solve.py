"""Solve a result again with what was decided in its review: `match` on the same files, with constraints.

    the result's files and settings + its decisions → match → tables and report in the same folder → what changed

Features are kept since the first `match`, so nothing is decoded again where its cache is at hand.
"""

from dataclasses import dataclass, fields
from pathlib import Path

from avmatch.core.errors import UsageError
from avmatch.core.matches import MatchResult
from avmatch.core.results import Progress
from avmatch.data.changes import Answer, changed, write_changes
from avmatch.data.decision_store import DECISIONS
from avmatch.data.result_folder import located
from avmatch.data.result_tables import ResultTables, read_tables
from avmatch.matching.settings import MatchSettings
from avmatch.pipelines.answers import match
from avmatch.reports.output import write_match


@dataclass(frozen=True)
class Solved:
    """What came of it.

    Attributes:
        result: what holds now.
        before: what was said before, by video, where something else is said now.
        report: the page that was written.
    """

    result: MatchResult
    before: dict[str, Answer]
    report: Path


def solve(
    folder: Path,
    *,
    decisions: Path | None = None,
    cache_dir: Path | None = None,
    num_workers: int = 0,
    progress: Progress | None = None,
) -> Solved:
    """Solve the result in `folder` again.

    Args:
        decisions: the file of decisions; None = the result's own.
        cache_dir: where features are kept.
        progress: called with (stage, done, total).

    Raises:
        UsageError: there is no such result, it has no decisions, or its files are gone.
    """
    tables = read_tables(folder)
    chosen = folder / DECISIONS if decisions is None else decisions
    if not chosen.is_file():
        raise UsageError(f"{chosen}: nothing was decided there yet; `avmatch review {folder}` does that")
    videos = [located(item.video) for item in tables.matches]
    audios = [located(path) for path in tables.recordings]
    if not audios:
        raise UsageError(f"{folder}: lists no recording; match again")
    result = match(
        videos,
        audios,
        settings_of(tables),
        model=_text(tables, "model"),
        face_detector=None if (file := _text(tables, "face_detector")) is None else Path(file),
        cache_dir=cache_dir,
        decisions=chosen,
        num_workers=num_workers,
        progress=progress,
    )
    report = write_match(result, folder)
    before = changed(tables.matches, read_tables(folder).matches)
    write_changes(folder, before)
    return Solved(result, before, report)


def settings_of(tables: ResultTables) -> MatchSettings:
    """What the run was asked for. Raises UsageError where the folder says something that can't be."""
    known = {field.name for field in fields(MatchSettings)}
    given = {name: value for name, value in tables.settings.items() if name in known}
    try:
        return MatchSettings(**given)  # type: ignore[arg-type]  # read from a file; the class checks them
    except TypeError as error:
        raise UsageError(f"{tables.folder}: its similarity.json has settings that can't be ({error})") from error


def _text(tables: ResultTables, name: str) -> str | None:
    value = tables.settings.get(name)
    return value if isinstance(value, str) else None
