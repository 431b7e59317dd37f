"""Killed in the middle of an epoch and resumed, a run ends with the bits of one that was left in peace."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from avmatch.core.errors import UsageError
from avmatch.data.negatives import Curriculum, NegativeMix
from avmatch.systems.two_tower.augmentation import FeatureAugmentation
from avmatch.systems.two_tower.task import ClusterTask, FeaturePairs
from avmatch.training.batches import Plan
from avmatch.training.config import Optimisation, TrainConfig
from avmatch.training.loop import train
from learnable import small_run, small_task, write_pairs
from processes import ended, started, train_and_die, train_quietly

SHAKEN = FeatureAugmentation(
    shift_probability=0.5, max_shift_steps=2, drop_probability=0.5, noise_probability=0.5, noise_snr_db=(0.0, 10.0)
)
RICH = small_run(
    small_task(dropout=0.3, video_augmentation=SHAKEN, audio_augmentation=SHAKEN, clusters=ClusterTask(4, epochs=2)),
    Optimisation(learning_rate=5e-3, schedule="plateau", plateau_epochs=1, gradient_clip=1.0, warmup_steps=3),
    ema_decay=0.9,
    accumulate=2,
    epochs=4,
)
HARD = small_run(small_task(curriculum=Curriculum(((0, NegativeMix()), (1, NegativeMix(uniform=1.0, hard=3.0))))))
MIXED = small_run(
    small_task(loss="in_batch", mixup=0.4), Optimisation("sgd", learning_rate=0.1, schedule="cosine"), num_workers=2
)


@pytest.fixture(autouse=True)
def _no_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs take seconds, and follow from the weights (tests/export)."""
    monkeypatch.setattr(FeaturePairs, "export", lambda *arguments: None)


def outcome(run: Path) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor], list[dict[str, float]]]:
    """What must not depend on interruptions."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in rows]
    return load_file(run / "best.safetensors"), load_file(run / "last.safetensors"), rows


def differing(first: Path, second: Path) -> list[str]:
    """The names of all that differs between two runs, to the bit."""
    found = []
    for ours, theirs in zip(outcome(first)[:2], outcome(second)[:2], strict=True):
        assert ours.keys() == theirs.keys()
        found += [name for name in ours if not torch.equal(ours[name], theirs[name])]
    return found + (["metrics"] if outcome(first)[2] != outcome(second)[2] else [])


def often(config: TrainConfig) -> TrainConfig:
    """With a checkpoint after each step."""
    return replace(config, checkpoint_seconds=0.0)


@pytest.mark.parametrize(
    ("config", "dying_call"),
    [(RICH, 7), (HARD, 8), (MIXED, 6)],
    ids=["dropout, augmentation, clusters, EMA, plateau", "hard negatives", "mixup, SGD, cosine, two workers"],
)
def test_a_killed_run_goes_on_as_if_nothing_had_been(
    tmp_path: Path, pairs_folder: Path, config: TrainConfig, dying_call: int
) -> None:
    train(config, pairs_folder, tmp_path / "whole", device="cpu")
    assert ended(started(train_and_die, often(config), pairs_folder, tmp_path / "cut", dying_call)) == -signal.SIGKILL
    assert json.loads(_metadata(tmp_path / "cut"))["progress"]["step"] > 0  # within an epoch
    train(often(config), pairs_folder, tmp_path / "cut", device="cpu", resume=True)
    assert differing(tmp_path / "whole", tmp_path / "cut") == []


def test_killed_from_outside_at_any_moment(tmp_path: Path, pairs_folder: Path) -> None:
    config = small_run(epochs=16)
    process = started(train_quietly, often(config), pairs_folder, tmp_path / "cut")
    deadline = time.monotonic() + 60
    while len(_lines(tmp_path / "cut")) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert ended(process) == -signal.SIGKILL
    assert 2 <= len(_lines(tmp_path / "cut")) < 16
    train(config, pairs_folder, tmp_path / "cut", device="cpu", resume=True)
    train(config, pairs_folder, tmp_path / "whole", device="cpu")
    assert differing(tmp_path / "whole", tmp_path / "cut") == []


class Cut(Exception):
    """The end of a session, for tests in one process."""


def cut_and_resume(config: TrainConfig, data: Path, run: Path) -> None:
    calls = count(1)

    def cut(stage: str, done: int, total: int) -> None:
        if next(calls) == 7:
            raise Cut

    with pytest.raises(Cut):
        train(often(config), data, run, device="cpu", progress=cut)
    train(config, data, run, device="cpu", resume=True)


def test_the_equality_would_fail_if_steps_were_not_seeded(
    tmp_path: Path, pairs_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Plan, "seed_of", lambda plan, step: [time.monotonic_ns()])
    train(small_run(), pairs_folder, tmp_path / "whole", device="cpu")
    cut_and_resume(small_run(), pairs_folder, tmp_path / "cut")
    assert "learner/video.embed.weight" in differing(tmp_path / "whole", tmp_path / "cut")


def test_the_equality_would_fail_if_hard_negatives_were_those_of_the_weights_at_the_cut(
    tmp_path: Path, pairs_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def source(run: object) -> object:
        return run.config.task.source(run.train_pairs, run.state.learner, run.device)

    monkeypatch.setattr("avmatch.training.loop._Run._source", source)
    train(HARD, pairs_folder, tmp_path / "whole", device="cpu")
    cut_and_resume(HARD, pairs_folder, tmp_path / "cut")
    assert "learner/video.embed.weight" in differing(tmp_path / "whole", tmp_path / "cut")


@pytest.fixture
def listening() -> Iterator[None]:
    """To Ctrl-C, even where the tests were started in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("listening")
