"""The task of a scene's label: cross-entropy of the class by one of the published fusions (model.py).

`SceneTask` has what `scene_best` (mixed.py) shares: reading, batches, validation, the export.

Letters in shapes: N items, B items of a batch, T and U steps, F and G features, C classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.special import softmax
from torch import Tensor, nn
from torch.nn import functional

from avmatch.artifacts.model import SCENES
from avmatch.core.errors import UsageError
from avmatch.core.results import Progress
from avmatch.data.items import SIDES, Items, Pairs, Side, gathered_steps, num_features, usual_length
from avmatch.data.pairs import read_scenes
from avmatch.metrics.classes import log_loss
from avmatch.systems.scenes.media import SIGNALS, is_scene_media, read_scene_media
from avmatch.systems.scenes.model import AVERAGES, KINDS, Fusion, Standard
from avmatch.systems.scenes.runtime import SCENE_INPUT, SCENES_MODEL
from avmatch.training.export import Exported, export_model
from avmatch.training.task import Batch, blocks, evaluating

#: Items that go through a network at once, where nothing is trained.
BLOCK = 256


class SceneLearner(nn.Module):
    """A trainable network that takes the steps of audio and video, of these sizes, and gives logits.

    Attributes:
        sides: those that count.
    """

    network: nn.Module
    sides: tuple[Side, ...] = SIDES

    def __init__(self, pairs: Pairs) -> None:
        super().__init__()
        # One feature where a set has no steps of a side at all.
        self.sizes = num_features(pairs.audio) or 1, num_features(pairs.video) or 1


@dataclass(frozen=True)
class SceneTask:
    """What both tasks have.

    Attributes:
        split: of DATA that has splits; "" = all, but not the tests of TAU and of other sets with lists of their own.
        front_end: computes features of DATA that are media: a model, or "signals"; "" = DATA has features.
    """

    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "log_loss", "log_likelihood")

    split: str = ""
    front_end: str = ""

    def read(self, data: str | Path, cache: Path, progress: Progress | None = None) -> Pairs:
        """The items whose class is known (data/pairs.py, data/layouts.py).

        Raises:
            UsageError: no known layout, fewer than two classes, or media and no front end.
        """
        if self.front_end:
            scenes = read_scene_media(data, self.front_end, cache, progress, self.split or None)
        elif is_scene_media(data):
            raise UsageError(f"{data}: holds media; --set task.front_end={SIGNALS}, or a model, makes features of them")
        else:
            scenes = read_scenes(data, self.split or None)
        scenes = scenes.labelled()
        if (num_classes := len(np.unique(scenes.label))) < 2:
            raise UsageError(f"{data}: has {num_classes} classes; a classifier needs two or more")
        if scenes.faults:
            message = f"sides are missing or broken and count as not there: {scenes.faults[0]}"
            more = ", …" if len(scenes.faults) > 1 else ""
            warnings.warn(f"{data}: {len(scenes.faults)} {message}{more}", stacklevel=2)
        return scenes

    def source(self, pairs: Pairs, learner: SceneLearner, device: torch.device) -> SceneBatches:
        """Items as they are."""
        return SceneBatches(pairs, learner.sizes)

    def validate(self, learner: SceneLearner, pairs: Pairs, device: torch.device) -> Mapping[str, float]:
        """Accuracy and log loss of the held-back items, and the log likelihood, which is higher where it is better."""
        logits = scene_logits(learner, pairs, device)
        loss = log_loss(softmax(logits, axis=1), pairs.label)
        accuracy = float((logits.argmax(axis=1) == pairs.label).mean())
        return {"accuracy": accuracy, "log_loss": loss, "log_likelihood": -loss}

    def export(self, learner: SceneLearner, pairs: Pairs, folder: Path, description: Mapping[str, object]) -> None:
        """scenes.onnx (runtime.py) and card.md."""
        described = {
            "input": SCENE_INPUT,
            "labels": pairs.label_names,
            "audio_features": learner.sizes[0],
            "video_features": learner.sizes[1],
            "window_steps": max(usual_length(pairs.audio), usual_length(pairs.video), 1),
            "rate_hz": pairs.video_rate_hz,
            "sides": list(learner.sides),
            "front_end": self.front_end,
        }
        graph = Exported(learner.network, _samples(pairs, learner.sizes), described, SIDES)
        export_model(SCENES, {SCENES_MODEL: graph}, folder, description)


@dataclass(frozen=True)
class FusedScenes(SceneTask):
    """The task of the published fusions.

    Attributes:
        fusion: audio, video, early, middle, late or hybrid.
        average: of late: logits, or probabilities.
    """

    fusion: str = "late"
    average: str = "logits"

    def __post_init__(self) -> None:
        if self.fusion not in KINDS or self.average not in AVERAGES:
            known = f"fusion is one of {', '.join(KINDS)}, average one of {', '.join(AVERAGES)}"
            raise UsageError(f"{known}, got {self.fusion!r} and {self.average!r}")

    def learner(self, pairs: Pairs, seed: int) -> SceneFusion:
        """The network, with mean and deviation of the training steps."""
        return SceneFusion(self, pairs)


class SceneFusion(SceneLearner):
    """The network and the training items' labels."""

    def __init__(self, task: FusedScenes, pairs: Pairs) -> None:
        super().__init__(pairs)
        standards = standard(pairs.audio, self.sizes[0]), standard(pairs.video, self.sizes[1])
        self.sides = tuple(side for side in SIDES if task.fusion == side) or SIDES
        self.network = Fusion(task.fusion, *standards, len(pairs.label_names), task.average)
        self.label = nn.Buffer(torch.from_numpy(pairs.label))

    def forward(self, batch: Batch, epoch: int) -> dict[str, Float[Tensor, ""]]:
        """The loss of a batch."""
        return {"loss": functional.cross_entropy(self.network(batch.audio, batch.video), self.label[batch.rows])}


