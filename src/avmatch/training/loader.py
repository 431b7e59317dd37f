"""Which process sees which pairs in which step, and who prepares them.

The order of an epoch follows from (seed, epoch), what is random in a batch from (seed, epoch, step, rank): a run that
was cut off goes on with the very batches that were still to come.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from torch.utils.data import DataLoader, Dataset

from avmatch.datasets.negatives import epoch_order, shard_of
from avmatch.training.distributed import World
from avmatch.training.task import Batch, Source

#: Batches that each worker prepares ahead.
AHEAD = 4


@dataclass(frozen=True, eq=False)
class Plan:
    """The pairs of all steps of one epoch for one process; each step in `accumulate` parts."""

    rows: Int[np.ndarray, "steps part"]
    seed: int
    epoch: int
    rank: int
    accumulate: int

    @property
    def num_steps(self) -> int:
        """Optimiser steps of the epoch."""
        return len(self.rows)

    def seed_of(self, step: int, part: int = 0) -> list[int]:
        """The seed of all that is random in one part of a step."""
        return [self.seed, self.epoch, step, part, self.rank]


def plan_epoch(num_pairs: int, batch_size: int, seed: int, epoch: int, world: World, accumulate: int) -> Plan:
    """Who sees what in this epoch. The last batch is dropped if it isn't full, unless there is no other."""
    order = epoch_order(num_pairs, seed, epoch)
    return Plan(shard_of(order, world.rank, world.size, batch_size), seed, epoch, world.rank, accumulate)


@dataclass(frozen=True, eq=False)
class _Steps(Dataset[list[Batch]]):
    """Step i of an epoch, in parts."""

    source: Source
    plan: Plan

    def __len__(self) -> int:
        return self.plan.num_steps

    def __getitem__(self, step: int) -> list[Batch]:
        parts = np.array_split(self.plan.rows[step], self.plan.accumulate)
        return [
            self.source(rows, self.plan.epoch, np.random.default_rng(self.plan.seed_of(step, part)))
            for part, rows in enumerate(parts)
            if len(rows)
        ]


def batches(source: Source, plan: Plan, first_step: int, num_workers: int) -> Iterator[list[Batch]]:
    """The parts of each step from `first_step` on, prepared by `num_workers` processes."""
    steps = _Steps(source, plan)
    loader = DataLoader(
        steps,
        sampler=range(first_step, len(steps)),
        batch_size=None,
        num_workers=num_workers,
        prefetch_factor=AHEAD if num_workers else None,
        collate_fn=list,
    )
    return iter(loader)
