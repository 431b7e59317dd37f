"""Fixtures shared by all rooms."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import hypothesis
import jaxtyping
import pytest

import runtime_types
from shared_files import SHARED as SHARED_FOLDER

jaxtyping.jaxtyped = runtime_types.jaxtyped  # before anything of avmatch is imported

# Tiny networks and pictures: several threads wait for each other, on a busy machine 50 times as long as they compute.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")

# Timings are never asserted: a busy machine is no fault of the code. The same examples every time, so that a run that
# fails can be repeated; HYPOTHESIS_PROFILE=explore looks for new ones.
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=3000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

SHARED = SHARED_FOLDER / "data"
#: Folders whose tests train, render, start programs or open a browser, but these files: `make test` leaves them out.
SLOW_FOLDERS = frozenset({"end_to_end", "evaluation", "synth", "systems", "training", "web"})
QUICK_FILES = frozenset({"end_to_end/test_import.py", "end_to_end/test_match.py", "end_to_end/test_sync.py"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        place = item.path.relative_to(Path(__file__).parent)
        if place.parts[0] in SLOW_FOLDERS and place.as_posix() not in QUICK_FILES:
            item.add_marker(pytest.mark.slow)
    if not SHARED.is_dir():
        for item in items:
            if item.get_closest_marker("shared"):
                item.add_marker(pytest.mark.skip(reason=f"no development clips in {SHARED}"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of the development clips; only for tests marked `shared`."""
    return SHARED


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every kind of good, odd and broken media file, made by tests/data/make_data.py."""
    spec = importlib.util.spec_from_file_location("make_data", Path(__file__).parent / "data" / "make_data.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("media")
    module.make_all(folder)
    return folder


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
