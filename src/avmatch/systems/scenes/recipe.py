"""The recipes: the fusions as published (model.py), and `scene_best`.

Published (systems for TAU Urban Audio-Visual Scenes): features averaged over time, blocks of Linear, BatchNorm, ReLU
and Dropout 0.2, Adam, up to 100 epochs with early stop after 7, learning rate 1e-4, batches of 128.

    scene_audio, scene_video    one side alone
    scene_early                 averages side by side, then one network
    scene_middle                embeddings side by side, then one head
    scene_late                  a head each, mean of the logits
    scene_hybrid                0.8 of late and 0.2 of a joint head, on logits
    scene_best                  attention over time and linear discriminants, stacked; ours
"""

from functools import partial

from avmatch.systems.scenes.mixed import MixedScenes
from avmatch.systems.scenes.task import FusedScenes
from avmatch.training.config import Optimisation, TrainConfig


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


scene_audio = partial(_published, "audio")
scene_video = partial(_published, "video")
scene_early = partial(_published, "early")
scene_middle = partial(_published, "middle")
scene_late = partial(_published, "late")
scene_hybrid = partial(_published, "hybrid")


def scene_best() -> TrainConfig:
    """The settings that were chosen on cross-validation folds."""
    return TrainConfig(
        recipe="scene_best",
        task=MixedScenes(),
        epochs=15,
        batch_size=64,
        optimisation=Optimisation("adamw", 4e-4, weight_decay=0.05, schedule="cosine", warmup_steps=50),
        validation_share=0.0,
        best_by="",
    )
