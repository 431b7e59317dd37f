"""Train, evaluate, match: the three commands that a person with features of their own goes through."""

import json
import subprocess
import sys

import numpy as np
import pytest

from avmatch.cli import main

NUM, STEPS, VIDEO_FEATURES, AUDIO_FEATURES = 120, 6, 8, 5
SMALL = (
    f"task.video.num_features={VIDEO_FEATURES}",
    f"task.audio.num_features={AUDIO_FEATURES}",
    "task.video.widths=[16]",
    "task.audio.widths=[16]",
    "batch_size=32",
    "validation_share=0.2",
)
SETTINGS = [part for setting in SMALL for part in ("--set", setting)]
WITHOUT = """
import sys


class Nowhere:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in {names}:
            raise ModuleNotFoundError("No module named " + name, name=name)


sys.meta_path.insert(0, Nowhere)
sys.argv = ["avmatch", *{arguments}]
from avmatch.cli import main
main()
"""


def clips(num, seed):
    """Videos and sounds that follow the same hidden course."""
    rng = np.random.default_rng(0)
    views = rng.standard_normal((3, VIDEO_FEATURES)), rng.standard_normal((3, AUDIO_FEATURES))
    hidden = np.random.default_rng(seed).standard_normal((num, STEPS, 3))
    return [(hidden @ view).astype(np.float32) for view in views]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The packed form of STD2022, small."""
    folder = tmp_path_factory.mktemp("std")
    for side, features in zip(("vfeat", "afeat"), clips(NUM, 1), strict=True):
        np.save(folder / f"{side}.npy", features)
    return folder


@pytest.fixture(scope="module")
def trained(avmatch, data, tmp_path_factory):
    """A run of two epochs, and what the command said."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    return folder, avmatch("train", "two_tower", data, "-o", folder, "--epochs", 2, "--seed", 3, *SETTINGS)


@pytest.fixture
def features(tmp_path):
    """Twelve new clips, as folders of .npy, with two files that can't be used."""
    for side, arrays in zip(("v", "a"), clips(12, 2), strict=True):
        (tmp_path / side).mkdir()
        for number, array in enumerate(arrays):
            np.save(tmp_path / side / f"{number}.npy", array)
    (tmp_path / "v" / "12.npy").write_bytes(b"not numpy")
    np.save(tmp_path / "a" / "12.npy", np.zeros((STEPS, AUDIO_FEATURES + 1), np.float32))
    return tmp_path / "v", tmp_path / "a"


def without(names, *arguments):
    """Runs `avmatch` as if these libraries weren't installed."""
    code = WITHOUT.format(names=list(names), arguments=[str(argument) for argument in arguments])
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)


def one_line(stderr):
    """The only line of an error."""
    (line,) = stderr.splitlines()
    assert line.startswith("avmatch: ")
    return line


def test_train_leaves_a_run_with_a_model(trained):
    folder, run = trained
    assert {"config.json", "metrics.jsonl", "split.json", "command.txt", "curves.png", "model"} <= {
        path.name for path in folder.iterdir()
    }
    assert {path.name for path in (folder / "model").iterdir()} == {"video.onnx", "audio.onnx", "card.md"}
    printed = dict(line.split() for line in run.stdout.splitlines())
    assert {"loss", "recall@1", "median_rank"} <= printed.keys()
    assert f"the model is {folder / 'model'}" in run.stderr.replace("\n", "")
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 2
    config = json.loads((folder / "config.json").read_text())
    assert (config["epochs"], config["seed"], config["batch_size"]) == (2, 3, 32)


def test_evaluate_says_one_json_object(avmatch, trained, data):
    run = avmatch("evaluate", "retrieval", trained[0], data, "--held-out", "--k", 1, 5, "--subset", 10, "--json")
    report = json.loads(run.stdout)
    held_back = json.loads((trained[0] / "split.json").read_text())["validation"]
    assert run.stderr == ""
    assert report["num_pairs"] == len(held_back) == 24
    assert (report["protocol"]["ks"], report["protocol"]["subset"]) == ([1, 5], 10)
    assert [row["normalisation"] for row in report["rows"]] == ["raw", "csls", "sinkhorn"]
    assert report["rows"][0]["video_to_audio"]["subset_recall"].keys() == {"1", "5"}


