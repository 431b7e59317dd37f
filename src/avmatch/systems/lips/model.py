"""Towers for talking faces: what the lips do at a frame, what the voice does at that time.

    mouths (B, T, 80, 80) in 0…1 ─ each frame standardised ─ Conv3d 5×5×5 /2 – pool /2
        ─ [residual Conv2d 3×3] × n ─ flattened ─ Linear ─ TCN → unit vectors (B, T, D)
    log-mel (B, 4·T, 64)         ─ Conv2d over time and mels × n, down to the ticks of the picture
        ─ flattened ─ Linear ─ TCN → unit vectors (B, T, D)

The first layer over space and time is that of Chung, Chung and Kang, "Perfect match" (ICASSP 2019), at a mouth's size;
the temporal convolutional network is that of Bai, Kolter and Koltun (2018), not causal.

Letters in shapes: B batch, T ticks, C channels, H rows, W columns, D embedding.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from avmatch.frontends.sound import NUM_MELS

#: Of frames without contrast: a grey level.
_LEAST_DEVIATION = 1 / 255
#: Frames that the first layer takes at once. Its convolution over space and time is one over space whose channels are
#: the frames around each: the same sums, and half the time on a CPU, where `channels_last` halves it again.
WINDOW_TICKS = 5
#: A strided 1×1 convolution of fewer channels writes past its memory in oneDNN's backward (decision 0013).
_LEAST_STRIDED_CHANNELS = 16


@dataclass(frozen=True)
class TcnConfig:
    """The end of both towers: residual convolutions of `kernel` ticks, `dilations` apart, then the embedding."""

    width: int = 192
    kernel: int = 3
    dilations: tuple[int, ...] = (1, 1, 1)
    dim: int = 192
    dropout: float = 0.1

    @property
    def reach_ticks(self) -> int:
        """How many ticks before and after its own a vector depends on."""
        return sum(self.dilations) * (self.kernel // 2)


class Tcn(nn.Module):
    """(B, T, C) → unit vectors (B, T, D)."""

    def __init__(self, num_channels: int, config: TcnConfig) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Linear(num_channels, config.width, bias=False), nn.Dropout(config.dropout))
        self.blocks = nn.ModuleList(_Step(config, dilation) for dilation in config.dilations)
        self.embed = nn.Linear(config.width, config.dim)

    def forward(self, ticks: Float[Tensor, "B T C"]) -> Float[Tensor, "B T D"]:
        """Unit vectors."""
        steps = self.enter(ticks).transpose(1, 2)
        for block in self.blocks:
            steps = steps + block(steps)
        return functional.normalize(self.embed(functional.relu(steps).transpose(1, 2)).float(), dim=2)


class _Step(nn.Module):
    """BatchNorm – ReLU – Conv1d – BatchNorm – ReLU – Dropout – Conv1d of one tick."""

    def __init__(self, config: TcnConfig, dilation: int) -> None:
        super().__init__()
        padding = dilation * (config.kernel // 2)
        self.layers = nn.Sequential(
            nn.BatchNorm1d(config.width),
            nn.ReLU(),
            nn.Conv1d(config.width, config.width, config.kernel, padding=padding, dilation=dilation, bias=False),
            nn.BatchNorm1d(config.width),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Conv1d(config.width, config.width, 1),
        )

    def forward(self, steps: Float[Tensor, "B C T"]) -> Float[Tensor, "B C T"]:
        out: Tensor = self.layers(steps)
        return out


@dataclass(frozen=True)
class LipCnnConfig:
    """Sizes: channels of the first layer, and of each residual stage, which all but the first halve the sides."""

    first: int = 24
    widths: tuple[int, ...] = (48, 64, 128, 192)
    side_px: int = 80
    tcn: TcnConfig = TcnConfig()

    @property
    def reach_ticks(self) -> int:
        """How many frames before and after its own a vector depends on."""
        return WINDOW_TICKS // 2 + self.tcn.reach_ticks


class LipCnn(nn.Module):
    """The picture's tower."""

    def __init__(self, config: LipCnnConfig) -> None:
        super().__init__()
        first = nn.Conv2d(WINDOW_TICKS, config.first, 5, 2, padding=2, bias=False)
        self.first = nn.Sequential(*normalised(first), nn.ReLU())
        channels = (config.first, *config.widths)
        stages = [_Residual(*pair, 1 if place == 0 else 2) for place, pair in enumerate(pairwise(channels))]
        self.stages = nn.Sequential(nn.MaxPool2d(3, 2, padding=1), *stages)
        side = math.ceil(config.side_px / 2 ** (1 + len(config.widths)))
        self.tcn = Tcn(config.widths[-1] * side * side, config.tcn)

    def forward(self, frames: Float[Tensor, "B T H W"]) -> Float[Tensor, "B T D"]:
        """Unit vectors, one a frame."""
        mean = frames.mean(dim=(2, 3), keepdim=True)
        deviation = (frames - mean).square().mean(dim=(2, 3), keepdim=True).sqrt()
        standard = (frames - mean) / (deviation + _LEAST_DEVIATION)
        padded = functional.pad(standard, (0, 0, 0, 0, WINDOW_TICKS // 2, WINDOW_TICKS // 2))
        images = windows(padded).flatten(0, 1).contiguous(memory_format=torch.channels_last)
        pooled = self.stages(self.first(images)).flatten(1)
        ticks: Tensor = self.tcn(pooled.reshape(frames.shape[0], frames.shape[1], -1))
        return ticks


class _Residual(nn.Module):
    """Two 3×3 convolutions beside a shortcut (He et al. 2016); the first stage has one."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        second = [nn.ReLU(), *normalised(nn.Conv2d(after, after, 3, padding=1, bias=False))] if stride > 1 else []
        self.main = nn.Sequential(*normalised(nn.Conv2d(before, after, 3, stride, padding=1, bias=False)), *second)
        # The pixels that a stride keeps, taken before the convolution or by it: the same sums.
        first = before < _LEAST_STRIDED_CHANNELS
        self.kept = nn.AvgPool2d(1, stride) if first else nn.Identity()
        self.shortcut = nn.Sequential(*normalised(nn.Conv2d(before, after, 1, 1 if first else stride, bias=False)))

    def forward(self, images: Float[Tensor, "N C H W"]) -> Float[Tensor, "N _ _ _"]:
        return functional.relu(self.main(images) + self.shortcut(self.kept(images)))


@dataclass(frozen=True)
class VoiceCnnConfig:
    """Sizes: channels after each convolution; the second and third halve time, all halve the mels."""

    widths: tuple[int, int, int, int] = (32, 64, 128, 192)
    tcn: TcnConfig = TcnConfig()

    @property
    def reach_ticks(self) -> int:
        """How many ticks of the picture before and after its own a vector depends on, at least."""
        return 2 + self.tcn.reach_ticks


class VoiceCnn(nn.Module):
    """The sound's tower: four log-mel ticks to one of the picture."""

    def __init__(self, config: VoiceCnnConfig) -> None:
        super().__init__()
        steps = (1, 2, 2, 1)
        channels = (1, *config.widths)
        layers = [
            nn.Sequential(*normalised(nn.Conv2d(before, after, 3, (step, 2), padding=1, bias=False)), nn.ReLU())
            for (before, after), step in zip(pairwise(channels), steps, strict=True)
        ]
        self.normalise = nn.BatchNorm1d(NUM_MELS)
        self.down = nn.Sequential(*layers)
        self.tcn = Tcn(config.widths[-1] * NUM_MELS // 16, config.tcn)

    def forward(self, mel: Float[Tensor, "B U 64"]) -> Float[Tensor, "B T D"]:
        """Unit vectors, one for four log-mel ticks."""
        level = self.normalise(mel.transpose(1, 2)).transpose(1, 2)
        down = self.down(level[:, None])
        ticks: Tensor = self.tcn(down.permute(0, 2, 1, 3).flatten(2))
        return ticks


def windows(ticks: Float[Tensor, "B T *rest"]) -> Float[Tensor, "B N 5 *rest"]:
    """Each five adjacent ticks, N = T − 4."""
    num = ticks.shape[1] - WINDOW_TICKS + 1
    return torch.stack([ticks[:, step : step + num] for step in range(WINDOW_TICKS)], dim=2)


def normalised(convolution: nn.Conv2d) -> tuple[nn.Module, nn.Module]:
    return convolution, nn.BatchNorm2d(convolution.out_channels)
