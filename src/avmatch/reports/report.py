"""What an evaluation found, in three forms: tables for the terminal, Markdown, and one JSON object.

A cell of figures may end in `±` and half of an interval. The terminal leaves intervals out where they make a table
too wide.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.table import Table

from avmatch.metrics.classes import Mistake

#: Between two columns of the terminal's tables.
_GAP = 2
#: How all figures are counted.
TIES = "ties count against the system"

Lines = Sequence[Sequence[str]]


@dataclass(frozen=True)
class ReportTable:
    """One table.

    Attributes:
        lines: cells as text, the headings first.
        num_labels: how many columns, from the left, are words; the others are figures.
        caption: stands below.
        interval: what the intervals are; stands before the caption where they are shown.
        unit: follows the title in the terminal only.
    """

    title: str
    lines: Lines
    num_labels: int = 1
    caption: str = ""
    interval: str = ""
    unit: str = ""

    @property
    def full_caption(self) -> str:
        """With what the intervals are."""
        return "; ".join(filter(None, (self.interval, self.caption)))

    def fits(self, width: int) -> bool:
        """Whether the terminal's table with its intervals is at most so wide."""
        widths = [max(len(cell) for cell in column) for column in zip(*self.lines, strict=True)]
        return sum(widths) + _GAP * (len(widths) - 1) + 1 <= width

    def terminal(self, *, with_intervals: bool) -> Table:
        """The table for the terminal."""
        head, *rows = self.lines
        if not with_intervals:
            rows = [
                [*row[: self.num_labels], *(cell.partition("±")[0] for cell in row[self.num_labels :])] for row in rows
            ]
        table = Table(
            title=f"{self.title}{self.unit}",
            title_justify="left",
            caption=(self.full_caption if with_intervals else self.caption) or None,
            caption_justify="left",
            box=SIMPLE_HEAD,
            show_edge=False,
            padding=(0, _GAP - 1, 0, 0),  # the box adds a blank of its own
        )
        for place, heading in enumerate(head):
            table.add_column(heading, justify="left" if place < self.num_labels else "right", no_wrap=True)
        for row in rows:
            table.add_row(*row)
        return table


@dataclass(frozen=True)
class Report:
    """An evaluation in all its forms.

    Attributes:
        title: of the Markdown.
        values: what the JSON object holds.
        notes: what was left out, for a person.
        intro: in Markdown, what all tables share; instead of their captions.
        alike: in the terminal all tables show their intervals, or none does.
    """

    title: str
    tables: tuple[ReportTable, ...]
    values: Mapping[str, object]
    notes: tuple[str, ...] = ()
    intro: str = ""
    alike: bool = False

    def terminal(self, width: int = 80) -> list[Table]:
        """The tables for a terminal that is so wide."""
        fits = [table.fits(width) for table in self.tables]
        if self.alike:
            fits = [all(fits)] * len(fits)
        return [table.terminal(with_intervals=fit) for table, fit in zip(self.tables, fits, strict=True)]

    def markdown(self) -> str:
        """All tables, with their intervals."""
        parts = [f"# {self.title}", *(("", f"{self.intro}.") if self.intro else ())]
        for table in self.tables:
            parts += ["", f"## {table.title}", "", *markdown_table(table.lines)]
            if table.full_caption and not self.intro:
                parts += ["", f"{table.full_caption}."]
        return "\n".join(parts) + "\n"

    def json(self) -> str:
        """One JSON object on one line; shares are 0…1, k is a string."""
        return json.dumps(self.values, allow_nan=False)


def mistake_tables(mistakes: Sequence[Mistake], heading: str) -> tuple[ReportTable, ...]:
    """A table of the commonest mistakes; none without a mistake."""
    lines = [[one.label, one.guess, str(one.count), str(one.support)] for one in mistakes]
    return (ReportTable("Commonest mistakes", [[heading, "taken for", "times", "of"], *lines], 2),) if lines else ()


def markdown_table(lines: Lines) -> list[str]:
    """The lines of the table."""
    return [f"| {' | '.join(cells)} |" for cells in (lines[0], ["---"] * len(lines[0]), *lines[1:])]
