"""The linear probe: against scikit-learn's own folds, on sets in their exact layout, with layers of exported towers."""

import json
from zlib import crc32

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from torch import nn

from avmatch.core.errors import ModelError, UsageError
from avmatch.core.features import AudioSamples
from avmatch.frontends.sound import filterbank
from avmatch.media.encode import write_audio
from avmatch.pipelines.evaluate import evaluate_probe, layer_of
from avmatch.systems.avts.evaluate import Clips, best_cost, clip_scores, pooled, probe, windows_of
from avmatch.systems.avts.model import SoundCnn, SoundCnnConfig
from avmatch.training.export import Exported, export_onnx, uniform

STORY = {"recipe": "tiny", "config": {}, "data": {}, "results": {}, "command": ""}
CLASSES = ("Bell", "Drone", "Rain")


def sound(label, rng):
    """Half a second and more of a class of its own pitch, or noise."""
    times = np.arange(16000 + int(rng.integers(8000))) / 16000
    wave = {0: np.sin(2 * np.pi * 2500 * times), 1: np.sin(2 * np.pi * 200 * times), 2: rng.normal(size=len(times))}
    return AudioSamples((0.3 * wave[label] + rng.normal(0, 0.01, len(times))).astype(np.float32)[None], 16000)


@pytest.fixture(scope="module")
def esc(tmp_path_factory):
    """Three classes, five folds, three clips of each: in the layout of folders."""
    folder, rng = tmp_path_factory.mktemp("esc"), np.random.default_rng(0)
    for label, name in enumerate(CLASSES):
        for fold in range(1, 6):
            for source in range(2):
                path = folder / f"{label + 1:03d} - {name}" / f"{fold}-{fold}{label}{source}-A.wav"
                path.parent.mkdir(exist_ok=True)
                write_audio(path, sound(label, rng))
    return folder


@pytest.fixture(scope="module")
def tower(tmp_path_factory):
    """An untrained one, exported, and the network."""
    torch.manual_seed(0)
    network, path = SoundCnn(SoundCnnConfig(width=1 / 16)).eval(), tmp_path_factory.mktemp("model") / "audio.onnx"
    described = {"side": "audio", "input": "filterbank", "num_filters": 40, "window_seconds": 1.0}
    samples = uniform(((num, 99, 40) for num in (2, 1, 3)), -13.0, 5.0)
    export_onnx(Exported(network, samples, described), path, STORY)
    return path, network


