"""Synthetic scenes and tiny media towers for the tests of packing, recipes and evaluation."""

from __future__ import annotations

import csv
from pathlib import Path

from avmatch.synth import SynthConfig, synthesise
from avmatch.systems.two_tower.recipe import two_tower_media
from avmatch.training.config import TrainConfig, override

TINY = (
    "task.packing.height_px=24",
    "task.packing.width_px=24",
    "task.video.widths=[8, 16]",
    "task.video.head.widths=[32]",
    "task.audio.widths=[32, 32]",
    "task.audio.head.widths=[32]",
    "task.crop_seconds=2",
    "batch_size=12",
    "optimisation.learning_rate=0.005",
    "optimisation.warmup_steps=0",
    "validation_share=0.2",
)


def tiny(*settings: str) -> TrainConfig:
    """The recipe, small enough for tests."""
    return override(two_tower_media(), [*TINY, *settings])


def write_scenes(folder: Path, num: int, seed: int, kinds: tuple[str, ...] = ("drums", "clock")) -> Path:
    """`num` scenes of 3 s with their truth."""
    sizes = ((64, 64), (96, 64))
    synthesise(folder, SynthConfig(num, seed=seed, duration_seconds=3.0, sizes=sizes, kinds=kinds))
    return folder


def write_list(path: Path, *rows: dict[str, object]) -> Path:
    """A list of pairs."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path
