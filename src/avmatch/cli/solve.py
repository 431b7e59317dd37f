"""`avmatch solve`: a result again, with what was decided in its review."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from avmatch.cli.options import Cache, Decisions, NoCache, cache_folder, note, progress_bars, table_width


def solve(
    result: Annotated[Path, Argument(help="The folder that `match` wrote.")],
    decisions: Decisions = None,
    json: Annotated[bool, Option("--json", help="One JSON object a video instead of the table.")] = False,
    cache: Cache = None,
    no_cache: NoCache = False,
) -> None:
    """Solve a reviewed result again: what was decided holds, and accepted pairs say what to expect of the rest."""
    from rich.console import Console

    from avmatch.pipelines import delivery
    from avmatch.pipelines.solve import solve as run
    from avmatch.reports.output import match_table
    from avmatch.reports.wording import remark_lines

    with progress_bars() as progress:
        solved = run(result, decisions=decisions, cache_dir=cache_folder(cache, no_cache), progress=progress)
    if json:
        print(*delivery.match_lines(solved.result), sep="\n")
    else:
        width = table_width()
        Console(width=width).print(match_table(solved.result, width))
        print(f"{delivery.summary(solved.result)}; {len(solved.before)} answers changed; the report is {solved.report}")
    for line in remark_lines(solved.result.notes, solved.result.failures):
        note(line)
