"""Say which class items belong to, by audio and video together.

    files → features → network → probabilities → label, which side carried it, a timeline

A side that is missing or broken is a normal case: the other one answers, and the result says so. An item with both is
classified three times, whole and by each side alone, which shows the side that its label rests on; items much longer
than those of the training are classified window by window as well.

Letters in shapes: N items, K classes, T steps.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from avmatch.core.errors import UsageError
from avmatch.core.results import Progress
from avmatch.data.items import Pairs, absent
from avmatch.systems.scenes.media import Usable, scenes_for, usable
from avmatch.systems.scenes.runtime import CarriedBy, Clip, SceneModel, SceneResult, Span, load_scenes

#: Items of so many windows and more have a timeline.
TIMELINE_WINDOWS = 2
#: By whether the audio alone has the same label, and the video alone.
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
    every = scenes_for(loaded, files, cache_dir, progress)
    return tuple(itertools.chain.from_iterable(scene_results(loaded, scenes) for scenes in every))


def scene_results(model: SceneModel, scenes: Pairs) -> list[SceneResult]:
    """One for each item."""
    labels, results = model.description.labels, []
    for found in usable(model, scenes):
        whole = model.probabilities(found.audio, found.video)
        columns = (found.names, found.audio, found.video, found.missing, whole, _carriers(model, found, whole))
        for name, audio, video, missing, own, carrier in zip(*columns, strict=True):
            if carrier:
                probabilities = dict(zip(labels, own.tolist(), strict=True))
                spans = timeline(model, audio, video)
                results.append(SceneResult(name, labels[int(own.argmax())], probabilities, carrier, missing, spans))
            else:
                results.append(SceneResult(name, None, missing=missing))
    return results


def timeline(model: SceneModel, audio: Clip, video: Clip) -> tuple[Span, ...]:
    """Stretches with one label: windows as long as those of the training, each half over the one before.

    Where both sides are missing, there is no stretch.
    """
    described = model.description
    length, window = max(len(audio), len(video)), described.window_steps
    if length < TIMELINE_WINDOWS * window:
        return ()
    hop = max(1, window // 2)
    starts = [*range(0, length - window, hop), length - window]
    cut = [[clip[start : start + window] for start in starts] for clip in (audio, video)]
    there = [not all(np.isnan(side).all() for side in sides) for sides in zip(*cut, strict=True)]
    # Each window stands for the hop around its middle; the first and the last also for the ends.
    edges = [0.0, *(start + (window - hop) / 2 for start in starts[1:]), float(length)]
    probabilities = model.probabilities(*cut)
    best = np.where(there, probabilities.argmax(axis=1), -1)
    cuts = [0, *(np.flatnonzero(np.diff(best)) + 1), len(best)]
    return tuple(
        Span(
            edges[begin] / described.rate_hz,
            edges[end] / described.rate_hz,
            described.labels[best[begin]],
            float(probabilities[begin:end, best[begin]].mean()),
        )
        for begin, end in itertools.pairwise(cuts)
        if best[begin] >= 0
    )


def _carriers(model: SceneModel, found: Usable, whole: Float[np.ndarray, "N K"]) -> list[CarriedBy]:
    """Which side of each item names its label alone; "" where neither is there."""
    there = [(len(audio) > 0, len(video) > 0) for audio, video in zip(found.audio, found.video, strict=True)]
    carriers: list[CarriedBy] = ["audio" if audio else "video" if video else "" for audio, video in there]
    rows = [row for row, sides in enumerate(there) if all(sides)]
    nothing = [absent()] * len(rows)
    by_audio = model.probabilities([found.audio[row] for row in rows], nothing)
    by_video = model.probabilities(nothing, [found.video[row] for row in rows])
    agree = [alone.argmax(axis=1) == whole[rows].argmax(axis=1) for alone in (by_audio, by_video)]
    for row, audio, video in zip(rows, *(side.tolist() for side in agree), strict=True):
        carriers[row] = _CARRIERS[audio, video]
    return carriers
