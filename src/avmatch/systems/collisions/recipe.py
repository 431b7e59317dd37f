"""The recipes of the Tilt-Bot's collisions, and the system that joins them (stages.py).

    collision_classify           the object by its sound (task 1)
    collision_classify_picture   the object by pictures and masks
    collision_centroid           video and sound of one impact near each other: centroids → MLP
    collision_3dcnn              the same: stacked masks → 3D CNN

The paper gives SGD with weight decay for the classifier and Adam for the metric; sizes, rates and epochs are ours.
"""

from functools import partial

from avmatch.systems.collisions.model import CentroidMlpConfig, Frames3dConfig
from avmatch.systems.collisions.task import CollisionClasses, CollisionMetric
from avmatch.training.config import Optimisation, TrainConfig


def _classifier(recipe: str, side: str, epochs: int) -> TrainConfig:
    return TrainConfig(
        recipe=recipe,
        task=CollisionClasses(side),
        epochs=epochs,
        batch_size=32,
        optimisation=Optimisation("sgd", 0.03, weight_decay=5e-4, schedule="cosine", warmup_steps=20),
        validation_share=0.2,
        best_by="accuracy",
    )


def _metric(recipe: str, film: CentroidMlpConfig | Frames3dConfig) -> TrainConfig:
    """The same budget for both."""
    return TrainConfig(
        recipe=recipe,
        task=CollisionMetric(film),
        epochs=60,
        batch_size=32,
        optimisation=Optimisation(
            "adam", 1e-3, weight_decay=1e-5, schedule="cosine", warmup_steps=20, gradient_clip=1.0
        ),
        validation_share=0.2,
        best_by="accuracy_assigned",
        ema_decay=0.98,
    )


collision_classify = partial(_classifier, "collision_classify", "sound", 30)
collision_classify_picture = partial(_classifier, "collision_classify_picture", "picture", 10)
collision_centroid = partial(_metric, "collision_centroid", CentroidMlpConfig())
collision_3dcnn = partial(_metric, "collision_3dcnn", Frames3dConfig())
