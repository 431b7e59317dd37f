"""InfoNCE: every other item of the batch is a negative, in both directions.

    z_ij = exp(τ) · v_i·a_j
    loss = − ½ mean_i ( log softmax_j(z_ij)[own(i)] + log softmax_j(z_j,own(i))[i] )

One direction is eq. 4 of van den Oord, Li and Vinyals, "Representation learning with contrastive predictive coding"
(2018). Both directions, and a learned log scale that is clipped so that no cosine is multiplied by more than 100, are
those of CLIP: Radford et al., "Learning transferable visual models from natural language supervision" (ICML 2021).

Letters in shapes: B videos, A audio (A = B, or more where audio was gathered from several processes), D dimensions.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from avmatch.losses.precision import at_least_float32, without_autocast

LARGEST_SCALE = 100.0


class InfoNCE(nn.Module):
    """The loss with its temperature.

    Args:
        initial_temperature: what cosines are divided by at first; at least 1 / LARGEST_SCALE.
        learnable: whether the temperature is a parameter.

    Raises:
        ValueError: the temperature is too small.
    """

    log_scale: Tensor

    def __init__(self, initial_temperature: float = 0.07, learnable: bool = True) -> None:
        super().__init__()
        if not initial_temperature >= 1 / LARGEST_SCALE:
            raise ValueError(f"initial_temperature must be at least {1 / LARGEST_SCALE}, got {initial_temperature}")
        log_scale = torch.tensor(-math.log(initial_temperature))
        if learnable:
            self.log_scale = nn.Parameter(log_scale)
        else:
            self.register_buffer("log_scale", log_scale)

    def forward(
        self,
        video: Float[Tensor, "B D"],
        audio: Float[Tensor, "A D"],
        positives: Int64[Tensor, " B"] | None = None,
        same: Bool[Tensor, "B A"] | None = None,
    ) -> Float[Tensor, ""]:
        """How surprising it is, in nats, that each video chooses its audio and each own audio its video.

        The second direction has the B videos given as its choice, also where there is more audio.

        Args:
            video: (B, D) unit vectors: the caller has normalised them, so that a product is a cosine.
            audio: (A, D) unit vectors.
            positives: (B,) the row of each video's own audio; without it, audio i belongs to video i.
            same: (B, A) pairs of the same recording. But for the positives they are neither right nor wrong, so they
                are left out of the softmax.

        Raises:
            ValueError: A differs from B and there are no `positives`, or `same` isn't (B, A).
        """
        if positives is None and len(video) != len(audio):
            raise ValueError(f"{len(video)} videos but {len(audio)} audio: say in `positives` which belongs to which")
        if same is not None and same.shape != (len(video), len(audio)):
            raise ValueError(f"same must have shape {(len(video), len(audio))}, got {tuple(same.shape)}")
        rows = torch.arange(len(video), device=video.device)
        own = rows if positives is None else positives
        with without_autocast(video):
            logits = self.scale() * (at_least_float32(video) @ at_least_float32(audio).T)
        to_audio = _cross_entropy(logits, own, same)
        to_video = _cross_entropy(logits[:, own].T, rows, None if same is None else same[:, own].T)
        return (to_audio + to_video) / 2

    def scale(self) -> Float[Tensor, ""]:
        """What cosines are multiplied with, the inverse of the temperature; clipped first.

        Not the value but the parameter itself is clipped, as in CLIP: a clipped value has no gradient, so that a scale
        that once overshot could never come down again.
        """
        with torch.no_grad():
            self.log_scale.clamp_(max=math.log(LARGEST_SCALE))
        return self.log_scale.exp()


def _cross_entropy(
    logits: Float[Tensor, "N M"], own: Int64[Tensor, " N"], same: Bool[Tensor, "N M"] | None
) -> Float[Tensor, ""]:
    if same is not None:
        left_out = same.scatter(1, own[:, None], False)
        logits = logits.masked_fill(left_out, -math.inf)
    return functional.cross_entropy(logits, own)