def test_evaluate_prints_tables_of_80_columns(avmatch, trained, data, tmp_path):
    run = avmatch(
        "evaluate", "retrieval", trained[0], data, "--draws", 20, "--markdown", tmp_path / "table.md", COLUMNS="80"
    )
    assert max(map(len, run.stdout.splitlines())) <= 80
    assert "…" not in run.stdout
    assert run.stdout.count("1/50  ") == 2
    assert (tmp_path / "table.md").read_text(encoding="utf-8").count("| sinkhorn |") == 2


def test_evaluate_leaves_out_what_few_pairs_cannot_tell(avmatch, trained, data):
    run = avmatch("evaluate", "retrieval", trained[0], data, "--held-out", COLUMNS="80")
    assert "R@10" in run.stdout
    assert "R@50" not in run.stdout
    assert "/50" not in run.stdout
    assert run.stderr == f"{data}: too few pairs (24) for R@50 and subsets of 50: left out\n"
    refused = avmatch("evaluate", "retrieval", trained[0], data, "--held-out", "--subset", 50, exits=2)
    assert "24 pairs are too few for subsets of 50; set --subset 0" in one_line(refused.stderr)


def test_evaluate_in_noise_and_over_seeds(avmatch, trained, data):
    other = trained[0] / "model"
    run = avmatch("evaluate", "retrieval", trained[0], data, "--also", other, "--noise", -5, 10, "--draws", 5, "--json")
    report = json.loads(run.stdout)
    assert [row["snr_db"] for row in report["rows"]] == [None] * 3 + [-5.0] * 3 + [10.0] * 3 + [None] * 3 + [
        -5.0
    ] * 3 + [10.0] * 3
    assert {item["of"]["R@1"]["sd"] for item in report["spread"]} == {0.0}


def test_match_takes_folders_of_features(avmatch, trained, features, table, tmp_path):
    videos, audios = features
    out, matrix = tmp_path / "out", tmp_path / "m.npy"
    run = avmatch("match", videos, audios, "--model", trained[0], "--matrix", matrix, "-o", out, "--normalise", "raw")
    assert {path.name for path in out.iterdir()} == {
        "matches.csv",
        "unmatched_audio.csv",
        "candidates.csv",
        "errors.csv",
        "similarity.npy",
        "similarity.json",
        "report.html",
    }
    matches = table(out / "matches.csv")
    assert [row["video"] for row in matches] == [str(videos / f"{number}.npy") for number in range(13)]
    assert {row["offset_ms"] for row in (*matches, *table(out / "candidates.csv"))} == {""}
    assert [row["path"] for row in table(out / "errors.csv")] == [str(videos / "12.npy"), str(audios / "12.npy")]
    assert "not a .npy file" in run.stderr
    assert f"takes (any, {AUDIO_FEATURES})" in run.stderr
    similarity = np.load(matrix)
    assert (similarity.dtype, similarity.shape) == (np.float32, (12, 12))
    np.testing.assert_array_equal(similarity, np.load(out / "similarity.npy"))
    listed = json.loads((out / "similarity.json").read_text())
    assert listed["audio"] == [str(audios / f"{number}.npy") for number in range(12)]
    best = {row["video"]: row["audio"] for row in table(out / "candidates.csv") if row["rank"] == "1"}
    for number, row in enumerate(similarity):
        assert best[str(videos / f"{number}.npy")] == str(audios / f"{row.argmax()}.npy")


def test_the_report_shows_features_without_pictures(avmatch, trained, features, tmp_path):
    avmatch("match", *features, "--model", trained[0], "-o", tmp_path / "out", "--complete")
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<img" not in page
    assert page.count("no picture") >= 12
    assert "NaN" not in page


