"""What says what a scene is: several attentive networks and linear discriminants, weighted by what is there.

    networks ─ mean over them of: sound's logits, picture's logits, logits of both ┐
    discriminants ─ logits                                                         ┴ weighted sum → logits

The four weights are those of the case: both sides there, sound alone, picture alone. Fitted to items that the networks
haven't seen, they are fusion and calibration at once: a temperature is their common scale. Without either side the
answer is the classes' shares.

Letters in shapes: B clips, T and U time steps, F and G features, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from avmatch.models.discriminant import NOTHING, Discriminant, SceneStatistics
from avmatch.models.scene_attention import SceneAttention


class SceneMixture(nn.Module):
    """The mixture; until weights are fitted, it is the mean of the networks."""

    def __init__(
        self, networks: Sequence[SceneAttention], statistics: SceneStatistics, discriminant: Discriminant
    ) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.statistics, self.discriminant = statistics, discriminant
        weights = torch.tensor([1.0, 1.0, 1.0, 0.0]).repeat(NOTHING + 1, 1)
        weights[NOTHING] = torch.tensor([0.0, 0.0, 0.0, 1.0])
        self.weights = nn.Buffer(weights)

    def forward(self, audio: Float[Tensor, "B T F"], video: Float[Tensor, "B U G"]) -> Float[Tensor, "B C"]:
        """Logits; NaN in the features is no step."""
        parts, case = self.parts(audio, video)
        return torch.einsum("bp,pbc->bc", self.weights[case], parts)

    def parts(
        self, audio: Float[Tensor, "B T F"], video: Float[Tensor, "B U G"]
    ) -> tuple[Float[Tensor, "4 B C"], Int[Tensor, " B"]]:
        """Logits of sound, picture and both of the networks, and of the discriminants; and the case."""
        networks = torch.stack([network(audio, video) for network in self.networks]).mean(dim=0)
        told, case = self.statistics(audio, video)
        return torch.cat((networks, self.discriminant(told, case)[None])), case
