"""The ablations of AVTS: which negatives, when; which loss; which networks.

    python benchmarks/avts.py WORK                                       the four arms of negatives, one seed
    python benchmarks/avts.py WORK --seeds 0 1 2 --arms easy mixed hard curriculum
    python benchmarks/avts.py WORK --arms curriculum cross_entropy multi_way l3_net 2d mc2 3d
    python benchmarks/avts.py WORK --arms easy --epochs 2 --set passes=1 --set task.video.width=0.125     to look at it

DATA (the development clips' `events`, unless --data names another list) is packed once into WORK. Every arm is a run of
`avmatch train avts` (or l3_net) in WORK, of the same clips, steps and held back recordings (a fifth); one that is there
stays, one that was stopped goes on. Frames are 64×64 px at 12.5 a second, networks have a quarter of the published
channels, and a window is of 12 frames, 0.96 s: about eight minutes an arm on two cores. `mc5` and `3d`, which leave 3
and 2 ticks of them, keep two means over time, the others four.

Measured are the last weights, not the best, because the clips that are held back would have chosen those. Intervals
are over recordings. `as trained` has negatives of the kinds with which training ended, and compares with the paper's
figures (quoted from memory, other data); the other columns have the same negatives for all arms.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from clips import SHARED

from avmatch.data.items import Pairs
from avmatch.data.shards import open_shards
from avmatch.metrics.intervals import bootstrap_interval
from avmatch.pipelines.train import train_recipe
from avmatch.reports.report import markdown_table
from avmatch.systems.avts.task import judged_windows, sync_judgements
from avmatch.systems.registry import recipe
from avmatch.training.config import TrainConfig, override
from avmatch.training.run import RunFolder, load_weights

SIZE = (
    "task.rate_hz=12.5",
    "task.side_px=64",
    "task.spare_px=8",
    "task.video.width=0.25",
    "task.audio.width=0.25",
    "passes=4",
    "validation_share=0.2",
)
ONLY_HARD = 'task.curriculum.stages=[[0, {"hard": 1, "easy": 0}]]'
#: Recipe, settings, and what the paper has.
ARMS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "easy": ("avts", ('task.curriculum.stages=[[0, {"easy": 1, "hard": 0}]]',), "69.0"),
    "mixed": ("avts", ('task.curriculum.stages=[[0, {"easy": 3, "hard": 1}]]',), "58.9"),
    "hard": ("avts", (ONLY_HARD,), "52.3"),
    "curriculum": ("avts", (), "78.4"),
    "super_hard_far": ("avts", ('task.curriculum.stages=[[0, {}], [0.5556, {"super_hard": 1, "hard": 0}]]',), ""),
    "super_hard_near": (
        "avts",
        ('task.curriculum.stages=[[0, {}], [0.5556, {"super_hard": 1, "hard": 0}]]', "task.shifts.super_hard=near"),
        "",
    ),
    "cross_entropy": ("avts", ("task.loss=cross_entropy",), ""),
    "multi_way": ("avts", ("task.loss=multi_way", "task.num_negatives=4"), ""),
    "l3_net": ("l3_net", (), ""),
    "residual": ("avts", ("task.video.is_residual=true",), ""),
    **{kind: ("avts", (f"task.video.kind={kind}",), "") for kind in ("2d", "mc2", "mc4")},
    **{kind: ("avts", ("task.video.num_stretches=2", f"task.video.kind={kind}"), "") for kind in ("mc5", "3d")},
}
COLUMNS = {"sync_accuracy": "as trained", "easy": "easy", "hard": "hard", "mixed": "easy:hard 3:1"}


@dataclass(frozen=True)
class Bench:
    """Where everything is, and how long it learns."""

    data: Path
    work: Path
    epochs: int
    settings: tuple[str, ...]

    def packed(self) -> Path:
        """The clips, decoded once."""
        folder = self.work / "shards"
        self.config("curriculum", 0).task.read(self.data, folder, show)
        return folder

    def run(self, arm: str, seed: int, shards: Path) -> Path:
        """The run of an arm, trained or continued where it isn't finished."""
        folder = self.work / "runs" / "-".join((arm, str(self.epochs), str(seed), *self.settings))
        if not (folder / "model" / "card.md").is_file():
            resume = (folder / "config.json").is_file()
            settings = [*SIZE, *ARMS[arm][1], *self.settings]
            epochs, done = self.epochs, f"{arm} {seed}"
            train_recipe(
                ARMS[arm][0],
                shards,
                folder,
                resume=resume,
                seed=seed,
                epochs=epochs,
                device="cpu",
                settings=settings,
                progress=lambda stage, step, total: show(f"{done} {stage}", step, total),
            )
        return folder

    def config(self, arm: str, seed: int) -> TrainConfig:
        own = (f"seed={seed}", f"epochs={self.epochs}")
        return override(recipe(ARMS[arm][0]), [*own, *SIZE, *ARMS[arm][1], *self.settings])

    def judged(self, arm: str, seed: int, run: Path, pairs: Pairs) -> dict[str, np.ndarray]:
        """Whether each window is judged right, in sync and out of it, by the last weights."""
        task = self.config(arm, seed).task
        learner = task.learner(pairs, seed)
        load_weights(RunFolder(run).last, learner)
        return sync_judgements(task, learner, pairs, torch.device("cpu"))


