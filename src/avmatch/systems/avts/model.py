"""The two towers: mixed convolutions over video, and a small network over the spectrogram of a window of sound.

**Video** (B, T, H, W, 3) in 0…1 ─ conv_1 3×7×7, 64 ─ conv_2 128 ─ conv_3 256 ─ conv_4 512 ─ conv_5 512
    ─ mean over space, means over stretches of time ─ Linear – BatchNorm – ReLU ─ Linear → vectors (B, D)

    kind      3D blocks    2D blocks
    2d        none         1 … 5        the two ends
    mc2       1            2 … 5        MCx: 2D from block x on (Tran et al., "A closer look at spatiotemporal
    mc3       1, 2         3 … 5        convolutions for action recognition", CVPR 2018); AVTS has mc3
    mc4       1 … 3        4, 5
    mc5       1 … 4        5
    3d        1 … 5        none

Every block begins with a stride of 2 over space; 3D blocks from the third on with one of 2 over time too (as R3D).
With `is_residual`, blocks 2 … 5 are two residual blocks of two convolutions each, 64 to 512 channels, and the second
has no stride, as the ResNet of 18 layers in that paper. Published are: mixed convolutions, 3D first; a first block of
3×7×7 with 64 filters. Everything else of the plain network is inferred (its other filters, one convolution of 3×3 a
block, what follows conv_5).

**Sound**, log-mel (B, U, F) ─ BatchNorm ─ conv_1 64 ─ pool ─ conv_2 192 ─ pool ─ conv_3 384 ─ conv_4 256 ─ conv_5 256
    ─ pool ─ means over stretches of time, 5 bands ─ Linear – BatchNorm – ReLU ─ Linear → vectors (B, D)

Convolutions are 3×3 with BatchNorm and ReLU. Published are: five of them, and that a classifier takes conv_5. The
numbers of filters are those of the released SyncNet (systems/lips/model.py), on which it is said to be based.

The means over stretches of time keep roughly when something happens in the window.

Letters in shapes: B windows, T frames, H rows, W columns, U frames of sound, F filters, C channels, D dimensions.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avmatch.core.errors import UsageError

#: How many blocks are 3D.
KINDS = {"2d": 0, "mc2": 1, "mc3": 2, "mc4": 3, "mc5": 4, "3d": 5}
_PLAIN, _RESIDUAL = (64, 128, 256, 512, 512), (64, 64, 128, 256, 512)
#: Grey, and the usual deviation from it.
_MEAN, _DEVIATION = 0.45, 0.225

_SOUND = (64, 192, 384, 256, 256)
#: The convolutions that a pooling follows.
_POOLED = (1, 2, 5)
_NUM_BANDS = 5


@dataclass(frozen=True)
class McVideoConfig:
    """Sizes; the defaults are the published ones as far as they are known.

    Attributes:
        kind: see the module.
        is_residual: ResNet-like.
        width: all channels times this.
        num_stretches: of time, one mean each.
        hidden: of the layer before the last, before `width`.
        dim: of the vectors.
    """

    kind: str = "mc3"
    is_residual: bool = False
    width: float = 1.0
    num_stretches: int = 4
    hidden: int = 512
    dim: int = 128

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(f"kind is one of {', '.join(KINDS)}, got {self.kind!r}")

    def num_ticks(self, num_frames: int) -> int:
        """How many ticks the last maps have: each 3D block from the third on halves them."""
        return math.ceil(num_frames / 2 ** max(KINDS[self.kind] - 2, 0))


@dataclass(frozen=True)
class SoundCnnConfig:
    """Sizes: `num_filters` is F, the others as in McVideoConfig."""

    num_filters: int = 40
    width: float = 1.0
    num_stretches: int = 4
    hidden: int = 512
    dim: int = 128


class McVideo(nn.Module):
    """The video network. `features` are what the linear layers of `head` take."""

    def __init__(self, config: McVideoConfig) -> None:
        super().__init__()
        self.config = config
        widths = _scaled(config, *(_RESIDUAL if config.is_residual else _PLAIN))
        num_3d = KINDS[config.kind]
        first = 3 if num_3d else 1
        start = nn.Conv3d(3, widths[0], (first, 7, 7), (1, 2, 2), (first // 2, 3, 3), bias=False)
        self.blocks = nn.Sequential()
        self.blocks.add_module("conv_1", nn.Sequential(start, nn.BatchNorm3d(widths[0]), nn.ReLU()))
        make = _residual if config.is_residual else _plain
        for number, (before, after) in enumerate(pairwise(widths), start=2):
            is_3d = number <= num_3d
            over_time = 2 if is_3d and number >= 3 else 1
            over_space = 1 if config.is_residual and number == 2 else 2
            block = make(before, after, 3 if is_3d else 1, (over_time, over_space, over_space))
            self.blocks.add_module(f"conv_{number}", block)
        self.num_features = widths[-1] * config.num_stretches
        self.head = _head(self.num_features, config)

    def features(self, frames: Float[Tensor, "B T H W 3"]) -> Float[Tensor, "B C"]:
        """The means over stretches of time of the last maps, end to end."""
        video = ((frames - _MEAN) / _DEVIATION).permute(0, 4, 1, 2, 3)
        maps = self.blocks(video.contiguous(memory_format=torch.channels_last_3d))
        return time_means(maps.mean(dim=(3, 4)), self.config.num_stretches)

    def forward(self, frames: Float[Tensor, "B T H W 3"]) -> Float[Tensor, "B D"]:
        """Vectors of any length."""
        return self.head(self.features(frames))


class SoundCnn(nn.Module):
    """The sound network. `features` are what the linear layers of `head` take."""

    def __init__(self, config: SoundCnnConfig) -> None:
        super().__init__()
        self.config = config
        widths = [1, *_scaled(config, *_SOUND)]
        self.normalise = nn.BatchNorm1d(config.num_filters)
        self.blocks = nn.Sequential()
        for number, (before, after) in enumerate(pairwise(widths), start=1):
            layers = (nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU())
            self.blocks.add_module(f"conv_{number}", nn.Sequential(*layers))
            if number in _POOLED:
                self.blocks.add_module(f"pool_{number}", nn.MaxPool2d(3, 2, padding=1))
        self.num_features = widths[-1] * config.num_stretches * _NUM_BANDS
        self.head = _head(self.num_features, config)

    def features(self, sound: Float[Tensor, "B U F"]) -> Float[Tensor, "B C"]:
        """The means over stretches of time and bands of the last maps, end to end."""
        normal = self.normalise(sound.transpose(1, 2)).transpose(1, 2)
        maps = self.blocks(normal[:, None])
        bands = time_means(maps.flatten(1, 2), _NUM_BANDS).reshape(*maps.shape[:3], _NUM_BANDS)
        return time_means(bands.transpose(2, 3).flatten(1, 2), self.config.num_stretches)

    def forward(self, sound: Float[Tensor, "B U F"]) -> Float[Tensor, "B D"]:
        """Vectors of any length."""
        return self.head(self.features(sound))


def time_means(ticks: Float[Tensor, "B C T"], num_stretches: int) -> Float[Tensor, "B C*{num_stretches}"]:
    """The means over `num_stretches` stretches of T, as equal as they can be, end to end.

    Raises:
        UsageError: there are fewer ticks than stretches.
    """
    num_ticks = ticks.shape[2]
    if num_ticks < num_stretches:
        raise UsageError(
            f"{num_ticks} ticks or bands can't be cut into {num_stretches} stretches; "
            "set longer windows, more filters or fewer num_stretches"
        )
    edges = [round(place * num_ticks / num_stretches) for place in range(num_stretches + 1)]
    return torch.stack([ticks[:, :, begin:end].mean(dim=2) for begin, end in pairwise(edges)], dim=2).flatten(1)


def _scaled(config: McVideoConfig | SoundCnnConfig, *published: int) -> list[int]:
    return [max(1, round(config.width * num)) for num in published]


def _head(num_features: int, config: McVideoConfig | SoundCnnConfig) -> nn.Sequential:
    (hidden,) = _scaled(config, config.hidden)
    return nn.Sequential(
        nn.Linear(num_features, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, config.dim)
    )


def _plain(before: int, after: int, depth: int, stride: tuple[int, int, int]) -> nn.Module:
    return nn.Sequential(*_convolution(before, after, depth, stride), nn.ReLU())


def _residual(before: int, after: int, depth: int, stride: tuple[int, int, int]) -> nn.Module:
    return nn.Sequential(_Residual(before, after, depth, stride), _Residual(after, after, depth, (1, 1, 1)))


class _Residual(nn.Module):
    """relu(x + convolution(relu(convolution(x)))), x brought to size where that differs."""

    def __init__(self, before: int, after: int, depth: int, stride: tuple[int, int, int]) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_convolution(before, after, depth, stride), nn.ReLU(), *_convolution(after, after, depth, (1, 1, 1))
        )
        self.shortcut: nn.Module = nn.Identity()
        if before != after or stride != (1, 1, 1):
            self.shortcut = nn.Sequential(nn.Conv3d(before, after, 1, stride, bias=False), nn.BatchNorm3d(after))

    def forward(self, video: Float[Tensor, "B C T H W"]) -> Float[Tensor, "B c t h w"]:
        """The block."""
        return torch.relu(self.shortcut(video) + self.layers(video))


def _convolution(before: int, after: int, depth: int, stride: tuple[int, int, int]) -> tuple[nn.Module, nn.Module]:
    """3×3 over space, over `depth` frames."""
    layer = nn.Conv3d(before, after, (depth, 3, 3), stride, (depth // 2, 1, 1), bias=False)
    return layer, nn.BatchNorm3d(after)