def blobs(num_clips, num_classes, seed, num_windows=1, spread=1.0):
    """Clips around the middle of their class, two of each recording."""
    rng = np.random.default_rng(seed)
    label = np.arange(num_clips) // 2 % num_classes
    middle = np.random.default_rng(9).normal(size=(num_classes, 6))
    windows = tuple(
        (middle[one] + rng.normal(0, spread, (num_windows, 6))).astype(np.float32) * [1, 1, 100, 1, 0.01, 1] + 5
        for one in label
    )
    return Clips(tuple(one.astype(np.float32) for one in windows), label, np.arange(num_clips) // 2)


def test_scores_are_those_of_scikit_learn():
    """Windows standardised by those of training, then divided by √D."""
    trained, tested = blobs(60, 3, 1), blobs(30, 3, 2)
    inputs = np.concatenate(trained.windows)
    scaled = StandardScaler().fit(inputs)
    machine = LinearSVC(C=1.0, random_state=0, dual="auto").fit(scaled.transform(inputs) / np.sqrt(6), trained.label)
    wanted = machine.decision_function(scaled.transform(np.concatenate(tested.windows)) / np.sqrt(6))
    np.testing.assert_allclose(clip_scores(trained, tested, 1.0, 3), wanted, atol=1e-3)


def test_a_clips_score_is_the_mean_over_its_windows():
    trained, tested = blobs(60, 3, 1, num_windows=3), blobs(10, 3, 2, num_windows=4)
    apart = Clips(tuple(row[None] for one in tested.windows for row in one), np.repeat(tested.label, 4), np.arange(40))
    wanted = clip_scores(trained, apart, 0.1, 3).reshape(10, 4, 3).mean(axis=1)
    np.testing.assert_allclose(clip_scores(trained, tested, 0.1, 3), wanted, atol=1e-9)


def test_two_classes_and_a_class_that_was_not_there():
    scores = clip_scores(blobs(20, 2, 1), blobs(20, 2, 2), 1.0, 3)
    assert (scores[:, 0] == -scores[:, 1]).all()
    assert (scores[:, 2] == -np.inf).all()
    assert (scores.argmax(axis=1) == blobs(20, 2, 2).label).mean() > 0.8


def test_the_cost_is_chosen_inside_the_training_clips(monkeypatch):
    """Every clip is judged once for each C, by clips of other recordings."""
    clips, asked = blobs(80, 4, 3), []

    def perfect_scores(trained, tested, cost, num_classes):
        assert not set(trained.group) & set(tested.group)
        assert len(trained.group) + len(tested.group) == 80
        asked.append((cost, *tested.group.tolist()))
        return np.eye(num_classes)[tested.label] * {0.1: 1, 1.0: 2, 10.0: 2}[cost] - (cost == 0.1)

    monkeypatch.setattr("avmatch.systems.avts.evaluate.clip_scores", perfect_scores)
    monkeypatch.setattr("avmatch.systems.avts.evaluate.top_k_hits", lambda scores, label, k: scores.max(axis=1) > 1)
    assert best_cost(clips, 4, costs=(0.1, 1.0, 10.0)) == 1.0  # of two as good, the smaller
    for cost in (0.1, 1.0, 10.0):
        assert sorted(group for one in asked if one[0] == cost for group in one[1:]) == sorted(clips.group.tolist())


def test_the_probe_separates_classes_in_five_folds(esc):
    def loudness_of_bands(path):
        from avmatch.media.decode import read_audio

        return np.stack([filterbank(one).mean(axis=0) for one in windows_of(read_audio(path).data[0], 16000)])

    report = probe(loudness_of_bands, esc, model="bands")
    assert report.accuracy.share == 1.0
    assert [(one.num_trained, one.num_tested, one.accuracy) for one in report.lists] == [(24, 6, 1.0)] * 5
    assert (report.num_classes, report.accuracy.num_trials, report.mistakes, report.notes) == (3, 30, (), ())


def test_features_that_know_nothing_are_right_by_chance(esc):
    def noise(path):
        return np.random.default_rng(crc32(path.encode())).normal(size=(2, 4)).astype(np.float32)

    report = probe(noise, esc, model="noise")
    assert report.accuracy.share < 0.75
    assert sum(one.count for one in report.mistakes) == round(30 * (1 - report.accuracy.share))


def test_a_layer_is_that_of_the_network(tower):
    path, network = tower
    layer = layer_of(path)
    assert (layer.layer, layer.window_seconds) == ("conv_5", 1.0)
    rng = np.random.default_rng(0)
    samples = rng.normal(0, 0.1, 32000).astype(np.float32)
    inputs = torch.from_numpy(np.stack([filterbank(one) for one in windows_of(samples, 16000)]))
    with torch.no_grad():
        maps = nn.Sequential(*list(network.blocks)[:-1])(network.normalise(inputs.mT).mT[:, None])
        vectors = network(inputs)
    assert layer.of(samples).shape == (3, 12 * maps.shape[1])
    np.testing.assert_allclose(layer.of(samples), pooled(maps.numpy(), 99), atol=1e-4)
    np.testing.assert_allclose(layer_of(path, "output").of(samples), vectors.numpy(), atol=1e-4)
    assert layer_of(path, "blocks.conv_2").of(samples).shape == (3, 12 * 12)


def test_long_sounds_go_through_in_parts(tower, monkeypatch):
    samples = np.random.default_rng(1).normal(0, 0.1, 48000).astype(np.float32)
    whole = layer_of(tower[0]).of(samples)
    monkeypatch.setattr("avmatch.systems.avts.evaluate._TOGETHER", 2)
    np.testing.assert_allclose(layer_of(tower[0]).of(samples), whole, atol=1e-5)


def test_the_model_that_ships_has_layers_too():
    layer = layer_of("lips")
    assert layer.layer == "output"
    assert layer.of(np.zeros(24000, np.float32)).shape == (2, 2 * 192)
    assert layer_of("lips", "down.3").of(np.zeros(16000, np.float32)).shape[0] == 1


@pytest.mark.parametrize(
    ("shape", "num_features"), [((3, 8), 8), ((3, 25, 8), 16), ((3, 8, 25), 16), ((3, 8, 9, 7), 96)]
)
def test_any_output_of_a_layer_is_pooled(shape, num_features):
    outputs = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    assert pooled(outputs, 100).shape == (3, num_features)
    if len(shape) == 3:
        over_time = 1 if shape[1] == 25 else 2
        np.testing.assert_allclose(pooled(outputs, 100)[:, :8], outputs.mean(axis=over_time))


def test_windows_begin_in_the_middle_of_the_one_before():
    assert windows_of(np.arange(10, dtype=np.float32), 4).tolist() == [
        [0, 1, 2, 3],
        [2, 3, 4, 5],
        [4, 5, 6, 7],
        [6, 7, 8, 9],
    ]
    assert windows_of(np.ones(2, np.float32), 4).tolist() == [[1, 1, 0, 0]]


def test_the_report_in_each_form(esc, tower):
    report = evaluate_probe(tower[0].parent, esc)
    assert report.accuracy.share > 0.8
    assert json.loads(report.report().json())["kind"] == "probe"
    assert "| mean |" in report.report().markdown()
    assert len(report.report().terminal()) == (2 if report.mistakes else 1)


@pytest.mark.parametrize(
    ("model", "layer", "message"),
    [
        (
            lambda path: path,
            "conv_9",
            r"no layer 'conv_9'; there are normalise, blocks, blocks\.conv_1, .*head\.3, output",
        ),
        (lambda path: path.parent / "gone", None, "no model there"),
    ],
)
def test_an_unknown_layer_or_model_is_named(tower, model, layer, message):
    with pytest.raises(ModelError, match=message):
        layer_of(model(tower[0]), layer)


def test_a_file_that_is_no_graph_is_named(tmp_path):
    (tmp_path / "audio.onnx").write_text("no graph")
    with pytest.raises(ModelError, match="not an ONNX model that can be run"):
        layer_of(tmp_path)


def test_data_that_cannot_be_used_are_refused(esc, tower, tmp_path):
    with pytest.raises(UsageError, match=r"no clips of 'esc10' there"):
        evaluate_probe(tower[0], esc, subset="esc10")
    (tmp_path / "001 - Bell").mkdir()
    (tmp_path / "001 - Bell" / "1-1-A.wav").write_text("no sound")
    with pytest.raises(UsageError, match="none of 1 clips can be used"):
        evaluate_probe(tower[0], tmp_path)


def test_a_model_for_any_sound_has_two_layers(esc, tmp_path):
    layer, output = layer_of("events"), layer_of("events", "output")
    assert (layer.layer, output.layer) == ("statistics", "output")
    samples = np.random.default_rng(0).normal(0, 0.1, 12 * 16000).astype(np.float32)
    for name, part in (("long", samples), ("short", samples[:100])):
        write_audio(tmp_path / f"{name}.wav", AudioSamples(part[None], 16000))
    assert layer(str(tmp_path / "long.wav")).shape == (23, 161)
    norms = np.linalg.norm(output(str(tmp_path / "long.wav")), axis=1)
    np.testing.assert_allclose(norms, np.ones(23), atol=1e-4)
    assert layer(str(tmp_path / "short.wav")).shape == (1, 161)
    with pytest.raises(ModelError, match=r"no layer 'conv_5'; there are statistics, output"):
        layer_of("events", "conv_5")
    assert evaluate_probe("events", esc, layer="statistics").accuracy.share > 0.9
