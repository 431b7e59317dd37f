"""What is visible and what sounds.

DATA is a list of media pairs (data/layouts.py) or a folder of shards that was packed from one.
"""

from avmatch.systems.semantic.task import SemanticPairs
from avmatch.training.config import TrainConfig


def semantic() -> TrainConfig:
    """What a pair of encoders says; a few minutes, most of them for decoding."""
    return TrainConfig(recipe="semantic", task=SemanticPairs(), epochs=0, best_by="")
