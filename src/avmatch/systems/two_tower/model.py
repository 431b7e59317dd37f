"""The towers: over features of clips that were computed before, and over the frames and log-mel of media.

    FeatureCnn  (B, T, F) ─ norm ─ [Conv1d over time – norm – ReLU – dropout] × n ─ mean over time ─ Linear
                → unit vectors (B, D)
    StepTower   (B, T, F) ─ whiten – dropout ─ Linear – GELU – dropout ─ + Conv1d over time – GELU – dropout
                ─ mean and deviation over time ─ Linear → unit vectors (B, D)
    FrameCnn    frames (B, T, H, W) in 0…1 ─ [frame, difference to the one before] ─ Conv2d /4, Conv2d /2 × n, each
                with BatchNorm and ReLU ─ mean and largest over space ─ TickHead → unit vectors (B, T, D)
    LogMelCnn   log-mel (B, T·n, 64) ─ [level, rise] – BatchNorm ─ Conv1d – BatchNorm – ReLU ─ Conv1d of n ticks, stride
                n ─ BatchNorm – ReLU ─ TickHead → unit vectors (B, T, D)
    TickHead    (B, T, C) ─ [Conv1d over time – BatchNorm – ReLU – dropout] × n ─ Linear → unit vectors (B, T, D)

The StepTower is small and strongly regularised, one of an `Ensemble`. The log-mel's rise doesn't change when the sound
gets louder.

`ClusterHead` is the auxiliary task of naming the KMeans cluster of a clip: loss = − mean_b log softmax_c( W·x_b + b )
[label_b]. After HuBERT (Hsu et al., "HuBERT: self-supervised speech representation learning by masked prediction of
hidden units", 2021), which predicts the clusters of masked frames by their cosine to learned codewords; here a clip has
one label and nothing is masked, so a linear layer on the clip's embedding does, as in DeepCluster (Caron et al., "Deep
clustering for unsupervised learning of visual features", 2018).

Letters in shapes: B batch, T time steps or ticks of the picture, F features, C channels, H rows, W columns, n log-mel
ticks a tick, U = T·n, D embedding, d whitened features.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from avmatch.core.errors import UsageError
from avmatch.training.closed_forms import statistics
from avmatch.training.losses import at_least_float32, without_autocast

NORMS = ("batch", "layer")
NUM_MELS = 64
#: Differences of frames are small; this brings them to the size of the frames from the start.
_DIFFERENCE_GAIN = 5.0


@dataclass(frozen=True)
class FeatureCnnConfig:
    """Sizes of a tower.

    Attributes:
        widths: the channels after each convolution of `kernel` steps.
        norm: "batch", each channel over the batch (Ioffe & Szegedy 2015), or "layer", each clip over its channels and
            steps (Ba et al. 2016), which doesn't depend on how a batch is cut.
    """

    num_features: int
    widths: tuple[int, ...] = (256, 256)
    kernel: int = 3
    dim: int = 128
    dropout: float = 0.1
    norm: str = "batch"

    def __post_init__(self) -> None:
        if self.norm not in NORMS:
            raise UsageError(f"norm must be one of {', '.join(NORMS)}, got {self.norm!r}")


class FeatureCnn(nn.Module):
    """The tower."""

    def __init__(self, config: FeatureCnnConfig) -> None:
        super().__init__()
        channels = (config.num_features, *config.widths)
        self.normalise = _norm(config.norm, config.num_features)
        self.steps = _over_time(channels, config.kernel, config.dropout, config.norm)
        self.embed = nn.Linear(channels[-1], config.dim)

    def forward(self, features: Float[Tensor, "B T F"]) -> Float[Tensor, "B D"]:
        """Unit vectors."""
        steps = self.steps(self.normalise(features.transpose(1, 2)))
        return functional.normalize(self.embed(steps.mean(dim=2)), dim=1)


def _norm(kind: str, num_channels: int) -> nn.Module:
    return nn.BatchNorm1d(num_channels) if kind == "batch" else nn.GroupNorm(1, num_channels)


def _over_time(channels: Sequence[int], kernel: int, dropout: float, norm: str = "batch") -> nn.Sequential:
    """A layer for each two channels that follow each other."""
    layers = [
        nn.Sequential(
            nn.Conv1d(before, after, kernel, padding=kernel // 2, bias=False),
            _norm(norm, after),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        for before, after in pairwise(channels)
    ]
    return nn.Sequential(*layers)


@dataclass(frozen=True)
class StepTowerConfig:
    """Sizes; `dropout` is that between the layers, the input has half of it."""

    width: int = 256
    kernel: int = 3
    dim: int = 128
    dropout: float = 0.5


class StepTower(nn.Module):
    """The tower. `mean` and `whiten` are fitted to the training steps and stay as they are."""

    def __init__(self, config: StepTowerConfig, mean: Float[Tensor, " F"], whiten: Float[Tensor, "F d"]) -> None:
        super().__init__()
        self.mean, self.whiten = nn.Buffer(mean), nn.Buffer(whiten)
        self.enter = nn.Linear(whiten.shape[1], config.width)
        self.normalise = nn.LayerNorm(config.width)
        self.neighbours = nn.Conv1d(config.width, config.width, config.kernel, padding=config.kernel // 2)
        self.embed = nn.Linear(2 * config.width, config.dim)
        self.input_dropout, self.dropout = nn.Dropout(config.dropout / 2), nn.Dropout(config.dropout)

    def forward(self, features: Float[Tensor, "B T F"]) -> Float[Tensor, "B D"]:
        """Unit vectors."""
        steps = self.input_dropout((features - self.mean) @ self.whiten)
        steps = self.dropout(functional.gelu(self.enter(steps)))
        around = self.neighbours(self.normalise(steps).transpose(1, 2)).transpose(1, 2)
        steps = steps + self.dropout(functional.gelu(around))
        return functional.normalize(self.embed(statistics(steps)), dim=1)


class Ensemble(nn.Module):
    """Towers of one side, their unit vectors side by side."""

    def __init__(self, towers: Sequence[StepTower]) -> None:
        super().__init__()
        self.towers = nn.ModuleList(towers)

    def forward(self, features: Float[Tensor, "B T F"]) -> Float[Tensor, "B n*D"]:
        """n vectors of D, side by side."""
        return torch.cat([tower(features) for tower in self.towers], dim=1)


class ClusterHead(nn.Module):
    """The linear layer that names the cluster, and its loss.

    Args:
        dim: D, of the embeddings.
        num_clusters: how many clusters there are.
    """

    def __init__(self, dim: int, num_clusters: int) -> None:
        super().__init__()
        self.classify = nn.Linear(dim, num_clusters)

    def forward(self, embedding: Float[Tensor, "B D"], label: Int64[Tensor, " B"]) -> Float[Tensor, ""]:
        """Cross-entropy in nats of the right cluster.

        Args:
            embedding: (B, D) embeddings of any length.
            label: (B,) the cluster of each, from 0.
        """
        with without_autocast(embedding):
            logits = self.classify(at_least_float32(embedding))
        return functional.cross_entropy(logits, label)


@dataclass(frozen=True)
class TickHeadConfig:
    """Sizes: `widths` are the channels after each convolution of `kernel` ticks (odd)."""

    widths: tuple[int, ...] = (128, 128)
    kernel: int = 5
    dim: int = 64
    dropout: float = 0.1


class TickHead(nn.Module):
    """What both towers over media end with: a look around in time, and one unit vector a tick."""

    def __init__(self, num_channels: int, config: TickHeadConfig) -> None:
        super().__init__()
        channels = (num_channels, *config.widths)
        self.ticks = _over_time(channels, config.kernel, config.dropout)
        self.embed = nn.Linear(channels[-1], config.dim)

    def forward(self, ticks: Float[Tensor, "B T C"]) -> Float[Tensor, "B T D"]:
        """Unit vectors."""
        steps = self.ticks(ticks.transpose(1, 2))
        return functional.normalize(self.embed(steps.transpose(1, 2)), dim=2)


@dataclass(frozen=True)
class FrameCnnConfig:
    """Sizes: `widths` are the channels after each convolution; the first shrinks sides to a quarter, others by half."""

    widths: tuple[int, ...] = (24, 48, 96)
    head: TickHeadConfig = field(default_factory=TickHeadConfig)


class FrameCnn(nn.Module):
    """The tower."""

    def __init__(self, config: FrameCnnConfig) -> None:
        super().__init__()
        halves = [_shrunk(before, after, 3, 2) for before, after in pairwise(config.widths)]
        self.space = nn.Sequential(_shrunk(2, config.widths[0], 5, 4), *halves)
        self.head = TickHead(2 * config.widths[-1], config.head)

    def forward(self, frames: Float[Tensor, "B T H W"]) -> Float[Tensor, "B T D"]:
        """Unit vectors; the first frame has not moved."""
        before = torch.cat((frames[:, :1], frames[:, :-1]), dim=1)
        both = torch.stack((frames - 0.5, _DIFFERENCE_GAIN * (frames - before)), dim=2)
        maps = self.space(both.flatten(0, 1))
        pooled = torch.cat((maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))), dim=1)
        return self.head(pooled.reshape(frames.shape[0], frames.shape[1], -1))


def _shrunk(before: int, after: int, kernel: int, stride: int) -> nn.Module:
    convolution = nn.Conv2d(before, after, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU())


@dataclass(frozen=True)
class LogMelCnnConfig:
    """Sizes: channels after the convolution over `kernel` (odd) log-mel ticks, and after the one down to ticks."""

    widths: tuple[int, int] = (96, 128)
    kernel: int = 5
    head: TickHeadConfig = field(default_factory=TickHeadConfig)


class LogMelCnn(nn.Module):
    """The tower.

    Args:
        mels_per_tick: n, log-mel ticks a tick of the picture.
    """

    def __init__(self, config: LogMelCnnConfig, mels_per_tick: int) -> None:
        super().__init__()
        fine, coarse = config.widths
        self.normalise = nn.BatchNorm1d(2 * NUM_MELS)
        self.down = nn.Sequential(
            nn.Conv1d(2 * NUM_MELS, fine, config.kernel, padding=config.kernel // 2, bias=False),
            nn.BatchNorm1d(fine),
            nn.ReLU(),
            nn.Conv1d(fine, coarse, mels_per_tick, stride=mels_per_tick, bias=False),
            nn.BatchNorm1d(coarse),
            nn.ReLU(),
        )
        self.head = TickHead(coarse, config.head)

    def forward(self, mel: Float[Tensor, "B U 64"]) -> Float[Tensor, "B T D"]:
        """Unit vectors; the first log-mel tick has not risen."""
        before = torch.cat((mel[:, :1], mel[:, :-1]), dim=1)
        both = torch.cat((mel, torch.relu(mel - before)), dim=2)
        down: Tensor = self.down(self.normalise(both.transpose(1, 2)))
        return self.head(down.transpose(1, 2))
