"""The published lip-sync systems: whose sound a window is compared with, what is minimised, what is exported."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from avmatch.artifacts.tower import AudioEncoder, load_pair
from avmatch.core.errors import ModelError, UsageError
from avmatch.core.features import AudioSamples
from avmatch.data.items import Pairs
from avmatch.frontends.sound import mfcc
from avmatch.systems.lips.model import VggMConfig
from avmatch.systems.lips.published_task import (
    Contrastive,
    Correspondence,
    MultiWay,
    SyncWindows,
    candidates,
    window_vectors,
    with_negatives,
)
from avmatch.systems.lips.recipe import ave_net, perfect_match, syncnet
from avmatch.systems.registry import recipe
from avmatch.training.batches import waveform
from avmatch.training.task import Batch

CPU = torch.device("cpu")
STREAMS = VggMConfig(side_px=56, colours=1, width=1 / 32, dim=6)
TINY = SyncWindows(MultiWay(3), STREAMS, window_ticks=8)
PLAIN = replace(TINY, gain_db=(0.0, 0.0), noise_probability=0.0)
CROP_PX = 112


def clips(*lengths):
    """Pairs whose frames say which tick they are, and whose sound is noise."""
    rng = np.random.default_rng(0)
    video = tuple(
        np.arange(num, dtype=np.uint8)[:, None, None].repeat(CROP_PX, 1).repeat(CROP_PX, 2) for num in lengths
    )
    audio = tuple(rng.normal(0, 3000, 640 * num).astype(np.int16) for num in lengths)
    place, label = np.arange(len(lengths)), np.full(len(lengths), -1)
    names = tuple(f"clip {number}" for number in place)
    return Pairs(video, audio, names, place, label, (), "mouths", "samples", 25.0, 16000.0)


def batches_of(task, pairs):
    return task.source(pairs, torch.nn.Identity(), torch.device("cpu"))


def test_the_recipes_are_listed_and_have_the_same_budget():
    systems = {"syncnet": syncnet(), "ave_net": ave_net(), "perfect_match": perfect_match()}
    assert {name: recipe(name) for name in systems} == systems
    alike = [
        replace(
            config,
            recipe="",
            task=replace(config.task, criterion=MultiWay(), streams=replace(config.task.streams, unit=False)),
        )
        for config in systems.values()
    ]
    assert alike[0] == alike[1] == alike[2]
    assert systems["ave_net"].task.streams.unit


def test_negatives_come_from_the_same_clip_while_there_are_any():
    torch.manual_seed(0)
    drawn = candidates(3, 4, 7, CPU)
    assert drawn.shape == (12, 7)
    assert drawn[:, 0].tolist() == list(range(12))
    for window, row in enumerate(drawn.tolist()):
        assert len(set(row)) == 7
        assert [other // 4 == window // 4 for other in row] == [True] * 4 + [False] * 3


def test_negatives_are_drawn_each_time_and_are_no_more_than_there_are():
    torch.manual_seed(0)
    first = {tuple(candidates(1, 5, 2, CPU)[0].tolist()) for _ in range(60)}
    assert first == {(0, 1), (0, 2), (0, 3), (0, 4)}
    assert candidates(2, 3, 40, CPU).shape == (6, 6)


def test_mouths_and_mfcc_of_a_stretch_are_of_one_time():
    pairs, begins = clips(30, 30), set()
    for seed in range(15):
        batch = batches_of(PLAIN, pairs)(np.array([0, 1]), 0, np.random.default_rng(seed))
        assert isinstance(batch, Batch)
        for row in range(2):
            begin = int(batch.video[row, 0, 0, 0])
            begins.add(begin)
            assert batch.video[row, :, 0, 0].tolist() == list(range(begin, begin + 8))
            whole = mfcc(waveform(pairs.audio[row]))[4 * begin : 4 * begin + 32]
            # Pre-emphasis doesn't know the sample before the first.
            np.testing.assert_allclose(batch.audio[row, 1:].numpy(), whole[1:], rtol=1e-4, atol=1e-3)
    assert len(begins) > 8


def test_a_clip_that_is_too_short_holds_its_last_frame_and_falls_silent():
    batch = batches_of(PLAIN, clips(6))(np.array([0]), 0, np.random.default_rng(0))
    assert batch.video[0, :, 0, 0].tolist() == [0, 1, 2, 3, 4, 5, 5, 5]
    assert (batch.audio[0, 25:, 0] < -30).all()
    assert (batch.audio[0, :23, 0] > 0).all()


def test_gain_and_noise_change_the_sound_and_the_seed_decides_them():
    loud = replace(PLAIN, gain_db=(-6.0, -6.0))
    noisy = replace(PLAIN, noise_probability=1.0)
    sounds = [
        batches_of(task, clips(30))(np.array([0]), 0, np.random.default_rng(1)).audio[0].numpy()
        for task in (PLAIN, loud, noisy, noisy)
    ]
    np.testing.assert_allclose(sounds[1][:, 0] - sounds[0][:, 0], -12 / 20 * math.log(10), atol=1e-3)
    assert np.abs(sounds[2] - sounds[0]).mean() > 0.01
    np.testing.assert_array_equal(sounds[2], sounds[3])


def two_windows(criterion):
    """A learner, a batch of a clip with two windows, and the distances of the learner's vectors [picture, sound]."""
    task = replace(PLAIN, criterion=criterion, window_ticks=6)
    torch.manual_seed(2)
    learner = task.learner(clips(6), 0).eval()
    batch = task.source(clips(6), learner, CPU)(np.array([0]), 0, np.random.default_rng(0))
    video_vectors, audio_vectors = learner.video(learner.mouth(batch.video))[0], learner.audio(batch.audio)[0]
    if isinstance(criterion, Correspondence):
        video_vectors, audio_vectors = (
            vectors / vectors.norm(dim=1, keepdim=True) for vectors in (video_vectors, audio_vectors)
        )
    distances = [[math.dist(one.tolist(), other.tolist()) for other in audio_vectors] for one in video_vectors]
    return learner, batch, distances


