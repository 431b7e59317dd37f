"""Softmax cross-entropy of one positive against K sampled negatives.

    loss = − mean_b log( exp(s·q_b·p_b) / (exp(s·q_b·p_b) + Σ_k exp(s·q_b·n_bk)) )

The two-tower loss of Huang et al., "Learning deep structured semantic models for web search using clickthrough data"
(CIKM 2013), where the products are cosines and s their smoothing factor. It is multi-way matching whose answer always
stands first.

Letters in shapes: B batch, K negatives, D dimensions.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from avmatch.losses.multi_way import multi_way_cosine


def sampled_cross_entropy(
    query: Float[Tensor, "B D"],
    positive: Float[Tensor, "B D"],
    negatives: Float[Tensor, "B K D"],
    scale: Float[Tensor, ""] | float,
) -> Float[Tensor, ""]:
    """How surprising it is, in nats, that each query chooses its positive.

    Args:
        query: (B, D) unit vectors: the caller has normalised them, so that a product is a cosine.
        positive: (B, D) unit vectors of the partners.
        negatives: (B, K, D) unit vectors of the strangers, each query's own.
        scale: what cosines are multiplied with, the inverse of the softmax's temperature.
    """
    first = torch.zeros(len(query), dtype=torch.int64, device=query.device)
    return multi_way_cosine(query, torch.cat((positive[:, None], negatives), dim=1), first, scale)
