"""A learner in evaluation mode: items in blocks, clips one by one.

Letters in shapes: N items, B items of a block, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Float32, Int, Num
from torch import nn

from avmatch.data.items import Items, gather


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients. Afterwards each part has the mode that it had, after an error too."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part, was_training in modes:
            part.training = was_training


def blocks(num_items: int, size: int) -> Iterator[Int[np.ndarray, " B"]]:
    """The numbers of the items in turn, `size` at once."""
    for begin in range(0, num_items, size):
        yield np.arange(begin, min(begin + size, num_items))


def outputs(network: nn.Module, items: Items, device: torch.device, size: int) -> Float32[np.ndarray, "N D"]:
    """What a network gives for all items, `size` of them at once."""
    with evaluating(network):
        parts = [
            network(torch.from_numpy(gather(items, rows)).to(device)).float().cpu().numpy()
            for rows in blocks(len(items), size)
        ]
    return np.concatenate(parts)


def outputs_of_clips(
    video: nn.Module,
    audio: nn.Module,
    clips: Iterable[tuple[Num[np.ndarray, _ * shape], Num[np.ndarray, _ * form]]],
    device: torch.device,
) -> tuple[list[Float32[np.ndarray, "_ D"]], list[Float32[np.ndarray, "_ D"]]]:
    """What the networks give for both sides of each clip, one clip at a time."""
    found: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    with evaluating(nn.ModuleList((video, audio))):
        for clip in clips:
            for network, side, vectors in zip((video, audio), clip, found, strict=True):
                vectors.append(network(torch.from_numpy(side)[None].to(device))[0].float().cpu().numpy())
    return found
