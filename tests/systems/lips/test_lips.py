"""The task of talking faces: what a window holds, what augmentation leaves alone, what is minimised and exported."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from avmatch.artifacts.tower import load_pair
from avmatch.core.errors import UsageError
from avmatch.data.items import Pairs
from avmatch.frontends.sound import log_mel
from avmatch.systems.lips.augmentation import MouthAugmentation, MouthFrontEnd, VoiceAugmentation, VoiceFrontEnd, _grid
from avmatch.systems.lips.model import LipCnnConfig, TcnConfig, VoiceCnnConfig
from avmatch.systems.lips.recipe import lips
from avmatch.systems.lips.task import CROP_PX, SAMPLES_PER_TICK, LipPairs, LipTowers, lip_vectors
from avmatch.systems.registry import recipe
from avmatch.training.task import Batch

CPU = torch.device("cpu")
TCN = TcnConfig(width=8, dilations=(1,), dim=6)
TINY = LipPairs(LipCnnConfig(first=2, widths=(3, 4), tcn=TCN), VoiceCnnConfig((2, 2, 3, 4), tcn=TCN))
PLAIN = replace(TINY, speed_probability=0.0, rate_probability=0.0)


def numbered(*lengths):
    """Pairs whose frames and samples say which tick they are."""
    video = tuple(
        np.arange(num, dtype=np.uint8)[:, None, None].repeat(CROP_PX, 1).repeat(CROP_PX, 2) for num in lengths
    )
    audio = tuple((100 * np.arange(num * SAMPLES_PER_TICK) / SAMPLES_PER_TICK).astype(np.int16) for num in lengths)
    place, label = np.arange(len(lengths)), np.full(len(lengths), -1)
    names = tuple(f"clip {number}" for number in place)
    return Pairs(video, audio, names, place, label, (), "mouths", "samples", 25.0, 16000.0)


def ticks_of(batch):
    """Which tick each frame shows, and which is in the middle of each tick's samples."""
    middles = 256 + SAMPLES_PER_TICK * np.arange(batch.video.shape[1])
    return batch.video[:, :, 0, 0].numpy().astype(float), batch.audio[:, middles].numpy() * 32767 / 100


def batches_of(task, pairs):
    return task.source(pairs, torch.nn.Identity(), torch.device("cpu"))


def test_the_recipe_is_listed():
    assert recipe("lips") == lips()


@pytest.mark.parametrize("length", [30, 75])
def test_picture_and_sound_of_a_window_are_of_one_time(length):
    source, begins = batches_of(PLAIN, numbered(length, length)), set()
    for seed in range(20):
        frame_ticks, sound_ticks = ticks_of(source(np.array([0, 1]), 0, np.random.default_rng(seed)))
        np.testing.assert_allclose(sound_ticks[:, 1:-1], frame_ticks[:, 1:-1], atol=0.03)
        assert (np.diff(frame_ticks) == 1).all()
        begins |= set(frame_ticks[:, 0].tolist())
    assert len(begins) > (1 if length == 30 else 10)


def test_speed_changes_both_sides_alike():
    source = batches_of(replace(TINY, speed_probability=1.0, rate_probability=0.0), numbered(75))
    speeds = []
    for seed in range(20):
        batch = source(np.array([0]), 0, np.random.default_rng(seed))
        frame_ticks, sound_ticks = ticks_of(batch)
        speed = (sound_ticks[0, -2] - sound_ticks[0, 2]) / (batch.video.shape[1] - 4)
        speeds.append(speed)
        assert np.abs(sound_ticks - frame_ticks)[0, 1:-1].max() <= 0.55
    assert min(speeds) < 0.93
    assert max(speeds) > 1.07


def test_a_slower_camera_holds_its_frames():
    source = batches_of(replace(PLAIN, rate_probability=1.0, rate_kept_share=(0.5, 0.5)), numbered(75))
    frame_ticks, _ = ticks_of(source(np.array([0]), 0, np.random.default_rng(0)))
    assert len(set(frame_ticks[0])) in (14, 15)
    assert (np.diff(frame_ticks[0]) >= 0).all()


