"""Two towers over features of clips, trained by gradients: the vectors of a pair become alike, others don't.

    features (T, F) ─ tower → unit vector (D,)        similarity = cosine

Losses: softmax over one positive and K sampled negatives, or over the batch in both directions; beside it, in the first
epochs, the auxiliary task of naming the KMeans cluster of the pair's audio (and of its video, as an option).

What turns a similarity into evidence is fitted at the export, on pairs that were held back: a pair's similarity s
becomes scale · (s − baseline) nats by logistic regression of matching against non-matching pairs, both kinds weighted
alike (metrics/calibration.py).

Letters in shapes: B pairs, K negatives a pair, N training pairs, T steps, F features, D embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from sklearn.cluster import KMeans
from torch import Tensor, nn

from avmatch.artifacts.model import CLIP_TOWERS
from avmatch.artifacts.tower import CLIP_INPUT
from avmatch.core.errors import UsageError
from avmatch.core.results import Progress
from avmatch.data.items import Items, Pairs, gather
from avmatch.data.negatives import Curriculum, Negatives, nearest_negatives
from avmatch.data.pairs import read_pairs
from avmatch.metrics.calibration import fit_nats, platt_target
from avmatch.metrics.retrieval import evaluate
from avmatch.systems.two_tower.augmentation import FeatureAugmentation, apply_mixup, mixup
from avmatch.systems.two_tower.model import ClusterHead, FeatureCnn, FeatureCnnConfig
from avmatch.training.distributed import gathered, gathered_constant
from avmatch.training.export import Exported, export_model, normal
from avmatch.training.losses import InfoNCE, sampled_cross_entropy
from avmatch.training.task import Batch, Source, outputs

LOSSES = ("sampled", "in_batch")
#: What `retrieval_metrics` may measure; small sets have no recall@50.
RETRIEVAL = ("recall@1", "recall@5", "recall@50", "median_rank")
#: Clips that go through a tower at once.
BLOCK = 512
#: Numbers that are kept as float32, a gigabyte of them; larger sets are converted batch by batch.
MAX_CONVERTED = 1 << 28
#: Pairs that calibrate; more would only take longer.
MAX_CALIBRATION_PAIRS = 1000


@dataclass(frozen=True)
class ClusterTask:
    """Name the KMeans cluster of the audio while epoch < `epochs`; `beta` times its loss is added.

    Attributes:
        num_clusters: 0 = no such task.
        on_video: whether the video tower has to name the cluster of its own features too.
    """

    num_clusters: int = 0
    beta: float = 1.0
    epochs: int = 3
    on_video: bool = False


@dataclass(frozen=True)
class FeaturePairs:
    """The task. Attributes are what its name says; see the module.

    Attributes:
        loss: "sampled" negatives or "in_batch".
        num_negatives, curriculum: for "sampled": how many a pair, and of which kinds by epoch.
        temperature, learn_temperature: of the softmax.
        mixup: alpha of the mixing of pairs, both sides alike; 0 = off.
    """

    metrics: ClassVar[tuple[str, ...]] = RETRIEVAL

    video: FeatureCnnConfig = field(default_factory=lambda: FeatureCnnConfig(512))
    audio: FeatureCnnConfig = field(default_factory=lambda: FeatureCnnConfig(128))
    loss: str = "sampled"
    num_negatives: int = 16
    curriculum: Curriculum = field(default_factory=Curriculum)
    temperature: float = 0.07
    learn_temperature: bool = True
    clusters: ClusterTask = field(default_factory=ClusterTask)
    video_augmentation: FeatureAugmentation = field(default_factory=FeatureAugmentation)
    audio_augmentation: FeatureAugmentation = field(default_factory=FeatureAugmentation)
    mixup: float = 0.0

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise UsageError(f"loss must be one of {', '.join(LOSSES)}, got {self.loss!r}")
        if self.mixup and self.loss == "sampled":
            raise UsageError("mixup needs loss=in_batch: mixed pairs have no negatives of their own")
        if self.mixup and self.clusters.num_clusters:
            raise UsageError("mixup and clusters don't go together: a mixed pair has no cluster of its own")

    def read(self, data: str | Path, cache: Path, progress: Progress | None = None) -> Pairs:
        """Clip features of a known layout (data/pairs.py)."""
        pairs = read_pairs(data, to_train=True)
        for side, wanted in (("video", self.video.num_features), ("audio", self.audio.num_features)):
            found = getattr(pairs, side)[0].shape
            if len(found) != 2 or found[1] != wanted:
                raise UsageError(
                    f"{data}: {side} features are {found}, the recipe takes (T, {wanted}); "
                    f"set task.{side}.num_features={found[-1]}"
                )
        return replace(pairs, video=_converted(pairs.video), audio=_converted(pairs.audio))

    def learner(self, pairs: Pairs, seed: int) -> TwoTowers:
        """Towers, losses and cluster labels."""
        if self.video.dim != self.audio.dim:
            raise UsageError(f"both towers need one dim, got {self.video.dim} (video) and {self.audio.dim} (audio)")
        return TwoTowers(self, pairs, seed)

    def source(self, pairs: Pairs, learner: nn.Module, device: torch.device) -> Source:
        """Batches with their negatives; the nearest wrong ones by the present towers where the mix asks for them."""
        negatives = Negatives(pairs.group)
        if self.loss == "sampled" and any(mix.hard for _, mix in self.curriculum.stages):
            video, audio = clip_vectors(learner, pairs, device)
            negatives.set_nearest(nearest_negatives(video, audio, pairs.group, negatives.num_hard))
        return partial(self.batch, pairs, negatives)

    def batch(
        self, pairs: Pairs, negatives: Negatives, rows: Int[np.ndarray, " B"], epoch: int, rng: np.random.Generator
    ) -> Batch:
        """The pairs of `rows`, augmented, with negatives if the loss needs them."""
        video, audio = gather(pairs.video, rows), gather(pairs.audio, rows)
        wrong = None
        if self.loss == "sampled":
            drawn = negatives.draw(rows, self.num_negatives, self.curriculum.mix_at(epoch), rng)
            wrong = self.audio_augmentation(rng, gather(pairs.audio, drawn.ravel()))
            wrong = wrong.reshape(*drawn.shape, *wrong.shape[1:])
        video, audio = self.video_augmentation(rng, video), self.audio_augmentation(rng, audio)
        if self.mixup:
            video, other, share = mixup(rng, video, self.mixup)
            audio = apply_mixup(audio, other, share)
        return Batch.of(pairs, rows, video, audio, wrong)

    def validate(self, learner: nn.Module, pairs: Pairs, device: torch.device) -> Mapping[str, float]:
        """Recall of the held-back pairs, in a gallery of all of them."""
        return clip_metrics(learner, pairs, device)

    def export(self, learner: nn.Module, pairs: Pairs, folder: Path, description: Mapping[str, object]) -> None:
        """video.onnx, audio.onnx and card.md."""
        export_clip_towers(towers_of(learner), pairs, folder, description)


class TwoTowers(nn.Module):
    """Both towers with their losses."""

    def __init__(self, task: FeaturePairs, pairs: Pairs, seed: int) -> None:
        super().__init__()
        self.task = task
        self.video, self.audio = FeatureCnn(task.video), FeatureCnn(task.audio)
        self.softmax = InfoNCE(task.temperature, task.learn_temperature)
        if task.clusters.num_clusters:
            self.audio_clusters = ClusterHead(task.audio.dim, task.clusters.num_clusters)
            self.register_buffer("audio_label", _cluster_labels(pairs.audio, task.clusters.num_clusters, seed))
            if task.clusters.on_video:
                self.video_clusters = ClusterHead(task.video.dim, task.clusters.num_clusters)
                self.register_buffer("video_label", _cluster_labels(pairs.video, task.clusters.num_clusters, seed))

    def forward(self, batch: Batch, epoch: int) -> dict[str, Float[Tensor, ""]]:
        """The named losses of a batch."""
        video, (audio, negatives) = self.video(batch.video), self._audio_vectors(batch)
        if negatives is None:
            match = in_batch_loss(self.softmax, video, audio, batch.group)
        else:
            match = sampled_cross_entropy(video, audio, negatives, self.softmax.scale())
        losses = {"match_loss": match, "loss": match}
        clusters = self.task.clusters
        if clusters.num_clusters and epoch < clusters.epochs:
            losses["cluster_loss"] = self._cluster(video, audio, batch.rows)
            losses["loss"] = match + clusters.beta * losses["cluster_loss"]
        return losses

    def _audio_vectors(self, batch: Batch) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B K D"] | None]:
        """Of positives and negatives at once: normalised separately, their statistics would give them away."""
        if batch.negatives is None:
            return self.audio(batch.audio), None
        vectors = self.audio(torch.cat((batch.audio, batch.negatives.flatten(0, 1))))
        audio, negatives = vectors.split((len(batch.audio), len(vectors) - len(batch.audio)))
        return audio, negatives.unflatten(0, batch.negatives.shape[:2])

    def _cluster(
        self, video: Float[Tensor, "B D"], audio: Float[Tensor, "B D"], rows: Int[Tensor, " B"]
    ) -> Float[Tensor, ""]:
        loss = self.audio_clusters(audio, self.get_buffer("audio_label")[rows])
        if not self.task.clusters.on_video:
            return loss
        return (loss + self.video_clusters(video, self.get_buffer("video_label")[rows])) / 2


def in_batch_loss(
    softmax: InfoNCE, video: Float[Tensor, "B D"], audio: Float[Tensor, "B D"], group: Int[Tensor, " B"]
) -> Float[Tensor, ""]:
    """Among the pairs of all processes; other pieces of a pair's own recording aren't its negatives."""
    group = gathered_constant(group)
    return softmax(gathered(video), gathered(audio), same=group[:, None] == group[None])


def clip_vectors(
    learner: nn.Module, pairs: Pairs, device: torch.device
) -> tuple[Float32[np.ndarray, "N D"], Float32[np.ndarray, "N D"]]:
    """The vectors of all pairs, by the learner in evaluation mode."""
    video, audio = towers_of(learner)
    return outputs(video, pairs.video, device, BLOCK), outputs(audio, pairs.audio, device, BLOCK)


def clip_metrics(learner: nn.Module, pairs: Pairs, device: torch.device) -> dict[str, float]:
    """Recall of pairs in a gallery of all of them."""
    video, audio = clip_vectors(learner, pairs, device)
    return retrieval_metrics(video @ audio.T)


def retrieval_metrics(similarity: Float32[np.ndarray, "N N"]) -> dict[str, float]:
    """What is logged after each epoch: video → audio, raw."""
    ks = tuple(k for k in (1, 5, 50) if k <= len(similarity)) or (1,)
    scores = evaluate(similarity, ks=ks, subset_size=None).video_to_audio
    return {f"recall@{k}": scores.recall[k].share for k in ks} | {"median_rank": scores.median_rank}


def export_clip_towers(
    towers: tuple[nn.Module, nn.Module],
    pairs: Pairs,
    folder: Path,
    story: Mapping[str, object],
    num_steps: int = 0,
) -> None:
    """Write both towers and the card.

    Args:
        towers: video and audio; each takes (B, T, F) and gives (B, D).
        pairs: held back; they calibrate.
        num_steps: the only length that the towers take; 0 = any.
    """
    rows = np.arange(min(len(pairs), MAX_CALIBRATION_PAIRS))
    inputs = [torch.from_numpy(gather(items, rows)) for items in (pairs.video, pairs.audio)]
    with torch.no_grad():
        video, audio = (tower.eval()(batch).numpy() for tower, batch in zip(towers, inputs, strict=True))
    similarity = video @ audio.T
    scale, baseline = fit_evidence(similarity)
    common = {"num_steps": num_steps, "scale": scale, "baseline": baseline}
    graphs = {}
    for side, tower, batch in zip(("video", "audio"), towers, inputs, strict=True):
        own = {"side": side, "input": CLIP_INPUT, "num_features": batch.shape[2], "dim": video.shape[1]}
        graphs[side] = Exported(tower, _samples(batch, num_steps), own | common)
    export_model(CLIP_TOWERS, graphs, folder, story)


def fit_evidence(similarity: Float32[np.ndarray, "N N"]) -> tuple[float, float]:
    """Scale and baseline of the nats, from the similarities of matching pairs (the diagonal) and others."""
    matching = np.diag(similarity).astype(np.float64)
    others = similarity[~np.eye(len(similarity), dtype=bool)].astype(np.float64)
    if not len(others):
        return 1.0, 0.0
    targets = platt_target(len(matching)), platt_target(len(others))
    slope, offset = fit_nats(lambda line, scores: line[0] * scores + line[1], (1.0, 0.0), matching, others, targets)
    scale = max(slope, 1e-3)
    return round(scale, 4), round(-offset / scale, 4)


def _samples(batch: torch.Tensor, num_steps: int) -> list[torch.Tensor]:
    """Inputs that differ in whatever is free: the batch, and the length if any is taken."""
    num, num_features = batch.shape[1:]
    lengths = [num_steps] * 3 if num_steps else [num, num + 3, 2 * num]
    shapes = [(size, length, num_features) for size, length in zip((2, 3, 7), lengths, strict=True)]
    return normal(shapes, float(batch.mean()), float(batch.std()))


def _converted(items: Items) -> Items:
    """As float32 once and for all, if they fit into memory like that."""
    if isinstance(items, np.ndarray) and items.size <= MAX_CONVERTED:
        return np.asarray(items, np.float32)
    return items


def towers_of(learner: nn.Module) -> tuple[nn.Module, nn.Module]:
    """Those of video and audio."""
    return learner.get_submodule("video"), learner.get_submodule("audio")


def _cluster_labels(items: Items, num_clusters: int, seed: int) -> Int[Tensor, " N"]:
    """The KMeans cluster of each item's time average."""
    averages = np.stack([items[row].astype(np.float32).mean(axis=0) for row in range(len(items))])
    if len(averages) < num_clusters:
        raise UsageError(f"{num_clusters} clusters of {len(averages)} items; set task.clusters.num_clusters lower")
    labels = KMeans(num_clusters, n_init=10, random_state=seed).fit_predict(averages)
    return torch.from_numpy(labels.astype(np.int64))
