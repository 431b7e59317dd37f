"""Training from raw media: what a batch holds, what is minimised, what is exported, and that it matches new files."""

import json
import math
import re
import warnings

import numpy as np
import pytest
import torch

from avmatch.analysis.features import Analyser
from avmatch.artifacts.tower import AudioEncoder, VideoEncoder, load_pair
from avmatch.core.errors import UsageError
from avmatch.core.features import AudioSamples, VideoFrames
from avmatch.cues.learned import EmbeddingCue
from avmatch.data.items import Pairs
from avmatch.data.packing import named_pairs, pack_list
from avmatch.data.tracks import PackSettings
from avmatch.matching.galleries import aligned_similarity
from avmatch.media.decode import decode
from avmatch.pipelines.match import match
from avmatch.systems.registry import recipe
from avmatch.systems.two_tower.media import MediaPairs, media_vectors
from avmatch.systems.two_tower.recipe import two_tower_media
from avmatch.training.export import fit_evidence_of_ticks
from avmatch.training.loop import train
from avmatch.training.run import load_weights
from avmatch.training.task import Batch
from media_scenes import tiny, write_list, write_scenes

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes"), 24, seed=3)


@pytest.fixture(scope="module")
def run(scenes, tmp_path_factory):
    return train(tiny("epochs=30", "validation_share=0"), scenes, tmp_path_factory.mktemp("runs") / "run", device="cpu")


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("others"), 10, seed=4)


def numbered(lengths, per_tick=10):
    """Pairs whose frames and log-mel say which tick they are: pixel = tick, level = tick + 100."""
    video = tuple(np.arange(num, dtype=np.uint8)[:, None, None].repeat(4, 1).repeat(4, 2) for num in lengths)
    audio = tuple((100 + np.arange(num).repeat(per_tick))[:, None].repeat(64, 1).astype(np.float32) for num in lengths)
    place, label = np.arange(len(lengths)), np.full(len(lengths), -1)
    names = tuple(f"clip {number}" for number in place)
    return Pairs(video, audio, names, place, label, (), "frames", "logmel", 100 / per_tick, 100.0)


def test_the_recipe_is_listed():
    assert recipe("two_tower_media") == two_tower_media()


def batches_of(task, pairs):
    return task.source(pairs, torch.nn.Identity(), torch.device("cpu"))


@pytest.mark.parametrize("length", [7, 20, 33])
def test_a_piece_is_of_one_time_on_both_sides(length):
    """Crops of 20 ticks; a clip that is shorter goes on from its beginning, on both sides."""
    task = MediaPairs(PackSettings(10.0, 4, 4), crop_seconds=2.0)
    batch = batches_of(task, numbered([length] * 5))(np.arange(5), 0, np.random.default_rng(0))
    video = (batch.video[:, :, 0, 0] * 255).round().int()
    assert batch.video.shape == (5, 20, 4, 4)
    assert batch.audio.shape == (5, 200, 64)
    torch.testing.assert_close(batch.audio[:, ::10, 0].int() - 100, video)
    torch.testing.assert_close(batch.audio[:, 9::10, 5].int() - 100, video)
    assert ((video[:, 1:] - video[:, :-1]) % length == 1).all()
    assert len(set(video[:, 0].tolist())) == (1 if length <= 20 else len(set(video[:, 0].tolist())))
    assert batch.negatives is None


@pytest.mark.parametrize("length", [12, 40])
def test_shifted_strangers_begin_elsewhere(length):
    task = MediaPairs(PackSettings(10.0, 4, 4), crop_seconds=1.0, num_shifted=3, shifted_weight=1.0)
    batch = batches_of(task, numbered([length] * 20))(np.arange(20), 0, np.random.default_rng(0))
    assert batch.negatives.shape == (20, 3, 100, 64)
    shift = (batch.negatives[:, :, 0, 0] - batch.audio[:, None, 0, 0]) % length
    assert 5 <= shift.min() <= shift.max() <= length - 5


