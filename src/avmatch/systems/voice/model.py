"""The network: three convolutions over time.

    (N, T, B) levels → 32 channels, 9 ticks → 32 channels, 9 ticks two apart → the log-odds of a voice (N, T)

Letters in shapes: N sounds, T ticks, B bands.
"""

import torch
from jaxtyping import Float32
from torch import Tensor, nn

from avmatch.core.features import NUM_SPECTRUM_BANDS

WIDTH, TICKS = 32, 9


class VoiceNet(nn.Module):
    """Probability of a voice at every tick."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(NUM_SPECTRUM_BANDS, WIDTH, TICKS, padding="same"),
            nn.ReLU(),
            nn.Conv1d(WIDTH, WIDTH, TICKS, padding="same", dilation=2),
            nn.ReLU(),
            nn.Conv1d(WIDTH, 1, TICKS, padding="same"),
        )

    def log_odds(self, levels: Float32[Tensor, "N T B"]) -> Float32[Tensor, "N T"]:
        """Above zero where a voice is more probable than none."""
        found: Tensor = self.layers(levels.transpose(1, 2))[:, 0]
        return found

    def forward(self, levels: Float32[Tensor, "N T B"]) -> Float32[Tensor, "N T"]:
        """0…1."""
        return torch.sigmoid(self.log_odds(levels))
