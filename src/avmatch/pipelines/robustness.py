"""How far do `match` and `sync` hold on clips whose sound or picture gets worse?

    clips in sync → features as they are → for each cell of the grid: degraded features → `match` and `sync` → figures

What is measured is what a person would get: `match` and `sync` themselves run on the clips, with a folder of features
for their cache that holds degraded ones (evaluation/degrading.py).

`match` has all clips in its gallery, and doesn't look at durations, which no degradation changes. Of a foreign sound
the own recordings are missing from it: the clips are halved, and the pictures of each half meet the sounds of the
other. For `sync` each sound is moved by a known amount: where clips are in sync, an answer that knows nothing would be
right.

A file's own sound is as late as its source left it. Its zero is where `sync` finds it as it is, if that is ok and at
most ZERO_WITHIN_SECONDS away; its errors are those of the shift between two copies. Otherwise, and of lists of pictures
and recordings, the offset is taken as the list says.

    OUT/robustness.csv, .json, .png    the figures
    OUT/cells/NAME.json                what was said of every clip; a cell that is there isn't measured again
    OUT/zeros.json                     the zero of every clip
    OUT/.avmatch-work                  decoded sounds and features, until the run ends
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import avmatch
from avmatch.analysis import store
from avmatch.analysis.features import Analyser, analyse_all
from avmatch.artifacts.model import open_model, shipped_models
from avmatch.core.errors import UsageError
from avmatch.core.files import strict_json, write_text_atomically
from avmatch.core.matches import Match
from avmatch.core.results import Failure, Progress, SyncResult
from avmatch.data.layouts import read_pair_list
from avmatch.data.manifest import Clip
from avmatch.evaluation.degradations import Cell, grid
from avmatch.evaluation.degrading import DegradedClips, Item, usable_items
from avmatch.matching.decision import MatchSettings
from avmatch.metrics.robustness import CellFigures, Trial, figures
from avmatch.pipelines.delivery import check_folders
from avmatch.pipelines.match import match
from avmatch.pipelines.models import models_with
from avmatch.pipelines.sync import sync_all
from avmatch.reports.robustness import figures_csv, figures_json, plot_figures

#: Sounds are moved by up to this much either way before `sync` measures them.
MOST_MOVED_SECONDS = 0.4
#: Where a clip is said to be in sync, a zero further away is none.
ZERO_WITHIN_SECONDS = 0.25
SEED = 0
WORK = ".avmatch-work"
_SETTINGS = MatchSettings(use_duration=False)
_DIGITS = 6


@dataclass(frozen=True)
class RobustnessResult:
    """What a run found.

    Attributes:
        cells: in the order of the grid, the clean one first.
        num_clips: that could be used.
        failures: files that couldn't.
        notes: remarks for a person.
    """

    cells: tuple[CellFigures, ...]
    num_clips: int
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Run:
    """What all cells of a run share."""

    degraded: DegradedClips
    model: str | Path | None
    made_by: str
    zeros: Mapping[str, float | None]


def robustness(
    data: str | Path,
    out: str | Path,
    conditions: Sequence[str] = (),
    *,
    model: str | Path | None = None,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> RobustnessResult:
    """Measure `match` and `sync` on the grid of degradations, and write tables and a picture into `out`.

    Args:
        data: a folder or list of clips in sync, or what `synth` wrote; picture and sound in one file or in two.
        conditions: of evaluation/degradations.py; () = all.
        model: as for `match` and `sync`.
        cache_dir: where the features of the clips as they are are kept; None = only until the run ends.
        progress: called with (stage, done, total).

    Raises:
        UsageError: fewer than two clips can be used, or there is no such condition.
        ModelError: the model can't be used.
    """
    folder, cells = Path(out), grid(conditions)
    check_folders(folder)
    towers = models_with(model).towers
    work = folder / WORK
    analyser = Analyser(cache_dir or work / "clean", towers, num_threads=1)
    items, failures, notes = usable_items(_clips(data), analyser, SEED, MOST_MOVED_SECONDS, progress)
    if len(items) < 2:
        why = f"; {failures[0].path}: {failures[0].message}" if failures else ""
        raise UsageError(f"{data}: a gallery needs two clips or more, and {len(items)} can be used{why}")
    if not any(item.has_face for item in items):
        notes += tuple(f"{cell.name}: left out, since no clip shows a face" for cell in cells if cell.needs_face)
        cells = tuple(cell for cell in cells if not cell.needs_face)
    made_by = _made_by(items, model)
    run = _Run(DegradedClips(items, analyser, work / made_by, SEED), model, made_by, {})
    run = replace(run, zeros=_zeros(run, folder / "zeros.json"))
    found = tuple(_cell_figures(cell, trials) for cell, trials in _measured(run, cells, folder / "cells", progress))
    write_text_atomically(folder / "robustness.csv", figures_csv(found))
    write_text_atomically(folder / "robustness.json", figures_json(found, _described(run, data)))
    plot_figures(found, folder / "robustness.png")
    shutil.rmtree(work, ignore_errors=True)
    return RobustnessResult(found, len(items), failures, notes)


def _clips(data: str | Path) -> tuple[Clip, ...]:
    """Whole files, either all with their own sound or all with another file's."""
    clips = read_pair_list(data)
    if piece := next((clip for clip in clips if clip.start_seconds or clip.duration_seconds), None):
        raise UsageError(
            f"{data}: {piece.video}: only whole files are degraded; cut its pieces into files of their own"
        )
    if len({clip.video == clip.audio for clip in clips}) > 1:
        raise UsageError(f"{data}: some clips have their own sound and some another file's; give lists of one kind")
    if len({clip.video for clip in clips}) < len(clips) or len({clip.audio for clip in clips}) < len(clips):
        raise UsageError(f"{data}: a file is named twice; every clip needs files of its own")
    return clips


