"""A sound's time stamps without their jitter: a gap is real if it lasts.

Cheap recorders and live encoders stamp each packet when they get to it, ±60 ms off, while the sound itself runs on
without a break. So a stamp that is off is not believed until all stamps of the next half second are off to the same
side; then the middle of them says by how much. Players do much the same when they follow the sound's own clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Generic, TypeVar

Piece = TypeVar("Piece")

#: Stamps that are off by less than this are rounding.
JUMP_SECONDS = 0.02
#: How long stamps must be off to be believed.
LASTING_SECONDS = 0.5
#: At a sound's end, where nothing follows that could confirm it, a gap of this size is believed.
_CLEAR_SECONDS = 0.15
_MAX_PIECES = 4096


@dataclass
class SteadyTimes(Generic[Piece]):
    """Pieces of sound in, the same pieces out, each with the gap before it (negative = an overlap to cut off)."""

    _end_seconds: float | None = None
    _waiting: list[tuple[Piece, float, float]] = field(default_factory=list)  # with gap and duration
    _waiting_seconds: float = 0.0

    def take(self, piece: Piece, time_seconds: float | None, duration_seconds: float) -> Iterator[tuple[Piece, float]]:
        """The pieces that are decided now."""
        if self._end_seconds is None:
            self._end_seconds = time_seconds or 0.0
        expected = self._end_seconds + self._waiting_seconds
        gap = 0.0 if time_seconds is None else time_seconds - expected
        is_off = abs(gap) > JUMP_SECONDS
        if self._waiting and not (is_off and (gap > 0) == (self._waiting[0][1] > 0)):
            yield from self._release(0.0)
            if is_off:
                self._wait(piece, gap, duration_seconds)
                return
        if not is_off:
            self._end_seconds += duration_seconds
            yield piece, 0.0
            return
        self._wait(piece, gap, duration_seconds)
        if self._waiting_seconds >= LASTING_SECONDS or len(self._waiting) >= _MAX_PIECES:
            yield from self._release(self._gap())

    def flush(self) -> Iterator[tuple[Piece, float]]:
        """Nothing more comes."""
        gap = self._gap() if self._waiting else 0.0
        yield from self._release(gap if abs(gap) > _CLEAR_SECONDS else 0.0)

    def _wait(self, piece: Piece, gap_seconds: float, duration_seconds: float) -> None:
        self._waiting.append((piece, gap_seconds, duration_seconds))
        self._waiting_seconds += duration_seconds

    def _gap(self) -> float:
        return median(gap for _, gap, _ in self._waiting)

    def _release(self, gap_seconds: float) -> Iterator[tuple[Piece, float]]:
        waiting, self._waiting, self._waiting_seconds = self._waiting, [], 0.0
        for piece, _, duration in waiting:
            now = max(gap_seconds, -duration)
            gap_seconds -= now
            self._end_seconds = (self._end_seconds or 0.0) + now + duration
            yield piece, now
