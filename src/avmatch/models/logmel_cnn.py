"""The sound's tower: log-mel and its rise, brought down to the ticks of the picture, then a look around in time.

    log-mel (B, T·n, 64) ─ [level, rise] – BatchNorm ─ Conv1d – BatchNorm – ReLU ─ Conv1d of n ticks, stride n
        ─ BatchNorm – ReLU ─ TickHead → unit vectors (B, T, D)

The rise does not change when the sound gets louder. Letters in shapes: B batch, T ticks of the picture, n log-mel ticks
in each, D embedding.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avmatch.models.tick_head import TickHead, TickHeadConfig

NUM_MELS = 64


@dataclass(frozen=True)
class LogMelCnnConfig:
    """Sizes: channels after the convolution over `kernel` (odd) log-mel ticks, and after the one down to ticks."""

    widths: tuple[int, int] = (96, 128)
    kernel: int = 5
    head: TickHeadConfig = field(default_factory=TickHeadConfig)


class LogMelCnn(nn.Module):
    """The tower.

    Args:
        mels_per_tick: n, log-mel ticks a tick of the picture.
    """

    def __init__(self, config: LogMelCnnConfig, mels_per_tick: int) -> None:
        super().__init__()
        fine, coarse = config.widths
        self.normalise = nn.BatchNorm1d(2 * NUM_MELS)
        self.down = nn.Sequential(
            nn.Conv1d(2 * NUM_MELS, fine, config.kernel, padding=config.kernel // 2, bias=False),
            nn.BatchNorm1d(fine),
            nn.ReLU(),
            nn.Conv1d(fine, coarse, mels_per_tick, stride=mels_per_tick, bias=False),
            nn.BatchNorm1d(coarse),
            nn.ReLU(),
        )
        self.head = TickHead(coarse, config.head)

    def forward(self, mel: Float[Tensor, "B U 64"]) -> Float[Tensor, "B T D"]:
        """Unit vectors; the first log-mel tick has not risen."""
        before = torch.cat((mel[:, :1], mel[:, :-1]), dim=1)
        both = torch.cat((mel, torch.relu(mel - before)), dim=2)
        down: Tensor = self.down(self.normalise(both.transpose(1, 2)))
        ticks: Tensor = self.head(down.transpose(1, 2))
        return ticks
