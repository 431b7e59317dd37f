"""Talking faces: the model that ships.

DATA is a list of talking clips (datasets/layouts.py) or a folder of shards that was packed from one.
"""

from __future__ import annotations

from avmatch.recipes.lip_pairs import LipPairs
from avmatch.training.config import Optimisation, TrainConfig


def lips() -> TrainConfig:
    """Mouths of 80×80 px at 25 frames a second against log-mel, in windows of about a second."""
    return TrainConfig(
        recipe="lips",
        task=LipPairs(),
        epochs=12,
        passes=7,
        batch_size=48,
        optimisation=Optimisation(
            "adamw", 1e-3, weight_decay=0.05, schedule="cosine", warmup_steps=100, gradient_clip=1.0
        ),
        best_by="within_1@15",
        ema_decay=0.998,
        bf16=True,
    )
