"""What a talking face costs, side by side in one run: the model that ships against the published SyncNet.

    python benchmarks/lips_speed.py [--model RUN] [--repeats 5]

1. Networks alone, in seconds of 25-fps video a second: `lips` in ONNX Runtime against SyncNet's
   architecture at its published size (systems/lips/model.py: 224 px, all channels, random weights) in PyTorch
   in batches of 20 windows. Both streams count; the turns alternate.
2. End to end at 1080p: decode, faces, crops, network, offset, of ten seconds of a talking face that `avmatch synth`
   rendered; with the shares of the decode and of everything but the model.

Run it with nothing else running.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from cost import bare_decode, clip_1080p

from avmatch.alignment.offset import estimate_offset
from avmatch.analysis.features import Analyser
from avmatch.artifacts.tower import TowerPair
from avmatch.pipelines.models import Models, models_with
from avmatch.pipelines.sync import cues_for
from avmatch.systems.lips.model import NUM_COEFFICIENTS, WINDOW_TICKS, VggMConfig, VggMPicture, VggMSound

NUM_THREADS = os.cpu_count() or 1
RATE_HZ, MELS_PER_TICK = 25, 4
LENGTH_SECONDS = 20
BATCH_WINDOWS = 20


def lips(pair: TowerPair) -> Callable[[], None]:
    """LENGTH_SECONDS of mouths and sound through both towers."""
    rng = np.random.default_rng(0)
    side, num = pair.video.description.height_px, LENGTH_SECONDS * RATE_HZ
    mouths = rng.random((num, side, side), np.float32)
    mels = rng.standard_normal((num * MELS_PER_TICK, 64), np.float32)

    def run() -> None:
        pair.video.encode(mouths, num)
        pair.audio.encode(mels, num)

    return run


def published() -> Callable[[], None]:
    """A batch of SyncNet: 20 windows of five frames of 224×224 in colour, and of 20 MFCC steps."""
    config = VggMConfig()
    picture, sound = VggMPicture(config).eval(), VggMSound(config).eval()
    frames = torch.rand(BATCH_WINDOWS, WINDOW_TICKS, config.colours, config.side_px, config.side_px)
    mfcc = torch.rand(BATCH_WINDOWS, WINDOW_TICKS * MELS_PER_TICK, NUM_COEFFICIENTS)

    @torch.inference_mode()
    def run() -> None:
        picture(frames)
        sound(mfcc)

    return run


def networks(pairs: dict[str, TowerPair], repeats: int) -> None:
    """Turn by turn; the medians, and the ratio of each turn."""
    jobs = {name: (lips(pair), float(LENGTH_SECONDS)) for name, pair in pairs.items()}
    jobs["SyncNet, published size, PyTorch"] = (published(), BATCH_WINDOWS / RATE_HZ)
    rates = {name: np.zeros(repeats) for name in jobs}
    for job, _ in jobs.values():
        job()
    for turn in range(repeats):
        for name, (job, media_seconds) in jobs.items():
            begin = time.perf_counter()
            job()
            rates[name][turn] = media_seconds / (time.perf_counter() - begin)
    last = list(rates)[-1]
    print(f"networks alone, {NUM_THREADS} threads, seconds of 25-fps video a second (median of {repeats}):")
    for name, rate in rates.items():
        ratio = rate / rates[last]
        print(
            f"  {name:34s} {np.median(rate):7.1f}  = {np.median(ratio):6.1f} × [{ratio.min():.1f}, {ratio.max():.1f}]"
        )


def timed(jobs: dict[str, Callable[[], object]], repeats: int) -> dict[str, np.ndarray]:
    """The seconds of each job, turn by turn."""
    took = {name: np.zeros(repeats) for name in jobs}
    for turn in range(repeats):
        for name, job in jobs.items():
            begin = time.perf_counter()
            job()
            took[name][turn] = time.perf_counter() - begin
    return took


def end_to_end(models: Models, repeats: int) -> None:
    """Ten seconds at 1080p from the file to the offset."""
    with tempfile.TemporaryDirectory() as folder:
        path, cues = clip_1080p(Path(folder)), cues_for(models)
        analyser, bare = (Analyser(None, used, num_threads=NUM_THREADS) for used in (models.towers, ()))
        estimate = estimate_offset(cues, *analyser.both(path), max_offset_seconds=1.0)

        def whole() -> None:
            estimate_offset(cues, *analyser.both(path), max_offset_seconds=1.0)

        jobs: dict[str, Callable[[], object]] = {
            "decode alone": lambda: bare_decode(path, NUM_THREADS),
            "all but the model": lambda: bare.both(path),
            "from the file to the offset": whole,
        }
        took = timed(jobs, repeats)
    print(f"1080p, one file of 10 s, {NUM_THREADS} threads, × real time (median of {repeats}); cue {estimate.cue}:")
    for name, times in took.items():
        print(f"  {name:34s} {10 / np.median(times):7.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a run or folder instead of the model that ships")
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(NUM_THREADS)
    models = models_with(given.model)
    networks({f"{pair.name}, ONNX Runtime": pair for pair in models.towers}, given.repeats)
    end_to_end(models, given.repeats)


if __name__ == "__main__":
    main()
