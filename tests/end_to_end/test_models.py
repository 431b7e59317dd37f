"""Wherever MODEL stands for a cue that knows time: a run, an exported folder and a shipped name are the same."""

import json

import numpy as np
import onnx
import pytest

from avmatch.analysis.features import Analyser
from avmatch.artifacts import model as artifacts
from avmatch.pipelines import models
from avmatch.pipelines.match import match
from avmatch.pipelines.models import face_cues, models_with, motion_cues
from avmatch.pipelines.sync import sync

SIZE_PX = 4
SIDES = {
    "video": ({"input": "frames", "height_px": SIZE_PX, "width_px": SIZE_PX}, ["T", SIZE_PX, SIZE_PX], SIZE_PX**2),
    "audio": ({"input": "logmel", "num_mels": 64}, ["T", 64], 64 * 4),
}


def write_model(folder, name="timed", **extra):
    """Towers of one random linear layer on what belongs to a tick of 40 ms."""
    folder.mkdir(parents=True)
    for side, (fields, shape, rows) in SIDES.items():
        matrix = np.random.default_rng(rows).standard_normal((rows, 3)).astype(np.float32)
        nodes = [
            onnx.helper.make_node("Reshape", ["x", "shape"], ["flat"]),
            onnx.helper.make_node("MatMul", ["flat", "matrix"], ["y"]),
        ]
        inputs = [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, *shape])]
        outputs = [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, None, 3])]
        weights = [
            onnx.numpy_helper.from_array(np.array([1, -1, rows]), "shape"),
            onnx.numpy_helper.from_array(matrix, "matrix"),
        ]
        graph = onnx.helper.make_graph(nodes, side, inputs, outputs, weights)
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
        description = {"model": name, "side": side, "rate_hz": 25, "scale": 20.0, **fields}
        description |= extra if side == "video" else {}
        onnx.helper.set_model_props(model, {"avmatch": json.dumps(description)})
        (folder / f"{side}.onnx").write_bytes(model.SerializeToString())


REAL_WEIGHTS = artifacts.WEIGHTS


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A folder of runs, which may as well be that of the shipped models."""
    folder = tmp_path_factory.mktemp("weights")
    write_model(folder / "timed")
    write_model(folder / "run" / "model")
    return folder


@pytest.fixture(scope="module")
def scene(avmatch, tmp_path_factory):
    """One scene with its recording."""
    folder = tmp_path_factory.mktemp("scene")
    avmatch("synth", folder, "--scenes", 1, "--duration", 4)
    return folder


def test_sync_takes_a_run_a_folder_and_a_name(avmatch, weights, scene, monkeypatch):
    (video,), (audio,) = ((scene / name).iterdir() for name in ("videos", "audio"))
    plain = sync(video, audio=audio)
    found = sync(video, audio=audio, model=weights / "timed")
    assert found.curve != plain.curve
    assert sync(video, audio=audio, model=str(weights / "run")).curve == found.curve
    run = avmatch("sync", video, "--audio", audio, "--model", weights / "run", "--json")
    assert json.loads(run.stdout) == json.loads(sync(str(video), audio=audio, model=weights / "run").to_json())
    monkeypatch.setattr(artifacts, "WEIGHTS", weights)
    alone = sync(video, audio=audio, model=weights / "timed")
    assert sync(video, audio=audio, model="timed").curve == alone.curve
    wrong = avmatch("sync", video, "--audio", audio, "--model", "no_such", exits=1)
    assert wrong.stderr.startswith("avmatch: no_such: no model there; give a run, a folder with video.onnx")


def test_match_takes_a_run_a_folder_and_a_name(weights, scene, monkeypatch):
    monkeypatch.setattr(artifacts, "WEIGHTS", weights)
    results = [
        match(scene / "videos", scene / "audio", model=model)
        for model in (weights / "timed", str(weights / "run"), "timed")
    ]
    assert {tuple(result.settings["cues"]) for result in results} == {("motion", "mouth", "timed", "duration")}
    assert len({result.similarity.item() for result in results}) == 1


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A folder of weights with a model for talking faces."""
    write_model(tmp_path / "lips", "lips", crop="mouth")
    write_model(tmp_path / "mine", "mine", crop="mouth")
    write_model(tmp_path / "timed")
    monkeypatch.setattr(artifacts, "WEIGHTS", tmp_path)
    models._shipped.cache_clear()
    yield tmp_path
    models._shipped.cache_clear()


