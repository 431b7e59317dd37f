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

from avmatch.datasets.items import Pairs, gather
from avmatch.encoders.clips import CLIP_INPUT
from avmatch.export.card import write_card
from avmatch.export.onnx import export_onnx
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
    for side, tower, batch in zip(("video", "audio"), towers, inputs, strict=True):
        told = {
            "model": story["recipe"],
            "side": side,
            "input": CLIP_INPUT,
            "num_features": batch.shape[2],
            "dim": video.shape[1],
            "num_steps": num_steps,
            "scale": scale,
            "baseline": baseline,
        }
        export_onnx(tower, folder / f"{side}.onnx", _samples(batch, num_steps), told, story)
    write_card(folder / "card.md", story)


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
    generator = torch.Generator().manual_seed(0)
    lengths = [num_steps] * 3 if num_steps else [batch.shape[1], batch.shape[1] + 3, 2 * batch.shape[1]]
    mean, deviation = batch.mean(), batch.std()
    return [
        mean + deviation * torch.randn(size, length, batch.shape[2], generator=generator)
        for size, length in zip((2, 3, 7), lengths, strict=True)
    ]
