"""What pretrained models cost, on paper: no weights are needed, and none are made.

python benchmarks/pretrained_cost.py [--threads 2]

Classes at their default configuration, which is that of a published model, are built without memory (torch's device
"meta"). Weights are counted, and multiplications and additions (two operations) of ten seconds of picture and of sound.
The rate of operations of this machine is measured with a product of matrices; models reach a part of it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import transformers
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers.utils import logging

from avmatch.systems.pretrained.operators import importable_torchvision

SECONDS, RATE_HZ, NUM_FRAMES = 10, 48000, 16
SIZE, REPEATS = 4096, 5


@dataclass(frozen=True)
class Cost:
    """Of one side of a model: its weights, and operations of ten seconds."""

    name: str
    num_weights: int
    num_operations: int


def cost(name: str, network: nn.Module, call: Callable[[], object]) -> Cost:
    """Count what a call takes."""
    network.requires_grad_(requires_grad=False)
    with FlopCounterMode(display=False) as counter:
        call()
    return Cost(name, sum(weight.numel() for weight in network.parameters()), counter.get_total_flops())


def costs() -> list[Cost]:
    """PE-AV as facebook/pe-av-large; CLIP as openai/clip-vit-base-patch32; CLAP as laion/clap-htsat-unfused."""
    importable_torchvision()
    logging.set_verbosity_error()
    with torch.device("meta"):
        large = transformers.PeAudioVideoModel(transformers.PeAudioVideoConfig()).eval()
        clip = transformers.CLIPVisionModelWithProjection(transformers.CLIPVisionConfig()).eval()
        clap = transformers.ClapAudioModelWithProjection(transformers.ClapAudioConfig()).eval()
        frames = torch.zeros(1, NUM_FRAMES, 3, 336, 336)
        samples = torch.zeros(1, 1, SECONDS * RATE_HZ)
        pictures, decibels = torch.zeros(SECONDS, 3, 224, 224), torch.zeros(1, 1, 1001, 64)
    video, audio = large.video_model.video_encoder, large.audio_model.audio_encoder
    return [
        cost(f"PE-AV large: picture, {NUM_FRAMES} frames", video, lambda: video(frames)),
        cost("PE-AV large: sound", audio, lambda: audio(samples)),
        cost(f"CLIP ViT-B/32: picture, {SECONDS} frames", clip, lambda: clip(pictures)),
        cost("CLAP: sound", clap, lambda: clap(decibels)),
    ]


def operations_a_second() -> float:
    """Of this machine, in float32: the best of several."""
    matrix = torch.rand(SIZE, SIZE)
    best = 0.0
    for _ in range(REPEATS):
        begin = time.monotonic()
        matrix @ matrix
        best = max(best, 2 * SIZE**3 / (time.monotonic() - begin))
    return best


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    torch.set_num_threads(parser.parse_args().threads)
    rate = operations_a_second()
    print(f"{rate / 1e9:.0f} billion operations a second (float32, {torch.get_num_threads()} threads)")
    for one in costs():
        print(
            f"{one.name}: {one.num_weights / 1e6:.0f} million weights, {one.num_weights * 4 / 1e9:.2f} GB; "
            f"{one.num_operations / 1e12:.2f} trillion operations for {SECONDS} s, "
            f"{one.num_operations / rate:.1f} s at that rate"
        )


if __name__ == "__main__":
    main()
