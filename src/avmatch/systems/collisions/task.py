"""The two tasks that are trained on impacts: to name the object, and to bring video and sound of one impact together.

    CollisionClasses    log bands (4, F, T)               ─ ResNet ─┐
                        pictures and masks (P, 48, 48, 4) ─ CNN ────┴ logits → cross-entropy

    CollisionMetric     centroids → MLP, or small masks → 3D CNN ─┐
                        log bands (4, F, T) → ResNet ─────────────┴ distance D → λ·Y·D² + (1 − λ)(1 − Y)·max(0, m − D)

DATA is a dataset in the Tilt-Bot's layout (data.py), or the features that a run computed of one. Whole folds are held
back, each class dealt out evenly: `validation_share` 1 / num_folds, `split_seed` chooses which. Sounds get louder or
softer in training, are moved in time and put into noise; pictures get brighter or darker, videos begin later, and
impacts are turned and mirrored (augmentation.py).

Pairs of the metric are compared inside a class. Each item goes through its tower once; each video is compared with its
own sound and with up to `strangers` negatives. λ = `weight` balances the two: with one pair against s negatives,
s / (1 + s) gives both the same weight. 0.5 is the loss without λ, in which the negatives count s times as much; with
three of them it assigns more held-back impacts right (docs/experiments/collisions.md). One model for all classes, or
for one of them (`only`).

An exported graph carries its description as the metadata property `avmatch`:

    {"kind": "collisions", "model": "collision_classify", "side": "sound", "shape": [4, 128, 98], "bins": 4, "ticks": 2,
     "outputs": "classes", "classes": ["061_foam_brick", …]}

`side` is what goes in: "sound" (log bands), "picture" (pictures of the object), "path" (centroids) or "masks";
`outputs` is "classes" (logits) or "vector". Batches are free.

Letters in shapes: B impacts of a batch, K classes, P pairs (matching or not), D dimensions, N items of a set, C
channels, F bands, T ticks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from torch import Tensor, nn
from torch.nn import functional

from avmatch.artifacts.model import COLLISIONS
from avmatch.core.errors import UsageError
from avmatch.core.results import Progress
from avmatch.data.items import Pairs, gather
from avmatch.data.splits import class_folds
from avmatch.metrics.classes import macro_mean, top_k_hits
from avmatch.metrics.intervals import bootstrap_interval
from avmatch.systems.collisions import model
from avmatch.systems.collisions.augmentation import Sounds, Symmetries, in_noise, once, tray_symmetries
from avmatch.systems.collisions.data import CLASSES
from avmatch.systems.collisions.features import Bands, prepared
from avmatch.systems.collisions.frontends import MAX_FRAMES, repeated
from avmatch.systems.collisions.runtime import CLASSES_GRAPH, METRIC_GRAPH
from avmatch.training.export import Exported, export_model, normal
from avmatch.training.losses import weighted_contrastive
from avmatch.training.task import Batch, Source, outputs

SIDES = ("sound", "picture")
#: Validation of the metric draws so many sets of so many pairs of a class.
DRAWS, DRAWN = 20, 5
#: Items that go through a network at once where nothing is learned.
_TOGETHER = 64
#: Mean and standard deviation of what goes in, for the parity check of exported graphs.
_USUAL = {"sound": (-15.0, 3.0), "picture": (128.0, 60.0), "path": (220.0, 100.0), "masks": (20.0, 40.0)}


@dataclass(frozen=True)
class CollisionClasses:
    """Name the object by its sound (task 1), or by pictures of it (the second stage).

    Attributes:
        side: "sound" or "picture".
        bands: how spectrograms are pooled.
        num_folds, fold_seed: what is held back together.
        level_nats: log power goes up or down by up to so much in training; `shift_ticks`, the sound moves.
        noise_probability: how often noise is added to a sound in training.
        light: pictures get brighter or darker by up to this share.
    """

    metrics: ClassVar[tuple[str, ...]] = (
        "accuracy",
        "accuracy_low",
        "accuracy_high",
        "accuracy_macro",
        "loss_validation",
    )

    side: str = "sound"
    bands: Bands = field(default_factory=Bands)
    num_folds: int = 5
    fold_seed: int = 0
    sound: model.ResNetConfig = field(default_factory=model.ResNetConfig)
    picture: model.PictureCnnConfig = field(default_factory=model.PictureCnnConfig)
    label_smoothing: float = 0.05
    level_nats: float = 0.7
    shift_ticks: int = 8
    noise_probability: float = 0.5
    light: float = 0.15

    def __post_init__(self) -> None:
        if self.side not in SIDES:
            raise UsageError(f"side must be one of {', '.join(SIDES)}, got {self.side!r}")

    def read(self, data: str | Path, cache: Path, progress: Progress | None = None) -> Pairs:
        """The segments. Both sides of a pair are what goes in, as the other one isn't used."""
        array = "bands" if self.side == "sound" else "crops"
        return _pairs(self, (array, array), data, cache, progress)

    def learner(self, pairs: Pairs, seed: int) -> ImpactReader:
        """The network and its loss."""
        return ImpactReader(self, tuple(pairs.video[0].shape), len(pairs.label_names))

    def source(self, pairs: Pairs, learner: nn.Module, device: torch.device) -> Source:
        """Sounds or pictures, changed a little each time; the number of the class stands in for the other side."""
        return partial(self._batch, pairs)

    def _batch(self, pairs: Pairs, rows: Int[np.ndarray, " B"], epoch: int, rng: np.random.Generator) -> Batch:
        items = gather(pairs.video, rows)
        if self.side == "sound":
            items = _changed_sounds(self, items, rng)
        else:
            light = 1 + rng.uniform(-self.light, self.light, (len(rows), 1, 1, 1, 1))
            items[..., :3] = np.clip(items[..., :3] * light, 0, 255)
        return Batch.of(pairs, rows, items, pairs.label[rows][:, None])

    def validate(self, learner: ImpactReader, pairs: Pairs, device: torch.device) -> Mapping[str, float]:
        """How often the right class is the likeliest, with its 95 % interval, and the mean over the classes."""
        logits = outputs(learner.network, pairs.video, device, _TOGETHER)
        hits = top_k_hits(logits, pairs.label, 1)
        interval = bootstrap_interval(hits, 0)
        return {
            "accuracy": float(hits.mean()),
            "accuracy_low": interval.low,
            "accuracy_high": interval.high,
            "accuracy_macro": macro_mean(hits, pairs.label),
            "loss_validation": float(functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(pairs.label))),
        }

    def export(self, learner: ImpactReader, pairs: Pairs, folder: Path, description: Mapping[str, object]) -> None:
        """classes_sound.onnx or classes_picture.onnx, and card.md."""
        graph = _graph(learner.network, self.side, learner.shape, self.bands, pairs.label_names)
        export_model(COLLISIONS, {CLASSES_GRAPH.format(self.side): graph}, folder, description)


