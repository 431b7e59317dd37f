"""The folder of a run: when it may be started, and gone on with."""

import json
from dataclasses import replace

import pytest

from avmatch.core.errors import UsageError
from avmatch.systems.registry import recipe
from avmatch.training.run import RunFolder

CONFIG = recipe("two_tower")
OTHER = replace(CONFIG, batch_size=7)


@pytest.fixture
def folder(tmp_path):
    """A run that was started and has learned nothing yet."""
    folder = RunFolder(tmp_path / "run")
    assert not folder.open(CONFIG, "avmatch train two_tower", resume=False)
    return folder


def test_other_settings_are_refused_once_something_was_learned(folder):
    folder.last.write_bytes(b"weights")
    assert folder.open(replace(CONFIG, epochs=99), "", resume=True)
    with pytest.raises(UsageError, match=r"was started with other settings \(batch_size 32 → 7\)"):
        folder.open(OTHER, "", resume=True)


@pytest.mark.parametrize("resume", [False, True])
def test_a_run_whose_data_did_not_fit_may_change_its_settings(folder, resume):
    assert not folder.open(OTHER, "avmatch train --set batch_size=7", resume=resume)
    assert json.loads((folder.path / "config.json").read_text())["batch_size"] == 7
    assert (folder.path / "command.txt").read_text() == "avmatch train --set batch_size=7\n"


def test_what_a_run_holds_is_not_overwritten(folder):
    (folder.path / "split.json").write_text("{}")
    with pytest.raises(UsageError, match="not empty; go on with --resume"):
        folder.open(CONFIG, "", resume=False)


def test_two_processes_do_not_train_in_one_folder(folder, monkeypatch):
    monkeypatch.setattr("avmatch.training.run.PATIENCE_SECONDS", 0.1)
    with folder.held(), pytest.raises(UsageError, match="another process trains there; wait for it"):
        other_holds(folder)
    other_holds(folder)


def other_holds(folder):
    """As another process would: the lock is the file's, not the object's."""
    with RunFolder(folder.path).held():
        pass
