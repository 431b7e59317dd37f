"""A small set of pairs that share a hidden cause, so that there is something to learn, and a run that learns it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from avmatch.systems.two_tower.model import FeatureCnnConfig
from avmatch.systems.two_tower.task import FeaturePairs
from avmatch.training.config import Optimisation, TrainConfig

NUM_STEPS, NUM_CAUSES, VIDEO_FEATURES, AUDIO_FEATURES = 6, 6, 16, 12


def write_pairs(folder: Path, num_pairs: int = 160, seed: int = 0) -> Path:
    """Packed STD2022: both sides are linear in the same hidden cause, and noisy."""
    rng = np.random.default_rng(seed)
    cause = rng.standard_normal((num_pairs, 1, NUM_CAUSES))
    sides = []
    for num_features in (VIDEO_FEATURES, AUDIO_FEATURES):
        mixing = np.random.default_rng(num_features).standard_normal((NUM_CAUSES, num_features))
        noise = 0.3 * rng.standard_normal((num_pairs, NUM_STEPS, num_features))
        sides.append(cause @ mixing + noise)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "vfeat.npy", sides[0].astype(np.float16))
    np.save(folder / "afeat.npy", np.clip(128 + 20 * sides[1], 0, 255).astype(np.uint8))
    return folder


def small_task(dropout: float = 0.1, norm: str = "batch", **fields) -> FeaturePairs:
    """Towers as narrow as the data; `fields` are FeaturePairs'."""
    video, audio = (
        FeatureCnnConfig(num_features, widths=(24,), dim=16, dropout=dropout, norm=norm)
        for num_features in (VIDEO_FEATURES, AUDIO_FEATURES)
    )
    return FeaturePairs(**{"video": video, "audio": audio, "num_negatives": 8} | fields)


def small_run(task: FeaturePairs | None = None, optimisation: Optimisation | None = None, **fields) -> TrainConfig:
    """Three epochs, four or five steps each; `fields` are TrainConfig's."""
    return TrainConfig(
        **{
            "recipe": "two_tower",
            "task": task or small_task(),
            "epochs": 3,
            "batch_size": 32,
            "optimisation": optimisation or Optimisation(learning_rate=5e-3),
        }
        | fields
    )
