"""Silent video ↔ audio on the two-tower system's own features (STD2022; data/std2022.py).

Convolutional towers over the ten seconds, cosine similarity, one positive against sampled negatives with cross-entropy,
and for the first N epochs the auxiliary task of naming the KMeans cluster of the audio: L = L1 + β·L2. The negatives of
a pair are the other pairs of its batch, a sample of all: those drawn for each pair (`--set task.loss=sampled`) do no
better and take ten times as long.
"""

from dataclasses import replace

from avmatch.systems.two_tower.augmentation import LevelAugmentation, PictureAugmentation, SpectrogramAugmentation
from avmatch.systems.two_tower.canonical import CanonicalPairs, Networks, Weights
from avmatch.systems.two_tower.media import MediaPairs
from avmatch.systems.two_tower.model import FeatureCnnConfig
from avmatch.systems.two_tower.task import ClusterTask, FeaturePairs
from avmatch.training.config import Optimisation, TrainConfig

#: What the publication leaves open, chosen on folds (docs/experiments/two_tower.md): one wide layer, a high temperature
#: that isn't learned, much dropout.
_TOWERS = FeaturePairs(
    video=FeatureCnnConfig(512, widths=(512,), dropout=0.4),
    audio=FeatureCnnConfig(128, widths=(512,), dropout=0.4),
    loss="in_batch",
    temperature=0.3,
    learn_temperature=False,
)


def two_tower() -> TrainConfig:
    """The system as described, without the auxiliary task: up to 20 epochs, lr 5e-4, a tenth held back."""
    return TrainConfig(
        recipe="two_tower",
        task=_TOWERS,
        epochs=20,
        batch_size=32,
        optimisation=Optimisation(learning_rate=5e-4),
        best_by="recall@50 recall@5 recall@1",
        patience=5,
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


# Silent video ↔ audio from the media themselves: small towers from scratch, sized for minutes on two cores.
#
# DATA is a list of media pairs (data/layouts.py) or a folder of shards that was packed from one.


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
