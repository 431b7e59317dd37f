"""Which process trains on which pairs in which step, and which process prepares them.

The order of an epoch follows from (seed, epoch), what is random in a batch from (seed, epoch, step, rank): a run that
was interrupted goes on with the same batches, whichever process prepares them.

Media are read as the recipes take them: shards as they are, lists of media files packed first (data/packing.py).
"""

import signal
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int
from torch.utils.data import DataLoader, Dataset

from avmatch.core.results import Progress
from avmatch.data.items import Pairs
from avmatch.data.negatives import epoch_order, shard_of
from avmatch.data.packing import FAILURES, check_packed, pack_list
from avmatch.data.shards import INDEX, open_shards
from avmatch.data.tracks import PackSettings
from avmatch.training.distributed import World, first_alone
from avmatch.training.task import Batch, Source

#: Batches that each worker prepares ahead.
AHEAD = 4


@dataclass(frozen=True, eq=False)
class Plan:
    """The pairs of all steps of one epoch for one process."""

    rows: Int[np.ndarray, "steps part"]
    seed: int
    epoch: int
    rank: int

    @property
    def num_steps(self) -> int:
        """Optimiser steps of the epoch."""
        return len(self.rows)

    def seed_of(self, step: int) -> list[int]:
        """The seed of all that is random in a step."""
        return [self.seed, self.epoch, step, self.rank]


def plan_epoch(num_pairs: int, batch_size: int, seed: int, epoch: int, world: World, passes: int = 1) -> Plan:
    """The pairs of this process in this epoch. The last batch is dropped if it isn't full, unless there is no other."""
    order = np.concatenate([epoch_order(num_pairs, seed, epoch * passes + number) for number in range(passes)])
    return Plan(shard_of(order, world.rank, world.size, batch_size), seed, epoch, world.rank)


@dataclass(frozen=True, eq=False)
class _Steps(Dataset[Batch]):
    """Step i of an epoch."""

    source: Source
    plan: Plan

    def __len__(self) -> int:
        return self.plan.num_steps

    def __getitem__(self, step: int) -> Batch:
        return self.source(self.plan.rows[step], self.plan.epoch, np.random.default_rng(self.plan.seed_of(step)))


def batches(source: Source, plan: Plan, first_step: int, num_workers: int) -> Iterator[Batch]:
    """The batch of each step from `first_step` on, prepared by `num_workers` processes."""
    steps = _Steps(source, plan)
    loader = DataLoader(
        steps,
        sampler=range(first_step, len(steps)),
        batch_size=None,
        num_workers=num_workers,
        prefetch_factor=AHEAD if num_workers else None,
        worker_init_fn=_leave_interrupts,
    )
    return iter(loader)


def _leave_interrupts(worker: int) -> None:
    """Ctrl-C reaches the workers too, but the training process ends the run."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def read_packed(data: str | Path, cache: Path, packing: PackSettings, progress: Progress | None = None) -> Pairs:
    """The pairs of a folder of shards, or of a list, which is packed into the folder `cache`.

    Args:
        progress: called after each pair that is packed.

    Raises:
        UsageError: neither of the two, or shards that were packed otherwise.
    """
    if (Path(data) / INDEX).is_file():
        pairs = open_shards(data)
        check_packed(pairs, packing, data)
        return pairs
    with first_alone():
        pairs, failures = pack_list(data, cache, packing, progress)
    if failures:
        warnings.warn(f"{data}: {len(failures)} pairs are left out; {cache / FAILURES} says why", stacklevel=3)
    return pairs
