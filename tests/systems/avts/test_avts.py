"""Synchronisation of any sound: what a batch holds, what is minimised, how it is judged, what is exported."""

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch
from torch import nn

from avmatch.artifacts.model import open_graph
from avmatch.core.errors import UsageError
from avmatch.data.items import Pairs
from avmatch.data.shards import ShardWriter, open_shards
from avmatch.frontends.sound import filterbank
from avmatch.systems.avts import task as avts_task
from avmatch.systems.avts.model import McVideoConfig, SoundCnnConfig
from avmatch.systems.avts.negatives import SyncCriterion, SyncCurriculum, SyncMix, SyncShifts
from avmatch.systems.avts.recipe import CURRICULUM, avts, l3_net
from avmatch.systems.avts.task import Avts, AvtsTowers, sync_judgements
from avmatch.systems.registry import recipe
from avmatch.training.config import TrainConfig, override
from avmatch.training.loop import train
from avmatch.training.run import RunFolder
from processes import run_together, train_quietly

CPU = torch.device("cpu")
SIDE_PX = 16
TINY = Avts(
    video=McVideoConfig(width=1 / 32, num_stretches=2, hidden=256, dim=8),
    audio=SoundCnnConfig(width=1 / 32, num_stretches=2, hidden=256, dim=8),
    rate_hz=25.0,
    side_px=SIDE_PX,
    spare_px=4,
)
ONLY = {kind: SyncCurriculum(((0.0, SyncMix(**{"easy": 0.0, kind: 1.0})),)) for kind in ("easy", "hard", "super_hard")}
NUM, TICKS = 6, 90


def clips(num=NUM, ticks=TICKS):
    """Frames that say which clip (red) and tick (green) they are; tones whose pitch is the clip's, louder each tick."""
    size = SIDE_PX + 4
    video, audio = [], []
    for clip in range(num):
        frames = np.zeros((ticks, size, size, 3), np.uint8)
        frames[..., 0], frames[..., 1] = 20 * (clip + 1), np.arange(ticks)[:, None, None]
        video.append(frames)
        loudness = np.exp(0.06 * np.arange(ticks).repeat(640)) * 40
        tone = np.sin(2 * np.pi * 400 * (clip + 1) * np.arange(640 * ticks) / 16000)
        audio.append((loudness * tone).astype(np.int16))
    place = np.arange(num)
    names = tuple(f"clip {number}" for number in place)
    labels = np.full(num, -1)
    return Pairs(tuple(video), tuple(audio), names, place, labels, (), "frames", "samples", 25.0, 16000.0)


@lru_cache
def reference():
    """What the sound of each clip is at each tick: (clip, tick) → the first frame of the filterbank."""
    pairs = clips()
    return np.stack([filterbank(sound.astype(np.float32) / 32767)[::4] for sound in pairs.audio])


def place_of(sound):
    """Clip and tick that a spectrogram begins with."""
    apart = np.abs(reference() - np.asarray(sound)[0]).sum(axis=2)
    clip, tick = np.unravel_index(apart.argmin(), apart.shape)
    return int(clip), int(tick)


def batches_of(task, pairs):
    return task.source(pairs, torch.nn.Identity(), torch.device("cpu"))


@pytest.mark.parametrize("kind", ["easy", "hard", "super_hard"])
def test_negatives_are_what_their_kind_says(kind):
    task = replace(TINY, curriculum=ONLY[kind], num_negatives=2, shifts=SyncShifts(far_seconds=1.2))
    batch = batches_of(task, clips())(np.arange(NUM), 0, np.random.default_rng(0))
    assert batch.video.shape == (NUM, 25, SIDE_PX, SIDE_PX, 3)
    assert batch.audio.shape == (NUM, 99, 40)
    assert batch.negatives.shape == (NUM, 2, 99, 40)
    for row in range(NUM):
        begin = int(batch.video[row, 0, 0, 0, 1])
        assert batch.video[row, :, 3, 5, 1].tolist() == list(range(begin, begin + 25))
        assert set(batch.video[row, :, :, :, 0].flatten().tolist()) == {20 * (row + 1)}
        assert place_of(batch.audio[row]) == (row, begin)
        for sound in batch.negatives[row]:
            clip, tick = place_of(sound)
            assert (clip != row) == (kind == "easy")
            assert kind == "easy" or abs(tick - begin) >= {"hard": 13, "super_hard": 30}[kind]


def test_a_recording_that_is_too_short_for_hard_negatives_gets_easy_ones():
    task = replace(TINY, curriculum=ONLY["hard"])
    batch = batches_of(task, clips(3, 30))(np.arange(3), 0, np.random.default_rng(0))
    assert all(place_of(batch.negatives[row, 0])[0] != row for row in range(3))


