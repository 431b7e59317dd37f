"""The task of a scene's label by one of the published fusions (models/fusion.py): cross-entropy of the class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from avmatch.datasets.items import Pairs
from avmatch.export.scenes import export_scenes
from avmatch.models.fusion import Fusion, check_fusion
from avmatch.recipes.scene_data import SceneLearner, SceneTask, standard
from avmatch.training.task import Batch


@dataclass(frozen=True)
class FusedScenes(SceneTask):
    """The task.

    Attributes:
        fusion: audio, video, early, middle, late or hybrid.
        average: of late: logits, or probabilities.
    """

    fusion: str = "late"
    average: str = "logits"

    def __post_init__(self) -> None:
        check_fusion(self.fusion, self.average)

    def learner(self, pairs: Pairs, seed: int) -> SceneFusion:
        """The network, with mean and deviation of the training steps."""
        return SceneFusion(self, pairs)

    def export(self, learner: nn.Module, pairs: Pairs, folder: Path, description: Mapping[str, object]) -> None:
        """scenes.onnx and card.md."""
        assert isinstance(learner, SceneFusion)
        sides = (self.fusion,) if self.fusion in ("audio", "video") else ("audio", "video")
        export_scenes(learner.network, learner.sizes, pairs, folder, description, sides, self.front_end)


class SceneFusion(SceneLearner):
    """The network and the training items' labels."""

    def __init__(self, task: FusedScenes, pairs: Pairs) -> None:
        super().__init__(pairs)
        standards = standard(pairs.audio, self.sizes[0]), standard(pairs.video, self.sizes[1])
        self.network = Fusion(task.fusion, *standards, len(pairs.label_names), task.average)
        self.label = nn.Buffer(torch.from_numpy(pairs.label))

    def forward(self, batch: Batch, epoch: int) -> dict[str, Float[Tensor, ""]]:
        """The loss of a batch."""
        return {"loss": functional.cross_entropy(self.network(batch.audio, batch.video), self.label[batch.rows])}
