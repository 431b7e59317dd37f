"""Which word do these lips say? A visual front end, and the head behind it.

    mouths (B, T, R, R) in 0…1 ─ front end → features (B, T, C), a vector a frame
        ─ BatchNorm ─ layers over time → (B, T, D) ─ mean over the word's frames ─ dropout ─ linear → logits (B, K)

Front ends, from scratch or with the weights of a run of that recipe:

    lips                                 LipCnn up to its layers over time; C is thousands
    syncnet, ave_net, perfect_match      the whole stream of the picture, its first and last frames repeated ("we use
                                         the learnt embeddings": abstract of Perfect match)

Kind and sizes of a run's front end are read from its config.json, weights from best.safetensors; a run of no epochs is
that architecture from scratch.

Two kinds of layers over time:

    TC-5    two convolutions over 5 frames, each with BatchNorm and ReLU
    TCN     that of the towers for talking faces: residual convolutions over 3 frames

Sources of TC-5 (Chung, Chung and Kang, "Perfect match", ICASSP 2019, whose second task this is): the abstract says that
the learned embeddings are used for visual speech recognition, and match those learned end to end; the name is read as
temporal convolution over 5 steps. The number of layers, their width and the mean over time are inferred: the paper
itself was not available.

Letters in shapes: B words, T frames, R side of a frame, C channels, D dimensions, K classes.
"""

import math
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from avmatch.core.errors import UsageError
from avmatch.systems.lips.model import (
    WINDOW_TICKS,
    EveryTick,
    LipCnn,
    LipCnnConfig,
    Tcn,
    TcnConfig,
    VggMConfig,
    VggMPicture,
)
from avmatch.training.run import load_tower, run_task, with_fields


@dataclass(frozen=True)
class Tc5:
    """Temporal convolutions over five frames."""

    width: int = 256
    num_layers: int = 2

    @property
    def reach_ticks(self) -> int:
        """How many frames before and after its own a vector depends on: two a layer."""
        return 2 * self.num_layers

    @property
    def dim(self) -> int:
        """Of the vectors: the width."""
        return self.width

    def layers(self, num_channels: int) -> nn.Module:
        """(B, T, C) → (B, T, D): Convolution – BatchNorm – ReLU, repeated."""
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
    """The residual convolutions of the towers; their unit vectors are scaled so that entries are about 1."""

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


BackEnd = Tc5 | TcnBackEnd


class WordHead(nn.Module):
    """Features → logits."""

    def __init__(self, num_channels: int, num_classes: int, back_end: BackEnd, dropout: float) -> None:
        super().__init__()
        self.normalise = nn.BatchNorm1d(num_channels)
        self.layers = back_end.layers(num_channels)
        self.classify = nn.Sequential(nn.Dropout(dropout), nn.Linear(back_end.dim, num_classes))

    def forward(self, ticks: Float[Tensor, "B T C"], is_word: Bool[Tensor, "B T"]) -> Float[Tensor, "B K"]:
        """The logits; frames outside the word count as far as the layers reach, but not in the mean."""
        normal = self.normalise(ticks.transpose(1, 2)).transpose(1, 2)
        weight = is_word.to(normal.dtype)[:, :, None]
        mean = (self.layers(normal) * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)
        return self.classify(mean).float()


def time_masked(ticks: Float[Tensor, "B T *rest"], max_ticks: int) -> Float[Tensor, "B T *rest"]:
    """A stretch of 0…`max_ticks` frames of each word, anywhere, replaced by the word's mean over time.

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


#: Frames before and after its own that a feature vector of any front end depends on.
REACH_TICKS = WINDOW_TICKS // 2


@dataclass(frozen=True, eq=False)
class FrontEnd:
    """`network` takes frames of `side_px`, or where that is 0 features, and gives `num_channels`."""

    network: nn.Module
    num_channels: int
    side_px: int


def lip_front_end(config: LipCnnConfig, run: str | Path | None = None) -> FrontEnd:
    """The front end of the recipe `lips`, with the weights of a run or untrained. Raises ModelError."""
    tower = LipCnn(config)
    if run is not None:
        load_tower(tower, run, "video")
    first_over_time = tower.get_submodule("tcn.enter.0")
    assert isinstance(first_over_time, nn.Linear)
    tower.set_submodule("tcn", nn.Identity())  # the words' own layers over time come instead
    return FrontEnd(tower, first_over_time.in_features, config.side_px)


def read_front_end(run: str | Path) -> FrontEnd:
    """The trained front end of a run.

    Raises:
        UsageError: it is no run of a recipe that has such a front end.
        ModelError: its weights can't be read, or aren't those of its configuration.
    """
    task = run_task(run)
    if "streams" in task:
        streams = with_fields(VggMConfig(), task["streams"])
        stream = VggMPicture(streams)
        load_tower(stream, run, "video")
        return FrontEnd(EveryTick(stream, 1), streams.dim, streams.side_px)
    if "first" in task.get("video", {}):
        return lip_front_end(with_fields(LipCnnConfig(), task["video"]), run)
    raise UsageError(f"{run}: its recipe has no front end for words; lips, syncnet, ave_net and perfect_match have")
