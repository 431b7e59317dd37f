"""What MODEL may be: a run, an exported folder, the name of a shipped model."""

import pytest

from avmatch.artifacts import model as artifacts
from avmatch.artifacts.model import open_model, shipped_models
from avmatch.core.errors import ModelError
from avmatch.pipelines.classify import classify
from avmatch.pipelines.collide import collide
from avmatch.pipelines.match import match
from avmatch.pipelines.models import models_with
from clip_models import clip_graph, write_clip_model


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """Two models that come with the package."""
    monkeypatch.setattr(artifacts, "WEIGHTS", tmp_path / "weights")
    for name in ("lips", "drums"):
        write_clip_model(tmp_path / "weights" / name)
    (tmp_path / "weights" / "README").mkdir()
    return tmp_path / "weights"


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_an_exported_folder_and_a_run_are_found(tmp_path, kind):
    model = write_clip_model(tmp_path / "run" / "model")
    assert open_model(kind(model)).folder == model
    assert open_model(kind(tmp_path / "run")).folder == model


def test_a_shipped_model_goes_by_its_name(shipped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shipped_models() == ("drums", "lips")
    assert open_model("lips").folder == shipped / "lips"


def test_what_lies_here_goes_before_what_is_shipped(shipped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mine = write_clip_model(tmp_path / "lips")
    assert open_model("lips").folder.resolve() == mine


@pytest.mark.parametrize("wrong", ["nose", "elsewhere/lips", "README"])
def test_what_is_no_model_is_told_with_what_ships(shipped, tmp_path, monkeypatch, wrong):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=rf"{wrong}: no model there; .*a shipped model \(drums, lips\)"):
        open_model(wrong)


def test_without_shipped_models_the_message_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(artifacts, "WEIGHTS", tmp_path / "weights")
    with pytest.raises(ModelError, match=r"a shipped model \(none so far\)"):
        open_model("lips")


def test_a_run_without_a_model_is_told_to_go_on(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"has no exported model yet; finish it with `avmatch train … --resume`"):
        open_model(tmp_path)


KINDS = {
    "scenes": ({"input": "scene_features"}, r"is a classifier of scenes, .*`avmatch classify`"),
    "words": ({"side": "words", "input": "frames"}, r"is a reader of words, .*`avmatch evaluate words`"),
    "classes_sound": ({"side": "sound", "outputs": "classes"}, r"is a model of collisions, .*`avmatch collide`"),
    "classes": ({"side": "classes", "input": "filterbank"}, r"is a classifier of single windows, .*evaluate probe`"),
    "video": ({"side": "video", "input": "colour_frames"}, r"is a model of single windows, .*evaluate probe`"),
    "audio": ({"kind": "smell"}, r"is a model of the kind 'smell', .*a newer avmatch"),
}


def write_run(folder, name):
    """A finished run with one graph, described as before there was a kind, but for the last."""
    (folder / "model").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model" / f"{name}.onnx").write_bytes(clip_graph({"model": "mine"} | KINDS[name][0]))
    return folder


@pytest.mark.parametrize("name", KINDS)
def test_a_model_of_another_kind_is_told_what_takes_it(tmp_path, name):
    """Whether it is a run or its model folder."""
    run = write_run(tmp_path / "run", name)
    for given in (run, run / "model"):
        with pytest.raises(ModelError, match=KINDS[name][1]):
            match(tmp_path, tmp_path, model=given)
        with pytest.raises(ModelError, match=KINDS[name][1]):
            models_with(given)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (lambda model: classify(["a.npz"], model), r"is a model for any sound, not a classifier of scenes; .*`sync`"),
        (lambda model: collide("there", 1, model), r"is a model for any sound, not a model of collisions"),
    ],
)
def test_other_commands_tell_it_too(command, message):
    with pytest.raises(ModelError, match=message):
        command("events")


def test_every_graph_is_opened_once(monkeypatch):
    opened, plain = [], artifacts.open_graph
    monkeypatch.setattr(artifacts, "open_graph", lambda path: opened.append(path) or plain(path))
    models = models_with(open_model("events"))
    assert (models.events.name, len(models.towers)) == ("events", 1)
    events = [path for path in opened if "events" in path.parts]
    assert len(events) == len(set(events)) == 6
