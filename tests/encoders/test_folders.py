"""What MODEL may be: a run, an exported folder, the name of a shipped model."""

import pytest

from avmatch.core.errors import ModelError
from avmatch.encoders import folders
from avmatch.encoders.folders import model_folder, shipped_models
from clip_models import write_clip_model


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """Two models that come with the package."""
    monkeypatch.setattr(folders, "WEIGHTS", tmp_path / "weights")
    for name in ("lips", "drums"):
        write_clip_model(tmp_path / "weights" / name)
    (tmp_path / "weights" / "README").mkdir()
    return tmp_path / "weights"


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_an_exported_folder_and_a_run_are_found(tmp_path, kind):
    model = write_clip_model(tmp_path / "run" / "model")
    assert model_folder(kind(model)) == model
    assert model_folder(kind(tmp_path / "run")) == model


def test_a_shipped_model_goes_by_its_name(shipped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shipped_models() == ("drums", "lips")
    assert model_folder("lips") == shipped / "lips"


def test_what_lies_here_goes_before_what_is_shipped(shipped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mine = write_clip_model(tmp_path / "lips")
    assert model_folder("lips").resolve() == mine


@pytest.mark.parametrize("wrong", ["nose", "elsewhere/lips", "README"])
def test_what_is_no_model_is_told_with_what_ships(shipped, tmp_path, monkeypatch, wrong):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=rf"{wrong}: no model there; .*a shipped model \(drums, lips\)"):
        model_folder(wrong)


def test_without_shipped_models_the_message_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "WEIGHTS", tmp_path / "weights")
    with pytest.raises(ModelError, match=r"a shipped model \(none so far\)"):
        model_folder("lips")


def test_a_run_without_a_model_is_told_to_go_on(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"has no exported model yet; finish it with `avmatch train … --resume`"):
        model_folder(tmp_path)
