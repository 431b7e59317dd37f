"""A port of this machine, a token, and the server until Ctrl-C."""

import secrets
import socket
import webbrowser
from collections.abc import Callable
from pathlib import Path

from avmatch.core.errors import MissingExtraError, UsageError

_LOOPBACK = "127.0.0.1"
#: More connections than this wait in the kernel.
_BACKLOG = 2048


def serve(folder: Path, cache_dir: Path, *, port: int = 0, browser: bool = True, say: Callable[[str], None]) -> None:
    """Show the result in `folder` until Ctrl-C.

    Args:
        cache_dir: where features and proxies are kept.
        port: of 127.0.0.1; 0 = any that is free.
        browser: open the page.
        say: called with the address, before anything else.

    Raises:
        UsageError: there is no such result, or the port is taken.
        MissingExtraError: the server's libraries aren't installed.
    """
    try:
        import uvicorn

        from avmatch.web.guard import Guard
        from avmatch.web.routes import application
        from avmatch.web.stopping import StoppingServer
    except ImportError as error:
        raise MissingExtraError("starlette and uvicorn", "review", "avmatch review") from error
    from avmatch.pipelines.review import Review
    from avmatch.pipelines.review_media import ReviewMedia

    review, media = Review(folder), ReviewMedia(cache_dir / "review")
    try:
        with _listening(port) as listener:
            number = listener.getsockname()[1]
            token = secrets.token_urlsafe(32)
            address = f"http://{_LOOPBACK}:{number}/?token={token}"
            say(address)
            if browser:
                webbrowser.open(address)
            pages = application(review, media, cache_dir)
            config = uvicorn.Config(
                Guard(pages, token, number),
                log_level="error",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=1,
                ws="none",
            )
            StoppingServer(config, pages.state.events.end).run(sockets=[listener])
    finally:
        media.close()
        review.close()


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
