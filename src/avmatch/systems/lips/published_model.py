"""The two streams of the published lip-sync systems: a VGG-M over five frames, another over 20 MFCC steps.

    picture, 5 frames                           sound, 13 coefficients × 20 steps
    conv 5×7×7  96 /2   224 → 109               conv 3×3  64         13×20
    pool 3×3       /2         54                conv 3×3 192         13×20
    conv 5×5   256 /2 +1      26                pool 3×3    /(1, 2)  11×9
    pool 3×3       /2 +1      13                conv 3×3 384         11×9
    conv 3×3   256            13                conv 3×3 256         11×9
    conv 3×3   256            13                conv 3×3 256         11×9
    conv 3×3   256            13                pool 3×3    /2        5×4
    pool 3×3       /2          6                conv 5×4 512          1×1
    conv 6×6   512             1
    both: linear 512 – linear 1024; BatchNorm and ReLU after every layer but the last; convolutions of 3×3, and those
    marked +1, are padded by 1

Sources of this table:

    read        SyncNet as its author released it (github.com/joonson/syncnet_python: SyncNetModel.py, and its inputs
                in SyncNetInstance.py), 13.6 million parameters; the same streams in his trainer for later systems
                (joonson/syncnet_trainer: models/SyncNetModelMFCC.py, SyncNetDist.py).
    inferred    that "Perfect match" (Chung, Chung and Kang, ICASSP 2019) and its AVE-Net have these streams. It says
                that it uses VGG-M with a first layer of 5×7×7 and 13 × 20 MFCC, as they do; its own table was not
                available, nor that of "Out of time" (Chung and Zisserman, ACCV-W 2016), which may be another.

The first layer over space and time is one over space whose channels are the five frames: the same sums, and faster.

With `shared`, the sound's layers run over the whole sound at once, as in that trainer: a vector then depends on 35
steps instead of 20, because windows no longer end at their edges, and the sound costs a quarter.

Letters in shapes: B clips, T ticks of 25 a second, U = 4·T MFCC steps, H rows, W columns, N windows, D dimensions.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from avmatch.systems.lips.model import WINDOW_TICKS, normalised, windows

#: MFCC steps of a tick.
STEPS_PER_TICK = 4
NUM_COEFFICIENTS = 13


@dataclass(frozen=True)
class VggMConfig:
    """Sizes; the defaults are the published ones.

    Attributes:
        side_px: of the frames; at least 51.
        colours: 3, or 1 for grey frames.
        width: all channels but the last times this.
        dim: of the vectors.
        unit: whether they are scaled to length 1.
        shared: whether the sound's layers run over the whole sound at once.
    """

    side_px: int = 224
    colours: int = 3
    width: float = 1.0
    dim: int = 1024
    unit: bool = False
    shared: bool = False

    def channels(self, published: int) -> int:
        """How many of the published channels there are."""
        return max(1, round(self.width * published))


class _Stream(nn.Module):
    """Convolutions down to one place a window, and the two linear layers."""

    def __init__(self, config: VggMConfig, layers: nn.Sequential) -> None:
        super().__init__()
        hidden = config.channels(512)
        self.config, self.layers = config, layers
        embed = nn.Linear(hidden, config.dim)
        with torch.no_grad():
            # Vectors of the two streams start about 1 apart, not √(dim / 3), where an inverse distance has no slope.
            for parameter in embed.parameters():
                parameter.mul_(math.sqrt(3 / config.dim))
        self.head = nn.Sequential(nn.Linear(hidden, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), embed)

    def vectors(self, images: Float[Tensor, "_ _ _ _"], clips: Float[Tensor, " B *rest"]) -> Float[Tensor, "B N D"]:
        """The vectors of all windows, as `images`, of the clips."""
        pooled = self.layers(images.contiguous(memory_format=torch.channels_last))
        places = pooled.permute(0, 2, 3, 1).flatten(0, 2)
        vectors: Tensor = self.head(places).float().reshape(clips.shape[0], -1, self.config.dim)
        return functional.normalize(vectors, dim=2) if self.config.unit else vectors


class VggMPicture(_Stream):
    """The picture's stream."""

    def __init__(self, config: VggMConfig) -> None:
        first, middle, last = (config.channels(num) for num in (96, 256, 512))
        side = _side(config.side_px)
        if side < 1:
            raise ValueError(f"side_px must be at least 51, or nothing is left of the frames, got {config}")
        layers = nn.Sequential(
            *_layer(nn.Conv2d(WINDOW_TICKS * config.colours, first, 7, 2)),
            nn.MaxPool2d(3, 2),
            *_layer(nn.Conv2d(first, middle, 5, 2, padding=1)),
            nn.MaxPool2d(3, 2, padding=1),
            *_layer(nn.Conv2d(middle, middle, 3, padding=1)),
            *_layer(nn.Conv2d(middle, middle, 3, padding=1)),
            *_layer(nn.Conv2d(middle, middle, 3, padding=1)),
            nn.MaxPool2d(3, 2),
            *_layer(nn.Conv2d(middle, last, side)),
        )
        super().__init__(config, layers)

    def forward(self, frames: Float[Tensor, "B T *colours H W"]) -> Float[Tensor, "B N D"]:
        """One vector for each five adjacent frames in 0…1, N = T − 4."""
        return self.vectors(windows(frames).flatten(0, 1).flatten(1, -3), frames)


