"""`avmatch export`: a match result as a timeline."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

from typer import Argument, Option

from avmatch.cli.options import Only, note, progress_bars

if TYPE_CHECKING:
    from avmatch.pipelines.export import ExportResult


def export(
    result: Annotated[Path, Argument(help="The folder that `match` wrote.")],
    to: Annotated[str, Option(help="otio, fcpxml, xmeml, edl, ale, mlt, csv, parquet or jsonl.")],
    out: Annotated[
        Path | None, Option("-o", "--out", help="The file. (default: timeline with its suffix, inside the result)")
    ] = None,
    only: Only = "all",
    paths: Annotated[str, Option(help="How files are named: absolute, or relative to the new file.")] = "absolute",
) -> None:
    """Write a match result as a timeline that editors open, with source timecode and the doubtful marked."""
    from avmatch.pipelines.export import export as run

    with progress_bars() as progress:
        exported = run(result, to, out, only=only, paths=paths, progress=progress)
    print_export(exported)


def check_timeline(to: str | None, result: Path) -> None:
    """Raises UsageError if `match --export` can't write such a timeline into the folder of its result."""
    if to is not None:
        from avmatch.pipelines.export import check_export

        check_export(to, None, result)


def print_timeline(to: str | None, result: Path, file: TextIO | None) -> None:
    """Write the timeline of `match --export`, if one is asked for, and print what was written."""
    if to is not None:
        from avmatch.pipelines.export import export as write

        print_export(write(result, to), file)


def print_export(exported: "ExportResult", file: TextIO | None = None) -> None:
    """What was written, to stdout or `file`; and on stderr what a person should know of it."""
    from avmatch.reports.wording import remark_lines, shown

    sounds = f"{exported.num_sounds} of {exported.num_clips} clips with their sound"
    print(f"{', '.join(shown(str(path)) for path in exported.paths)}: {sounds}", file=file)
    for line in remark_lines(map(shown, exported.notes), exported.failures):
        note(line)
