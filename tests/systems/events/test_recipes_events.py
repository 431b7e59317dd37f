"""The recipe `events`: begins as the untrained cue, learns, and its exported model is what was trained."""

import copy
import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from avmatch.artifacts.model import open_model
from avmatch.core.errors import ModelError, UsageError
from avmatch.cues.evidence import Cue
from avmatch.cues.motion import MotionCue
from avmatch.frontends.event_signals import BANDS_PER_TICK
from avmatch.systems.events.kinds import cut
from avmatch.systems.events.model import AccentConfig, PictureAccents, SoundAccents
from avmatch.systems.events.recipe import events
from avmatch.systems.events.runtime import CLASSES, EventCue, EventModel, KindCue, load_event_model
from avmatch.systems.events.task import EventBatches, EventPairs, EventTowers, _accents, judged
from avmatch.systems.registry import recipe
from avmatch.training.export import described_anew
from avmatch.training.kinds import KindConfig, fitted_kinds
from event_scenes import event_times, picture, sound, struck

ACCENTS = AccentConfig()
LAGS = np.arange(-25, 26) * 0.04
CPU = torch.device("cpu")
STORY = {"recipe": "events", "config": {}, "data": {"pairs": 12}, "results": {}, "command": "test"}


@pytest.fixture(scope="module")
def pairs():
    return struck(12)


@pytest.fixture(scope="module")
def learner(pairs):
    torch.manual_seed(0)
    return EventTowers(EventPairs(), pairs)


@pytest.fixture(scope="module")
def folder(pairs, learner, tmp_path_factory):
    where = tmp_path_factory.mktemp("events")
    EventPairs().export(learner, pairs, where, STORY)
    return where


def test_the_recipe_is_listed():
    assert recipe("events") == events()


def test_filters_begin_as_the_untrained_cue():
    torch.manual_seed(0)
    video, audio = PictureAccents(ACCENTS).eval(), SoundAccents(ACCENTS).eval()
    sources, bands = torch.randn(2, 3, ACCENTS.num_channels, 40), torch.randn(2, ACCENTS.num_inputs, 160)
    with torch.no_grad():
        picture_accents, sound_accents = video(sources), audio(bands)
    assert (picture_accents.shape, sound_accents.shape) == ((2, 3, 4, 40), (2, 4, 160))
    for accent in range(4):
        assert np.corrcoef(picture_accents[:, :, accent].ravel(), sources[:, :, accent].ravel())[0, 1] > 0.8
        assert np.corrcoef(sound_accents[:, accent].ravel(), bands[:, ACCENTS.onset].ravel())[0, 1] > 0.8


def test_both_sides_of_a_stretch_are_of_one_time(pairs):
    """A stroke is at the same place of the stretch on both sides, but for the margins."""
    task = EventPairs(noise_probability=0.0, stretch_ticks=(80, 80))
    batch = EventBatches(task, pairs)(np.arange(6), 0, np.random.default_rng(0))
    assert batch.video.shape[1:] == (24, 1 + ACCENTS.num_channels, 80)
    assert batch.audio.shape == (6, ACCENTS.num_inputs, (80 + 50) * BANDS_PER_TICK)
    np.testing.assert_allclose(np.exp(batch.video[:, :, 0, 0].numpy()).sum(axis=1), 1.0, rtol=1e-5)
    for motion, onsets in zip(batch.video[:, 0, 1].numpy(), batch.audio[:, ACCENTS.onset, 2::4].numpy(), strict=True):
        fits = [np.corrcoef(motion, onsets[lag : lag + 80])[0, 1] for lag in range(51)]
        assert abs(int(np.argmax(fits)) - 25) <= 1


def test_clips_shorter_than_a_stretch_are_held_at_their_ends():
    batch = EventBatches(EventPairs(stretch_ticks=(125, 125)), struck(2, 2.0))(
        np.arange(2), 0, np.random.default_rng(0)
    )
    assert batch.video.shape[-1] == 125
    assert torch.isfinite(batch.video).all()
    assert torch.isfinite(batch.audio).all()


def test_noise_lowers_flux_as_the_slope_of_the_logarithm_says():
    task = EventPairs(noise_probability=1.0, noise_nepers=(1.0, 1.0))
    audio = sound(event_times(0))
    flux, level = audio.flux.astype(np.float32), audio.level.astype(np.float32)
    slower, louder = EventBatches(task, struck(2))._noisy(flux, level, np.random.default_rng(0))
    assert (louder > level).all()
    np.testing.assert_allclose(slower, flux * np.exp(level - louder), rtol=1e-4)