def test_the_curriculum_decides_by_epoch():
    task = replace(TINY, curriculum=CURRICULUM, num_negatives=8)
    source, shares = batches_of(task, clips(4)), []
    for epoch in (49, 50):
        batch = source(np.arange(4), epoch, np.random.default_rng(epoch))
        own = [place_of(batch.negatives[row, place])[0] == row for row in range(4) for place in range(8)]
        shares.append(np.mean(own))
    assert shares[0] == 0
    assert 0.1 < shares[1] < 0.45


def test_a_still_is_the_frame_in_the_middle():
    task = replace(TINY, num_frames=1, video=replace(TINY.video, num_stretches=1), mirror_probability=0.0)
    batch = batches_of(task, clips())(np.arange(2), 0, np.random.default_rng(0))
    assert batch.video.shape == (2, 1, SIDE_PX, SIDE_PX, 3)
    for row in range(2):
        assert place_of(batch.audio[row])[1] == int(batch.video[row, 0, 0, 0, 1]) - 12


def test_frames_are_mirrored_and_cut_out_at_several_places():
    pairs = clips(2)
    ramp = np.arange(SIDE_PX + 4, dtype=np.uint8)
    video = tuple(np.broadcast_to(ramp[None, None, :, None], frames.shape).copy() for frames in pairs.video)
    source, edges = batches_of(TINY, replace(pairs, video=video)), set()
    for seed in range(30):
        batch = source(np.arange(2), 0, np.random.default_rng(seed))
        edges |= {tuple(row[0, 0, [0, -1], 0].tolist()) for row in batch.video}
    assert edges == {(left, left + 15) for left in range(5)} | {(left + 15, left) for left in range(5)}


def vectors(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(*shape, generator=generator) for shape in ((3, 4), (3, 4), (3, 2, 4)))


def unit(vector):
    return [float(value) / math.hypot(*vector.tolist()) for value in vector]


def test_contrastive_pulls_pairs_and_pushes_negatives_to_the_margin():
    """½ d² of pairs and ½ max(0, 0.99 − d)² of negatives, both sides weighing alike; d between unit vectors."""
    video, audio, negatives = vectors()
    negatives[0, 0] = video[0] + 0.2
    near = [math.dist(unit(video[row]), unit(audio[row])) ** 2 for row in range(3)]
    far = [
        max(0.0, 0.99 - math.dist(unit(video[row]), unit(negatives[row, place]))) ** 2
        for row in range(3)
        for place in range(2)
    ]
    found = SyncCriterion("contrastive", 4, 0.99, 0.1)(video, audio, negatives)
    assert sum(far) > 0
    assert found.item() == pytest.approx((sum(near) / 3 + sum(far) / 6) / 4, rel=1e-5)


def test_multi_way_asks_which_of_the_sounds():
    video, audio, negatives = vectors(1)
    logits = [
        [
            10 * math.fsum(map(math.prod, zip(unit(video[row]), unit(one), strict=True)))
            for one in (audio[row], *negatives[row])
        ]
        for row in range(3)
    ]
    wanted = sum(math.log(sum(map(math.exp, row))) - row[0] for row in logits) / 3
    assert SyncCriterion("multi_way", 4, 0.99, 0.1)(video, audio, negatives).item() == pytest.approx(wanted, rel=1e-5)


def test_cross_entropy_is_that_of_its_own_logits():
    video, audio, negatives = vectors(2)
    torch.manual_seed(0)
    criterion = SyncCriterion("cross_entropy", 4, 0.99, 0.1)
    yes = [criterion.scores(video, audio)[row].item() for row in range(3)]
    no = [criterion.scores(video, negatives[:, place])[row].item() for row in range(3) for place in range(2)]
    wanted = sum(math.log1p(math.exp(-one)) for one in yes) / 3 + sum(math.log1p(math.exp(one)) for one in no) / 6
    assert criterion(video, audio, negatives).item() == pytest.approx(wanted / 2, rel=1e-5)


class KnowingVideo(nn.Module):
    """Says which clip and tick a window begins with, from its colours."""

    def forward(self, frames):
        clip, tick = (255 * frames[:, 0, 0, 0, :2]).round().T
        return vector_of(clip / 20 - 1, tick)


class KnowingAudio(nn.Module):
    """The same from its sound."""

    def forward(self, sound):
        found = torch.tensor([place_of(one) for one in sound.numpy()], dtype=torch.float32)
        return vector_of(found[:, 0], found[:, 1])


def vector_of(clip, tick):
    return torch.stack((torch.cos(0.03 * tick), torch.sin(0.03 * tick), 3 * clip), dim=1)


