"""`avmatch locate`: where in the picture is the sound?"""

from pathlib import Path
from typing import Annotated

import typer

from avmatch.cli.options import Cache, MaxOffset, NoCache, cache_folder, progress_bars


def locate(
    path: Annotated[str, typer.Argument(help="A video file with its sound.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="heat.mp4 for every frame, heat.png for one picture.")],
    max_offset: MaxOffset = 1.0,
    model: Annotated[str | None, typer.Option(help="A trained run or model folder of the recipe events.")] = None,
    cache: Cache = None,
    no_cache: NoCache = False,
) -> None:
    """Draw where in the picture the sound comes from."""
    from avmatch.pipelines.locate import locate as draw
    from avmatch.pipelines.locate import located_line

    with progress_bars() as progress:
        found = draw(
            path,
            out,
            max_offset_seconds=max_offset,
            model=model,
            cache_dir=cache_folder(cache, no_cache),
            progress=progress,
        )
    print(located_line(found))