def test_it_learns(pairs):
    torch.manual_seed(0)
    learner = EventTowers(EventPairs(noise_probability=0.0), pairs)
    source = EventBatches(learner.task, pairs)
    optimiser = torch.optim.Adam(learner.parameters(), 3e-3)
    losses = []
    for step in range(12):
        batch = source(np.arange(12), 0, np.random.default_rng(step % 3))
        loss = learner(batch, 0)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])


def test_pieces_of_one_recording_are_no_negatives(learner, pairs):
    source = EventBatches(learner.task, replace(pairs, group=np.zeros(12, np.int64)))
    losses = learner.eval()(source(np.arange(4), 0, np.random.default_rng(0)), 0)
    assert float(losses["pair_loss"].detach()) == pytest.approx(0.0, abs=1e-4)


def test_what_is_held_back_is_judged(learner, pairs):
    when, what, late, _group = judged(learner.eval(), pairs, CPU)
    assert when.shape == what.shape == (12, 12)
    assert (when.argmax(axis=1) == np.arange(12)).mean() > 0.8
    assert what.diagonal().mean() > what.mean() + 0.2
    assert np.median(np.abs(late)) <= 1
    metrics = EventPairs().validate(learner, pairs, CPU)
    assert metrics["recall@1"] > 0.8
    assert set(metrics) == {"recall@1", "kind_recall@5", "within_80ms"}


def test_how_late_the_sound_is_has_the_sign_of_lateness(learner, pairs):
    moved = replace(pairs, audio=tuple(np.roll(bands, 6 * BANDS_PER_TICK, axis=0) for bands in pairs.audio))
    *_, late, _group = judged(learner.eval(), moved, CPU)
    assert np.median(late) == pytest.approx(6, abs=1)


def test_pieces_of_one_recording_are_no_rivals(learner, pairs):
    others = (*pairs.audio[1:], pairs.audio[0])
    assert EventPairs().validate(learner.eval(), replace(pairs, audio=others), CPU)["kind_recall@5"] < 1.0
    one = replace(pairs, audio=others, group=np.zeros(12, np.int64))
    metrics = EventPairs().validate(learner, one, CPU)
    assert metrics["recall@1"] == metrics["kind_recall@5"] == 1.0


def test_clips_that_are_too_short_to_be_judged_are_not(learner):
    assert EventPairs().validate(learner.eval(), struck(3, 2.0), CPU) == {}


def test_what_kinds_are_worth_is_judged_by_other_recordings():
    """Pictures and sounds that are noise: fitted on, their own cosines would be high."""
    rng = np.random.default_rng(0)
    clips = [tuple(rng.normal(size=(1, 30)).astype(np.float32) for _ in range(2)) for _ in range(40)]
    found = fitted_kinds(clips, np.arange(40), KindConfig(ridge=0.01))
    towers = [
        tower(torch.from_numpy(np.stack(side))).numpy()
        for tower, side in zip(found.towers, zip(*clips, strict=True), strict=True)
    ]
    assert (towers[0] * towers[1]).sum(axis=1).mean() > 0.5
    assert abs(np.diag(found.cosines).mean()) < 0.1


def test_a_sound_goes_through_the_model_once(folder, monkeypatch):
    encoded = []
    monkeypatch.setattr(EventModel, "sound_kind", lambda self, audio: encoded.append(audio))
    cue, sounds = KindCue(load_event_model(folder)), [sound(event_times(1)), sound(event_times(2))]
    for _ in range(3):  # as blocks of videos ask for it
        cue.curves([picture(event_times(1))], sounds, LAGS)
    assert len(encoded) == 2


def test_the_exported_model_is_a_cue_that_knows_when(folder):
    model = load_event_model(folder)
    cue = EventCue(model)
    assert isinstance(cue, Cue)
    events_seconds = event_times(40)
    for late in (-0.4, 0.0, 0.2):
        curves = cue.curves(
            [picture(events_seconds, start_seconds=1.0)], [sound(events_seconds, start_seconds=1.0 + late)], LAGS
        )
        assert LAGS[curves.nats[0, 0].argmax()] == pytest.approx(late, abs=0.041)


