"""A small convolutional tower over the time steps of features that were computed before.

    (B, T, F) ─ norm ─ [Conv1d over time – norm – ReLU – Dropout] × n ─ mean over time ─ Linear → unit vectors (B, D)

Letters in shapes: B batch, T time steps, F features, D embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from avmatch.core.errors import UsageError

NORMS = ("batch", "layer")


@dataclass(frozen=True)
class FeatureCnnConfig:
    """Sizes of a tower.

    Attributes:
        widths: the channels after each convolution of `kernel` steps.
        norm: "batch", each channel over the batch (Ioffe & Szegedy 2015), or "layer", each clip over its channels and
            steps (Ba et al. 2016), which doesn't depend on how a batch is cut.
    """

    num_features: int
    widths: tuple[int, ...] = (256, 256)
    kernel: int = 3
    dim: int = 128
    dropout: float = 0.1
    norm: str = "batch"

    def __post_init__(self) -> None:
        if self.norm not in NORMS:
            raise UsageError(f"norm must be one of {', '.join(NORMS)}, got {self.norm!r}")


class FeatureCnn(nn.Module):
    """The tower."""

    def __init__(self, config: FeatureCnnConfig) -> None:
        super().__init__()
        channels = (config.num_features, *config.widths)
        self.normalise = _norm(config.norm, config.num_features)
        self.steps = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv1d(before, after, config.kernel, padding=config.kernel // 2, bias=False),
                    _norm(config.norm, after),
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


def _norm(kind: str, num_channels: int) -> nn.Module:
    return nn.BatchNorm1d(num_channels) if kind == "batch" else nn.GroupNorm(1, num_channels)
