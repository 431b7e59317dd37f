"""Any sound: the model that ships for what isn't a talking face.

DATA is a list of media pairs (data/layouts.py) or a folder of shards that was packed from one.
"""

from avmatch.systems.events.task import EventPairs
from avmatch.training.config import Optimisation, TrainConfig


def events() -> TrainConfig:
    """Accents of motion and sound, and what they are; minutes on a laptop."""
    return TrainConfig(
        recipe="events",
        task=EventPairs(),
        epochs=25,
        batch_size=24,
        optimisation=Optimisation("adamw", 1e-3, schedule="cosine", warmup_steps=20, gradient_clip=1.0),
        best_by="",
    )
