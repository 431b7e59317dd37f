"""The matches as a table for the terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from avmatch.core.results import Match, MatchResult
from avmatch.reports.words import NOTHING, is_doubtful, lateness, shortened

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
    for match in result.matches:
        table.add_row(*_cells(match, match.video in usable))
    return table


def _cells(match: Match, usable: bool) -> tuple[Text, ...]:
    if not usable:
        # The reason stands in errors.csv; a confidence of nothing would only mislead.
        return (
            _path(match.video),
            Text("could not be used", style="red"),
            *(Text(NOTHING) for _ in range(4)),
        )
    doubtful = match.audio is not None and is_doubtful(match.confidence)
    style = _DOUBT_STYLE if doubtful else ""
    return (
        _path(match.video),
        _path(match.audio),
        Text(
            NOTHING if match.audio is None else f"{'? ' if doubtful else ''}{match.confidence:.2f}",
            style=style,
        ),
        Text(lateness(match.offset_seconds)),
        Text(match.cue or NOTHING),
        _path(match.runner_up),
    )


def _path(path: str | None) -> Text:
    return Text(NOTHING if path is None else shortened(path, _PATH_WIDTH))


def _caption(result: MatchResult) -> Text | None:
    doubtful = sum(match.audio is not None and is_doubtful(match.confidence) for match in result.matches)
    return Text(f"? {doubtful} to check", style=_DOUBT_STYLE) if doubtful else None