def _made_by(items: Sequence[Item], model: str | Path | None) -> str:
    """Follows from all that the cells depend on: clips, models, and this program."""
    folders = [open_model(name).folder for name in (*sorted(shipped_models()), *([] if model is None else [model]))]
    graphs = [store.content_hash(path) for place in folders for path in sorted(place.rglob("*.onnx"))]
    settings = [SEED, MOST_MOVED_SECONDS, ZERO_WITHIN_SECONDS, asdict(_SETTINGS)]
    facts = [avmatch.__version__, store.FEATURES_VERSION, settings, graphs]
    clips = [[item.content, item.clip.path, item.clip.group, item.clip.offset_seconds] for item in items]
    return hashlib.blake2b(json.dumps([facts, clips]).encode(), digest_size=8).hexdigest()


def _zeros(run: _Run, place: Path) -> dict[str, float | None]:
    """Where `sync` finds the own sound of each clip, by its picture's path; None where it doesn't; kept."""
    record = _record(run, place)
    if record is not None and isinstance(kept := record.get("zeros"), dict):
        return kept
    said = {item.clip.video: item.clip.offset_seconds for item in run.degraded.items}
    zeros: dict[str, float | None] = dict.fromkeys(said)
    cache = run.degraded.analyser.cache_dir
    assert cache is not None
    own = [(item, item) for item in run.degraded.items if item.clip.video == item.clip.audio]
    for video, found in _synced(run, own, cache).items():
        offset = found.offset_seconds
        if found.status == "ok" and offset is not None and abs(offset - said[video]) <= ZERO_WITHIN_SECONDS:
            zeros[video] = round(offset, _DIGITS)
    _keep(run, place, {"zeros": zeros})
    return zeros


def _measured(
    run: _Run, cells: Sequence[Cell], folder: Path, progress: Progress | None
) -> Iterator[tuple[Cell, list[Trial]]]:
    """What was said of every clip in each cell: read back where it is kept, else found and kept."""
    kept = {cell: _kept(run, cell, folder) for cell in cells}
    run.degraded.degrade_pictures([cell for cell in cells if cell.picture and kept[cell] is None], progress)
    for done, cell in enumerate(cells, start=1):
        if kept[cell] is None:
            trials = _trials(run, cell, progress)
            record = {"cell": cell.name, "trials": [_rounded(trial) for trial in trials]}
            _keep(run, folder / f"{cell.file_name}.json", record)
            run.degraded.forget(cell)
        if progress is not None:
            progress("cells", done, len(cells))
        yield cell, _kept(run, cell, folder) or []


def _kept(run: _Run, cell: Cell, folder: Path) -> list[Trial] | None:
    """The trials of an earlier run on the same clips with the same models; None where there are none."""
    record = _record(run, folder / f"{cell.file_name}.json")
    try:
        return None if record is None else [Trial(**trial) for trial in record["trials"]]
    except (KeyError, TypeError):
        return None


def _keep(run: _Run, place: Path, record: Mapping[str, object]) -> None:
    write_text_atomically(place, strict_json({"made_by": run.made_by, **record}, indent=1) + "\n")


def _record(run: _Run, place: Path) -> dict[str, Any] | None:
    """What `_keep` wrote of the same clips with the same models; None where there is nothing."""
    try:
        record = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and record.get("made_by") == run.made_by else None


def _rounded(trial: Trial) -> dict[str, object]:
    return {name: round(value, _DIGITS) if isinstance(value, float) else value for name, value in asdict(trial).items()}


