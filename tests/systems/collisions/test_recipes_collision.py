"""The recipes of the collisions and the system: triples, what is learned and held back, stages, resume."""

import json
import shlex
from dataclasses import replace

import numpy as np
import pytest
import torch

from avmatch.core.errors import ModelError, UsageError
from avmatch.pipelines.train import train_recipe
from avmatch.systems.collisions import stages
from avmatch.systems.collisions.augmentation import in_noise
from avmatch.systems.collisions.features import Bands
from avmatch.systems.collisions.model import CentroidMlpConfig, Frames3dConfig, ResNetConfig
from avmatch.systems.collisions.recipe import collision_3dcnn, collision_centroid, collision_classify
from avmatch.systems.collisions.runtime import load_collisions
from avmatch.systems.collisions.stages import collision
from avmatch.systems.collisions.task import assigned, triples
from avmatch.systems.registry import recipe, staged
from avmatch.training.config import Optimisation
from avmatch.training.loop import TrainResult, train
from impacts import write_features

SMALL = ResNetConfig((6, 8), (1, 1), first_kernel=3, dropout=0.0)
COARSE = Bands(64, 28)


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    """80 impacts."""
    return write_features(tmp_path_factory.mktemp("features"))


def small(config, epochs=2, **task):
    return replace(
        config,
        task=replace(config.task, bands=COARSE, num_folds=2, sound=SMALL, **task),
        epochs=epochs,
        validation_share=0.5,
        batch_size=20,
        ema_decay=0.0,
        optimisation=Optimisation("adam", 1e-2),
    )


def test_recipes_and_system_are_listed():
    assert recipe("collision_classify") == collision_classify()
    assert collision_classify().optimisation.optimiser == "sgd"
    assert collision_classify().optimisation.weight_decay > 0
    assert collision_centroid().optimisation.optimiser == "adam"
    assert staged("collision") is not None
    with pytest.raises(UsageError, match="collision, collision_3dcnn"):
        recipe("collide")


def test_triples_stay_inside_a_class_and_keep_their_balance():
    torch.manual_seed(0)
    label = torch.tensor([0, 0, 0, 0, 1, 1, 2])
    film, sound, is_pair = triples(label, 2)
    assert (film[is_pair] == sound[is_pair]).all()
    assert is_pair.sum() == 7
    assert (label[film] == label[sound]).all()
    assert (film[~is_pair] != sound[~is_pair]).all()
    counts = torch.bincount(film[~is_pair], minlength=7)
    assert counts.tolist() == [2, 2, 2, 2, 1, 1, 0]
    pairs = list(zip(film.tolist(), sound.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)


def test_assignment_inside_the_classes():
    label = np.repeat([0, 1], 8)
    near = 1 - np.eye(16, dtype=np.float32)
    assert assigned(near, label) == 1.0
    assert assigned(np.random.default_rng(0).uniform(size=(16, 16)).astype(np.float32), label) == pytest.approx(
        0.2, abs=0.2
    )


def test_the_object_is_learned_from_its_sound(features, tmp_path):
    result = train(small(collision_classify(), 12, level_nats=0.2, shift_ticks=1), features, tmp_path / "run")
    assert result.metrics["accuracy"] > 0.5  # by chance: 0.1
    split = json.loads((tmp_path / "run" / "split.json").read_text())
    held = [name.partition("/")[0] for name in split["validation"]]
    assert all(held.count(name) == 4 for name in set(held))


@pytest.mark.parametrize(
    ("config", "tower"),
    [(collision_centroid, CentroidMlpConfig((32,), 0.0)), (collision_3dcnn, Frames3dConfig((4, 4, 4, 8), 0.0))],
)
def test_film_and_sound_of_one_impact_come_near_each_other(features, tmp_path, config, tower):
    plain = {"level_nats": 0.0, "shift_ticks": 0, "symmetric": False, "trim_frames": 0}
    chosen = small(config(), 25, film=tower, dim=4, **plain)
    result = train(chosen, features, tmp_path / "run")
    assert result.metrics["accuracy_assigned"] > 0.45  # by chance: ¼
    assert {"accuracy_pairs", "accuracy_strangers", "loss_pairs", "loss_strangers"} <= set(result.metrics)


def test_noise_comes_into_some_sounds_alone():
    sounds = np.random.default_rng(0).normal(-10, 1, (200, 4, 8, 7)).astype(np.float32)
    changed = in_noise(sounds, COARSE, 0.5, np.random.default_rng(1))
    is_changed = (changed != sounds).any(axis=(1, 2, 3))
    assert 0.4 < is_changed.mean() < 0.6
    assert (changed >= sounds).all()
    np.testing.assert_array_equal(in_noise(sounds, COARSE, 0.0, np.random.default_rng(1)), sounds)


def test_one_class_alone(features, tmp_path):
    train(small(collision_centroid(), 1, only=3), features, tmp_path / "run")
    split = json.loads((tmp_path / "run" / "split.json").read_text())
    assert {name.partition("/")[0] for side in split.values() for name in side} == {"shiny_toy_gun"}
    with pytest.raises(UsageError, match="no segment of this class"):
        train(small(collision_centroid(), 1, only=11), features, tmp_path / "other")


def test_settings_reach_every_stage():
    system = collision(["metric.task.margin=2", "per_class=true"], seed=5, epochs=3)
    assert {system.sound.seed, system.picture.seed, system.metric.seed} == {5}
    assert system.metric.task.margin == 2.0
    assert len(system.stages()) == 12
    assert system.stages()["metric/7"].task.only == 7
    with pytest.raises(UsageError, match=r"split_seed must be the same in all stages, got 0, 1"):
        _ = collision(["sound.split_seed=1"]).bands
    with pytest.raises(UsageError, match="no field 'speed'"):
        collision(["speed=1"])


def test_the_recorded_command_says_everything(tmp_path, monkeypatch):
    recorded = {}

    def run(system, *_, **given):
        recorded.update(given, system=system)
        return TrainResult(tmp_path, tmp_path, 0, 0, {})

    monkeypatch.setattr(stages, "train_system", run)
    train_recipe("collision", tmp_path, tmp_path / "run", seed=5, epochs=3, settings=["per_class=true"])
    command = shlex.split(recorded["command"])
    assert command[5:] == [str(tmp_path / "run"), "--seed", "5", "--epochs", "3", "--set", "per_class=true"]
    assert recorded["system"] == collision(["per_class=true"], seed=5, epochs=3)


def test_what_cannot_be_trained_or_used_is_said(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no run to resume"):
        train_recipe("collision", tmp_path, tmp_path / "empty", resume=True)
    with pytest.raises(ModelError, match="give a run of `avmatch train` with the recipe `collision`"):
        load_collisions(tmp_path)


def test_a_start_that_failed_leaves_the_folder_free(tmp_path, monkeypatch):
    for settings in ([], ["sound.epochs=3"]):
        with pytest.raises(UsageError, match="no folder; name the one that holds dataset/"):
            train_recipe("collision", tmp_path / "nowhere", tmp_path / "run", settings=settings)
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty; go on with --resume"):
        train_recipe("collision", tmp_path / "nowhere", tmp_path / "run")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="start it without torchrun"):
        train_recipe("collision", tmp_path / "nowhere", tmp_path / "other")
