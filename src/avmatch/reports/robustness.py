"""The grid of degradations for people and for programs: a table in the terminal, a CSV, JSON, and curves.

Shares come with exact 95 % intervals, medians with bootstrap intervals, both over recordings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from avmatch.core.clock import milliseconds_from_seconds
from avmatch.core.files import strict_json
from avmatch.core.results import Cell, csv_text
from avmatch.metrics.intervals import Share
from avmatch.metrics.robustness import CellFigures, Figures
from avmatch.reports.plots import ACCENT, INK, MUTED, new_figure, save_figure, set_head
from avmatch.reports.report import ReportTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: The shares of a cell: column, heading, and what is right of it.
SHARES = {
    "pairs_right": "pairs right",
    "pairs_wrong_sure": "pairs wrong ≥ 0.9",
    "ok": "ok",
    "right_of_ok": "right of ok",
    "offsets_wrong_sure": "offsets wrong ≥ 0.9",
    "unrelated": "unrelated",
}
_BOUNDS = ("", "_low", "_high")
COLUMNS = (
    *("condition", "level", "n"),
    *(f"{name}{bound}" for name in SHARES for bound in _BOUNDS),
    *(f"offset_error{bound}_ms" for bound in _BOUNDS),
)
_HEADINGS = [
    *("condition", "n", "pairs\nright", "pairs\nwrong", "ok", "right\nof ok", "offsets\nwrong", "unre-\nlated"),
    "error\nin ms",
]
_CAPTION = "shares in %; wrong: with a confidence of 0.9 or more; error: the median distance of offsets from the truth"
_INTERVAL = "± half of the exact 95 % interval over recordings"
NOTHING = "–"
_WRONG = "#a12a1d"
#: The lines of a panel: share, colour, style.
_LINES = (
    ("pairs_right", ACCENT, "-"),
    ("ok", INK, "-"),
    ("right_of_ok", INK, ":"),
    ("unrelated", MUTED, "--"),
    ("pairs_wrong_sure", _WRONG, "-"),
    ("offsets_wrong_sure", _WRONG, "--"),
)
_PANELS_IN_A_ROW = 4
#: Lines lie so far beside each other, as a share of a panel, that intervals don't hide each other.
_SHIFT = 0.012
#: More than this must not be wrong and sure.
MOST_WRONG_PERCENT = 2.0
_DIGITS = 4


def figures_csv(cells: Iterable[CellFigures]) -> str:
    """A row a cell, with COLUMNS."""
    return csv_text(COLUMNS, (_row(cell) for cell in cells))


def _row(cell: CellFigures) -> tuple[Cell, ...]:
    shares = [bound for name in SHARES for bound in _share_bounds(_share(cell.figures, name))]
    error = cell.figures.offset_error_seconds
    bounds = (None,) * 3 if error is None else (error.median, error.low, error.high)
    errors = [None if bound is None else milliseconds_from_seconds(bound) for bound in bounds]
    return (cell.condition, cell.level, cell.figures.num_trials, *shares, *errors)


def _share(figures: Figures, name: str) -> Share | None:
    share = getattr(figures, name)
    assert share is None or isinstance(share, Share)
    return share


def _share_bounds(share: Share | None) -> tuple[float | None, float | None, float | None]:
    if share is None:
        return None, None, None
    low, high = (None if bound is None else round(bound, _DIGITS) for bound in (share.low, share.high))
    return round(share.share, _DIGITS), low, high


def figures_json(cells: Iterable[CellFigures], described: Mapping[str, object]) -> str:
    """All figures, and what they were measured on."""
    return strict_json({**described, "cells": [asdict(cell) for cell in cells]}, indent=1) + "\n"


def figures_table(cells: Iterable[CellFigures]) -> ReportTable:
    """One row a cell, shares in %."""
    lines = [_HEADINGS]
    for cell in cells:
        shares = [_share(cell.figures, name) for name in SHARES]
        error = cell.figures.offset_error_seconds
        lines.append(
            [
                f"{cell.condition} {cell.level}".replace("_", " ").rstrip(),
                str(cell.figures.num_trials),
                *(NOTHING if share is None else share.percent() for share in shares),
                NOTHING if error is None else f"{milliseconds_from_seconds(error.median):.0f}",
            ]
        )
    return ReportTable("What is still right, and what is wrong and sure", lines, 1, _CAPTION, _INTERVAL)


def plot_figures(cells: Sequence[CellFigures], path: str | Path) -> None:
    """Write a PNG: a panel a condition, from clean to worst, with intervals."""
    panels = _panels(cells)
    num_columns = min(len(panels), _PANELS_IN_A_ROW)
    num_rows = -(-len(panels) // num_columns)
    figure = new_figure((3.4 * num_columns + 0.4, 2.9 * num_rows + 0.8))
    places = list(figure.subplots(num_rows, num_columns, sharey=True, squeeze=False).flat)
    for axes, (condition, levels) in zip(places, panels.items(), strict=False):
        _draw_condition(axes, condition, levels)
    for axes in places[len(panels) :]:
        axes.set_axis_off()
    handles, labels = places[0].get_legend_handles_labels()
    columns = min(len(handles), 2 * num_columns)
    figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=8, labelcolor=MUTED
    )
    save_figure(figure, path)


def _panels(cells: Sequence[CellFigures]) -> dict[str, list[CellFigures]]:
    """The cells by condition, the clean one before steps; alone where there is no other."""
    clean, *others = cells
    panels: dict[str, list[CellFigures]] = {}
    for cell in others:
        panels.setdefault(cell.condition, [clean] if cell.is_step else []).append(cell)
    return panels or {clean.condition: [clean]}


def _draw_condition(axes: Axes, condition: str, levels: Sequence[CellFigures]) -> None:
    set_head(axes, condition.replace("_", " "))
    for number, (name, colour, style) in enumerate(_LINES):
        shift = _SHIFT * len(levels) * (number - (len(_LINES) - 1) / 2)
        there = [(place + shift, share) for place, cell in enumerate(levels) if (share := _share(cell.figures, name))]
        values = [100 * share.share for _, share in there]
        below = [100 * (share.share - (share.share if share.low is None else share.low)) for _, share in there]
        above = [100 * ((share.share if share.high is None else share.high) - share.share) for _, share in there]
        axes.errorbar(
            [place for place, _ in there],
            values,
            yerr=(below, above),
            color=colour,
            linestyle=style if levels[-1].is_step else "",
            linewidth=1.3,
            elinewidth=0.7,
            marker="o",
            markersize=3,
            label=SHARES[name],
        )
    axes.axhline(MOST_WRONG_PERCENT, color=_WRONG, linewidth=0.5, alpha=0.5, label=f"{MOST_WRONG_PERCENT:g} %")
    axes.set_xlim(-0.5, len(levels) - 0.5)
    axes.set_ylim(-3, 103)
    axes.set_xticks(range(len(levels)), [cell.level or "clean" for cell in levels], fontsize=7)
    axes.set_ylabel("%", color=MUTED)
