"""Classified items as a person reads them."""

from __future__ import annotations

from collections.abc import Iterator

from avmatch.core.scenes import SceneResult

_CARRIED = {
    "audio": "by its sound",
    "video": "by its picture",
    "both": "by either side",
    "together": "by both together",
}


def scene_sentence(result: SceneResult) -> str:
    """The label, how probable, what carried it, and what is missing."""
    missing = "; ".join(f"{side} {why}" for side, why in result.missing.items())
    if result.label is None:
        return f"nothing to classify: {missing}"
    told = f"{result.label}, {result.probability:.2f}, {_CARRIED[result.carried_by]}"
    return f"{told}; {missing}" if missing else told


def timeline_lines(result: SceneResult) -> Iterator[str]:
    """A line a stretch."""
    for span in result.timeline:
        yield f"  {span.begin_seconds:8.1f} s to {span.end_seconds:8.1f} s  {span.label}, {span.probability:.2f}"