class VggMSound(_Stream):
    """The sound's stream."""

    def __init__(self, config: VggMConfig) -> None:
        widths = [config.channels(num) for num in (64, 192, 384, 256, 512)]
        layers = nn.Sequential(
            *_layer(nn.Conv2d(1, widths[0], 3, padding=1)),
            *_layer(nn.Conv2d(widths[0], widths[1], 3, padding=1)),
            nn.MaxPool2d(3, (1, 2)),
            *_layer(nn.Conv2d(widths[1], widths[2], 3, padding=1)),
            *_layer(nn.Conv2d(widths[2], widths[3], 3, padding=1)),
            *_layer(nn.Conv2d(widths[3], widths[3], 3, padding=1)),
            nn.MaxPool2d(3, 2),
            *_layer(nn.Conv2d(widths[3], widths[4], (5, 4))),
        )
        super().__init__(config, layers)

    def forward(self, mfcc: Float[Tensor, "B U 13"]) -> Float[Tensor, "B N D"]:
        """One vector for each 20 steps, 4 steps apart: N = U / 4 − 4."""
        images = mfcc
        if not self.config.shared:
            ticks = mfcc.reshape(mfcc.shape[0], -1, STEPS_PER_TICK, NUM_COEFFICIENTS)
            images = windows(ticks).flatten(2, 3).flatten(0, 1)
        return self.vectors(images.transpose(1, 2)[:, None], mfcc)


def _layer(convolution: nn.Conv2d) -> tuple[nn.Module, ...]:
    return *normalised(convolution), nn.ReLU()


def _side(side_px: int) -> int:
    """The side of the feature map before the convolution that takes all of it."""
    side = ((side_px - 7) // 2 + 1 - 3) // 2 + 1
    side = ((side + 2 - 5) // 2 + 1 + 2 - 3) // 2 + 1
    return (side - 3) // 2 + 1


class EveryTick(nn.Module):
    """Makes a stream that gives N vectors for N + 4 ticks give N for N: the first and last ticks are repeated."""

    def __init__(self, stream: nn.Module, per_tick: int) -> None:
        super().__init__()
        self.stream, self.num = stream, WINDOW_TICKS // 2 * per_tick

    def forward(self, ticks: Float[Tensor, "B T *rest"]) -> Float[Tensor, "B N D"]:
        """The vectors."""
        held = [-1, self.num, *[-1] * (ticks.ndim - 2)]
        vectors: Tensor = self.stream(torch.cat((ticks[:, :1].expand(held), ticks, ticks[:, -1:].expand(held)), dim=1))
        return vectors