@pytest.mark.parametrize("reading", ["far", "near"])
def test_towers_that_know_clip_and_time_judge_everything_right(reading):
    task = replace(TINY, curriculum=CURRICULUM, shifts=SyncShifts(reading, far_seconds=1.2))
    learner = AvtsTowers(task)
    learner.video, learner.audio = KnowingVideo(), KnowingAudio()
    found = sync_judgements(task, learner, clips(), CPU)
    assert set(found) == {"sync_accuracy", "easy", "hard", "mixed"}
    assert all(right.all() for right in found.values())
    assert {len(right) for right in found.values()} == {len(found["easy"])}


def test_clips_too_short_for_super_hard_negatives_are_judged_by_hard_ones():
    learner = AvtsTowers(TINY)
    learner.video, learner.audio = KnowingVideo(), KnowingAudio()
    found = sync_judgements(TINY, learner, clips(NUM, 45), CPU)
    assert found["hard"].all()
    assert len(found["hard"]) > NUM


def test_towers_that_know_the_clip_alone_fail_on_hard_negatives():
    learner = AvtsTowers(TINY)
    learner.video, learner.audio = OnlyClip(KnowingVideo()), OnlyClip(KnowingAudio())
    found = TINY.validate(learner, clips(), CPU)
    assert found["sync_accuracy_easy"] == 1.0
    assert found["sync_accuracy"] == 1.0  # the recipe's own negatives are easy here
    assert found["sync_accuracy_hard"] == pytest.approx(0.5, abs=0.01)
    assert 0.75 < found["sync_accuracy_mixed"] < 0.98


def test_validation_takes_a_few_windows_at_once_and_only_the_sounds_that_it_judges():
    videos_at_once, audios_in_all = [], []
    learner = AvtsTowers(TINY)
    learner.video.register_forward_hook(lambda _, inputs, __: videos_at_once.append(len(inputs[0])))
    learner.audio.register_forward_hook(lambda _, inputs, __: audios_in_all.append(len(inputs[0])))
    found = sync_judgements(replace(TINY, shifts=SyncShifts(far_seconds=1.2)), learner, clips(12), CPU)
    assert sum(videos_at_once) == len(found["easy"]) > max(videos_at_once) == 32
    assert sum(audios_in_all) == 2 * len(found["easy"])  # the own sound and the hard one: easy ones are others' own


class OnlyClip(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, inputs):
        clip = self.inner(inputs)[:, 2:]
        return torch.cat((torch.cos(clip / 3), torch.sin(clip / 3)), dim=1)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder, pairs = tmp_path_factory.mktemp("shards"), clips(8)
    with ShardWriter(
        folder, video_kind="frames", audio_kind="samples", video_rate_hz=25, audio_rate_hz=16000
    ) as writer:
        for row, name in enumerate(pairs.names):
            writer.add(name, pairs.video[row], pairs.audio[row])
    return folder


def config(**settings):
    return TrainConfig(
        "avts",
        **{
            "task": TINY,
            "epochs": 2,
            "batch_size": 4,
            "validation_share": 0.25,
            "best_by": "sync_accuracy",
            **settings,
        },
    )