def test_syncnet_pulls_pairs_together_and_pushes_negatives_to_the_margin():
    """½ d² of pairs and ½ (m − d)² of negatives; each picture's only negative is the other window."""
    learner, batch, d = two_windows(Contrastive(margin=2.5))
    wanted = (d[0][0] ** 2 + d[1][1] ** 2 + (2.5 - d[0][1]) ** 2 + (2.5 - d[1][0]) ** 2) / 8
    assert learner(batch, 0)["loss"].item() == pytest.approx(wanted, rel=1e-4)


def test_ave_net_judges_pairs_by_the_distance_of_unit_vectors():
    """The answers start at ±(d − √½)."""
    learner, batch, d = two_windows(Correspondence())
    no = [value - math.sqrt(0.5) for value in (d[0][1], d[1][0])]
    yes = [math.sqrt(0.5) - value for value in (d[0][0], d[1][1])]
    wanted = sum(math.log(1 + math.exp(-2 * answer)) for answer in no + yes) / 4
    assert learner(batch, 0)["loss"].item() == pytest.approx(wanted, rel=1e-4)


def test_perfect_match_asks_which_of_the_sounds_is_the_windows_own():
    learner, batch, d = two_windows(MultiWay(2))
    logits = [[1 / math.sqrt(value**2 + 1e-4) for value in row] for row in d]
    wanted = sum(math.log(sum(map(math.exp, row))) - row[own] for own, row in enumerate(logits)) / 2
    assert learner(batch, 0)["loss"].item() == pytest.approx(wanted, rel=1e-4)


def test_perfect_match_goes_on_in_other_clips_of_the_batch():
    """Two clips of two windows, four candidates: all sounds that there are."""
    torch.manual_seed(0)
    video_vectors, audio_vectors = torch.randn(2, 2, 5), torch.randn(2, 2, 5)
    distances = torch.cdist(video_vectors.flatten(0, 1), audio_vectors.flatten(0, 1))
    wanted = -torch.log_softmax(1 / distances, dim=1).diagonal().mean()
    torch.testing.assert_close(MultiWay(4).loss()(video_vectors, audio_vectors), wanted, rtol=1e-3, atol=0)


