"""The task of `scene_best`: attentive networks and linear discriminants, mixed by case (model.py).

    features (T, F) ─┬ networks, each from another start and without another fold ┐
                     └ discriminants of mean and deviation over time              ┴ weights by case → logits

In training, items are mixed (both sides and the label alike), and now and then a side is taken away whole, which makes
the other answer alone. The weights of the mixture, temperature included, are fitted at the end (stacking): each network
to the fold that it wasn't trained on, beside discriminants that are fitted again without that fold; for both sides, and
for each alone. Where the run held items back, they are fitted to those.

Letters in shapes: B items of a batch, N items, T and U steps, F and G features, D statistics, C classes, P parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from scipy.special import softmax
from torch import Tensor, nn
from torch.nn import functional

from avmatch.core.errors import UsageError
from avmatch.data.items import Items, Pairs, gathered_steps, usual_length
from avmatch.data.splits import group_folds
from avmatch.metrics.classes import log_loss
from avmatch.systems.scenes import model
from avmatch.systems.scenes.fusing import log_weights
from avmatch.systems.scenes.model import AUDIO_ONLY, BOTH, VIDEO_ONLY, SceneMixture, Standard
from avmatch.systems.scenes.task import SceneBatches, SceneLearner, SceneTask, standard
from avmatch.training.closed_forms import discriminants, whitening
from avmatch.training.task import Batch

#: Steps from which principal components are taken.
MAX_WHITENED = 60_000
#: Weights of a case are fitted to so many items or more.
MIN_STACKED = 20


@dataclass(frozen=True)
class MixedScenes(SceneTask):
    """The task.

    Attributes:
        num_networks: each goes without one of `num_folds` folds of the items.
        mixup: alpha of the mixing of items; 0 = off.
        side_dropout: how often the sound is taken away, and as often the video.
        side_weight: of the loss of each side alone.
        shrinkage: of the discriminants' covariance.
    """

    attention: model.AttentionConfig = field(default_factory=model.AttentionConfig)
    num_networks: int = 5
    num_folds: int = 10
    fold_seed: int = 0
    mixup: float = 0.2
    side_dropout: float = 0.1
    side_weight: float = 0.3
    shrinkage: float = 0.3

    def __post_init__(self) -> None:
        if not 1 <= self.num_networks <= self.num_folds:
            raise UsageError(f"num_networks must lie in 1…num_folds, got {self.num_networks} and {self.num_folds}")
        if not (0 <= self.side_dropout <= 0.5 and 0 < self.shrinkage <= 1 and min(self.mixup, self.side_weight) >= 0):
            raise UsageError(f"side_dropout is 0…0.5, shrinkage above 0 and up to 1, nothing negative; got {self}")

    def learner(self, pairs: Pairs, seed: int) -> MixedLearner:
        """Networks, and the discriminants fitted."""
        return MixedLearner(self, pairs)

    def export(self, learner: nn.Module, pairs: Pairs, folder: Path, description: Mapping[str, object]) -> None:
        """scenes.onnx and card.md, the mixture's weights fitted before."""
        assert isinstance(learner, MixedLearner)
        figures, results = stack(learner, pairs), description["results"]
        assert isinstance(results, Mapping)
        super().export(learner, pairs, folder, {**description, "results": {**results, **figures}})


