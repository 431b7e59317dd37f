"""Where `golden.py` works: OUT with its inputs, runs, work and results; and `avmatch` as a process there.

OUT/data/     inputs, made when first needed        OUT/runs/   runs, trained when first needed
OUT/work/     what the commands wrote               OUT/old/    runs of another OUT, copied, and used
OUT/results/  what is compared: PART/…              OUT/logs/   stderr of each command, not compared
"""

from __future__ import annotations

import re
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from multiprocessing.context import ForkServerContext
from pathlib import Path
from threading import Lock

from golden_data import MAKERS
from golden_process import command_context, started
from golden_runs import INTERRUPTED, RUNS, Run
from golden_store import store_folder, store_text

INTERRUPTED_NAME = "interrupted"
_TIMEOUT_SECONDS = 600
_KILL_AFTER_EPOCHS = 2


def training_line(run: Run, folder: Path) -> list[object]:
    """The command but for its epochs."""
    sets = [text for setting in run.settings for text in ("--set", setting)]
    return ["train", run.recipe, f"data/{run.data}", "-o", folder, "--device", "cpu", *sets]


@dataclass
class Place:
    """OUT, and the OUT of an earlier commit whose runs are opened."""

    out: Path
    earlier: Path | None = None
    _locks: defaultdict[str, Lock] = field(default_factory=lambda: defaultdict(Lock))

    def data(self, name: str) -> Path:
        """Inputs, made by the first who asks."""

        def make(folder: Path) -> None:
            folder.mkdir(parents=True)
            MAKERS[name](folder, self)

        return self._once(self.out / "data" / name, make)

    def run(self, name: str) -> Path:
        """A run, trained by the first who asks; its path is relative to OUT."""
        return self._once(self.out / "runs" / name, lambda folder: self._train(RUNS[name], folder)).relative_to(
            self.out
        )

    def interrupted(self) -> Path:
        """A run that was killed."""
        return self._once(self.out / "runs" / INTERRUPTED_NAME, self._train_and_kill)

    def old_runs(self) -> Path:
        """A copy of all runs of the earlier commit (or of this one), beside its data."""
        source = self.earlier or self.out
        if self.earlier is None:
            for name in RUNS:
                self.run(name)
            self.interrupted()
            for name in MAKERS:
                self.data(name)
        old = self.out / "old"
        shutil.copytree(source / "runs", old / "runs")
        (old / "data").symlink_to(source / "data")
        return old

    def synth(self, folder: Path, *arguments: object) -> None:
        """Run `avmatch synth`."""
        self.avmatch(f"synth/{folder.name}", "synth", folder.relative_to(self.out), *arguments, kept=False)

    def evaluate(
        self, name: str, protocol: str, model: object, data: object, *options: object, root: Path | None = None
    ) -> None:
        """`avmatch evaluate`, in the form that this commit has."""
        if self._has_protocol_option:
            line = ("evaluate", model, data, "--protocol", protocol, *_former(options))
        else:
            line = ("evaluate", protocol, model, data, *options)
        self.avmatch(name, *line, root=root)

    def avmatch(self, name: str, *arguments: object, root: Path | None = None, kept: bool = True) -> None:
        """Run a command in `root` (OUT); what it prints, and how it exits, is kept as `name`.stdout.txt.

        Args:
            kept: False leaves it in OUT/printed, for `keep_printed`: what is made for whoever asks first is kept by
                the part that it belongs to.
        """
        printed, log = self.out / "printed" / f"{name}.stdout.txt", self.out / "logs" / f"{name}.txt"
        process = started(self._context, tuple(map(str, arguments)), root or self.out, printed, log)
        process.join(_TIMEOUT_SECONDS)
        if process.exitcode is None:
            process.kill()
        with printed.open("a", encoding="utf-8") as file:
            file.write(f"exit {process.exitcode}\n")
        if process.exitcode:
            print(f"{name}: exit {process.exitcode}, see {log}", file=sys.stderr)
        if kept:
            self.keep_printed(name, Path(name).parts[0])

    def keep(self, source: Path, name: str) -> None:
        """Keep a file or a folder among the results."""
        store_folder(source, self.out / "results" / name, self._folders)

    def keep_printed(self, name: str, part: str) -> None:
        """Keep what a command printed among the results of a part."""
        printed = self.out / "printed" / f"{name}.stdout.txt"
        inside = Path(part, *Path(name).parts[1:])
        store_text(self.out / "results" / f"{inside}.stdout.txt", printed.read_text(encoding="utf-8"), self._folders)

    @property
    def _folders(self) -> list[Path]:
        return [self.out / "old", self.out, *([self.earlier] if self.earlier else [])]

    @cached_property
    def _has_protocol_option(self) -> bool:
        self.avmatch("help/evaluate", "evaluate", "--help", kept=False)
        return "--protocol" in (self.out / "printed/help/evaluate.stdout.txt").read_text(encoding="utf-8")

    @cached_property
    def _context(self) -> ForkServerContext:
        return command_context(self.out / "cache")

    def _once(self, folder: Path, make: Callable[[Path], None]) -> Path:
        with self._locks[str(folder)]:
            if not folder.exists():
                make(folder)
        return folder

    def _train(self, run: Run, folder: Path) -> None:
        self.avmatch(f"train/{folder.name}", *self._training(run, folder), kept=False)

    def _training(self, run: Run, folder: Path) -> list[object]:
        self.data(run.data.partition("/")[0])
        return [*training_line(run, folder.relative_to(self.out)), "--epochs", run.epochs]

    def _train_and_kill(self, folder: Path) -> None:
        metrics, log = folder / "metrics.jsonl", self.out / "logs/train/interrupted.txt"
        arguments = tuple(map(str, self._training(INTERRUPTED, folder)))
        process = started(self._context, arguments, self.out, log, log)
        while process.is_alive():
            if metrics.exists() and metrics.read_text().count("\n") >= _KILL_AFTER_EPOCHS:
                process.kill()
            time.sleep(0.01)


def _former(options: Iterable[object]) -> list[str]:
    """Options of `avmatch evaluate` as they were before `--noise KIND:SNR` and `--cache none`."""
    text = "\0".join(map(str, options)).replace("--cache\0none", "--no-cache")
    text = re.sub(r"--noise\0([a-z]+):", r"--noise-kind\0\1\0--noise\0", text)
    return text.split("\0") if text else []
