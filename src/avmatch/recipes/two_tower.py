"""Silent video ↔ audio on the two-tower system's own features (STD2022; datasets/std2022.py).

Convolutional towers over the ten seconds, cosine similarity, one positive against sampled negatives with cross-entropy,
and for the first N epochs the auxiliary task of naming the KMeans cluster of the audio: L = L1 + β·L2.
"""

from __future__ import annotations

from dataclasses import replace

from avmatch.models.feature_cnn import FeatureCnnConfig
from avmatch.recipes.canonical_pairs import CanonicalPairs, Networks, Weights
from avmatch.recipes.feature_pairs import ClusterTask, FeaturePairs
from avmatch.training.config import Optimisation, TrainConfig

#: What isn't told of the published towers: their widths, and how many negatives are drawn.
_TOWERS = FeaturePairs(
    video=FeatureCnnConfig(512, widths=(128, 128)), audio=FeatureCnnConfig(128, widths=(128, 128)), num_negatives=8
)


def two_tower() -> TrainConfig:
    """The system as described, without the auxiliary task: 20 epochs, lr 5e-4, a tenth held back."""
    return TrainConfig(
        recipe="two_tower",
        task=_TOWERS,
        epochs=20,
        optimisation=Optimisation(learning_rate=5e-4),
    )


def two_tower_kmeans() -> TrainConfig:
    """The same with the auxiliary task: 22 clusters, β = 1, N = 3."""
    plain = two_tower()
    task = replace(_TOWERS, clusters=ClusterTask(num_clusters=22, beta=1.0, epochs=3))
    return replace(plain, recipe="two_tower_kmeans", task=task)


def two_tower_best() -> TrainConfig:
    """What wins on cross-validation folds: canonical correlations of what and when, beside an ensemble of networks."""
    return TrainConfig(
        recipe="two_tower_best",
        task=CanonicalPairs(networks=Networks(count=6)),
        epochs=25,
        batch_size=256,
        optimisation=Optimisation("adamw", 1e-3, weight_decay=0.05, schedule="cosine", warmup_steps=50),
        best_by="",
    )


def two_tower_cca() -> TrainConfig:
    """The baseline: linear canonical correlations of time averages, regularised, all directions alike."""
    task = CanonicalPairs(
        weights=Weights(linear=1.0, kernel=0.0, changes=0.0, distances=0.0, distance_directions=0.0),
        use_deviation=False,
        power=0.0,
        num_directions=64,
    )
    return TrainConfig(recipe="two_tower_cca", task=task, epochs=0)