def test_batches_follow_from_their_seed_and_are_augmented(scenes, tmp_path):
    config = tiny()
    pairs = config.task.read(scenes, tmp_path)
    source = config.task.source(pairs, config.task.learner(pairs, 0), CPU)
    one, same, other = (source(np.arange(8), 0, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(one.video, same.video)
    assert torch.equal(one.audio, same.audio)
    assert not torch.equal(one.video, other.video)
    assert 0.0 <= one.video.min() < one.video.max() <= 1.0


def test_the_loss_is_info_nce_over_mean_cosines():
    """By hand, from the towers' own vectors; two clips of one recording aren't each other's negatives."""
    torch.manual_seed(0)
    config = tiny("task.temperature=0.5", "task.packing.height_px=8", "task.packing.width_px=8")
    learner = config.task.learner(numbered([4]), 0).eval()
    group = torch.tensor([0, 1, 1])
    batch = Batch(torch.rand(3, 6, 8, 8), torch.randn(3, 60, 64), torch.arange(3), group)
    video, audio = learner.video(batch.video), learner.audio(batch.audio)
    logits = 2.0 * torch.einsum("itd,jtd->ij", video, audio) / 6
    kept = (group[:, None] != group[None]) | torch.eye(3, dtype=torch.bool)
    odds = torch.exp(logits) * kept
    wanted = -(torch.log(odds.diag() / odds.sum(0)) + torch.log(odds.diag() / odds.sum(1))).mean() / 2
    torch.testing.assert_close(learner(batch, 0)["loss"], wanted)


def test_shifted_strangers_add_their_loss_by_weight():
    torch.manual_seed(0)
    small = ("task.packing.height_px=8", "task.packing.width_px=8")
    learner = tiny("task.shifted_weight=0.5", "task.temperature=0.5", *small).task.learner(numbered([4]), 0).eval()
    batch = Batch(
        torch.rand(2, 6, 8, 8), torch.randn(2, 60, 64), torch.arange(2), torch.arange(2), torch.randn(2, 1, 60, 64)
    )
    losses = learner(batch, 0)
    video = learner.video(batch.video)
    own, shifted = (
        2.0 * (video * learner.audio(sound)).sum(dim=2).mean(dim=1) for sound in (batch.audio, batch.negatives[:, 0])
    )
    torch.testing.assert_close(losses["shifted_loss"], torch.log1p(torch.exp(shifted - own)).mean())
    torch.testing.assert_close(losses["loss"], losses["match_loss"] + 0.5 * losses["shifted_loss"])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("task.crop_seconds=0.01", "must be positive"),
        ("task.video.head.dim=12", r"video.head.dim 12 and audio.head.dim 64 differ"),
        ("task.packing.rate_hz=30", "rate_hz must divide 100"),
        ("task.level.gain_probability=2", "within 0…1"),
    ],
)
def test_settings_that_cannot_be(setting, message):
    with pytest.raises(UsageError, match=message):
        tiny(setting)


def test_shards_are_taken_as_they_are(scenes, tmp_path):
    config = tiny()
    packed, _ = pack_list(scenes, tmp_path / "packed", config.task.packing)
    pairs = config.task.read(tmp_path / "packed", tmp_path / "cache")
    assert pairs.names == packed.names
    assert not (tmp_path / "cache").exists()
    with pytest.raises(UsageError, match=r"was packed as .* but .* is wanted"):
        tiny("task.packing.width_px=48").task.read(tmp_path / "packed", tmp_path / "cache")


def test_pairs_that_are_left_out_are_told(media, tmp_path, monkeypatch):
    rows = ({"path": media / name} for name in ("good.mp4", "zero.mp4"))
    # Caught at its source: threads that decode may lose what pytest.warns records.
    messages: list[str] = []
    monkeypatch.setattr(warnings, "warn", lambda message, **_: messages.append(message))
    pairs = tiny().task.read(write_list(tmp_path / "list.csv", *rows), tmp_path / "cache")
    assert len(pairs) == 1
    assert any(re.search(r"1 pairs are left out; .*failures\.json says why", message) for message in messages)


def test_towers_give_in_use_what_they_gave_in_training(run, scenes):
    """Packed shards through torch, and the files through the encoders and ONNX Runtime."""
    config = tiny()
    pairs = config.task.read(scenes, run.run / "cache")
    learner = config.task.learner(pairs, 0)
    load_weights(run.run / "best.safetensors", learner)
    towers = load_pair(run.model)
    reach = 3  # the file may go on where the pair ends; so much of its last ticks sees that
    for row, pair in list(enumerate(named_pairs(scenes).values()))[:6]:
        video_vectors, audio_vectors = media_vectors(learner, pairs.take(np.array([row])), config.task.packing, CPU)
        video, audio = VideoEncoder(towers.video), AudioEncoder(towers.audio)
        for path in (pair.video, pair.audio):
            for block in decode(path):
                if isinstance(block, VideoFrames):
                    video.push(block)
                elif isinstance(block, AudioSamples):
                    audio.push(block)
        for wanted, encoder in ((video_vectors[0], video), (audio_vectors[0], audio)):
            found = encoder.finish()
            assert found.start_seconds == pytest.approx(0.0, abs=1e-6)
            num = len(wanted) - reach
            assert num > 20
            np.testing.assert_allclose(found.data[:num], wanted[:num], atol=1e-3)


