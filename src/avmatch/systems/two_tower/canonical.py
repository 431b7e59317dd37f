"""Two towers that are fitted in closed form, canonical correlations of what and of when; and an ensemble beside them.

    features (T, F) ─┬ statistics ─┬ directions                  what is there, linearly         (Linear)
                     │             └ Gaussian kernel, directions what is there                    (Kernel)
                     ├ differences from the mean, directions     when what changes                (Changes)
                     └ distances from itself over time ─┬        when anything changes            (Distances)
                                                        └ directions

Three thousand pairs are few for gradient training: a single network is no better than linear correlations. Several,
each from another start, under strong dropout and mixup, find what closed forms don't (docs/experiments/two_tower.md).
Every member gives a vector; side by side, each scaled so that its products with non-matching clips have unit spread
times its weight, they are one tower.

Letters in shapes: N training pairs, T steps, F features, D directions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor, nn

from avmatch.core.errors import UsageError
from avmatch.core.results import Progress
from avmatch.data.items import Items, Pairs, gather
from avmatch.data.pairs import read_pairs
from avmatch.systems.two_tower.model import Ensemble, StepTower, StepTowerConfig
from avmatch.systems.two_tower.task import RETRIEVAL, FeaturePairs, clip_metrics, export_clip_towers, towers_of
from avmatch.training import closed_forms as closed
from avmatch.training.closed_forms import Changes, Distances, Members
from avmatch.training.distributed import gathered
from avmatch.training.losses import InfoNCE
from avmatch.training.task import Batch, Source

#: Clips between which the spread of a member's similarities is measured.
MAX_SPREAD_CLIPS = 1000
#: The usual standard deviation of the networks' mean similarity between non-matching clips.
NETWORK_SPREAD = 0.17

#: Everything of video and audio: all clips (N, T, F), or a tower.
Sides = Sequence[Tensor]
Towers = Sequence[nn.Module]


@dataclass(frozen=True)
class Weights:
    """Of each member in the sum of similarities; 0 leaves it out."""

    linear: float = 0.2
    kernel: float = 0.7
    changes: float = 0.2
    distances: float = 0.1
    distance_directions: float = 0.1


@dataclass(frozen=True)
class Networks:
    """The ensemble beside the fitted members.

    Attributes:
        count: how many; 0 = none, and nothing to train.
        weight: of their mean similarity, in the sum with the members' (see Weights).
        num_components, whitening_power: what goes in are the steps' leading principal components, for video and audio,
            divided by their deviation to this power.
        temperature: of the softmax over the batch, both directions.
        mixup: alpha of the mixing of pairs, both sides alike.
    """

    count: int = 0
    weight: float = 0.4
    tower: StepTowerConfig = field(default_factory=StepTowerConfig)
    num_components: tuple[int, int] = (256, 128)
    whitening_power: float = 0.7
    temperature: float = 0.1
    mixup: float = 0.4


@dataclass(frozen=True)
class CanonicalPairs:
    """The task.

    Attributes:
        weights: of the members.
        use_deviation: whether a clip's statistics are mean and deviation over time, or the mean alone.
        power: of the correlations by which directions are scaled.
        num_directions: of the members for what is there; those for when it changes have their own.
        linear_ridge, kernel_ridge, changes_ridge, distances_ridge: for video and audio (training/closed_forms.py).
        num_components: principal ones of the statistics, which the kernel compares, video and audio.
        num_coordinates: of the kernel's space.
    """

    metrics: ClassVar[tuple[str, ...]] = RETRIEVAL

    weights: Weights = field(default_factory=Weights)
    use_deviation: bool = True
    power: float = 1.0
    num_directions: int = 120
    num_change_directions: int = 60
    num_distance_directions: int = 45
    linear_ridge: tuple[float, float] = (1.0, 0.3)
    kernel_ridge: tuple[float, float] = (1.0, 1.0)
    changes_ridge: tuple[float, float] = (3.0, 1.0)
    distances_ridge: tuple[float, float] = (0.1, 0.1)
    num_components: tuple[int, int] = (200, 120)
    num_coordinates: int = 800
    networks: Networks = field(default_factory=Networks)

    def read(self, data: str | Path, cache: Path, progress: Progress | None = None) -> Pairs:
        """Clip features of a known layout (data/pairs.py), all of one length."""
        return read_pairs(data, to_train=True)

    def learner(self, pairs: Pairs, seed: int) -> FittedTowers:
        """Fit every member to the training pairs."""
        if len(pairs) < 2:
            raise UsageError(f"correlations of {len(pairs)} pairs mean nothing; give at least 2, better some hundreds")
        sides = [_everything(pairs.video), _everything(pairs.audio)]
        fits = [(self.weights.linear, self._linear), (self.weights.kernel, self._kernel)]
        if sides[0].shape[1] == sides[1].shape[1] > 2:
            fits += [
                (self.weights.changes, self._changes),
                (self.weights.distances, lambda sides: (Distances(), Distances())),
                (self.weights.distance_directions, self._distance_directions),
            ]
        fitted = [(weight, fit(sides)) for weight, fit in fits if weight > 0]
        if not fitted:
            raise UsageError("every member's weight is 0, or clips are too short for those that need several steps")
        members = [towers for _, towers in fitted]
        gains = [np.sqrt(weight / _spread(towers, sides)) for weight, towers in fitted]
        if self.networks.count:
            members.append(self._networks(sides))
            gains.append(np.sqrt(self.networks.weight / (self.networks.count * NETWORK_SPREAD)))
        video, audio = (Members(side, gains) for side in zip(*members, strict=True))
        return FittedTowers(video, audio, self.networks.temperature)

    def source(self, pairs: Pairs, learner: nn.Module, device: torch.device) -> Source:
        """Batches of mixed pairs for the networks."""
        if not self.networks.count:
            raise UsageError("this recipe is fitted in closed form: leave epochs at 0, or set task.networks.count")
        return FeaturePairs(loss="in_batch", mixup=self.networks.mixup).source(pairs, learner, device)

    def validate(self, learner: nn.Module, pairs: Pairs, device: torch.device) -> Mapping[str, float]:
        """Recall of the held-back pairs, in a gallery of all of them."""
        return clip_metrics(learner, pairs, device)

    def export(self, learner: nn.Module, pairs: Pairs, folder: Path, description: Mapping[str, object]) -> None:
        """video.onnx, audio.onnx and card.md."""
        towers = towers_of(learner)
        needs_steps = any(isinstance(module, (Changes, Distances)) for module in towers[0].modules())
        num_steps = gather(pairs.video, np.arange(1)).shape[1] if needs_steps else 0
        export_clip_towers(towers, pairs, folder, description, num_steps)

    def _linear(self, sides: Sides) -> Towers:
        found = [closed.statistics(side, self.use_deviation) for side in sides]
        both = self._canonical(found, self.linear_ridge, self.num_directions)
        return [closed.Linear(*_floats(own), self.use_deviation) for own in both]

    def _kernel(self, sides: Sides) -> Towers:
        spaces = []
        for side, num_components in zip(sides, self.num_components, strict=True):
            clips = _double(closed.statistics(side, self.use_deviation))
            axes = closed.whitening(clips, num_components, power=0.0)  # as they lie: whitened ones retrieve far worse
            landmarks = (clips - axes.mean) @ axes.directions
            spaces.append((axes, landmarks, closed.kernel_space(landmarks, self.num_coordinates)))
        video, audio = (space.coordinates for *_, space in spaces)
        both = closed.canonical(video, audio, self.kernel_ridge, self.num_directions, self.power)
        return [
            closed.Kernel(
                *_floats(axes),
                _float(landmarks),
                space.width,
                _float(space.projection @ own.directions),
                _float(-(space.shift + own.mean) @ own.directions),
                self.use_deviation,
            )
            for (axes, landmarks, space), own in zip(spaces, both, strict=True)
        ]

    def _changes(self, sides: Sides) -> Towers:
        steps = [(side - side.mean(dim=1, keepdim=True)).flatten(0, 1) for side in sides]
        both = self._canonical(steps, self.changes_ridge, self.num_change_directions)
        return [Changes(_float(own.directions)) for own in both]

    def _distance_directions(self, sides: Sides) -> Towers:
        found = [closed.distances(side) for side in sides]
        both = self._canonical(found, self.distances_ridge, self.num_distance_directions)
        return [Distances(*_floats(own)) for own in both]

    def _networks(self, sides: Sides) -> Towers:
        networks, ensembles = self.networks, []
        for side, num_components in zip(sides, networks.num_components, strict=True):
            white = _floats(closed.whitening(_double(side.flatten(0, 1)), num_components, networks.whitening_power))
            ensembles.append(Ensemble([StepTower(networks.tower, *white) for _ in range(networks.count)]))
        return ensembles

    def _canonical(self, sides: Sides, ridge: tuple[float, float], num: int) -> Sequence[closed.Projection]:
        video, audio = map(_double, sides)
        return closed.canonical(video, audio, ridge, num, self.power)


class FittedTowers(nn.Module):
    """Both towers; what is trained in them is the ensemble, if there is one."""

    def __init__(self, video: Members, audio: Members, temperature: float) -> None:
        super().__init__()
        self.video, self.audio = video, audio
        self.softmax = InfoNCE(temperature, learnable=False)

    def forward(self, batch: Batch, epoch: int) -> dict[str, Tensor]:
        """The mean loss of the networks, each for itself."""
        sides = [
            [gathered(tower(features)) for tower in _ensemble(towers).towers]
            for towers, features in ((self.video, batch.video), (self.audio, batch.audio))
        ]
        losses = [self.softmax(video, audio) for video, audio in zip(*sides, strict=True)]
        return {"loss": torch.stack(losses).mean()}


def _ensemble(towers: Members) -> Ensemble:
    last = towers.members[-1]
    assert isinstance(last, Ensemble)
    return last


def _spread(towers: Towers, sides: Sides) -> float:
    """The standard deviation of a member's similarities of clips that don't match."""
    with torch.no_grad():
        video, audio = (tower(side[:MAX_SPREAD_CLIPS]) for tower, side in zip(towers, sides, strict=True))
        similarity = (video @ audio.T).numpy()
    others = similarity[~np.eye(len(similarity), dtype=bool)]
    return max(float(others.std()), 1e-9)


def _everything(items: Items) -> Tensor:
    """All clips at once: closed forms need them all, and they are small."""
    return torch.from_numpy(gather(items, np.arange(len(items))))


def _double(values: Tensor) -> Float64[np.ndarray, ...]:
    return values.numpy().astype(np.float64)


def _float(values: Float64[np.ndarray, ...]) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))


def _floats(found: closed.Projection) -> tuple[Tensor, Tensor]:
    return _float(found.mean), _float(found.directions)