@dataclass(frozen=True, eq=False)
class SceneBatches:
    """The source of batches; missing steps are NaN."""

    pairs: Pairs
    sizes: tuple[int, int]

    def __call__(self, rows: Int[np.ndarray, " B"], epoch: int, rng: np.random.Generator) -> Batch:
        """The items of `rows`."""
        audio, video = (
            gathered_steps(items, rows, size)
            for items, size in zip((self.pairs.audio, self.pairs.video), self.sizes, strict=True)
        )
        return Batch.of(self.pairs, rows, video, audio)

    def in_turn(self, rows: Int[np.ndarray, " M"]) -> Iterator[Batch]:
        """The items of `rows`, BLOCK at once."""
        rng = np.random.default_rng(0)
        for places in blocks(len(rows), BLOCK):
            yield self(rows[places], 0, rng)


def standard(items: Items, size: int) -> Standard:
    """Mean and deviation over all steps that are there; 0 and 1 where there are none, or all are alike."""
    count, total, squares = 0, np.zeros(size), np.zeros(size)
    for rows in blocks(len(items), BLOCK):
        steps = gathered_steps(items, rows, size).reshape(-1, size).astype(np.float64)
        steps = steps[~np.isnan(steps).any(axis=1)]
        count, total, squares = count + len(steps), total + steps.sum(axis=0), squares + (steps**2).sum(axis=0)
    mean = total / max(1, count)
    variance = np.maximum(squares / max(1, count) - mean**2, 0)
    deviation = np.where(variance > 1e-12 + 1e-10 * mean**2, np.sqrt(variance), 1.0)  # rounding is no variance
    return Standard(*(torch.from_numpy(values.astype(np.float32)) for values in (mean, deviation)))


def scene_logits(learner: SceneLearner, pairs: Pairs, device: torch.device) -> Float[np.ndarray, "N C"]:
    """The logits of each item, in evaluation mode."""
    moved = (batch.to(device) for batch in SceneBatches(pairs, learner.sizes).in_turn(np.arange(len(pairs))))
    with evaluating(learner):
        return np.concatenate([learner.network(one.audio, one.video).double().cpu().numpy() for one in moved])


def _samples(pairs: Pairs, sizes: tuple[int, int]) -> list[tuple[Tensor, ...]]:
    """Real items in batches of several sizes and lengths, with missing steps and whole sides."""
    samples = []
    for count, more in ((3, (0, 3)), (2, (4, 0)), (7, (9, 9))):
        rows = np.arange(count) % len(pairs)
        sides: list[Tensor] = []
        for items, size, extra in zip((pairs.audio, pairs.video), sizes, more, strict=True):
            steps = gathered_steps(items, rows, size)
            side = steps[:, np.arange(steps.shape[1] + extra) % steps.shape[1]]
            side[len(sides), 1:] = np.nan
            sides.append(torch.from_numpy(side))
        sides[0][-1] = torch.nan
        samples.append(tuple(sides))
    return samples
