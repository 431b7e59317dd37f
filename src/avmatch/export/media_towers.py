"""Two towers over frames and log-mel → a model folder: video.onnx, audio.onnx (artifacts/tower.py), card.md.

`EmbeddingCue` (cues/learned.py) adds scale · (cosine − baseline) nats over independent steps. Both numbers are fitted
here, on pairs that were held back, at the length that these have: a pair's nats are a line in the sum of its cosines
and in its length, by logistic regression of partners against strangers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int
from torch import nn

from avmatch.artifacts.graph import TOWERS
from avmatch.datasets.tracks import PackSettings
from avmatch.export.onnx import TICKS, Exported, export_model, uniform
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
        "rate_hz": settings.rate_hz,
        "scale": evidence.scale,
        "baseline": evidence.baseline,
        "independent_seconds": evidence.independent_seconds,
    }
    size = {"height_px": settings.height_px, "width_px": settings.width_px}
    video = common | {"side": "video", "input": "frames", "crop": settings.crop} | size
    audio = common | {"side": "audio", "input": "logmel", "num_mels": NUM_MELS}
    frames = uniform((num, ticks, *size.values()) for num, ticks in TICKS)
    mels = uniform(((num, ticks * settings.mels_per_tick, NUM_MELS) for num, ticks in TICKS), -13.0, 5.0)
    graphs = {"video": Exported(towers[0], frames, video), "audio": Exported(towers[1], mels, audio)}
    export_model(TOWERS, graphs, folder, story, is_half=is_half)


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
