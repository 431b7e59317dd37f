"""Training throughput: pairs a second of the training loop against a plain PyTorch loop of the same model.

    python benchmarks/training.py [--repeats 5] [--epochs 2] [--batch 64] [--loss in_batch]

Both train the `two_tower` recipe (same towers, loss, optimiser, batch size and negatives a pair) on 3000 made-up pairs
of STD2022's sizes, in one process, in turns. Times run from the first step's end to the last one's. Ours includes what
it does between epochs (validation is off; logs and checkpoints are on); the plain loop does nothing but train.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from avmatch.data.pairs import read_pairs
from avmatch.systems.two_tower.recipe import two_tower
from avmatch.training.config import TrainConfig, override
from avmatch.training.loop import train
from avmatch.training.task import Batch

NUM_PAIRS = 3000


def write_features(folder: Path) -> None:
    rng = np.random.default_rng(0)
    np.save(folder / "vfeat.npy", rng.standard_normal((NUM_PAIRS, 10, 512)).astype(np.float16))
    np.save(folder / "afeat.npy", rng.integers(0, 256, (NUM_PAIRS, 10, 128), np.uint8))


def ours(config: TrainConfig, data: Path, run: Path) -> float:
    """Pairs a second of `avmatch train`."""
    times: list[float] = []
    train(config, data, run, device="cpu", progress=lambda stage, done, total: times.append(time.perf_counter()))
    return (len(times) - 1) * config.batch_size / (times[-1] - times[0])


def plain(config: TrainConfig, data: Path) -> float:
    """Pairs a second of the loop that anybody would write by hand."""
    pairs = read_pairs(data)
    video, audio = torch.from_numpy(pairs.video).float(), torch.from_numpy(pairs.audio).float()
    torch.manual_seed(0)
    learner = config.task.learner(pairs, 0).train()
    optimiser = torch.optim.Adam(learner.parameters(), lr=config.optimisation.learning_rate)
    group, times = torch.from_numpy(pairs.group), []
    for _ in range(config.epochs):
        for rows in torch.randperm(NUM_PAIRS).split(config.batch_size)[: NUM_PAIRS // config.batch_size]:
            negatives = None
            if config.task.loss == "sampled":
                drawn = torch.randint(NUM_PAIRS - 1, (len(rows), config.task.num_negatives))
                negatives = audio[drawn + (drawn >= rows[:, None])]
            batch = Batch(video[rows], audio[rows], rows, group[rows], negatives)
            optimiser.zero_grad()
            learner(batch, 0)["loss"].backward()
            optimiser.step()
            times.append(time.perf_counter())
    return (len(times) - 1) * config.batch_size / (times[-1] - times[0])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--loss", default="in_batch", choices=("in_batch", "sampled"))
    asked = parser.parse_args()
    config = override(
        two_tower(),
        [f"epochs={asked.epochs}", f"batch_size={asked.batch}", f"task.loss={asked.loss}", "validation_share=0"],
    )
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        write_features(data)
        warm = override(config, ["epochs=1"])
        ours(warm, data, data / "warm")
        plain(warm, data)
        found = [(ours(config, data, data / f"run{number}"), plain(config, data)) for number in range(asked.repeats)]
    ratio = statistics.median(one / other for one, other in found)
    for name, column in zip(("avmatch train", "plain loop"), zip(*found, strict=True), strict=True):
        print(f"{name:>14}  {statistics.median(column):9.0f} pairs/s   ({min(column):.0f} … {max(column):.0f})")
    print(f"{'ratio':>14}  {ratio:9.2f}   (median of {asked.repeats} pairs of runs, {torch.get_num_threads()} threads)")


if __name__ == "__main__":
    main()
