"""Negatives: sounds that don't match a window of video, and the losses that compare them with the one that does.

    easy         another recording: the kind of sound gives it away
    hard         the same recording, at least `hard_seconds` away: only the time of events gives it away
    super-hard   the same recording; two readings of the paper's word:
                 "far"    at least `far_seconds` away: the two don't overlap
                 "near"   nearer than `hard_seconds`: the two overlap nearly whole

The curriculum has easy ones alone at first, then three easy ones for each hard one (the paper's).

    contrastive      the own sound near, others at least a margin away (AVTS: Hadsell's loss, training/losses.py)
    cross_entropy    both vectors into a small classifier: in sync, or not? (as L3-Net: Arandjelović and Zisserman,
                     "Look, listen and learn", ICCV 2017; its features are fused in the same way)
    multi_way        which of all these sounds? (training/losses.py)

Each loss also gives a score of a pair, higher where it is believed to be in sync. Every draw is a pure function of its
generator. Times are places where a window can begin, counted in ticks.

Letters in shapes: B windows, K negatives each, D dimensions, P places.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from avmatch.core.errors import UsageError
from avmatch.data.negatives import Mix
from avmatch.training.losses import InfoNCE, hadsell, sampled_cross_entropy, sync_binary_cross_entropy

KINDS = ("easy", "hard", "super_hard")
READINGS = ("far", "near")
LOSSES = ("contrastive", "cross_entropy", "multi_way")


@dataclass(frozen=True)
class SyncMix(Mix):
    """Weights of the kinds of negatives of a window."""

    easy: float = 1.0
    hard: float = 0.0
    super_hard: float = 0.0

    def draw(self, count: int, rng: np.random.Generator) -> tuple[str, ...]:
        """The kinds of so many negatives."""
        return tuple(KINDS[kind] for kind in rng.choice(len(KINDS), size=count, p=self.shares))


@dataclass(frozen=True)
class SyncCurriculum:
    """Mixes over a run: `stages` are (from this share of the epochs on, mix), the first from 0.

    Attributes:
        epochs: of the run, to whose length the stages are scaled.
    """

    stages: tuple[tuple[float, SyncMix], ...] = field(default=((0.0, SyncMix()),))
    epochs: int = 90

    def __post_init__(self) -> None:
        begins = [begin for begin, _ in self.stages]
        if begins[:1] != [0.0] or begins != sorted(set(begins)) or begins[-1] >= 1:
            raise UsageError(f"stages must begin at a share of 0 and rise, all below 1, got {begins}")

    def mix_at(self, epoch: int) -> SyncMix:
        """The mix of the last stage that has begun."""
        return [mix for begin, mix in self.stages if round(begin * self.epochs) <= epoch][-1]

    @property
    def last(self) -> SyncMix:
        """The mix that training ends with."""
        return self.stages[-1][1]


@dataclass(frozen=True)
class SyncShifts:
    """How far away negatives of the same recording are.

    Attributes:
        super_hard: which reading, "far" or "near".
        hard_seconds, far_seconds, near_seconds: see the module; near ones are at least `near_seconds` away.
    """

    super_hard: str = "far"
    hard_seconds: float = 0.5
    far_seconds: float = 2.0
    near_seconds: float = 0.1

    def __post_init__(self) -> None:
        if self.super_hard not in READINGS:
            raise UsageError(f"super_hard is one of {', '.join(READINGS)}, got {self.super_hard!r}")
        if not 0 < self.near_seconds < self.hard_seconds <= self.far_seconds:
            raise UsageError(f"needs 0 < near_seconds < hard_seconds ≤ far_seconds, got {self}")

    def places(self, kind: str, begin: int, num_begins: int, rate_hz: float) -> Int64[np.ndarray, " P"]:
        """Where a negative of the same recording can begin; none where the recording is too short.

        Args:
            kind: "hard" or "super_hard".
            begin: where the window of video begins.
            num_begins: in how many places of the recording a window can begin.
        """
        least, most = self.hard_seconds, np.inf
        if kind == "super_hard" and self.super_hard == "far":
            least = self.far_seconds
        elif kind == "super_hard":
            least, most = self.near_seconds, self.hard_seconds
        away = np.abs(np.arange(num_begins) - begin)
        return np.flatnonzero((away >= max(np.ceil(least * rate_hz - 1e-6), 1)) & (away < most * rate_hz - 1e-6))


class SyncCriterion(nn.Module):
    """One of the losses, with what it learns itself.

    Args:
        loss: of LOSSES.
        dim: D.
        margin: of contrastive, between vectors of length 1.
        temperature: of multi-way at first.
    """

    def __init__(self, loss: str, dim: int, margin: float, temperature: float) -> None:
        super().__init__()
        self.loss, self.margin = loss, margin
        if loss == "cross_entropy":
            self.fusion = nn.Sequential(nn.Linear(2 * dim, dim), nn.ReLU(), nn.Linear(dim, 1))
        if loss == "multi_way":
            self.softmax = InfoNCE(temperature)

    def forward(
        self, video: Float[Tensor, "B D"], audio: Float[Tensor, "B D"], negatives: Float[Tensor, "B K D"]
    ) -> Float[Tensor, ""]:
        """The loss; a window's own sound weighs as much as all its negatives."""
        if self.loss == "multi_way":
            units = functional.normalize(negatives, dim=2)
            return sampled_cross_entropy(_unit(video), _unit(audio), units, self.softmax.scale())
        num = negatives.shape[1]
        video = video.repeat(2 * num, 1)
        audio = torch.cat((audio.repeat(num, 1), negatives.transpose(0, 1).flatten(0, 1)))
        is_pair = torch.arange(len(video), device=video.device) < len(video) // 2
        if self.loss == "contrastive":
            return hadsell(_distance(video, audio), is_pair, self.margin)
        return sync_binary_cross_entropy(self.scores(video, audio), is_pair)

    def scores(self, video: Float[Tensor, "B D"], audio: Float[Tensor, "B D"]) -> Float[Tensor, " B"]:
        """Of pairs: minus the distance; a logit; a cosine."""
        if self.loss == "contrastive":
            return -_distance(video, audio)
        if self.loss == "multi_way":
            return (_unit(video) * _unit(audio)).sum(dim=1)
        return self.fusion(torch.cat((video, audio), dim=1))[:, 0]


def _unit(vectors: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
    return functional.normalize(vectors.float(), dim=1)


def _distance(video: Float[Tensor, "B D"], audio: Float[Tensor, "B D"]) -> Float[Tensor, " B"]:
    return torch.linalg.vector_norm(_unit(video) - _unit(audio), dim=1)
