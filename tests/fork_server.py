"""A process that has imported `avmatch` once, and forks for each command: what a person starts, without the wait.

A request is a line of JSON on stdin; the answer is the exit status of the child, minus the signal that ended it.
Children share the seed of Python's hashes: where two runs are compared, one of them must be started afresh.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

#: No command takes nearly as long.
TIMEOUT_SECONDS = 120
#: What most commands import only when they run.
PRELOADED = ("avmatch.pipelines.evaluate", "avmatch.pipelines.fix", "avmatch.pipelines.match", "matplotlib.figure")


@dataclass(frozen=True)
class Request:
    """A command: its arguments, where and with what environment it runs, and the files for what it prints."""

    arguments: list[str]
    folder: str
    environment: dict[str, str]
    stdout: str
    stderr: str

    def enter(self) -> None:
        """Make this process one that was started so."""
        signal.alarm(TIMEOUT_SECONDS)
        os.chdir(self.folder)
        os.environ.clear()
        os.environ.update(self.environment)
        sys.argv = ["avmatch", *self.arguments]
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for descriptor, path in ((1, self.stdout), (2, self.stderr)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)


class ForkServer:
    """The client's side; a context manager."""

    def __init__(self, folder: Path) -> None:
        """`folder` takes what commands print."""
        self._folder = folder
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> ForkServer:
        self._process.__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        self._process.__exit__(*details)

    def run(self, arguments: list[str], folder: Path, environment: dict[str, str]) -> tuple[int, str, str]:
        """(exit status, stdout, stderr) of a command."""
        printed = [self._folder / name for name in ("stdout", "stderr")]
        request = Request(arguments, str(folder), environment, *map(str, printed))
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(request)) + "\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        return status, *(path.read_text(encoding="utf-8") for path in printed)


def serve() -> None:
    """Answer requests to the end of stdin; returns in each child, and in the parent at the end."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            Request(**json.loads(line)).enter()
            main()
            return
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    import importlib

    from avmatch.cli import main

    for name in PRELOADED:
        importlib.import_module(name)
    serve()
