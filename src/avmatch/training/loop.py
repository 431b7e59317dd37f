"""Train what a recipe describes: the same loop for every system.

    plan → batch → losses → step → … → validate → checkpoint → … → export

A run is a pure function of its configuration and data: interrupted at any moment (kill −9 too), `resume` goes on from
the last checkpoint and ends with the same weights, bit for bit on a CPU.
"""

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.tensorboard import SummaryWriter

from avmatch.core.errors import AvmatchError, UsageError
from avmatch.core.files import write_text_atomically
from avmatch.core.results import Progress
from avmatch.data.items import Pairs
from avmatch.data.splits import split_by_group
from avmatch.reports.plots import plot_curves
from avmatch.training.batches import Plan, batches, plan_epoch
from avmatch.training.config import TrainConfig, learning_rate, to_json
from avmatch.training.distributed import World, pick_device, world
from avmatch.training.run import Position, RunFolder, State, interruptible, load_weights, save_weights
from avmatch.training.task import Batch, Scheduled, Source, evaluating

#: Steps between two checks of the loss: on a GPU, a check waits for all the work in its queue.
CHECK_STEPS = 16


@dataclass(frozen=True)
class TrainResult:
    """What came of a run: the metrics of its best epoch, and where its model is."""

    run: Path
    model: Path
    epochs: int
    best_epoch: int
    metrics: Mapping[str, float]


def train(
    config: TrainConfig,
    data: str | Path,
    out: str | Path,
    *,
    resume: bool = False,
    device: str = "auto",
    command: str = "",
    progress: Progress | None = None,
) -> TrainResult:
    """Train `config` on `data`, into the folder `out`.

    Args:
        data: whatever the recipe's task reads.
        out: the run's folder (see run.py); must be empty or new unless `resume`.
        device: "auto", "cpu" or "cuda".
        command: the line that reproduces the run, kept with it.
        progress: called with (stage, done, total).

    Raises:
        UsageError: the folder is in use, or data or settings don't fit the recipe.
        ModelError: the checkpoint isn't one of this recipe.
        TrainingError: the loss became infinite or NaN.
        PeerError: another process of the run failed.
        KeyboardInterrupt: Ctrl-C, once a checkpoint is written.
    """
    _check_best_by(config)
    where = pick_device(device)
    folder = RunFolder(Path(out))
    with world(where) as everybody, folder.held() if everybody.is_first else nullcontext():
        going_on = folder.open(config, command, resume) if everybody.is_first else resume
        everybody.wait()
        pairs = config.task.read(data, folder.path / "cache", progress)
        run = _Run(config, folder, pairs, where, everybody, progress)
        return run.to_the_end(everybody.everybodys(going_on)[0], str(data))


class TrainingError(AvmatchError, ArithmeticError):
    """The loss became infinite or NaN; the message says where and what may help."""


