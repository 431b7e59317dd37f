"""Collisions on simulated sets: the three tasks, what each part is worth, noise and damaged masks, with intervals.

    python benchmarks/collision.py WORK [--per-class 200] [--seeds 0 1 2] [--segments FILE] [--stages main towers …]
    python benchmarks/collision.py WORK --per-class 20 --seeds 0 --sounds 100 --groups 4 --epochs 5

For each seed a set is simulated in WORK, and the system trained on it. Stages, in this order; each leaves its figures
in WORK/seed-<n>/<stage>.json and is not done again, so that a stopped benchmark goes on:

    main      tasks 1, 2 and 3 as `avmatch collide` answers them; two stages; distance alone, cues alone
    towers    the pairs of tasks 2 and 3 assigned inside their class, a few at a time, by distance alone: MLP and
              3D CNN, λ and not (as the system has it), a metric a class; class by class
    damage    the tasks under white noise at 20, 10 and 0 dB, and with masks damaged
    loud      at −5 and −10 dB, below what the system was trained in
    folds     task 1 cross-validated: the classifier trained on every fold's complement
    pictures  trajectories, spectrogram and matrix, in WORK/seed-<n>/pictures

`--clean` deletes a seed's set when its stages are done. Intervals: 95 %, bootstrapped over groups (task 2 and 3),
sounds (task 1) or impacts; where there are several seeds, Student's t over them beside it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from collision_scores import alone_score, hits
from paired import student_interval
from scipy.spatial.distance import cdist

from avmatch.artifacts.model import open_model
from avmatch.core.features import AudioSamples
from avmatch.core.files import write_text_atomically
from avmatch.data.splits import split_by_group
from avmatch.metrics.intervals import bootstrap_interval
from avmatch.reports.plots import new_figure, save_figure, set_head
from avmatch.reports.report import markdown_table
from avmatch.systems.collisions.data import CLASSES, Video, list_task, read_sound, read_video, video_number
from avmatch.systems.collisions.features import (
    Bands,
    SoundFeatures,
    VideoFeatures,
    noisy,
    num_processors,
    prepared,
    sound_features,
    video_features,
)
from avmatch.systems.collisions.frontends import centroid, fitted, log_bands, spectrogram
from avmatch.systems.collisions.matching import ImpactScorer, KnownImpacts, encoded, fit_scorer, partners
from avmatch.systems.collisions.recipe import collision_3dcnn, collision_centroid
from avmatch.systems.collisions.runtime import METRIC_GRAPH, METRICS, load_collisions, load_network
from avmatch.systems.collisions.simulator.folder import TiltConfig, synthesise_collisions
from avmatch.systems.collisions.stages import collision, known_impacts, train_system
from avmatch.training.config import TrainConfig, override
from avmatch.training.loop import train

Figures = dict[str, dict[str, float]]
Change = Callable[[AudioSamples, np.random.Generator], AudioSamples]
MaskChange = Callable[[Video, np.random.Generator], Video]
DRAWS, DRAWN = 50, 5
#: λ that gives one pair the weight of its three negatives; the towers are compared with it.
BALANCED = "task.weight=0.75"


@dataclass(frozen=True)
class Bench:
    """One seed's folder and settings."""

    folder: Path
    tilt: TiltConfig
    epochs: int | None

    @property
    def dataset(self) -> Path:
        """Where the set is; it is made where it isn't there."""
        out = self.folder / "set"
        if not (out / "truth.json").is_file():
            shutil.rmtree(out / "dataset", ignore_errors=True)
            begun = time.monotonic()
            num = synthesise_collisions(out, self.tilt)
            print(f"{num} segments simulated in {time.monotonic() - begun:.0f} s", flush=True)
        return out

    @property
    def run(self) -> Path:
        """The trained system."""
        out = self.folder / "run"
        if not (out / "model" / "card.md").is_file():
            dataset, begun = self.dataset, time.monotonic()
            system = collision(seed=self.tilt.seed, epochs=self.epochs)
            train_system(system, dataset, out, resume=out.is_dir(), command="benchmarks/collision.py")
            print(f"trained in {time.monotonic() - begun:.0f} s", flush=True)
        return out

    def known(self) -> KnownImpacts:
        """The training impacts, as this system's networks see those held back."""
        return known_impacts(self.run, prepared(self.run / "features", self.folder, Bands()))

    def truth(self, task: int) -> dict:
        """By the sound's name; in tasks 2 and 3 by group."""
        return json.loads((self.dataset / "truth.json").read_text())[f"task{task}"]


