"""`avmatch index`: a library of sounds, or of videos, that `avmatch search` looks through."""

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Exit, Option

from avmatch.cli.options import Cache, NoCache, cache_folder, progress_bars


def index(
    library: Annotated[str, Argument(help="Folder, glob, file or manifest of sounds; the sound of videos counts too.")],
    out: Annotated[Path, Option("-o", "--out", help="Folder of the index; one that is there is brought up to date.")],
    side: Annotated[str, Option(help="audio: index what is heard; video: what is seen.")] = "audio",
    model: Annotated[str, Option(help="The model whose vectors are indexed.")] = "semantic",
    json: Annotated[bool, Option("--json", help="One JSON object instead of a sentence.")] = False,
    cache: Cache = None,
    no_cache: NoCache = False,
) -> None:
    """Index a library, or bring its index up to date: adds what is new, follows what was moved, drops what is gone.

    It may be stopped at any time; the next run goes on from there. An index can be searched while it is written.
    """
    from avmatch.core.errors import UsageError
    from avmatch.pipelines.library import build_index
    from avmatch.reports.hits import index_sentence
    from avmatch.reports.wording import remark_lines

    if side not in ("audio", "video"):
        raise UsageError(f"--side {side}: give audio or video")
    with progress_bars() as progress:
        result = build_index(
            library,
            out,
            side="audio" if side == "audio" else "video",
            model=model,
            cache_dir=cache_folder(cache, no_cache),
            progress=progress,
        )
    print(result.to_json() if json else index_sentence(result))
    for line in remark_lines((), result.failures):
        print(line, file=sys.stderr)
    if not result.files:
        raise Exit(1)
