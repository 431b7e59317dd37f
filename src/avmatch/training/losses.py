"""Losses of more than one system, and their precision.

*InfoNCE*: every other item of the batch is a negative, in both directions.

    z_ij = exp(τ) · v_i·a_j
    loss = − ½ mean_i ( log softmax_j(z_ij)[own(i)] + log softmax_j(z_j,own(i))[i] )

One direction is eq. 4 of van den Oord, Li and Vinyals, "Representation learning with contrastive predictive coding"
(2018). Both directions, and a learned log scale that is clipped so that no cosine is multiplied by more than 100, are
those of CLIP: Radford et al., "Learning transferable visual models from natural language supervision" (ICML 2021).

*Multi-way matching*: which of N sounds belongs to the picture?

    loss = − mean_b log softmax_n( z_bn )[target_b]

    z_bn = 1 / ‖v_b − a_bn‖₂     multi_way_inverse_distance
    z_bn = s · v_b·a_bn          multi_way_cosine

The inverse distance is that of Chung, Chung and Kang, "Perfect match: improved cross-modal embeddings for audio-visual
synchronisation" (ICASSP 2019), whose candidates are windows of the same recording at other times. Theirs is infinite
where two vectors meet; here 1 / √(d² + ε²) stands for 1 / d. With ε = 0.01 a logit is at most 100, which is also CLIP's
limit, and at distances about 1 the two differ by 0.005 %.

*Sampled softmax*: one positive against K sampled negatives, multi-way matching whose answer always comes first.

    loss = − mean_b log( exp(s·q_b·p_b) / (exp(s·q_b·p_b) + Σ_k exp(s·q_b·n_bk)) )

The two-tower loss of Huang et al., "Learning deep structured semantic models for web search using clickthrough data"
(CIKM 2013), where the products are cosines and s their smoothing factor.

*Contrastive losses* pull matching pairs together and push others out to a margin; Y = 1 for a matching pair.

    hadsell                mean_b  ½·Y·D² + ½·(1 − Y)·max(0, m − D)²
    weighted_contrastive   mean_b  λ·Y·D² + (1 − λ)·(1 − Y)·max(0, m − D)

The first is eq. 4 of Hadsell, Chopra and LeCun, "Dimensionality reduction by learning an invariant mapping" (CVPR
2006), where Y = 0 means similar, so that Y and 1 − Y change places. The second balances the two sides by λ, and its
hinge isn't squared: a negative is pushed equally hard all the way out. Distances are the caller's:
`torch.linalg.vector_norm` has the gradient 0 where two vectors meet, whereas the square root of a sum of squares has
NaN.

*Binary cross-entropy* of "in sync", from one logit a clip: − mean_b ( Y·log σ(z) + (1 − Y)·log(1 − σ(z)) ). The sigmoid
is never formed: log σ(z) = − softplus(−z) is finite at any logit.

Losses are computed in float32 at least, whatever the towers give. float16 ends at 65504 and bfloat16 keeps eight bits,
too few for the sum of a softmax's hundreds of terms. float64 stays float64, for gradient checks. Autocast would take
matrix products back to sixteen bits, so losses that have any compute them under `without_autocast`.

Letters in shapes: B batch or videos, A audio (A = B, or more where audio was gathered from several processes),
N candidates, K negatives, D dimensions.
"""

import math

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional

LARGEST_SCALE = 100.0
#: Distances well below this count as equal.
SMALLEST_DISTANCE = 0.01


def at_least_float32(tensor: Tensor) -> Tensor:
    """`tensor` in float32, or in float64 if it comes so."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def without_autocast(tensor: Tensor) -> torch.autocast:
    """A block in which operations on the device of `tensor` keep their precision."""
    return torch.autocast(tensor.device.type, enabled=False)


def end_to_end(vectors: Float[Tensor, "B T D"]) -> Float[Tensor, "B T*D"]:
    """One unit vector of all ticks; the product of two is the mean of the ticks' cosines."""
    return vectors.flatten(1) / vectors.shape[1] ** 0.5


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
        """Cross-entropy in nats of each video choosing its audio, and of each own audio choosing its video.

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


def sampled_cross_entropy(
    query: Float[Tensor, "B D"],
    positive: Float[Tensor, "B D"],
    negatives: Float[Tensor, "B K D"],
    scale: Float[Tensor, ""] | float,
) -> Float[Tensor, ""]:
    """Cross-entropy in nats of each query choosing its positive.

    Args:
        query: (B, D) unit vectors: the caller has normalised them, so that a product is a cosine.
        positive: (B, D) unit vectors of what matches.
        negatives: (B, K, D) unit vectors, each query's own.
        scale: what cosines are multiplied with, the inverse of the softmax's temperature.
    """
    first = torch.zeros(len(query), dtype=torch.int64, device=query.device)
    return multi_way_cosine(query, torch.cat((positive[:, None], negatives), dim=1), first, scale)


def hadsell(distance: Float[Tensor, " B"], is_pair: Bool[Tensor, " B"], margin: float) -> Float[Tensor, ""]:
    """The contrastive loss with the squared hinge.

    Args:
        distance: (B,) Euclidean distances D, not negative.
        is_pair: (B,) Y, whether the two belong together.
        margin: m, the distance beyond which negatives are left alone; positive.

    Raises:
        ValueError: the margin isn't positive, or the shapes differ.
    """
    distance = _checked(distance, is_pair, margin)
    hinge = (margin - distance).clamp(min=0)
    return torch.where(is_pair, distance.square(), hinge.square()).mean() / 2


def weighted_contrastive(
    distance: Float[Tensor, " B"], is_pair: Bool[Tensor, " B"], margin: float, weight: float
) -> Float[Tensor, ""]:
    """The contrastive loss with the plain hinge.

    Args:
        distance: (B,) Euclidean distances D, not negative.
        is_pair: (B,) Y, whether the two belong together.
        margin: m, the distance beyond which negatives are left alone; positive.
        weight: λ in 0…1, the share of the pairs.

    Raises:
        ValueError: the margin isn't positive, the weight is outside 0…1, or the shapes differ.
    """
    if not 0 <= weight <= 1:
        raise ValueError(f"weight must be in 0…1, got {weight}")
    distance = _checked(distance, is_pair, margin)
    hinge = (margin - distance).clamp(min=0)
    return torch.where(is_pair, weight * distance.square(), (1 - weight) * hinge).mean()


def _checked(distance: Float[Tensor, " B"], is_pair: Bool[Tensor, " B"], margin: float) -> Float[Tensor, " B"]:
    if not margin > 0:
        raise ValueError(f"margin must be positive, got {margin}")
    if distance.shape != is_pair.shape:
        raise ValueError(f"distance {tuple(distance.shape)} and is_pair {tuple(is_pair.shape)} must be equal (batch,)")
    return at_least_float32(distance)


def sync_binary_cross_entropy(logit: Float[Tensor, " B"], in_sync: Bool[Tensor, " B"]) -> Float[Tensor, ""]:
    """Cross-entropy of the truth, in nats.

    Args:
        logit: (B,) z, positive where the network believes in sync.
        in_sync: (B,) Y, the truth.

    Raises:
        ValueError: the shapes differ.
    """
    logit = at_least_float32(logit)
    return functional.binary_cross_entropy_with_logits(logit, in_sync.to(logit.dtype))
