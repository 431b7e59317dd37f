"""Scenes from training to classifying: the recipes on a small set, what is exported, and the command line."""

import json
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from typer.testing import CliRunner

from avmatch.cli import app
from avmatch.core.errors import UsageError
from avmatch.data.items import Items, Pairs, absent, gathered_steps
from avmatch.data.pairs import read_scenes
from avmatch.pipelines.train import train_recipe
from avmatch.systems.registry import recipe, recipe_names
from avmatch.systems.scenes import mixed as mixed_scenes
from avmatch.systems.scenes.fusing import read_predictions
from avmatch.systems.scenes.mixed import MixedLearner, MixedScenes, stack
from avmatch.systems.scenes.model import AUDIO_ONLY, BOTH
from avmatch.systems.scenes.runtime import load_scenes
from avmatch.systems.scenes.task import FusedScenes, SceneBatches, scene_logits, standard
from avmatch.training.config import TrainConfig

LABELS = ("bark", "clock", "tram")
SMALL = (
    "task.num_networks=2",
    "task.num_folds=4",
    "task.attention.width=16",
    "task.attention.num_components=[4,5]",
    "epochs=6",
    "batch_size=16",
    "optimisation.learning_rate=0.01",
)


def write_packed(folder: Path, num: int, seed: int, *, broken: bool = False) -> Path:
    """Clips of which a third of the steps depends on the class, in audio and in video."""
    rng = np.random.default_rng(seed)
    label = np.arange(num) % 3
    audio, video = rng.standard_normal((num, 6, 4)), rng.standard_normal((num, 6, 5))
    for side in (audio, video):
        step = rng.integers(5, size=num)
        for more in (0, 1):
            side[np.arange(num), step + more, label] += 4
    if broken:
        video[0] = np.nan
    folder.mkdir(parents=True)
    np.save(folder / "afeat.npy", audio.astype(np.float32))
    np.save(folder / "vfeat.npy", video.astype(np.float32))
    rows = [f"{row},{own},{LABELS[own]},tube{row // 2}" for row, own in enumerate(label)]
    (folder / "index.csv").write_text("\n".join(["row,class_id,category,youtube_id", *rows]), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_packed(tmp_path_factory.mktemp("scenes") / "train", 240, 0)


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_packed(tmp_path_factory.mktemp("scenes") / "test", 90, 1, broken=True)


@pytest.fixture(scope="module")
def best(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_recipe("scene_best", data, tmp_path_factory.mktemp("best") / "run", settings=SMALL).run


@pytest.fixture(scope="module")
def late(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = ("epochs=8", "batch_size=32", "optimisation.learning_rate=0.003")
    return train_recipe("scene_late", data, tmp_path_factory.mktemp("late") / "run", settings=settings).run


def avmatch(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)
    return result.exit_code, result.stdout


@pytest.mark.parametrize("fusion", ["audio", "video", "early", "middle", "late", "hybrid"])
def test_the_published_settings(fusion: str):
    config = recipe(f"scene_{fusion}")
    assert (config.epochs, config.patience, config.batch_size) == (100, 7, 128)
    assert (config.optimisation.optimiser, config.optimisation.learning_rate) == ("adam", 1e-4)
    assert config.task.fusion == fusion  # type: ignore[attr-defined]
    assert config.best_by == "log_likelihood"


def test_deviation_and_mean_are_over_all_steps_that_are_there(held_out: Path):
    pairs = read_scenes(held_out)
    found = standard(pairs.video, 5)
    steps = np.asarray(pairs.video).reshape(-1, 5)
    np.testing.assert_allclose(found.mean, np.nanmean(steps, axis=0), atol=1e-5)
    np.testing.assert_allclose(found.deviation, np.nanstd(steps, axis=0), rtol=1e-5)


def test_a_large_number_that_never_changes_has_no_deviation():
    steps = np.tile(np.array([255.7, 1000.123, 0.0], np.float32), (300, 10, 1))
    steps[..., 2] = np.arange(10)
    found = standard(steps, 3)
    np.testing.assert_allclose(found.deviation, [1.0, 1.0, np.arange(10).std()], rtol=1e-6)


def test_a_side_that_never_changes_does_no_harm():
    rng = np.random.default_rng(0)
    sides = np.zeros((40, 5, 6), np.float32), rng.standard_normal((40, 5, 3)).astype(np.float32)
    pairs = Pairs(*sides, tuple(map(str, range(40))), np.arange(40), np.arange(40) % 2, ("bark", "tram"))
    learner = MixedScenes(num_networks=2).learner(pairs, 0)
    assert np.isfinite(scene_logits(learner, pairs, torch.device("cpu"))).all()


def test_as_many_steps_are_whitened_though_the_first_item_lacks_the_side(monkeypatch: pytest.MonkeyPatch):
    gathered: list[int] = []

    def count(items: Items, rows: np.ndarray, size: int) -> np.ndarray:
        gathered.append(len(rows))
        return gathered_steps(items, rows, size)

    rng = np.random.default_rng(0)
    clips = [absent(), *(rng.standard_normal((20, 4)).astype(np.float32) for _ in range(59))]
    pairs = Pairs(clips, clips, tuple(map(str, range(60))), np.arange(60), np.arange(60) % 2, ("bark", "tram"))
    monkeypatch.setattr(mixed_scenes, "MAX_WHITENED", 200)
    monkeypatch.setattr(mixed_scenes, "gathered_steps", count)
    MixedScenes(num_networks=1).learner(pairs, 0)
    assert gathered == [10, 10]


def test_media_need_a_front_end_and_keep_to_the_split(media: Path, tmp_path: Path):
    rows = [f"{media / 'good.mp4'},{label},{split}" for label, split in (("a", "train"), ("b", "train"), ("c", "test"))]
    table = tmp_path / "clips.csv"
    table.write_text("\n".join(["path,label,split", *rows]), encoding="utf-8")
    with pytest.raises(UsageError, match=r"holds media; --set task\.front_end=signals, or a model"):
        MixedScenes().read(table, tmp_path)
    pairs = FusedScenes(front_end="signals", split="train").read(table, tmp_path)
    assert pairs.label_names == ("a", "b")


def test_the_best_is_better_than_late_fusion_where_few_steps_count(best: Path, late: Path, held_out: Path):
    results = {}
    for run in (best, late):
        code, text = avmatch("evaluate", "classify", run, held_out, "--json")
        assert code == 0
        results[run] = json.loads(text)
    assert results[best]["accuracy"] > 0.8
    assert results[best]["log_loss"] < results[late]["log_loss"]


def test_evaluate_prints_one_json_object_that_agrees_with_its_table(best: Path, held_out: Path, tmp_path: Path):
    code, text = avmatch("evaluate", "classify", best, held_out, "--json", "-o", tmp_path / "out")
    result = json.loads(text)
    assert code == 0
    assert {
        "accuracy",
        "log_loss",
        "n",
        "per_class",
        "macro",
        "weighted",
        "calibration_error",
        "labels",
    } <= result.keys()
    assert result["n"] == 90
    assert result["num_partial"] == 1
    assert result["notes"] == ["0000: video: broken: no step is finite"]
    assert result["per_class"]["bark"].keys() == {"precision", "recall", "f1", "support"}
    table = read_predictions(tmp_path / "out" / "prediction.csv")
    hits = table.probabilities.argmax(axis=1) == table.label
    assert result["accuracy"] == hits.mean()
    assert result["log_loss"] == pytest.approx(
        -np.log(table.probabilities[np.arange(90), table.label]).mean(), abs=1e-9
    )
    confusion = (tmp_path / "out" / "confusion.csv").read_text(encoding="utf-8").splitlines()
    assert confusion[0] == "class,bark,clock,tram"
    assert sum(int(cell) for line in confusion[1:] for cell in line.split(",")[1:]) == 90
    for name in ("confusion.png", "reliability.png"):
        assert (tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG")


def test_evaluate_prints_tables(best: Path, held_out: Path):
    code, text = avmatch("evaluate", "classify", best, held_out)
    assert code == 0
    assert "macro average" in text
    assert "Which of 3 classes is it?" in text


def test_classify_answers_with_either_side_alone(best: Path, held_out: Path, tmp_path: Path):
    pairs = read_scenes(held_out)
    shares = {}
    for side in ("audio", "video"):
        files = []
        for row in range(1, 90):
            files.append(tmp_path / f"{side}{row}.npz")
            np.savez(files[-1], **{side: getattr(pairs, side)[row]})
        code, text = avmatch("classify", *files, "--model", best, "--json")
        results = [json.loads(line) for line in text.splitlines()]
        assert code == 0
        assert {one["status"] for one in results} == {"partial"}
        assert {one["carried_by"] for one in results} == {side}
        shares[side] = np.mean([one["label"] == LABELS[row % 3] for row, one in enumerate(results, start=1)])
    assert min(shares.values()) > 0.6


def test_the_exported_graph_describes_itself(best: Path, data: Path):
    config = recipe("scene_best")
    described = load_scenes(best).description
    assert described.labels == LABELS
    assert (described.audio_features, described.video_features, described.window_steps) == (4, 5, 6)
    assert config.recipe == described.model
    inputs = [one.name for one in onnxruntime.InferenceSession(best / "model" / "scenes.onnx").get_inputs()]
    assert inputs == ["audio", "video"]
    card = (best / "model" / "card.md").read_text(encoding="utf-8")
    assert "both_sides_log_loss" in card


def learner_of(data: Path, **changes: object) -> tuple[MixedScenes, MixedLearner]:
    task = MixedScenes(num_networks=2, num_folds=4, **changes)  # type: ignore[arg-type]
    pairs = read_scenes(data)
    torch.manual_seed(0)
    learner = task.learner(pairs, 0)
    return task, learner


def test_a_network_doesnt_learn_from_the_fold_that_judges_it(data: Path):
    _, learner = learner_of(data)
    pairs = read_scenes(data)
    rows = np.flatnonzero(learner.fold.numpy() == 0)[:20]
    batch = SceneBatches(pairs, learner.sizes)(rows, 0, np.random.default_rng(0))
    learner(batch, 0)["loss"].backward()
    first, second = learner.network.networks
    assert all(parameter.grad is None or not parameter.grad.any() for parameter in first.parameters())
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in second.parameters())


def test_stacking_lowers_the_log_loss_and_differs_by_case(data: Path, held_out: Path):
    task, learner = learner_of(data)
    pairs = read_scenes(held_out)
    before = scene_logits(learner, pairs, torch.device("cpu"))
    figures = stack(learner, pairs)
    after = task.validate(learner, pairs, torch.device("cpu"))
    plain = -torch.from_numpy(before).log_softmax(dim=1)[np.arange(90), pairs.label].mean().item()
    assert after["log_loss"] < plain
    cases = ("both_sides", "audio_alone", "video_alone")
    assert figures.keys() == {f"{case}_{figure}" for case in cases for figure in ("accuracy", "log_loss")}
    weights = learner.network.weights
    assert (weights[BOTH] != weights[AUDIO_ONLY]).any()


def test_sides_are_taken_away_as_often_as_asked(data: Path):
    _, learner = learner_of(data, side_dropout=0.25)
    torch.manual_seed(0)
    share = learner.task.side_dropout
    audio, video = mixed_scenes.without_a_side(torch.zeros(4000, 2, 3), torch.zeros(4000, 2, 3), share)
    gone = [side.isnan().all(dim=(1, 2)) for side in (audio, video)]
    assert [one.float().mean().item() for one in gone] == pytest.approx([0.25, 0.25], abs=0.03)
    assert not (gone[0] & gone[1]).any()


def test_training_says_what_is_missing(held_out: Path, tmp_path: Path):
    with pytest.warns(UserWarning, match="1 sides are missing or broken.*0000: video"):
        MixedScenes().read(held_out, tmp_path)


def test_one_class_is_none(tmp_path: Path):
    folder = write_packed(tmp_path / "one", 3, 0)
    (folder / "index.csv").write_text(
        "row,class_id,category,youtube_id\n0,0,bark,a\n1,0,bark,b\n2,0,bark,c\n", encoding="utf-8"
    )
    with warnings.catch_warnings(), pytest.raises(UsageError, match="has 1 classes; a classifier needs two"):
        MixedScenes().read(folder, tmp_path)


def test_a_class_that_the_model_doesnt_know_is_refused(best: Path, tmp_path: Path):
    folder = write_packed(tmp_path / "more", 6, 0)
    index = folder / "index.csv"
    index.write_text(index.read_text(encoding="utf-8").replace("tram", "tractor"), encoding="utf-8")
    with pytest.raises(UsageError, match="has the class 'tractor'"):
        avmatch("evaluate", "classify", best, folder)


def test_options_of_other_protocols_are_refused(best: Path, held_out: Path):
    assert avmatch("evaluate", "classify", best, held_out, "--noise", 10)[0] == 2
    assert avmatch("evaluate", "words", best, held_out, "-o", "x")[0] == 2
    with pytest.raises(UsageError, match="either --model, to classify, or --fuse"):
        avmatch("classify", held_out)


def test_every_recipe_has_its_name():
    configs = {name: recipe(name) for name in recipe_names()}
    assert all(isinstance(config, TrainConfig) and config.recipe == name for name, config in configs.items())
