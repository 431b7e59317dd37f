"""The two-tower recipes learn; the cluster task comes, counts and goes as it is set."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from avmatch.artifacts.tower import load_clip_towers
from avmatch.core.errors import UsageError
from avmatch.data.negatives import NUM_HARD, Curriculum, NegativeMix
from avmatch.data.pairs import read_pairs
from avmatch.pipelines.train import train_recipe
from avmatch.systems.registry import recipe
from avmatch.systems.two_tower.augmentation import FeatureAugmentation
from avmatch.systems.two_tower.task import ClusterTask, FeaturePairs, clip_vectors
from avmatch.training.loop import train
from avmatch.training.task import Batch
from learnable import AUDIO_FEATURES, VIDEO_FEATURES, small_run, small_task, write_pairs

CPU = torch.device("cpu")
NARROW = [
    f"task.video.num_features={VIDEO_FEATURES}",
    f"task.audio.num_features={AUDIO_FEATURES}",
    "task.video.widths=[24]",
    "task.audio.widths=[24]",
    "task.num_negatives=8",
    "batch_size=32",
    "optimisation.learning_rate=0.005",
]


@pytest.fixture
def _no_export(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FeaturePairs, "export", lambda *arguments: None)


def rows(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", ["two_tower", "two_tower_kmeans"])
def test_a_recipe_learns_and_its_model_finds_partners(tmp_path: Path, pairs_folder: Path, name: str) -> None:
    settings = [*NARROW, "task.clusters.num_clusters=6"] if name == "two_tower_kmeans" else NARROW
    result = train_recipe(name, pairs_folder, tmp_path / "run", epochs=5, settings=settings, device="cpu")
    assert result.metrics["recall@5"] > 0.8  # by chance 5 / 16
    command = (tmp_path / "run" / "command.txt").read_text()
    assert command.startswith(f"avmatch train {name} {pairs_folder} -o {tmp_path / 'run'} --epochs 5 --set task.")
    towers = load_clip_towers(result.model)
    unseen = read_pairs(write_pairs(tmp_path / "unseen", 40, seed=1))
    video, audio = (
        tower.encode([np.asarray(item, np.float32) for item in items])
        for tower, items in ((towers.video, unseen.video), (towers.audio, unseen.audio))
    )
    ranks = ((video @ audio.T) > (video * audio).sum(axis=1)[:, None]).sum(axis=1)
    assert (ranks < 5).mean() > 0.6  # by chance 5 / 40


@pytest.mark.usefixtures("_no_export")
def test_the_cluster_task_ends_after_its_epochs(tmp_path: Path, pairs_folder: Path) -> None:
    task = small_task(clusters=ClusterTask(num_clusters=4, beta=0.5, epochs=2))
    train(small_run(task), pairs_folder, tmp_path / "run", device="cpu")
    first, second, third = rows(tmp_path / "run")
    for row in (first, second):
        assert row["loss"] == pytest.approx(row["match_loss"] + 0.5 * row["cluster_loss"], rel=1e-5)
    assert second["cluster_loss"] < first["cluster_loss"]
    assert "cluster_loss" not in third
    assert third["loss"] == third["match_loss"]


@pytest.mark.usefixtures("_no_export")
def test_labels_are_buffers_that_a_resumed_run_keeps(
    tmp_path: Path, pairs_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_run(small_task(clusters=ClusterTask(num_clusters=4, epochs=9)), epochs=1)
    train(config, pairs_folder, tmp_path / "run", device="cpu")
    before = load_file(tmp_path / "run" / "last.safetensors")["learner/audio_label"]
    assert len(before) == 144
    assert sorted(before.unique().tolist()) == [0, 1, 2, 3]
    monkeypatch.setattr(
        "avmatch.systems.two_tower.task._cluster_labels", lambda items, num, seed: torch.zeros(len(items)).long()
    )
    train(replace(config, epochs=2), pairs_folder, tmp_path / "run", device="cpu", resume=True)
    assert torch.equal(load_file(tmp_path / "run" / "last.safetensors")["learner/audio_label"], before)


def test_the_video_tower_may_name_its_own_clusters(pairs_folder: Path) -> None:
    pairs = read_pairs(pairs_folder)
    both = small_task(dropout=0.0, clusters=ClusterTask(num_clusters=4, on_video=True))
    learner = both.learner(pairs, 0)
    batch = both.source(pairs, learner, CPU)(np.arange(32), 0, np.random.default_rng(0))
    video, audio = learner.video(batch.video), learner.audio(torch.cat((batch.audio, batch.negatives.flatten(0, 1))))
    wanted = (
        learner.audio_clusters(audio[:32], learner.audio_label[:32])
        + learner.video_clusters(video, learner.video_label[:32])
    ) / 2
    assert learner(batch, 0)["cluster_loss"].item() == pytest.approx(wanted.item(), rel=1e-5)
    alone = replace(both, clusters=ClusterTask(num_clusters=4)).learner(pairs, 0)
    assert not hasattr(alone, "video_clusters")


def test_negatives_are_normalised_together_with_positives(pairs_folder: Path) -> None:
    """Were they not, the statistics of a negative would give it away in training."""
    pairs, task = read_pairs(pairs_folder), small_task(dropout=0.0)
    learner = task.learner(pairs, 0).train()
    item = torch.from_numpy(np.asarray(pairs.audio[:4], np.float32))
    batch = Batch(torch.randn(4, 6, VIDEO_FEATURES), item, torch.arange(4), torch.arange(4), item[:, None])
    audio, negatives = learner._audio_vectors(batch)
    torch.testing.assert_close(audio, negatives[:, 0])


def test_batches_follow_from_their_generator(pairs_folder: Path) -> None:
    noise = FeatureAugmentation(noise_probability=1.0)
    pairs, task = read_pairs(pairs_folder), small_task(audio_augmentation=noise)
    source = task.source(pairs, task.learner(pairs, 0), CPU)
    one, same, other = (source(np.arange(8), 0, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert torch.equal(one.audio, same.audio)
    assert torch.equal(one.negatives, same.negatives)
    assert not torch.equal(one.audio, other.audio)
    assert torch.equal(one.video, other.video)  # nothing random there
    assert one.negatives.shape == (8, 8, 6, AUDIO_FEATURES)
    assert not torch.equal(one.audio, torch.from_numpy(np.asarray(pairs.audio[:8], np.float32)))


def test_hard_negatives_are_those_that_the_towers_confuse(pairs_folder: Path) -> None:
    pairs = read_pairs(pairs_folder)
    hard = small_task(curriculum=Curriculum(((0, NegativeMix(uniform=0.0, hard=1.0)),)))
    learner = hard.learner(pairs, 0).train()
    batch = hard.source(pairs, learner, CPU)(np.arange(160), 0, np.random.default_rng(0))
    assert learner.training  # as it was
    video, audio = clip_vectors(learner, pairs, CPU)
    wrong = np.where(pairs.group[:, None] == pairs.group, -np.inf, video @ audio.T)
    sixteenth = np.sort(wrong, axis=1)[:, -NUM_HARD]
    learner.eval()
    with torch.no_grad():
        negatives = learner.audio(batch.negatives.flatten(0, 1)).unflatten(0, (160, 8)).numpy()
    assert (np.einsum("nd,nkd->nk", video, negatives) > sixteenth[:, None] - 1e-5).all()


def test_mixup_mixes_both_sides_alike(pairs_folder: Path) -> None:
    pairs, task = read_pairs(pairs_folder), small_task(loss="in_batch", mixup=1.0)
    batch = task.source(pairs, task.learner(pairs, 0), CPU)(np.arange(12), 0, np.random.default_rng(0))
    sides = [
        (mixed.flatten(1).double().numpy(), np.asarray(items[:12], np.float64).reshape(12, -1))
        for mixed, items in ((batch.video, pairs.video), (batch.audio, pairs.audio))
    ]
    weights = [np.linalg.lstsq(plain.T, mixed.T, rcond=None)[0] for mixed, plain in sides]
    np.testing.assert_allclose(weights[0], weights[1], atol=1e-3)
    assert (np.sort(weights[0], axis=0)[-2] > 0.05).any()  # some do have two parts


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["task.audio.num_features=12"], r"video features are \(6, 16\), .* set task.video.num_features=16"),
        ([*NARROW, "task.video.dim=8"], r"both towers need one dim, got 8 \(video\) and 128 \(audio\)"),
        ([*NARROW, "task.clusters.num_clusters=500"], "500 clusters of 144 items; set task.clusters.num_clusters"),
    ],
)
def test_what_does_not_fit_says_what_to_set(
    tmp_path: Path, pairs_folder: Path, settings: list[str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        train_recipe("two_tower", pairs_folder, tmp_path / "run", settings=settings, device="cpu")


def test_the_recipes_are_as_described() -> None:
    plain, kmeans = recipe("two_tower"), recipe("two_tower_kmeans")
    assert (plain.epochs, plain.validation_share, plain.optimisation.learning_rate) == (20, 0.1, 5e-4)
    assert plain.task.clusters.num_clusters == 0
    assert kmeans.task.clusters == ClusterTask(num_clusters=22, beta=1.0, epochs=3, on_video=False)
    assert replace(kmeans, recipe="two_tower", task=replace(kmeans.task, clusters=plain.task.clusters)) == plain
    with pytest.raises(UsageError, match=r"no recipe 'two_towers'; there are .*two_tower, .*two_tower_kmeans"):
        recipe("two_towers")
