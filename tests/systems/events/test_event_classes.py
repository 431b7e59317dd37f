"""Named classes of any sound: against scikit-learn, through an exported model, and beside the kinds."""

import json
import shutil
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from avmatch.artifacts.tower import load_clip_towers
from avmatch.core.errors import ModelError
from avmatch.frontends.event_signals import picture_statistics, sound_statistics
from avmatch.systems.events.kinds import statistics_of
from avmatch.systems.events.runtime import CLASSES, EventCue, EventModel, Kind, KindCue, load_event_model
from avmatch.systems.events.task import EventPairs, EventTowers
from avmatch.training.closed_forms import softmax_regression
from avmatch.training.export import described_anew
from avmatch.training.kinds import KindConfig, class_names, fitted_classes
from event_scenes import event_times, picture, sound, struck

STORY = {"recipe": "events", "config": {}, "data": {"pairs": 12}, "results": {}, "command": "test"}
#: As dark, and as dull, as `struck` makes them; the fifth class has two recordings, others three or two.
LABELS = [f"{('night', 'dusk', 'dawn', 'noon', 'snow')[number % 5]}: {number}" for number in range(12)]


@pytest.fixture(scope="module")
def pairs():
    return struck(12, labels=LABELS)


@pytest.fixture(scope="module")
def learner(pairs):
    torch.manual_seed(0)
    return EventTowers(EventPairs(), pairs).eval()


@pytest.fixture(scope="module")
def folder(pairs, learner, tmp_path_factory):
    where = tmp_path_factory.mktemp("events")
    EventPairs().export(learner, pairs, where, STORY)
    return where


def blobs(num, seed=0):
    rng = np.random.default_rng(seed)
    label = np.arange(num) % 3
    return rng.normal(size=(num, 5)) + 2.0 * np.eye(3, 5)[label], label


@pytest.mark.parametrize("ridge", [0.01, 0.3])
def test_the_regression_is_that_of_scikit_learn(ridge):
    points, label = blobs(60)
    label[:20] = 0  # shares differ
    wanted = LogisticRegression(C=1 / (ridge * len(points)), tol=1e-8, max_iter=1000).fit(points, label)
    found = softmax_regression(points, label, 3, ridge)
    np.testing.assert_allclose(found.weights, wanted.coef_.T, atol=1e-3)
    np.testing.assert_allclose(found.bias - found.bias.mean(), wanted.intercept_ - wanted.intercept_.mean(), atol=1e-3)


def test_towers_are_the_regression_on_standardised_statistics():
    """Of a clip, the mean of its windows; the picture's are divided by the classes' shares."""
    points, label = blobs(60)
    points = (points * [1, 10, 100, 0.1, 1] + 7).astype(np.float32)
    names = [("a", "b", "c")[number] for number in label]
    names[:10] = ["a"] * 10
    clips = [(row[None], row[None, ::-1].copy()) for row in points]
    towers = fitted_classes(clips, names, np.arange(60), KindConfig(class_ridge=0.1)).towers
    scaled = StandardScaler().fit(points)
    wanted = LogisticRegression(C=1 / (0.1 * 60), tol=1e-8, max_iter=1000).fit(scaled.transform(points), names)
    share = np.array([np.mean(np.array(names) == name) for name in "abc"])
    windows = points[:2]
    probabilities = wanted.predict_proba(scaled.transform(windows.mean(axis=0, keepdims=True)))
    video, audio = (
        towers[0](torch.from_numpy(windows)[None]),
        towers[1](torch.from_numpy(windows[:, ::-1].copy())[None]),
    )
    np.testing.assert_allclose(video.numpy(), probabilities / share, atol=2e-3)
    np.testing.assert_allclose(audio.numpy(), probabilities, atol=2e-3)


def test_what_stands_before_the_colon_names_the_class(pairs):
    assert class_names(pairs)[:3] == ["night", "dusk", "dawn"]
    assert class_names(struck(3, labels=["rain", "", "impact: wood: oak"])) == ["rain", "", "impact"]
    assert class_names(struck(3)) == [""] * 3


def test_a_class_of_one_recording_is_left_out():
    clips = [(row[None].astype(np.float32),) * 2 for row in blobs(9)[0]]
    names = ["a", "b", "c"] * 3
    alone, together = np.arange(9), np.array([0, 1, 2, 3, 4, 2, 6, 7, 2])
    assert fitted_classes(clips, names, alone, KindConfig()).towers[0].bias.shape == (3,)
    assert fitted_classes(clips, names, together, KindConfig()).towers[0].bias.shape == (2,)
    assert fitted_classes(clips, ["a", "a", ""] * 3, alone, KindConfig()) is None
    assert fitted_classes(clips, [""] * 9, alone, KindConfig()) is None


def test_clips_that_are_too_short_teach_nothing():
    none = (np.zeros((0, 0), np.float32),) * 2
    clips = [(row[None].astype(np.float32),) * 2 for row in blobs(9)[0]]
    names = ["a", "b", "c"] * 3
    with_short, without = (
        fitted_classes(some, [*names, *more], np.arange(len(some)), KindConfig())
        for some, more in (([*clips, none, none], ["d", "d"]), (clips, []))
    )
    torch.testing.assert_close(with_short.towers[0].directions, without.towers[0].directions)


