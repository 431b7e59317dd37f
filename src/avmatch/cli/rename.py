"""`avmatch rename`: recordings under the names of their clips."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Exit, Option

from avmatch.cli.options import NOTHING_USABLE, Only, note, progress_bars
from avmatch.core.errors import UsageError


def rename(
    result: Annotated[Path, Argument(help="The folder that `match` wrote.")],
    pattern: Annotated[
        str, Option(help="The name without its suffix; fields are {video_stem} and {audio_stem}.")
    ] = "{video_stem}",
    dry_run: Annotated[bool, Option("--dry-run", help="Only say what would be done (the default).")] = False,
    copy: Annotated[bool, Option("--copy", help="Copy the recordings.")] = False,
    link: Annotated[bool, Option("--link", help="Link them: hard links, or symbolic ones where none can be.")] = False,
    out: Annotated[
        Path | None, Option("-o", "--out", help="Folder for the new names. (default: renamed, inside the result)")
    ] = None,
    only: Only = "all",
) -> None:
    """Give recordings the names of their clips, as copies or links; originals stay as they are."""
    from rich.console import Console

    from avmatch.pipelines import rename as pipeline

    if dry_run + copy + link > 1:
        raise UsageError("give one of --dry-run, --copy and --link")
    how: pipeline.How = "copy" if copy else "link" if link else "dry-run"
    with progress_bars() as progress:
        namings = pipeline.rename(result, out, pattern, how, only=only, progress=progress)
    Console().print(pipeline.rename_table(namings, how))
    print(pipeline.summary(namings, how))
    for line in pipeline.failure_lines(namings):
        note(line)
    if any(naming.state == "failed" for naming in namings):
        raise Exit(NOTHING_USABLE)