@dataclass(frozen=True, eq=False)
class Heap:
    """One group: its name, the names of its sounds, the numbers of its videos, and what the networks are given."""

    name: str
    sound_names: tuple[str, ...]
    video_numbers: np.ndarray
    videos: list[VideoFeatures]
    sounds: list[SoundFeatures]


def groups_of(
    bench: Bench, task: int, change: Change | None = None, mask_change: MaskChange | None = None
) -> Iterator[Heap]:
    """A task's groups, changed where asked."""
    description = load_collisions(bench.run).sound_classes.description
    for group in list_task(bench.dataset, task)[0]:
        rng = np.random.default_rng([bench.tilt.seed, task, int(group.name or 0)])
        sounds = []
        for path in group.sounds:
            sound, _ = read_sound(path)
            changed = sound if change is None else change(sound, rng)
            sounds.append(sound_features(changed, Bands(description.bins, description.ticks)))
        videos = []
        for files in group.videos:
            video = read_video(files)
            videos.append(video_features(video if mask_change is None else mask_change(video, rng)))
        numbers = np.array([video_number(files) for files in group.videos], np.int64)
        yield Heap(group.name, tuple(path.name for path in group.sounds), numbers, videos, sounds)


def answers(sounds: tuple[str, ...], numbers: np.ndarray, partner: np.ndarray) -> dict[str, int]:
    """As in answers.json."""
    given = np.full(len(sounds), -1)
    given[partner[partner >= 0]] = numbers[partner >= 0]
    return dict(zip(sounds, given.tolist(), strict=True))


def interval(values: np.ndarray, group: np.ndarray | None = None) -> dict[str, float]:
    """The mean with its bootstrap interval."""
    if group is not None and len(np.unique(group)) < 2:
        group = None
    reach = bootstrap_interval(np.asarray(values, float), 0, group=group)
    return {"value": float(np.mean(values)), "low": reach.low, "high": reach.high}


def tasks(bench: Bench, scorers: dict[str, ImpactScorer], **changes: object) -> Figures:
    """All tasks by each of the scorers; the first one's two-stage answers beside them."""
    found: Figures = {}
    system = load_collisions(bench.run)
    if bench.tilt.num_sounds:
        (heap,) = groups_of(bench, 1, changes.get("change"))
        impacts = encoded(system, heap.videos, heap.sounds)
        said = dict(zip(heap.sound_names, impacts.sound_logits.argmax(axis=1).tolist(), strict=True))
        found["task 1: accuracy"] = interval(hits(said, bench.truth(1)))
    for task in (2, 3):
        read = [(heap, encoded(system, heap.videos, heap.sounds)) for heap in groups_of(bench, task, **changes)]
        ways = [(name, scorer, False) for name, scorer in scorers.items()]
        ways.append((f"{ways[0][0]}, two stages", ways[0][1], True))
        for name, scorer, is_staged in ways:
            found |= _of_task(bench.truth(task), task, name, scorer, is_staged, read)
    return found


def _of_task(truth: dict, task: int, name: str, scorer: ImpactScorer, is_staged: bool, read: list) -> Figures:
    said, right, group = {}, [], []
    for place, (heap, impacts) in enumerate(read):
        complete = task == 2
        if is_staged:
            partner = scorer.two_stage(impacts, complete=complete)
        else:
            partner = partners(scorer.scores(impacts), complete=complete, threshold_nats=scorer.threshold_nats)
        said[heap.name] = answers(heap.sound_names, heap.video_numbers, partner)
        is_paired = np.array([number >= 0 for number in truth[heap.name].values()])
        right.append(hits(said[heap.name], truth[heap.name])[is_paired])
        group.append(np.full(is_paired.sum(), place))
    found = {f"task {task}: right pairs ({name})": interval(np.concatenate(right), np.concatenate(group))}
    if task == 3:
        f1 = [alone_score(said[folder], truth[folder]).f1 for folder in truth]
        found[f"task 3: F1 of −1 ({name})"] = interval(np.array(f1))
    return found