class ImpactReader(nn.Module):
    """A classifier and its loss."""

    def __init__(self, task: CollisionClasses, shape: tuple[int, ...], num_classes: int) -> None:
        super().__init__()
        self.task, self.shape = task, shape
        self.network: nn.Module = (
            model.SpectrogramResNet(task.sound, shape[0], num_classes)
            if task.side == "sound"
            else model.PictureCnn(task.picture, num_classes)
        )

    def forward(self, batch: Batch, epoch: int) -> dict[str, Float[Tensor, ""]]:
        """The loss of a batch, and the share that is named right."""
        logits, label = self.network(batch.video.float()).float(), batch.audio[:, 0].long()
        loss = functional.cross_entropy(logits, label, label_smoothing=self.task.label_smoothing)
        return {"loss": loss, "accuracy_training": (logits.argmax(dim=1) == label).float().mean()}


@dataclass(frozen=True)
class CollisionMetric:
    """Bring the vectors of the video and the sound of one impact near each other, and the others of its class apart.

    Attributes:
        film: the video's tower, and with it what of the video goes in.
        sound: the sound's tower.
        dim: of the vectors.
        only: number of the one class that is learned; −1 = all.
        margin, weight: m and λ of the loss.
        strangers: negatives of each video in a batch, at most.
        level_nats, shift_ticks, noise_probability: as of CollisionClasses.
        jitter_px: centroids are moved by this much (standard deviation) in training.
        trim_frames: videos begin up to so many frames later in training.
        symmetric: impacts are turned and mirrored in training, if the microphones' places allow it (augmentation.py).
    """

    metrics: ClassVar[tuple[str, ...]] = (
        "accuracy_pairs",
        "loss_pairs",
        "accuracy_assigned",
        "accuracy_strangers",
        "loss_strangers",
    )

    film: model.CentroidMlpConfig | model.Frames3dConfig = field(default_factory=model.CentroidMlpConfig)
    sound: model.ResNetConfig = field(default_factory=lambda: model.ResNetConfig(differences=True))
    bands: Bands = field(default_factory=Bands)
    dim: int = 32
    only: int = -1
    margin: float = 1.0
    weight: float = 0.5
    strangers: int = 3
    num_folds: int = 5
    fold_seed: int = 0
    level_nats: float = 0.2
    shift_ticks: int = 4
    noise_probability: float = 0.5
    jitter_px: float = 2.0
    trim_frames: int = 4
    symmetric: bool = True

    def __post_init__(self) -> None:
        if self.strangers < 1 or not 0 < self.weight < 1 or self.margin <= 0:
            raise UsageError(f"strangers must be 1 or more, weight in 0…1, margin positive, got {self}")

    def read(self, data: str | Path, cache: Path, progress: Progress | None = None) -> Pairs:
        """The segments: videos as the tower takes them, and log bands."""
        pairs = _pairs(self, (self.film.side, "bands"), data, cache, progress)
        rows = np.flatnonzero(pairs.label == self.only) if self.only >= 0 else np.arange(len(pairs))
        if not len(rows):
            raise UsageError(f"only={self.only}: no segment of this class in {data}")
        return pairs.take(rows)

    def learner(self, pairs: Pairs, seed: int) -> ImpactTowers:
        """Two towers and the loss."""
        turns = tray_symmetries(pairs) if self.symmetric else ()
        return ImpactTowers(self, tuple(pairs.audio[0].shape), pairs.label, turns)

    def source(self, pairs: Pairs, learner: ImpactTowers, device: torch.device) -> Source:
        """Videos and their sounds, changed a little each time."""
        return partial(self._batch, pairs, learner.turns)

    def _batch(
        self, pairs: Pairs, turns: Symmetries, rows: Int[np.ndarray, " B"], epoch: int, rng: np.random.Generator
    ) -> Batch:
        video, sound = gather(pairs.video, rows), gather(pairs.audio, rows)
        video = np.stack([self._trimmed(one, rng) for one in video])
        if turns:
            drawn = [turns[number] for number in rng.integers(len(turns), size=len(rows))]
            video = np.stack([getattr(turn, self.film.side)(one) for turn, one in zip(drawn, video, strict=True)])
            sound = np.stack([turn.bands(one) for turn, one in zip(drawn, sound, strict=True)])
        if self.film.side == "path":
            video = video + rng.normal(0, self.jitter_px, video.shape).astype(np.float32)
        return Batch.of(pairs, rows, video, _changed_sounds(self, sound, rng))

    def _trimmed(self, video: Float32[np.ndarray, "*shape"], rng: np.random.Generator) -> Float32[np.ndarray, "*shape"]:
        """Some frames cut at the start, and the rest repeated again."""
        frames = once(video.reshape(MAX_FRAMES, -1))
        cut = int(rng.integers(0, min(self.trim_frames, len(frames) - 1) + 1))
        return repeated(frames[cut:]).reshape(video.shape)

    def validate(self, learner: ImpactTowers, pairs: Pairs, device: torch.device) -> Mapping[str, float]:
        """Inside the classes: the loss, pairs nearer and negatives farther than half the margin, right assignments."""
        video = outputs(learner.film, pairs.video, device, _TOGETHER)
        distance = cdist(video, outputs(learner.sound, pairs.audio, device, _TOGETHER)).astype(np.float32)
        same = pairs.label[:, None] == pairs.label
        own, others = np.diagonal(distance), distance[same & ~np.eye(len(pairs), dtype=bool)]
        weight, margin = self.weight, self.margin
        found = {
            "accuracy_pairs": float((own < margin / 2).mean()),
            "loss_pairs": float(weight * np.square(own).mean()),
            "accuracy_assigned": assigned(distance, pairs.label),
        }
        if len(others):
            found["accuracy_strangers"] = float((others >= margin / 2).mean())
            found["loss_strangers"] = float((1 - weight) * np.maximum(margin - others, 0).mean())
        return found

    def export(self, learner: ImpactTowers, pairs: Pairs, folder: Path, description: Mapping[str, object]) -> None:
        """metric_film.onnx, metric_sound.onnx and card.md."""
        sides = {"film": (learner.film, self.film.side, pairs.video), "sound": (learner.sound, "sound", pairs.audio)}
        graphs = {
            METRIC_GRAPH.format(name): _graph(tower, side, tuple(items[0].shape), self.bands)
            for name, (tower, side, items) in sides.items()
        }
        export_model(COLLISIONS, graphs, folder, description)


