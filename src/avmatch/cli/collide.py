"""`avmatch collide`: which object made this sound, and which impact?"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from avmatch.cli.options import progress_bars
from avmatch.core.errors import UsageError


def collide(
    dataset: Annotated[Path, typer.Argument(help="Folder in the Tilt-Bot's layout: dataset/task1/test/…")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for answers.json, the matrices and report.html.")],
    task: Annotated[int, typer.Option(help="1: class of each sound; 2: video of each sound; 3: as 2, or none.")],
    model: Annotated[str, typer.Option(help="A run of avmatch train collision, or its model folder.")],
    keys: Annotated[str, typer.Option(help="pkl or bare: how answers.json names a sound.")] = "pkl",
    two_stage: Annotated[bool, typer.Option("--two-stage", help="Decide classes, then match within them.")] = False,
) -> None:
    """Solve the tasks of the Tilt-Bot's collisions, and write answers, distances and a report."""
    from avmatch.pipelines.collide import collide as answer
    from avmatch.pipelines.collide import write_collide
    from avmatch.reports.wording import remark_lines

    if keys not in ("pkl", "bare"):
        raise UsageError(f"--keys must be pkl or bare, got {keys!r}")
    with progress_bars() as progress:
        result = answer(dataset, task, model, two_stage=two_stage, progress=progress)
    report = write_collide(result, out, bare=keys == "bare")
    for line in remark_lines(result.notes, result.failures):
        print(line, file=sys.stderr)
    print(f"{sum(len(group.sounds) for group in result.groups.values())} sounds answered; see {report}")
    if not any(group.sounds for group in result.groups.values()):
        raise typer.Exit(1)
