"""Two towers over frames and log-mel → a model folder: video.onnx, audio.onnx (encoders/tower.py), card.md.

`EmbeddingCue` (cues/learned.py) adds scale · (cosine − baseline) nats over independent steps. Both numbers are fitted
here, on pairs that were held back, at the length that these have: a pair's nats are a line in the sum of its cosines
and in its length, by logistic regression of partners against strangers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int
from torch import Tensor, nn

from avmatch.datasets.tracks import PackSettings
from avmatch.export.card import write_card
from avmatch.export.onnx import export_onnx
from avmatch.frontends.sound import NUM_MELS
from avmatch.metrics.calibration import fit_nats, platt_target

#: Steps this far apart count as independent, or ticks where they are farther.
INDEPENDENT_SECONDS = 0.2
#: The smallest slope: a model that knows nothing says nearly nothing.
_LEAST_SLOPE = 1e-4


@dataclass(frozen=True)
class Evidence:
    """What an EmbeddingCue makes of cosines: `scale` nats per independent step and unit above `baseline`."""

    scale: float
    baseline: float
    independent_seconds: float


def export_media_towers(
    towers: tuple[nn.Module, nn.Module],
    settings: PackSettings,
    evidence: Evidence,
    folder: Path,
    story: Mapping[str, object],
    *,
    is_half: bool = False,
) -> None:
    """Write both towers and the card.

    Args:
        towers: video takes (B, T, H, W), audio (B, T·n, 64); both give unit vectors (B, T, D).
        settings: what they were trained on.
        is_half: see export_onnx.
    """
    common = {
        "model": story["recipe"],
        "rate_hz": settings.rate_hz,
        "scale": evidence.scale,
        "baseline": evidence.baseline,
        "independent_seconds": evidence.independent_seconds,
    }
    size = {"height_px": settings.height_px, "width_px": settings.width_px}
    video = common | {"side": "video", "input": "frames", "crop": settings.crop} | size
    audio = common | {"side": "audio", "input": "logmel", "num_mels": NUM_MELS}
    frames = _samples(1, tuple(size.values()), (0.0, 1.0))
    mels = _samples(settings.mels_per_tick, (NUM_MELS,), (-13.0, 5.0))
    export_onnx(towers[0], folder / "video.onnx", frames, video, story, is_half=is_half)
    export_onnx(towers[1], folder / "audio.onnx", mels, audio, story, is_half=is_half)
    write_card(folder / "card.md", story)


def fit_evidence_of_ticks(
    similarity: Float32[np.ndarray, "N N"],
    num_ticks: Int[np.ndarray, "N N"],
    group: Int[np.ndarray, " N"],
    rate_hz: float,
) -> Evidence:
    """Fit scale and baseline to the mean cosines of partners (the diagonal) and of strangers of other recordings.

    Both kinds weigh alike, so that log-odds are a likelihood ratio. As N partners can't show that a mistake is rarer
    than one in N, the targets are (N + 1) / (N + 2) and its complement (Platt 1999), which bounds the slope.
    """
    independent_seconds = max(INDEPENDENT_SECONDS, 1.0 / rate_hz)
    steps = num_ticks / (rate_hz * independent_seconds)
    partners = np.eye(len(group), dtype=bool)
    strangers = group[:, None] != group[None]
    if not strangers.any():
        return Evidence(1.0, float(similarity.mean()), independent_seconds)
    terms = np.stack([similarity.astype(np.float64) * steps, steps])
    slope, offset = fit_nats(
        lambda line, terms: line[0] * terms[0] + line[1] * terms[1],
        (1.0, 0.0),
        terms[:, partners],
        terms[:, strangers],
        (platt_target(len(group)),) * 2,
    )
    if slope < _LEAST_SLOPE:
        return Evidence(_LEAST_SLOPE, round(float(similarity[strangers].mean()), 5), independent_seconds)
    return Evidence(round(slope, 5), round(-offset / slope, 5), independent_seconds)


def _samples(per_tick: int, shape: Sequence[int], span: tuple[float, float]) -> list[Tensor]:
    """Inputs that differ in batch and length; the encoders' own batch of one, and a single tick, among them."""
    generator = torch.Generator().manual_seed(0)
    low, high = span
    return [
        low + (high - low) * torch.rand(size, ticks * per_tick, *shape, generator=generator)
        for size, ticks in ((2, 8), (1, 21), (3, 5), (1, 1))
    ]