def test_the_exported_classes_are_those_of_the_network(folder, learner, pairs):
    model = load_event_model(folder)
    assert model.description.class_share == 0.5
    video, audio = statistics_of(pairs, 4)
    towers = load_clip_towers(folder / CLASSES)
    for tower, network, clip in zip((towers.video, towers.audio), learner.classes, (video, audio), strict=True):
        np.testing.assert_allclose(tower.encode([clip])[0], network(torch.from_numpy(clip)[None])[0], atol=1e-4)
    kind = model.sound_kind(sound(event_times(3)))
    assert kind.classes.shape == (5,)
    assert kind.classes.sum() == pytest.approx(1.0, abs=1e-4)
    assert np.linalg.norm(kind.vector) == pytest.approx(1.0, abs=1e-4)


def test_classes_count_beside_the_cosine(folder):
    """The nats of a pair, by the formula; they speak for pairs of one class."""
    model = load_event_model(folder)
    description, towers = model.description, load_clip_towers(folder / CLASSES)
    videos = [picture(event_times(50 + n), cell=n, light=20.0 * n, seed=n) for n in range(5)]
    audios = [sound(event_times(60 + n), colour=n - 2.0, seed=n) for n in range(5)]
    both = KindCue(model).curves(videos, audios, np.zeros(1)).nats[:, :, 0]
    cosines = KindCue(replace(model, classes=None)).curves(videos, audios, np.zeros(1)).nats[:, :, 0]
    looks = towers.video.encode([picture_statistics(video.motion) for video in videos])
    sounds = towers.audio.encode([sound_statistics(audio.spectrum) for audio in audios])
    np.testing.assert_allclose(both - cosines, description.class_share * np.log(looks @ sounds.T), atol=1e-4)
    assert np.diag(both - cosines).mean() > 0 > (both - cosines)[~np.eye(5, dtype=bool)].mean()


def test_the_classes_of_a_pair_are_what_both_say(folder):
    cue = EventCue(load_event_model(folder))
    video, audio = picture(event_times(1), cell=1, light=20.0, seed=1), sound(event_times(1), colour=-1.0, seed=1)
    look, tone = cue.model.picture_kind(video).classes, cue.model.sound_kind(audio).classes
    found = cue.classes(video, audio)
    assert sum(found) == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(found, look * tone / (look @ tone), atol=1e-5)
    assert cue.classes(video, replace(audio, spectrum=np.zeros((0, 16), np.float16))) == ()
    assert EventCue(replace(cue.model, classes=None)).classes(video, audio) == ()


def test_slopes_of_other_classes_are_refused(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "model")
    described_anew(tmp_path / "model" / "video.onnx", {"class_slopes": [0.1] * 5})
    assert load_event_model(tmp_path / "model").description.class_slopes == (0.1,) * 5
    described_anew(tmp_path / "model" / "video.onnx", {"class_slopes": [0.1] * 4})
    with pytest.raises(ModelError, match="4 class_slopes for 5 classes"):
        load_event_model(tmp_path / "model")


def test_what_is_impossible_stays_finite(folder, monkeypatch):
    vector = np.array([1.0, 0.0], np.float32)
    one, other = np.eye(2, dtype=np.float32)
    monkeypatch.setattr(EventModel, "picture_kind", lambda self, video: Kind(vector, 3 * one))
    monkeypatch.setattr(EventModel, "sound_kind", lambda self, audio: Kind(vector, other))
    curves = KindCue(load_event_model(folder)).curves([picture(event_times(1))], [sound(event_times(1))], np.zeros(1))
    assert np.isfinite(curves.nats).all()
    assert curves.nats.max() < -10


def test_a_spectrum_that_is_not_known_says_nothing(folder):
    audio = replace(sound(event_times(1)), spectrum=np.zeros((0, 16), np.float16))
    curves = KindCue(load_event_model(folder)).curves([picture(event_times(1))], [audio], np.zeros(1))
    assert curves.audio_reasons == ("too_short",)
    assert not curves.nats.any()


def test_older_folders_and_damaged_ones(folder, tmp_path):
    for name in ("video.onnx", "audio.onnx", "kind/video.onnx", "kind/audio.onnx"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(ModelError, match="classes: no such model files; export"):
        load_event_model(tmp_path)
    for side in ("video", "audio"):
        graph = onnx.load(tmp_path / f"{side}.onnx")
        (entry,) = (one for one in graph.metadata_props if one.key == "avmatch")
        entry.value = json.dumps({key: value for key, value in json.loads(entry.value).items() if key != "class_share"})
        onnx.save(graph, tmp_path / f"{side}.onnx")
    assert load_event_model(tmp_path).classes is None
    described_anew(tmp_path / "video.onnx", {"class_share": -0.1})
    with pytest.raises(ModelError, match="class_share can't be negative"):
        load_event_model(tmp_path)
