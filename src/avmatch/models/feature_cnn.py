"""A small convolutional tower over the time steps of features that were computed before.

    (B, T, F) ─ [Conv1d over time – BatchNorm – ReLU – Dropout] × n ─ mean over time ─ Linear → unit vectors (B, D)

Letters in shapes: B batch, T time steps, F features, D embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class FeatureCnnConfig:
    """Sizes of a tower: `widths` are the channels after each convolution of `kernel` steps."""

    num_features: int
    widths: tuple[int, ...] = (256, 256)
    kernel: int = 3
    dim: int = 128
    dropout: float = 0.1


class FeatureCnn(nn.Module):
    """The tower."""

    def __init__(self, config: FeatureCnnConfig) -> None:
        super().__init__()
        channels = (config.num_features, *config.widths)
        self.normalise = nn.BatchNorm1d(config.num_features)
        self.steps = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv1d(before, after, config.kernel, padding=config.kernel // 2, bias=False),
                    nn.BatchNorm1d(after),
                    nn.ReLU(),
                    nn.Dropout(config.dropout),
                )
                for before, after in pairwise(channels)
            )
        )
        self.embed = nn.Linear(channels[-1], config.dim)

    def forward(self, features: Float[Tensor, "B T F"]) -> Float[Tensor, "B D"]:
        """Unit vectors."""
        steps = self.steps(self.normalise(features.transpose(1, 2)))
        return functional.normalize(self.embed(steps.mean(dim=2)), dim=1)
