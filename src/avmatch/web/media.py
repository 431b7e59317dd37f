"""Pictures, sounds and waveforms as the page asks for them (docs/review.md)."""

from dataclasses import dataclass
from mimetypes import guess_type
from pathlib import Path

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from avmatch.pipelines.review import NotListedError, Review, clip_id, on_disk
from avmatch.pipelines.review_media import MOST_BINS, PictureState, ReviewMedia
from avmatch.pipelines.review_search import ReviewSearch
from avmatch.reports.wording import folder_and_name, shown
from avmatch.web import records
from avmatch.web.answers import StrictJSON, number, seconds
from avmatch.web.files import FilePart, opened
from avmatch.web.records import Record

#: So many wait for what is being made in threads; the others wait without.
_MOST_THREADS = 8


@dataclass(frozen=True)
class Shown:
    """Which files may be seen and heard, by their opaque names, and what is made of them.

    Attributes:
        media: what is made of the review's files, and of sounds that were found.
        review: lists clips and recordings.
        search: keeps clips that were dropped, and lists sounds that were found.
    """

    media: ReviewMedia
    review: Review | None = None
    search: ReviewSearch | None = None

    def video(self, name: str) -> tuple[ReviewMedia, Path]:
        """A picture. Raises NotListedError."""
        if self.search is not None and name.startswith("u"):
            return self.search.media, self.search.dropped(name)
        return self.media, on_disk(self._listed.video(name))

    def sound(self, name: str) -> tuple[ReviewMedia, Path]:
        """A sound. Raises NotListedError."""
        if self.search is not None and name.startswith("s"):
            return self.media, self.search.sound(name)
        return self.media, on_disk(self._listed.path(name))

    @property
    def _listed(self) -> Review:
        if self.review is None:
            raise NotListedError("no result is reviewed here")
        return self.review


class MediaPages:
    """The routes that give what is seen and heard.

    Args:
        shown: which files there are.
    """

    def __init__(self, shown: Shown) -> None:
        self.shown = shown
        self._limit = anyio.CapacityLimiter(_MOST_THREADS)

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/api/pictures/{name}", self.state),
            Route("/media/pictures/{name}", self.picture),
            Route("/media/thumbnails/{name}", self.thumbnail),
            Route("/media/sounds/{name}", self.sound),
        ]

    async def state(self, request: Request) -> Response:
        """How far a picture can be played; what it needs is begun."""

        def found() -> Record:
            name = request.path_params["name"]
            media, path = self.shown.video(name)
            return picture_record(name, media.picture_state(path, start=True))

        return StrictJSON(await anyio.to_thread.run_sync(found, limiter=self._limit))

    async def picture(self, request: Request) -> Response:
        """A picture, or a part of it."""

        def found() -> FilePart:
            media, path = self.shown.video(request.path_params["name"])
            file = media.picture(path)
            return FilePart(opened(file), _media_type(file))

        return await anyio.to_thread.run_sync(found, limiter=self._limit)

    async def thumbnail(self, request: Request) -> Response:
        """A small picture."""

        def found() -> FilePart:
            media, path = self.shown.video(request.path_params["name"])
            return FilePart(opened(media.thumbnail(path)), "image/jpeg", "private, max-age=3600")

        return await anyio.to_thread.run_sync(found, limiter=self._limit)

    async def sound(self, request: Request) -> Response:
        """A piece of a sound."""
        begin, length = seconds(request, "begin_seconds", 0.0), seconds(request, "seconds", 30.0)

        def found() -> bytes:
            media, path = self.shown.sound(request.path_params["name"])
            return media.piece(path, begin, length)

        content = await anyio.to_thread.run_sync(found, limiter=self._limit)
        return Response(content, media_type="audio/wav")


class RecordingPages:
    """The routes that give a recording of the review as a whole.

    Args:
        review: which recordings there are.
        media: what is made of them.
    """

    def __init__(self, review: Review, media: ReviewMedia) -> None:
        self.review, self.media = review, media
        self._limit = anyio.CapacityLimiter(_MOST_THREADS)

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/api/recordings/{name}", self.recording),
            Route("/api/recordings/{name}/peaks", self.peaks),
        ]

    async def recording(self, request: Request) -> Response:
        """All of one recording, and where in it clips lie."""
        return StrictJSON(await run_in_threadpool(self._recording, request.path_params["name"]))

    def _recording(self, name: str) -> Record:
        path, board = self.review.recording(name), self.review.board()
        sound = self.media.sound_info(on_disk(path))
        clips = []
        for row in board.holders.get(path, ()):
            picture = self.media.picture_state(on_disk(row.video)).picture
            begin = None if picture is None else (row.offset_seconds or 0.0) + float(picture.begin_seconds)
            clips.append(
                {
                    "id": clip_id(row.video),
                    "name": folder_and_name(row.video)[1],
                    "begin_seconds": begin,
                    "duration_seconds": None if picture is None else float(picture.duration_seconds),
                    "section": row.section,
                }
            )
        return {
            **records.file_record(path, board),
            "sound": {
                "begin_seconds": float(sound.begin_seconds),
                "duration_seconds": float(sound.duration_seconds),
                "sample_rate_hz": sound.sample_rate_hz,
                "channels": sound.num_channels,
            },
            "clips": clips,
        }

    async def peaks(self, request: Request) -> Response:
        """A waveform."""
        begin, bins = seconds(request, "begin_seconds", 0.0), number(request, "bins", 800, MOST_BINS)
        end = seconds(request, "end_seconds") if "end_seconds" in request.query_params else None

        def found() -> Record:
            file = on_disk(self.review.recording(request.path_params["name"]))
            wave = self.media.waveform(file, begin, end, bins)
            return {
                "begin_seconds": wave.begin_seconds,
                "seconds_per_bin": wave.seconds_per_bin,
                "low": wave.peaks[:, 0].tolist(),
                "high": wave.peaks[:, 1].tolist(),
            }

        return StrictJSON(await anyio.to_thread.run_sync(found, limiter=self._limit))


def picture_record(name: str, state: PictureState) -> Record:
    """Picture."""
    picture = state.picture
    size: Record = {"begin_seconds": None, "duration_seconds": None, "fps": None, "width": None, "height": None}
    if picture is not None:
        size = {
            "begin_seconds": float(picture.begin_seconds),
            "duration_seconds": float(picture.duration_seconds),
            "fps": float(picture.rate),
            "width": picture.width,
            "height": picture.height,
        }
    return {
        "state": state.state,
        "share": round(state.share, 3),
        "message": shown(state.message),
        "url": f"/media/pictures/{name}",
        "kind": "original" if state.is_original else "proxy",
        **size,
    }


def _media_type(file: Path) -> str:
    kind = guess_type(file.name)[0]
    return "video/mp4" if kind is None or file.suffix.lower() in (".mov", ".m4v") else kind
