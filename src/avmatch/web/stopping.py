"""A server that ends at once, though pages listen to it for as long as it runs."""

import logging
import socket
from collections.abc import Callable

import uvicorn


class StoppingServer(uvicorn.Server):
    """Ends what goes on for ever before it waits for the other answers.

    Args:
        config: of the server.
        end: called when the server is about to stop.
    """

    def __init__(self, config: uvicorn.Config, end: Callable[[], None]) -> None:
        super().__init__(config)
        self._end = end

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop. An answer that is cut off now (a picture that is still being made) is no fault to report."""
        self._end()
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        await super().shutdown(sockets)
