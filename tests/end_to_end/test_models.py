"""Wherever MODEL stands for a cue that knows time: a run, an exported folder and a shipped name are the same."""

import json

import numpy as np
import onnx
import pytest

from avmatch.encoders import folders
from avmatch.pipelines.match import match
from avmatch.pipelines.sync import sync

SIZE_PX = 4
SIDES = {
    "video": ({"input": "frames", "height_px": SIZE_PX, "width_px": SIZE_PX}, ["T", SIZE_PX, SIZE_PX], SIZE_PX**2),
    "audio": ({"input": "logmel", "num_mels": 64}, ["T", 64], 64 * 4),
}


def write_model(folder):
    """Towers of one random linear layer on what belongs to a tick of 40 ms."""
    folder.mkdir(parents=True)
    for side, (told, shape, rows) in SIDES.items():
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
        description = {"model": "timed", "side": side, "rate_hz": 25, "scale": 20.0, **told}
        onnx.helper.set_model_props(model, {"avmatch": json.dumps(description)})
        (folder / f"{side}.onnx").write_bytes(model.SerializeToString())


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
    monkeypatch.setattr(folders, "WEIGHTS", weights)
    assert sync(video, audio=audio, model="timed").curve == found.curve
    run = avmatch("sync", video, "--audio", audio, "--model", weights / "run", "--json")
    assert json.loads(run.stdout) == json.loads(sync(str(video), audio=audio, model=weights / "run").to_json())
    wrong = avmatch("sync", video, "--audio", audio, "--model", "no_such", exits=1)
    assert wrong.stderr.startswith("avmatch: no_such: no model there; give a run, a folder with video.onnx")


def test_match_takes_a_run_a_folder_and_a_name(weights, scene, monkeypatch):
    monkeypatch.setattr(folders, "WEIGHTS", weights)
    results = [
        match(scene / "videos", scene / "audio", model=model)
        for model in (weights / "timed", str(weights / "run"), "timed")
    ]
    assert {tuple(result.settings["cues"]) for result in results} == {("motion", "mouth", "timed", "duration")}
    assert len({result.similarity.item() for result in results}) == 1
