"""What can be set, what is refused, and what config.json holds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from avmatch.core.errors import UsageError
from avmatch.data.negatives import Curriculum, NegativeMix
from avmatch.systems.two_tower.recipe import two_tower
from avmatch.training.config import override, to_json


@pytest.mark.parametrize(
    ("setting", "path", "value"),
    [
        ("epochs=7", "epochs", 7),
        ("bf16=true", "bf16", True),
        ("best_by=recall@5", "best_by", "recall@5"),
        ("best_by=", "best_by", ""),
        ("optimisation.learning_rate=1", "optimisation.learning_rate", 1.0),
        ("optimisation.learning_rate = 1e-3 ", "optimisation.learning_rate", 1e-3),
        ("optimisation.schedule=cosine", "optimisation.schedule", "cosine"),
        ("task.video.norm=layer", "task.video.norm", "layer"),
        ("task.video.widths=[64, 32, 16]", "task.video.widths", (64, 32, 16)),
        ("task.video.widths=[]", "task.video.widths", ()),
        ("task.audio_augmentation.noise_snr_db=[0, 5]", "task.audio_augmentation.noise_snr_db", (0.0, 5.0)),
        ("task.clusters.on_video=true", "task.clusters.on_video", True),
    ],
)
def test_a_field_is_set(setting: str, path: str, value: object) -> None:
    found: object = override(two_tower(), [setting])
    for name in path.split("."):
        found = getattr(found, name)
    assert found == value
    assert type(found) is type(value)


def test_dataclasses_inside_tuples_are_set_by_objects() -> None:
    config = override(two_tower(), ['task.curriculum.stages=[[0, {}], [5, {"hard": 1, "uniform": 0.5}]]'])
    assert config.task.curriculum == Curriculum(((0, NegativeMix()), (5, NegativeMix(uniform=0.5, hard=1.0))))


def test_later_settings_win_and_the_rest_stays() -> None:
    config = override(two_tower(), ["epochs=7", "epochs=8"])
    assert config.epochs == 8
    assert config.task == two_tower().task


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epochs", "--set epochs: expected field=value"),
        ("epoch=3", r"TrainConfig has no field 'epoch'; it has recipe, task, epochs, passes, batch_size"),
        ("task.video.width=3", r"FeatureCnnConfig has no field 'width'; it has num_features, widths, kernel, dim"),
        ("epochs.more=3", "epochs is 20, which has no fields"),
        ("optimisation=3", "optimisation has fields of its own: optimisation.optimiser, optimisation.learning_rate"),
        ("epochs=many", "expected a value like 20, got 'many'"),
        ("epochs=2.5", "expected a value like 20, got 2.5"),
        ("epochs=true", "expected a value like 20, got True"),
        ("optimisation.learning_rate=true", "expected a value like 0.0005, got True"),
        ("bf16=1", "expected a value like False, got 1"),
        ("task.video.widths=64", r"expected a value like \(512,\), got 64"),
        ("task.video.widths=[64.5]", "expected a value like 512, got 64.5"),
        ('task.curriculum.stages=[[0, {"easy": 1}]]', "NegativeMix has no field 'easy'; it has uniform, hard"),
        ("optimisation.optimiser=rmsprop", "optimiser must be one of adam, adamw, sgd, got 'rmsprop'"),
        ("optimisation.schedule=step", "schedule must be one of constant, cosine, plateau, got 'step'"),
        ("task.loss=triplet", "loss must be one of sampled, in_batch, got 'triplet'"),
        ("task.video.norm=group", "norm must be one of batch, layer, got 'group'"),
        ("batch_size=0", "batch_size must be at least 1, got 0"),
        ("accumulate=0", "accumulate must be at least 1, got 0"),
        ("epochs=-1", "epochs can't be negative, got -1"),
        ("seed=-1", "seed can't be negative, got -1"),
        ("optimisation.learning_rate=NaN", "learning_rate must be positive"),
        ("patience=-1", "patience can't be negative, got -1"),
        ("ema_decay=1", "ema_decay must lie in 0…1 and below 1, got 1.0"),
        ("optimisation.learning_rate=0", "learning_rate must be positive"),
    ],
)
def test_what_cannot_be_set_says_why(setting: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        override(two_tower(), [setting])


def test_mixup_and_sampled_negatives_are_refused_together() -> None:
    with pytest.raises(UsageError, match="mixup needs loss=in_batch"):
        override(two_tower(), ["task.mixup=0.3", "task.loss=sampled"])


def test_mixup_and_clusters_are_refused_together() -> None:
    with pytest.raises(UsageError, match="a mixed pair has no cluster of its own"):
        override(two_tower(), ["task.mixup=0.3", "task.clusters.num_clusters=4"])


def test_json_holds_everything_and_gives_it_back() -> None:
    config = override(two_tower(), ["epochs=3", "task.video.widths=[8]", "task.audio_augmentation.noise_snr_db=[1, 2]"])
    plain = json.loads(json.dumps(to_json(config)))
    assert plain["task"]["video"]["widths"] == [8]
    again = override(two_tower(), [f"{path}={json.dumps(value)}" for path, value in leaves(plain)])
    assert again == config


def leaves(value: dict[str, Any], prefix: str = "") -> list[tuple[str, object]]:
    found = []
    for name, inner in value.items():
        found += leaves(inner, f"{prefix}{name}.") if isinstance(inner, dict) else [(f"{prefix}{name}", inner)]
    return found