def test_a_clip_shorter_than_a_window_goes_on_with_its_last_frame():
    batch = batches_of(PLAIN, numbered(10))(np.array([0]), 0, np.random.default_rng(0))
    frame_ticks, _ = ticks_of(batch)
    assert frame_ticks[0].tolist() == [*range(10), *[9] * 18]


def test_the_voice_in_evaluation_is_the_front_end_of_use():
    samples = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
    front = VoiceFrontEnd(VoiceAugmentation()).eval()
    found = front(torch.from_numpy(np.pad(samples, 256))[None])[0].numpy()
    np.testing.assert_allclose(found, log_mel(samples), atol=1e-4)


def test_the_mouth_in_evaluation_is_the_middle_of_the_crop():
    crops = torch.randint(0, 256, (2, 3, CROP_PX, CROP_PX), dtype=torch.uint8)
    found = MouthFrontEnd(MouthAugmentation(), 80).eval()(crops)
    torch.testing.assert_close(found, crops[:, :, 16:96, 16:96].float() / 255)


def test_augmentation_that_does_nothing_gives_the_middle_of_the_crop():
    nothing = MouthAugmentation(
        mirror_probability=0, rotation_degrees=0, scales=(1, 1), aspect=0, shear=0, shift=0, jitter=0, jitter_scale=0,
        coarse_probability=0, gammas=(1, 1), contrasts=(1, 1), brightness=0, ramp=0, compression_probability=0, noise=0,
        cover_probability=0,
    )  # fmt: skip
    crops = torch.randint(0, 256, (2, 5, CROP_PX, CROP_PX), dtype=torch.uint8)
    front = MouthFrontEnd(nothing, 80)
    torch.testing.assert_close(front.train()(crops), front.eval()(crops), atol=1e-3, rtol=0)


def test_the_grid_is_that_of_torch():
    turn, shift = torch.randn(3, 2, 2), torch.randn(3, 2)
    wanted = torch.nn.functional.affine_grid(torch.cat((turn, shift[..., None]), 2), [3, 1, 9, 9], align_corners=False)
    torch.testing.assert_close(_grid(turn, shift, 9), wanted)


def test_fine_compression_leaves_the_picture_nearly_as_it_was():
    some = MouthAugmentation(compression_probability=1.0, compression_steps=(1.0, 1.01))
    front, frames = MouthFrontEnd(some, 80), torch.rand(2, 3, 80, 80)
    assert (front._quantised(frames) - frames).abs().max() < 0.05
    rough = MouthFrontEnd(replace(some, compression_steps=(60.0, 60.1)), 80)._quantised(frames)
    assert (rough - frames).abs().mean() > 0.05


@pytest.mark.parametrize("seed", range(5))
def test_what_is_augmented_is_another_clip_of_the_same_shape(seed):
    crops, sound = torch.randint(0, 256, (4, 28, 112, 112), dtype=torch.uint8), torch.randn(4, 28 * 640 + 512) / 10
    sound[0] = 0
    torch.manual_seed(seed)
    frames, mel = (
        MouthFrontEnd(MouthAugmentation(), 80).train()(crops),
        VoiceFrontEnd(VoiceAugmentation()).train()(sound),
    )
    assert frames.shape == (4, 28, 80, 80)
    assert mel.shape == (4, 112, 64)
    assert mel.isfinite().all()
    assert 0 <= frames.min() < frames.max() <= 1
    torch.manual_seed(seed)
    again = MouthFrontEnd(MouthAugmentation(), 80).train()(crops)
    torch.testing.assert_close(again, frames)


def learner_and_vectors(num, ticks=18, dim=64):
    """A learner, and the vectors of clips whose ticks all differ."""
    torch.manual_seed(1)
    learner = LipTowers(TINY)
    for head in (learner.tick, learner.offset, learner.clip):
        head.log_scale.data.fill_(math.log(60))
    return learner, torch.nn.functional.normalize(torch.randn(num, ticks, dim), dim=2)


