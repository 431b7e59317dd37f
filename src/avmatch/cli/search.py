"""`avmatch search`: the sounds that go with a silent clip, or the videos that go with a sound."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Exit, Option

from avmatch.cli.options import NOTHING_USABLE, Cache, NoCache, cache_folder, progress_bars, table_width


def search(
    path: Annotated[Path | None, Argument(help="A silent clip; a sound where the index holds videos.")] = None,
    index: Annotated[Path | None, Option("--in", help="The folder of the index (`avmatch index`).")] = None,
    top_k: Annotated[int, Option(help="So many hits at most.")] = 20,
    kind: Annotated[str, Option(help="Only this kind: speech, impact, animal, musical …")] = "",
    like: Annotated[
        Path | None, Option(help="Only what is like this sound (this video, in an index of videos).")
    ] = None,
    out: Annotated[Path | None, Option("-o", "--out", help="Also write the hits here, as .csv or .jsonl.")] = None,
    preview: Annotated[
        Path | None, Option(help="Put each hit and the clip together, as a film in this folder.")
    ] = None,
    json: Annotated[bool, Option("--json", help="One JSON object a hit instead of the table.")] = False,
    cache: Cache = None,
    no_cache: NoCache = False,
) -> None:
    """Find the sounds that go with a silent clip, each where it fits the picture; or videos that go with a sound."""
    from rich.console import Console

    from avmatch.core.errors import UsageError
    from avmatch.pipelines.search import search as run
    from avmatch.reports.hits import hit_table

    if index is None:
        raise UsageError("name the index to search in: --in INDEX")
    if out is not None and out.suffix.lower() not in (".csv", ".jsonl"):
        raise UsageError(f"{out}: give a name that ends in .csv or .jsonl")
    with progress_bars() as progress:
        result = run(
            path,
            index,
            top_k=top_k,
            kind=kind,
            like=like,
            preview_dir=preview,
            cache_dir=cache_folder(cache, no_cache),
            progress=progress,
        )
    if out is not None:
        (result.to_csv if out.suffix.lower() == ".csv" else result.to_jsonl)(out)
    if json:
        print(*(hit.to_json() for hit in result.hits), sep="\n", end="\n" if result.hits else "")
    else:
        Console(width=table_width()).print(hit_table(result))
    if not result.hits:
        raise Exit(NOTHING_USABLE)