def test_ctrl_c_leaves_a_checkpoint_of_the_step(tmp_path: Path, pairs_folder: Path) -> None:
    calls = count(1)

    def press(stage: str, done: int, total: int) -> None:
        if next(calls) == 6:
            os.kill(os.getpid(), signal.SIGINT)

    config = small_run()
    with pytest.raises(KeyboardInterrupt):
        train(config, pairs_folder, tmp_path / "cut", device="cpu", progress=press)
    assert json.loads(_metadata(tmp_path / "cut"))["progress"] | {"seconds": 0, "sums": {}, "best": 0} == {
        "epoch": 1, "step": 2, "seconds": 0, "best": 0, "best_epoch": 0,
        "learning_rate_scale": 1.0, "stale_epochs": 0, "sums": {},
        "counts": {"loss": 2.0, "match_loss": 2.0},
    }  # fmt: skip
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    train(config, pairs_folder, tmp_path / "cut", device="cpu", resume=True)
    train(config, pairs_folder, tmp_path / "whole", device="cpu")
    assert differing(tmp_path / "whole", tmp_path / "cut") == []


@pytest.mark.usefixtures("listening")
def test_a_second_ctrl_c_does_not_wait(tmp_path: Path, pairs_folder: Path) -> None:
    def press_twice(stage: str, done: int, total: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("still here")

    with pytest.raises(KeyboardInterrupt):
        train(small_run(), pairs_folder, tmp_path / "run", device="cpu", progress=press_twice)
    assert not (tmp_path / "run" / "last.safetensors").exists()


def test_a_resumed_run_may_go_further(tmp_path: Path, pairs_folder: Path) -> None:
    train(small_run(epochs=1), pairs_folder, tmp_path / "longer", device="cpu")
    result = train(small_run(), pairs_folder, tmp_path / "longer", device="cpu", resume=True)
    assert result.epochs == 3
    assert json.loads((tmp_path / "longer" / "config.json").read_text())["epochs"] == 3
    train(small_run(), pairs_folder, tmp_path / "whole", device="cpu")
    assert differing(tmp_path / "whole", tmp_path / "longer") == []


def test_resuming_on_other_data_is_refused(tmp_path: Path, pairs_folder: Path) -> None:
    train(small_run(epochs=1), pairs_folder, tmp_path / "run", device="cpu")
    with pytest.raises(UsageError, match=r"started on other data \(split.json differs\)"):
        train(small_run(), write_pairs(tmp_path / "other", 80), tmp_path / "run", device="cpu", resume=True)


def _metadata(run: Path) -> str:
    from safetensors import safe_open

    with safe_open(run / "last.safetensors", framework="pt") as file:
        return file.metadata()["avmatch"]


def _lines(run: Path) -> list[str]:
    path = run / "metrics.jsonl"
    return path.read_text().splitlines() if path.is_file() else []