def main_stage(bench: Bench) -> Figures:
    """The three tasks, and what distance and cues are worth alone."""
    known = bench.known()
    share = bench.tilt.alone_share
    scorers = {
        "all": fit_scorer(known, alone_share=share),
        "distance": fit_scorer(known, alone_share=share, use_cue=False),
        "cues": fit_scorer(known, alone_share=share, use_distance=False),
        "class": fit_scorer(known, alone_share=share, use_distance=False, use_cue=False),
    }
    return tasks(bench, scorers)


def towers_stage(bench: Bench) -> Figures:
    """In-class assignment of the tests' pairs, DRAWN of a class at a time, by distance."""
    pairs, label = test_pairs(bench)
    systems = {
        "MLP without λ": collision_centroid(),
        "MLP": override(collision_centroid(), [BALANCED]),
        "3D CNN": override(collision_3dcnn(), [BALANCED]),
    }
    found: Figures = {}
    for name, config in systems.items():
        distance = _distances(bench, name, config, pairs)
        found |= {f"{name}: {part}": value for part, value in _assigned(distance, label).items()}
    own = np.full((len(label), len(label)), np.inf)
    for one in range(len(CLASSES)):
        rows = np.flatnonzero(label == one)
        config = override(collision_centroid(), [BALANCED, f"task.only={one}"])
        own[np.ix_(rows, rows)] = _distances(bench, f"MLP of class {one}", config, [pairs[row] for row in rows])
    return found | {f"MLP, one a class: {part}": value for part, value in _assigned(own, label).items()}


def test_pairs(bench: Bench) -> tuple[list[tuple[VideoFeatures, SoundFeatures]], np.ndarray]:
    """The pairs of tasks 2 and 3, which nothing was trained or chosen by, and the class that both classifiers say."""
    found = []
    for task in (2, 3):
        for heap in groups_of(bench, task):
            film_at = {number: place for place, number in enumerate(heap.video_numbers.tolist())}
            partner = [bench.truth(task)[heap.name][name] for name in heap.sound_names]
            found += [(heap.videos[film_at[one]], heap.sounds[row]) for row, one in enumerate(partner) if one >= 0]
    videos, sounds = zip(*found, strict=True)
    impacts = encoded(load_collisions(bench.run), videos, sounds)
    return found, (impacts.film_logits + impacts.sound_logits).argmax(axis=1)


def _distances(
    bench: Bench, name: str, config: TrainConfig, pairs: list[tuple[VideoFeatures, SoundFeatures]]
) -> np.ndarray:
    """From each film to each sound, by a metric that is trained where it isn't there."""
    is_own = config == collision_centroid()  # the system has it
    run = bench.run / METRICS if is_own else bench.folder / "towers" / name.replace(" ", "_")
    if bench.epochs is not None:
        config = replace(config, epochs=bench.epochs)
    config = replace(config, seed=bench.tilt.seed)
    if not (run / "model" / "card.md").is_file():
        begun = time.monotonic()
        train(config, bench.run / "features", run, resume=run.is_dir(), command="benchmarks/collision.py")
        print(f"{name}: trained in {time.monotonic() - begun:.0f} s", flush=True)
    model = open_model(run)
    film, sound = (load_network(model, METRIC_GRAPH.format(side)) for side in ("film", "sound"))
    shown = [one.path if film.description.side == "path" else one.masks for one, _ in pairs]
    return cdist(film(shown), sound([one.bands for _, one in pairs]))


