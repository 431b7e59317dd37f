"""A small convolutional tower over the time steps of features that were computed before.

    (B, T, F) ─ norm ─ [Conv1d over time – norm – ReLU – Dropout] × n ─ mean over time ─ Linear → unit vectors (B, D)

Letters in shapes: B batch, T time steps, F features, D embedding.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from avmatch.core.errors import UsageError

NORMS = ("batch", "layer")


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
        self.steps = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv1d(before, after, config.kernel, padding=config.kernel // 2, bias=False),
                    _norm(config.norm, after),
                    nn.ReLU(),
                    nn.Dropout(config.dropout),
                )
                for before, after in pairwise(channels)
            )
        )
        self.embed = nn.Linear(channels[-1], config.dim)

    def forward(self, features: Float[Tensor, "B T F"]) -> Float[Tensor, "B D"]:
        """Unit vectors."""
        steps = self.steps(self.normalise(features.transpose(1, 2)))
        return functional.normalize(self.embed(steps.mean(dim=2)), dim=1)


def _norm(kind: str, num_channels: int) -> nn.Module:
    return nn.BatchNorm1d(num_channels) if kind == "batch" else nn.GroupNorm(1, num_channels)


# What both towers over media end with: a look around in time, and one unit vector a tick.
#
#     (B, T, C) ─ [Conv1d over time – BatchNorm – ReLU – Dropout] × n ─ Linear → unit vectors (B, T, D)
#
# Letters in shapes: B batch, T ticks, C channels, D embedding.


@dataclass(frozen=True)
class TickHeadConfig:
    """Sizes: `widths` are the channels after each convolution of `kernel` ticks (odd)."""

    widths: tuple[int, ...] = (128, 128)
    kernel: int = 5
    dim: int = 64
    dropout: float = 0.1


class TickHead(nn.Module):
    """The head."""

    def __init__(self, num_channels: int, config: TickHeadConfig) -> None:
        super().__init__()
        channels = (num_channels, *config.widths)
        self.ticks = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv1d(before, after, config.kernel, padding=config.kernel // 2, bias=False),
                    nn.BatchNorm1d(after),
                    nn.ReLU(),
                    nn.Dropout(config.dropout),
                )
                for before, after in pairwise(channels)
            )
        )
        self.embed = nn.Linear(channels[-1], config.dim)

    def forward(self, ticks: Float[Tensor, "B T C"]) -> Float[Tensor, "B T D"]:
        """Unit vectors."""
        seen: Tensor = self.ticks(ticks.transpose(1, 2))
        return functional.normalize(self.embed(seen.transpose(1, 2)), dim=2)


# The picture's tower: what a frame shows and what has moved since the frame before, then a look around in time.
#
#     frames (B, T, H, W) in 0…1 ─ [frame, difference to the one before] ─ Conv2d /4, Conv2d /2 × n, each with
#         BatchNorm and ReLU ─ mean and largest over space ─ TickHead → unit vectors (B, T, D)
#
# Letters in shapes: B batch, T ticks, H rows, W columns, D embedding.

#: Differences are small; this brings them to the size of the frames from the start.
_DIFFERENCE_GAIN = 5.0


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
        seen = self.space(both.flatten(0, 1))
        pooled = torch.cat((seen.mean(dim=(2, 3)), seen.amax(dim=(2, 3))), dim=1)
        ticks: Tensor = self.head(pooled.reshape(frames.shape[0], frames.shape[1], -1))
        return ticks


def _shrunk(before: int, after: int, kernel: int, stride: int) -> nn.Module:
    convolution = nn.Conv2d(before, after, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU())


# The sound's tower: log-mel and its rise, brought down to the ticks of the picture, then a look around in time.
#
#     log-mel (B, T·n, 64) ─ [level, rise] – BatchNorm ─ Conv1d – BatchNorm – ReLU ─ Conv1d of n ticks, stride n
#         ─ BatchNorm – ReLU ─ TickHead → unit vectors (B, T, D)
#
# The rise does not change when the sound gets louder. Letters in shapes: B batch, T ticks of the picture, n log-mel
# ticks
# in each, D embedding.

NUM_MELS = 64


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
        ticks: Tensor = self.head(down.transpose(1, 2))
        return ticks
