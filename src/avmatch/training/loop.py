"""Train what a recipe describes: the same loop for every system.

    plan → batch → losses → step → … → validate → checkpoint → … → export

A run is a pure function of its configuration and data: cut off at any moment (kill −9 too), `resume` goes on from the
last checkpoint and ends with the same weights, bit for bit on a CPU.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from avmatch.core.errors import AvmatchError, UsageError
from avmatch.core.files import write_text_atomically
from avmatch.datasets.items import Pairs
from avmatch.datasets.splits import split_by_group
from avmatch.reports.curves import plot_curves
from avmatch.training.checkpoint import Progress, State, load_checkpoint, load_weights, save_checkpoint, save_weights
from avmatch.training.config import TrainConfig, to_json
from avmatch.training.distributed import World, pick_device, world
from avmatch.training.loader import Plan, batches, plan_epoch
from avmatch.training.optimiser import (
    build_optimiser,
    learning_rate,
    set_learning_rate,
    started_average,
    update_average,
)
from avmatch.training.run import RunFolder
from avmatch.training.task import Batch

Told = Callable[[str, int, int], None]


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
    progress: Told | None = None,
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
        TrainingError: the loss is no number any more.
    """
    where = pick_device(device)
    folder = RunFolder(Path(out))
    with world(where) as everybody:
        going_on = folder.open(config, command, resume) if everybody.is_first else resume
        everybody.wait()
        pairs = config.task.read(data, folder.path / "cache")
        run = _Run(config, folder, pairs, where, everybody, progress)
        return run.to_the_end(going_on and folder.last.is_file(), str(data))


class TrainingError(AvmatchError, ArithmeticError):
    """The loss became infinite or no number; the message says where and what may help."""