CollisionTask = CollisionClasses | CollisionMetric


class ImpactTowers(nn.Module):
    """Two towers and the loss of triples inside a class."""

    def __init__(
        self, task: CollisionMetric, shape: tuple[int, ...], label: Int[np.ndarray, " N"], turns: Symmetries
    ) -> None:
        super().__init__()
        self.task, self.turns = task, turns
        self.film = _shrunk(task.film.network(task.dim), task.dim)
        self.sound = _shrunk(model.SpectrogramResNet(task.sound, shape[0], task.dim), task.dim)
        self.label = nn.Buffer(torch.from_numpy(label), persistent=False)

    def forward(self, batch: Batch, epoch: int) -> dict[str, Float[Tensor, ""]]:
        """The loss of a batch; how many pairs are near enough, and negatives far enough."""
        video, audio = self.film(batch.video.float()), self.sound(batch.audio.float())
        film, sound, is_pair = triples(self.label[batch.rows], self.task.strangers)
        distance = torch.linalg.vector_norm(video[film] - audio[sound], dim=1)
        half = self.task.margin / 2
        found = {"loss": weighted_contrastive(distance, is_pair, self.task.margin, self.task.weight)}
        found["accuracy_pairs_training"] = (distance[is_pair] < half).float().mean()
        if not is_pair.all():
            found["accuracy_strangers_training"] = (distance[~is_pair] >= half).float().mean()
        return found


