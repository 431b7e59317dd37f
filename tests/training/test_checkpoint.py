"""A checkpoint gives back every bit, and nothing else is taken for one."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import avmatch.training
from avmatch.core.errors import ModelError
from avmatch.training.config import Optimisation
from avmatch.training.run import Position, State, load_weights, save_weights

PROGRESS = Position(2, 5, 12.5, 0.25, 1, 0.1, 2, {"loss": 3.5})


def started(optimiser: str, seed: int = 0, width: int = 4) -> State:
    torch.manual_seed(seed)
    learner = nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Linear(width, 2))
    settings = Optimisation(optimiser, learning_rate=0.1, weight_decay=0.01)
    return State.started(learner, settings, 0.9)


def go_on(state: State, num_steps: int) -> None:
    for step in range(num_steps):
        state.optimiser.zero_grad()
        batch = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
        state.learner(batch).square().mean().backward()
        state.optimiser.step()
        state.update_average(0.9, step)


@pytest.mark.parametrize("optimiser", ["adam", "adamw", "sgd"])
def test_a_state_goes_on_from_its_file(tmp_path: Path, optimiser: str) -> None:
    state, other = started(optimiser), started(optimiser, seed=1)
    go_on(state, 3)
    state.begun.update(deepcopy(state.learner.state_dict()))
    state.save(tmp_path / "last.safetensors", PROGRESS)
    assert other.load(tmp_path / "last.safetensors") == PROGRESS
    for one in (state, other):
        go_on(one, 3)
    for ours, theirs in (
        (state.learner.state_dict(), other.learner.state_dict()),
        (state.average, other.average),
        (state.begun, other.begun),
    ):
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_without_its_optimiser_it_would_not(tmp_path: Path) -> None:
    """The test above can fail."""
    state, other = started("adam"), started("adam", seed=1)
    go_on(state, 3)
    state.save(tmp_path / "last.safetensors", PROGRESS)
    other.load(tmp_path / "last.safetensors")
    other.optimiser.state.clear()
    for one in (state, other):
        go_on(one, 3)
    assert not torch.equal(state.learner[0].weight, other.learner[0].weight)


def test_weights_alone_are_the_averaged_ones(tmp_path: Path) -> None:
    state, other = started("sgd"), started("sgd", seed=1)
    go_on(state, 3)
    save_weights(tmp_path / "best.safetensors", state.learner, state.average, 3)
    assert load_weights(tmp_path / "best.safetensors", other.learner) == 3
    assert torch.equal(other.learner[0].weight, state.average["0.weight"])
    assert not torch.equal(other.learner[0].weight, state.learner[0].weight)
    assert torch.equal(other.learner[1].running_mean, state.learner[1].running_mean)


def test_damaged_and_foreign_files_are_told(tmp_path: Path) -> None:
    path, state = tmp_path / "last.safetensors", started("adam")
    go_on(state, 1)
    state.save(path, PROGRESS)
    whole = path.read_bytes()
    for size in (0, 4, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ModelError, match="not a readable checkpoint"):
            state.load(path)
    with pytest.raises(ModelError, match=r"missing\.safetensors: not a readable checkpoint"):
        state.load(tmp_path / "missing.safetensors")
    save_file({"x": torch.zeros(2)}, path)
    with pytest.raises(ModelError, match="not a checkpoint of this recipe"):
        state.load(path)
    with pytest.raises(ModelError, match="not the weights of this recipe"):
        load_weights(path, state.learner)
    for metadata in ("no JSON", "[]"):
        save_file({"x": torch.zeros(2)}, path, {"avmatch": metadata})
        with pytest.raises(ModelError, match="not a readable checkpoint"):
            state.load(path)


def test_weights_alone_are_no_checkpoint(tmp_path: Path) -> None:
    state = started("adam")
    save_weights(tmp_path / "best.safetensors", state.learner, state.average, 0)
    with pytest.raises(ModelError, match="not a checkpoint of this recipe"):
        state.load(tmp_path / "best.safetensors")


def test_a_checkpoint_of_other_sizes_is_told(tmp_path: Path) -> None:
    started("adam").save(tmp_path / "last.safetensors", PROGRESS)
    with pytest.raises(ModelError, match="not a checkpoint of this recipe"):
        started("adam", width=5).load(tmp_path / "last.safetensors")


def test_nothing_is_pickled() -> None:
    folder = Path(avmatch.training.__file__).parent
    sources = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.py")}
    assert "run.py" in sources
    for name, text in sources.items():
        assert "torch.load" not in text, name
        assert "torch.save" not in text, name
        assert "import pickle" not in text, name
