"""More than one process: started by torchrun, told apart by rank; embeddings travel so that negatives come from all.

A loss that compares all R·B pairs of a global batch needs everybody's embeddings. Every rank computes that whole loss,
and so knows the whole gradient of its own embeddings without asking. DistributedDataParallel averages over the ranks
what has to be summed, therefore `gathered` makes that gradient R times as large: what remains is the gradient of one
process that saw the global batch (tests/training/test_distributed.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed
from jaxtyping import Float, Shaped
from torch import Tensor

from avmatch.core.errors import UsageError

Thing = TypeVar("Thing")

DEVICES = ("auto", "cpu", "cuda")
#: How long the others wait while the first process packs or validates; torch's 10 to 30 minutes are too short for that.
_PATIENCE = timedelta(hours=12)


@dataclass(frozen=True)
class World:
    """This process among all of them."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def wait(self) -> None:
        """Until everybody is here."""
        if self.size > 1:
            torch.distributed.barrier()

    def everybodys(self, thing: Thing) -> list[Thing]:
        """What each process has for `thing`, in order of rank."""
        if self.size == 1:
            return [thing]
        things = [thing] * self.size
        torch.distributed.all_gather_object(things, thing)
        return things


@contextmanager
def world(device: torch.device) -> Iterator[World]:
    """The process group that torchrun's environment describes, or a world of one."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    backend = "nccl" if device.type == "cuda" else "gloo"
    torch.distributed.init_process_group(backend, timeout=_PATIENCE)
    try:
        yield World(torch.distributed.get_rank(), size)
    finally:
        torch.distributed.destroy_process_group()


def pick_device(wanted: str) -> torch.device:
    """ "auto" is a GPU if there is one (each local rank its own), else the CPU. Raises UsageError."""
    if wanted not in DEVICES:
        raise UsageError(f"the device must be one of {', '.join(DEVICES)}, got {wanted!r}")
    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise UsageError("torch finds no CUDA device here; train with --device cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def gathered(embeddings: Float[Tensor, "B D"]) -> Float[Tensor, "G D"]:
    """Everybody's embeddings in order of rank; the own ones have a gradient, R times as large."""
    if not _is_parallel():
        return embeddings
    size, rank = torch.distributed.get_world_size(), torch.distributed.get_rank()
    parts = list(gathered_constant(embeddings.detach()).chunk(size))
    parts[rank] = embeddings.view_as(embeddings)  # a view, so that the hook doesn't reach other uses
    if embeddings.requires_grad:
        parts[rank].register_hook(lambda gradient: gradient * size)  # type: ignore[no-untyped-call]
    return torch.cat(parts)


def gathered_constant(values: Shaped[Tensor, " B *rest"]) -> Shaped[Tensor, " G *rest"]:
    """The same for what needs no gradient."""
    if not _is_parallel():
        return values
    parts = [torch.empty_like(values) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(parts, values.contiguous())
    return torch.cat(parts)


def _is_parallel() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()
