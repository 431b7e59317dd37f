"""The report on a linear probe as tables for the terminal, JSON, and Markdown."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from avmatch.evaluation.layout import markdown_table, terminal_table
from avmatch.evaluation.probe import ProbeReport

_CAPTION = "± half of the 95 % bootstrap interval over recordings; ties count against the system"

_Table = tuple[str, list[list[str]], int, str | None]


def json_text(report: ProbeReport) -> str:
    """One JSON object on one line; shares are 0…1."""
    return json.dumps({"kind": "probe", **asdict(report)}, allow_nan=False)


def terminal_tables(report: ProbeReport) -> list[Table]:
    """The lists, and the commonest mistakes where there are any."""
    return [terminal_table(title, lines, num_labels, caption) for title, lines, num_labels, caption in _tables(report)]


def markdown_text(report: ProbeReport) -> str:
    """The same in Markdown."""
    parts = [f"# Classes of {Path(report.data).name}: {Path(report.model).resolve().name}, {report.layer}"]
    for title, lines, _, caption in _tables(report):
        parts += ["", f"## {title}", "", *markdown_table(lines), *(("", f"{caption}.") if caption else ())]
    return "\n".join(parts) + "\n"


def _tables(report: ProbeReport) -> list[_Table]:
    """Title, lines with the headings first, how many columns are words, caption."""
    lines = [["list", "accuracy", "trained", "tested", "C"]]
    for number, one in enumerate(report.lists, start=1):
        lines.append(
            [f"{number}", f"{100 * one.accuracy:.1f}", f"{one.num_trained}", f"{one.num_tested}", f"{one.cost:g}"]
        )
    lines.append(["mean", report.accuracy.percent(), "", f"{report.accuracy.num_trials}", ""])
    tables: list[_Table] = [(f"Linear probe of {report.layer}: {report.num_classes} classes, %", lines, 1, _CAPTION)]
    if report.mistakes:
        mistakes = [[one.label, one.taken_for, str(one.count), str(one.num_clips)] for one in report.mistakes]
        tables.append(("Commonest mistakes", [["class", "taken for", "times", "of"], *mistakes], 2, None))
    return tables
