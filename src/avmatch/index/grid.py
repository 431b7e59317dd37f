"""A file → windows of ten seconds, each beginning in the middle of the one before.

A file that is hardly longer than a window is one. The last window ends where the file does.
"""

from dataclasses import dataclass

WINDOW_SECONDS, HOP_SECONDS = 10.0, 5.0
#: A file up to this length is one window.
WHOLE_SECONDS = 12.5


@dataclass(frozen=True)
class Window:
    """A stretch of a file, in seconds from its beginning."""

    begin_seconds: float
    end_seconds: float

    @property
    def length_seconds(self) -> float:
        """How long it lasts."""
        return self.end_seconds - self.begin_seconds


def num_windows(duration_seconds: float) -> int:
    """How many a file of this length has."""
    if duration_seconds <= WHOLE_SECONDS:
        return 1
    return 1 + int((duration_seconds - WINDOW_SECONDS) / HOP_SECONDS + 0.5)


def window(number: int, duration_seconds: float) -> Window:
    """The window `number` of a file, from 0 on."""
    if not 0 <= number < num_windows(duration_seconds):
        raise ValueError(f"window {number} of {num_windows(duration_seconds)}")
    begin = number * HOP_SECONDS
    is_last = number == num_windows(duration_seconds) - 1
    return Window(begin, duration_seconds if is_last else begin + WINDOW_SECONDS)


def windows(duration_seconds: float) -> list[Window]:
    """All windows of a file."""
    return [window(number, duration_seconds) for number in range(num_windows(duration_seconds))]
