"""`avmatch train collision` and `avmatch collide`: stages, resume, a folder like the real one with its oddities."""

import json
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest

from avmatch import cli
from avmatch.artifacts.model import Graph
from avmatch.core.errors import ModelError, UsageError
from avmatch.pipelines.collide import collide
from avmatch.systems.collisions import stages as collision_system
from avmatch.systems.collisions.features import Bands, prepared
from avmatch.systems.collisions.model import CentroidMlpConfig, PictureCnnConfig, ResNetConfig
from avmatch.systems.collisions.runtime import load_collisions
from avmatch.systems.collisions.stages import collision, known_impacts, train_system
from avmatch.training.config import Optimisation
from impacts import RATE, write_features, write_sound, write_video

pytestmark = pytest.mark.slow
HOSTILE = b"cposix\nsystem\n(S'touch hacked'\ntR."


def tiny_system():
    def tiny(config, **task):
        small = ResNetConfig((6, 8), (1, 1), first_kernel=3, dropout=0.0)
        task = replace(config.task, bands=Bands(64, 28), num_folds=2, sound=small, **task)
        plan = Optimisation("adam", 1e-2)
        return replace(config, task=task, epochs=2, validation_share=0.5, batch_size=20, optimisation=plan)

    system = collision()
    return replace(
        system,
        sound=tiny(system.sound),
        picture=tiny(system.picture, picture=PictureCnnConfig((4, 8), 0.0)),
        metric=tiny(system.metric, dim=4, film=CentroidMlpConfig((8,), 0.0)),
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on 80 impacts, and what it measured."""
    folder = tmp_path_factory.mktemp("system")
    features = write_features(folder / "features")
    return features, folder / "run", train_system(tiny_system(), features, folder / "run")


@pytest.fixture
def dataset(tmp_path):
    """Tests of all tasks, with everything that turns up in the field."""
    root = tmp_path / "set" / "dataset"
    for number in range(3):
        write_sound(root / "task1" / "test" / f"audio_{number:04d}.pkl", seed=number)
    for task, group in ((2, 0), (2, 1), (3, 0)):
        test = root / f"task{task}" / "test" / str(group)
        for number in range(3):
            write_sound(test / f"audio_{number:04d}.pkl", seed=number, num_samples=(4 - number) * RATE)
            write_video(test / f"video_{number + 2:04d}", seed=number)
    (root / "task1" / "test" / "audio_0007.pkl").write_bytes(HOSTILE)
    (root / "task2" / "test" / "0" / "audio_0001.pkl").write_bytes(HOSTILE)
    for stray in ("task1/test/.DS_Store", "task2/test/frames.rar", "task2/test/0/old.npy"):
        (root / stray).write_bytes(b"stray")
    for mask in (root / "task2" / "test" / "1" / "video_0003" / "mask").iterdir():
        mask.unlink()
    (root / "task3" / "test" / "0" / "video_0009").mkdir()
    return root.parent


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["avmatch", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return left.value.code


def test_the_system_trains_in_stages_and_resumes(trained):
    features, folder, result = trained
    assert {"accuracy_sound", "accuracy_picture", "accuracy_assigned"} <= set(result.metrics)
    assert result.metrics["right_pairs_of_25"] > 0.5  # the cues tell, whatever the towers learned
    assert len(load_collisions(folder).metrics) == 1
    assert (folder / "model" / "card.md").is_file()
    assert (folder / "metric" / "curves.png").is_file()
    before = (folder / "sound" / "best.safetensors").stat().st_mtime_ns
    again = train_system(tiny_system(), features, folder, resume=True)
    assert again.metrics == result.metrics
    assert (folder / "sound" / "best.safetensors").stat().st_mtime_ns == before
    with pytest.raises(UsageError, match="not empty"):
        train_system(tiny_system(), features, folder)
    with pytest.raises(UsageError, match="other settings"):
        train_system(replace(tiny_system(), alone_share=0.1), features, folder, resume=True)


def test_what_any_stage_learned_from_is_not_held_back(trained, tmp_path):
    features, run, _ = trained
    found = prepared(features, tmp_path, Bands(64, 28))
    shutil.copytree(run, tmp_path / "run")
    split = json.loads((run / "metric" / "split.json").read_text())
    learned = split["validation"].pop()
    (tmp_path / "run" / "metric" / "split.json").write_text(json.dumps(split | {"train": [*split["train"], learned]}))
    before, after = (known_impacts(place, found).is_held_back for place in (run, tmp_path / "run"))
    assert [found.names[row] for row in np.flatnonzero(before != after)] == [learned]


def test_a_system_stays_whole_until_the_next_is(trained, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("cut off")

    features, run, _ = trained
    monkeypatch.setattr(collision_system, "fit_scorer", fails)
    with pytest.raises(RuntimeError, match="cut off"):
        train_system(tiny_system(), features, run, resume=True)
    assert json.loads((run / "model" / "system.json").read_text())["fusions"]


def test_the_metric_is_not_asked_about_sounds_alone(trained, dataset, monkeypatch):
    asked, plain = [], Graph.run

    def recorded(graph, who, *inputs):
        asked.append(who)
        return plain(graph, who, *inputs)

    monkeypatch.setattr(Graph, "run", recorded)
    assert len(collide(dataset, 1, trained[1]).answers()) == 3
    assert set(asked) == {"collision_classify"}


def test_answers_have_the_truths_shape_and_odd_files_are_named(trained, dataset, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "collide", dataset, "--task", 2, "--model", trained[1], "-o", tmp_path / "out") == 0
    printed = capsys.readouterr()
    out = tmp_path / "out"
    answers = json.loads((out / "answers.json").read_text())
    assert sorted(answers) == ["0", "1"]
    assert sorted(answers["0"]) == ["audio_0000.pkl", "audio_0002.pkl"]
    assert sorted(answers["1"].values()) == [2, 3, 4]
    for name in ("audio_0001.pkl: refused: it asks for posix.system", "frames.rar", "old.npy", "padded with silence"):
        assert name in printed.err
    assert "5 of 5 frames without a mask" in printed.err
    assert "posix.system" in (out / "errors.csv").read_text()
    assert "posix.system" in (out / "report.html").read_text()
    assert not (tmp_path / "hacked").exists()
    distance, order = np.load(out / "distance" / "0.npy"), json.loads((out / "order.json").read_text())["0"]
    assert distance.shape == (3, 2) == (len(order["films"]), len(order["sounds"]))
    assert np.isfinite(np.load(out / "nats" / "1.npy")).all()
    assert (out / "matrix_1.png").is_file()
    assert not [path for path in out.rglob("*") if path.name.startswith(".avmatch-")]


def test_sounds_are_named_and_keys_may_be_bare(trained, dataset, tmp_path, monkeypatch):
    arguments = ("--task", 1, "--model", trained[1] / "model", "-o", tmp_path / "out", "--keys", "bare")
    assert run(monkeypatch, "collide", dataset / "dataset", *arguments) == 0
    answers = json.loads((tmp_path / "out" / "answers.json").read_text())
    assert sorted(answers) == ["audio_0000", "audio_0001", "audio_0002"]
    assert all(answer in range(10) for answer in answers.values())


@pytest.mark.parametrize("two_stage", [False, True])
def test_with_partners_missing_every_sound_gets_a_film_or_none(trained, dataset, two_stage):
    result = collide(dataset, 3, trained[1], two_stage=two_stage)
    answers = result.answers()["0"]
    assert len(answers) == 3
    assert set(answers.values()) <= {-1, 2, 3, 4}
    assert [failure.path for failure in result.failures] == ["0/video_0009"]


def test_groups_that_lack_a_side_are_answered_too(trained, dataset):
    test = dataset / "dataset" / "task2" / "test"
    write_sound(test / "2" / "audio_0000.pkl")
    write_video(test / "3" / "video_0000")
    (test / "4").mkdir()
    answers = collide(dataset, 2, trained[1]).answers()
    assert (answers["2"], answers["3"], answers["4"]) == ({"audio_0000.pkl": -1}, {}, {})


def test_a_metric_for_each_class_answers_too(trained, dataset, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(trained[1] / "model", model)
    for number in range(10):
        (model / "metric" / str(number)).mkdir(parents=True)
        for side in ("film", "sound"):
            shutil.copyfile(model / f"metric_{side}.onnx", model / "metric" / str(number) / f"metric_{side}.onnx")
    (model / "metric_film.onnx").unlink()
    system = json.loads((model / "system.json").read_text())
    (model / "system.json").write_text(json.dumps(system | {"fusions": system["fusions"] * 10}))
    assert len(load_collisions(model).metrics) == 10
    shutil.copyfile(model / "system.json", tmp_path / "system.json")
    shutil.copyfile(trained[1] / "model" / "system.json", model / "system.json")
    with pytest.raises(ModelError, match="1 fusions for 10 metrics"):
        collide(dataset, 2, model)
    shutil.copyfile(tmp_path / "system.json", model / "system.json")
    for task in (2, 3):  # the same metric for all: the same answers
        assert collide(dataset, task, model).answers() == collide(dataset, task, trained[1]).answers()
    shutil.rmtree(model / "metric" / "4")
    with pytest.raises(ModelError, match="9 metrics for 10 classes"):
        load_collisions(model)


def test_what_cannot_be_asked_is_said(trained, dataset, tmp_path, monkeypatch, capsys):
    given = ("--model", trained[1], "-o", tmp_path / "out")
    assert run(monkeypatch, "collide", dataset, "--task", 4, *given) == 2
    assert run(monkeypatch, "collide", dataset, "--task", 1, "--keys", "long", *given) == 2
    assert run(monkeypatch, "collide", tmp_path / "nowhere", "--task", 1, *given) == 2
    assert "no task 4" in capsys.readouterr().err
    with pytest.raises(ModelError, match="give a run of `avmatch train` with the recipe `collision`"):
        collide(dataset, 1, dataset)