@torch.no_grad()
def _shrunk(network: nn.Module, dim: int) -> nn.Module:
    """The last layer made smaller: at first vectors are about 1 apart, as no negative counts beyond the margin."""
    *_, last = (layer for layer in network.modules() if isinstance(layer, nn.Linear))
    for parameter in last.parameters():
        parameter.mul_(dim**-0.5)
    return network


def triples(
    label: Int[Tensor, " B"], num_negatives: int
) -> tuple[Int[Tensor, " P"], Int[Tensor, " P"], Bool[Tensor, " P"]]:
    """Rows of videos, rows of sounds, and which of them match: each with its own, and with drawn others of its class.

    Args:
        num_negatives: of each video, at most.
    """
    num, device = len(label), label.device
    own = torch.arange(num, device=device)
    likely = torch.rand(num, num, device=device)
    likely = likely.masked_fill((label[:, None] != label) | torch.eye(num, dtype=torch.bool, device=device), -1.0)
    drawn, others = likely.topk(min(num_negatives, num), dim=1)
    film = torch.cat([own, own[:, None].expand_as(others)[drawn >= 0]])
    return film, torch.cat([own, others[drawn >= 0]]), torch.arange(len(film), device=device) < num


def assigned(distance: Float32[np.ndarray, "N N"], label: Int[np.ndarray, " N"]) -> float:
    """Share of right pairs where DRAWN pairs of one class are assigned by distance, over DRAWS draws of each class."""
    rng, right, total = np.random.default_rng(0), 0, 0
    for one in np.unique(label):
        rows = np.flatnonzero(label == one)
        for _ in range(DRAWS):
            drawn = rng.choice(rows, min(DRAWN, len(rows)), replace=False)
            found = linear_sum_assignment(distance[np.ix_(drawn, drawn)])[1]
            right += int((found == np.arange(len(drawn))).sum())
            total += len(drawn)
    return right / total


def _pairs(
    task: CollisionTask, arrays: tuple[str, str], data: str | Path, cache: Path, progress: Progress | None
) -> Pairs:
    """Two arrays of the prepared segments; the groups are folds, each class dealt out evenly."""
    found = prepared(data, cache, task.bands, progress)
    fold = class_folds(found.label, np.arange(len(found.label)), task.num_folds, task.fold_seed)
    video, audio = (found.arrays[name] for name in arrays)
    return Pairs(video, audio, found.names, fold, found.label, CLASSES)


def _graph(
    network: nn.Module, side: str, shape: tuple[int, ...], bands: Bands, classes: Sequence[str] = ()
) -> Exported:
    """A classifier of `classes`, or without them a tower; `shape` is that of an item."""
    what = {"outputs": "classes", "classes": list(classes)} if classes else {"outputs": "vector"}
    description = {"side": side, "shape": list(shape), "bins": bands.bins, "ticks": bands.ticks, **what}
    return Exported(network, normal([(num, *shape) for num in (2, 1, 5)], *_USUAL[side]), description)


def _changed_sounds(task: CollisionTask, sounds: Sounds, rng: np.random.Generator) -> Sounds:
    """Some in noise; each louder or softer, and moved in time: what leaves at one end comes in at the other."""
    sounds = in_noise(sounds, task.bands, task.noise_probability, rng)
    level = rng.uniform(-task.level_nats, task.level_nats, (len(sounds), 1, 1, 1)).astype(np.float32)
    shifts = rng.integers(-task.shift_ticks, task.shift_ticks + 1, len(sounds))
    moved = [np.roll(sound, shift, axis=2) for sound, shift in zip(sounds, shifts.tolist(), strict=True)]
    return np.stack(moved) + level
