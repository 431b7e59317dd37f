"""`avmatch embed`: the vectors that `match` compares, as arrays."""

from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Exit, Option

from avmatch.cli.options import NOTHING_USABLE, Cache, NoCache, cache_folder, note, progress_bars


def embed(
    files: Annotated[str, Argument(help="Folder, glob, file or manifest of videos and recordings.")],
    out: Annotated[Path, Option("-o", "--out", help="Folder for the arrays and what says which is which.")],
    model: Annotated[str, Option(help="A run, a model folder, a shipped model's name, or hf:PATH_OR_ID.")] = "semantic",
    side: Annotated[
        Literal["video", "audio", "both"], Option(help="Embed the picture, the sound, or what a file has.")
    ] = "both",
    format: Annotated[  # noqa: A002  the option's name
        Literal["npy", "parquet"], Option(help="npy: an array an item; parquet: two tables (extra parquet).")
    ] = "npy",
    on: Annotated[
        Literal["here", "ray"], Option(help="ray: by a cluster (extra ray; RAY_ADDRESS, or this machine's cores).")
    ] = "here",
    cache: Cache = None,
    no_cache: NoCache = False,
) -> None:
    """Write the vectors of files: (T, D) with times, and one for each as a whole."""
    from avmatch.pipelines.delivery import check_folders
    from avmatch.pipelines.embed import embed as run
    from avmatch.pipelines.embed import write_embeddings
    from avmatch.reports.wording import remark_lines

    check_folders(out)
    with progress_bars() as progress:
        folder = cache_folder(cache, no_cache)
        result = run(files, model=model, side=side, on=on, cache_dir=folder, progress=progress)
    write_embeddings(result, out, format)
    for line in remark_lines((), result.failures):
        note(line)
    print(f"{len(result)} arrays of {result.model} in {out} ({result.licence})")
    if not result.items:
        raise Exit(NOTHING_USABLE)
