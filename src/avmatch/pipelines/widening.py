"""Search farther where nothing fits near: recordings may have been started minutes apart.

    ±1 s → ±10 s → ±60 s → as far as picture and sound overlap

A wider range is only asked where the narrower answer isn't `ok`, and only its `ok` counts: among more offsets a foreign
sound finds better ones by chance, so the posterior mass at the peak that `ok` needs is harder to reach the wider the
range is (alignment/offset.py; figures in docs/experiments/first_hour.md). Where no range gives that, the first answer
stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from avmatch.core.log import logger

if TYPE_CHECKING:
    from avmatch.pipelines.sync import Measured

LADDER_SECONDS = (10.0, 60.0)
#: So much of picture and sound lies side by side at the farthest offset; and no range is wider than this.
LEAST_OVERLAP_SECONDS, MOST_SECONDS = 1.0, 3600.0
#: A range that is hardly wider than the one before isn't worth a search; nor one that takes minutes: the cost goes with
#: the length of the picture times the range, and this much takes one.
LEAST_GAIN, MOST_SQUARE_SECONDS = 1.5, 200_000.0


def ranges(picture_seconds: float, sound_seconds: float, first_seconds: float) -> Iterator[float]:
    """The wider ranges to try, in their order, for a picture and a sound that last so long."""
    whole = min(max(picture_seconds, sound_seconds) - LEAST_OVERLAP_SECONDS, MOST_SECONDS)
    reach = first_seconds
    for step in (*LADDER_SECONDS, whole):
        if reach * LEAST_GAIN <= step <= whole and picture_seconds * step <= MOST_SQUARE_SECONDS:
            yield step
            reach = step


def within_a_range(measure: Callable[[float], Measured], first_seconds: float, wider: Iterable[float]) -> Measured:
    """What is said within the first range that gives an `ok`; else what is said within the first of all.

    Args:
        measure: what is said of a picture and a sound within a range.
        wider: the ranges to try after the first.
    """
    found = measure(first_seconds)
    if found.result.status in ("ok", "failed"):
        return found
    for reach in wider:
        logger.info("%s: %s within ±%g s; up to ±%g s:", found.result.path, found.result.status, first_seconds, reach)
        farther = measure(reach)
        if farther.result.status == "ok":
            return replace(farther, result=replace(farther.result, searched_seconds=reach))
    return found
