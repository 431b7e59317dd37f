"""What speaks for a pair, as the page asks for it (docs/review.md).

What measures is loaded when it is first asked: a page must not wait for that.
"""

from __future__ import annotations

import base64
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from avmatch.core.results import SyncResult
from avmatch.pipelines.review import Review, on_disk
from avmatch.reports.wording import shown
from avmatch.web.answers import Refused, StrictJSON, seconds
from avmatch.web.records import Record

if TYPE_CHECKING:
    from avmatch.pipelines.review_evidence import Overlay, ReviewEvidence

#: So many wait for a measurement in threads; the others wait without.
_MOST_THREADS = 2


class EvidencePages:
    """The routes that measure.

    Args:
        review: which files there are.
        cache_dir: where features are kept.
    """

    def __init__(self, review: Review, cache_dir: Path) -> None:
        self.review, self._cache_dir = review, cache_dir
        self._limit = anyio.CapacityLimiter(_MOST_THREADS)

    @cached_property
    def evidence(self) -> ReviewEvidence:
        """Measures pairs of them."""
        from avmatch.pipelines.review_evidence import evidence_of

        return evidence_of(self.review.tables, self._cache_dir)

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/api/clips/{name}/evidence", self.measured),
            Route("/api/clips/{name}/overlay", self.overlay),
        ]

    async def measured(self, request: Request) -> Response:
        """The score of a pair over its offsets."""
        video, audio = self._pair(request)

        def found() -> Record:
            known = [item for item in self.review.tables.candidates(video) if item.audio == audio]
            row = self.review.board().by_video[video]
            place = known[0].offset_seconds if known else row.offset_seconds if row.recording == audio else None
            return evidence_record(self.evidence.measured(on_disk(video), on_disk(audio), place))

        return StrictJSON(await anyio.to_thread.run_sync(found, limiter=self._limit))

    async def overlay(self, request: Request) -> Response:
        """What lies over the picture."""
        video, audio = self._pair(request)
        offset = seconds(request, "offset_seconds", 0.0)

        def found() -> Record:
            return overlay_record(self.evidence.overlay(on_disk(video), on_disk(audio), offset))

        return StrictJSON(await anyio.to_thread.run_sync(found, limiter=self._limit))

    def _pair(self, request: Request) -> tuple[str, str]:
        name = request.query_params.get("recording")
        if name is None:
            raise Refused(400, "bad_request", "recording is missing")
        return self.review.video(request.path_params["name"]), self.review.recording(name)


def evidence_record(found: SyncResult) -> Record:
    """The answer."""
    interval = found.offset_interval_seconds
    return {
        "lags_seconds": [round(lag, 4) for lag in found.lags_seconds],
        "scores": [round(value, 3) for value in found.curve],
        "offset_seconds": found.offset_seconds,
        "offset_interval_seconds": None if interval is None else list(interval),
        "confidence": found.confidence,
        "belongs": found.belongs,
        "cue": found.cue,
        "status": found.status,
        "message": shown(found.message),
        "rivals": [
            {"offset_seconds": rival.offset_seconds, "probability": rival.probability} for rival in found.rivals
        ],
        "pieces": [piece.record() for piece in found.pieces],
    }


def overlay_record(found: Overlay) -> Record:
    """The answer."""
    from avmatch.pipelines.review_evidence import NUM_CELLS_A_SIDE, OVERLAY_RATE_HZ

    cells = found.cells
    heat = None
    if cells is not None:
        heat = {
            "rate_hz": OVERLAY_RATE_HZ,
            "grid": NUM_CELLS_A_SIDE,
            "num_frames": len(cells),
            "cells": base64.b64encode(cells.tobytes()).decode(),
        }
    faces = [
        {
            "begin_seconds": face.begin_seconds,
            "rate_hz": OVERLAY_RATE_HZ,
            "boxes": face.boxes.round(4).tolist(),
            "score": face.nats,
        }
        for face in found.faces
    ]
    return {"heat": heat, "faces": faces}
