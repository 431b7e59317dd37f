"""What the loop promises of any run: it learns, stops, clips, lowers its rate, refuses, and writes what it says."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.optim.optimizer import Optimizer, register_optimizer_step_pre_hook

from avmatch.core.errors import UsageError
from avmatch.data.items import Pairs
from avmatch.data.pairs import read_pairs
from avmatch.systems.registry import recipe, recipe_names
from avmatch.systems.two_tower.task import FeaturePairs, TwoTowers
from avmatch.training.config import Optimisation, TrainConfig, learning_rate
from avmatch.training.loop import TrainingError, train
from avmatch.training.run import load_weights
from avmatch.training.task import Batch
from learnable import small_run, small_task, write_pairs

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def exported(monkeypatch: pytest.MonkeyPatch) -> list[Pairs]:
    """The pairs that each export was given; graphs take seconds (tests/export)."""
    given: list[Pairs] = []
    monkeypatch.setattr(FeaturePairs, "export", lambda task, learner, pairs, folder, description: given.append(pairs))
    return given


def rows(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def fixed_validation(monkeypatch: pytest.MonkeyPatch, values: list[float]) -> None:
    """Validation that gives these values, one after another."""
    turns = iter(values)
    monkeypatch.setattr(FeaturePairs, "validate", lambda task, learner, pairs, device: {"recall@1": next(turns)})


def test_it_learns(tmp_path: Path, pairs_folder: Path) -> None:
    result = train(small_run(epochs=6), pairs_folder, tmp_path / "run", device="cpu")
    assert result.metrics["recall@5"] > 0.8  # by chance 5 / 16
    losses = [row["loss"] for row in rows(tmp_path / "run")]
    assert losses[-1] < losses[0] / 2


def test_bf16_learns(tmp_path: Path, pairs_folder: Path) -> None:
    result = train(small_run(epochs=6, bf16=True), pairs_folder, tmp_path / "run", device="cpu")
    assert result.metrics["recall@5"] > 0.8
    train(small_run(epochs=1), pairs_folder, tmp_path / "exact", device="cpu")
    assert rows(tmp_path / "run")[0]["loss"] != rows(tmp_path / "exact")[0]["loss"]  # it did compute otherwise
    assert rows(tmp_path / "run")[0]["loss"] == pytest.approx(rows(tmp_path / "exact")[0]["loss"], rel=0.05)


def test_what_a_run_leaves_behind(tmp_path: Path, pairs_folder: Path, exported: list[Pairs]) -> None:
    run = tmp_path / "run"
    result = train(small_run(epochs=2), pairs_folder, run, device="cpu", command="avmatch train it")
    assert {path.name.split(".")[0] or path.name for path in run.iterdir()} == {
        ".lock", "config", "command", "metrics", "curves", "events", "split", "last", "best",
    }  # fmt: skip
    assert (run / "command.txt").read_text() == "avmatch train it\n"
    split = json.loads((run / "split.json").read_text())
    assert len(split["validation"]) == len(exported[0]) == 16
    assert sorted(split["train"] + split["validation"]) == list(read_pairs(pairs_folder).names)
    assert result.metrics == rows(run)[result.best_epoch]


def test_tensorboard_sees_every_number_of_every_session(tmp_path: Path, pairs_folder: Path) -> None:
    run = tmp_path / "run"
    train(small_run(epochs=2), pairs_folder, run, device="cpu")
    train(small_run(epochs=3), pairs_folder, run, device="cpu", resume=True)
    assert len(list(run.glob("events.out.tfevents.*"))) == 2
    events = EventAccumulator(str(run))
    events.Reload()
    for name in rows(run)[0].keys() - {"epoch"}:
        found = [(event.step, event.value) for event in events.Scalars(name)]
        assert found == [(row["epoch"], pytest.approx(row[name])) for row in rows(run)], name


def test_an_epoch_done_again_replaces_its_events(tmp_path: Path, pairs_folder: Path) -> None:
    """Killed between the log and the checkpoint, an epoch is logged twice; TensorBoard keeps the later one."""
    run = tmp_path / "run"
    train(small_run(epochs=1), pairs_folder, run, device="cpu")
    first = (run / "last.safetensors").read_bytes()
    train(small_run(epochs=2), pairs_folder, run, device="cpu", resume=True)
    (run / "last.safetensors").write_bytes(first)
    train(small_run(epochs=2), pairs_folder, run, device="cpu", resume=True)
    events = EventAccumulator(str(run))
    events.Reload()
    assert [event.step for event in events.Scalars("loss")] == [0, 1]
    assert [row["epoch"] for row in rows(run)] == [0, 1]


@dataclass(frozen=True)
class Recorder:
    """The gradients with which the optimiser stepped first."""

    gradients: list[torch.Tensor]

    def __call__(self, optimiser: Optimizer, *arguments: object) -> None:
        parameters = [one for group in optimiser.param_groups for one in group["params"]]
        self.gradients.append(torch.cat([one.grad.flatten() for one in parameters if one.grad is not None]))


def gradients_of(config: TrainConfig, data: Path, run: Path) -> list[torch.Tensor]:
    recorder = Recorder([])
    handle = register_optimizer_step_pre_hook(recorder)
    try:
        train(replace(config, epochs=1), data, run, device="cpu")
    finally:
        handle.remove()
    return recorder.gradients


def test_a_batch_in_parts_has_the_gradient_of_the_whole(tmp_path: Path, pairs_folder: Path) -> None:
    config = small_run(small_task(dropout=0.0, norm="layer"))
    whole = gradients_of(config, pairs_folder, tmp_path / "whole")
    parts = gradients_of(replace(config, accumulate=3), pairs_folder, tmp_path / "parts")  # 32 = 11 + 11 + 10
    assert len(whole) == len(parts) == 4
    assert float((whole[0] - parts[0]).abs().max()) < 1e-5
    assert float(whole[0].norm()) > 0.1
    assert rows(tmp_path / "whole")[0]["loss"] == pytest.approx(rows(tmp_path / "parts")[0]["loss"], rel=1e-4)


def test_the_gradient_is_clipped(tmp_path: Path, pairs_folder: Path) -> None:
    free = gradients_of(small_run(), pairs_folder, tmp_path / "free")
    clipped = gradients_of(
        small_run(optimisation=Optimisation(learning_rate=5e-3, gradient_clip=0.1)), pairs_folder, tmp_path / "clipped"
    )
    assert float(free[0].norm()) > 0.2
    assert all(float(one.norm()) == pytest.approx(0.1, rel=1e-3) for one in clipped)


def test_patience_ends_a_run_and_the_best_is_kept(
    tmp_path: Path, pairs_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixed_validation(monkeypatch, [0.1, 0.3, 0.2, 0.3, 0.9])
    result = train(small_run(epochs=9, patience=2), pairs_folder, tmp_path / "run", device="cpu")
    assert (result.epochs, result.best_epoch, result.metrics["recall@1"]) == (4, 1, 0.3)
    best, last = (load_file(tmp_path / "run" / f"{name}.safetensors") for name in ("best", "last"))
    name = "learner/video.embed.weight"
    assert not torch.equal(best[name], last[name])
    patient = train(
        small_run(epochs=5, patience=9), pairs_folder, tmp_path / "run", device="cpu", resume=True
    )  # more patience was allowed
    assert (patient.epochs, patient.best_epoch) == (5, 4)


def test_a_plateau_lowers_the_rate(tmp_path: Path, pairs_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fixed_validation(monkeypatch, [0.5, 0.4, 0.4, 0.6, 0.4, 0.4, 0.4])
    slow = Optimisation(learning_rate=0.01, schedule="plateau", plateau_epochs=2, plateau_factor=0.5)
    train(small_run(optimisation=slow, epochs=7), pairs_folder, tmp_path / "run", device="cpu")
    rates = [row["learning_rate"] for row in rows(tmp_path / "run")]
    assert rates == [0.01, 0.01, 0.01, 0.005, 0.005, 0.005, 0.0025]


def test_learning_rates() -> None:
    cosine = Optimisation(learning_rate=1.0, schedule="cosine", warmup_steps=4)
    assert [learning_rate(cosine, step, 12, 1.0) for step in (0, 3, 4, 8, 12)] == pytest.approx([0.25, 1, 1, 0.5, 0])
    assert learning_rate(Optimisation(learning_rate=2.0), 5, 10, 1.0) == 2.0


def test_no_number_for_a_loss_ends_the_run_and_the_checkpoint_stays(tmp_path: Path, pairs_folder: Path) -> None:
    train(small_run(epochs=1), pairs_folder, tmp_path / "run", device="cpu")
    before = (tmp_path / "run" / "last.safetensors").read_bytes()
    config = small_run(epochs=2, checkpoint_seconds=0.0)

    def spoil(learner: nn.Module, arguments: object, losses: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {name: value * float("nan") for name, value in losses.items()} if "loss" in losses else losses

    handle = nn.modules.module.register_module_forward_hook(
        lambda module, arguments, output: spoil(module, arguments, output) if isinstance(output, dict) else None
    )
    try:
        with pytest.raises(TrainingError, match=r"the loss became nan in epoch 1, by step 1; .*lower optimisation"):
            train(config, pairs_folder, tmp_path / "run", device="cpu", resume=True)
    finally:
        handle.remove()
    assert (tmp_path / "run" / "last.safetensors").read_bytes() == before


def test_no_epochs_export_what_there_is(tmp_path: Path, pairs_folder: Path, exported: list[Pairs]) -> None:
    result = train(small_run(epochs=0), pairs_folder, tmp_path / "run", device="cpu")
    assert len(exported) == len(rows(tmp_path / "run")) == 1
    assert set(result.metrics) >= {"recall@1", "recall@5"}
    train(small_run(epochs=0), pairs_folder, tmp_path / "run", device="cpu", resume=True)
    assert len(exported) == 2
    assert len(rows(tmp_path / "run")) == 1


def test_nothing_held_back(tmp_path: Path, pairs_folder: Path, exported: list[Pairs]) -> None:
    result = train(small_run(epochs=2, validation_share=0.0), pairs_folder, tmp_path / "run", device="cpu")
    assert result.best_epoch == 1
    assert "recall@1" not in result.metrics
    assert len(exported[0]) == 160
    best, last = (load_file(tmp_path / "run" / f"{name}.safetensors") for name in ("best", "last"))
    assert all(torch.equal(best[name], last[name]) for name in best)


def test_three_pairs_are_enough(tmp_path: Path) -> None:
    result = train(small_run(epochs=1), write_pairs(tmp_path / "few", 3), tmp_path / "run", device="cpu")
    assert result.metrics["recall@1"] == 1.0  # a gallery of one


def test_two_pairs_are_not(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="negatives come from other recordings, but the 1 items have 1"):
        train(small_run(epochs=1), write_pairs(tmp_path / "few", 2), tmp_path / "run", device="cpu")


def test_a_folder_in_use_is_refused(tmp_path: Path, pairs_folder: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="not empty; go on with --resume, or name another folder"):
        train(small_run(), pairs_folder, tmp_path / "run", device="cpu")
    with pytest.raises(UsageError, match=r"no run to resume \(no config.json\)"):
        train(small_run(), pairs_folder, tmp_path / "run", device="cpu", resume=True)
    with pytest.raises(UsageError, match="is a file; name a folder"):
        train(small_run(), pairs_folder, tmp_path / "run" / "letter.txt", device="cpu")


def test_other_settings_are_refused_by_name(tmp_path: Path, pairs_folder: Path) -> None:
    train(small_run(epochs=1), pairs_folder, tmp_path / "run", device="cpu")
    other = replace(small_run(small_task(dropout=0.4)), seed=3)
    with pytest.raises(UsageError, match=r"\(seed 0 → 3, task.audio.dropout 0.1 → 0.4, task.video.dropout 0.1 → 0.4\)"):
        train(other, pairs_folder, tmp_path / "run", device="cpu", resume=True)


def test_the_first_metric_that_is_measured_chooses(tmp_path: Path, pairs_folder: Path) -> None:
    one = train(small_run(best_by="recall@50 recall@5"), pairs_folder, tmp_path / "one", device="cpu")
    other = train(small_run(best_by="recall@5"), pairs_folder, tmp_path / "other", device="cpu")
    assert (one.best_epoch, one.metrics["recall@5"]) == (other.best_epoch, other.metrics["recall@5"])


@pytest.mark.parametrize(("figures", "best"), [([math.nan, 0.2, 0.1], 1), ([0.3, math.nan, 0.1], 0)])
def test_a_figure_that_is_no_number_chooses_nothing(
    tmp_path: Path, pairs_folder: Path, monkeypatch: pytest.MonkeyPatch, figures: list[float], best: int
) -> None:
    turns = iter(figures)
    monkeypatch.setattr(FeaturePairs, "validate", lambda *given: {"recall@1": next(turns), "recall@5": math.nan})
    run = train(small_run(epochs=3, best_by="recall@5 recall@1"), pairs_folder, tmp_path / "run", device="cpu")
    assert run.best_epoch == best


def test_an_unknown_best_by_is_refused(tmp_path: Path, pairs_folder: Path) -> None:
    known = "recall@1, recall@5, recall@50, median_rank"
    with pytest.raises(UsageError, match=f"best_by=recall@2: this task measures {known}"):
        train(small_run(best_by="recall@2"), pairs_folder, tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()  # nothing was trained before


def test_a_metric_that_the_data_do_not_give_is_refused(tmp_path: Path, pairs_folder: Path) -> None:
    with pytest.raises(UsageError, match="best_by=recall@50: this task measures recall@1, recall@5, median_rank"):
        train(small_run(best_by="recall@50"), pairs_folder, tmp_path / "run", device="cpu")


@pytest.mark.parametrize("name", recipe_names())
def test_each_recipe_is_judged_by_what_its_task_measures(name: str) -> None:
    config = recipe(name)
    assert set(config.best_by.split()) <= set(config.task.metrics)


def test_a_loss_that_comes_in_some_steps_has_the_mean_of_these(
    tmp_path: Path, pairs_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, turns = TwoTowers.forward, itertools.count()

    def sometimes(learner: TwoTowers, batch: Batch, epoch: int) -> dict[str, torch.Tensor]:
        odd = {"odd": torch.tensor(3.0)} if next(turns) % 2 else {}
        return forward(learner, batch, epoch) | odd

    monkeypatch.setattr(TwoTowers, "forward", sometimes)
    train(small_run(epochs=1), pairs_folder, tmp_path / "run", device="cpu")
    assert next(turns) > 3
    assert rows(tmp_path / "run")[0]["odd"] == 3.0


def test_the_best_weights_know_their_epoch(tmp_path: Path, pairs_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fixed_validation(monkeypatch, [0.1, 0.3, 0.2])
    found = train(small_run(), pairs_folder, tmp_path / "run", device="cpu")
    learner = small_task().learner(read_pairs(pairs_folder), 0)
    assert load_weights(tmp_path / "run" / "best.safetensors", learner) == found.best_epoch == 1


def test_the_average_of_the_weights_is_what_is_judged_and_kept(
    tmp_path: Path, pairs_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = []
    monkeypatch.setattr(
        FeaturePairs,
        "validate",
        lambda task, learner, pairs, device: kept.append(learner.video.embed.weight.clone()) or {"recall@1": len(kept)},
    )
    train(small_run(epochs=2, ema_decay=0.9), pairs_folder, tmp_path / "run", device="cpu")
    best, last = (load_file(tmp_path / "run" / f"{name}.safetensors") for name in ("best", "last"))
    assert torch.equal(best["learner/video.embed.weight"], kept[-1])
    assert torch.equal(best["learner/video.embed.weight"], last["average/video.embed.weight"])
    assert not torch.equal(best["learner/video.embed.weight"], last["learner/video.embed.weight"])


def test_a_batch_is_cut_in_equal_parts() -> None:
    numbers = torch.arange(7)
    batch = Batch(numbers[:, None, None].float(), numbers[:, None, None].float(), numbers, numbers)
    assert [part.rows.tolist() for part in batch.split(3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [part.video.flatten().tolist() for part in batch.split(1)] == [list(np.arange(7.0))]
    assert len(list(batch.split(20))) == 7
    assert batch.to(CPU) is batch
