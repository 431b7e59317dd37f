"""`avmatch robustness`: matching and offsets when sound or picture get worse."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from avmatch.cli.options import CacheOrNone, Model, cache_folder, note, progress_bars


def robustness(
    data: Annotated[Path, Argument(help="Clips in sync: a folder, a list, or what `synth` wrote.")],
    out: Annotated[Path, Option("-o", "--out", help="Folder for tables and curves; an interrupted run resumes.")],
    conditions: Annotated[str, Option(help="Only these, separated by commas, such as white,foreign_sound.")] = "",
    model: Model = None,
    cache: CacheOrNone = None,
) -> None:
    """Measure match and sync on clips whose sound or picture is degraded, step by step."""
    from rich.console import Console

    from avmatch.pipelines.robustness import robustness as run
    from avmatch.reports.robustness import figures_table
    from avmatch.reports.wording import remark_lines

    names = [name.strip() for name in conditions.split(",")] if conditions else []
    with progress_bars() as progress:
        result = run(data, out, names, model=model, cache_dir=cache_folder(cache), progress=progress)
    console = Console()
    table = figures_table(result.cells)
    console.print(table.terminal(with_intervals=table.fits(console.width)))
    print(f"{result.num_clips} clips, {len(result.cells)} cells; curves are in {out / 'robustness.png'}")
    for line in remark_lines(result.notes, result.failures):
        note(line)
