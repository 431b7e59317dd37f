"""Words from the lips, measured on clips: which words count, which frames are used, the report."""

import json

import numpy as np
import onnx
import pytest

import avmatch.systems.words.evaluate
from avmatch.core.errors import MediaError, ModelError, UsageError
from avmatch.data.tracks import Sides, Track
from avmatch.metrics.classes import Mistake
from avmatch.metrics.intervals import Share
from avmatch.systems.words.evaluate import evaluate_words
from avmatch.systems.words.runtime import load_words
from media_scenes import write_list

TOLD = {
    "model": "words",
    "side": "words",
    "input": "frames",
    "crop": "mouth",
    "rate_hz": 25,
    "height_px": 4,
    "width_px": 4,
    "context_frames": 1,
    "targets_only": False,
    "vocabulary": ["left", "right"],
}


def write_reader(folder, **changes):
    """A graph that says which half of the mouth is brighter, on average over all that it is given."""
    halves = np.repeat(np.eye(2, dtype=np.float32), 2, axis=0)
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("ReduceMean", ["x"], ["columns"], axes=[1, 2], keepdims=0),
            onnx.helper.make_node("MatMul", ["columns", "halves"], ["y"]),
        ],
        "reader",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, None, 4, 4])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 2])],
        [onnx.numpy_helper.from_array(halves, "halves")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.helper.set_model_props(model, {"avmatch": json.dumps(TOLD | changes)})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "words.onnx").write_bytes(model.SerializeToString())
    return folder


def mouths(*bright):
    """A frame each, with its left half (0), its right half (1) or nothing (−1) lit."""
    frames = np.zeros((len(bright), 4, 4), np.uint8)
    for place, half in enumerate(bright):
        if half >= 0:
            frames[place, :, 2 * half : 2 * half + 2] = 200
    return frames


@pytest.fixture
def talk(tmp_path, monkeypatch):
    """Two people: one's face is in sight from 0.04 s on; a third file can't be read."""
    tracks = {
        "a.mp4": Track(mouths(0, 0, -1, -1, 1, 1, -1, -1, 0, 0), 0.04),
        "b.mp4": Track(mouths(-1, 1, 1, -1, -1, -1, 1, 1), 0.0),
    }
    for name in (*tracks, "c.mp4"):
        (tmp_path / name).touch()
    write_list(
        tmp_path / "manifest.csv",
        {"file": "a.mp4", "group": "anna", "split": "test"},
        {"file": "b.mp4", "group": "ben", "split": "train"},
        {"file": "c.mp4", "group": "ben", "split": "train"},
    )
    said = [
        ("a.mp4", "left", 0.0, 0.04),  # before the face is in sight
        ("a.mp4", "left", 0.04, 0.12),
        ("a.mp4", "right", 0.2, 0.28),
        ("a.mp4", "unknown", 0.2, 0.28),
        ("a.mp4", "right", 0.36, 0.44),
        ("b.mp4", "right", 0.04, 0.12),
        ("c.mp4", "right", 0.04, 0.12),
    ]
    write_list(
        tmp_path / "words.csv",
        *({"file": file, "word": word, "start_s": start, "end_s": end} for file, word, start, end in said),
    )

    def decoded(settings, path, video, audio):
        name = path.rpartition("/")[2]
        if name not in tracks:
            raise MediaError(path, "there is no face in it that lasts", stage="features", reason="no_face")
        return Sides(tracks[name], ())

    monkeypatch.setattr(avmatch.systems.words.evaluate, "decode_tracks", decoded)
    return tmp_path


def test_the_models_words_count_as_far_as_the_face_is_in_sight(talk):
    report = evaluate_words(write_reader(talk / "model"), talk)
    assert (report.top_1.share, report.top_1.num_trials) == (3 / 4, 4)
    assert report.top_1.low is not None
    assert report.top_5 == Share(1.0, 1.0, 1.0, 4)
    assert report.macro_top_1 == pytest.approx((1 + 2 / 3) / 2)
    assert (report.num_words, report.num_said, report.num_files) == (2, 2, 2)
    assert report.mistakes == (Mistake("right", "left", 1, 3),)
    assert len(report.notes) == 1
    assert "c.mp4: there is no face in it that lasts; left out" in report.notes[0]


def test_a_split_and_what_a_run_held_back(talk):
    run = talk / "run"
    write_reader(run / "model")
    assert evaluate_words(run, talk, split="test").num_files == 1
    with pytest.raises(UsageError, match="no record of what was held back"):
        evaluate_words(run, talk, held_out=True)
    (run / "split.json").write_text(json.dumps({"train": ["a.mp4#1"], "validation": ["b.mp4#1"]}), "utf-8")
    assert evaluate_words(run, talk, held_out=True).top_1 == Share(1.0, None, None, 1)


@pytest.mark.parametrize(
    ("changes", "split", "message"),
    [
        ({"vocabulary": ["no", "such"]}, None, r"none of the 2 words of .* is said in the clips"),
        ({"targets_only": True}, None, r"none of the 2 words of .* is said in the clips"),
        ({}, "validation", r"none of the 2 words of .* is said in the clips"),
    ],
)
def test_data_without_the_models_words_are_refused(talk, changes, split, message):
    with pytest.raises(UsageError, match=message):
        evaluate_words(write_reader(talk / "model", **changes), talk, split=split)


def test_the_report_in_its_forms(talk):
    report = evaluate_words(write_reader(talk / "model"), talk)
    values = json.loads(report.report().json())
    assert values["kind"] == "words"
    assert values["mistakes"][0]["heard"] == "left"
    text = report.report().markdown()
    assert "# Words in" in text
    assert "| right | left | 1 | 3 |" in text
    assert [table.title for table in report.report().terminal()] == [
        "Which of 2 words do the lips say? %",
        "Commonest mistakes",
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"side": "video"}, "is a two-tower model of picture and sound, not a reader of words"),
        ({"side": "video", "kind": "words"}, "needs side words"),
        ({"input": "features", "num_channels": 3}, "takes features, not mouths"),
        ({"strange": 1}, "no usable `avmatch` description"),
    ],
)
def test_other_graphs_are_refused(tmp_path, changes, message):
    with pytest.raises(ModelError, match=message):
        load_words(write_reader(tmp_path, **changes))


def test_a_folder_without_a_reader_is_refused(tmp_path):
    with pytest.raises(ModelError, match="no model there; give a run of `avmatch train` with the recipe `words`"):
        load_words(tmp_path)
