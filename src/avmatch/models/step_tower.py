"""A small, strongly regularised tower over whitened time steps, one of an ensemble.

    (B, T, F) ─ whiten – dropout ─ Linear – GELU – dropout ─ + Conv1d over time – GELU – dropout
              ─ mean and deviation over time ─ Linear → unit vectors (B, D)

Letters in shapes: B batch, T time steps, F features, W width, D embedding.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from avmatch.models.canonical import statistics


@dataclass(frozen=True)
class StepTowerConfig:
    """Sizes; `dropout` is that between the layers, the input has half of it."""

    width: int = 256
    kernel: int = 3
    dim: int = 128
    dropout: float = 0.5


class StepTower(nn.Module):
    """The tower. `mean` and `whiten` are fitted to the training steps and stay as they are."""

    def __init__(self, config: StepTowerConfig, mean: Float[Tensor, " F"], whiten: Float[Tensor, "F d"]) -> None:
        super().__init__()
        self.mean, self.whiten = nn.Buffer(mean), nn.Buffer(whiten)
        self.enter = nn.Linear(whiten.shape[1], config.width)
        self.normalise = nn.LayerNorm(config.width)
        self.neighbours = nn.Conv1d(config.width, config.width, config.kernel, padding=config.kernel // 2)
        self.embed = nn.Linear(2 * config.width, config.dim)
        self.input_dropout, self.dropout = nn.Dropout(config.dropout / 2), nn.Dropout(config.dropout)

    def forward(self, features: Float[Tensor, "B T F"]) -> Float[Tensor, "B D"]:
        """Unit vectors."""
        steps = self.input_dropout((features - self.mean) @ self.whiten)
        steps = self.dropout(functional.gelu(self.enter(steps)))
        around = self.neighbours(self.normalise(steps).transpose(1, 2)).transpose(1, 2)
        steps = steps + self.dropout(functional.gelu(around))
        return functional.normalize(self.embed(statistics(steps)), dim=1)


class Ensemble(nn.Module):
    """Towers of one side, their unit vectors side by side."""

    def __init__(self, towers: list[StepTower]) -> None:
        super().__init__()
        self.towers = nn.ModuleList(towers)

    def forward(self, features: Float[Tensor, "B T F"]) -> Float[Tensor, "B n*D"]:
        """n vectors of D, side by side."""
        return torch.cat([tower(features) for tower in self.towers], dim=1)
