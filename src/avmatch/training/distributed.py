"""More than one process, started by torchrun: embeddings are gathered, so that negatives come from all of them.

A loss that compares all R·B pairs of a global batch needs everybody's embeddings. Every rank computes that whole loss,
and so knows the whole gradient of its own embeddings without asking. DistributedDataParallel averages over the ranks
what has to be summed, therefore `gathered` makes that gradient R times as large: what remains is the gradient of one
process that saw the global batch (tests/training/test_distributed.py).

Processes wait for each other in the process group's store, not in a collective operation: one that fails leaves its
error there, and the others end with a PeerError that names its rank.
"""

import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import TypeVar

import torch
import torch.distributed
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.distributed import DistNetworkError
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from avmatch.core.errors import AvmatchError, UsageError

Thing = TypeVar("Thing")

DEVICES = ("auto", "cpu", "cuda")
#: How long processes wait while the first one packs or validates; torch's 10 to 30 minutes are too short for that.
_PATIENCE = timedelta(hours=12)
#: How often a waiting process looks at the store, and how long the first one, which may host it, stays for the others.
_LOOK_SECONDS, _FAREWELL_SECONDS = 0.02, 5.0
_FAILED, _LEFT = "failed", "left"
_STORE_GONE = "rank 0 ended, and with it the store of messages; its own output says why"


class PeerError(AvmatchError, RuntimeError):
    """Another process of the run failed; the message has its rank and its error."""


@dataclass(frozen=True)
class World:
    """This process among all of them. They wait for each other in `store`; None in a world of one."""

    rank: int = 0
    size: int = 1
    store: Store | None = None
    _turns: Iterator[int] = field(default_factory=count, repr=False)

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and reports progress."""
        return self.rank == 0

    def wait(self) -> None:
        """Until every process is here. Raises PeerError as soon as one has failed."""
        self._meet(self.size)

    def everybodys(self, thing: Thing) -> list[Thing]:
        """What each process has for `thing`, in order of rank. Raises PeerError as `wait`."""
        self.wait()  # a collective operation can't be left when another process fails
        things = [thing] * self.size
        if self.size > 1:
            torch.distributed.all_gather_object(things, thing)
        return things

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """The others go through the block when the first process has. Raises PeerError if it failed there."""
        if not self.is_first:
            self._meet(1, own=0)
        yield
        if self.is_first:
            self._meet(1)

    def _meet(self, num: int, own: int = 1) -> None:
        """Count this process as `own`, and wait until `num` are counted."""
        place = f"turn {next(self._turns)}"
        if self.store is None:
            return
        try:
            counted = self.store.add(place, own)
            while counted < num:
                self._check_peers(self.store)
                time.sleep(_LOOK_SECONDS)
                counted = self.store.add(place, 0)
        except DistNetworkError as error:
            raise PeerError(_STORE_GONE) from error

    def _check_peers(self, store: Store) -> None:
        if store.check([_FAILED]):
            rank, _, message = store.get(_FAILED).decode().partition(" ")
            if int(rank) != self.rank:
                raise PeerError(f"rank {rank} failed: {message}")

    @contextmanager
    def _reporting(self, store: Store) -> Iterator[None]:
        """Leave an error in the store for the others. A connection that breaks because of theirs is a PeerError."""
        try:
            yield
        except PeerError:
            raise
        except BaseException as error:
            try:
                store.compare_set(_FAILED, "", f"{self.rank} {type(error).__name__}: {error}")
                if isinstance(error, RuntimeError):
                    self._check_peers(store)
            except DistNetworkError:
                if isinstance(error, RuntimeError):
                    raise PeerError(_STORE_GONE) from error
            raise
        finally:
            with suppress(DistNetworkError):
                store.add(_LEFT, 1)
                deadline = time.monotonic() + _FAREWELL_SECONDS
                while self.is_first and store.add(_LEFT, 0) < self.size and time.monotonic() < deadline:
                    time.sleep(_LOOK_SECONDS)


#: Of this process; `world` sets it.
_here = World()


@contextmanager
def world(device: torch.device) -> Iterator[World]:
    """The process group that torchrun's environment describes, or a world of one.

    Raises:
        PeerError: another process failed while this one waited for it.
    """
    global _here
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield World()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    backend = "nccl" if device.type == "cuda" else "gloo"
    store, rank, size = next(rendezvous("env://", timeout=_PATIENCE))
    torch.distributed.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=_PATIENCE)
    messages = PrefixStore("avmatch", store)
    _here = World(rank, size, messages)
    try:
        with _here._reporting(messages):
            yield _here
    finally:
        _here = World()
        torch.distributed.destroy_process_group()


def first_alone() -> AbstractContextManager[None]:
    """With several processes: the others go through the block when the first one has."""
    return _here.first_alone()


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
    if _here.size == 1:
        return embeddings
    size, rank = _here.size, _here.rank
    parts = list(gathered_constant(embeddings.detach()).chunk(size))
    parts[rank] = embeddings.view_as(embeddings)  # a view, so that the hook doesn't reach other uses
    if embeddings.requires_grad:
        parts[rank].register_hook(lambda gradient: gradient * size)  # type: ignore[no-untyped-call]
    return torch.cat(parts)


def gathered_constant(values: Shaped[Tensor, " B *rest"]) -> Shaped[Tensor, " G *rest"]:
    """The same for what needs no gradient."""
    if _here.size == 1:
        return values
    parts = [torch.empty_like(values) for _ in range(_here.size)]
    torch.distributed.all_gather(parts, values.contiguous())
    return torch.cat(parts)
