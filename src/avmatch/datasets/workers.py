"""Processes that share work, and end with the one that started them, however that ends."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import connection, get_context, parent_process
from threading import Thread


def process_pool(num_workers: int) -> ProcessPoolExecutor:
    """A pool of fresh processes; a pool's own workers would outlive a killed parent, waiting for work forever."""
    return ProcessPoolExecutor(num_workers, mp_context=get_context("spawn"), initializer=_end_with_parent)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    sentinel = parent.sentinel

    def wait() -> None:
        connection.wait([sentinel])
        os._exit(1)

    Thread(target=wait, daemon=True).start()
