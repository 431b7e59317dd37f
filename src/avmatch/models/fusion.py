"""Early, middle, late and hybrid fusion of two modalities, as published for audio-visual scenes.

Features are averaged over time first. A block is Linear – BatchNorm – ReLU – Dropout 0.2.

    embed    block 512, Linear 128                                    of one modality
    head     Linear 128, Linear C                                     no activation between
    early    both averages side by side, blocks 1024, 512, 256, then a head
    middle   embed each, side by side 256, then a head
    late     embed each, each a head, mean of the logits (or of the probabilities: logs of the mean come out)
    hybrid   0.8 · the mean of late's logits + 0.2 · a head on both embeddings side by side
    audio, video    embed and head of one modality alone

A modality without a step is the training set's mean, which standardised is 0.

Letters in shapes: B clips, T and U steps, F and G features, C classes.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from avmatch.core.errors import UsageError
from avmatch.models.scene_parts import Standard, masked_mean

KINDS = ("audio", "video", "early", "middle", "late", "hybrid")
AVERAGES = ("logits", "probabilities")
EMBEDDING = 128
#: Of the joint head in the hybrid.
JOINT_SHARE = 0.2
_DROPOUT = 0.2


def check_fusion(kind: str, average: str) -> None:
    """Raises UsageError unless there are such a system and such an average."""
    if kind not in KINDS or average not in AVERAGES:
        raise UsageError(
            f"fusion is one of {', '.join(KINDS)}, average one of {', '.join(AVERAGES)}, got {kind!r} and {average!r}"
        )


def block(num_in: int, num_out: int) -> nn.Sequential:
    """Linear – BatchNorm – ReLU – Dropout."""
    return nn.Sequential(nn.Linear(num_in, num_out), nn.BatchNorm1d(num_out), nn.ReLU(), nn.Dropout(_DROPOUT))


def embed(num_in: int) -> nn.Sequential:
    """One modality's embedding."""
    return nn.Sequential(*block(num_in, 512), nn.Linear(512, EMBEDDING))


def head(num_in: int, num_classes: int) -> nn.Sequential:
    """Two linear layers, nothing between them."""
    return nn.Sequential(nn.Linear(num_in, 128), nn.Linear(128, num_classes))


class Fusion(nn.Module):
    """One of the systems at the top of this file.

    Args:
        audio, video: the training set's mean and deviation of each feature.
        average: for late: what is averaged.
    """

    def __init__(self, kind: str, audio: Standard, video: Standard, num_classes: int, average: str = "logits") -> None:
        super().__init__()
        check_fusion(kind, average)
        self.kind, self.average = kind, average
        self.audio, self.video = audio, video
        sizes = [len(audio.mean), len(video.mean)]
        if kind == "early":
            blocks = [block(sum(sizes), 1024), block(1024, 512), block(512, 256)]
            self.joint = nn.Sequential(*blocks, *head(256, num_classes))
            return
        sides = [place for place, name in enumerate(("audio", "video")) if kind not in KINDS[:2] or kind == name]
        self.sides = sides
        self.embeds = nn.ModuleList(embed(sizes[place]) for place in sides)
        if kind != "middle":
            self.heads = nn.ModuleList(head(EMBEDDING, num_classes) for _ in sides)
        if kind in ("middle", "hybrid"):
            self.joint = head(2 * EMBEDDING, num_classes)

    def forward(self, audio: Float[Tensor, "B T F"], video: Float[Tensor, "B U G"]) -> Float[Tensor, "B C"]:
        """Logits; NaN in the features is no step."""
        averages = [masked_mean(*self.audio(audio)), masked_mean(*self.video(video))]
        if self.kind == "early":
            joint: Tensor = self.joint(torch.cat(averages, dim=1))
            return joint
        embedded = [own(averages[place]) for own, place in zip(self.embeds, self.sides, strict=True)]
        if self.kind == "middle":
            middle: Tensor = self.joint(torch.cat(embedded, dim=1))
            return middle
        late = self._mean(torch.stack([own(vector) for own, vector in zip(self.heads, embedded, strict=True)]))
        if self.kind == "hybrid":
            together: Tensor = self.joint(torch.cat(embedded, dim=1))
            return (1 - JOINT_SHARE) * late + JOINT_SHARE * together
        return late

    def _mean(self, logits: Float[Tensor, "S B C"]) -> Float[Tensor, "B C"]:
        if self.average == "logits":
            return logits.mean(dim=0)
        probabilities: Tensor = functional.softmax(logits, dim=2).mean(dim=0)
        return probabilities.clamp_min(1e-12).log()
