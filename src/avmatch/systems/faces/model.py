"""The network: a picture → on a grid of 4 pixels, how likely a face's middle lies there, and where its parts are.

    (N, 1, H, W) levels ─ conv 5×5 /2 ─ conv 3×3 /2 ─ block ─┬─ conv 3×3 /2 ─ block ×2 ─┬─ conv 3×3 /2 ─ block ×2
                                                        1×1 │                     1×1 │                      │ 1×1
                      head ← 3×3 ← + ←─────────────── twice as large ← + ←──── twice as large ←──────────────┘

No anchors: the middle of a face is a peak (Zhou, Wang and Krähenbühl, *Objects as points*, 2019), and the map's other
channels hold there the box and five landmarks. Features of three scales are added from the coarse to the fine (Lin et
al., *Feature pyramid networks*, CVPR 2017).

Letters in shapes: N pictures, C channels, H rows and W columns of the picture, h = H / 4 and w = W / 4 of the map.
"""

import torch
from jaxtyping import Float32
from torch import Tensor, nn
from torch.nn import functional

from avmatch.artifacts.finder import MAP_CHANNELS

#: Channels at a half, a quarter, an eighth and a sixteenth of the picture's size.
WIDTHS = (12, 24, 40, 56)
#: Grey levels are brought to about −1…1.
MIDDLE, RANGE = 110.0, 70.0
#: The share of cells that hold a face is small: the first guess of all cells.
_RARE = -4.0


class FaceNet(nn.Module):
    """Finds faces."""

    def __init__(self) -> None:
        super().__init__()
        half, quarter, eighth, sixteenth = WIDTHS
        self.fine = nn.Sequential(
            *_normalised(1, half, kernel=5, stride=2), *_normalised(half, quarter, stride=2), _Block(quarter)
        )
        self.middle = nn.Sequential(*_normalised(quarter, eighth, stride=2), _Block(eighth), _Block(eighth))
        self.coarse = nn.Sequential(
            *_normalised(eighth, sixteenth, stride=2), _Block(sixteenth), _Block(sixteenth, dilation=2)
        )
        self.from_coarse = nn.Conv2d(sixteenth, eighth, 1)
        self.from_middle = nn.Conv2d(eighth, quarter, 1)
        self.head = nn.Sequential(*_normalised(quarter, quarter), nn.Conv2d(quarter, MAP_CHANNELS, 1))
        last = self.head[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        nn.init.zeros_(last.bias)
        with torch.no_grad():
            last.bias[0] = _RARE

    def maps(self, levels: Float32[Tensor, "N 1 H W"]) -> Float32[Tensor, "N C h w"]:
        """Log-odds of a face's middle, and its geometry (artifacts/finder.py). H and W are multiples of 16."""
        fine = self.fine((levels - MIDDLE) / RANGE)
        middle = self.middle(fine)
        coarse = self.coarse(middle)
        middle = functional.relu(middle + functional.interpolate(self.from_coarse(coarse), scale_factor=2.0))
        fine = functional.relu(fine + functional.interpolate(self.from_middle(middle), scale_factor=2.0))
        found: Tensor = self.head(fine)
        return found

    def forward(self, levels: Float32[Tensor, "N 1 H W"]) -> Float32[Tensor, "N C h w"]:
        """The same with a probability in place of the log-odds."""
        found = self.maps(levels)
        return torch.cat((torch.sigmoid(found[:, :1]), found[:, 1:]), dim=1)


class _Block(nn.Module):
    """A convolution beside a shortcut."""

    def __init__(self, width: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, images: Float32[Tensor, "N C H W"]) -> Float32[Tensor, "N C H W"]:
        return functional.relu(images + self.norm(self.conv(images)))


def _normalised(before: int, after: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(before, after, kernel, stride, padding=kernel // 2, bias=False)
    return [conv, nn.BatchNorm2d(after), nn.ReLU()]
