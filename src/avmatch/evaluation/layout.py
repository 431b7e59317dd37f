"""Lines of text as a table for the terminal or in Markdown; the first line is the headings."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

#: Between two columns of the terminal's tables.
_GAP = 2

Lines = Sequence[Sequence[str]]


def terminal_table(title: str, lines: Lines, num_labels: int, caption: str | None = None) -> Table:
    """The first `num_labels` columns are words, to the left; the others are figures, to the right."""
    table = Table(
        title=title,
        title_justify="left",
        caption=caption,
        caption_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, _GAP - 1, 0, 0),  # the box adds a blank of its own
    )
    for place, heading in enumerate(lines[0]):
        table.add_column(heading, justify="left" if place < num_labels else "right", no_wrap=True)
    for line in lines[1:]:
        table.add_row(*line)
    return table


def table_width(lines: Lines) -> int:
    """Of the terminal's table."""
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    return sum(widths) + _GAP * (len(widths) - 1) + 1


def markdown_table(lines: Lines) -> list[str]:
    """The lines of the table."""
    return [_row(cells) for cells in (lines[0], ["---"] * len(lines[0]), *lines[1:])]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
