"""The worked example of docs/tour.md is a whole system: it trains, exports, matches and is measured."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

import avmatch
from avmatch.evaluation.retrieval import Protocol
from avmatch.pipelines.evaluate import evaluate_retrieval
from avmatch.pipelines.train import train_recipe
from avmatch.systems.registry import SYSTEMS, recipe_names

TOUR = Path(__file__).parents[2] / "docs" / "tour.md"
LARGEST = 150


def written(folder: Path) -> int:
    """Write the example's files; how many lines of code they have."""
    blocks = re.findall(r"```python\n# pulse/(\w+\.py)\n(.*?)```", TOUR.read_text(encoding="utf-8"), re.S)
    assert {"__init__.py", "recipe.py", "task.py", "model.py", "runtime.py", "evaluate.py"} == {
        name for name, _ in blocks
    }
    package = folder / "pulse"
    package.mkdir()
    for name, code in blocks:
        (package / name).write_text(code, encoding="utf-8")
    return sum(bool(line.strip()) for _, code in blocks for line in code.splitlines())


@pytest.fixture
def pulse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The system, registered by its one line."""
    num_lines = written(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(SYSTEMS, "pulse", "pulse")
    yield num_lines
    for name in [name for name in sys.modules if name.partition(".")[0] == "pulse"]:
        del sys.modules[name]


def test_a_system_is_added_by_a_folder_and_a_line(tmp_path: Path, pulse: int):
    assert pulse <= LARGEST
    assert "pulse" in recipe_names()
    clips = tmp_path / "clips"
    config = avmatch.SynthConfig(num_scenes=8, duration_seconds=3.0, kinds=("drums", "balls"), seed=1)
    avmatch.synthesise(clips, config)
    run = tmp_path / "run"
    settings = ["batch_size=4", "validation_share=0.25"]
    assert train_recipe("pulse", clips / "truth.csv", run, settings=settings, epochs=2, device="cpu").epochs == 2
    matched = avmatch.match(clips / "videos", clips / "audio", model=run)
    assert "pulse" in str(matched.settings)
    assert len(matched.matches) > 0
    measured = evaluate_retrieval([run], clips / "truth.csv", Protocol(ks=(1,), subset=0, draws=10))
    assert np.isfinite(measured.rows[0].scores.video_to_audio.median_rank)
