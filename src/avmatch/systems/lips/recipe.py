"""What `avmatch train` builds for talking faces: the model that ships, and three published systems on equal terms.

    lips             mouths of 80×80 px at 25 frames a second against log-mel, in windows of about a second
    syncnet          the criterion Contrastive        ┐
    ave_net          the criterion Correspondence     ├ the same streams, data and budget (published_task.py)
    perfect_match    the criterion MultiWay, N = 40   ┘

DATA is a list of talking clips (data/layouts.py) or a folder of shards that was packed from one. The published systems
have a reduced size: crops of 96×96 px and half the channels; model.py has the published one. The optimiser of
the publications was not available.
"""

from dataclasses import replace

from avmatch.systems.lips.model import VggMConfig
from avmatch.systems.lips.published_task import Contrastive, Correspondence, Criterion, MultiWay, SyncWindows
from avmatch.systems.lips.task import LipPairs
from avmatch.training.config import Optimisation, TrainConfig

REDUCED = VggMConfig(side_px=96, colours=1, width=0.5, dim=512)


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


def syncnet() -> TrainConfig:
    """Contrastive."""
    return _config("syncnet", Contrastive(), REDUCED)


def ave_net() -> TrainConfig:
    """Correspondence; its vectors have length 1."""
    return _config("ave_net", Correspondence(), replace(REDUCED, unit=True))


def perfect_match() -> TrainConfig:
    """Multi-way matching among 40."""
    return _config("perfect_match", MultiWay(), REDUCED)


def _config(recipe: str, criterion: Criterion, streams: VggMConfig) -> TrainConfig:
    """The same budget for all."""
    return TrainConfig(
        recipe=recipe,
        task=SyncWindows(criterion, streams),
        epochs=4,
        passes=2,
        batch_size=16,
        optimisation=Optimisation(
            "adamw", 1e-3, weight_decay=0.01, schedule="cosine", warmup_steps=50, gradient_clip=1.0
        ),
        best_by="within_1@15 within_1@5",
        ema_decay=0.99,
        bf16=True,
    )
