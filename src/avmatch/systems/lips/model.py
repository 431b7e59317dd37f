"""Networks for talking faces: our towers, and the streams of the published lip-sync systems.

*Ours:* what the lips do at a frame, what the voice does at that time.

    mouths (B, T, 80, 80) in 0…1 ─ each frame standardised ─ Conv3d 5×5×5 /2 – pool /2
        ─ [residual Conv2d 3×3] × n ─ flattened ─ Linear ─ TCN → unit vectors (B, T, D)
    log-mel (B, 4·T, 64)         ─ Conv2d over time and mels × n, down to the ticks of the picture
        ─ flattened ─ Linear ─ TCN → unit vectors (B, T, D)

The first layer over space and time is that of Chung, Chung and Kang, "Perfect match" (ICASSP 2019), at a mouth's size;
the temporal convolutional network is that of Bai, Kolter and Koltun (2018), not causal.

*Published:* a VGG-M over five frames, another over 20 MFCC steps.

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

With `shared`, the sound's layers run over the whole sound at once, as in that trainer: a vector then depends on 35
steps instead of 20, because windows no longer end at their edges, and the sound costs a quarter.

Letters in shapes: B clips, T ticks of 25 a second, U = 4·T steps of sound, C channels, H rows, W columns, N windows or
images, D dimensions.
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
#: MFCC steps of a tick.
STEPS_PER_TICK = 4
NUM_COEFFICIENTS = 13


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
        return self.layers(steps)


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
        return self.tcn(pooled.reshape(frames.shape[0], frames.shape[1], -1))


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
        return self.tcn(down.permute(0, 2, 1, 3).flatten(2))


def windows(ticks: Float[Tensor, "B T *rest"]) -> Float[Tensor, "B N 5 *rest"]:
    """Each five adjacent ticks, N = T − 4."""
    num = ticks.shape[1] - WINDOW_TICKS + 1
    return torch.stack([ticks[:, step : step + num] for step in range(WINDOW_TICKS)], dim=2)


def normalised(convolution: nn.Conv2d) -> tuple[nn.Module, nn.Module]:
    return convolution, nn.BatchNorm2d(convolution.out_channels)


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
        return self.stream(torch.cat((ticks[:, :1].expand(held), ticks, ticks[:, -1:].expand(held)), dim=1))
