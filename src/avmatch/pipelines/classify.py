"""Say which class items belong to, by what is heard and what is seen together.

    files → features → network → probabilities → label, which side carried it, a timeline

A side that is missing or broken is a normal case: the other one answers, and the result says so. An item with both is
classified three times, whole and by each side alone, to tell which side its label rests on; items much longer than
those that the model learned from are classified window by window as well.

Letters in shapes: N items, K classes, T steps.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from avmatch.core.errors import MediaError, ModelError, UsageError
from avmatch.core.progress import Progress
from avmatch.core.scenes import CarriedBy, SceneResult, Span
from avmatch.datasets import clips
from avmatch.datasets.items import Items
from avmatch.datasets.layouts import is_media, list_scene_files
from avmatch.datasets.manifest import is_table
from avmatch.datasets.pairs import read_clips, read_scenes
from avmatch.datasets.scene_items import SIDES, Scenes, Side, absent, whole_steps
from avmatch.encoders.scenes import Clip, SceneModel, load_scenes
from avmatch.pipelines.scene_media import media_scenes

#: Items of so many windows and more have a timeline.
TIMELINE_WINDOWS = 2
#: Items that are in memory at once, of sets that lie on the disk.
BLOCK = 512
#: By whether the sound alone names the label, and the picture alone.
_CARRIERS: dict[tuple[bool, bool], CarriedBy] = {
    (True, True): "both",
    (True, False): "audio",
    (False, True): "video",
    (False, False): "together",
}


@dataclass(frozen=True, eq=False)
class Usable:
    """The sides of each item as far as a model takes them, and why it can't, by item and side that it looks at."""

    names: tuple[str, ...]
    audio: list[Clip]
    video: list[Clip]
    missing: list[dict[str, str]]


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
            (datasets/pairs.py). For a model of media: media files, folders and tables of them.
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


def scenes_for(
    model: SceneModel,
    files: Sequence[str | Path],
    cache_dir: Path | None = None,
    progress: Progress | None = None,
    split: str | None = None,
) -> list[Scenes]:
    """The items that arguments name, as the model takes them."""
    if not model.description.front_end:
        if media := next((file for file in files if Path(file).is_file() and is_media(Path(file))), None):
            raise UsageError(f"{media}: is media, and {model.description.model} takes features that others computed")
        scenes: list[Scenes] = []
        for is_clip, group in itertools.groupby(files, _is_clip):
            named = [os.fspath(file) for file in group]
            scenes += [read_clips(named)] if is_clip else [read_scenes(path, split) for path in named]
        return scenes
    listed: list[clips.Clip] = []
    for path in map(Path, files):
        found = list_scene_files(path, split) or _media_file(path)
        if not found:
            raise UsageError(f"{path}: {model.description.model} takes media files, and folders and tables of them")
        listed += found
    return [media_scenes(listed, model.description.front_end, cache_dir, progress)]


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


def usable(model: SceneModel, scenes: Scenes) -> Iterator[Usable]:
    """The items, block by block, so that large sets needn't fit into the memory.

    Sides with other features than the model's, or that it doesn't look at, are as good as missing.

    Raises:
        ModelError: no item of a block has features that the model takes.
    """
    told = {(fault.name, fault.side): fault.message for fault in scenes.faults}
    for begin in range(0, len(scenes.pairs), BLOCK):
        rows = range(begin, min(begin + BLOCK, len(scenes.pairs)))
        names = scenes.pairs.names[begin : rows.stop]
        missing: list[dict[str, str]] = [{} for _ in names]
        sides: dict[Side, list[Clip]] = {side: [absent()] * len(names) for side in SIDES}
        for side in model.description.sides:
            read = [_steps(getattr(scenes.pairs, side), row) for row in rows]
            unfit = [model.fits(side, clip) for clip, _ in read]
            if all(unfit):
                raise ModelError(f"{names[0]}: its {side} {unfit[0]}")
            for place, (name, (clip, gone)) in enumerate(zip(names, read, strict=True)):
                sides[side][place] = absent() if unfit[place] else clip
                if why := unfit[place] or told.get((name, side), gone):
                    missing[place][side] = why
        yield Usable(names, sides["audio"], sides["video"], missing)


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


def _steps(items: Items, row: int) -> tuple[Clip, str]:
    """A side's steps, none where not one of them is there, and why."""
    try:
        steps = whole_steps(items[row])
    except MediaError as error:
        return absent(), error.message
    return (absent(), "missing") if np.isnan(steps).all() else (steps, "")


def _is_clip(file: str | Path) -> bool:
    return Path(file).suffix.lower() == ".npz"


def _media_file(path: Path) -> tuple[clips.Clip, ...]:
    return (clips.Clip(str(path), str(path), str(path)),) if path.is_file() and not is_table(path) else ()