def names_with(model):
    return [cue.name for cue in face_cues(models_with(model).towers)]


def test_the_model_for_faces_that_ships_takes_part_unless_it_is_replaced(shipped):
    assert names_with(None) == ["lips"]
    assert names_with("timed") == ["timed", "lips"]
    assert names_with(shipped / "mine") == ["mine"]
    mouth, lips = face_cues(models_with(None).towers, apart=False)
    assert (mouth.name, mouth.calibration.weight, lips.name) == ("mouth", models.MOUTH_WEIGHT_BESIDE, "lips")


def test_without_it_the_mouth_cue_looks(weights, tmp_path, monkeypatch):
    monkeypatch.setattr(artifacts, "WEIGHTS", tmp_path)
    assert names_with(None) == ["mouth"]
    assert names_with(weights / "timed") == ["mouth", "timed"]


def test_faces_get_the_vectors_of_the_models_that_look_at_them(shipped, avmatch, tmp_path):
    avmatch("synth", tmp_path / "faces", "--scenes", 1, "--duration", 3, "--kind", "face", "--seed", 1)
    (video,) = (tmp_path / "faces" / "videos").iterdir()
    features = Analyser(tmp_path / "cache", models_with("timed").towers).video(str(video))
    assert list(features.embeddings) == ["timed"]
    (face,) = features.mouths
    assert list(face.embeddings) == ["lips"]
    vectors = face.embeddings["lips"]
    assert len(vectors.data) == pytest.approx(np.ptp(face.pts_seconds) * 25, abs=2)
    assert vectors.start_seconds == pytest.approx(face.pts_seconds[0])
    again = Analyser(tmp_path / "cache", models_with("timed").towers).video(str(video))  # from the cache
    np.testing.assert_array_equal(again.mouths[0].embeddings["lips"].data, vectors.data)
    assert list(Analyser(tmp_path / "cache").video(str(video)).mouths[0].embeddings) == []


def test_match_and_sync_use_it_without_being_asked(shipped, avmatch, tmp_path):
    avmatch("synth", tmp_path / "faces", "--scenes", 2, "--duration", 3, "--kind", "face", "--seed", 1)
    found = match(tmp_path / "faces" / "videos", tmp_path / "faces" / "audio")
    assert tuple(found.settings["cues"]) == ("motion", "mouth", "lips", "duration")
    result = sync(found.matches[0].video, audio=found.audio[0])
    assert [speaker.place for speaker in result.speakers] == ["only"]


def test_a_model_for_any_sound_ships_with_its_card():
    events = models_with(None).events
    assert events is not None
    folder = artifacts.open_model("events").folder
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 12e6
    card = (folder / "card.md").read_text(encoding="utf-8")
    for chapter in ("## Data", "## Results", "## Made by", "## Limits"):
        assert chapter in card


def test_a_run_of_events_takes_the_place_of_the_one_that_ships(shipped):
    assert [cue.name for cue in motion_cues(models_with(None), apart=True)] == ["motion"]
    given = models_with(REAL_WEIGHTS / "events")
    assert [cue.name for cue in motion_cues(given, apart=True)] == ["events"]
    assert [cue.name for cue in motion_cues(given, apart=False)] == ["events", "kind"]
    assert [pair.name for pair in given.towers] == ["lips"]


def test_a_model_for_faces_ships_with_its_card():
    """In a wheel it would be missed silently, as the mouth cue would look instead: tests/light.py looks there."""
    (pair,) = models_with(None).towers
    assert pair.name == "lips"
    assert (pair.video.description.crop, pair.video.description.rate_hz) == ("mouth", 25)
    folder = artifacts.open_model("lips").folder
    assert sum(path.stat().st_size for path in folder.iterdir()) < 8e6
    card = (folder / "card.md").read_text(encoding="utf-8")
    for chapter in ("## Data", "## Results", "## Made by", "## Limits"):
        assert chapter in card
