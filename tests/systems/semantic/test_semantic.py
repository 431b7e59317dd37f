"""What is visible and what sounds: encoders, the vectors that are kept beside the features, the map, its cue."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

import avmatch
from avmatch.analysis.features import Analyser
from avmatch.artifacts.encoder import (
    MAX_FRAMES,
    Encoder,
    PictureEncoder,
    SoundEncoder,
    load_encoders,
    open_encoder,
)
from avmatch.artifacts.model import Model, open_model
from avmatch.core.errors import ModelError, UsageError
from avmatch.core.features import AudioFeatures, AudioSamples, ColourFrames, Embeddings, VideoFeatures, VideoFrames
from avmatch.data.items import Pairs
from avmatch.frontends.sound import SAMPLE_RATE_HZ, log_mel
from avmatch.media.decode import decode, decode_with_colour
from avmatch.pipelines.models import models_with, motion_cues
from avmatch.pipelines.train import train_recipe
from avmatch.systems.semantic.model import (
    LITE0,
    Lite0,
    PictureStudent,
    SoundStudent,
    folded,
    num_weights,
    take_lite0,
    whole_lite0,
)
from avmatch.systems.semantic.runtime import SemanticCue, cues, load_semantic_model
from avmatch.systems.semantic.task import SemanticPairs

STORY = {"recipe": "semantic", "config": {}, "data": {}, "results": {}, "command": "test"}
SIDE_PX = 8


def graph(path: Path, shape: list[object], node: onnx.NodeProto, dim: int) -> Path:
    """A graph of one operation, as somebody else may have it."""
    nodes = [node, helper.make_node("Flatten", ["reduced"], ["output"], axis=1)]
    made = helper.make_graph(
        nodes,
        "encoder",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", dim])],
    )
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


@pytest.fixture(scope="module")
def colours(tmp_path_factory) -> Path:
    """The mean colour of a picture."""
    where = tmp_path_factory.mktemp("encoders") / "colours.onnx"
    return graph(where, ["n", 3, SIDE_PX, SIDE_PX], helper.make_node("GlobalAveragePool", ["input"], ["reduced"]), 3)


@pytest.fixture(scope="module")
def levels(tmp_path_factory) -> Path:
    """The mean of each mel band."""
    where = tmp_path_factory.mktemp("encoders") / "levels.onnx"
    return graph(where, ["n", 96, 64], helper.make_node("ReduceMean", ["input"], ["reduced"], axes=[1]), 64)


def clips(num: int = 24, seconds: int = 5) -> Pairs:
    """Red pictures hum low, green ones whistle high; each a little in its own way."""
    rng = np.random.default_rng(3)
    frames, sounds = [], []
    times = np.arange(seconds * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    for number in range(num):
        shade, kind = rng.uniform(90, 220), number % 2
        frame = np.zeros((seconds, 224, 224, 3), np.uint8)
        frame[..., kind] = round(shade)
        frames.append(frame)
        tone = np.sin(2 * np.pi * (150 if kind == 0 else 3000) * times * shade / 150)
        sounds.append((tone * 8000 + rng.normal(0, 30, len(times))).astype(np.int16))
    label = np.arange(num) % 2
    names = tuple(f"clip {number}" for number in range(num))
    return Pairs(
        tuple(frames),
        tuple(sounds),
        names,
        np.arange(num),
        label,
        ("red: hum", "green: whistle"),
        "frames",
        "samples",
        1.0,
        float(SAMPLE_RATE_HZ),
    )


@pytest.fixture(scope="module")
def model(colours, levels, tmp_path_factory) -> Model:
    task = SemanticPairs(str(colours), str(levels), num_components=3, without_cosine=("red",))
    pairs = clips()
    learner = task.learner(pairs, 0)
    assert task.validate(learner, clips(10), torch.device("cpu"))["kind_recall@5"] == 1.0
    folder = tmp_path_factory.mktemp("model")
    task.export(learner, pairs, folder, STORY)
    return open_model(folder)


def video(rows: np.ndarray) -> VideoFeatures:
    found = Embeddings(rows.astype(np.float16), 1.0)
    return VideoFeatures(0.02, np.zeros((125, 8, 64), np.float32), (), 25.0, 5.0, embeddings={"semantic": found})


def audio(rows: np.ndarray) -> AudioFeatures:
    bands = np.ones((500, 8), np.float32)
    found = Embeddings(rows.astype(np.float16), 1.0)
    return AudioFeatures(0.0, bands, bands, 5.0, 1.0, embeddings={"semantic": found})


def encoded(model: Model) -> tuple[list[VideoFeatures], list[AudioFeatures]]:
    pairs, encoders = clips(12), load_encoders(model)
    looks = [PictureEncoder(encoders.video) for _ in pairs.names]
    sounds = [SoundEncoder(encoders.audio) for _ in pairs.names]
    for row in range(len(pairs)):
        looks[row].push(ColourFrames(np.asarray(pairs.video[row]), np.arange(5) + 0.5))
        samples = np.asarray(pairs.audio[row], np.float32)[None] / 32767
        sounds[row].push(AudioSamples(samples, SAMPLE_RATE_HZ))
    return [video(one.finish().data) for one in looks], [audio(one.finish().data) for one in sounds]


def test_pairs_of_a_kind_have_more_evidence(model):
    videos, audios = encoded(model)
    (cue,) = cues(model)
    curves = cue.curves(videos, audios, np.array([-0.1, 0.0, 0.1]))
    assert np.ptp(curves.nats, axis=2).max() == 0.0
    nats = curves.nats[..., 0]
    same = np.arange(12)[:, None] % 2 == np.arange(12)[None] % 2
    assert nats[same].min() > 0.0 > nats[~same].max()


def test_the_cosine_does_not_count_in_classes_that_are_named(model):
    """Among the red it is silent; among the green it tells one from another."""
    videos, audios = encoded(model)
    loaded = load_semantic_model(model)
    assert loaded.description.cosine_shares == (1.0, 0.0)  # green, red
    nats = SemanticCue(loaded).curves(videos, audios, np.zeros(1)).nats[..., 0]
    assert np.ptp(nats[::2, ::2]) < 0.2 < np.ptp(nats[1::2, 1::2])


def test_a_file_without_vectors_abstains(model):
    videos, audios = encoded(model)
    (cue,) = cues(model)
    bare, still = replace(videos[0], embeddings={}), replace(audios[0], peak=0.0)
    curves = cue.curves([bare, videos[1]], [audios[0], still], np.zeros(1))
    assert curves.video_reasons == ("too_short", None)
    assert curves.audio_reasons == (None, "silence")
    assert not curves.nats[0].any()
    assert not curves.nats[:, 1].any()


def test_of_a_long_picture_frames_are_kept_ever_farther_apart(model):
    encoder = PictureEncoder(load_encoders(model).video)
    for second in range(3 * MAX_FRAMES):
        picture = np.full((1, 6, 9, 3), second, np.uint8)
        encoder.push(ColourFrames(picture, np.array([second + 0.5])))
    found = encoder.finish()
    assert found.rate_hz == 0.25
    assert found.start_seconds == 0.5
    np.testing.assert_allclose(found.data[:, 0], np.arange(0, 3 * MAX_FRAMES, 4) / 255, atol=1e-3)


def test_windows_of_sound_follow_one_another(model):
    encoders = load_encoders(model)
    rng = np.random.default_rng(0)
    samples = rng.normal(0, 0.1, (1, 50 * 15360 + 700)).astype(np.float32)
    stream = SoundEncoder(encoders.audio)
    for begin in range(0, samples.shape[1], 12345):
        stream.push(AudioSamples(samples[:, begin : begin + 12345], SAMPLE_RATE_HZ, 2.0 + begin / SAMPLE_RATE_HZ))
    found = stream.finish()
    assert found.data.shape == (50, 64)
    assert found.start_seconds == pytest.approx(2.48)
    assert found.rate_hz == pytest.approx(1 / 0.96)
    wanted = log_mel(samples[0, : 21 * 15360])[96:192].mean(axis=0)  # towers take stretches of 20 s
    np.testing.assert_allclose(found.data[1], wanted, atol=0.01)


def test_a_sound_shorter_than_a_window_has_no_vector(model):
    stream = SoundEncoder(load_encoders(model).audio)
    stream.push(AudioSamples(np.zeros((1, 9000), np.float32), SAMPLE_RATE_HZ))
    assert stream.finish() is None


@pytest.mark.parametrize(
    ("shape", "side", "taken"),
    [(["n", 3, "h", "w"], "video", ("colour", 224)), (["n", 1, 96, 64], "audio", ("logmel", 96))],
)
def test_what_an_undescribed_encoder_takes_is_read_off_its_shape(tmp_path, shape, side, taken):
    path = graph(tmp_path / "e.onnx", shape, helper.make_node("GlobalAveragePool", ["input"], ["reduced"]), shape[1])
    encoder = open_encoder(path, side)
    described = encoder.description
    assert (described.input, described.side_px or described.window) == taken
    assert encoder.encode(np.ones((3, 96, 64) if side == "audio" else (3, 3, 224, 224), np.float32)).shape[0] == 3


def test_samples_are_cut_into_windows_of_a_second(tmp_path):
    node = helper.make_node("ReduceMean", ["input"], ["reduced"], axes=[1])
    encoder = open_encoder(graph(tmp_path / "e.onnx", ["n", "samples"], node, 1), "audio")
    assert (encoder.description.input, encoder.window_samples) == ("samples", SAMPLE_RATE_HZ)
    stream = SoundEncoder(encoder)
    stream.push(AudioSamples(np.full((1, 40000), 0.5, np.float32), SAMPLE_RATE_HZ))
    np.testing.assert_allclose(stream.finish().data, np.full((2, 1), 0.5))


def test_an_encoder_of_something_else_is_refused(colours):
    with pytest.raises(ModelError, match="an encoder of pictures takes"):
        open_encoder(colours, "audio")


def test_frames_in_colour_come_beside_the_grey_ones(media):
    path = media / "good.mp4"
    plain = [block for block in decode(path) if isinstance(block, VideoFrames)]
    blocks = list(decode_with_colour(path, 1.0))
    grey = [block for block in blocks if isinstance(block, VideoFrames)]
    colour = [block for block in blocks if isinstance(block, ColourFrames)]
    np.testing.assert_array_equal(
        np.concatenate([one.data for one in grey]), np.concatenate([one.data for one in plain])
    )
    times = np.concatenate([one.pts_seconds for one in colour])
    every = np.concatenate([one.pts_seconds for one in plain])
    wanted = [every[every >= second + 0.5][0] for second in range(int(every[-1] + 0.5))]
    np.testing.assert_allclose(times, wanted)
    assert all(len(one) == 1 for one in colour)


def test_vectors_are_kept_by_themselves(media, model, tmp_path, monkeypatch):
    """What is kept of the features stays valid with and without encoders, and nothing is decoded twice."""
    path, cache = str(media / "good.mp4"), tmp_path / "cache"
    plain = Analyser(cache, ()).both(path)
    before = {file: file.stat().st_mtime_ns for file in cache.rglob("*.npz")}
    analyser = Analyser(cache, (), encoders=load_encoders(model))
    video, audio = analyser.both(path)
    np.testing.assert_array_equal(video.motion, plain[0].motion)
    assert video.embeddings["semantic"].data.shape[1] == 3
    assert audio.embeddings["semantic"].data.shape[1] == 64
    assert {file: file.stat().st_mtime_ns for file in before} == before
    assert len(list(cache.rglob("*.npz"))) == len(before) + 2
    monkeypatch.setattr("avmatch.analysis.vectors.decode_with_colour", None)
    monkeypatch.setattr("avmatch.analysis.vectors.decode", None)
    again = analyser.both(path)
    np.testing.assert_array_equal(again[0].embeddings["semantic"].data, video.embeddings["semantic"].data)
    assert not Analyser(cache, ()).video(path).embeddings


def test_the_cue_counts_among_many_but_not_for_offsets(model):
    models = models_with(model)
    assert models.encoders is not None
    assert "semantic" in [cue.name for cue in motion_cues(models, apart=False)]
    assert "semantic" not in [cue.name for cue in motion_cues(models, apart=True)]
    assert "semantic" not in [cue.name for cue in motion_cues(models, apart=False, has_kinds=False)]
    assert models_with(None).encoders is None


@pytest.mark.slow
def test_it_is_trained_and_switched_on_from_the_command_line(colours, levels, tmp_path):
    config = avmatch.SynthConfig(num_scenes=6, duration_seconds=5.0, kinds=("drums", "balls"), seed=2)
    avmatch.synthesise(tmp_path / "clips", config)
    settings = [f"task.video_encoder={colours}", f"task.audio_encoder={levels}", "validation_share=0"]
    train_recipe("semantic", tmp_path / "clips" / "truth.csv", tmp_path / "run", settings=settings, device="cpu")
    videos, audios = tmp_path / "clips" / "videos", tmp_path / "clips" / "audio"
    assert "semantic" in avmatch.match(videos, audios, model=tmp_path / "run").settings["cues"]
    assert "semantic" not in avmatch.match(videos, audios).settings["cues"]


def test_gradient_training_is_refused():
    with pytest.raises(UsageError, match="closed form"):
        SemanticPairs().source(clips(2), torch.nn.Identity(), torch.device("cpu"))


def test_the_students_are_small():
    """In half precision."""
    picture, sound = PictureStudent(), SoundStudent()
    before = picture.eval()(torch.ones(1, 3, 112, 112))
    assert num_weights(sound) * 2 < 2e6
    assert num_weights(folded(picture)) * 2 < 2e6
    torch.testing.assert_close(picture(torch.ones(1, 3, 112, 112)), before, atol=1e-4, rtol=1e-4)
    assert picture.eval()(torch.zeros(2, 3, 112, 112)).shape == (2, 128)
    assert sound.eval()(torch.zeros(2, 96, 64)).shape == (2, 128)


def named_as_in_the_wheel(net: Lite0) -> dict[str, torch.Tensor]:
    found = {}

    def put(layer: torch.nn.Module, convolution: str, normalisation: str) -> None:
        own, normal = layer.weights
        found[f"{convolution}.weight"] = own.weight
        found.update({f"{normalisation}.{name}": value for name, value in normal.state_dict().items()})

    put(net.trunk.stem, "_conv_stem", "_bn0")
    for number, block in enumerate(net.trunk.blocks):
        names = ("_expand_conv", "_depthwise_conv", "_project_conv")
        for place, layer in enumerate(block.layers, start=3 - len(block.layers)):
            put(layer, f"_blocks.{number}.{names[place]}", f"_blocks.{number}._bn{place}")
    put(net.head, "_conv_head", "_bn1")
    return found


def test_the_student_takes_the_first_blocks_of_lite0():
    torch.manual_seed(0)
    whole, student = Lite0(), PictureStudent()
    weights = named_as_in_the_wheel(whole)
    take_lite0(student.trunk, weights)
    ours, theirs = student.trunk.state_dict(), whole.trunk.state_dict()
    assert len(ours) > 150
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert len(whole.trunk.blocks) == sum(stage.num_blocks for stage in LITE0)
    again = whole_lite0(weights).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in whole.state_dict().items())


def test_an_encoder_that_gives_something_else_is_refused(colours):
    encoder = open_encoder(colours, "video")
    wrong = Encoder(replace(encoder.description, dim=5), encoder.graph)
    with pytest.raises(ModelError, match="must give finite"):
        wrong.encode(np.zeros((1, 3, SIDE_PX, SIDE_PX), np.float32))
