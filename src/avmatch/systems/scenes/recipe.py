"""One label from sound and picture: the fusions as published, and what wins.

Published (systems for TAU Urban Audio-Visual Scenes): features averaged over time, blocks of Linear, BatchNorm, ReLU
and Dropout 0.2, Adam, up to 100 epochs with early stop after 7, learning rate 1e-4, batches of 128.
"""

from __future__ import annotations

from avmatch.systems.scenes.mixed import MixedScenes
from avmatch.systems.scenes.task import FusedScenes
from avmatch.training.config import Optimisation, TrainConfig


def scene_audio() -> TrainConfig:
    """Sound alone."""
    return _published("audio")


def scene_video() -> TrainConfig:
    """Picture alone."""
    return _published("video")


def scene_early() -> TrainConfig:
    """Averages side by side, then one network."""
    return _published("early")


def scene_middle() -> TrainConfig:
    """Embeddings side by side, then one head."""
    return _published("middle")


def scene_late() -> TrainConfig:
    """A head each, mean of the logits."""
    return _published("late")


def scene_hybrid() -> TrainConfig:
    """0.8 of late and 0.2 of a joint head, on logits."""
    return _published("hybrid")


def scene_best() -> TrainConfig:
    """What wins on cross-validation folds: attention over time and linear discriminants, stacked."""
    return TrainConfig(
        recipe="scene_best",
        task=MixedScenes(),
        epochs=15,
        batch_size=64,
        optimisation=Optimisation("adamw", 4e-4, weight_decay=0.05, schedule="cosine", warmup_steps=50),
        validation_share=0.0,
        best_by="",
    )


def _published(fusion: str) -> TrainConfig:
    return TrainConfig(
        recipe=f"scene_{fusion}",
        task=FusedScenes(fusion=fusion),
        epochs=100,
        batch_size=128,
        optimisation=Optimisation("adam", 1e-4),
        best_by="log_likelihood",
        patience=7,
    )
