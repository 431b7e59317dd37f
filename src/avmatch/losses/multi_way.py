"""Multi-way matching: which of N sounds belongs to the picture?

    loss = − mean_b log softmax_n( z_bn )[target_b]

    z_bn = 1 / ‖v_b − a_bn‖₂     multi_way_inverse_distance
    z_bn = s · v_b·a_bn          multi_way_cosine

The inverse distance is that of Chung, Chung and Kang, "Perfect match: improved cross-modal embeddings for audio-visual
synchronisation" (ICASSP 2019), whose candidates are windows of the same recording at other times. Theirs is infinite
where two vectors meet; here 1 / √(d² + ε²) stands for 1 / d. With ε = 0.01 a logit is at most 100, which is also CLIP's
limit, and at distances about 1 the two differ by 0.005 %.

Letters in shapes: B batch, N candidates, D dimensions.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from avmatch.losses.precision import at_least_float32, without_autocast

#: Distances well below this count as equal.
SMALLEST_DISTANCE = 0.01


def multi_way_inverse_distance(
    video: Float[Tensor, "B D"], audio: Float[Tensor, "B N D"], target: Int64[Tensor, " B"]
) -> Float[Tensor, ""]:
    """Cross-entropy in nats over the inverse Euclidean distances.

    Args:
        video: (B, D) embeddings of any length.
        audio: (B, N, D) the candidates of each.
        target: (B,) which of the N is the right one, from 0.

    Raises:
        ValueError: the number of videos differs from that of the candidate lists.
    """
    if len(video) != len(audio):
        raise ValueError(f"{len(video)} videos but {len(audio)} lists of candidates; give one list for each video")
    difference = at_least_float32(audio) - at_least_float32(video)[:, None]
    squared_distance = difference.square().sum(dim=-1)
    return functional.cross_entropy((squared_distance + SMALLEST_DISTANCE**2).rsqrt(), target)


def multi_way_cosine(
    video: Float[Tensor, "B D"],
    audio: Float[Tensor, "B N D"],
    target: Int64[Tensor, " B"],
    scale: Float[Tensor, ""] | float,
) -> Float[Tensor, ""]:
    """Cross-entropy in nats over scaled cosines.

    Args:
        video: (B, D) unit vectors: the caller has normalised them, so that a product is a cosine.
        audio: (B, N, D) unit vectors, the candidates of each.
        target: (B,) which of the N is the right one, from 0.
        scale: what cosines are multiplied with, the inverse of the softmax's temperature.
    """
    with without_autocast(video):
        cosine = torch.bmm(at_least_float32(audio), at_least_float32(video)[:, :, None])[:, :, 0]
    return functional.cross_entropy(scale * cosine, target)