def _trials(run: _Run, cell: Cell, progress: Progress | None) -> list[Trial]:
    """Run `match` and `sync` on a cell."""
    cache = run.degraded.fill(cell, progress)
    items = run.degraded.items
    if cell.is_foreign:
        pairs = _foreign(items)
        matches = {found.video: found for half in _halves(items) for found in _matches(run, *half, cache)}
        measured = _synced(run, pairs, cache)
    else:
        matches = {found.video: found for found in _matches(run, items, items, cache)}
        measured = _synced(run, [(item, item) for item in items], run.degraded.moved(cell))
    _check_untouched(run, cell)
    counted = [item for item in items if item.has_face or not cell.needs_face]
    return [
        _trial(run, item, matches[item.clip.video], measured[item.clip.video], is_foreign=cell.is_foreign)
        for item in counted
    ]


def _matches(run: _Run, videos: Sequence[Item], sounds: Sequence[Item], cache: Path) -> tuple[Match, ...]:
    return match(
        [item.clip.video for item in videos],
        [item.clip.audio for item in sounds],
        _SETTINGS,
        model=run.model,
        cache_dir=cache,
    ).matches


def _synced(run: _Run, pairs: Sequence[tuple[Item, Item]], cache: Path) -> dict[str, SyncResult]:
    """What `sync` says of each picture with the sound of another item, or its own."""
    sounds = {picture.clip.video: sound.clip.audio for picture, sound in pairs}
    own = [video for video, audio in sounds.items() if video == audio]
    found = dict(zip(own, sync_all(own, model=run.model, cache_dir=cache), strict=True))

    def measure(video: str) -> SyncResult:
        (answer,) = sync_all([video], audio=sounds[video], model=run.model, cache_dir=cache)
        return answer

    others = [video for video in sounds if video not in found]
    for video, answer in zip(others, analyse_all(measure, others, "offsets"), strict=True):
        if isinstance(answer, Failure):
            raise UsageError(f"{video}: {answer.message}; run again, what is done is kept")
        found[video] = answer
    return found


def _check_untouched(run: _Run, cell: Cell) -> None:
    """Whatever `match` and `sync` looked at must have been in their cache: else they saw the files as they are."""
    expected = 2 * len(run.degraded.items)
    for num in run.degraded.num_entries(cell):
        assert num == expected, f"{cell.name}: {num} features in a cache instead of {expected}"


def _foreign(items: Sequence[Item]) -> list[tuple[Item, Item]]:
    """Each item with another one whose sound it gets: of another recording where there is one."""
    rng = Cell("pairs").rng(SEED, "")
    order = rng.permutation(len(items)).tolist()
    pairs = []
    for place, number in enumerate(order):
        later = [items[order[(place + step) % len(order)]] for step in range(1, len(order))]
        others = [other for other in later if other.clip.group != items[number].clip.group]
        pairs.append((items[number], (others or later)[0]))
    return pairs


def _halves(items: Sequence[Item]) -> tuple[tuple[list[Item], list[Item]], tuple[list[Item], list[Item]]]:
    """The pictures of each half with the sounds of the other; recordings stay together where there are two or more."""
    groups = sorted({item.clip.group for item in items})
    names = groups if len(groups) > 1 else [item.content for item in items]
    chosen = {names[number] for number in Cell("halves").rng(SEED, "").permutation(len(names))[: len(names) // 2]}
    first = [item for item in items if (item.clip.group if len(groups) > 1 else item.content) in chosen]
    second = [item for item in items if item not in first]
    return (first, second), (second, first)


def _trial(run: _Run, item: Item, found: Match, measured: SyncResult, *, is_foreign: bool) -> Trial:
    zero = run.zeros[item.clip.video]
    truth = (item.clip.offset_seconds if zero is None else zero) + item.moved_seconds
    offset = measured.offset_seconds
    return Trial(
        video=item.clip.video,
        group=item.clip.group,
        audio=found.audio,
        is_right=None if is_foreign else found.audio == item.clip.audio,
        confidence=0.0 if found.audio is None else found.confidence,
        status=measured.status,
        sync_confidence=measured.confidence,
        belongs=measured.belongs,
        offset_seconds=offset,
        error_seconds=None if is_foreign or offset is None else offset - truth,
        is_shift=zero is not None,
    )


def _cell_figures(cell: Cell, trials: Sequence[Trial]) -> CellFigures:
    return CellFigures(cell.condition, cell.level, figures(trials, SEED), cell.is_step)


def _described(run: _Run, data: str | Path) -> dict[str, object]:
    return {
        "data": str(data),
        "model": None if run.model is None else str(run.model),
        "version": avmatch.__version__,
        "num_clips": len(run.degraded.items),
        "moved_seconds": MOST_MOVED_SECONDS,
        "seed": SEED,
    }
