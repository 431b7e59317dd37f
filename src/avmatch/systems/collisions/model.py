"""Networks for impacts: a ResNet over the four-channel spectrogram, an MLP over centroids, a 3D CNN, a picture's CNN.

    log bands (B, C, F, T) ─ BatchNorm ─ stem ─ residual blocks ─ mean and maximum over the plane → linear → (B, D)
    centroids (B, 70) ─ to ±1 ─ hidden layers with BatchNorm → (B, D)
    small masks (B, 35, 44, 44) ─ 3D convolutions ─ means over blocks of the space → linear → (B, D)
    pictures of the object (B, P, 48, 48, 4) ─ convolutions, each picture alone ─ mean of the logits → (B, D)

The residual block is that of He et al., "Deep residual learning for image recognition" (CVPR 2016), ResNet-18's; the
published classifier is taken to be that network on 4 × 513 × 196. The default is a small one for bands that were pooled
before.

Letters in shapes: B batch, C channels, F bands, T ticks, D outputs, P pictures.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avmatch.core.errors import UsageError

_MASK_PX = 440.0


@dataclass(frozen=True)
class ResNetConfig:
    """Sizes of the ResNet.

    Attributes:
        widths, blocks: channels and number of blocks of each stage; each after the first halves the plane.
        first_kernel: of the stem, which halves the plane, too.
        first_pool: whether the stem ends in a maximum over 3 × 3.
        differences: whether each channel's difference from the channels' mean goes in beside it. It is there in the
            channels anyway, but is small: BatchNorm makes it as large as they are.
    """

    widths: tuple[int, ...] = (16, 32, 64, 128)
    blocks: tuple[int, ...] = (1, 1, 1, 1)
    first_kernel: int = 5
    first_pool: bool = False
    dropout: float = 0.2
    differences: bool = False

    def __post_init__(self) -> None:
        if len(self.widths) != len(self.blocks) or not self.widths or self.first_kernel % 2 == 0:
            raise UsageError(f"widths and blocks must be of one length, the kernel odd, got {self}")


@dataclass(frozen=True)
class CentroidMlpConfig:
    """Hidden layers of the MLP."""

    hidden: tuple[int, ...] = (256, 128)
    dropout: float = 0.2

    #: Which array of the prepared set goes in.
    side = "path"

    def network(self, dim: int) -> nn.Module:
        """(B, 70) → (B, dim)."""
        return CentroidMlp(self, dim)


@dataclass(frozen=True)
class Frames3dConfig:
    """Channels of the 3D CNN's layers."""

    widths: tuple[int, ...] = (8, 16, 32, 64)
    dropout: float = 0.2

    side = "masks"

    def network(self, dim: int) -> nn.Module:
        """(B, 35, 44, 44) → (B, dim)."""
        return Frames3d(self, dim)


@dataclass(frozen=True)
class PictureCnnConfig:
    """Channels of the picture's layers."""

    widths: tuple[int, ...] = (16, 32, 64)
    dropout: float = 0.2


class Block(nn.Module):
    """Two convolutions with BatchNorm, around them what came, fitted by a 1 × 1 convolution where sizes differ."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, 1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, 1, 1, bias=False),
            nn.BatchNorm2d(after),
        )
        self.around: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            self.around = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, plane: Float[Tensor, "B C F T"]) -> Float[Tensor, "B c f t"]:
        """The sum."""
        return torch.relu(self.path(plane) + self.around(plane))


class SpectrogramResNet(nn.Module):
    """Log bands → outputs."""

    def __init__(self, config: ResNetConfig, num_channels: int, dim: int) -> None:
        super().__init__()
        first, kernel = config.widths[0], config.first_kernel
        self.differences = config.differences
        num_inputs = num_channels * (1 + config.differences)
        stem: list[nn.Module] = [
            nn.BatchNorm2d(num_inputs),
            nn.Conv2d(num_inputs, first, kernel, 2, kernel // 2, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(),
        ]
        if config.first_pool:
            stem.append(nn.MaxPool2d(3, 2, 1))
        stages, before = [], first
        for number, (width, count) in enumerate(zip(config.widths, config.blocks, strict=True)):
            strides = [2 if number else 1, *[1] * (count - 1)]
            for stride in strides:
                stages.append(Block(before, width, stride))
                before = width
        self.stem, self.stages = nn.Sequential(*stem), nn.Sequential(*stages)
        self.end = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(2 * before, dim))

    def forward(self, bands: Float[Tensor, "B C F T"]) -> Float[Tensor, "B D"]:
        """The outputs."""
        if self.differences:
            bands = torch.cat([bands, bands - bands.mean(dim=1, keepdim=True)], dim=1)
        plane = self.stages(self.stem(bands)).flatten(2)
        return self.end(torch.cat([plane.mean(dim=2), plane.amax(dim=2)], dim=1))


class CentroidMlp(nn.Module):
    """35 × (x, y) in pixels → outputs."""

    def __init__(self, config: CentroidMlpConfig, dim: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise((70, *config.hidden)):
            layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU(), nn.Dropout(config.dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear((70, *config.hidden)[-1], dim))

    def forward(self, path: Float[Tensor, "B 70"]) -> Float[Tensor, "B D"]:
        """The outputs."""
        return self.layers(path / (_MASK_PX / 2) - 1.0)


class Frames3d(nn.Module):
    """Small masks, 0…255 → outputs."""

    def __init__(self, config: Frames3dConfig, dim: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number, (before, after) in enumerate(pairwise((1, *config.widths))):
            stride = (1 if number == 0 else 2, 2, 2)
            layers += [nn.Conv3d(before, after, 3, stride, 1, bias=False), nn.BatchNorm3d(after), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        self.end = nn.Sequential(nn.Dropout(config.dropout), nn.LazyLinear(dim))
        with torch.no_grad():
            self.eval()(torch.zeros(1, 35, 44, 44))
        self.train()

    def forward(self, masks: Float[Tensor, "B 35 44 44"]) -> Float[Tensor, "B D"]:
        """The outputs; where in space the object is matters, so nothing is averaged there."""
        return self.end(self.layers(masks[:, None] / 255.0).flatten(1))


class PictureCnn(nn.Module):
    """Pictures of the object, blue, green, red and mask, 0…255 → outputs."""

    def __init__(self, config: PictureCnnConfig, dim: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise((4, *config.widths)):
            layers += [nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        self.end = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(2 * config.widths[-1], dim))

    def forward(self, crops: Float[Tensor, "B P 48 48 4"]) -> Float[Tensor, "B D"]:
        """The mean of the pictures' outputs."""
        num, count = crops.shape[:2]
        plane = self.layers(crops.flatten(0, 1).permute(0, 3, 1, 2) / 127.5 - 1.0).flatten(2)
        outputs = self.end(torch.cat([plane.mean(dim=2), plane.amax(dim=2)], dim=1))
        return outputs.reshape(num, count, -1).mean(dim=1)
