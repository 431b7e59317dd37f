"""A reader of words → a model folder: words.onnx, which takes a word's frames and gives logits, and card.md.

The graph's metadata property `avmatch` is a JSON object:

    {"model": "words", "side": "words", "input": "frames", "crop": "mouth", "rate_hz": 25, "height_px": 80,
     "width_px": 80, "context_frames": 6, "targets_only": false, "vocabulary": ["again", "at", …]}

It takes float32 (B, context + T + context, H, W) grey mouths in 0…1, T frames of the word and the frames around it, the
clip's first and last held beyond its ends; and gives (B, K). With the input "features" it takes (B, …, C) instead,
those of a front end that isn't in the graph. Logits don't depend on anything that lies farther from the word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avmatch.encoders.words import WORDS_MODEL
from avmatch.export.card import write_card
from avmatch.export.onnx import export_onnx


class WordInContext(nn.Module):
    """Frames of one word and its context → logits; the word is what lies between `context` frames on either side."""

    def __init__(self, front_end: nn.Module, head: nn.Module, context: int) -> None:
        super().__init__()
        self.front_end, self.head, self.context = front_end, head, context

    def forward(self, frames: Float[Tensor, "B T *rest"]) -> Float[Tensor, "B K"]:
        """The logits."""
        ticks = self.front_end(frames)
        place = torch.arange(frames.shape[1], device=frames.device)
        is_word = (place >= self.context) & (place < frames.shape[1] - self.context)
        logits: Tensor = self.head(ticks, is_word[None].expand(frames.shape[0], -1))
        return logits


def export_words(
    reader: WordInContext,
    shape: tuple[int, ...],
    rate_hz: float,
    vocabulary: Sequence[str],
    targets_only: bool,
    folder: Path,
    story: Mapping[str, object],
) -> None:
    """Write the graph and the card.

    Args:
        shape: of a frame, (H, W), or of a vector of features, (C,).
        targets_only: whether the words are those that clips were cut for.
    """
    description: dict[str, object] = {
        "model": story["recipe"],
        "side": "words",
        "rate_hz": rate_hz,
        "context_frames": reader.context,
        "targets_only": targets_only,
        "vocabulary": list(vocabulary),
    }
    if len(shape) == 2:
        description |= {"input": "frames", "crop": "mouth", "height_px": shape[0], "width_px": shape[1]}
    else:
        description |= {"input": "features", "num_channels": shape[0]}
    generator = torch.Generator().manual_seed(0)
    sizes = ((2, 8), (1, 21), (3, 5), (1, 1))
    samples = [torch.rand(num, ticks + 2 * reader.context, *shape, generator=generator) for num, ticks in sizes]
    export_onnx(reader, folder / WORDS_MODEL, samples, description, story)
    write_card(folder / "card.md", story)
