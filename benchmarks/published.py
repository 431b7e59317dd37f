"""The published lip-sync systems on equal terms, and how many candidates multi-way matching wants.

    python benchmarks/published.py SHARDS WORK [--systems syncnet ave_net perfect_match] [--lips RUN]
    python benchmarks/published.py SHARDS WORK --systems perfect_match --candidates 2 5 10 20 40 --epochs 2

SHARDS is a folder of clips packed for the recipe `lips`. Each system is trained by `avmatch train` with the same data,
seed and number of steps into a run in WORK (one that is there stays, one that was stopped goes on), and judged on the
clips that it held back: right within ±1 frame among ±15 from 5, 7 … 15 frames, GRID and anchors apart. Intervals are
over clips. `--lips RUN` adds a run of the recipe `lips`, whose budget is another.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from avmatch.data.items import Pairs
from avmatch.data.shards import open_shards
from avmatch.metrics.intervals import bootstrap_interval
from avmatch.metrics.sync import offset_distances, offset_scores, right_starts
from avmatch.systems.lips.model import WINDOW_TICKS
from avmatch.systems.lips.published_task import VALIDATION_TICKS, window_vectors
from avmatch.systems.lips.task import lip_vectors
from avmatch.systems.registry import recipe
from avmatch.training.run import load_weights

KS = (5, 7, 9, 11, 13, 15)
COLLECTIONS = ("grid", "anchors")
PUBLISHED = {
    "SyncNet on LRS2": (75.8, 82.3, 87.6, 91.8, 94.5, 96.1),
    "Perfect Match on LRS2": (88.1, 93.8, 96.4, 97.9, 98.7, 99.1),
}


def trained(system: str, name: str, shards: Path, work: Path, settings: list[str]) -> Path:
    """The run of this name."""
    run = work / name
    if not (run / "video.onnx").is_file():
        command = [sys.executable, "-m", "avmatch", "train", system, str(shards), "-o", str(run)]
        for setting in settings:
            command += ["--set", setting]
        subprocess.run([*command, *(["--resume"] if (run / "last.safetensors").is_file() else [])], check=True)
    return run


def scores(run: Path, pairs: Pairs) -> dict[str, tuple[np.ndarray, int]]:
    """Of each clip that the run held back, by name: the scores at each offset, and how many frames one depends on."""
    config = recipe(json.loads((run / "config.json").read_text())["recipe"])
    held_back = json.loads((run / "split.json").read_text())["validation"]
    place = {name: number for number, name in enumerate(pairs.names)}
    chosen = pairs.take(np.array([place[name] for name in held_back]))
    learner = config.task.learner(chosen, config.seed)
    load_weights(run / "best.safetensors", learner)
    if config.recipe == "lips":
        videos, audios = lip_vectors(learner, chosen, torch.device("cpu"))
        found = [offset_scores(v[:VALIDATION_TICKS], a) for v, a in zip(videos, audios, strict=True)]
        return {name: (one, 1) for name, one in zip(chosen.names, found, strict=True)}
    vectors = window_vectors(learner, chosen, torch.device("cpu"))
    assert len(vectors) == len(chosen.names)
    found = [-offset_distances(*sides) for sides in vectors]
    return {name: (one, WINDOW_TICKS) for name, one in zip(chosen.names, found, strict=True)}


def line(name: str, of_clips: dict[str, tuple[np.ndarray, int]], collection: str) -> str:
    """A row of the table."""
    cells = []
    for num_frames in KS:
        hits = [
            right_starts(one, num_frames, window_frames=num)
            for clip, (one, num) in of_clips.items()
            if Path(clip).parent.name == collection
        ]
        values, clips = np.concatenate(hits).astype(float), np.repeat(np.arange(len(hits)), [len(h) for h in hits])
        interval = bootstrap_interval(values, 0, group=clips)
        cells.append(f"{100 * values.mean():5.1f} ±{50 * (interval.high - interval.low):4.1f}")
    return f"  {name:24s}" + "".join(f"{cell:>13s}" for cell in cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--systems", nargs="+", default=["syncnet", "ave_net", "perfect_match"])
    parser.add_argument("--candidates", nargs="+", type=int, default=[], help="runs of perfect_match with so many each")
    parser.add_argument("--epochs", type=int, help="of every run; otherwise those of the recipe")
    parser.add_argument("--lips", type=Path)
    given = parser.parse_args()
    length = [] if given.epochs is None else [f"epochs={given.epochs}"]
    jobs = {
        name if given.epochs is None else f"{name}-{given.epochs}": (name, length)
        for name in given.systems
        if not (name == "perfect_match" and given.candidates)
    }
    for num in given.candidates if "perfect_match" in given.systems else []:
        name = f"perfect_match-N{num}" + ("" if given.epochs is None else f"-{given.epochs}")
        jobs[name] = ("perfect_match", [*length, f"task.criterion.num_candidates={num}"])
    runs = {name: trained(system, name, given.shards, given.work, sets) for name, (system, sets) in jobs.items()}
    if given.lips is not None:
        runs["lips"] = given.lips
    pairs = open_shards(given.shards)
    of_runs = {name: scores(run, pairs) for name, run in runs.items()}
    for collection in COLLECTIONS:
        print(f"{collection}, held back, from K frames:" + "".join(f"{num:>13d}" for num in KS)[8:])
        for name, found in of_runs.items():
            print(line(name, found, collection))
    print("published, other data:")
    for name, row in PUBLISHED.items():
        print(f"  {name:24s}" + "".join(f"{value:5.1f}        " for value in row))


if __name__ == "__main__":
    main()
