"""`avmatch sync`: the offset between picture and sound."""

from pathlib import Path
from typing import Annotated

import typer

from avmatch.cli.options import Cache, FaceDetector, MaxOffset, Model, NoCache, cache_folder, progress_bars


def sync(
    paths: Annotated[list[str], typer.Argument(help="Video files, folders or globs.")],
    audio: Annotated[Path | None, typer.Option(help="Measure this file's sound against the picture instead.")] = None,
    max_offset: MaxOffset = 1.0,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a file instead of a sentence.")] = False,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Also write a CSV.")] = None,
    plot: Annotated[Path | None, typer.Option(help="PNG of the evidence; a folder for several files.")] = None,
    model: Model = None,
    face_detector: FaceDetector = None,
    cache: Cache = None,
    no_cache: NoCache = False,
) -> None:
    """Measure the offset between picture and sound; positive = the sound comes late."""
    from avmatch.pipelines import delivery
    from avmatch.pipelines.sync import expand, sync_all
    from avmatch.reports.wording import result_lines, sync_sentence

    files = expand(paths)
    delivery.check_sync_outputs(out, plot, len(files))
    with progress_bars() as progress:
        results = sync_all(
            files,
            audio=audio,
            max_offset_seconds=max_offset,
            model=model,
            face_detector=face_detector,
            cache_dir=cache_folder(cache, no_cache),
            progress=progress,
        )
    print(*result_lines(results, sync_sentence, as_json=json), sep="\n", flush=True)
    delivery.write_sync(results, out, plot)
    if all(result.status == "failed" for result in results):
        raise typer.Exit(1)
