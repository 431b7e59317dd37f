"""What the page asks, and what it is answered (docs/review.md).

Whatever reads or writes a file runs in a thread, so that no request waits for another one's disk.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from importlib import resources
from mimetypes import guess_type
from pathlib import Path
from typing import get_args

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import avmatch
from avmatch.core.decisions import Kind
from avmatch.core.errors import AvmatchError
from avmatch.data.decision_store import ConflictError
from avmatch.pipelines.review import Request as Wanted
from avmatch.pipelines.review import Review, TakenError, on_disk
from avmatch.pipelines.review_board import Board, folded
from avmatch.pipelines.review_media import ReviewMedia
from avmatch.reports.wording import folder_and_name, shown
from avmatch.web import records
from avmatch.web.answers import Refused, StrictJSON, body_of, number, on_refused, on_status, text_in
from avmatch.web.events import Events
from avmatch.web.evidence import EvidencePages
from avmatch.web.exporting import ExportPages
from avmatch.web.files import FilePart, opened
from avmatch.web.media import MediaPages, RecordingPages, Shown, picture_record
from avmatch.web.records import Record
from avmatch.web.searching import SearchPages
from avmatch.web.solving import Solver

PAGE = Path(str(resources.files("avmatch.web").joinpath("page")))
_MOST_ROWS, _MANY = 500, 1_000_000_000
Endpoint = Callable[[Request], Awaitable[Response]]


class Pages:
    """The routes of one review.

    Args:
        review: it.
        media: what is made of its files.
        cache_dir: where features are kept.
    """

    def __init__(self, review: Review, media: ReviewMedia, cache_dir: Path) -> None:
        self.review, self.media, self.events = review, media, Events()
        self.solver = Solver(review, cache_dir, self.events.say)

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/api/result", self.result),
            Route("/api/queue", self.queue),
            Route("/api/clips/{name}", self.clip),
            Route("/api/recordings", self.recordings),
            Route("/api/events", self.listen),
            Route("/api/decisions", self.decide, methods=["POST"]),
            Route("/api/undo", partial(self.turn, again=False), methods=["POST"]),
            Route("/api/solve", self.solving),
            Route("/api/solve", self.solve, methods=["POST"]),
            Route("/api/redo", partial(self.turn, again=True), methods=["POST"]),
        ]

    async def result(self, _: Request) -> Response:
        """State, and what the result is."""
        return StrictJSON(await run_in_threadpool(self._result))

    def _result(self) -> Record:
        board, tables = self.review.board(), self.review.tables
        return {
            **records.state_record(board),
            "name": shown(self.review.folder.resolve().name),
            "folder": shown(str(self.review.folder.resolve())),
            "version": avmatch.__version__,
            "is_many": tables.is_many,
            "num_recordings": len(tables.recordings),
            "num_unmatched": sum(
                path not in board.holders and path not in board.companions for path in tables.recordings
            ),
            "settings": dict(tables.settings),
            "cues": sorted({row.match.cue for row in board.rows} - {""}),
            "devices": sorted({ruling.device for ruling in board.decided.rulings.values()} - {""}),
            "solve": self.solver.record,
        }

    async def queue(self, request: Request) -> Response:
        """Some rows of a listing."""
        section = request.query_params.get("section", "check")
        begin = number(request, "offset", 0, _MANY)
        limit = number(request, "limit", 100, _MOST_ROWS)
        filters = [request.query_params.get(name, "")[:200] for name in ("search", "cue", "device")]

        def found() -> Record:
            board = self.review.board()
            rows = board.listing(section, *filters)
            return {
                "revision": board.decided.decisions.revision,
                "total": len(rows),
                "offset": begin,
                "rows": [records.row_record(row, board) for row in rows[begin : begin + limit]],
            }

        return StrictJSON(await run_in_threadpool(found))

    async def clip(self, request: Request) -> Response:
        """All of one clip."""
        return StrictJSON(await run_in_threadpool(self._clip, request.path_params["name"]))

    def _clip(self, name: str) -> Record:
        row, board, tables = self.review.row(name), self.review.board(), self.review.tables
        return {
            **records.row_record(row, board),
            "message": shown(tables.errors.get(row.video, "")),
            "picture": picture_record(name, self.media.picture_state(on_disk(row.video))),
            "candidates": [records.candidate_record(item, board) for item in tables.candidates(row.video)],
        }

    async def recordings(self, request: Request) -> Response:
        """Some of all recordings."""
        begin, limit = number(request, "offset", 0, _MANY), number(request, "limit", 100, _MOST_ROWS)
        wanted = folded(request.query_params.get("search", "")[:200])

        def found() -> Record:
            board = self.review.board()
            paths = [path for path in self.review.tables.recordings if wanted in folded(folder_and_name(path)[1])]
            rows = [
                {
                    **records.file_record(path, board),
                    "clips": records.clip_names(board.holders.get(path, ())),
                    "further_of": records.further_of(path, board),
                }
                for path in paths[begin : begin + limit]
            ]
            return {"total": len(paths), "offset": begin, "rows": rows}

        return StrictJSON(await run_in_threadpool(found))

    async def decide(self, request: Request) -> Response:
        """A decision; the answer comes when it is on the disk."""
        wanted = _wanted(await body_of(request))
        return StrictJSON(await run_in_threadpool(self._decided, wanted))

    def _decided(self, wanted: Wanted) -> Record:
        try:
            board = self.review.decide(wanted)
        except ConflictError as error:
            board = self.review.board()
            current = records.subject_record(board, self.review.path(wanted.subject))
            raise Refused(409, "conflict", str(error), current=current, **records.state_record(board)) from error
        except TakenError as error:
            holder = records.row_record(error.holder, self.review.board())
            raise Refused(409, "conflict", str(error), holder=holder) from error
        return self._changed(board, (self.review.path(wanted.subject),))

    async def turn(self, request: Request, *, again: bool) -> Response:
        """Undo, or redo."""
        revision = _whole(await body_of(request), "revision")
        return StrictJSON(await run_in_threadpool(self._turned, revision, again))

    def _turned(self, revision: int, again: bool) -> Record:
        try:
            paths = self.review.undo(revision, again=again)
        except ConflictError as error:
            raise Refused(409, "conflict", str(error), **records.state_record(self.review.board())) from error
        if paths is None:
            raise Refused(404, "not_found", "there is nothing to redo" if again else "there is nothing to undo")
        return self._changed(self.review.board(), paths)

    def _changed(self, board: Board, paths: tuple[str, ...]) -> Record:
        """The answer to a change; the last of `paths` is what it was about."""
        subject: Mapping[str, object] = records.subject_record(board, paths[-1]) if paths else {"subject": None}
        state = records.state_record(board)
        self.events.say("state", {**state, "subject": subject["subject"]})
        return {**state, **subject}

    async def solving(self, _: Request) -> Response:
        """How far the last solve is."""
        return StrictJSON(self.solver.record)

    async def solve(self, request: Request) -> Response:
        """Solve again."""
        await body_of(request)
        return StrictJSON(self.solver.start(), 202)

    async def listen(self, _: Request) -> Response:
        """What changes, as it changes."""
        return self.events.response()


async def page(request: Request) -> Response:
    """A file of the page, which is part of the program."""
    name = request.path_params.get("name", "index.html")
    file = (PAGE / name.replace("\0", "")).resolve()
    if not file.is_relative_to(PAGE.resolve()) or not file.is_file():
        raise Refused(404, "not_found", "the page has no such file")
    kind = guess_type(file.name)[0] or "application/octet-stream"
    return FilePart(opened(file), f"{kind}; charset=utf-8" if kind.startswith("text/") else kind)


def application(shown: Shown, cache_dir: Path) -> Starlette:
    """The routes of a review, of an index or of both, with errors as answers; not yet guarded.

    `state.end` ends what goes on for ever. What was sent to be searched for is removed when the server ends.
    """
    ours = (Refused, AvmatchError, FileNotFoundError, Exception)
    review, search = shown.review, shown.search
    routes = [Route("/", page), Route("/page/{name:path}", page), *MediaPages(shown).routes()]
    routes += SearchPages(search, has_result=review is not None).routes()
    pages = None if review is None else Pages(review, shown.media, cache_dir)
    if pages is not None:
        routes += pages.routes()
        routes += RecordingPages(pages.review, shown.media).routes()
        routes += EvidencePages(pages.review, cache_dir).routes()
        routes += ExportPages(pages.review, pages.events.say).routes()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        if search is not None:  # here: after SIGTERM the server comes back to nobody
            search.close()

    made = Starlette(
        routes=routes,
        exception_handlers={HTTPException: on_status, **dict.fromkeys(ours, on_refused)},
        lifespan=lifespan,
    )
    made.state.end = (lambda: None) if pages is None else pages.events.end
    return made


def _wanted(body: Mapping[str, object]) -> Wanted:
    """A decision as it is asked for. Raises Refused."""
    kind = text_in(body, "kind")
    known = next((name for name in get_args(Kind) if name == kind), None)
    if known is None:
        raise Refused(400, "bad_request", f"kind must be one of {', '.join(get_args(Kind))}, got {(kind or '')[:20]!r}")
    offset = body.get("offset_seconds")
    if offset is not None and (isinstance(offset, bool) or not isinstance(offset, int | float)):
        raise Refused(400, "bad_request", "offset_seconds must be a number, or null")
    return Wanted(
        subject=text_in(body, "subject") or "",
        revision=_whole(body, "revision"),
        kind=known,
        recording=text_in(body, "recording"),
        offset_seconds=None if offset is None else float(offset),
        own_offset=body.get("own_offset") is True,
        text=text_in(body, "device" if known == "device" else "text") or "",
        is_taking=body.get("take") is True,
    )


def _whole(body: Mapping[str, object], name: str) -> int:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refused(400, "bad_request", f"{name} must be a whole number")
    return value
