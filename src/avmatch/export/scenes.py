"""A classifier of scenes → a model folder: scenes.onnx (encoders/scenes.py) and card.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from avmatch.artifacts.graph import SCENES
from avmatch.datasets.items import Pairs
from avmatch.datasets.scene_items import gathered_steps, usual_length
from avmatch.encoders.scenes import SCENE_INPUT, SCENES_MODEL
from avmatch.export.onnx import Exported, export_model


def export_scenes(
    network: nn.Module,
    sizes: tuple[int, int],
    pairs: Pairs,
    folder: Path,
    story: Mapping[str, object],
    sides: Sequence[str] = ("audio", "video"),
    front_end: str = "",
) -> None:
    """Write the network and the card.

    Args:
        network: takes audio (B, T, F) and video (B, U, G), NaN where there is no step, and gives logits (B, C).
        sizes: F and G.
        pairs: items such as it learned from.
        sides: those that it looks at.
        front_end: the model whose vectors the features are.
    """
    description = {
        "input": SCENE_INPUT,
        "labels": pairs.label_names,
        "audio_features": sizes[0],
        "video_features": sizes[1],
        "window_steps": max(usual_length(pairs.audio), usual_length(pairs.video), 1),
        "rate_hz": pairs.video_rate_hz,
        "sides": list(sides),
        "front_end": front_end,
    }
    graph = Exported(network, _samples(pairs, sizes), description, ("audio", "video"))
    export_model(SCENES, {SCENES_MODEL: graph}, folder, story)


def _samples(pairs: Pairs, sizes: tuple[int, int]) -> list[tuple[Tensor, ...]]:
    """Real items in batches of several sizes and lengths, with steps and whole sides that aren't there."""
    samples = []
    for count, more in ((3, (0, 3)), (2, (4, 0)), (7, (9, 9))):
        rows = np.arange(count) % len(pairs)
        sides: list[Tensor] = []
        for items, size, extra in zip((pairs.audio, pairs.video), sizes, more, strict=True):
            steps = gathered_steps(items, rows, size)
            side = steps[:, np.arange(steps.shape[1] + extra) % steps.shape[1]]
            side[len(sides), 1:] = np.nan
            sides.append(torch.from_numpy(side))
        sides[0][-1] = torch.nan
        samples.append(tuple(sides))
    return samples
