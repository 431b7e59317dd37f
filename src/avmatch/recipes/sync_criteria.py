"""What is minimised where one piece of picture meets its own sound and sounds that don't belong to it.

    contrastive      the own sound near, others at least a margin away (AVTS: Hadsell's loss, losses/contrastive.py)
    cross_entropy    both vectors into a small classifier: in sync, or not? (as L3-Net: Arandjelović and Zisserman,
                     "Look, listen and learn", ICCV 2017; its features are fused in the same way)
    multi_way        which of all these sounds? (losses/sampled.py)

Each also says how far it believes that picture and sound are in sync, by a score that is higher where it does.

Letters in shapes: B pieces, K negatives each, D dimensions.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from avmatch.losses.contrastive import hadsell
from avmatch.losses.info_nce import InfoNCE
from avmatch.losses.sampled import sampled_cross_entropy
from avmatch.losses.sync_binary import sync_binary_cross_entropy

LOSSES = ("contrastive", "cross_entropy", "multi_way")


class SyncCriterion(nn.Module):
    """One of the losses, with what it learns itself.

    Args:
        loss: of LOSSES.
        dim: D.
        margin: of contrastive, between vectors of length 1.
        temperature: of multi-way at first.
    """

    def __init__(self, loss: str, dim: int, margin: float, temperature: float) -> None:
        super().__init__()
        self.loss, self.margin = loss, margin
        if loss == "cross_entropy":
            self.fusion = nn.Sequential(nn.Linear(2 * dim, dim), nn.ReLU(), nn.Linear(dim, 1))
        if loss == "multi_way":
            self.softmax = InfoNCE(temperature)

    def forward(
        self, video: Float[Tensor, "B D"], audio: Float[Tensor, "B D"], negatives: Float[Tensor, "B K D"]
    ) -> Float[Tensor, ""]:
        """The loss; a piece's own sound weighs as much as all its negatives."""
        if self.loss == "multi_way":
            strangers = functional.normalize(negatives, dim=2)
            return sampled_cross_entropy(_unit(video), _unit(audio), strangers, self.softmax.scale())
        num = negatives.shape[1]
        seen = video.repeat(2 * num, 1)
        heard = torch.cat((audio.repeat(num, 1), negatives.transpose(0, 1).flatten(0, 1)))
        is_pair = torch.arange(len(seen), device=seen.device) < len(seen) // 2
        if self.loss == "contrastive":
            return hadsell(_distance(seen, heard), is_pair, self.margin)
        return sync_binary_cross_entropy(self.scores(seen, heard), is_pair)

    def scores(self, video: Float[Tensor, "B D"], audio: Float[Tensor, "B D"]) -> Float[Tensor, " B"]:
        """Of pairs: minus the distance; a logit; a cosine."""
        if self.loss == "contrastive":
            return -_distance(video, audio)
        if self.loss == "multi_way":
            return (_unit(video) * _unit(audio)).sum(dim=1)
        logits: Tensor = self.fusion(torch.cat((video, audio), dim=1))
        return logits[:, 0]


def _unit(vectors: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
    return functional.normalize(vectors.float(), dim=1)


def _distance(video: Float[Tensor, "B D"], audio: Float[Tensor, "B D"]) -> Float[Tensor, " B"]:
    return torch.linalg.vector_norm(_unit(video) - _unit(audio), dim=1)