class MixedLearner(SceneLearner):
    """The mixture, which is the mean of its networks until its weights are fitted; the networks are trained."""

    network: SceneMixture

    def __init__(self, task: MixedScenes, pairs: Pairs) -> None:
        super().__init__(pairs)
        self.task, self.names = task, pairs.names
        self.num_classes = len(pairs.label_names)
        both = (pairs.audio, pairs.video)
        each = [standard(items, size) for items, size in zip(both, self.sizes, strict=True)]
        sides = [_fixed(one) for one in each]
        whites = [
            _whitening(items, fixed, num, task.attention.whitening_power)
            for items, fixed, num in zip(both, sides, task.attention.num_components, strict=True)
        ]
        networks = []
        for _ in range(task.num_networks):
            audio, video = (model.Side(task.attention, *fixed) for fixed in zip(sides, whites, strict=True))
            networks.append(model.SceneAttention(task.attention, audio, video, self.num_classes))
        statistics = model.SceneStatistics(*each)
        fitted = self.discriminant(*statistics_of(statistics, SceneBatches(pairs, self.sizes)), pairs.label)
        self.network = SceneMixture(networks, statistics, fitted)
        self.label = nn.Buffer(functional.one_hot(torch.from_numpy(pairs.label), self.num_classes).float())
        num_folds = min(task.num_folds, len(np.unique(pairs.group)))
        self.fold = nn.Buffer(torch.from_numpy(group_folds(pairs.group, num_folds, task.fold_seed)))

    def forward(self, batch: Batch, epoch: int) -> dict[str, Float[Tensor, ""]]:
        """The mean loss of the networks, each over the items outside its fold."""
        losses = [self._loss(network, number, batch) for number, network in enumerate(self.network.networks)]
        return {"loss": torch.stack(losses).mean()}

    def discriminant(
        self, statistics: Float64[np.ndarray, "N D"], case: Int[np.ndarray, " N"], label: Int[np.ndarray, " N"]
    ) -> model.Discriminant:
        """Discriminants of the four cases, each fitted to the items that have the sides that it takes."""
        is_audio = np.arange(statistics.shape[1]) < 2 * self.sizes[0]
        settings = (self.num_classes, self.task.shrinkage)
        nothing = discriminants(statistics, label, *settings, is_audio & False)
        fitted = []
        for one, columns in ((BOTH, is_audio | True), (AUDIO_ONLY, is_audio), (VIDEO_ONLY, ~is_audio)):
            has = (case == BOTH) | (case == one)
            fitted.append(discriminants(statistics[has], label[has], *settings, columns) if has.any() else nothing)
        weights, biases = zip(*((one.weights, one.bias) for one in (*fitted, nothing)), strict=True)
        return model.Discriminant(*(torch.from_numpy(np.stack(one).astype(np.float32)) for one in (weights, biases)))

    def _loss(self, network: nn.Module, number: int, batch: Batch) -> Float[Tensor, ""]:
        may = torch.where(self.fold[batch.rows] != number)[0]
        audio, video, label = batch.audio[may], batch.video[may], self.label[batch.rows[may]]
        if alpha := self.task.mixup:
            other = torch.randperm(len(label))
            shares = torch.distributions.Beta(alpha, alpha).sample((len(label),)).to(label.device)
            audio, video, label = (_mixed(side, other, shares) for side in (audio, video, label))
        if self.task.side_dropout:
            audio, video = without_a_side(audio, video, self.task.side_dropout)
        parts = network(audio, video)
        losses = [functional.cross_entropy(parts.sum(dim=0), label, reduction="none")]
        for part, side in zip(parts[:2], (audio, video), strict=True):
            loss = functional.cross_entropy(part, label, reduction="none")
            losses.append(self.task.side_weight * loss * ~side.isnan().all(dim=(1, 2)))
        return torch.stack(losses).sum() / max(1, len(may))


