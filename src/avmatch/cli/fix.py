"""`avmatch fix`: write copies in which picture and sound are together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def fix(
    paths: Annotated[list[str], typer.Argument(help="Video files, folders or globs.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The copy; a folder for several files.")],
    offset: Annotated[float | None, typer.Option(help="Known offset in seconds; positive = the sound is late.")] = None,
    max_offset: Annotated[float, typer.Option(help="Search offsets up to this many seconds.")] = 1.0,
    tolerance: Annotated[float, typer.Option(help="Leave files as they are within this many seconds.")] = 0.02,
    force: Annotated[bool, typer.Option("--force", help="Act on uncertain measurements, too.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a file instead of a sentence.")] = False,
    model: Annotated[str | None, typer.Option(help="A trained run, a model folder, or a shipped model's name.")] = None,
    face_detector: Annotated[Path | None, typer.Option(help="A YuNet ONNX file instead of Haar cascades.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Keep features here instead of the user's cache.")] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Keep no features.")] = False,
) -> None:
    """Write copies in which picture and sound are together; the picture is copied bit for bit."""
    from avmatch.cli.bars import progress_bars
    from avmatch.pipelines.analysis import default_cache_dir
    from avmatch.pipelines.fix import FixSettings, fix_all, fix_lines
    from avmatch.pipelines.sync import expand

    files = list(dict.fromkeys(file for path in paths for file in expand(path, [out])))
    cache_dir = None if no_cache else cache or default_cache_dir()
    settings = FixSettings(offset, tolerance, force, max_offset, model, cache_dir, face_detector)
    with progress_bars() as progress:
        results = fix_all(files, out, settings, progress=progress)
    print(*fix_lines(results, as_json=json), sep="\n")
    if all(result.action in ("failed", "refused") for result in results):
        raise typer.Exit(1)
