"""Server-sent events: what every open page should know at once (WHATWG HTML, section 9.2)."""

import asyncio
from collections.abc import AsyncIterator

from starlette.responses import StreamingResponse

from avmatch.core.files import strict_json

#: A comment so often shows that the server is there.
_SILENCE_SECONDS = 15.0
#: A page that doesn't read has so many waiting, and then misses some.
_MOST_WAITING = 100
_END = ""


class Events:
    """Whoever listens, and what is said to all of them."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[str]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def say(self, kind: str, content: object) -> None:
        """Say it to all; from any thread."""
        text = f"event: {kind}\ndata: {strict_json(content)}\n\n"
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._put, text)

    def response(self) -> StreamingResponse:
        """An answer that goes on."""
        return StreamingResponse(self._listen(), media_type="text/event-stream")

    def end(self) -> None:
        """Let all answers end; from the server's own thread."""
        for queue in self._queues:
            while queue.full():
                queue.get_nowait()
            queue.put_nowait(_END)

    def _put(self, text: str) -> None:
        for queue in self._queues:
            if not queue.full():
                queue.put_nowait(text)

    async def _listen(self) -> AsyncIterator[str]:
        queue: asyncio.Queue[str] = asyncio.Queue(_MOST_WAITING)
        self._loop = asyncio.get_running_loop()
        self._queues.add(queue)
        try:
            yield ": here\n\n"
            while True:
                try:
                    text = await asyncio.wait_for(queue.get(), _SILENCE_SECONDS)
                    if text == _END:
                        return
                    yield text
                except TimeoutError:
                    yield ": still here\n\n"
        finally:
            self._queues.discard(queue)
