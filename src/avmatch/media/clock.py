"""The clock of a stream whose timestamps can't be trusted: parts joined end to end, stamps out of nowhere."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

#: A gap longer than this is a broken timestamp, not silence.
MAX_GAP_SECONDS = 600.0
#: A step back that is longer than this is a clock that starts over: parts of a recording joined end to end.
MAX_BACK_SECONDS = 1.0


@dataclass
class StreamClock:
    """Times of one stream, from the file's beginning and ever onward.

    Where a stream's times start over, or jump ahead further than can be meant, they go on from where they were; the
    file's other streams jump by the same when they get there, so that all stay together.

    Attributes:
        starts: what is taken off, jump by jump; shared by the streams of a file.
    """

    origin_seconds: float
    starts: list[float]
    _place: int = 0
    _before_gap_seconds: float | None = None

    def told(self, ticks: int, time_base: Fraction, last_seconds: float | None, following_seconds: float) -> float:
        """The time of a frame, given that of the last one and what would follow it."""
        told = float(ticks * time_base) - self.origin_seconds
        while last_seconds is not None and self._jumps(told - self.starts[self._place], last_seconds):
            self._place += 1
            if self._place == len(self.starts):
                self.starts.append(told - following_seconds)
        found = told - self.starts[self._place]
        if last_seconds is not None and found > last_seconds + MAX_BACK_SECONDS:
            self._before_gap_seconds = last_seconds
        return found

    def _jumps(self, told_seconds: float, last_seconds: float) -> bool:
        """Back behind a gap is no new clock: the frame after the gap had a wrong time."""
        if told_seconds > last_seconds + MAX_GAP_SECONDS:
            return True
        is_back = told_seconds < last_seconds - MAX_BACK_SECONDS
        return is_back and (self._before_gap_seconds is None or told_seconds < self._before_gap_seconds)
