"""Classifiers of audio and video on five folds of AVE's features, beside plain controls; fusion of published systems.

    python benchmarks/scenes.py DATA WORK               every system on every fold: accuracy, log loss, paired with best
    python benchmarks/scenes.py DATA WORK --robust      a side missing, noise, half of the steps: best with and without
                                                        taking sides away in training
    python benchmarks/scenes.py DATA WORK --sweep       batch 16…256 and learning rate 1e-3…1e-5 of a fusion
    python benchmarks/scenes.py DATA WORK --speed       training time; `avmatch classify` for 1 file and 1000
    python benchmarks/scenes.py PREDICTIONS WORK --fuse the published files of that folder, cross-validated

DATA is the packed folder (afeat.npy, vfeat.npy, index.csv). Folds never cut through a YouTube video. Each system is
trained with `avmatch train`'s own function on the other folds (those that choose their epoch hold a tenth back),
exported, and run by ONNX Runtime on the fold. `scene_best` was chosen on other folds, --fold-seed 1.

A fold's figures stay in WORK as JSON, and models beside them, so that a stopped benchmark goes on.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from paired import paired_interval
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression, Ridge
from std2022 import pack

from avmatch.core.files import write_text_atomically
from avmatch.data.items import Pairs
from avmatch.data.pairs import read_scenes
from avmatch.data.splits import group_folds
from avmatch.metrics.classes import log_loss, reliability
from avmatch.metrics.intervals import spread
from avmatch.pipelines.train import train_recipe
from avmatch.systems.scenes.fusing import fuse_predictions, log_weights
from avmatch.systems.scenes.runtime import load_scenes

BEST = "scene_best"
FUSIONS = ("scene_audio", "scene_video", "scene_early", "scene_middle", "scene_late", "scene_hybrid")
#: Ours of the published networks, by --sweep on --fold-seed 1.
OURS = ("optimisation.learning_rate=0.001", "batch_size=64")
SYSTEMS: dict[str, tuple[str, ...]] = {
    **{name: (name, *OURS) for name in FUSIONS},
    "scene_late of probabilities": ("scene_late", *OURS, "task.average=probabilities"),
    BEST: (BEST,),
    **{f"{name} as published": (name,) for name in FUSIONS},
}
KEEPING_SIDES = "scene_best without side dropout"
EXTRA = {KEEPING_SIDES: (BEST, "task.side_dropout=0.0")}
SWEEP_BATCHES, SWEEP_RATES = (16, 32, 64, 128, 256), (1e-3, 3e-4, 1e-4, 3e-5, 1e-5)
INNER_FOLDS = 3
PUBLISHED = {"late, published": (0.828, 0.495), "mean of the five, published": (0.824, 0.553)}


@dataclass(frozen=True)
class Bench:
    """The data, cut into folds, and where figures and models are kept."""

    data: Path
    work: Path
    num_folds: int
    fold_seed: int

    @cached_property
    def pairs(self) -> Pairs:
        return read_scenes(self.data)

    @cached_property
    def fold(self) -> np.ndarray:
        return group_folds(self.pairs.group, self.num_folds, self.fold_seed)

    @property
    def place(self) -> Path:
        return self.work / f"folds-{self.fold_seed}"

    def figures(self, system: str, number: int) -> dict[str, float]:
        """Of a system on a fold, measured unless they are in WORK."""
        path = self.place / f"{slug(system)}-fold{number}.json"
        if not path.is_file():
            started = time.perf_counter()
            held = self.pairs.take(np.flatnonzero(self.fold == number))
            if system in CONTROLS:
                found = CONTROLS[system](self.pairs, self.fold != number, self.fold == number)
            else:
                found = probabilities_of(self.model(system, number), held)
            figures = judged(found, held.label) | {"seconds": time.perf_counter() - started}
            write_text_atomically(path, json.dumps(figures))
        return json.loads(path.read_text(encoding="utf-8"))

    def model(self, system: str, number: int) -> Path:
        """The system's model folder, trained on all folds but this one."""
        kept, packed = self.place / f"{slug(system)}-fold{number}", self.place / f"train-{number}"
        if not packed.is_dir():
            unfinished = packed.with_suffix(".begun")
            shutil.rmtree(unfinished, ignore_errors=True)
            pack(unfinished, self.data, np.flatnonzero(self.fold != number))
            unfinished.rename(packed)
        if not (kept / "card.md").is_file():
            run = self.place / f"run-{slug(system)}-{number}"
            shutil.rmtree(run, ignore_errors=True)
            recipe, *settings = (SYSTEMS | EXTRA).get(system) or system.split()
            train_recipe(recipe, packed, run, device="cpu", settings=settings)
            shutil.copytree(run / "model", kept, dirs_exist_ok=True)
            shutil.rmtree(run)
        return kept


