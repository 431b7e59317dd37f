"""Which process trains on which pairs in which step, which process prepares them, and the windows cut out of clips.

The order of an epoch follows from (seed, epoch), what is random in a batch from (seed, epoch, step, rank): a run that
was interrupted goes on with the same batches, whichever process prepares them.

Media are read as the recipes take them: shards as they are, lists of media files packed first (data/packing.py).

Letters in shapes: L length of a clip, W length of a window, S samples, T frames.
"""

import signal
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int, Shaped
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


def random_begin(length: int, window: int, rng: np.random.Generator) -> int:
    """Where a window begins that lies inside the clip; 0 in clips that are shorter."""
    return int(rng.integers(max(length - window, 0) + 1))


def spread_begins(length: int, window: int, num: int) -> list[int]:
    """Where up to `num` windows begin that are spread evenly over the clip."""
    begins: list[int] = np.unique(np.linspace(0, max(length - window, 0), num).astype(np.int64)).tolist()
    return begins


def held(clip: Shaped[np.ndarray, " L *rest"], begin: int, window: int) -> Shaped[np.ndarray, " W *rest"]:
    """A window; beyond the ends of the clip, its first or last entry is held."""
    return clip[np.clip(begin + np.arange(window), 0, len(clip) - 1)]


def wrapped(clip: Shaped[np.ndarray, " L *rest"], begin: int, window: int) -> Shaped[np.ndarray, " W *rest"]:
    """A window; after its end, the clip goes on from its beginning."""
    return clip.take(begin + np.arange(window), axis=0, mode="wrap")


def waveform(packed: Shaped[np.ndarray, " S"]) -> Float32[np.ndarray, " S"]:
    """Samples that were packed as 16-bit integers, in −1…1."""
    return np.asarray(packed, np.float32) / np.float32(32767)


def cropped(
    frames: Shaped[np.ndarray, "T _ _ 3"],
    side_px: int,
    spare_px: int,
    mirror_probability: float = 0.0,
    rng: np.random.Generator | None = None,
) -> Shaped[np.ndarray, "T side_px side_px 3"]:
    """A square of frames that are `spare_px` wider: anywhere and sometimes mirrored; without `rng` the middle."""
    top, left = [spare_px // 2] * 2 if rng is None else rng.integers(spare_px + 1, size=2).tolist()
    is_mirrored = rng is not None and rng.random() < mirror_probability
    square = frames[:, top : top + side_px, left : left + side_px]
    return np.ascontiguousarray(square[:, :, ::-1] if is_mirrored else square)
