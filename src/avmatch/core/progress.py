"""What a long job reports as it goes on."""

from __future__ import annotations

from collections.abc import Callable

#: Called with (stage, done, total).
Progress = Callable[[str, int, int], None]
