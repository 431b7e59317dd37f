"""Say which class items belong to, by what is heard and what is seen together.

    files → features → network → probabilities → label, which side carried it, a timeline

A side that is missing or broken is a normal case: the other one answers, and the result says so. An item with both is
classified three times, whole and by each side alone, to tell which side its label rests on; items much longer than
those that the model learned from are classified window by window as well.

Letters in shapes: N items, K classes, T steps.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from avmatch.core.errors import UsageError
from avmatch.core.results import Progress
from avmatch.data.items import Scenes, absent
from avmatch.systems.scenes.media import Usable, scenes_for, usable
from avmatch.systems.scenes.runtime import CarriedBy, Clip, SceneModel, SceneResult, Span, load_scenes

#: Items of so many windows and more have a timeline.
TIMELINE_WINDOWS = 2
#: By whether the sound alone names the label, and the picture alone.
_CARRIERS: dict[tuple[bool, bool], CarriedBy] = {
    (True, True): "both",
    (True, False): "audio",
    (False, True): "video",
    (False, False): "together",
}


def classify(
    files: Sequence[str | Path],
    model: str | Path,
    *,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> tuple[SceneResult, ...]:
    """The label of every item.

    Args:
        files: for a model of features: `.npz` of one clip with `audio` and `video` (T, F), packed folders, TAU, tables
            (data/pairs.py). For a model of media: media files, folders and tables of them.
        model: a run of a `scene_…` recipe, or an exported folder.
        cache_dir: where the analysis of media is kept; None = nowhere.
        progress: called with (stage, done, total).

    Raises:
        UsageError: no files, or such as the model doesn't take.
        ModelError: the model can't be used.
    """
    if not files:
        raise UsageError("nothing to classify; name files")
    loaded = load_scenes(model)
    results: list[SceneResult] = []
    for scenes in scenes_for(loaded, files, cache_dir, progress):
        results += scene_results(loaded, scenes)
    return tuple(results)


def scene_results(model: SceneModel, scenes: Scenes) -> list[SceneResult]:
    """One for each item."""
    labels = model.description.labels
    results = []
    for found in usable(model, scenes):
        whole = model.probabilities(found.audio, found.video)
        items = zip(
            found.names, found.audio, found.video, found.missing, whole, _carriers(model, found, whole), strict=True
        )
        for name, audio, video, missing, own, carrier in items:
            if not carrier:
                results.append(SceneResult(name, None, missing=missing))
                continue
            probabilities = dict(zip(labels, map(float, own), strict=True))
            spans = timeline(model, audio, video)
            results.append(SceneResult(name, labels[int(own.argmax())], probabilities, carrier, missing, spans))
    return results


def timeline(model: SceneModel, audio: Clip, video: Clip) -> tuple[Span, ...]:
    """Stretches with one label: windows as long as what the model learned from, each half over the one before.

    Where there is nothing to look at, there is no stretch.
    """
    told = model.description
    length, window = max(len(audio), len(video)), told.window_steps
    if length < TIMELINE_WINDOWS * window:
        return ()
    hop = max(1, window // 2)
    starts = [*range(0, length - window, hop), length - window]
    cut = [[clip[start : start + window] for start in starts] for clip in (audio, video)]
    there = [not all(np.isnan(side).all() for side in sides) for sides in zip(*cut, strict=True)]
    # Each window speaks for the hop around its middle; the first and the last also for the ends.
    edges = [0.0, *(start + (window - hop) / 2 for start in starts[1:]), float(length)]
    return _spans(model.probabilities(*cut), there, [edge / told.rate_hz for edge in edges], told.labels)


def _spans(
    found: Float[np.ndarray, "W K"], there: Sequence[bool], edges_seconds: Sequence[float], labels: Sequence[str]
) -> tuple[Span, ...]:
    best = np.where(there, found.argmax(axis=1), -1)
    cuts = [0, *(np.flatnonzero(np.diff(best)) + 1), len(best)]
    return tuple(
        Span(
            float(edges_seconds[begin]),
            float(edges_seconds[end]),
            labels[best[begin]],
            float(found[begin:end, best[begin]].mean()),
        )
        for begin, end in itertools.pairwise(cuts)
        if best[begin] >= 0
    )


def _carriers(model: SceneModel, found: Usable, whole: Float[np.ndarray, "N K"]) -> list[CarriedBy]:
    """Which side of each item names its label alone; "" where neither is there."""
    there = [(len(audio) > 0, len(video) > 0) for audio, video in zip(found.audio, found.video, strict=True)]
    carriers: list[CarriedBy] = ["audio" if hears else "video" if sees else "" for hears, sees in there]
    rows = [row for row, sides in enumerate(there) if all(sides)]
    nothing = [absent()] * len(rows)
    heard = model.probabilities([found.audio[row] for row in rows], nothing).argmax(axis=1)
    seen = model.probabilities(nothing, [found.video[row] for row in rows]).argmax(axis=1)
    best = whole[rows].argmax(axis=1)
    for row, by_sound, by_picture in zip(rows, heard == best, seen == best, strict=True):
        carriers[row] = _CARRIERS[bool(by_sound), bool(by_picture)]
    return carriers
