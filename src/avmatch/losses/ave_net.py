"""AVE-Net's loss: do picture and sound correspond, told from their distance alone?

    d = ‖ v/‖v‖ − a/‖a‖ ‖₂,     z = W·d + b  with two rows: no, yes;     loss = − mean_b log softmax(z_b)[Y_b]

Arandjelović and Zisserman, "Objects that sound" (ECCV 2018): the tiny fully connected layer calibrates the distance for
the softmax, and its bias learns the distance above which two things no longer correspond.

Letters in shapes: B batch, D dimensions.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from avmatch.losses.precision import at_least_float32, without_autocast

#: Vectors shorter than this aren't stretched to unit length: their direction is noise.
SHORTEST_LENGTH = 1e-6


class AVENetLoss(nn.Module):
    """The loss with its calibration of the distance, `calibration`.

    It starts at z = ±(d − √½). Strangers in many dimensions are about √2 apart and pairs shall be at 0, so the
    threshold lies in the middle, and at both ends the answer is 80 % sure, far from saturation. A random start would
    have the wrong sign every other time, and would pull strangers together until it had changed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calibration = nn.Linear(1, 2)
        with torch.no_grad():
            self.calibration.weight.copy_(torch.tensor([[1.0], [-1.0]]))
            self.calibration.bias.copy_(torch.tensor([-math.sqrt(0.5), math.sqrt(0.5)]))

    def forward(
        self, video: Float[Tensor, "B D"], audio: Float[Tensor, "B D"], is_pair: Bool[Tensor, " B"]
    ) -> Float[Tensor, ""]:
        """Cross-entropy in nats of the right answer.

        Args:
            video: (B, D) embeddings of any length; they are normalised here.
            audio: (B, D) the same for the sound.
            is_pair: (B,) whether the two belong together.

        Raises:
            ValueError: the shapes of `video` and `audio` differ.
        """
        return functional.cross_entropy(self.logits(video, audio), is_pair.long())

    def logits(self, video: Float[Tensor, "B D"], audio: Float[Tensor, "B D"]) -> Float[Tensor, "B 2"]:
        """The two answers before the softmax: no, yes. Raises ValueError where the shapes differ."""
        if video.shape != audio.shape:
            raise ValueError(f"video {tuple(video.shape)} and audio {tuple(audio.shape)} must be equal (batch, D)")
        distance = torch.linalg.vector_norm(_unit(video) - _unit(audio), dim=-1, keepdim=True)
        with without_autocast(video):
            logits: Tensor = self.calibration(distance)
        return logits


def _unit(vectors: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
    return functional.normalize(at_least_float32(vectors), dim=-1, eps=SHORTEST_LENGTH)
