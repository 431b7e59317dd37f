"""Which word is it? What stands behind a visual front end.

    features (B, T, C), a vector a frame ─ BatchNorm ─ layers over time → (B, T, D)
        ─ mean over the word's frames ─ dropout ─ linear → logits (B, K)

Two kinds of layers over time:

    TC-5    two convolutions over 5 frames, each with BatchNorm and ReLU
    TCN     that of the towers for talking faces (lip_towers.py): residual convolutions over 3 frames

What is known of TC-5 (Chung, Chung and Kang, "Perfect match", ICASSP 2019, whose second task this is): the abstract
says that the learned embeddings are used for visual speech recognition, and match those learned end to end; the name is
read as temporal convolution over 5 steps. The number of layers, their width and the mean over time are inferred: the
paper itself wasn't at hand.

Letters in shapes: B words, T frames, C channels, D dimensions, K classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from avmatch.models.lip_towers import Tcn, TcnConfig


@runtime_checkable
class BackEnd(Protocol):
    """What tells the heads apart; a frozen dataclass."""

    @property
    def reach_ticks(self) -> int:
        """How many frames before and after its own come in."""
        ...

    @property
    def dim(self) -> int:
        """D."""
        ...

    def layers(self, num_channels: int) -> nn.Module:
        """(B, T, C) → (B, T, D)."""
        ...


@dataclass(frozen=True)
class Tc5:
    """Temporal convolutions over five frames."""

    width: int = 256
    num_layers: int = 2

    @property
    def reach_ticks(self) -> int:
        """Two a layer."""
        return 2 * self.num_layers

    @property
    def dim(self) -> int:
        """The width."""
        return self.width

    def layers(self, num_channels: int) -> nn.Module:
        """Convolution – BatchNorm – ReLU, again and again."""
        channels = [num_channels, *[self.width] * self.num_layers]
        return nn.Sequential(
            _Transpose(),
            *(
                layer
                for before, after in pairwise(channels)
                for layer in (nn.Conv1d(before, after, 5, padding=2, bias=False), nn.BatchNorm1d(after), nn.ReLU())
            ),
            _Transpose(),
        )


@dataclass(frozen=True)
class TcnBackEnd:
    """The residual convolutions of the towers; their unit vectors are scaled to entries about 1."""

    tcn: TcnConfig = field(default_factory=lambda: TcnConfig(dropout=0.2))

    @property
    def reach_ticks(self) -> int:
        """That of the convolutions."""
        return self.tcn.reach_ticks

    @property
    def dim(self) -> int:
        """Of the vectors."""
        return self.tcn.dim

    def layers(self, num_channels: int) -> nn.Module:
        """The tower's end."""
        return nn.Sequential(Tcn(num_channels, self.tcn), _Scale(math.sqrt(self.dim)))


class WordHead(nn.Module):
    """Features → logits."""

    def __init__(self, num_channels: int, num_classes: int, back_end: BackEnd, dropout: float) -> None:
        super().__init__()
        self.normalise = nn.BatchNorm1d(num_channels)
        self.layers = back_end.layers(num_channels)
        self.classify = nn.Sequential(nn.Dropout(dropout), nn.Linear(back_end.dim, num_classes))

    def forward(self, ticks: Float[Tensor, "B T C"], is_word: Bool[Tensor, "B T"]) -> Float[Tensor, "B K"]:
        """The logits; frames outside the word come in as far as the layers reach, and not into the mean."""
        normal = self.normalise(ticks.transpose(1, 2)).transpose(1, 2)
        weight = is_word.to(normal.dtype)[:, :, None]
        mean = (self.layers(normal) * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)
        logits: Tensor = self.classify(mean)
        return logits.float()


def time_masked(ticks: Float[Tensor, "B T *rest"], max_ticks: int) -> Float[Tensor, "B T *rest"]:
    """A stretch of 0…`max_ticks` of each word's frames, anywhere, replaced by their mean over time.

    As in Ma et al., "Training strategies for improved lip-reading" (ICASSP 2022).
    """
    num, length = ticks.shape[:2]
    size = torch.randint(max_ticks + 1, (num, 1), device=ticks.device)
    begin = (torch.rand(num, 1, device=ticks.device) * (length - size + 1).clamp(min=1)).floor()
    place = torch.arange(length, device=ticks.device)[None]
    hidden = ((place >= begin) & (place < begin + size)).reshape(num, length, *[1] * (ticks.ndim - 2))
    return torch.where(hidden, ticks.mean(dim=1, keepdim=True), ticks)


class _Transpose(nn.Module):
    def forward(self, ticks: Float[Tensor, "B T C"]) -> Float[Tensor, "B C T"]:
        return ticks.transpose(1, 2)


class _Scale(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, ticks: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        return ticks * self.factor