class _Run:
    """One run in motion."""

    def __init__(
        self,
        config: TrainConfig,
        folder: RunFolder,
        pairs: Pairs,
        device: torch.device,
        everybody: World,
        progress: Told | None,
    ) -> None:
        self.config, self.folder, self.device, self.world, self.told = config, folder, device, everybody, progress
        kept, held_back = split_by_group(pairs.group, config.validation_share, config.split_seed)
        self.train_pairs, self.validation_pairs = pairs.take(kept), pairs.take(held_back)
        torch.manual_seed(config.seed)
        learner = config.task.learner(self.train_pairs, config.seed).to(device)
        optimiser = build_optimiser(config.optimisation, learner)
        self.state = State(learner, optimiser, started_average(learner, config.ema_decay))
        self.stepper: nn.Module = learner
        if everybody.size > 1:
            self.stepper = DistributedDataParallel(learner, find_unused_parameters=True)
        self.progress = Progress()
        self.saved_at = time.monotonic()
        self.rows: list[dict[str, float]] = []

    def to_the_end(self, resume: bool, data: str) -> TrainResult:
        """All epochs that are left, then the export of the best."""
        if resume:
            self.progress = load_checkpoint(self.folder.last, self.state)
            self.rows = [row for row in self.folder.read_metrics() if row["epoch"] < self.progress.epoch]
        if self.world.is_first:
            self._write_split()
        while self.progress.epoch < self.config.epochs and not self._is_stale():
            self._epoch()
        if self.config.epochs == 0 and self.world.is_first:
            self._close_epoch({})
        self.world.wait()
        return self._finished(data)

    def _epoch(self) -> None:
        config, epoch = self.config, self.progress.epoch
        plan = plan_epoch(len(self.train_pairs), config.batch_size, config.seed, epoch, self.world, config.accumulate)
        source = config.task.source(self.train_pairs, self.state.learner, self.device)
        begun, before, first = time.monotonic(), self.progress.seconds, self.progress.step
        sums: dict[str, Tensor] = {name: torch.tensor(value) for name, value in self.progress.sums.items()}
        self.stepper.train()
        for step, parts in enumerate(batches(source, plan, first, config.num_workers), first):
            self._step(plan, step, parts, sums)
            self.progress = replace(self.progress, step=step + 1, seconds=before + time.monotonic() - begun)
            if self.told is not None:
                self.told(f"epoch {epoch + 1}/{config.epochs}", step + 1, plan.num_steps)
            if step + 1 < plan.num_steps and time.monotonic() - self.saved_at > config.checkpoint_seconds:
                self.progress = replace(self.progress, sums={name: float(value) for name, value in sums.items()})
                self._save()
        self._close_epoch({name: float(value) / plan.num_steps for name, value in sums.items()})

    def _step(self, plan: Plan, step: int, parts: list[Batch], sums: dict[str, Tensor]) -> None:
        """One optimiser step over all parts of a batch."""
        config, state = self.config, self.state
        total_steps = config.epochs * plan.num_steps
        count = plan.epoch * plan.num_steps + step
        rate = learning_rate(config.optimisation, count, total_steps, self.progress.learning_rate_scale)
        set_learning_rate(state.optimiser, rate)
        state.optimiser.zero_grad(set_to_none=True)
        for part, batch in enumerate(parts):
            torch.manual_seed(int(np.random.SeedSequence(plan.seed_of(step, part)).generate_state(1)[0]))
            with torch.autocast(self.device.type, torch.bfloat16, enabled=config.bf16):
                losses = self.stepper(batch.to(self.device), plan.epoch)
            share = len(batch.rows) / sum(len(other.rows) for other in parts)
            (losses["loss"] * share).backward()
            for name, value in losses.items():
                sums[name] = sums.get(name, torch.zeros(())) + value.detach().cpu() * share
        if not torch.isfinite(sums["loss"]):
            raise TrainingError(
                f"{self.folder.path}: the loss is {float(sums['loss'])} at step {step} of epoch {plan.epoch}; try a "
                "lower optimisation.learning_rate, or optimisation.gradient_clip=1"
            )
        if config.optimisation.gradient_clip:
            nn.utils.clip_grad_norm_(state.learner.parameters(), config.optimisation.gradient_clip)
        state.optimiser.step()
        update_average(state.average, state.learner, config.ema_decay, count)

    def _close_epoch(self, losses: Mapping[str, float]) -> None:
        """Validate, note, keep the best, save."""
        config, epoch = self.config, self.progress.epoch
        with _averaged(self.state):
            self.state.learner.eval()
            validation: Mapping[str, float] = {}
            if len(self.validation_pairs):
                validation = config.task.validate(self.state.learner, self.validation_pairs, self.device)
        value = self._judged(validation)
        better = value is None or self.progress.best is None or value > self.progress.best
        rate = self.state.optimiser.param_groups[0]["lr"]
        self.rows.append(
            {"epoch": epoch, "seconds": round(self.progress.seconds, 3), "learning_rate": rate, **losses, **validation}
        )
        self.progress = self._after(value, better)
        if self.world.is_first:
            if better:
                save_weights(self.folder.best, self.state.learner, self.state.average)
            self.folder.write_metrics(self.rows)
            plot_curves(self.rows, self.folder.curves)
            self._save()

    def _judged(self, validation: Mapping[str, float]) -> float | None:
        if not validation:
            return None
        if self.config.best_by not in validation:
            raise UsageError(f"best_by={self.config.best_by}: this task measures {', '.join(validation)}")
        return validation[self.config.best_by]

    def _after(self, value: float | None, better: bool) -> Progress:
        """The progress after a closed epoch, plateaus acted on."""
        now, plan = self.progress, self.config.optimisation
        stale = 0 if better else now.stale_epochs + 1
        scale = now.learning_rate_scale
        if plan.schedule == "plateau" and stale >= plan.plateau_epochs:
            stale, scale = 0, scale * plan.plateau_factor
        return replace(
            now,
            epoch=now.epoch + 1,
            step=0,
            sums={},
            best=value if better else now.best,
            best_epoch=now.epoch if better else now.best_epoch,
            stale_epochs=stale,
            learning_rate_scale=scale,
        )

    def _is_stale(self) -> bool:
        since_best = self.progress.epoch - 1 - self.progress.best_epoch
        return bool(self.config.patience) and self.progress.epoch > 0 and since_best >= self.config.patience

    def _save(self) -> None:
        if self.world.is_first:
            save_checkpoint(self.folder.last, self.state, self.progress)
        self.saved_at = time.monotonic()

    def _write_split(self) -> None:
        names = {"train": self.train_pairs.names, "validation": self.validation_pairs.names}
        write_text_atomically(self.folder.path / "split.json", json.dumps(names, indent=1) + "\n")

    def _finished(self, data: str) -> TrainResult:
        """Export the best weights with their description."""
        best = self.progress.best_epoch
        metrics = next((row for row in self.rows if row["epoch"] == best), self.rows[-1] if self.rows else {})
        load_weights(self.folder.best, self.state.learner)
        self.state.learner.eval()
        if self.world.is_first:
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
        return TrainResult(self.folder.path, self.folder.model, self.progress.epoch, best, metrics)


@contextmanager
def _averaged(state: State) -> Iterator[None]:
    """The learner with its averaged weights, for as long as the block lasts."""
    if not state.average:
        yield
        return
    weights = {
        name: value.detach().clone() for name, value in state.learner.named_parameters() if name in state.average
    }
    state.learner.load_state_dict(dict(state.average), strict=False)
    try:
        yield
    finally:
        state.learner.load_state_dict(weights, strict=False)
