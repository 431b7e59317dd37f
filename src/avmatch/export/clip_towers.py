"""Two towers over clip features → a model folder: video.onnx, audio.onnx, card.md.

What turns a similarity into evidence is fitted here on pairs that were held back: a pair's similarity s becomes
scale · (s − baseline) nats by logistic regression of partners against strangers, both kinds weighted alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from torch import nn

from avmatch.artifacts.graph import CLIP_TOWERS
from avmatch.artifacts.tower import CLIP_INPUT
from avmatch.datasets.items import Pairs, gather
from avmatch.export.onnx import Exported, export_model, normal
from avmatch.metrics.calibration import fit_nats, platt_target

#: Pairs that calibrate; more would only take longer.
MAX_CALIBRATION_PAIRS = 1000


def export_clip_towers(
    towers: tuple[nn.Module, nn.Module],
    pairs: Pairs,
    folder: Path,
    story: Mapping[str, object],
    num_steps: int = 0,
) -> None:
    """Write both towers and the card.

    Args:
        towers: video and audio; each takes (B, T, F) and gives (B, D).
        pairs: held back; they calibrate.
        num_steps: the only length that the towers take; 0 = any.
    """
    rows = np.arange(min(len(pairs), MAX_CALIBRATION_PAIRS))
    inputs = [torch.from_numpy(gather(items, rows)) for items in (pairs.video, pairs.audio)]
    with torch.no_grad():
        video, audio = (tower.eval()(batch).numpy() for tower, batch in zip(towers, inputs, strict=True))
    similarity = video @ audio.T
    scale, baseline = fit_evidence(similarity)
    common = {"num_steps": num_steps, "scale": scale, "baseline": baseline}
    graphs = {}
    for side, tower, batch in zip(("video", "audio"), towers, inputs, strict=True):
        size = {"num_features": batch.shape[2], "dim": video.shape[1]}
        own = {"side": side, "input": CLIP_INPUT, **size, **common}
        graphs[side] = Exported(tower, _samples(batch, num_steps), own)
    export_model(CLIP_TOWERS, graphs, folder, story)


def fit_evidence(similarity: Float32[np.ndarray, "N N"]) -> tuple[float, float]:
    """Scale and baseline of the nats, from the similarities of partners (the diagonal) and strangers.

    See metrics/calibration.py.
    """
    partners = np.diag(similarity).astype(np.float64)
    strangers = similarity[~np.eye(len(similarity), dtype=bool)].astype(np.float64)
    if not len(strangers):
        return 1.0, 0.0
    targets = platt_target(len(partners)), platt_target(len(strangers))
    slope, offset = fit_nats(lambda line, scores: line[0] * scores + line[1], (1.0, 0.0), partners, strangers, targets)
    scale = max(slope, 1e-3)
    return round(scale, 4), round(-offset / scale, 4)


def _samples(batch: torch.Tensor, num_steps: int) -> list[torch.Tensor]:
    """Inputs that differ in whatever is free: the batch, and the length if any is taken."""
    num, num_features = batch.shape[1:]
    lengths = [num_steps] * 3 if num_steps else [num, num + 3, 2 * num]
    shapes = [(size, length, num_features) for size, length in zip((2, 3, 7), lengths, strict=True)]
    return normal(shapes, float(batch.mean()), float(batch.std()))
