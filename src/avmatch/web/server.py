"""A port of this machine, a token, and the server until Ctrl-C."""

import secrets
import socket
import webbrowser
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from avmatch.core.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from avmatch.web.media import Shown

_LOOPBACK = "127.0.0.1"
#: More connections than this wait in the kernel.
_BACKLOG = 2048


def serve(
    folder: Path | None,
    cache_dir: Path,
    *,
    index: Path | None = None,
    port: int = 0,
    browser: bool = True,
    say: Callable[[str], None],
) -> None:
    """Show the result in `folder` until Ctrl-C.

    Args:
        folder: of the result; None = only the index is searched.
        cache_dir: where features and proxies are kept.
        index: of sounds, to search in for what goes with a clip.
        port: of 127.0.0.1; 0 = any that is free.
        browser: open the page.
        say: called with the address, before anything else.

    Raises:
        UsageError: there is no such result or index, or the port is taken.
        MissingExtraError: the server's libraries aren't installed.
    """
    try:
        import uvicorn

        from avmatch.web.guard import Guard
        from avmatch.web.routes import application
        from avmatch.web.stopping import StoppingServer
    except ImportError as error:
        raise MissingExtraError("starlette and uvicorn", "review", "avmatch review") from error
    if folder is None and index is None:
        raise UsageError("name the folder that `avmatch match … -o` wrote, or an index to search in: --in INDEX")
    with ExitStack() as opened:
        shown = _shown(opened, folder, cache_dir, index)
        listener = opened.enter_context(_listening(port))
        number = listener.getsockname()[1]
        token = secrets.token_urlsafe(32)
        address = f"http://{_LOOPBACK}:{number}/?token={token}"
        say(address)
        if browser:
            webbrowser.open(address)
        pages = application(shown, cache_dir)
        config = uvicorn.Config(
            Guard(pages, token, number),
            log_level="error",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
            ws="none",
        )
        StoppingServer(config, pages.state.end).run(sockets=[listener])


def _shown(opened: ExitStack, folder: Path | None, cache_dir: Path, index: Path | None) -> "Shown":
    """A result and an index, open. Raises UsageError."""
    from avmatch.pipelines.review import NotListedError, Review, on_disk
    from avmatch.pipelines.review_media import ReviewMedia
    from avmatch.pipelines.review_search import ReviewSearch
    from avmatch.web.media import Shown

    review = None
    if folder is not None:
        review = Review(folder)
        opened.callback(review.close)

    def clip_path(name: str) -> Path:
        if review is None:
            raise NotListedError("no result is reviewed here")
        return on_disk(review.video(name))

    search = None
    if index is not None:
        search = ReviewSearch(index, clip_path, cache_dir)
        opened.callback(search.close)
    media = ReviewMedia(cache_dir / "review")
    opened.callback(media.close)
    return Shown(media, review, search)


def _listening(port: int) -> socket.socket:
    """A socket that programs of this machine can reach. Raises UsageError."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_LOOPBACK, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise UsageError(f"--port {port}: can't be used ({error}); 0 takes any free one") from error
    listener.listen(_BACKLOG)
    return listener