def _assigned(distance: np.ndarray, label: np.ndarray) -> Figures:
    """Of each impact, how often it gets its own sound; over all, and class by class."""
    rng, right, drawn = np.random.default_rng(0), np.zeros(len(label)), np.zeros(len(label))
    for one in np.unique(label):
        rows = np.flatnonzero(label == one)
        for _ in range(DRAWS):
            chosen = rng.choice(rows, min(DRAWN, len(rows)), replace=False)
            right[chosen] += partners(-distance[np.ix_(chosen, chosen)], complete=True) == np.arange(len(chosen))
            drawn[chosen] += 1
    share, was_drawn = right / np.maximum(drawn, 1), drawn > 0
    found = {"all classes": interval(share[was_drawn])}
    for one in np.unique(label):
        found[CLASSES[one]] = interval(share[was_drawn & (label == one)])
    return found


def damage_stage(bench: Bench) -> Figures:
    """Noise and damaged masks."""
    found = _changed(bench, _noise(20, 10, 0) | {"masks damaged": {"mask_change": damaged}})
    return {name: value for name, value in found.items() if "masks damaged, task 1" not in name}


def loud_stage(bench: Bench) -> Figures:
    """Noise in which even classes are doubtful."""
    return _changed(bench, _noise(-5, -10))


def _noise(*levels_db: int) -> dict[str, dict[str, object]]:
    return {f"{one} dB": {"change": lambda sound, rng, level=one: noisy(sound, level, rng)} for one in levels_db}


def _changed(bench: Bench, changes: dict[str, dict[str, object]]) -> Figures:
    scorers = {"all": fit_scorer(bench.known(), alone_share=bench.tilt.alone_share)}
    found = {name: tasks(bench, scorers, **change) for name, change in changes.items()}
    return {f"{name}, {part}": value for name, figures in found.items() for part, value in figures.items()}


def damaged(film: Video, rng: np.random.Generator) -> Video:
    """A fifth of the masks is missing; of the others a part is bitten off, and a blob shows elsewhere."""
    masks, centroids = film.masks.copy(), film.centroids.copy()
    for place, mask in enumerate(masks):
        if rng.random() < 0.2:
            mask[:] = 0
        elif np.isfinite(centroids[place, 0]):
            x, y = centroids[place] + rng.normal(0, 12, 2)
            cv2.circle(mask, (int(x), int(y)), int(rng.integers(4, 12)), 0, -1)
            cv2.circle(mask, tuple(int(one) for one in rng.uniform(30, 410, 2)), int(rng.integers(2, 7)), 255, -1)
        centroids[place] = centroid(mask)
    return replace(film, masks=masks, centroids=centroids)


def folds_stage(bench: Bench) -> Figures:
    """Task 1's classifier on each fold, trained on the others to the last epoch: the fold chooses nothing."""
    base = collision(seed=bench.tilt.seed, epochs=bench.epochs).sound
    num_folds, right = base.task.num_folds, []
    seeds = {int(split_by_group(np.arange(num_folds), 1 / num_folds, seed)[1][0]): seed for seed in range(60)}
    for fold, seed in sorted(seeds.items()):
        run = bench.folder / "folds" / str(fold)
        config = replace(base, split_seed=seed, best_by="")
        result = train(config, bench.run / "features", run, resume=run.is_dir())
        right.append(result.metrics["accuracy"])
    reach = student_interval(np.array(right))
    return {"task 1 cross-validated": {"value": float(np.mean(right)), "low": reach.low, "high": reach.high}}


def plot_trajectories(paths: dict[str, Float32[np.ndarray, "T 2"]], path: Path) -> None:
    """Where objects went on the tray, each path with its beginning marked; y down, as in the pictures."""
    figure = new_figure((6.4, 6.0))
    axes = figure.subplots()
    set_head(axes, "centroids", "pixels of the mask; the dot is the first frame")
    for name, places in paths.items():
        (line,) = axes.plot(places[:, 0], places[:, 1], marker=".", markersize=3, linewidth=1, label=name)
        axes.scatter(places[0, 0], places[0, 1], s=30, color=line.get_color())
    axes.set(xlim=(0, 440), ylim=(440, 0), aspect="equal")
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=7)
    save_figure(figure, path)


