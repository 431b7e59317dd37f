"""Talking faces: the model that ships.

DATA is a list of talking clips (data/layouts.py) or a folder of shards that was packed from one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from avmatch.core.errors import UsageError
from avmatch.systems.lips.model import VggMConfig
from avmatch.systems.lips.task import LipPairs
from avmatch.systems.lips.windows import AVENetLoss, Criterion, SyncWindows, candidates
from avmatch.training.config import Optimisation, TrainConfig
from avmatch.training.losses import hadsell, multi_way_inverse_distance


def lips() -> TrainConfig:
    """Mouths of 80×80 px at 25 frames a second against log-mel, in windows of about a second."""
    return TrainConfig(
        recipe="lips",
        task=LipPairs(),
        epochs=12,
        passes=7,
        batch_size=48,
        optimisation=Optimisation(
            "adamw", 1e-3, weight_decay=0.05, schedule="cosine", warmup_steps=100, gradient_clip=1.0
        ),
        best_by="within_1@15",
        ema_decay=0.998,
        bf16=True,
    )


# The published lip-sync systems, on equal terms: the same streams, data and budget, three losses.
#
#     syncnet          contrastive: own sound near, another window of the clip at least a margin away
#                      (Chung and Zisserman, "Out of time", ACCV-W 2016; Hadsell, Chopra and LeCun, CVPR 2006)
#     ave_net          the same two, told apart from their distance by a small classifier
#                      (Arandjelović and Zisserman, "Objects that sound", ECCV 2018, as a baseline for sync)
#     perfect_match    which of N sounds? by the inverse of the distance
#                      (Chung, Chung and Kang, "Perfect match", ICASSP 2019), N = 2 … 40
#
# DATA is a list of talking clips (data/layouts.py) or a folder of shards that was packed from one. The size is a
# reduced one: crops of 96×96 px and half the channels; systems/lips/model.py has the published one. What was
# published of the
# training (margin, optimiser, how near in time a stranger may be) wasn't at hand: here strangers are any other
# windows.
#
# Letters in shapes: B clips, N windows of each, P pairs of windows, D embedding.

REDUCED = VggMConfig(side_px=96, colours=1, width=0.5, dim=512)


@dataclass(frozen=True)
class Contrastive:
    """Hadsell's loss; the margin is in the units of the vectors, whose length is free; they begin about 1 apart."""

    margin: float = 1.0

    def loss(self) -> nn.Module:
        """The loss of a batch."""
        return ContrastiveWindows(self.margin)


@dataclass(frozen=True)
class Correspondence:
    """AVE-Net's: do they belong together?"""

    def loss(self) -> nn.Module:
        """The loss of a batch."""
        return CorrespondingWindows()


@dataclass(frozen=True)
class MultiWay:
    """Perfect Match's: which of `num_candidates` belongs to the picture?"""

    num_candidates: int = 40

    def __post_init__(self) -> None:
        if self.num_candidates < 2:
            raise UsageError(f"num_candidates must be 2 or more, got {self.num_candidates}")

    def loss(self) -> nn.Module:
        """The loss of a batch."""
        return MultiWayWindows(self.num_candidates)


class ContrastiveWindows(nn.Module):
    """As many pairs as strangers."""

    def __init__(self, margin: float) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, video: Float[Tensor, "B N D"], audio: Float[Tensor, "B N D"]) -> Float[Tensor, ""]:
        """The loss."""
        seen, heard, is_pair = with_strangers(video, audio)
        return hadsell(torch.linalg.vector_norm(seen - heard, dim=1), is_pair, self.margin)


class CorrespondingWindows(nn.Module):
    """As many pairs as strangers, and what calibrates their distance."""

    def __init__(self) -> None:
        super().__init__()
        self.correspondence = AVENetLoss()

    def forward(self, video: Float[Tensor, "B N D"], audio: Float[Tensor, "B N D"]) -> Float[Tensor, ""]:
        """The loss."""
        loss: Tensor = self.correspondence(*with_strangers(video, audio))
        return loss


class MultiWayWindows(nn.Module):
    """Each picture's window against its own sound and C − 1 strangers."""

    def __init__(self, num_candidates: int) -> None:
        super().__init__()
        self.num_candidates = num_candidates

    def forward(self, video: Float[Tensor, "B N D"], audio: Float[Tensor, "B N D"]) -> Float[Tensor, ""]:
        """The loss."""
        drawn = candidates(video.shape[0], video.shape[1], self.num_candidates, video.device)
        own = torch.zeros(len(drawn), dtype=torch.int64, device=video.device)
        return multi_way_inverse_distance(video.flatten(0, 1), audio.flatten(0, 1)[drawn], own)


def with_strangers(
    video: Float[Tensor, "B N D"], audio: Float[Tensor, "B N D"]
) -> tuple[Float[Tensor, "P D"], Float[Tensor, "P D"], Bool[Tensor, " P"]]:
    """Each picture's window with its own sound, then each with another one: both sides, and which are pairs."""
    drawn = candidates(video.shape[0], video.shape[1], 2, video.device)
    seen, heard = video.flatten(0, 1).repeat(2, 1), audio.flatten(0, 1)[drawn.T.flatten()]
    return seen, heard, torch.arange(len(seen), device=video.device) < len(drawn)


def syncnet() -> TrainConfig:
    """Contrastive."""
    return _config("syncnet", Contrastive(), REDUCED)


def ave_net() -> TrainConfig:
    """Correspondence; its vectors have length 1."""
    return _config("ave_net", Correspondence(), VggMConfig(side_px=96, colours=1, width=0.5, dim=512, unit=True))


def perfect_match() -> TrainConfig:
    """Multi-way matching among 40."""
    return _config("perfect_match", MultiWay(), REDUCED)


def _config(recipe: str, criterion: Criterion, streams: VggMConfig) -> TrainConfig:
    """The same budget for all."""
    return TrainConfig(
        recipe=recipe,
        task=SyncWindows(criterion, streams),
        epochs=4,
        passes=2,
        batch_size=16,
        optimisation=Optimisation(
            "adamw", 1e-3, weight_decay=0.01, schedule="cosine", warmup_steps=50, gradient_clip=1.0
        ),
        best_by="within_1@15 within_1@5",
        ema_decay=0.99,
        bf16=True,
    )
