"""KMeans-label cross-entropy: the auxiliary task of naming the cluster that the sound fell into.

    loss = − mean_b log softmax_c( W·x_b + b )[label_b]

The labels are those of KMeans over the training audio. After HuBERT (Hsu et al., "HuBERT: self-supervised speech
representation learning by masked prediction of hidden units", 2021), which predicts the clusters of masked frames by
their cosine to learned codewords; here a clip has one label and nothing is masked, so a linear layer on the clip's
embedding does, as in DeepCluster (Caron et al., "Deep clustering for unsupervised learning of visual features", 2018).

Letters in shapes: B batch, D dimensions.
"""

from __future__ import annotations

from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from avmatch.losses.precision import at_least_float32, without_autocast


class ClusterHead(nn.Module):
    """The linear layer that names the cluster, and its loss.

    Args:
        dim: D, of the embeddings.
        num_clusters: how many clusters there are.
    """

    def __init__(self, dim: int, num_clusters: int) -> None:
        super().__init__()
        self.classify = nn.Linear(dim, num_clusters)

    def forward(self, embedding: Float[Tensor, "B D"], label: Int64[Tensor, " B"]) -> Float[Tensor, ""]:
        """Cross-entropy in nats of the right cluster.

        Args:
            embedding: (B, D) embeddings of any length.
            label: (B,) the cluster of each, from 0.
        """
        with without_autocast(embedding):
            logits = self.classify(at_least_float32(embedding))
        return functional.cross_entropy(logits, label)
