"""The folder of a run: which files it has, and how they are written.

config.json      the complete configuration        command.txt     the line that reproduces the run
metrics.jsonl    a line an epoch                    curves.png      the same as a plot
events.out…      the same for TensorBoard           split.json      which pairs were held back
last.safetensors everything needed to go on         best.safetensors   the weights that were exported
model/           what is used: ONNX graphs and their card
.lock            one process at a time

Other recipes may start from a run: from the sizes and the weights of one of its towers (`run_task`, `load_tower`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from avmatch.core.errors import ModelError, UsageError
from avmatch.core.files import write_text_atomically
from avmatch.training.config import TrainConfig, to_json

#: What `--resume` may change: how far, how often, where; not what is learned.
FREE_TO_CHANGE = frozenset({"epochs", "num_workers", "checkpoint_seconds", "patience"})
CONFIG, COMMAND, LOCK = "config.json", "command.txt", ".lock"
#: The loaders of a killed run need some seconds to notice, and hold its lock until then.
PATIENCE_SECONDS = 10.0


class RunFolder:
    """The files of a run in `path`; the story above says what each is."""

    def __init__(self, path: Path) -> None:
        self.path, self.model = path, path / "model"
        self.last, self.best = path / "last.safetensors", path / "best.safetensors"
        self.metrics, self.curves = path / "metrics.jsonl", path / "curves.png"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the folder, and keep other processes out of it; the lock goes with the process, even a killed one.

        Raises:
            UsageError: it is a file, or another process trains there.
        """
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"{self.path}: is a file; name a folder for the run")
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.path / LOCK, timeout=PATIENCE_SECONDS):
                yield
        except Timeout as error:
            raise UsageError(
                f"{self.path}: another process trains there; wait for it, or name another folder"
            ) from error

    def open(self, config: TrainConfig, command: str, resume: bool) -> bool:
        """Start or go on; whether there is a checkpoint to go on from.

        Raises:
            UsageError: the folder isn't empty without `resume`, or holds a run of another configuration.
        """
        # A run that its data kept from starting left only its settings.
        used = self.path.is_dir() and any(item.name not in (CONFIG, COMMAND, LOCK) for item in self.path.iterdir())
        if used and not resume:
            raise UsageError(f"{self.path}: not empty; go on with --resume, or name another folder")
        if used and resume:
            self._check_same(config)
        self.path.mkdir(parents=True, exist_ok=True)
        write_text_atomically(self.path / CONFIG, json.dumps(to_json(config), indent=2) + "\n")
        write_text_atomically(self.path / COMMAND, command + "\n")
        return self.last.is_file()

    def read_metrics(self) -> list[dict[str, float]]:
        """The lines written so far; a torn last line is left out."""
        lines = self.metrics.read_text(encoding="utf-8").splitlines() if self.metrics.is_file() else []
        rows: list[dict[str, float]] = []
        with suppress(json.JSONDecodeError):
            rows.extend(map(json.loads, lines))
        return rows

    def write_metrics(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Replace all lines."""
        write_text_atomically(self.metrics, "".join(json.dumps(dict(row)) + "\n" for row in rows))

    def _check_same(self, config: TrainConfig) -> None:
        path = self.path / CONFIG
        if not path.is_file():
            raise UsageError(f"{self.path}: not empty, and no run to resume (no config.json); name another folder")
        if not self.last.is_file():
            return  # nothing was learned yet: the data didn't fit those settings, say
        theirs, ours = _flat(json.loads(path.read_text(encoding="utf-8"))), _flat(to_json(config))
        differ = [key for key in sorted({*theirs, *ours} - FREE_TO_CHANGE) if theirs.get(key) != ours.get(key)]
        if differ:
            changes = ", ".join(f"{key} {theirs.get(key)!r} → {ours.get(key)!r}" for key in differ)
            raise UsageError(f"{self.path}: was started with other settings ({changes}); resume with the same ones")


def _flat(value: object, prefix: str = "") -> dict[str, object]:
    if not isinstance(value, dict):
        return {prefix: value}
    flat: dict[str, object] = {}
    for key, inner in value.items():
        flat |= _flat(inner, f"{prefix}.{key}" if prefix else key)
    return flat


def run_task(run: str | Path) -> dict[str, Any]:
    """The task of a run, as its config.json has it. Raises UsageError if it is no run."""
    try:
        task: dict[str, Any] = json.loads((Path(run) / "config.json").read_text(encoding="utf-8"))["task"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{run}: not the folder of a run ({error}); name what `avmatch train -o` wrote") from error
    return task


def settings_of(fields: Mapping[str, object], prefix: str = "") -> Iterator[str]:
    """`tcn.width=192`, as `override` takes it."""
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from settings_of(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}={json.dumps(value)}"


def load_tower(tower: nn.Module, run: str | Path, side: str) -> None:
    """Put the best weights that a run found for one of its towers into `tower`.

    Args:
        side: where the run's learner keeps it: "video" or "audio".

    Raises:
        ModelError: they can't be read, or aren't those of such a tower.
    """
    weights, place = RunFolder(Path(run)).best, f"learner/{side}."
    try:
        tensors = load_file(weights)
        tower.load_state_dict({name[len(place) :]: tensors[name] for name in tensors if name.startswith(place)})
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelError(f"{weights}: not the weights of its own configuration ({error})") from error
