"""The picture's tower: what a frame shows and what has moved since the frame before, then a look around in time.

    frames (B, T, H, W) in 0…1 ─ [frame, difference to the one before] ─ Conv2d /4, Conv2d /2 × n, each with
        BatchNorm and ReLU ─ mean and largest over space ─ TickHead → unit vectors (B, T, D)

Letters in shapes: B batch, T ticks, H rows, W columns, D embedding.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avmatch.models.tick_head import TickHead, TickHeadConfig

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