def test_each_window_meets_its_own_sound_and_a_negative():
    torch.manual_seed(0)
    video_vectors, audio_vectors, is_pair = with_negatives(
        torch.arange(6.0).reshape(2, 3, 1), torch.arange(6.0).reshape(2, 3, 1)
    )
    assert is_pair.tolist() == [True] * 6 + [False] * 6
    assert video_vectors[:6].tolist() == audio_vectors[:6].tolist() == video_vectors[6:].tolist()
    assert (video_vectors[6:] != audio_vectors[6:]).all()
    assert (video_vectors[6:] // 3 == audio_vectors[6:] // 3).all()


def talking(num=6, ticks=12):
    """Clips whose frames show a pattern, and whose sound has a tone, of each tick's class."""
    rng = np.random.default_rng(3)
    patterns, pairs = rng.integers(0, 256, (4, CROP_PX, CROP_PX)).astype(np.uint8), clips(*[ticks] * num)
    tones = [8000 * np.sin(2 * np.pi * hz * np.arange(640) / 16000) for hz in (300, 800, 1700, 3600)]
    classes = rng.integers(4, size=(num, ticks))
    audio = tuple(np.concatenate([tones[number] for number in row]).astype(np.int16) for row in classes)
    return replace(pairs, video=tuple(patterns[row] for row in classes), audio=audio)


@pytest.mark.parametrize("criterion", [Contrastive(), Correspondence(), MultiWay(4)])
def test_a_few_steps_on_talking_clips_lower_the_loss(criterion):
    pairs = talking()
    streams = VggMConfig(56, 1, 1 / 16, 16, unit=isinstance(criterion, Correspondence))
    task = replace(PLAIN, criterion=criterion, streams=streams)
    torch.manual_seed(0)
    learner = task.learner(pairs, 0).train()
    batch = task.source(pairs, learner, CPU)(np.arange(6), 0, np.random.default_rng(0))
    optimiser, losses = torch.optim.Adam(learner.parameters(), 3e-3), []
    for _ in range(40):
        torch.manual_seed(1)  # the same negatives, the same augmentation of the picture
        losses.append(learner(batch, 0)["loss"])
        optimiser.zero_grad()
        losses[-1].backward()
        assert all(parameter.grad is not None for parameter in learner.parameters())
        optimiser.step()
    assert losses[-1] < 0.75 * losses[2]


class Numbered(nn.Module):
    """A learner whose vectors are numbers of ticks, those of the sound some ticks late."""

    def __init__(self, late):
        super().__init__()
        self.mouth, self.video, self.audio = nn.Identity(), Numbers(1, 0), Numbers(4, late)


class Numbers(nn.Module):
    def __init__(self, per_tick, late):
        super().__init__()
        self.per_tick, self.late = per_tick, late

    def forward(self, stream):
        return torch.arange(stream.shape[1] // self.per_tick - 4).float()[None, :, None] - self.late


@pytest.mark.parametrize(("late", "share"), [(0, 1.0), (1, 1.0), (4, 0.0)])
def test_validation_counts_offsets_within_a_tick(late, share):
    found = TINY.validate(Numbered(late), clips(60, 60, 3), CPU)
    assert found["within_1@15"] == pytest.approx(share, abs=0.15)
    assert set(found) == {"within_1@5", "within_1@15"}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    pairs, folder = talking(), tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    learner = TINY.learner(pairs, 0)
    with torch.no_grad():
        for _ in range(3):  # statistics to normalise by
            learner(TINY.source(pairs, learner, CPU)(np.arange(6), 0, np.random.default_rng(0)), 0)
    learner.eval()
    TINY.export(learner, pairs, folder, {"recipe": "pm", "config": {}, "data": {}, "results": {}, "command": ""})
    return folder, learner, pairs


def test_what_is_exported_gives_a_vector_a_frame_as_training_did(exported):
    folder, learner, pairs = exported
    towers = load_pair(folder, any_distance=True)
    description = towers.video.description
    wanted = (description.crop, description.height_px, description.distance, description.window_frames)
    assert wanted == ("mouth", 56, "euclidean", 5)
    video_vectors, audio_vectors = window_vectors(learner, pairs, CPU)[0]
    frames = pairs.video[0][:, 28:84, 28:84].astype(np.float32) / 255
    steps = mfcc(waveform(pairs.audio[0]))
    found = towers.video.encode(frames, 12), towers.audio.encode(steps, 12)
    np.testing.assert_allclose(found[0][2:-2], video_vectors, atol=1e-4)
    np.testing.assert_allclose(found[1][2:-2], audio_vectors, atol=1e-4)
    held = np.concatenate((frames[:1], frames[:1], frames[:3]))
    np.testing.assert_allclose(towers.video.encode(held, 5)[2], found[0][0], atol=1e-4)
    assert np.abs(np.linalg.norm(found[0], axis=1) - 1).max() > 0.05  # left as they are


def test_the_encoder_makes_the_mfcc_itself(exported):
    folder, _, pairs = exported
    tower, samples = load_pair(folder, any_distance=True).audio, waveform(pairs.audio[0])
    encoder = AudioEncoder(tower)
    for part in np.array_split(samples, 5):
        encoder.push(AudioSamples(part[None], 16000))
    np.testing.assert_allclose(encoder.finish().data, tower.encode(mfcc(samples), 12), atol=2e-3)


def test_where_products_are_compared_it_is_refused(exported):
    with pytest.raises(ModelError, match="pm compares by euclidean distance, which only `avmatch evaluate"):
        load_pair(exported[0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: replace(TINY, window_ticks=5), "window_ticks must be more than 5, got 5"),
        (lambda: replace(TINY, streams=VggMConfig()), "streams.colours must be 1, got 3"),
        (lambda: MultiWay(1), "num_candidates must be 2 or more, got 1"),
    ],
)
def test_settings_that_do_not_fit_are_refused(make, message):
    with pytest.raises(UsageError, match=message):
        make()
