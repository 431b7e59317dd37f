"""What clips are of, from the towers of avts: the downstream task of actions, and its neighbour of sounds.

    avts_finetune    actions from the picture (UCF101, HMDB51 and other sets: datasets/layouts.py)
    sound_classes    sounds (ESC, DCASE …): training from scratch, the measure of what a linear probe adds to

DATA is the set in its own layout; `--set task.list_number=2` takes another of its official lists, or another fold.
`--set task.front_end=RUN` begins with the tower of a run of avts; without it, training is from scratch. Clips without
sound will do for actions.
"""

from __future__ import annotations

from avmatch.recipes.class_task import ClipClasses
from avmatch.training.config import Optimisation, TrainConfig


def avts_finetune() -> TrainConfig:
    """Actions."""
    return _config("avts_finetune", ClipClasses("video"))


def sound_classes() -> TrainConfig:
    """Sounds."""
    return _config("sound_classes", ClipClasses("audio"))


def _config(recipe: str, task: ClipClasses) -> TrainConfig:
    return TrainConfig(
        recipe=recipe,
        task=task,
        epochs=30,
        batch_size=16,
        optimisation=Optimisation(
            "adamw", 1e-3, weight_decay=0.05, schedule="cosine", warmup_steps=50, gradient_clip=1.0
        ),
        best_by="",
    )
