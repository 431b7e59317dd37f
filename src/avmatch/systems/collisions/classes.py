"""The task of naming the object of an impact: by its sound (task 1), or by pictures of it (the second stage).

    log bands (4, F, T)             ─ ResNet ─┐
    pictures and masks (P, 48, 48, 4) ─ CNN ──┴ logits → cross-entropy

DATA is a dataset in the Tilt-Bot's layout (data.py), or the features that a run computed of one. Whole
folds are held back, each class dealt out evenly: `validation_share` 1 / num_folds, `split_seed` chooses which.

Sounds are made louder or softer in training, moved in time and put into noise; pictures brighter or darker.

Letters in shapes: B impacts, K classes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor, nn
from torch.nn import functional

from avmatch.artifacts.model import COLLISIONS
from avmatch.core.errors import UsageError
from avmatch.core.results import Progress
from avmatch.data.items import Pairs, gather
from avmatch.metrics.classes import macro_mean, top_k_hits
from avmatch.metrics.intervals import bootstrap_interval
from avmatch.systems.collisions.export import impact_graph
from avmatch.systems.collisions.features import NOISY_DB, Bands, prepared
from avmatch.systems.collisions.frontends import bands_in_noise
from avmatch.systems.collisions.model import PictureCnn, PictureCnnConfig, ResNetConfig, SpectrogramResNet
from avmatch.systems.collisions.runtime import CLASSES_GRAPH
from avmatch.training.export import export_model
from avmatch.training.inference import outputs
from avmatch.training.task import Batch

SIDES = ("sound", "picture")
#: Impacts that are looked at together where nothing is learned.
TOGETHER = 64
#: Noise in training: how much its colour varies, at so many places between the lowest and the highest band.
_COLOUR_NATS, _COLOURS = 1.5, 4


@dataclass(frozen=True)
class CollisionClasses:
    """The task.

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
    sound: ResNetConfig = field(default_factory=ResNetConfig)
    picture: PictureCnnConfig = field(default_factory=PictureCnnConfig)
    label_smoothing: float = 0.05
    level_nats: float = 0.7
    shift_ticks: int = 8
    noise_probability: float = 0.5
    light: float = 0.15

    def __post_init__(self) -> None:
        if self.side not in SIDES:
            raise UsageError(f"side must be one of {', '.join(SIDES)}, got {self.side!r}")

    def read(self, data: str | Path, cache: Path, progress: Progress | None = None) -> Pairs:
        """The segments: what is looked at, and once more as the other side, which isn't used."""
        found = prepared(data, cache, self.bands, num_workers=num_workers(), progress=progress)
        array = "bands" if self.side == "sound" else "crops"
        return found.pairs(array, array, self.num_folds, self.fold_seed)

    def learner(self, pairs: Pairs, seed: int) -> ImpactReader:
        """The network and its loss."""
        return ImpactReader(self, tuple(pairs.video[0].shape), len(pairs.label_names))

    def source(self, pairs: Pairs, learner: nn.Module, device: torch.device) -> ImpactBatches:
        """Sounds or pictures, a little other each time."""
        return ImpactBatches(self, pairs)

    def validate(self, learner: nn.Module, pairs: Pairs, device: torch.device) -> Mapping[str, float]:
        """How often the right class is the likeliest, with its 95 % interval, and the mean over the classes."""
        assert isinstance(learner, ImpactReader)
        logits = outputs(learner.network, pairs.video, device, TOGETHER)
        hits = top_k_hits(logits, pairs.label, 1)
        interval = bootstrap_interval(hits, 0)
        return {
            "accuracy": float(hits.mean()),
            "accuracy_low": interval.low,
            "accuracy_high": interval.high,
            "accuracy_macro": macro_mean(hits, pairs.label),
            "loss_validation": float(functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(pairs.label))),
        }

    def export(self, learner: nn.Module, pairs: Pairs, folder: Path, description: Mapping[str, object]) -> None:
        """classes_sound.onnx or classes_picture.onnx, and card.md."""
        assert isinstance(learner, ImpactReader)
        graph = impact_graph(learner.network, self.side, learner.shape, self.bands, pairs.label_names)
        export_model(COLLISIONS, {CLASSES_GRAPH.format(self.side): graph}, folder, description)


class ImpactReader(nn.Module):
    """A classifier and its loss."""

    def __init__(self, task: CollisionClasses, shape: tuple[int, ...], num_classes: int) -> None:
        super().__init__()
        self.task, self.shape = task, shape
        self.network: nn.Module = (
            SpectrogramResNet(task.sound, shape[0], num_classes)
            if task.side == "sound"
            else PictureCnn(task.picture, num_classes)
        )

    def forward(self, batch: Batch, epoch: int) -> dict[str, Float[Tensor, ""]]:
        """The loss of a batch, and the share that it gets right."""
        logits, label = self.network(batch.video.float()).float(), batch.audio[:, 0].long()
        loss = functional.cross_entropy(logits, label, label_smoothing=self.task.label_smoothing)
        return {"loss": loss, "accuracy_training": (logits.argmax(dim=1) == label).float().mean()}


@dataclass(frozen=True, eq=False)
class ImpactBatches:
    """The source of batches: what is looked at, and instead of the other side the number of the class."""

    task: CollisionClasses
    pairs: Pairs

    def __call__(self, rows: Int[np.ndarray, " B"], epoch: int, rng: np.random.Generator) -> Batch:
        """Those of `rows`, changed as in training."""
        shown = gather(self.pairs.video, rows)
        if self.task.side == "sound":
            shown = in_noise(shown, self.task.bands, self.task.noise_probability, rng)
            shown = changed_bands(shown, self.task.level_nats, self.task.shift_ticks, rng)
        else:
            light = 1 + rng.uniform(-self.task.light, self.task.light, (len(rows), 1, 1, 1, 1))
            shown[..., :3] = np.clip(shown[..., :3] * light, 0, 255)
        return Batch.of(self.pairs, rows, shown, self.pairs.label[rows][:, None])


def changed_bands(
    bands: Float32[np.ndarray, "B C F T"], level_nats: float, shift_ticks: int, rng: np.random.Generator
) -> Float32[np.ndarray, "B C F T"]:
    """Each sound louder or softer by up to so much, and moved in time: what leaves at one end comes in at the other."""
    level = rng.uniform(-level_nats, level_nats, (len(bands), 1, 1, 1)).astype(np.float32)
    shifts = rng.integers(-shift_ticks, shift_ticks + 1, len(bands))
    moved = [np.roll(sound, shift, axis=2) for sound, shift in zip(bands, shifts.tolist(), strict=True)]
    return np.stack(moved) + level


def in_noise(
    sounds: Float32[np.ndarray, "B C F T"], bands: Bands, probability: float, rng: np.random.Generator
) -> Float32[np.ndarray, "B C F T"]:
    """Some of them in noise of any level within NOISY_DB and, every other time, of some colour."""
    changed = sounds.copy()
    for row in np.flatnonzero(rng.random(len(sounds)) < probability).tolist():
        colour_nats = rng.normal(0, _COLOUR_NATS * rng.integers(2), _COLOURS)
        changed[row] = bands_in_noise(sounds[row], rng.uniform(*NOISY_DB), colour_nats, bands.num_values, rng)
    return changed


def num_workers() -> int:
    """Processes that compute features: as many as there are processors for this one."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
