"""`avmatch fix`: write copies in which picture and sound are together."""

from pathlib import Path
from typing import Annotated

import typer

from avmatch.cli.options import Cache, FaceDetector, MaxOffset, Model, NoCache, cache_folder, progress_bars


def fix(
    paths: Annotated[list[str], typer.Argument(help="Video files, folders or globs.")],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="The copy; a folder for several files. Nothing is overwritten.")
    ],
    offset: Annotated[float | None, typer.Option(help="Known offset in seconds; positive = the sound is late.")] = None,
    max_offset: MaxOffset = 1.0,
    tolerance: Annotated[
        float, typer.Option(help="Leave files alone whose offset is within this many seconds.")
    ] = 0.02,
    force: Annotated[bool, typer.Option("--force", help="Also act on uncertain measurements.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a file instead of a sentence.")] = False,
    model: Model = None,
    face_detector: FaceDetector = None,
    cache: Cache = None,
    no_cache: NoCache = False,
) -> None:
    """Write copies in which picture and sound are together; the picture is copied bit for bit."""
    from avmatch.pipelines.fix import FixSettings, fix_all
    from avmatch.pipelines.sync import expand
    from avmatch.reports.wording import fix_sentence, result_lines

    settings = FixSettings(offset, tolerance, force, max_offset, model, cache_folder(cache, no_cache), face_detector)
    with progress_bars() as progress:
        results = fix_all(expand(paths, [out]), out, settings, progress=progress)
    print(*result_lines(results, fix_sentence, as_json=json), sep="\n")
    if all(result.action in ("failed", "refused") for result in results):
        raise typer.Exit(1)
