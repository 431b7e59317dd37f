"""`avmatch locate`: where in the picture is the sound?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def locate(
    path: Annotated[str, typer.Argument(help="A video file with its sound.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="heat.mp4 for every frame, heat.png for one picture.")],
    max_offset: Annotated[float, typer.Option(help="Search offsets up to this many seconds.")] = 1.0,
    model: Annotated[str | None, typer.Option(help="A trained run or model folder of the recipe events.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Keep features here instead of the user's cache.")] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Keep no features.")] = False,
) -> None:
    """Draw where in the picture the sound comes from."""
    from avmatch.cli.bars import progress_bars
    from avmatch.pipelines.analysis import default_cache_dir
    from avmatch.pipelines.locate import locate as draw
    from avmatch.pipelines.locate import located_line

    cache_dir = None if no_cache else cache or default_cache_dir()
    with progress_bars() as progress:
        found = draw(path, out, max_offset_seconds=max_offset, model=model, cache_dir=cache_dir, progress=progress)
    print(located_line(found))
