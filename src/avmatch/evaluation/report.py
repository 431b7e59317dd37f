"""A retrieval report as tables for the terminal, JSON, and Markdown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.table import Table

from avmatch.evaluation.layout import markdown_table, table_width, terminal_table
from avmatch.evaluation.retrieval import RetrievalReport, Row
from avmatch.metrics.paired import spread
from avmatch.metrics.retrieval import SUBSET_KS, DirectionScores

_DIRECTIONS = (("video → audio", "video_to_audio"), ("audio → video", "audio_to_video"))
_TIES = "ties count against the system"
_INTERVAL = "± half of the 95 % bootstrap interval"


def json_text(report: RetrievalReport) -> str:
    """One JSON object on one line."""
    rows = [
        {"model": row.model, "normalisation": row.normalisation, "snr_db": row.snr_db, **row.scores.to_json()}
        for row in report.rows
    ]
    told = {"data": report.data, "num_pairs": report.num_pairs, "protocol": asdict(report.protocol), "rows": rows}
    return json.dumps(told | {"spread": _spreads(report)})


def terminal_tables(report: RetrievalReport, width: int = 80) -> list[Table]:
    """A table for each direction; the intervals are left out where they would make it wider than `width`."""
    with_interval = all(table_width(_lines(report, direction, True)) <= width for _, direction in _DIRECTIONS)
    tables = []
    for title, direction in _DIRECTIONS:
        tables.append(
            terminal_table(
                f"{title}, {report.num_pairs} pairs, R@k in %",
                _lines(report, direction, with_interval),
                len(_labels(report)),
            )
        )
    tables[-1].caption = _caption(with_interval)
    return tables


def markdown_text(report: RetrievalReport) -> str:
    """Both directions as Markdown tables."""
    models = ", ".join(_names(report).values())
    parts = [f"# Retrieval on {Path(report.data).name}: {models}", "", f"R@k in %; {_caption(True)}."]
    for title, direction in _DIRECTIONS:
        lines = _lines(report, direction, True)
        parts += ["", f"## {title}, {report.num_pairs} pairs", "", *markdown_table(lines)]
    return "\n".join(parts) + "\n"


def _lines(report: RetrievalReport, direction: str, with_interval: bool) -> list[list[str]]:
    """The cells of a direction's table, the headings first; with several models their mean and deviation last."""
    names = _names(report)
    lines = [[*_labels(report), *_figures(report)]]
    for row in report.rows:
        scores: DirectionScores = getattr(row.scores, direction)
        model = [names[row.model]] if len(names) > 1 else []
        lines.append([*model, _condition(row.normalisation, row.snr_db), *_shown(scores, with_interval)])
    for (kind, snr_db), rows in _by_condition(report).items():
        found = [spread(np.array(column)) for column in _columns(rows, direction)]
        lines.append([f"mean of {len(rows)}", _condition(kind, snr_db), *(f"{item.mean:.1f}" for item in found)])
        lines.append([f"sd of {len(rows)}", _condition(kind, snr_db), *(f"{item.sd:.1f}" for item in found)])
    return lines


def _labels(report: RetrievalReport) -> list[str]:
    return ["model", "matrix"] if len(_names(report)) > 1 else ["matrix"]


def _figures(report: RetrievalReport) -> list[str]:
    scores = report.rows[0].scores
    of_subset = [f"{k}/{scores.subset_size}" for k in SUBSET_KS] if scores.subset_size else []
    return [*(f"R@{k}" for k in scores.video_to_audio.recall), "MedR", "mean", *of_subset]


def _shown(scores: DirectionScores, with_interval: bool) -> list[str]:
    """A row's figures as text, in the order of `_figures`."""
    recalls = [f"{100 * item.share:.1f}" for item in scores.recall.values()]
    if with_interval:
        halves = (50 * (item.high - item.low) for item in scores.recall.values())
        recalls = [f"{share}±{half:.1f}" for share, half in zip(recalls, halves, strict=True)]
    subset = [f"{100 * share:.1f}" for share in scores.subset_recall.values()]
    return [*recalls, f"{scores.median_rank:g}", f"{scores.mean_rank:.1f}", *subset]


def _values(scores: DirectionScores) -> list[float]:
    """The numbers of a row in the order of `_figures`, shares in %."""
    shares = [100 * item.share for item in scores.recall.values()]
    return [*shares, scores.median_rank, scores.mean_rank, *(100 * share for share in scores.subset_recall.values())]


def _by_condition(report: RetrievalReport) -> dict[tuple[str, float | None], list[Row]]:
    """The rows of all models (seeds) under each condition; empty for one model."""
    groups: dict[tuple[str, float | None], list[Row]] = {}
    for row in report.rows if len(_names(report)) > 1 else ():
        groups.setdefault((row.normalisation, row.snr_db), []).append(row)
    return groups


def _columns(rows: Sequence[Row], direction: str) -> list[tuple[float, ...]]:
    """Each figure over the rows."""
    return list(zip(*(_values(getattr(row.scores, direction)) for row in rows), strict=True))


def _spreads(report: RetrievalReport) -> list[dict[str, object]]:
    """Mean and deviation over the models of each condition."""
    found: list[dict[str, object]] = []
    for (kind, snr_db), rows in _by_condition(report).items():
        for _, direction in _DIRECTIONS:
            columns = zip(_figures(report), _columns(rows, direction), strict=True)
            told = {name: asdict(spread(np.array(column))) for name, column in columns}
            found.append({"normalisation": kind, "snr_db": snr_db, "direction": direction, "of": told})
    return found


def _names(report: RetrievalReport) -> dict[str, str]:
    """How each model is called: the last part of its path, unless two would be called the same."""
    models = list(dict.fromkeys(row.model for row in report.rows))
    short = [Path(model).resolve().name for model in models]
    return dict(zip(models, short if len(set(short)) == len(models) else models, strict=True))


def _condition(normalisation: str, snr_db: float | None) -> str:
    return normalisation if snr_db is None else f"{normalisation} {snr_db:g} dB"


def _caption(with_interval: bool) -> str:
    return f"{_INTERVAL}; {_TIES}" if with_interval else _TIES