def show(stage: str, done: int, total: int) -> None:
    print(f"\r{stage}: {done}/{total}    ", end="", flush=True)


def held_back(run: Path, pairs: Pairs) -> Pairs:
    """The clips that the run didn't learn from, of which none is shorter than a window."""
    names = json.loads((run / "split.json").read_text())["validation"]
    place = {name: row for row, name in enumerate(pairs.names)}
    return pairs.take(np.array([place[name] for name in names]))


def cell(right: list[np.ndarray], group: np.ndarray) -> str:
    """The mean over seeds, ± half the interval over recordings; and the deviation of several seeds."""
    values = np.mean([one.mean(axis=1) for one in right], axis=0)
    interval = bootstrap_interval(values, 0, group=group)
    shown = f"{100 * values.mean():.1f} ±{50 * (interval.high - interval.low):.1f}"
    seeds = [100 * one.mean() for one in right]
    return shown if len(right) < 2 else f"{shown} (sd {np.std(seeds, ddof=1):.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--data", type=Path, default=SHARED / "events")
    parser.add_argument("--arms", nargs="+", default=["easy", "mixed", "hard", "curriculum"], choices=list(ARMS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--epochs", type=int, default=18)
    parser.add_argument("--set", action="append", default=[], dest="settings", help="field=value, for every arm")
    given = parser.parse_args()
    bench = Bench(given.data, given.work, given.epochs, tuple(given.settings))
    shards = bench.packed()
    pairs = open_shards(shards)
    lines = [["arm", *COLUMNS.values(), "paper", "minutes"]]
    for arm in given.arms:
        runs = [bench.run(arm, seed, shards) for seed in given.seeds]
        clips = held_back(runs[0], pairs)
        found = [bench.judged(arm, seed, run, clips) for seed, run in zip(given.seeds, runs, strict=True)]
        group = clips.group[[row for row, _ in judged_windows(bench.config(arm, 0).task, clips)]]
        minutes = np.mean([RunFolder(run).read_metrics()[-1]["seconds"] for run in runs]) / 60
        figures = [cell([one[name] for one in found], group) for name in COLUMNS]
        lines.append([arm, *figures, ARMS[arm][2], f"{minutes:.1f}"])
        print("\n" + " | ".join(lines[-1]), flush=True)
    print(f"\nSync accuracy in %, {len(group)} windows of {len(np.unique(group))} recordings, {given.epochs} epochs\n")
    print("\n".join(markdown_table(lines)))


if __name__ == "__main__":
    main()
