"""Media as the recipes read them: shards as they are, lists of media files packed first (datasets/packing.py)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch.distributed

from avmatch.core.progress import Progress
from avmatch.datasets.items import Pairs
from avmatch.datasets.packing import FAILURES, check_packed, pack_list
from avmatch.datasets.shards import INDEX, open_shards
from avmatch.datasets.tracks import PackSettings


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


@contextmanager
def first_alone() -> Iterator[None]:
    """With several processes: the others go through the block when the first one has."""
    parallel = torch.distributed.is_available() and torch.distributed.is_initialized()
    if parallel and torch.distributed.get_rank() > 0:
        torch.distributed.barrier()
    yield
    if parallel and torch.distributed.get_rank() == 0:
        torch.distributed.barrier()