@pytest.fixture(scope="module")
def run(shards, tmp_path_factory):
    """By two processes together."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    run_together(train_quietly, config(epochs=1), shards, folder)
    return RunFolder(folder)


def test_it_learns_whose_sound_it_is(shards):
    pairs = open_shards(shards)
    torch.manual_seed(0)
    task = replace(TINY, curriculum=ONLY["easy"], mirror_probability=0.0)
    learner = task.learner(pairs, 0)
    optimiser, rng = torch.optim.Adam(learner.parameters(), 3e-3), np.random.default_rng(0)
    source, losses = task.source(pairs, learner, CPU), []
    for _ in range(60):
        losses.append(learner(source(np.arange(8), 0, rng), 0)["loss"])
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert all(parameter.grad is not None for parameter in learner.parameters())
    assert torch.stack(losses[-5:]).mean() < 0.5 * torch.stack(losses[:5]).mean()
    assert task.validate(learner, pairs, CPU)["sync_accuracy_easy"] > 0.8


def test_the_towers_are_exported_with_their_description(run, shards):
    pairs, graphs = open_shards(shards), {side: run.model / f"{side}.onnx" for side in ("video", "audio")}
    opened = {side: open_graph(path) for side, path in graphs.items()}
    video, audio = (graph.metadata for graph in opened.values())
    assert video == {
        "kind": "windows",
        "model": "avts",
        "side": "video",
        "window_seconds": 1.0,
        "compared_by": "contrastive",
        "input": "colour_frames",
        "rate_hz": 25.0,
        "num_frames": 25,
        "height_px": SIDE_PX,
        "width_px": SIDE_PX,
    }
    assert (audio["input"], audio["num_filters"]) == ("filterbank", 40)
    sound = TINY.sound(pairs, 0, 0)
    assert opened["audio"].run("audio", sound[None]).shape == (1, 8)
    assert set(run.read_metrics()[0]) >= {
        "sync_accuracy",
        "sync_accuracy_easy",
        "sync_accuracy_hard",
        "sync_accuracy_mixed",
    }


def test_a_window_is_as_long_as_its_graphs_say(tmp_path, monkeypatch):
    """12.5 frames a second: a window has 12, and as much sound."""
    exported = []
    monkeypatch.setattr(avts_task, "export_model", lambda kind, graphs, *_: exported.extend(graphs.values()))
    task = replace(TINY, rate_hz=12.5)
    learner = AvtsTowers(task)
    task.export(learner, clips(), tmp_path, {})
    assert exported[0].samples[0].shape[1:] == (12, SIDE_PX, SIDE_PX, 3)
    assert exported[1].samples[0].shape[1:] == task.sound(clips(), 0, 0).shape
    assert {one.description["window_seconds"] for one in exported} == {0.96}


def test_the_curriculum_follows_the_length_of_the_run(shards, tmp_path, monkeypatch):
    asked, plain = [], Avts.batch

    def recorded(self, pairs, negatives, rows, epoch, rng):
        asked.append((epoch, self.curriculum.mix_at(epoch)))
        return plain(self, pairs, negatives, rows, epoch, rng)

    monkeypatch.setattr(Avts, "batch", recorded)
    monkeypatch.setattr(Avts, "export", lambda *_: None)
    stages = ((0.0, SyncMix(1, 0)), (0.5, SyncMix(0, 1)))
    train(config(task=replace(TINY, curriculum=SyncCurriculum(stages))), shards, tmp_path / "run", device="cpu")
    assert set(asked) == {(0, SyncMix(1, 0)), (1, SyncMix(0, 1))}


def test_the_recipes_are_listed_and_say_what_was_published():
    config = recipe("avts")
    assert config == avts()
    assert (config.epochs, config.batch_size, config.task.margin) == (90, 16, 0.99)
    plan = config.optimisation
    assert (plan.schedule, plan.plateau_epochs, plan.plateau_factor) == ("plateau", 5, 0.1)
    assert (config.task.video, config.task.curriculum) == (McVideoConfig("mc3"), CURRICULUM)
    assert recipe("l3_net") == l3_net()
    assert (l3_net().task.loss, l3_net().task.num_frames, l3_net().task.curriculum.last) == (
        "cross_entropy",
        1,
        SyncMix(),
    )


def test_what_can_be_set_on_the_command_line():
    stages = 'task.curriculum.stages=[[0, {"easy": 0, "hard": 1}]]'
    changed = override(avts(), ["task.video.kind=mc5", stages, "task.shifts.super_hard=near", "task.loss=multi_way"])
    assert changed.task.curriculum.stages == ((0.0, SyncMix(0, 1)),)
    assert (changed.task.video.kind, changed.task.shifts.super_hard, changed.task.loss) == ("mc5", "near", "multi_way")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: replace(TINY, loss="triplet"), "loss is one of contrastive, cross_entropy, multi_way, got 'triplet'"),
        (lambda: replace(TINY, num_frames=1), "1 frames, .* can't be cut into video.num_stretches=2"),
        (
            lambda: Avts(McVideoConfig("3d"), rate_hz=12.5),
            "12 frames, of which video.kind=3d leaves 2, can't be cut into video.num_stretches=4",
        ),
        (lambda: replace(TINY, side_px=0), "side_px must be positive"),
        (
            lambda: replace(TINY, audio=SoundCnnConfig(dim=9)).learner(clips(), 0),
            "task.video.dim 8 and task.audio.dim 9",
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused(make, message):
    with pytest.raises(UsageError, match=message):
        make()


def test_clips_shorter_than_a_window_are_left_out(tmp_path):
    with ShardWriter(
        tmp_path, video_kind="frames", audio_kind="samples", video_rate_hz=25, audio_rate_hz=16000
    ) as writer:
        for name, ticks in (("short", 24), ("long", 25)):
            writer.add(name, clips(1, ticks).video[0], clips(1, ticks).audio[0] + 1)
    assert TINY.read(tmp_path, tmp_path / "cache").names == ("long",)


def test_clips_of_one_recording_are_not_judged():
    pairs = replace(clips(), group=np.zeros(NUM, int))
    with pytest.warns(UserWarning, match="6 held-back clips are of one recording: nothing is validated"):
        assert TINY.validate(AvtsTowers(TINY), pairs, CPU) == {}