def test_the_exported_cue_agrees_with_the_network(folder, learner, pairs):
    """The towers, the clock of the sound and the sum over accents: all as in training."""
    pieces = [cut(pairs, row)[0] for row in range(3)]
    with torch.no_grad():
        video, audio, log_prior = _accents(learner.eval(), pieces, CPU)
        wanted = learner.evidence(video, audio, log_prior)[:, :, 0].numpy()
    videos = [picture(event_times(seed), cell=seed, seed=seed, light=20.0 * seed) for seed in range(3)]
    audios = [sound(event_times(seed), seed=seed, colour=seed - 2.0) for seed in range(3)]
    videos = [replace(item, motion=item.motion[:125], duration_seconds=5.0) for item in videos]
    audios = [
        replace(item, flux=item.flux[:500], level=item.level[:500], spectrum=item.spectrum[:500]) for item in audios
    ]
    audios = [replace(item, start_seconds=0.005) for item in audios]
    found = EventCue(load_event_model(folder)).curves(videos, audios, np.zeros(1)).nats[:, :, 0]
    np.testing.assert_allclose(np.diag(found), np.diag(wanted), rtol=0.15)


def test_without_names_there_are_no_classes(folder):
    assert not (folder / CLASSES).exists()
    model = load_event_model(folder)
    assert (model.classes, model.description.class_share) == (None, 0.0)
    assert model.sound_kind(sound(event_times(3))).classes is None


def test_kinds_are_the_same_at_every_offset(folder):
    model = load_event_model(folder)
    videos = [picture(event_times(50 + n), light=20.0 * n, seed=n) for n in range(5)]
    audios = [sound(event_times(60 + n), colour=n - 2.0, seed=n) for n in range(5)]
    curves = KindCue(model).curves(videos, audios, LAGS)
    assert np.ptp(curves.nats, axis=2).max() == 0
    assert np.diag(curves.nats[..., 0]).mean() > curves.nats.mean()


def test_cues_abstain(folder):
    model = load_event_model(folder)
    times = event_times(1)
    still = replace(picture(times), motion=np.zeros((200, 8, 64), np.float16))
    silent, short = sound(times, peak=0.0), sound(times[:0], seconds=0.3)
    for cue in (EventCue(model), KindCue(model)):
        curves = cue.curves([still, picture(times)], [sound(times), silent, short], LAGS)
        assert curves.video_reasons == ("static_picture", None)
        assert curves.audio_reasons == (None, "silence", "too_short")
        assert not curves.nats[0].any()
        assert not curves.nats[:, 1:].any()
    assert MotionCue().curves([still], [silent], LAGS).reason() == "static_picture"


def test_damaged_folders_are_named(folder, tmp_path):
    assert open_model(folder).kind == "events"
    with pytest.raises(ModelError, match="no model there"):
        load_event_model(tmp_path)
    for name in ("video.onnx", "audio.onnx", "kind/video.onnx", "kind/audio.onnx"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    described_anew(tmp_path / "audio.onnx", {"weights": [1.0]})
    with pytest.raises(ModelError, match="the towers differ"):
        load_event_model(tmp_path)
    described_anew(tmp_path / "audio.onnx", {"temper": -1.0})
    with pytest.raises(ModelError, match="can't be negative"):
        load_event_model(tmp_path)
    (tmp_path / "audio.onnx").unlink()
    with pytest.raises(ModelError, match="no such model file"):
        load_event_model(tmp_path)


def test_the_card_and_the_description_tell_what_it_is(folder):
    assert "avmatch" in (folder / "card.md").read_text(encoding="utf-8")
    graph = onnx.load(folder / "video.onnx")
    metadata = {entry.key: json.loads(entry.value) for entry in graph.metadata_props if entry.key.startswith("avmatch")}
    assert metadata["avmatch"]["input"] == "motion"
    assert metadata["avmatch_training"]["recipe"] == "events"


def test_stretches_must_be_longer_than_what_flattening_takes():
    with pytest.raises(UsageError, match="stretch_ticks must rise"):
        EventPairs(stretch_ticks=(10, 100))


def test_filters_have_a_middle():
    with pytest.raises(UsageError, match="taps must be odd"):
        replace(ACCENTS, taps=4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_gpu_judges_what_is_held_back_as_a_cpu_does(learner, pairs):
    expected = EventPairs().validate(learner, pairs, CPU)
    found = EventPairs().validate(copy.deepcopy(learner).to("cuda"), pairs, torch.device("cuda"))
    assert found == pytest.approx(expected, abs=0.05)
