"""Two processes are one: losses, gradients and whole runs equal those of a single process on the same global batch.

Gradients are compared in float64: in float32 sums in another order differ by their rounding, about 1e-6 here.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from avmatch.core.errors import UsageError
from avmatch.data.items import Pairs
from avmatch.data.pairs import read_pairs
from avmatch.systems.two_tower import task as feature_pairs
from avmatch.systems.two_tower.task import ClusterTask, FeaturePairs
from avmatch.training.config import TrainConfig
from avmatch.training.distributed import PeerError, first_alone, pick_device, world
from avmatch.training.loop import train
from avmatch.training.task import Batch
from learnable import small_run, small_task
from processes import run_together, train_quietly

TASKS = {
    "in_batch": small_task(dropout=0.0, norm="layer", loss="in_batch"),
    "sampled": small_task(dropout=0.0, norm="layer", clusters=ClusterTask(4)),
}
CPU = torch.device("cpu")


def global_batch(task: FeaturePairs, data: Path) -> tuple[torch.nn.Module, Batch]:
    """A learner, and the batch that all processes see together, in float64; its recordings come twice each."""
    pairs = read_pairs(data)
    torch.manual_seed(0)
    learner = task.learner(pairs, 0)
    batch = task.source(pairs, learner, CPU)(np.arange(16), 0, np.random.default_rng(0))
    negatives = None if batch.negatives is None else batch.negatives.double()
    return learner.double(), Batch(batch.video.double(), batch.audio.double(), batch.rows, batch.rows // 2, negatives)


def gradients(learner: torch.nn.Module, loss: Tensor) -> dict[str, Tensor]:
    loss.backward()
    found = {name: value.grad for name, value in learner.named_parameters() if value.grad is not None}
    return found | {"loss": loss.detach().clone()}


def share_of_step(kind: str, data: Path, out: Path, is_broken: bool = False) -> None:
    """One process's share; the first writes the gradients and the mean of the losses."""
    if is_broken:
        feature_pairs.gathered = feature_pairs.gathered_constant = lambda values: values
    with world(CPU) as everybody:
        learner, batch = global_batch(TASKS[kind], data)
        stepper = DistributedDataParallel(learner, find_unused_parameters=True)
        own = list(batch.split(everybody.size))[everybody.rank]
        found = gradients(learner, stepper(own, 0)["loss"])
        found["loss"] = torch.stack(everybody.everybodys(found["loss"])).mean()
        if everybody.is_first:
            save_file(found, out)


def furthest(kind: str, data: Path, out: Path) -> float:
    """The largest difference between one process's gradients and what several wrote."""
    learner, batch = global_batch(TASKS[kind], data)
    ours, theirs = gradients(learner, learner(batch, 0)["loss"]), load_file(out)
    assert ours.keys() == theirs.keys()
    assert max(float(value.abs().max()) for value in ours.values()) > 0.1
    return max(float((ours[name] - theirs[name]).abs().max()) for name in ours)


@pytest.mark.parametrize("kind", TASKS)
def test_loss_and_gradients_are_those_of_one_process(tmp_path: Path, pairs_folder: Path, kind: str) -> None:
    run_together(share_of_step, kind, pairs_folder, tmp_path / "found")
    assert furthest(kind, pairs_folder, tmp_path / "found") < 1e-12


def test_without_the_gathering_they_are_not(tmp_path: Path, pairs_folder: Path) -> None:
    run_together(share_of_step, "in_batch", pairs_folder, tmp_path / "found", True)
    assert furthest("in_batch", pairs_folder, tmp_path / "found") > 1e-2


def test_a_whole_run_of_two_is_that_of_one(tmp_path: Path, pairs_folder: Path) -> None:
    config = small_run(TASKS["in_batch"], ema_decay=0.9, epochs=2)
    run_together(train_quietly, config, pairs_folder, tmp_path / "two")
    train(config, pairs_folder, tmp_path / "one", device="cpu")
    ours, theirs = (load_file(tmp_path / run / "best.safetensors") for run in ("one", "two"))
    assert max(float((ours[name] - theirs[name]).abs().max()) for name in ours) < 1e-4
    rows = [
        [json.loads(line) for line in (tmp_path / run / "metrics.jsonl").read_text().splitlines()]
        for run in ("one", "two")
    ]
    for one, two in zip(*rows, strict=True):
        assert two["loss"] == pytest.approx(one["loss"], abs=1e-4)
        assert two["recall@5"] == pytest.approx(one["recall@5"], abs=0.1)
    assert sorted(path.name for path in (tmp_path / "two" / "model").iterdir()) == [
        "audio.onnx",
        "card.md",
        "video.onnx",
    ]
    assert len(list((tmp_path / "two").glob("events.out*"))) == 1  # the first process alone writes


def test_two_with_batch_statistics_and_patience_agree_on_when_to_stop(tmp_path: Path, pairs_folder: Path) -> None:
    """Statistics differ between processes, so that each alone would find another best; nobody waits forever."""
    config = small_run(epochs=4, patience=1)
    run_together(train_quietly, config, pairs_folder, tmp_path / "run")
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    recalls = [row["recall@1"] for row in rows]
    assert len(rows) == 4 or recalls[-1] <= max(recalls[:-1])
    assert (tmp_path / "run" / "model" / "card.md").is_file()


def fail_at(place: str, failing: int, config: TrainConfig, data: Path, out: Path) -> None:
    """One process's share of a run in which the rank `failing` fails; each writes its error and when it came."""
    rank = int(os.environ["RANK"])

    def fail(*arguments: object) -> None:
        if rank == failing:
            raise OSError("the disk is full")

    def read(task: FeaturePairs, *arguments: object) -> Pairs:
        with first_alone():
            fail()
        return read_pairs(data)

    if place == "read":
        feature_pairs.FeaturePairs.read = read
    if place == "validate":
        feature_pairs.FeaturePairs.validate = fail
    with pytest.raises((OSError, PeerError)) as caught:
        train(config, data, out / "run", device="cpu", progress=fail if place == "step" else None)
    (out / str(rank)).write_text(f"{time.monotonic()} {caught.type.__name__}: {caught.value}")


@pytest.mark.parametrize(("place", "failing"), [("read", 0), ("validate", 0), ("step", 0), ("step", 1)])
def test_a_rank_that_fails_ends_the_others_with_its_error(
    tmp_path: Path, pairs_folder: Path, place: str, failing: int
) -> None:
    run_together(fail_at, place, failing, small_run(TASKS["in_batch"], epochs=2), pairs_folder, tmp_path)
    ended_with = {rank: (tmp_path / str(rank)).read_text().split(" ", 1) for rank in (failing, 1 - failing)}
    assert ended_with[failing][1] == "OSError: the disk is full"
    if (place, failing) == ("step", 0):  # the others notice in the step, when the store that rank 0 hosts is gone
        assert ended_with[1][1].startswith("PeerError: rank 0 ended")
    else:
        assert ended_with[1 - failing][1] == f"PeerError: rank {failing} failed: OSError: the disk is full"
    assert abs(float(ended_with[0][0]) - float(ended_with[1][0])) < 10


def test_devices_are_named() -> None:
    assert pick_device("cpu") == CPU
    with pytest.raises(UsageError, match="one of auto, cpu, cuda, got 'gpu'"):
        pick_device("gpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there() -> None:
    assert pick_device("auto") == CPU
    with pytest.raises(UsageError, match="no CUDA device here; train with --device cpu"):
        pick_device("cuda")