def slug(system: str) -> str:
    return system.replace(" ", "_").replace("=", "_")


def probabilities_of(
    model: Path, pairs: Pairs, change: Callable[[np.ndarray, str], np.ndarray] | None = None
) -> np.ndarray:
    """The model's probabilities, of changed features if asked."""
    sides = [np.asarray(getattr(pairs, side), np.float32) for side in ("audio", "video")]
    if change is not None:
        sides = [change(side, name) for side, name in zip(sides, ("audio", "video"), strict=True)]
    return load_scenes(model).probabilities(*(list(side) for side in sides))


def judged(found: np.ndarray, label: np.ndarray) -> dict[str, float]:
    return {
        "accuracy": float((found.argmax(axis=1) == label).mean()),
        "log_loss": log_loss(found, label),
        "calibration_error": reliability(found, label).error,
    }


def averages(pairs: Pairs, rows: np.ndarray) -> np.ndarray:
    """Time averages of both sides, each of total variance 1 over the training rows."""
    sides = []
    for side in (pairs.audio, pairs.video):
        mean = np.asarray(side, np.float64).mean(axis=1)
        mean -= mean[rows].mean(axis=0)
        sides.append(mean / np.sqrt(mean[rows].var(axis=0).sum()))
    return np.concatenate(sides, axis=1)


def control(fit: Callable[[np.ndarray, np.ndarray, float], Callable], strengths: Iterable[float]) -> Callable:
    """A control whose strength and temperature are chosen on inner folds."""

    def run(pairs: Pairs, train: np.ndarray, held: np.ndarray) -> np.ndarray:
        points, label, rows = averages(pairs, train), pairs.label, np.flatnonzero(train)
        inner = group_folds(pairs.group[rows], INNER_FOLDS, 1)
        tried = []
        for strength in strengths:
            scores = np.empty((len(rows), len(pairs.label_names)))
            for number in range(INNER_FOLDS):
                kept = rows[inner != number]
                scores[inner == number] = fit(points[kept], label[kept], strength)(points[rows[inner == number]])
            weight = log_weights(scores[None], label[rows])
            tried.append((log_loss(softmax(weight * scores, axis=1), label[rows]), strength, weight))
        _, strength, weight = min(tried, key=lambda one: one[0])
        return softmax(weight * fit(points[rows], label[rows], strength)(points[held]), axis=1)

    return run


def ridge(points: np.ndarray, label: np.ndarray, strength: float) -> Callable:
    return Ridge(alpha=strength * len(points)).fit(points, np.eye(label.max() + 1)[label]).predict


def softmax_regression(points: np.ndarray, label: np.ndarray, strength: float) -> Callable:
    return LogisticRegression(C=strength, max_iter=500).fit(points, label).decision_function


CONTROLS = {
    "ridge on averages": control(ridge, (1e-4, 3e-4, 1e-3, 3e-3)),
    "softmax on averages": control(softmax_regression, (30.0, 100.0)),
}


def table(bench: Bench, systems: Iterable[str], numbers: range) -> None:
    """Mean and deviation over the folds, and by how much `scene_best` is ahead, fold by fold."""
    best = {
        name: np.array([bench.figures(BEST, number)[name] for number in numbers]) for name in ("accuracy", "log_loss")
    }
    print(f"{'':32} {'accuracy':>15} {'log loss':>15} {'cal. error':>10} {'s':>6}   best ahead in accuracy, log loss")
    for system in systems:
        rows = [bench.figures(system, number) for number in numbers]
        found = {name: np.array([row[name] for row in rows]) for name in rows[0]}
        cells = [spread(found[name]) for name in ("accuracy", "log_loss")]
        line = "  ".join(f"{item.mean:.4f} ± {item.sd:.4f}" for item in cells)
        line += f" {found['calibration_error'].mean():10.3f} {found['seconds'].mean():6.0f}"
        ahead = (best["accuracy"] - found["accuracy"], found["log_loss"] - best["log_loss"])
        intervals = [paired_interval(values, seed=0) for values in ahead]
        parts = [
            f"{one.mean:+.4f} [{one.student.low:+.4f}, {one.student.high:+.4f}] ({(values > 0).sum()}/{len(values)})"
            for one, values in zip(intervals, ahead, strict=True)
        ]
        print(f"{system:32} {line}   {'  '.join(parts) if system != BEST else ''}", flush=True)


