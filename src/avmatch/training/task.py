"""What a recipe says about the thing that it trains; the loop knows the rest.

data ─ read → Pairs ─ source → Batch ─ learner → losses       (training)
                └──── validate ← learner                      (after each epoch)
                                 export ← learner → files     (at the end)

A task validates in evaluation mode: items in blocks (`outputs`), clips one by one (`outputs_of_clips`).

Letters in shapes: B pairs of a batch or items of a block, K negatives a pair, T ticks, N items, D dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, Num
from torch import Tensor, nn

from avmatch.core.results import Progress
from avmatch.data.items import Items, Pairs, gather

Side = np.ndarray | Sequence[np.ndarray]
Learner = TypeVar("Learner", bound=nn.Module)


@dataclass(frozen=True, eq=False)
class Batch:
    """The input of one forward pass in training.

    Attributes:
        video, audio: the pairs, row by row.
        rows: their places among the training pairs.
        group: their recordings.
        negatives: sounds that don't match, if the task draws any.
    """

    video: Num[Tensor, "B T *shape"]
    audio: Num[Tensor, "B U *form"]
    rows: Int[Tensor, " B"]
    group: Int[Tensor, " B"]
    negatives: Float[Tensor, "B K U *form"] | None = None

    @classmethod
    def of(
        cls,
        pairs: Pairs,
        rows: Int[np.ndarray, " B"],
        video: Side,
        audio: Side,
        negatives: Side | None = None,
    ) -> Batch:
        """Of these rows of `pairs`; a side is one array, or an array a row."""
        return cls(
            _tensor(video),
            _tensor(audio),
            torch.from_numpy(rows),
            torch.from_numpy(pairs.group[rows]),
            None if negatives is None else _tensor(negatives),
        )

    def to(self, device: torch.device) -> Batch:
        """The same on `device`."""
        if device.type == "cpu":
            return self
        moved = {name: value.to(device, non_blocking=True) for name, value in vars(self).items() if value is not None}
        return replace(self, **moved)

    def split(self, num_parts: int) -> Iterator[Batch]:
        """Up to `num_parts` batches of about one size, none of them empty."""
        size = -(-len(self.rows) // num_parts)
        given = {name: value.split(size) for name, value in vars(self).items() if value is not None}
        for parts in zip(*given.values(), strict=True):
            yield replace(self, **dict(zip(given, parts, strict=True)))


def _tensor(side: Side) -> Tensor:
    return torch.from_numpy(side if isinstance(side, np.ndarray) else np.stack(side))


@runtime_checkable
class Source(Protocol):
    """Makes batches of training pairs. Lives in the worker processes, if there are any."""

    def __call__(self, rows: Int[np.ndarray, " B"], epoch: int, rng: np.random.Generator) -> Batch:
        """The batch of `rows`; what is random in it comes from `rng` alone."""
        ...


@dataclass(frozen=True, eq=False)
class RowByRow:
    """A source that cuts each row of a batch by itself: `cut` gives video, audio and, if there are any, negatives."""

    pairs: Pairs
    cut: Callable[[int, np.random.Generator], tuple[np.ndarray, ...]]

    def __call__(self, rows: Int[np.ndarray, " B"], epoch: int, rng: np.random.Generator) -> Batch:
        """The batch of `rows`."""
        return Batch.of(self.pairs, rows, *zip(*(self.cut(int(row), rng) for row in rows), strict=True))


@runtime_checkable
class Task(Protocol[Learner]):
    """What is learned. A frozen dataclass whose fields are the whole description of it."""

    #: Names of all that `validate` may measure.
    metrics: ClassVar[tuple[str, ...]]

    def read(self, data: str | Path, cache: Path, progress: Progress | None = None) -> Pairs:
        """The pairs that `data` holds; decoded media are kept in the folder `cache`."""
        ...

    def learner(self, pairs: Pairs, seed: int) -> Learner:
        """Networks and losses. `forward(batch, epoch)` gives named losses: `loss` is minimised, the others logged.

        What follows from the training pairs in closed form is computed here and kept in buffers.
        """
        ...

    def source(self, pairs: Pairs, learner: Learner, device: torch.device) -> Source:
        """Called at the start of each epoch: hard negatives follow the learner."""
        ...

    def validate(self, learner: Learner, pairs: Pairs, device: torch.device) -> Mapping[str, float]:
        """Metrics of the held-back pairs."""
        ...

    def export(self, learner: Learner, pairs: Pairs, folder: Path, description: Mapping[str, object]) -> None:
        """Write the model's files; `description` (recipe, config, data, results) goes into each of them.

        What has to be calibrated is calibrated on `pairs`: those held back, or all where none were.
        """
        ...


@runtime_checkable
class Scheduled(Protocol):
    """A task with a schedule of its own, in shares of the run."""

    def over(self, epochs: int) -> Task[Any]:
        """The task, its schedule scaled to a run of that length."""
        ...


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients. Afterwards each part has the mode that it had, after an error too."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part, was_training in modes:
            part.training = was_training


def blocks(num_items: int, size: int) -> Iterator[Int[np.ndarray, " B"]]:
    """The numbers of the items in turn, `size` at once."""
    for begin in range(0, num_items, size):
        yield np.arange(begin, min(begin + size, num_items))


def outputs(network: nn.Module, items: Items, device: torch.device, size: int) -> Float32[np.ndarray, "N D"]:
    """What a network gives for all items, `size` of them at once."""
    with evaluating(network):
        parts = [
            network(torch.from_numpy(gather(items, rows)).to(device)).float().cpu().numpy()
            for rows in blocks(len(items), size)
        ]
    return np.concatenate(parts)


def outputs_of_clips(
    video: nn.Module,
    audio: nn.Module,
    clips: Iterable[tuple[Num[np.ndarray, _ * shape], Num[np.ndarray, _ * form]]],
    device: torch.device,
) -> tuple[list[Float32[np.ndarray, "_ D"]], list[Float32[np.ndarray, "_ D"]]]:
    """What the networks give for both sides of each clip, one clip at a time."""
    found: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    with evaluating(nn.ModuleList((video, audio))):
        for clip in clips:
            for network, side, vectors in zip((video, audio), clip, found, strict=True):
                vectors.append(network(torch.from_numpy(side)[None].to(device))[0].float().cpu().numpy())
    return found