def without_a_side(audio: Tensor, video: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """A share of the items without their sound, as many without their video."""
    drawn = torch.rand(len(audio), device=audio.device)[:, None, None]
    return audio.masked_fill(drawn < share, torch.nan), video.masked_fill(drawn > 1 - share, torch.nan)


def stack(learner: MixedLearner, pairs: Pairs) -> dict[str, float]:
    """Fit the mixture's weights; returns how good it is on the items that they were fitted to.

    Args:
        pairs: those that the learner was trained on, or others.
    """
    learner.eval()
    source = SceneBatches(pairs, learner.sizes)
    statistics, cases = statistics_of(learner.network.statistics, source)
    judges = [(learner.network, np.arange(len(pairs)))]
    if pairs.names == learner.names:
        judges = _judges(learner, pairs, statistics, cases)
    figures: dict[str, float] = {}
    for case, name in ((BOTH, "both_sides"), (AUDIO_ONLY, "audio_alone"), (VIDEO_ONLY, "video_alone")):
        has = (cases == BOTH) | (cases == case)
        label = np.concatenate([pairs.label[rows[has[rows]]] for _, rows in judges])
        if len(label) < MIN_STACKED:
            continue
        parts = np.concatenate([_parts(judge, source, rows[has[rows]], case) for judge, rows in judges], axis=1)
        weights = log_weights(parts, label)
        learner.network.weights[case] = torch.from_numpy(weights.astype(np.float32))
        probabilities = softmax(np.tensordot(weights, parts, 1), axis=1)
        figures[f"{name}_accuracy"] = float((probabilities.argmax(axis=1) == label).mean())
        figures[f"{name}_log_loss"] = log_loss(probabilities, label)
    return figures


def statistics_of(
    module: model.SceneStatistics, source: SceneBatches
) -> tuple[Float64[np.ndarray, "N D"], Int[np.ndarray, " N"]]:
    """The statistics and the cases of all items."""
    found = [module(batch.audio, batch.video) for batch in source.in_turn(np.arange(len(source.pairs)))]
    statistics, cases = (torch.cat(parts) for parts in zip(*found, strict=True))
    return statistics.double().numpy(), cases.numpy()


def _judges(
    learner: MixedLearner, pairs: Pairs, statistics: Float64[np.ndarray, "N D"], cases: Int[np.ndarray, " N"]
) -> list[tuple[SceneMixture, Int[np.ndarray, " M"]]]:
    """Each network beside discriminants fitted to what it was trained on, and the rows of its fold."""
    judges, fold = [], learner.fold.numpy()
    for number, network in enumerate(learner.network.networks):
        assert isinstance(network, model.SceneAttention)
        kept = fold != number
        fitted = learner.discriminant(statistics[kept], cases[kept], pairs.label[kept])
        judges.append((SceneMixture([network], learner.network.statistics, fitted), np.flatnonzero(~kept)))
    return judges


@torch.no_grad()
def _parts(
    mixture: SceneMixture, source: SceneBatches, rows: Int[np.ndarray, " M"], case: int
) -> Float64[np.ndarray, "4 M C"]:
    """The logits of the mixture's parts, as if only the case's sides were there."""
    found = [np.zeros((4, 0, len(source.pairs.label_names)))]
    for batch in source.in_turn(rows):
        audio = torch.full_like(batch.audio, torch.nan) if case == VIDEO_ONLY else batch.audio
        video = torch.full_like(batch.video, torch.nan) if case == AUDIO_ONLY else batch.video
        found.append(mixture.parts(audio, video)[0].double().numpy())
    return np.concatenate(found, axis=1)


def _fixed(each: Standard) -> Standard:
    """One deviation for all features of a side, so that principal components keep their order."""
    return Standard(each.mean, each.deviation.square().mean().sqrt().expand_as(each.deviation).clone())


def _whitening(items: Items, fixed: Standard, num_components: int, power: float) -> Float[Tensor, "F d"]:
    """Principal directions of the standard steps; the features as they are where they don't vary."""
    rows, length = np.arange(len(items)), max(1, usual_length(items))
    if len(rows) * length > MAX_WHITENED:
        rows = np.random.default_rng(0).permutation(rows)[: MAX_WHITENED // length]
    steps = (torch.from_numpy(gathered_steps(items, rows, len(fixed.mean))) - fixed.mean) / fixed.deviation
    flat = steps.flatten(0, 1).double().numpy()
    flat = flat[~np.isnan(flat).any(axis=1)]
    if not flat.any():
        return torch.eye(len(fixed.mean))[:, :num_components]
    return torch.from_numpy(whitening(flat, num_components, power).directions.astype(np.float32))


def _mixed(side: Float[Tensor, " B *rest"], other: Int[Tensor, " B"], share: Float[Tensor, " B"]) -> Tensor:
    weight = share.reshape(-1, *[1] * (side.ndim - 1))
    return weight * side + (1 - weight) * side[other]
