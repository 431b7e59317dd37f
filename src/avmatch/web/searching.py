"""The search box: a clip that is dropped, and the sounds of an index that go with it (docs/review.md)."""

import asyncio
import errno
from pathlib import Path

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from avmatch.core.errors import MediaError
from avmatch.core.library import Hit
from avmatch.pipelines.review_search import Asked, ReviewSearch
from avmatch.reports.wording import folder_and_name, shown
from avmatch.web.answers import Refused, StrictJSON, number
from avmatch.web.media import picture_record
from avmatch.web.records import Record

_BYTES = "application/octet-stream"
_MOST_HITS, _LONGEST_NAME = 100, 255
#: So many wait for searches in threads; the others wait without.
_MOST_THREADS = 4


class SearchPages:
    """The routes of an index.

    Args:
        search: it; None = there is none to search in.
        has_result: whether a result is reviewed.
    """

    def __init__(self, search: ReviewSearch | None, *, has_result: bool) -> None:
        self._search, self._has_result = search, has_result
        self._receiving = asyncio.Lock()  # one after another: a page that thinks better of it sends the next at once
        self._limit = anyio.CapacityLimiter(_MOST_THREADS)

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/api/index", self.index),
            Route("/api/search", self.found),
            Route("/api/search/clips", self.receive, methods=["POST"]),
        ]

    @property
    def search(self) -> ReviewSearch:
        """Raises Refused if there is no index."""
        if self._search is None:
            raise Refused(404, "not_found", "no index to search in; start `avmatch review … --in INDEX`")
        return self._search

    async def index(self, _: Request) -> Response:
        """What can be searched in, if anything."""
        return StrictJSON(await run_in_threadpool(self._index))

    def _index(self) -> Record:
        if self._search is None:
            return {"has_result": self._has_result, "index": None}
        counts, folder = self._search.counts(), self._search.index.resolve()
        index = {
            "name": shown(folder.name),
            "folder": shown(str(folder)),
            "files": counts.files,
            "seconds": round(counts.seconds, 3),
            "kinds": list(self._search.kinds),
            "most_bytes": self._search.most_bytes,
        }
        return {"has_result": self._has_result, "index": index}

    async def found(self, request: Request) -> Response:
        """The hits for a clip."""
        asked = Asked(
            request.query_params.get("clip", "")[:100],
            request.query_params.get("kind", "")[:100],
            max(1, number(request, "top_k", 20, _MOST_HITS)),
        )
        hits = await anyio.to_thread.run_sync(self.search.hits, asked, limiter=self._limit)
        return StrictJSON({"clip": asked.clip, "hits": [self._hit(hit) for hit in hits]})

    def _hit(self, hit: Hit) -> Record:
        folder, name = folder_and_name(hit.path)
        return {
            "rank": hit.rank,
            "sound": {"id": self.search.sound_id(hit.path), "name": name, "folder": folder.rstrip("/\\") or folder},
            "start_seconds": hit.start_seconds,
            "length_seconds": hit.length_seconds,
            "score": hit.score,
            "confidence": hit.confidence,
            "kind": hit.kind,
            "why": shown(hit.why),
        }

    async def receive(self, request: Request) -> Response:
        """Take a clip; it is kept until the server ends, or others need its place."""
        search, name, clip = self.search, _name(request), None
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _BYTES:
            raise Refused(415, "not_bytes", f"the body must be {_BYTES}")
        place = search.new_place(name)
        try:
            async with self._receiving:
                await self._write(request, place)
                clip = await run_in_threadpool(search.take, place, name)
        except MediaError as error:
            raise Refused(422, "unusable", str(error)) from error
        finally:
            if clip is None:
                place.unlink(missing_ok=True)
        state = search.media.picture_state(place)
        return StrictJSON({"id": clip, "name": name, "picture": picture_record(clip, state)})

    async def _write(self, request: Request, place: Path) -> None:
        """Write the body to a file. Raises Refused."""
        most = self.search.most_bytes
        refused = Refused(413, "too_large", f"a clip may have {most >> 20} MiB; search for longer ones in a terminal")
        announced = request.headers.get("content-length", "0")
        if not announced.isdigit() or int(announced) > most:
            raise refused
        total = 0
        try:
            async with await anyio.open_file(place, "xb") as file:
                async for chunk in request.stream():
                    total += len(chunk)
                    if total > most:
                        raise refused
                    await file.write(chunk)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Refused(507, "not_kept", "the disk has no place for this clip") from error
            raise
        if not total:
            raise Refused(400, "bad_request", "the clip is empty")


def _name(request: Request) -> str:
    """What a clip is called. Raises Refused."""
    name = request.query_params.get("name", "")
    if not name or len(name) > _LONGEST_NAME:
        raise Refused(400, "bad_request", f"name must have 1…{_LONGEST_NAME} letters")
    return shown(name.replace("\\", "/").rpartition("/")[2]) or "clip"
