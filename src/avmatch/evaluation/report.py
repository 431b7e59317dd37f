"""A retrieval report as tables for the terminal, JSON, and Markdown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.table import Table

from avmatch.core.files import write_text_atomically
from avmatch.evaluation.retrieval import RetrievalReport, Row
from avmatch.metrics.paired import spread
from avmatch.metrics.retrieval import SUBSET_KS, DirectionScores

_DIRECTIONS = (("video → audio", "video_to_audio"), ("audio → video", "audio_to_video"))
_NOTE = "R@k in % ± half of the 95 % bootstrap interval over items; ties count against the system."


def json_text(report: RetrievalReport) -> str:
    """One JSON object on one line."""
    rows = [
        {"model": row.model, "normalisation": row.normalisation, "snr_db": row.snr_db, **row.scores.to_json()}
        for row in report.rows
    ]
    told = {"data": report.data, "num_pairs": report.num_pairs, "protocol": asdict(report.protocol), "rows": rows}
    return json.dumps(told | {"spread": _spreads(report)})


def terminal_tables(report: RetrievalReport) -> list[Table]:
    """A table for each direction."""
    tables = []
    for title, direction in _DIRECTIONS:
        table = Table(title=f"{title}, {report.num_pairs} pairs", title_justify="left", caption=_NOTE)
        for place, heading in enumerate(_headings(report)):
            table.add_column(heading, justify="left" if place < 2 else "right", no_wrap=True)
        for cells in _cells(report, direction):
            table.add_row(*cells)
        tables.append(table)
    return tables


def markdown_text(report: RetrievalReport) -> str:
    """Both directions as Markdown tables."""
    lines = [f"# Retrieval on {Path(report.data).name}", "", _NOTE]
    for title, direction in _DIRECTIONS:
        headings = _headings(report)
        lines += ["", f"## {title}, {report.num_pairs} pairs", "", _line(headings), _line(["---"] * len(headings))]
        lines += [_line(cells) for cells in _cells(report, direction)]
    return "\n".join(lines) + "\n"


def write_markdown(report: RetrievalReport, path: Path) -> None:
    """The same into a file."""
    write_text_atomically(path, markdown_text(report))


def _headings(report: RetrievalReport) -> list[str]:
    subset = report.protocol.subset
    of_subset = [f"{k}/{subset}" for k in SUBSET_KS] if subset else []
    return ["model", "matrix", *(f"R@{k}" for k in report.protocol.ks), "MedR", "mean", *of_subset]


def _cells(report: RetrievalReport, direction: str) -> list[list[str]]:
    cells = [_row_cells(row, getattr(row.scores, direction), report.protocol.ks) for row in report.rows]
    if len({row.model for row in report.rows}) > 1:
        for (kind, snr_db), rows in _by_condition(report).items():
            scores: list[DirectionScores] = [getattr(row.scores, direction) for row in rows]
            columns = zip(*(_values(score, report.protocol.ks) for score in scores), strict=True)
            told = [_plus_minus(values) for values in columns]
            cells.append([f"mean ± sd of {len(rows)}", kind + _noise(snr_db), *told])
    return cells


def _row_cells(row: Row, scores: DirectionScores, ks: Sequence[int]) -> list[str]:
    recalls = [scores.recall[k] for k in ks]
    shares = [f"{100 * item.share:.1f} ±{50 * (item.high - item.low):.1f}" for item in recalls]
    subset = [f"{100 * share:.1f}" for share in scores.subset_recall.values()]
    return [
        Path(row.model).name,
        row.normalisation + _noise(row.snr_db),
        *shares,
        f"{scores.median_rank:g}",
        f"{scores.mean_rank:.1f}",
        *subset,
    ]


def _values(scores: DirectionScores, ks: Sequence[int]) -> list[float]:
    """The numbers of a row in the order of its columns, shares in %."""
    shares = [100 * scores.recall[k].share for k in ks]
    return [*shares, scores.median_rank, scores.mean_rank, *(100 * share for share in scores.subset_recall.values())]


def _by_condition(report: RetrievalReport) -> dict[tuple[str, float | None], list[Row]]:
    groups: dict[tuple[str, float | None], list[Row]] = {}
    for row in report.rows:
        groups.setdefault((row.normalisation, row.snr_db), []).append(row)
    return groups


def _spreads(report: RetrievalReport) -> list[dict[str, object]]:
    """Mean and deviation over the models (seeds) of each condition; empty for one model."""
    if len({row.model for row in report.rows}) < 2:
        return []
    names = _headings(report)[2:]
    found: list[dict[str, object]] = []
    for (kind, snr_db), rows in _by_condition(report).items():
        for direction in ("video_to_audio", "audio_to_video"):
            scores: list[DirectionScores] = [getattr(row.scores, direction) for row in rows]
            columns = zip(*(_values(score, report.protocol.ks) for score in scores), strict=True)
            told = {name: asdict(spread(np.array(values))) for name, values in zip(names, columns, strict=True)}
            found.append({"normalisation": kind, "snr_db": snr_db, "direction": direction, "of": told})
    return found


def _plus_minus(values: Sequence[float]) -> str:
    found = spread(np.array(values))
    return f"{found.mean:.1f} ± {found.sd:.1f}"


def _noise(snr_db: float | None) -> str:
    return "" if snr_db is None else f", {snr_db:g} dB"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