def test_losses_vanish_where_vectors_agree_at_the_same_time_and_nowhere_else():
    learner, vectors = learner_and_vectors(4)
    agreeing, late = vectors @ vectors.transpose(1, 2), vectors @ vectors.roll(1, dims=1).transpose(1, 2)
    assert learner._tick_loss(agreeing) < 0.05
    assert learner._offset_loss(agreeing) < 0.05
    assert learner._tick_loss(late) > 2
    assert learner._offset_loss(late) > 2


def test_losses_of_vectors_that_say_nothing_are_those_of_guessing():
    learner, _ = learner_and_vectors(2)
    nothing = torch.full((2, 18, 18), 0.3)
    assert learner._tick_loss(nothing).item() == pytest.approx(math.log(18), abs=1e-4)
    assert learner._offset_loss(nothing).item() == pytest.approx(math.log(19), abs=1e-4)


def test_inner_ticks_know_nothing_of_the_ends_of_the_window():
    """Were it otherwise, counting from the end would tell which ticks belong together."""
    task = replace(TINY, video=replace(TINY.video, tcn=TcnConfig(8, dilations=(1, 1, 1), dim=6)))
    learner = task.learner(numbered(30), 0).eval()
    reach, frames, mel = task.reach_ticks, torch.rand(1, 40, 80, 80), torch.randn(1, 160, 64)
    for tower, whole, per_tick in ((learner.video, frames, 1), (learner.audio, mel, 4)):
        part = tower(whole[:, 5 * per_tick : 33 * per_tick])
        torch.testing.assert_close(part[:, reach:-reach], tower(whole)[:, 5 + reach : 33 - reach], rtol=1e-4, atol=1e-5)
    assert reach == 5


def noise_pairs(num=6, ticks=40):
    rng = np.random.default_rng(0)
    pairs = numbered(*[ticks] * num)
    video = tuple(rng.integers(0, 256, (ticks, CROP_PX, CROP_PX)).astype(np.uint8) for _ in range(num))
    audio = tuple(rng.normal(0, 3000, ticks * SAMPLES_PER_TICK).astype(np.int16) for _ in range(num))
    return replace(pairs, video=video, audio=audio)


def test_a_step_of_training_gives_every_loss_and_gradient():
    pairs = noise_pairs()
    learner = TINY.learner(pairs, 0).train()
    batch = TINY.source(pairs, learner, CPU)(np.arange(6), 0, np.random.default_rng(0))
    assert isinstance(batch, Batch)
    losses = learner(batch, 0)
    weighted = losses["tick_loss"] + 0.5 * losses["offset_loss"] + 0.5 * losses["clip_loss"]
    torch.testing.assert_close(losses["loss"], weighted)
    losses["loss"].backward()
    assert all(parameter.grad is not None for parameter in learner.parameters())


def test_validation_counts_what_is_right():
    found = TINY.validate(TINY.learner(noise_pairs(), 0), noise_pairs(), CPU)
    assert set(found) == {"within_1@5", "within_1@15", "recall@1"}
    assert all(0 <= value <= 1 for value in found.values())


def test_what_is_exported_looks_at_mouths_and_says_what_training_said(tmp_path):
    pairs = noise_pairs()
    learner = TINY.learner(pairs, 0).eval()
    TINY.export(learner, pairs, tmp_path, {"recipe": "lips", "config": {}, "data": {}, "results": {}, "command": ""})
    towers = load_pair(tmp_path)
    assert (towers.video.description.crop, towers.video.description.height_px) == ("mouth", 80)
    video_vectors, audio_vectors = lip_vectors(learner, pairs, CPU)
    frames = pairs.video[0][:, 16:96, 16:96].astype(np.float32) / 255
    np.testing.assert_allclose(towers.video.encode(frames, 40), video_vectors[0], atol=5e-3)
    mel = log_mel(pairs.audio[0].astype(np.float32) / 32767)
    np.testing.assert_allclose(towers.audio.encode(mel, 40), audio_vectors[0], atol=5e-3)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"window_ticks": 6}, "leaves no inner ticks: a vector depends on 3 ticks"),
        ({"video": LipCnnConfig(tcn=TcnConfig(dim=5))}, r"video.tcn.dim 5 and audio.tcn.dim 6 differ"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changed, message):
    with pytest.raises(UsageError, match=message):
        replace(TINY, **changed)