def plot_spectrogram(bands: Float32[np.ndarray, "C F T"], seconds: float, highest_hz: float, path: Path) -> None:
    """The log power of each channel."""
    figure = new_figure((9.0, 6.0))
    for channel, axes in enumerate(figure.subplots(2, 2, sharex=True, sharey=True).ravel()):
        set_head(axes, f"channel {channel}")
        extent = (0, seconds, 0, highest_hz / 1000)
        axes.imshow(bands[channel], origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=-24)
        axes.set(xlabel="s", ylabel="kHz")
    save_figure(figure, path)


def pictures_stage(bench: Bench) -> Figures:
    """Trajectories and a spectrogram of the first group; the matrices come with `avmatch collide`."""
    from avmatch.pipelines.collide import collide, write_collide

    out = bench.folder / "pictures"
    out.mkdir(exist_ok=True)
    group = list_task(bench.dataset, 2)[0][0]
    paths = {files.name: read_video(files).centroids.astype(np.float32) for files in group.videos[:8]}
    plot_trajectories(paths, out / "trajectories.png")
    bands = log_bands(spectrogram(fitted(read_sound(group.sounds[0])[0].data)))
    plot_spectrogram(bands, 4.0, 22_050.0, out / "spectrogram.png")
    write_collide(collide(bench.dataset, 2, bench.run), out / "task2")
    return {}


STAGES: dict[str, Callable[[Bench], Figures]] = {
    "main": main_stage,
    "towers": towers_stage,
    "damage": damage_stage,
    "loud": loud_stage,
    "folds": folds_stage,
    "pictures": pictures_stage,
}


def staged(bench: Bench, stage: str) -> Figures:
    """A stage's figures, which are computed where they aren't there."""
    path = bench.folder / f"{stage}.json"
    if not path.is_file():
        begun = time.monotonic()
        write_text_atomically(path, json.dumps(STAGES[stage](bench), indent=1, ensure_ascii=False) + "\n")
        print(f"seed {bench.tilt.seed}, {stage}: {time.monotonic() - begun:.0f} s", flush=True)
    return json.loads(path.read_text())


def table(found: list[Figures]) -> str:
    """A row a figure: the mean over the seeds, the first seed's interval, and over the seeds."""
    rows = []
    for name in dict.fromkeys(name for figures in found for name in figures):
        values = [figures[name] for figures in found if name in figures]
        shares = np.array([100 * value["value"] for value in values])
        low, high = (100 * float(np.mean([value[end] for value in values])) for end in ("low", "high"))
        spread = ""
        if len(shares) > 1:
            reach = student_interval(shares)
            spread = f"[{reach.low:.1f}, {reach.high:.1f}]"
        rows.append([name, f"{shares.mean():.1f}", f"[{low:.1f}, {high:.1f}]", spread])
    return "\n".join(markdown_table([["figure", "%", "95 %", "over seeds"], *rows]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--per-class", type=int, default=200)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--segments", default="", help="the real set's starts")
    parser.add_argument("--sounds", type=int, default=500)
    parser.add_argument("--groups", type=int, default=10)
    parser.add_argument("--epochs", type=int, help="of every run (default: the recipes' own)")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--clean", action="store_true", help="delete each seed's set when its stages are done")
    asked = parser.parse_args()
    found: dict[str, list[Figures]] = {stage: [] for stage in asked.stages}
    for seed in asked.seeds:
        tilt = TiltConfig(
            asked.per_class, seed, asked.segments, asked.sounds, asked.groups, num_workers=num_processors()
        )
        bench = Bench(asked.work / f"seed-{seed}", tilt, asked.epochs)
        for stage in asked.stages:
            found[stage].append(staged(bench, stage))
        if asked.clean:
            shutil.rmtree(bench.folder / "set" / "dataset", ignore_errors=True)
    for stage, figures in found.items():
        if any(figures):
            print(f"\n{stage}\n\n{table(figures)}")


if __name__ == "__main__":
    main()
