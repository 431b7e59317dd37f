"""What both towers over media end with: a look around in time, and one unit vector a tick.

    (B, T, C) ─ [Conv1d over time – BatchNorm – ReLU – Dropout] × n ─ Linear → unit vectors (B, T, D)

Letters in shapes: B batch, T ticks, C channels, D embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class TickHeadConfig:
    """Sizes: `widths` are the channels after each convolution of `kernel` ticks (odd)."""

    widths: tuple[int, ...] = (128, 128)
    kernel: int = 5
    dim: int = 64
    dropout: float = 0.1


class TickHead(nn.Module):
    """The head."""

    def __init__(self, num_channels: int, config: TickHeadConfig) -> None:
        super().__init__()
        channels = (num_channels, *config.widths)
        self.ticks = nn.Sequential(
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

    def forward(self, ticks: Float[Tensor, "B T C"]) -> Float[Tensor, "B T D"]:
        """Unit vectors."""
        seen: Tensor = self.ticks(ticks.transpose(1, 2))
        return functional.normalize(self.embed(seen.transpose(1, 2)), dim=2)