def robust(bench: Bench, numbers: range) -> None:
    """Both networks under each condition, mean over the folds."""

    def without(name: str) -> Callable[[np.ndarray, str], np.ndarray]:
        return lambda steps, side: np.full_like(steps, np.nan) if side == name else steps

    def noisy(snr_db: float) -> Callable[[np.ndarray, str], np.ndarray]:
        def add(steps: np.ndarray, side: str) -> np.ndarray:
            rng = np.random.default_rng(0)  # the same noise for every system
            noise = rng.standard_normal(steps.shape) * steps.std(axis=(0, 1)) * 10 ** (-snr_db / 20)
            return (steps + noise).astype(np.float32) if side == "audio" else steps

        return add

    def halved(steps: np.ndarray, side: str) -> np.ndarray:
        rng = np.random.default_rng(1)
        gone = rng.permuted(np.tile(np.arange(steps.shape[1]) % 2 == 0, (len(steps), 1)), axis=1)
        return np.where(gone[..., None], np.float32(np.nan), steps)

    conditions = {
        "as it is": None,
        "no sound": without("audio"),
        "no picture": without("video"),
        "audio noise 10 dB": noisy(10),
        "audio noise 0 dB": noisy(0),
        "half of the steps": halved,
    }
    for name, change in conditions.items():
        for system in (BEST, KEEPING_SIDES):
            rows = []
            for number in numbers:
                held = bench.pairs.take(np.flatnonzero(bench.fold == number))
                rows.append(judged(probabilities_of(bench.model(system, number), held, change), held.label))
            accuracy, loss = (np.mean([row[figure] for row in rows]) for figure in ("accuracy", "log_loss"))
            print(f"{name:20} {system:34} accuracy {accuracy:.4f}  log loss {loss:.4f}", flush=True)


def sweep(bench: Bench, recipe: str, numbers: range) -> None:
    """The grid of batch sizes and learning rates."""
    print(f"{recipe}: accuracy / log loss", *(f"{rate:>15g}" for rate in SWEEP_RATES))
    for batch in SWEEP_BATCHES:
        cells = []
        for rate in SWEEP_RATES:
            system = f"{recipe} batch_size={batch} optimisation.learning_rate={rate}"
            rows = [bench.figures(system, number) for number in numbers]
            cells.append("/".join(f"{np.mean([row[name] for row in rows]):.3f}" for name in ("accuracy", "log_loss")))
        print(f"{batch:>32}", *(f"{cell:>15}" for cell in cells), flush=True)


def speed(bench: Bench) -> None:
    """From the command line, start included."""
    model = bench.model(BEST, 0)
    run = bench.work / "speed"
    shutil.rmtree(run, ignore_errors=True)
    started = time.perf_counter()
    result = train_recipe(BEST, bench.place / "train-0", run, device="cpu")
    took = time.perf_counter() - started
    num_items = result.epochs * int((bench.fold != 0).sum())
    print(f"{BEST}: {took:.0f} s to train, {result.epochs} epochs, {num_items / took:.0f} items a second")
    folder = bench.work / "clips"
    folder.mkdir(parents=True, exist_ok=True)
    for row in range(min(1000, len(bench.pairs))):
        np.savez(folder / f"{row:04d}.npz", audio=bench.pairs.audio[row], video=bench.pairs.video[row])
    clips = sorted(map(str, folder.glob("*.npz")))
    for files in (clips[:1], clips):
        started = time.perf_counter()
        command = [sys.executable, "-m", "avmatch", "classify", *files, "--model", str(model), "--json"]
        subprocess.run(command, check=True, capture_output=True)
        print(f"avmatch classify, {len(files)} files: {time.perf_counter() - started:.2f} s")


def fuse(folder: Path) -> None:
    """The published files alone and fused, cross-validated over locations."""
    fused = fuse_predictions(sorted(folder.glob("*.csv")))
    for system in fused.systems:
        weights = ", ".join(f"{weight:.3f}" for weight in system.weights)
        print(f"{Path(system.name).stem:28} {system.accuracy:.4f} {system.log_loss:.4f}  {weights}")
    for name, (accuracy, loss) in PUBLISHED.items():
        print(f"{name:28} {accuracy:.3f}  {loss:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--systems", nargs="+", choices=[*CONTROLS, *SYSTEMS], default=[*CONTROLS, *SYSTEMS])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--only", type=int, help="the first so many folds")
    parser.add_argument("--fold-seed", type=int, default=0)
    for mode in ("robust", "speed", "fuse"):
        parser.add_argument(f"--{mode}", action="store_true")
    parser.add_argument("--sweep", nargs="?", const="scene_late", choices=FUSIONS)
    given = parser.parse_args()
    bench, numbers = Bench(given.data, given.work, given.folds, given.fold_seed), range(given.only or given.folds)
    if given.fuse:
        fuse(given.data)
    elif given.robust:
        robust(bench, numbers)
    elif given.sweep:
        sweep(bench, given.sweep, numbers)
    elif given.speed:
        speed(bench)
    else:
        table(bench, given.systems, numbers)


if __name__ == "__main__":
    main()
