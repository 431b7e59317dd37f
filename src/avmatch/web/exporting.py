"""Timelines written from the page: into the result's folder or one inside it, and from there to download.

What writes them is loaded when it is first asked: a page must not wait for that.
"""

from __future__ import annotations

import os
import secrets
import threading
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from avmatch.pipelines.review import Review
from avmatch.reports.wording import shown
from avmatch.web.answers import Refused, StrictJSON, body_of, text_in
from avmatch.web.files import FilePart, opened
from avmatch.web.records import Record

if TYPE_CHECKING:
    from avmatch.pipelines.export import ExportResult

_LONGEST_NAME = 200


class ExportPages:
    """The routes that write timelines, and give those that were written.

    Args:
        review: whose.
        say: called with what every page should see: a kind of event, and its content.
    """

    def __init__(self, review: Review, say: Callable[[str, Record], None]) -> None:
        self._review, self._say = review, say
        self._lock = threading.Lock()
        self._written: dict[str, Path] = {}

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/api/export", self.export, methods=["POST"]),
            Route("/media/exports/{name}", self.download),
        ]

    async def export(self, request: Request) -> Response:
        """Write a timeline; the answer comes when it is there."""
        body = await body_of(request)
        to, only, folder = (text_in(body, name) or "" for name in ("to", "only", "folder"))
        return StrictJSON(await run_in_threadpool(self._export, to, only, folder))

    def _export(self, to: str, only: str, folder: str) -> Record:
        from avmatch.pipelines.export import export
        from avmatch.timelines.formats import format_named

        def progress(stage: str, done: int, total: int) -> None:
            self._say("export", {"stage": stage, "done": done, "total": total})

        root = self._review.folder
        target = inside(root, folder) / f"timeline{format_named(to).suffix}"
        if not self._lock.acquire(blocking=False):
            raise Refused(409, "conflict", "a timeline is being written already; try again when it is there")
        try:
            return self._record(export(root, to, target, only=only, progress=progress))
        except OSError as error:
            what = f"{shown(str(target))}: can't be written ({error.strerror}); name another folder"
            raise Refused(507, "not_kept", what) from error
        finally:
            self._lock.release()

    def _record(self, exported: ExportResult) -> Record:
        files = []
        for path in exported.paths:
            name = secrets.token_urlsafe(12)
            self._written[name] = path
            files.append({"name": path.name, "path": shown(str(path.resolve())), "url": f"/media/exports/{name}"})
        return {
            "files": files,
            "num_clips": exported.num_clips,
            "num_sounds": exported.num_sounds,
            "notes": [shown(note) for note in exported.notes],
            "failures": [f"{shown(failure.path)}: {shown(failure.message)}" for failure in exported.failures],
        }

    async def download(self, request: Request) -> Response:
        """A file that was written from the page."""
        path = self._written.get(request.path_params["name"])
        if path is None:
            raise Refused(404, "not_found", "no such file was written since the review began")
        answer = FilePart(await run_in_threadpool(opened, path), "application/octet-stream")
        answer.headers["content-disposition"] = f'attachment; filename="{path.name}"'
        return answer


def inside(root: Path, name: str) -> Path:
    """The folder `name` in `root`; `root` itself for "". Raises Refused where it would lie elsewhere, or be hidden."""
    parts = [part for part in name.strip().split("/") if part]
    is_plain = all(unicodedata.category(character)[0] != "C" and character not in "\\:" for character in name)
    if not is_plain or len(name) > _LONGEST_NAME or name.startswith("/") or any(map(_is_odd, parts)):
        raise Refused(400, "bad_request", f"folder: name one inside the result, such as edit, got {name[:40]!r}")
    found, top = root.joinpath(*parts), os.path.realpath(root)
    if os.path.commonpath([top, os.path.realpath(found)]) != top:  # by a link
        raise Refused(400, "bad_request", f"folder {name}: leads out of the result; name one inside it")
    return found


def _is_odd(part: str) -> bool:
    return part.startswith(".") or part != part.strip()
