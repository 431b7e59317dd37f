"""The matches as a table for the terminal."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

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
