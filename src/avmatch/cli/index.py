"""`avmatch index`: a library of sounds, or of videos, that `avmatch search` looks through."""

from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Exit, Option

from avmatch.cli.options import NOTHING_USABLE, Cache, NoCache, cache_folder, note, progress_bars


def index(
    library: Annotated[str, Argument(help="Folder, glob, file or manifest of sounds; the sound of videos counts too.")],
    out: Annotated[Path, Option("-o", "--out", help="Folder of the index; one that is there is brought up to date.")],
    side: Annotated[
        Literal["audio", "video"], Option(help="audio: index what is heard; video: what is seen.")
    ] = "audio",
    model: Annotated[str, Option(help="The model whose vectors are indexed.")] = "semantic",
    json: Annotated[bool, Option("--json", help="One JSON object instead of a sentence.")] = False,
    cache: Cache = None,
    no_cache: NoCache = False,
) -> None:
    """Index a library, or bring its index up to date: adds what is new, follows what was moved, drops what is gone.

    It may be stopped at any time; the next run goes on from there. An index can be searched while it is written.
    """
    from avmatch.pipelines.library import build_index
    from avmatch.reports.hits import index_sentence
    from avmatch.reports.wording import remark_lines

    with progress_bars() as progress:
        result = build_index(
            library,
            out,
            side=side,
            model=model,
            cache_dir=cache_folder(cache, no_cache),
            progress=progress,
        )
    print(result.to_json() if json else index_sentence(result))
    for line in remark_lines((), result.failures):
        note(line)
    if not result.files:
        raise Exit(NOTHING_USABLE)
