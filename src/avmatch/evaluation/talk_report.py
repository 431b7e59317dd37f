"""The reports on offsets and on talking clips as tables for the terminal, JSON, and Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from avmatch.evaluation.event_sync import MAX_OFFSET_SECONDS, EventSyncReport
from avmatch.evaluation.layout import markdown_table, table_width, terminal_table
from avmatch.evaluation.sync import SyncReport
from avmatch.evaluation.talk_match import WINDOW_SECONDS, MatchReport
from avmatch.evaluation.talking import Share, piece_name

_TIES = "ties count against the system"
_INTERVAL = "± half of the 95 % bootstrap interval over groups"
_NONE = "–"

Report = SyncReport | MatchReport | EventSyncReport
Lines = list[list[str]]


def json_text(report: Report) -> str:
    """One JSON object on one line; shares are 0…1, k is a string."""
    kind = "match" if isinstance(report, MatchReport) else "sync"
    return json.dumps({"kind": kind, **asdict(report)}, allow_nan=False)


def terminal_tables(report: Report, width: int = 80) -> list[Table]:
    """The tables; the intervals are left out of one where they would make it wider than `width`."""
    tables = []
    for (title, plain), (_, full) in zip(_tables(report, False), _tables(report, True), strict=True):
        fits = table_width(full) <= width
        tables.append(terminal_table(title, full if fits else plain, 1, f"{_INTERVAL}; {_TIES}" if fits else _TIES))
    return tables


def markdown_text(report: Report) -> str:
    """The same in Markdown, with intervals."""
    what = "Faces and voices" if isinstance(report, MatchReport) else "Offsets"
    name = Path(report.model).resolve().name
    parts = [f"# {what} on {Path(report.data).name}: {name}", "", f"Shares in %; {_INTERVAL}; {_TIES}."]
    for title, lines in _tables(report, True):
        parts += ["", f"## {title}", "", *markdown_table(lines)]
    return "\n".join(parts) + "\n"


def _tables(report: Report, with_interval: bool) -> list[tuple[str, Lines]]:
    """Titles, and lines with the headings first."""
    if isinstance(report, EventSyncReport):
        return _of_events(report, with_interval)
    return _of_sync(report, with_interval) if isinstance(report, SyncReport) else _of_match(report, with_interval)


def _of_sync(report: SyncReport, with_interval: bool) -> list[tuple[str, Lines]]:
    ks = _ks([row.accuracy for row in report.rows])
    short = [["piece", *(f"K={k}" for k in ks), "n", "groups"]]
    whole = [["piece", "±1 frame", "±80 ms", "LSE-D", "LSE-C", "n", "groups"]]
    for row in report.rows:
        label, size = _condition(row.piece_seconds, row.snr_db), [str(row.num_pieces), str(row.num_groups)]
        lse = [_NONE if value is None else f"{value:.2f}" for value in (row.distance, row.confidence)]
        short.append([label, *_shown([row.accuracy.get(k) for k in ks], with_interval), *size])
        guesses = [_NONE if k not in row.chance else f"{100 * row.chance[k]:.1f}" for k in ks]
        short.append(["  a guess", *guesses, "", ""])
        whole.append([label, *_shown([row.in_frame, row.in_80_ms], with_interval), *lse, *size])
    return [
        (f"Offsets within 1 frame from K frames at {report.rate_hz:g} a second, %", short),
        ("Offsets of whole pieces, %, and LSE in this model's units", whole),
    ]


def _of_events(report: EventSyncReport, with_interval: bool) -> list[tuple[str, Lines]]:
    searched = report.protocol.max_offset_seconds or MAX_OFFSET_SECONDS
    offsets = [["piece", "±40 ms", "±80 ms", "±200 ms", "ok", "right of ok", "n", "groups"]]
    classes = [["piece", "class", "±1 class", "n", "groups"]]
    for row in report.rows:
        label, size = _condition(row.piece_seconds, row.snr_db), [str(row.num_pieces), str(row.num_groups)]
        within = [row.in_frame, row.in_80_ms, row.in_200_ms, row.ok, row.right_of_ok]
        offsets.append([label, *_shown(within, with_interval), *size])
        classes.append([label, *_shown([row.in_class, row.near_class], with_interval), *size])
    return [
        (f"Offsets among ±{searched:g} s, and those of which sync would be sure (right: ±80 ms), %", offsets),
        ("One of 21 classes of 0.2 s among ±2 s, %", classes),
    ]


def _of_match(report: MatchReport, with_interval: bool) -> list[tuple[str, Lines]]:
    ks = _ks([row.voice_by_face for row in report.rows])
    faces = [["piece", "top-1", "top-5", "assigned", "n", "groups"]]
    windows = [["piece", *(f"{sign} R@{k}" for sign in "→←" for k in ks), "windows"]]
    for row in report.rows:
        label = _condition(row.piece_seconds, row.snr_db)
        shares = _shown([row.top_1, row.top_5, row.assigned], with_interval)
        recalls = [side.get(k) for side in (row.voice_by_face, row.face_by_voice) for k in ks]
        faces.append([label, *shares, str(row.num_pieces), str(row.num_groups)])
        windows.append([label, *_shown(recalls, with_interval), str(row.num_windows)])
    return [
        ("Faces that get their own voice, %", faces),
        (f"Windows of {WINDOW_SECONDS:g} s: face → voice, voice → face (←), %", windows),
    ]


def _ks(shares: Sequence[Mapping[int, Share]]) -> list[int]:
    """Those that any row has."""
    return sorted({k for of_row in shares for k in of_row})


def _shown(shares: Sequence[Share | None], with_interval: bool) -> list[str]:
    return [_NONE if share is None else share.percent(with_interval=with_interval) for share in shares]


def _condition(piece_seconds: float, snr_db: float | None) -> str:
    return piece_name(piece_seconds) if snr_db is None else f"{piece_name(piece_seconds)} {snr_db:g} dB"