def test_the_matrix_may_be_normalised_over_its_gallery(avmatch, trained, features, tmp_path):
    matrix = tmp_path / "m.npy"
    avmatch("match", *features, "--model", trained[0], "--matrix", matrix, "-o", tmp_path / "out")
    np.testing.assert_allclose(np.exp(np.load(matrix)).sum(axis=0), 1.0, rtol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message", "exits"),
    [
        (("train", "no_such", "{data}", "-o", "{new}"), "no recipe 'no_such'; there are ", 2),
        (("train", "two_tower", "{empty}", "-o", "{new}"), "no known layout; known are STD2022", 2),
        (("train", "two_tower", "{empty}/nowhere", "-o", "{new}"), "no such file or folder; known are", 2),
        (("train", "two_tower", "{data}", "-o", "{new}"), "set task.video.num_features=8", 2),
        (("train", "two_tower", "{data}", "-o", "{run}"), "not empty; go on with --resume", 2),
        (("train", "two_tower", "{data}", "-o", "{new}", "--resume"), "no run to resume there", 2),
        (("train", "two_tower", "{data}", "-o", "{new}", "--set", "colour=red"), "has no field 'colour'", 2),
        (("evaluate", "retrieval", "{run}", "{empty}"), "no known layout; known are STD2022", 2),
        (("evaluate", "{run}", "{data}"), "type: avmatch evaluate retrieval {run} {data}", 2),
        (("evaluate", "{run}", "{data}", "--protocol", "smell"), "no protocol 'smell'; there are retrieval, sync", 2),
        (("evaluate", "retrieval", "{run}/model", "{data}", "--held-out"), "give the run's folder", 2),
        (("evaluate", "retrieval", "no_such", "{data}"), "no_such: no model there; give a run", 1),
        (("evaluate", "retrieval", "{unfinished}", "{data}"), "finish it with `avmatch train … --resume`", 1),
        (("match", "{v}", "{a}", "-o", "{new}"), "to match those, give --model", 2),
        (("match", "{v}", "{a}", "-o", "{new}", "--model", "{empty}"), "no model there; give a run", 1),
        (("match", "{v}", "{a}", "-o", "{new}", "--model", "{run}", "--many"), "leave out --many", 2),
        (("match", "{v}", "{a}", "-o", "{new}", "--model", "{run}", "--mux", "{new}"), "leave out --mux", 2),
        (("match", "{v}", "{a}", "-o", "{new}", "--normalise", "x"), "no normalisation 'x'; there are raw", 2),
        (("sync", "{clip}", "--model", "{run}"), "is a model of features of whole clips", 1),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    trained, data, features, tmp_path, monkeypatch, capsys, arguments, message, exits
):
    (tmp_path / "empty").mkdir()
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "config.json").write_text("{}")
    (tmp_path / "clip.mp4").touch()
    places = {name: tmp_path / name for name in ("empty", "unfinished", "new", "v", "a")}
    places |= {"data": data, "run": trained[0], "clip": tmp_path / "clip.mp4"}
    monkeypatch.setattr(sys, "argv", ["avmatch", *(argument.format(**places) for argument in arguments)])
    with pytest.raises(SystemExit, match=rf"^{exits}$"):
        main()
    printed = capsys.readouterr()
    assert message.format(**places) in one_line(printed.err)
    assert printed.out == ""


@pytest.mark.parametrize("library", ["torch", "sklearn", "safetensors"])
def test_train_without_its_libraries_says_what_to_install(data, tmp_path, library):
    assert "two_tower_best" in without([library], "train").stdout
    run = without([library], "train", "two_tower", data, "-o", tmp_path / "new")
    assert run.returncode == 1
    assert one_line(run.stderr) == f"avmatch: training needs {library}: pip install 'avmatch[train]'"
    assert not (tmp_path / "new").exists()


def test_a_trained_model_is_used_without_torch(trained, data, features, tmp_path):
    heavy = ["torch", "sklearn", "safetensors", "onnx", "onnxscript"]
    evaluated = without(heavy, "evaluate", "retrieval", trained[0], data, "--draws", 5, "--json")
    assert json.loads(evaluated.stdout)["num_pairs"] == NUM, evaluated.stderr
    matched = without(heavy, "match", *features, "--model", trained[0], "-o", tmp_path / "out")
    assert "of 13 clips paired" in matched.stdout, matched.stderr
