"""`avmatch review`: a result in the browser."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from avmatch.cli.options import Cache, cache_folder


def review(
    result: Annotated[Path | None, Argument(help="The folder that `match` wrote; not needed with --in.")] = None,
    index: Annotated[
        Path | None, Option("--in", help="An index of sounds (`avmatch index`), to search for clips in the page.")
    ] = None,
    port: Annotated[int, Option(help="The port of 127.0.0.1; 0 takes any free one.")] = 0,
    no_browser: Annotated[bool, Option("--no-browser", help="Only print the address.")] = False,
    cache: Cache = None,
) -> None:
    """Show a match result in the browser: watch the doubtful first, decide, solve again. Ends with Ctrl-C.

    With --in INDEX the page also finds the sounds that go with a clip, and lays them under it; alone, only that.
    """
    from avmatch.analysis.store import default_cache_dir
    from avmatch.web.server import serve

    def say(address: str) -> None:
        print(address, flush=True)

    folder = cache_folder(cache) or default_cache_dir()
    serve(result, folder, index=index, port=port, browser=not no_browser, say=say)
