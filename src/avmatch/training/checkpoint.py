"""All that a run needs to go on as if it had never stopped, in one safetensors file: no pickle, no code.

tensors   learner/…  the weights and buffers;  average/…  their moving average;  optimiser/<parameter>/…  its state;
          begun/…  the weights and buffers at the start of the epoch, if it isn't over: hard negatives are theirs
metadata  `avmatch`: a JSON object with everything that is no tensor (`Position`)
"""

import json
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from avmatch.core.errors import ModelError
from avmatch.core.files import atomic_path

_KEY = "avmatch"


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


def save_checkpoint(path: Path, state: State, position: Position) -> None:
    """Write `path`, whole or not at all."""
    tensors = {f"learner/{name}": value for name, value in state.learner.state_dict().items()}
    tensors |= {f"average/{name}": value for name, value in state.average.items()}
    if position.step:
        tensors |= {f"begun/{name}": value for name, value in state.begun.items()}
    scalars: dict[str, float] = {}
    for place, values in state.optimiser.state_dict()["state"].items():
        for name, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"optimiser/{place}/{name}"] = value
            else:
                scalars[f"{place}/{name}"] = value
    _write(path, tensors, {"progress": asdict(position), "optimiser": scalars})


def load_checkpoint(path: Path, state: State) -> Position:
    """Put the tensors of `path` back where they were. Raises ModelError if it is no checkpoint of such a learner."""
    tensors, metadata = _read(path)
    try:
        state.learner.load_state_dict(_under(tensors, "learner/"))
        for name, value in _under(tensors, "average/").items():
            state.average[name].copy_(value)
        state.begun.update(_under(tensors, "begun/"))
        packed = state.optimiser.state_dict()
        packed["state"] = _optimiser_state(_under(tensors, "optimiser/"), metadata["optimiser"])
        state.optimiser.load_state_dict(packed)
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
