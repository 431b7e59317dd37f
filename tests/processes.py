"""Processes that train, are killed, or train together; from a server that has torch loaded already."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

from avmatch.training.config import TrainConfig
from avmatch.training.loop import train

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["processes", "avmatch.systems.two_tower.task"])
#: Nothing here takes nearly as long.
TIMEOUT_SECONDS = 120


def started(job: Callable[..., None], *arguments: object) -> BaseProcess:
    """A process on its way."""
    process = _CONTEXT.Process(target=job, args=arguments)
    process.start()
    return process


def ended(process: BaseProcess) -> int:
    """Its exit status, once it is over; minus the signal that killed it."""
    process.join(TIMEOUT_SECONDS)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"a process took longer than {TIMEOUT_SECONDS} s")
    return process.exitcode


def run_together(job: Callable[..., None], *arguments: object, size: int = 2) -> None:
    """`job(*arguments)` in `size` processes that find each other as torchrun's would; all must end well."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    processes = [started(_as_rank, rank, size, port, job, *arguments) for rank in range(size)]
    assert [ended(process) for process in processes] == [0] * size


def train_and_die(config: TrainConfig, data: Path, out: Path, dying_call: int) -> None:
    """Train until the process kills itself, after `dying_call` steps."""
    calls = iter(range(1, dying_call + 1))

    def die(stage: str, done: int, total: int) -> None:
        if next(calls) == dying_call:
            os.kill(os.getpid(), signal.SIGKILL)

    train(config, data, out, device="cpu", progress=die)


def train_quietly(config: TrainConfig, data: Path, out: Path) -> None:
    """Train on the CPU."""
    train(config, data, out, device="cpu")


def _as_rank(rank: int, size: int, port: int, job: Callable[..., None], *arguments: object) -> None:
    told = {"RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ |= {name: str(value) for name, value in told.items()}
    job(*arguments)
