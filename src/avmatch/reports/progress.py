"""How far a long job is: bars in a terminal and in a notebook, elsewhere a line every 30 s. All of it on stderr."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from avmatch.core.clock import clock_text
from avmatch.core.results import Progress

LINE_EVERY_SECONDS = 30.0


@contextmanager
def progress_shown(wanted: bool | Progress = True) -> Iterator[Progress | None]:
    """What a job is to call as it goes on.

    Args:
        wanted: whether anything is shown; or a function, which is called instead.
    """
    if not isinstance(wanted, bool):
        yield wanted
    elif not wanted:
        yield None
    else:
        from rich.console import Console

        console = Console(stderr=True)
        with _bars(console) if console.is_terminal or console.is_jupyter else progress_lines() as update:
            yield update


@contextmanager
def progress_lines(
    every_seconds: float = LINE_EVERY_SECONDS, write: Callable[[str], object] | None = None
) -> Iterator[Progress]:
    """Writes a line now and then, whether or not anything went on: who reads a log sees that it is still at work."""
    begin = time.monotonic()
    stop = threading.Event()
    state: list[tuple[str, int, int]] = []

    def update(stage: str, done: int, total: int) -> None:
        state[:] = [(stage, done, total)]

    def report() -> None:
        while not stop.wait(every_seconds):
            for stage, done, total in state[:]:
                line = f"{stage}: {done} of {total}, {clock_text(time.monotonic() - begin).partition('.')[0]} so far"
                print_line(line)

    print_line = write or _to_stderr
    thread = threading.Thread(target=report, name="avmatch progress", daemon=True)
    thread.start()
    try:
        yield update
    finally:
        stop.set()
        thread.join()


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


@contextmanager
def _bars(console: object) -> Iterator[Progress]:
    """A bar for each stage, gone when all is done."""
    from rich import progress
    from rich.console import Console

    assert isinstance(console, Console)
    columns = (
        progress.TextColumn("{task.description:>8}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=console, transient=True) as bars:
        tasks: dict[str, progress.TaskID] = {}

        def update(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield update
