"""`avmatch evaluate`: how good is a model on these data?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    model: Annotated[str, typer.Argument(help="A run, an exported folder, or the name of a model that ships.")],
    data: Annotated[Path, typer.Argument(help="Pairs with known partners: a folder or table.")],
    protocol: Annotated[str, typer.Option(help="What is measured: retrieval.")] = "retrieval",
    k: Annotated[
        list[int] | None, typer.Option("--k", help="R@k for these k: --k 1 5 10 (default: 1 5 10 50).")
    ] = None,
    subset: Annotated[
        int | None, typer.Option(help="Also in random galleries of this size; 0 = not (default: 50).")
    ] = None,
    draws: Annotated[int, typer.Option(help="How many random galleries.")] = 500,
    noise: Annotated[
        list[float] | None, typer.Option("--noise", help="Also in noise at these SNR in dB: --noise 20 0.")
    ] = None,
    also: Annotated[list[str] | None, typer.Option("--also", help="Another seed's model, for the spread.")] = None,
    held_out: Annotated[bool, typer.Option("--held-out", help="Only the pairs that the run held back.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of the table.")] = False,
    markdown: Annotated[Path | None, typer.Option(help="Also write the table to this file.")] = None,
) -> None:
    """Measure a model; ties count against it."""
    from rich.console import Console

    from avmatch.core.errors import UsageError
    from avmatch.evaluation.report import json_text, terminal_tables, write_markdown
    from avmatch.evaluation.retrieval import Protocol, evaluate_retrieval

    if protocol != "retrieval":
        raise UsageError(f"no protocol {protocol!r}; there is retrieval")
    asked = Protocol(tuple(k) if k else None, subset, draws, tuple(noise or ()), held_out)
    report = evaluate_retrieval((model, *(also or ())), data, asked)
    if markdown is not None:
        write_markdown(report, markdown)
    if json:
        print(json_text(report))
    else:
        console = Console()
        console.print(*terminal_tables(report, console.width), sep="\n\n")
    print(*report.notes, sep="\n", end="\n" if report.notes else "", file=sys.stderr)
