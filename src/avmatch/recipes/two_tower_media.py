"""Silent video ↔ audio from the media themselves: small towers from scratch, sized for minutes on two cores.

DATA is a list of media pairs (datasets/layouts.py) or a folder of shards that was packed from one.
"""

from __future__ import annotations

from avmatch.datasets.augment.chain import PictureAugmentation, SpectrogramAugmentation
from avmatch.datasets.augment.level import LevelAugmentation
from avmatch.recipes.media_pairs import MediaPairs
from avmatch.training.config import Optimisation, TrainConfig


def two_tower_media() -> TrainConfig:
    """64×64 px at 10 frames a second against log-mel, in pieces of 3 s, batches of 32."""
    return TrainConfig(
        recipe="two_tower_media",
        task=MediaPairs(
            picture=PictureAugmentation(mirror_probability=0.5, warp_probability=0.5, tone_probability=0.5),
            spectrogram=SpectrogramAugmentation(mask_probability=0.5, max_time=10),
            level=LevelAugmentation(gain_probability=0.5, noise_probability=0.3),
        ),
        epochs=60,
        batch_size=32,
        optimisation=Optimisation(
            optimiser="adamw", learning_rate=2e-3, weight_decay=0.01, schedule="cosine", warmup_steps=10
        ),
    )
