"""Streams over windows of five frames → a model folder whose towers give a vector a frame: video.onnx, audio.onnx.

A window's vector stands at its middle frame. At either end, where windows would begin before or end after the stream,
its first and last frame, and the first and last step of its sound, are held. The vectors are left as they are, and are
compared by their Euclidean distance (encoders/tower.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avmatch.export.card import write_card
from avmatch.export.onnx import export_onnx
from avmatch.models.vgg_m import NUM_COEFFICIENTS, STEPS_PER_TICK, WINDOW_TICKS, VggMPicture, VggMSound


class EveryTick(nn.Module):
    """A stream that gives N vectors for N + 4 ticks → one that gives N for N, its ends held."""

    def __init__(self, stream: nn.Module, per_tick: int) -> None:
        super().__init__()
        self.stream, self.num = stream, WINDOW_TICKS // 2 * per_tick

    def forward(self, ticks: Float[Tensor, "B T *rest"]) -> Float[Tensor, "B N D"]:
        """The vectors."""
        held = [-1, self.num, *[-1] * (ticks.ndim - 2)]
        vectors: Tensor = self.stream(torch.cat((ticks[:, :1].expand(held), ticks, ticks[:, -1:].expand(held)), dim=1))
        return vectors


def export_sync_towers(
    video: VggMPicture, audio: VggMSound, rate_hz: float, folder: Path, story: Mapping[str, object]
) -> None:
    """Write both towers and the card; the picture's stream takes grey mouths."""
    common = {
        "model": story["recipe"],
        "rate_hz": rate_hz,
        "distance": "euclidean",
        "window_frames": WINDOW_TICKS,
    }
    side = video.config.side_px
    seen = common | {"side": "video", "input": "frames", "crop": "mouth", "height_px": side, "width_px": side}
    heard = common | {"side": "audio", "input": "mfcc"}
    frames, mfcc = _samples(1, (side, side)), _samples(STEPS_PER_TICK, (NUM_COEFFICIENTS,))
    export_onnx(EveryTick(video, 1), folder / "video.onnx", frames, seen, story)
    export_onnx(
        EveryTick(audio, STEPS_PER_TICK), folder / "audio.onnx", [20 * item - 10 for item in mfcc], heard, story
    )
    write_card(folder / "card.md", story)


def _samples(per_tick: int, shape: tuple[int, ...]) -> list[Tensor]:
    """In 0…1, of several batches and lengths; the encoders' own batch of one, and a single tick, among them."""
    generator = torch.Generator().manual_seed(0)
    return [
        torch.rand(size, ticks * per_tick, *shape, generator=generator)
        for size, ticks in ((2, 8), (1, 21), (3, 5), (1, 1))
    ]