def test_what_is_exported_says_what_it_is(run):
    towers = load_pair(run.model)
    description = towers.video.description
    assert (description.model, description.rate_hz, description.height_px, description.width_px) == (
        "two_tower_media",
        10.0,
        24,
        24,
    )
    assert description.scale == towers.audio.description.scale > 0.05
    assert 0 < description.baseline < 1
    assert "match_loss" in (run.model / "card.md").read_text(encoding="utf-8")
    config = json.loads((run.run / "config.json").read_text(encoding="utf-8"))
    assert config["task"]["packing"] == {
        "rate_hz": 10.0,
        "height_px": 24,
        "width_px": 24,
        "crop": "picture",
        "sound": "logmel",
        "colours": 1,
    }


def test_packing_tells_how_far_it_is(scenes, tmp_path):
    reported = []
    pairs = tiny().task.read(scenes, tmp_path, lambda _, done, total: reported.append((done, total)))
    assert reported == [(done, len(pairs)) for done in range(1, len(pairs) + 1)]


def test_the_loss_falls(run):
    rows = [json.loads(line) for line in (run.run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert rows[0]["loss"] > 2.0
    assert rows[-1]["loss"] < 0.6 * rows[0]["loss"]


def test_it_matches_what_it_never_saw(run, others):
    """By the towers' evidence alone, matches stand out; together with the other cues, `match` finds them."""
    truth = list(named_pairs(others).values())
    analyser = Analyser(None, (load_pair(run.model),))
    description = analyser.models[0].video.description
    cue = EmbeddingCue(description.model, description.scale, description.baseline, description.independent_seconds)
    videos, audios = [analyser.video(pair.video) for pair in truth], [analyser.audio(pair.audio) for pair in truth]
    nats = cue.curves(videos, audios, np.zeros(1)).nats[:, :, 0]
    rank = (nats >= nats.diagonal()[:, None]).sum(axis=1)
    assert np.mean(rank) < 3.5  # by chance 5.5
    assert nats.diagonal().mean() > 0.5 > 0.0 > nats[~np.eye(10, dtype=bool)].mean()
    found = match(others / "videos", others / "audio", model=run.run)
    right = {pair.video: pair.audio for pair in truth}
    assert sum(right[one.video] == one.audio for one in found.matches) >= 9
    assert found.failures == ()


def test_clips_are_compared_over_their_common_length():
    rng = np.random.default_rng(0)
    videos, audios = (
        [rng.standard_normal((num, 3)).astype(np.float32) for num in lengths] for lengths in ((4, 2), (3, 5))
    )
    similarity, num_ticks = aligned_similarity(videos, audios)
    assert num_ticks.tolist() == [[3, 4], [2, 2]]
    for row, video in enumerate(videos):
        for column, audio in enumerate(audios):
            both = num_ticks[row, column]
            assert similarity[row, column] == pytest.approx((video[:both] * audio[:both]).sum() / both, rel=1e-5)


def test_evidence_is_a_likelihood_ratio():
    """Cosine means that are normal about known values: the log ratio is a line, which the fit must find."""
    rng = np.random.default_rng(0)
    num, ticks, spread = 400, 50, 0.1
    similarity = rng.normal(0.1, spread, (num, num))
    np.fill_diagonal(similarity, rng.normal(0.3, spread, num))
    evidence = fit_evidence_of_ticks(
        similarity.astype(np.float32), np.full((num, num), ticks), np.arange(num), rate_hz=10.0
    )
    steps = ticks / 10.0 / evidence.independent_seconds
    assert evidence.independent_seconds == 0.2
    assert evidence.baseline == pytest.approx(0.2, abs=0.01)
    assert evidence.scale * steps == pytest.approx(0.2 / spread**2, rel=0.15)


def test_few_pairs_give_little_evidence():
    """However clean four pairs look, they can't show that a mistake is rarer than one in five."""
    similarity = np.where(np.eye(4, dtype=bool), 0.9, 0.1).astype(np.float32)
    evidence = fit_evidence_of_ticks(similarity, np.full((4, 4), 30), np.arange(4), rate_hz=10.0)
    nats = evidence.scale * 30 / (10 * evidence.independent_seconds) * (similarity - evidence.baseline)
    np.testing.assert_allclose(nats, np.where(np.eye(4, dtype=bool), math.log(5), -math.log(5)), atol=0.05)


def test_a_model_that_knows_nothing_says_nearly_nothing():
    similarity = np.where(np.eye(9, dtype=bool), 0.1, 0.2).astype(np.float32)
    evidence = fit_evidence_of_ticks(similarity, np.full((9, 9), 30), np.arange(9), rate_hz=10.0)
    assert evidence.scale == pytest.approx(1e-4)
    one = fit_evidence_of_ticks(similarity, np.full((9, 9), 30), np.zeros(9, int), rate_hz=2.0)
    assert (one.scale, one.independent_seconds) == (1.0, 0.5)