@dataclass(eq=False)
class _Run:
    """One run in motion."""

    config: TrainConfig
    folder: RunFolder
    pairs: Pairs
    device: torch.device
    world: World
    progress: Progress | None
    rows: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        config, held_back = self.config, self.pairs.is_held_back
        if held_back is None:
            rows = split_by_group(self.pairs.group, config.validation_share, config.split_seed)
        else:
            rows = np.flatnonzero(~held_back), np.flatnonzero(held_back)
        self.train_pairs, self.validation_pairs = (self.pairs.take(part) for part in rows)
        torch.manual_seed(config.seed)
        learner = config.task.learner(self.train_pairs, config.seed).to(self.device)
        self.state = State.started(learner, config.optimisation, config.ema_decay)
        self.stepper: nn.Module = learner
        if self.world.size > 1 and any(parameter.requires_grad for parameter in learner.parameters()):
            self.stepper = DistributedDataParallel(learner, find_unused_parameters=True)
        self.position = Position()
        self.saved_at = time.monotonic()

    def to_the_end(self, resume: bool, data: str) -> TrainResult:
        """All epochs that are left, then the export of the best."""
        if resume:
            self.position = self.state.load(self.folder.last)
            self.rows = [row for row in self.folder.read_metrics() if row["epoch"] < self.position.epoch]
        if self.world.is_first:
            self._write_split(resume)
        events = SummaryWriter(str(self.folder.path), purge_step=self.position.epoch) if self.world.is_first else None
        with events or nullcontext() as self.events:
            if self.config.epochs == self.position.epoch == 0:
                self._close_epoch({})
            with interruptible() as is_interrupted:
                while self.position.epoch < self.config.epochs and not self._is_stale():
                    self._epoch(is_interrupted)
                    if is_interrupted():
                        self._save()
                        raise KeyboardInterrupt
        self.world.wait()
        return self._finished(data)

    def _epoch(self, is_interrupted: Callable[[], bool]) -> None:
        config, epoch = self.config, self.position.epoch
        plan = plan_epoch(len(self.train_pairs), config.batch_size, config.seed, epoch, self.world, config.passes)
        source = self._source()
        begun, before, first = time.monotonic(), self.position.seconds, self.position.step
        sums: dict[str, Tensor] = {name: torch.tensor(value) for name, value in self.position.sums.items()}
        counts = {name: self.position.counts.get(name, float(first)) for name in sums}
        self.stepper.train()
        for step, batch in enumerate(batches(source, plan, first, config.num_workers), first):
            self._step(plan, step, batch, sums, counts)
            self.position = replace(self.position, step=step + 1, seconds=before + time.monotonic() - begun)
            if self.progress is not None:
                self.progress(f"epoch {epoch + 1}/{config.epochs}", step + 1, plan.num_steps)
            if (step + 1) % CHECK_STEPS == 0:
                self._finite(sums)
            is_due = is_interrupted() or time.monotonic() - self.saved_at > config.checkpoint_seconds
            if is_due and step + 1 < plan.num_steps:
                self.position = replace(self.position, sums=self._finite(sums), counts=dict(counts))
                self._save()
                if is_interrupted():
                    raise KeyboardInterrupt
        self._close_epoch({name: value / counts[name] for name, value in self._finite(sums).items()})

    def _source(self) -> Source:
        """The task's, by the weights with which the epoch began, even if it was interrupted."""
        learner, begun = self.state.learner, self.state.begun
        if self.position.step == 0:
            begun.update({name: value.clone() for name, value in learner.state_dict().items()})
        with _with_weights(learner, begun):
            task = self.config.task
            task = task.over(self.config.epochs) if isinstance(task, Scheduled) else task
            return task.source(self.train_pairs, learner, self.device)

    def _finite(self, sums: Mapping[str, Tensor]) -> dict[str, float]:
        """The sums as numbers. Raises TrainingError if the loss isn't finite: such weights aren't saved."""
        values = {name: float(value) for name, value in sums.items()}
        if not math.isfinite(values["loss"]):
            raise TrainingError(
                f"{self.folder.path}: the loss became {values['loss']} in epoch {self.position.epoch}, by step "
                f"{self.position.step}; start a new run with a lower optimisation.learning_rate, or "
                "optimisation.gradient_clip=1"
            )
        return values

    def _step(self, plan: Plan, step: int, batch: Batch, sums: dict[str, Tensor], counts: dict[str, float]) -> None:
        """One optimiser step, over all parts of a batch. Some losses come only in some steps, or parts."""
        config, state = self.config, self.state
        total_steps = config.epochs * plan.num_steps
        count = plan.epoch * plan.num_steps + step
        rate = learning_rate(config.optimisation, count, total_steps, self.position.learning_rate_scale)
        for group in state.optimiser.param_groups:
            group["lr"] = rate
        state.optimiser.zero_grad(set_to_none=True)
        _seed(plan.seed_of(step), self.device)
        for part in batch.split(config.accumulate):
            with torch.autocast(self.device.type, torch.bfloat16, enabled=config.bf16):
                losses = self.stepper(part.to(self.device), plan.epoch)
            share = len(part.rows) / len(batch.rows)
            (losses["loss"] * share).backward()
            for name, value in losses.items():
                sums[name] = sums.get(name, torch.zeros(())) + value.detach() * share
                counts[name] = counts.get(name, 0.0) + share
        if config.optimisation.gradient_clip:
            nn.utils.clip_grad_norm_(state.learner.parameters(), config.optimisation.gradient_clip)
        state.optimiser.step()
        state.update_average(config.ema_decay, count)

    def _close_epoch(self, losses: Mapping[str, float]) -> None:
        """Validate, note, keep the best, save."""
        epoch = self.position.epoch
        everybodys = self.world.everybodys(losses)
        names = dict.fromkeys(name for one in everybodys for name in one)
        losses = {name: float(np.mean([one[name] for one in everybodys if name in one])) for name in names}
        validation = self._validation()
        value = self._judged(validation)
        best = self.position.best
        better = best is None or (value is not None and value > best)
        rate = self.state.optimiser.param_groups[0]["lr"]
        row = {"seconds": round(self.position.seconds, 3), "learning_rate": rate, **losses, **validation}
        self.rows.append({"epoch": epoch, **row})
        self.position = self._after(value, better)
        is_over = self.position.epoch >= self.config.epochs or self._is_stale()
        is_due = is_over or time.monotonic() - self.saved_at >= self.config.checkpoint_seconds
        if self.events is not None:  # in the first process
            if better and (is_due or value is not None):
                save_weights(self.folder.best, self.state.learner, self.state.average, epoch)
            self.folder.write_metrics(self.rows)
            for name, number in row.items():
                self.events.add_scalar(name, number, epoch)
            self.events.flush()
        if is_due:
            self._save()

    def _validation(self) -> Mapping[str, float]:
        """The metrics of the first process, for all: processes that disagree on the best would wait for each other."""
        found: Mapping[str, float] = {}
        if len(self.validation_pairs) and self.world.is_first:
            with _with_weights(self.state.learner, self.state.average), evaluating(self.state.learner):
                found = self.config.task.validate(self.state.learner, self.validation_pairs, self.device)
        return self.world.everybodys(found)[0]

    def _judged(self, validation: Mapping[str, float]) -> float | None:
        if not validation or not self.config.best_by:
            return None
        wanted = [validation[name] for name in self.config.best_by.split() if name in validation]
        if not wanted:
            raise UsageError(f"best_by={self.config.best_by}: this task measures {', '.join(validation)}")
        return next((value for value in wanted if math.isfinite(value)), None)

    def _after(self, value: float | None, better: bool) -> Position:
        """The position after a closed epoch, plateaus acted on."""
        now, plan = self.position, self.config.optimisation
        stale = 0 if better else now.stale_epochs + 1
        scale = now.learning_rate_scale
        if plan.schedule == "plateau" and stale >= plan.plateau_epochs:
            stale, scale = 0, scale * plan.plateau_factor
        return replace(
            now,
            epoch=now.epoch + 1,
            step=0,
            sums={},
            counts={},
            best=value if better else now.best,
            best_epoch=now.epoch if better else now.best_epoch,
            stale_epochs=stale,
            learning_rate_scale=scale,
        )

    def _is_stale(self) -> bool:
        since_best = self.position.epoch - 1 - self.position.best_epoch
        return bool(self.config.patience) and self.position.epoch > 0 and since_best >= self.config.patience

    def _save(self) -> None:
        if self.world.is_first:
            self.state.save(self.folder.last, self.position)
        self.saved_at = time.monotonic()

    def _write_split(self, resume: bool) -> None:
        """Which pairs are held back. Raises UsageError if the run was started with others."""
        names = {"train": self.train_pairs.names, "validation": self.validation_pairs.names}
        text, path = json.dumps(names, indent=1) + "\n", self.folder.path / "split.json"
        if resume and path.is_file() and path.read_text(encoding="utf-8") != text:
            raise UsageError(f"{self.folder.path}: was started on other data ({path.name} differs); resume on the same")
        write_text_atomically(path, text)

    def _finished(self, data: str) -> TrainResult:
        """Export the best weights with their description."""
        epoch = load_weights(self.folder.best, self.state.learner)
        best = self.position.best_epoch if epoch is None else epoch
        metrics = next((row for row in self.rows if row["epoch"] == best), self.rows[-1] if self.rows else {})
        self.state.learner.eval()
        if self.world.is_first:
            plot_curves(self.rows, self.folder.curves)
            description = {
                "recipe": self.config.recipe,
                "config": to_json(self.config),
                "data": {
                    "path": Path(data).name,
                    "train": len(self.train_pairs),
                    "held_back": len(self.validation_pairs),
                },
                "results": metrics,
                "command": (self.folder.path / "command.txt").read_text(encoding="utf-8").strip(),
            }
            pairs = self.validation_pairs if len(self.validation_pairs) else self.train_pairs
            self.config.task.export(self.state.learner.cpu(), pairs, self.folder.model, description)
        return TrainResult(self.folder.path, self.folder.model, self.position.epoch, best, metrics)


def _check_best_by(config: TrainConfig) -> None:
    """Raises UsageError if the task measures nothing of the kind: better now than after an epoch."""
    names, known = config.best_by.split(), config.task.metrics
    if names and not set(names) & set(known):
        raise UsageError(f"best_by={config.best_by}: this task measures {', '.join(known)}")


def _seed(entropy: Sequence[int], device: torch.device) -> None:
    """Seed the generators that a step draws from; `torch.manual_seed` asks every kind of device that there might be."""
    seed = int(np.random.SeedSequence(entropy).generate_state(1)[0])
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed_all(seed)


@contextmanager
def _with_weights(learner: nn.Module, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """The learner with these weights or buffers, as far as they are named, for as long as the block lasts."""
    own = {name: value.clone() for name, value in learner.state_dict().items() if name in weights}
    learner.load_state_dict(weights, strict=False)
    try:
        yield
    finally:
        learner.load_state_dict(own, strict=False)
