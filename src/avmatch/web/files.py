"""A file as a response: whole or in part, opened once, so that size, tag and bytes are of the same file."""

import errno
import os
import stat
from email.utils import formatdate
from pathlib import Path
from typing import BinaryIO

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from avmatch.web.ranges import ByteRange, UnsatisfiableError, byte_range, holds

_CHUNK_BYTES = 256 << 10


class FilePart(Response):
    """The bytes of a file that a request asks for.

    Args:
        file: it, open; the response closes it.
        media_type: what it is.
        cache: Cache-Control.
    """

    def __init__(self, file: BinaryIO, media_type: str, cache: str = "private, no-cache") -> None:
        self._file, self._status = file, os.fstat(file.fileno())
        self._size = self._status.st_size
        self._etag = f'"{self._status.st_ino:x}-{self._size:x}-{self._status.st_mtime_ns:x}"'
        self._modified = formatdate(self._status.st_mtime, usegmt=True)
        self.status_code, self.background, self.media_type = 200, None, media_type
        self.body = b""
        self.init_headers(
            {
                "accept-ranges": "bytes",
                "cache-control": cache,
                "content-length": str(self._size),
                "etag": self._etag,
                "last-modified": self._modified,
            }
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, or the part, until whoever asked has gone."""

        async def gone() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            group.cancel_scope.cancel()

        try:
            part = self._part(Headers(scope=scope))
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if scope["method"] != "HEAD" and part is not None:
                async with anyio.create_task_group() as group:
                    group.start_soon(gone)
                    await self._send(part, send)
                    group.cancel_scope.cancel()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._file.close()

    def _part(self, headers: Headers) -> ByteRange | None:
        """The bytes to send; sets status and headers."""
        if headers.get("if-none-match") is not None:
            tags = [tag.strip().removeprefix("W/") for tag in headers["if-none-match"].split(",")]
            if "*" in tags or self._etag in tags:
                self.status_code = 304
                del self.headers["content-length"]
                return None
        whole = ByteRange(0, self._size - 1) if self._size else None
        if not holds(headers.get("if-range"), self._etag, self._modified):
            return whole
        try:
            found = byte_range(headers.get("range"), self._size)
        except UnsatisfiableError:
            self.status_code = 416
            self.headers["content-range"], self.headers["content-length"] = f"bytes */{self._size}", "0"
            return None
        if found is None:
            return whole
        self.status_code = 206
        self.headers["content-range"] = f"bytes {found.first}-{found.last}/{self._size}"
        self.headers["content-length"] = str(found.num_bytes)
        return found

    async def _send(self, part: ByteRange, send: Send) -> None:
        left = part.num_bytes
        self._file.seek(part.first)
        while left:
            chunk = await run_in_threadpool(self._file.read, min(left, _CHUNK_BYTES))
            if not chunk:  # it was cut short meanwhile: the length that was announced can't be kept
                raise ConnectionError("the file became shorter while it was sent")
            left -= len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": True})


def opened(path: Path) -> BinaryIO:
    """A regular file, open. Raises OSError."""
    if not stat.S_ISREG(path.stat().st_mode):  # to open a pipe may take for ever
        raise FileNotFoundError(errno.ENOENT, "is no file", os.fspath(path))
    return path.open("rb")
