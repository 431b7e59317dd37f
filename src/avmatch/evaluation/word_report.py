"""The report on words as tables for the terminal, JSON, and Markdown."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from avmatch.evaluation.layout import markdown_table, terminal_table
from avmatch.evaluation.words import WordReport

_CAPTION = "± half of the 95 % bootstrap interval over people, or files of one; ties count against the system"

Lines = list[list[str]]


def json_text(report: WordReport) -> str:
    """One JSON object on one line; shares are 0…1."""
    return json.dumps({"kind": "words", **asdict(report)}, allow_nan=False)


def terminal_tables(report: WordReport) -> list[Table]:
    """The shares, and the commonest mistakes where there are any."""
    return [terminal_table(title, lines, num_labels, caption) for title, lines, num_labels, caption in _tables(report)]


def markdown_text(report: WordReport) -> str:
    """The same in Markdown."""
    parts = [f"# Words in {Path(report.data).name}: {Path(report.model).resolve().name}"]
    for title, lines, _, caption in _tables(report):
        parts += ["", f"## {title}", "", *markdown_table(lines), *(("", f"{caption}.") if caption else ())]
    return "\n".join(parts) + "\n"


def _tables(report: WordReport) -> list[tuple[str, Lines, int, str | None]]:
    """Title, lines with the headings first, how many columns are words, caption."""
    sizes = [str(report.num_said), str(report.top_1.num_trials), str(report.num_files)]
    shares = [report.top_1.percent(), report.top_5.percent(), f"{100 * report.macro_top_1:.1f}"]
    head = ["top-1", "top-5", "macro top-1", "words", "n", "files"]
    tables = [(f"Which of {report.num_words} words do the lips say? %", [head, [*shares, *sizes]], 0, _CAPTION)]
    if not report.mistakes:
        return [*tables]
    lines = [[one.said, one.heard, str(one.count), str(one.num_said)] for one in report.mistakes]
    return [*tables, ("Commonest mistakes", [["said", "taken for", "times", "of"], *lines], 2, None)]
