"""The folder of a run: which files it has, and how they are written.

config.json      the complete configuration        command.txt     the line that reproduces the run
metrics.jsonl    a line an epoch                    curves.png      the same as a plot
events.out…      the same for TensorBoard           split.json      which pairs were held back
last.safetensors everything needed to go on         best.safetensors   the weights that were exported
model/           what is used: ONNX graphs and their card
.lock            one process at a time

The checkpoint, last.safetensors, has all that a run needs to go on as if it had never stopped: no pickle, no code.

tensors   learner/…  the weights and buffers;  average/…  their moving average;  optimiser/<parameter>/…  its state;
          begun/…  the weights and buffers at the start of the epoch, if it isn't over: hard negatives are theirs
metadata  `avmatch`: a JSON object with everything that is no tensor (`Position`)

Other recipes may start from a run: from the sizes and the weights of one of its towers (`run_task`, `load_tower`).
"""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from avmatch.core.errors import ModelError, UsageError
from avmatch.core.files import atomic_path, write_text_atomically
from avmatch.training.config import Config, Optimisation, build_optimiser, override, to_json

_KEY = "avmatch"
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

    def open(self, config: object, command: str, resume: bool) -> bool:
        """Start or go on; whether there is a checkpoint to go on from.

        Args:
            config: of the run, or of all runs that lie inside it.

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

    def _check_same(self, config: object) -> None:
        path = self.path / CONFIG
        if not path.is_file():
            raise UsageError(f"{self.path}: not empty, and no run to resume (no config.json); name another folder")
        if next(self.path.rglob(self.last.name), None) is None:
            return  # nothing was learned yet: the data didn't fit those settings, say
        theirs, ours = dict(_flat(json.loads(path.read_text(encoding="utf-8")))), dict(_flat(to_json(config)))
        differ = [key for key in sorted({*theirs, *ours} - FREE_TO_CHANGE) if theirs.get(key) != ours.get(key)]
        if differ:
            changes = ", ".join(f"{key} {theirs.get(key)!r} → {ours.get(key)!r}" for key in differ)
            raise UsageError(f"{self.path}: was started with other settings ({changes}); resume with the same ones")


def _flat(fields: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Fields of fields by their paths: `tcn.width`."""
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def run_task(run: str | Path) -> dict[str, Any]:
    """The task of a run, as its config.json has it. Raises UsageError if it is no run."""
    try:
        task: dict[str, Any] = json.loads((Path(run) / "config.json").read_text(encoding="utf-8"))["task"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{run}: not the folder of a run ({error}); name what `avmatch train -o` wrote") from error
    return task


def with_fields(config: Config, fields: Mapping[str, object]) -> Config:
    """`config` with the fields of a run's. Raises UsageError as `override`."""
    return override(config, [f"{path}={json.dumps(value)}" for path, value in _flat(fields)])


def load_tower(tower: nn.Module, run: str | Path, side: str) -> None:
    """Put the best weights that a run found for one of its towers into `tower`.

    Args:
        side: where the run's learner keeps it: "video" or "audio".

    Raises:
        ModelError: they can't be read, or aren't those of such a tower.
    """
    weights = RunFolder(Path(run)).best
    try:
        tensors, _ = _read(weights)
        tower.load_state_dict(_under(tensors, f"learner/{side}."))
    except (ModelError, RuntimeError) as error:
        why = error.__cause__ or error
        raise ModelError(f"{weights}: not the weights of its own configuration ({why})") from error


@dataclass(frozen=True)
class Position:
    """How far a run is.

    Attributes:
        epoch, step: the next step to take: `step` of `epoch`.
        seconds: spent so far.
        best, best_epoch: of `TrainConfig.best_by`.
        learning_rate_scale: by how much plateaus have lowered it.
        stale_epochs: epochs since the best, or since the plateau was acted on.
        sums, counts: of each loss over the epoch's steps so far; how many steps gave it.
    """

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    best: float | None = None
    best_epoch: int = -1
    learning_rate_scale: float = 1.0
    stale_epochs: int = 0
    sums: Mapping[str, float] = field(default_factory=dict)
    counts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class State:
    """The moving parts of a run.

    Attributes:
        average: moving average of the parameters; empty if none is kept.
        begun: weights and buffers at the start of the epoch.
    """

    learner: nn.Module
    optimiser: Optimizer
    average: Mapping[str, Tensor]
    begun: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def started(cls, learner: nn.Module, settings: Optimisation, ema_decay: float) -> State:
        """With a copy of the parameters to average from; none without a decay."""
        trained = ((name, value) for name, value in learner.named_parameters() if value.requires_grad)
        average = {name: value.detach().clone() for name, value in trained} if ema_decay else {}
        return cls(learner, build_optimiser(settings, learner), average)

    @torch.no_grad()
    def update_average(self, decay: float, step: int) -> None:
        """Move the average towards the weights; faster in the first steps, when the weights are far from good."""
        if not self.average:
            return
        decay = min(decay, (1.0 + step) / (10.0 + step))
        weights = dict(self.learner.named_parameters())
        torch._foreach_lerp_(list(self.average.values()), [weights[name] for name in self.average], 1.0 - decay)

    def save(self, path: Path, position: Position) -> None:
        """Write the checkpoint `path`, whole or not at all."""
        tensors = {f"learner/{name}": value for name, value in self.learner.state_dict().items()}
        tensors |= {f"average/{name}": value for name, value in self.average.items()}
        if position.step:
            tensors |= {f"begun/{name}": value for name, value in self.begun.items()}
        scalars: dict[str, float] = {}
        for place, values in self.optimiser.state_dict()["state"].items():
            for name, value in values.items():
                if isinstance(value, Tensor):
                    tensors[f"optimiser/{place}/{name}"] = value
                else:
                    scalars[f"{place}/{name}"] = value
        _write(path, tensors, {"progress": asdict(position), "optimiser": scalars})

    def load(self, path: Path) -> Position:
        """Put the tensors of `path` back where they were. Raises ModelError if it's no checkpoint of such a learner."""
        tensors, metadata = _read(path)
        try:
            self.learner.load_state_dict(_under(tensors, "learner/"))
            for name, value in _under(tensors, "average/").items():
                self.average[name].copy_(value)
            self.begun.update(_under(tensors, "begun/"))
            packed = self.optimiser.state_dict()
            packed["state"] = _optimiser_state(_under(tensors, "optimiser/"), metadata["optimiser"])
            self.optimiser.load_state_dict(packed)
            return Position(**metadata["progress"])
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise ModelError(f"{path}: not a checkpoint of this recipe ({error}); start a new run") from error


def save_weights(path: Path, learner: nn.Module, average: Mapping[str, Tensor], epoch: int) -> None:
    """Write the weights that an epoch ended with, averaged where an average is kept."""
    weights = learner.state_dict() | dict(average)
    _write(path, {f"learner/{name}": value for name, value in weights.items()}, {"epoch": epoch})


def load_weights(path: Path, learner: nn.Module) -> int | None:
    """Read what `save_weights` wrote; the epoch, which older files don't name. Raises ModelError if it doesn't fit."""
    tensors, metadata = _read(path)
    try:
        learner.load_state_dict(_under(tensors, "learner/"))
    except RuntimeError as error:
        raise ModelError(f"{path}: not the weights of this recipe ({error})") from error
    epoch = metadata.get("epoch")
    return epoch if isinstance(epoch, int) else None


def _write(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, object]) -> None:
    own = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(own, temporary, {_KEY: json.dumps(metadata)})


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get(_KEY, "{}"))
            if not isinstance(metadata, dict):
                raise ValueError(f"its {_KEY!r} is no JSON object")
            return {name: file.get_tensor(name) for name in file.keys()}, metadata  # noqa: SIM118  not a mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path}: not a readable checkpoint ({error})") from error


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _optimiser_state(tensors: Mapping[str, Tensor], scalars: Mapping[str, float]) -> dict[int, dict[str, object]]:
    state: dict[int, dict[str, object]] = {}
    for name, value in (*tensors.items(), *scalars.items()):
        place, key = name.split("/", 1)
        state.setdefault(int(place), {})[key] = value
    return state


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Gives a function that says whether Ctrl-C was pressed: the step in hand still ends, its weights whole.

    Pressed a second time, Ctrl-C interrupts at once.

    Outside the main thread, or where the signal has another handler, the answer is always no.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield lambda: False
        return
    asked = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        asked.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
