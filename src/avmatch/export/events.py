"""The model for any sound → a model folder (encoders/events.py): video.onnx, audio.onnx, kind/, classes/, card.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from avmatch.encoders.clips import CLIP_INPUT
from avmatch.encoders.events import INPUTS
from avmatch.export.card import write_card
from avmatch.export.onnx import export_onnx
from avmatch.frontends.event_signals import NUM_CHANNELS, NUM_SOUND_INPUTS


@dataclass(frozen=True)
class EventEvidence:
    """How accents, kinds and classes become nats (encoders/events.py)."""

    weights: tuple[float, ...]
    temper: float
    kind_scale: float
    kind_baseline: float
    class_share: float = 0.0


def export_events(
    accents: tuple[nn.Module, nn.Module],
    towers: Mapping[str, tuple[nn.Module, nn.Module]],
    evidence: EventEvidence,
    folder: Path,
    story: Mapping[str, object],
) -> None:
    """Write the folder.

    Args:
        accents: video takes (B, S, C, T), audio (B, H, U).
        towers: by the folder that they go to; each takes (B, W, F) and gives (B, D).
    """
    common = {
        "model": story["recipe"],
        "weights": [round(weight, 5) for weight in evidence.weights],
        "temper": round(evidence.temper, 5),
        "kind_scale": round(evidence.kind_scale, 5),
        "kind_baseline": round(evidence.kind_baseline, 5),
        "class_share": evidence.class_share,
    }
    shapes = ((8, NUM_CHANNELS, 50), (4, NUM_CHANNELS, 131), (24, NUM_CHANNELS, 20))
    bands = ((NUM_SOUND_INPUTS, 200), (NUM_SOUND_INPUTS, 523), (NUM_SOUND_INPUTS, 80))
    for (side, kind), network, sizes in zip(INPUTS.items(), accents, (shapes, bands), strict=True):
        told = common | {"side": side, "input": kind}
        export_onnx(network, folder / f"{side}.onnx", _samples(sizes), told, story)
    for name, pair in towers.items():
        for side, tower in zip(INPUTS, pair, strict=True):
            num_features, dim = tower.get_buffer("directions").shape
            told = {"model": story["recipe"], "side": side, "input": CLIP_INPUT}
            told |= {"num_features": num_features, "dim": dim}
            samples = _samples([(num, num_features) for num in (2, 5, 1)])
            export_onnx(tower, folder / name / f"{side}.onnx", samples, told, story)
    write_card(folder / "card.md", story)


def _samples(sizes: Sequence[tuple[int, ...]]) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(num, *size, generator=generator) for num, size in zip((2, 1, 3), sizes, strict=True)]
