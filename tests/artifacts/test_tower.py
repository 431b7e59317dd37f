"""Towers: graphs that say what they are, and streams of any block size that give the same vectors."""

import json
from itertools import pairwise

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avmatch.artifacts.model import open_graph
from avmatch.artifacts.tower import AudioEncoder, TowerPair, VideoEncoder, load_pair
from avmatch.core.errors import ModelError
from avmatch.core.features import AudioSamples, VideoFrames
from avmatch.frontends.sound import CHUNK_SECONDS, SAMPLE_RATE_HZ, log_mel

HEIGHT, WIDTH, DIMENSIONS = 4, 6, 5
RATE_HZ = 25
VIDEO = {
    "model": "tiny",
    "side": "video",
    "input": "frames",
    "rate_hz": RATE_HZ,
    "height_px": HEIGHT,
    "width_px": WIDTH,
}
AUDIO = {"model": "tiny", "side": "audio", "input": "logmel", "rate_hz": RATE_HZ, "num_mels": 64}


def weights(side):
    rows = HEIGHT * WIDTH if side == "video" else 64 * 100 // RATE_HZ
    return np.random.default_rng(len(side) + rows).standard_normal((rows, DIMENSIONS)).astype(np.float32)


def graph(side, description, ticks="T"):
    """One linear layer on what belongs to a tick, as the bytes of an ONNX file."""
    matrix = weights(side)
    shape = [1, ticks, HEIGHT, WIDTH] if side == "video" else [1, ticks, 64]
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            [
                onnx.helper.make_node("Reshape", ["x", "shape"], ["flat"]),
                onnx.helper.make_node("MatMul", ["flat", "matrix"], ["y"]),
            ],
            "tower",
            [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
            [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, None, DIMENSIONS])],
            [
                onnx.numpy_helper.from_array(np.array([1, -1, len(matrix)]), "shape"),
                onnx.numpy_helper.from_array(matrix, "matrix"),
            ],
        ),
        opset_imports=[onnx.helper.make_opsetid("", 17)],
        ir_version=8,
    )
    if description is not None:
        text = description if isinstance(description, str) else json.dumps(description)
        onnx.helper.set_model_props(model, {"avmatch": text, "author": "a test"})
    return model.SerializeToString()


def write_pair(folder, video=VIDEO, audio=AUDIO, **kwargs):
    folder.mkdir(exist_ok=True)
    (folder / "video.onnx").write_bytes(graph("video", video, **kwargs))
    (folder / "audio.onnx").write_bytes(graph("audio", audio))
    return folder


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> TowerPair:
    return load_pair(write_pair(tmp_path_factory.mktemp("model")))


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def pictures(num):
    return np.random.default_rng(7).integers(0, 256, (num, HEIGHT, WIDTH)).astype(np.uint8)


def expected_vectors(frames):
    return unit((frames.reshape(len(frames), -1) / np.float32(255)) @ weights("video"))


def encode_frames(pair, data, times, cuts=()):
    encoder = VideoEncoder(pair.video)
    for begin, end in pairwise([0, *sorted(cuts), len(data)]):
        encoder.push(VideoFrames(data[begin:end], times[begin:end]))
    return encoder.finish()


def encode_samples(pair, data, cuts=(), pts_seconds=0.0):
    encoder = AudioEncoder(pair.audio)
    for begin, end in pairwise([0, *sorted(cuts), len(data)]):
        encoder.push(AudioSamples(data[None, begin:end], SAMPLE_RATE_HZ, pts_seconds + begin / SAMPLE_RATE_HZ))
    return encoder.finish()


SOUND = (0.1 * np.random.default_rng(3).standard_normal(round(2.3 * CHUNK_SECONDS * SAMPLE_RATE_HZ))).astype(np.float32)
PICTURES = pictures(round(2.3 * CHUNK_SECONDS * RATE_HZ))
PICTURE_TIMES = np.arange(len(PICTURES)) / RATE_HZ


def test_a_pair_says_what_it_is(pair):
    assert pair.name == "tiny"
    assert (pair.video.description.height_px, pair.video.description.width_px) == (HEIGHT, WIDTH)
    assert (pair.audio.description.scale, pair.audio.description.baseline) == (1.0, 0.0)
    assert pair.video.fingerprint != pair.audio.fingerprint


def test_the_fingerprint_follows_what_the_vectors_depend_on(tmp_path, pair):
    assert load_pair(write_pair(tmp_path / "same")).video.fingerprint == pair.video.fingerprint
    calibrated = load_pair(write_pair(tmp_path / "calibrated", video=VIDEO | {"scale": 3.5}))
    assert calibrated.video.description.scale == 3.5
    assert calibrated.video.fingerprint == pair.video.fingerprint
    larger = load_pair(write_pair(tmp_path / "larger", video=VIDEO | {"height_px": 2 * HEIGHT}))
    assert larger.video.graph.fingerprint == pair.video.graph.fingerprint
    assert larger.video.fingerprint != pair.video.fingerprint


def test_the_fingerprint_follows_the_weights(pair):
    model = onnx.load(pair.video.graph.path)
    matrix = 1.01 * onnx.numpy_helper.to_array(model.graph.initializer[1])
    model.graph.initializer[1].CopyFrom(onnx.numpy_helper.from_array(matrix, "matrix"))
    other = open_graph(pair.video.graph.path, model.SerializeToString())
    assert other.metadata == pair.video.graph.metadata
    assert other.fingerprint != pair.video.graph.fingerprint


def test_frames_become_unit_vectors_at_their_ticks(pair):
    found = encode_frames(pair, PICTURES[:40], 1.5 + PICTURE_TIMES[:40])
    assert (found.rate_hz, found.start_seconds) == (RATE_HZ, 1.5)
    np.testing.assert_allclose(found.data, expected_vectors(PICTURES[:40]), atol=2e-3)
    np.testing.assert_allclose(np.linalg.norm(found.data.astype(float), axis=1), 1.0, atol=2e-3)


def test_sound_becomes_unit_vectors_at_its_ticks(pair):
    samples = SOUND[: 3 * SAMPLE_RATE_HZ + 100]
    found = encode_samples(pair, samples, pts_seconds=0.25)
    frames = log_mel(samples[: 3 * SAMPLE_RATE_HZ])
    assert (found.rate_hz, found.start_seconds) == (RATE_HZ, 0.25)
    assert found.data.shape == (3 * RATE_HZ, DIMENSIONS)
    np.testing.assert_allclose(found.data, unit(frames.reshape(3 * RATE_HZ, -1) @ weights("audio")), atol=2e-3)


@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(0, len(PICTURES)), max_size=8))
def test_blocks_of_frames_of_any_size_give_the_same_vectors(pair, cuts):
    whole = encode_frames(pair, PICTURES, PICTURE_TIMES)
    assert whole.data.shape == (len(PICTURES), DIMENSIONS)
    np.testing.assert_array_equal(encode_frames(pair, PICTURES, PICTURE_TIMES, cuts).data, whole.data)


@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(0, len(SOUND)), max_size=8))
def test_blocks_of_sound_of_any_size_give_the_same_vectors(pair, cuts):
    whole = encode_samples(pair, SOUND)
    assert whole.data.shape == (len(SOUND) * RATE_HZ // SAMPLE_RATE_HZ, DIMENSIONS)
    np.testing.assert_array_equal(encode_samples(pair, SOUND, cuts).data, whole.data)


def test_no_stretch_is_longer_than_the_chunk(pair, monkeypatch):
    stretches = []
    real = type(pair.audio).encode

    def encode(tower, inputs, num_ticks):
        stretches.append(num_ticks)
        return real(tower, inputs, num_ticks)

    monkeypatch.setattr(type(pair.audio), "encode", encode)
    encode_samples(pair, SOUND)
    encode_frames(pair, PICTURES, PICTURE_TIMES)
    assert stretches == [500, 500, 150] * 2


def test_at_twice_the_rate_every_second_frame_is_taken(pair):
    data = pictures(60)
    # Times as containers round them, a hair before and after.
    times = np.arange(60) / 50 + np.tile([0.0, 1e-6, -1e-6], 20)
    np.testing.assert_allclose(encode_frames(pair, data, times).data, expected_vectors(data[::2]), atol=2e-3)


def test_at_other_rates_the_nearest_frame_is_taken(pair):
    data = pictures(60)
    for rate_hz in (60.0, 48.0, 29.97):
        found = encode_frames(pair, data, np.arange(60) / rate_hz)
        nearest = np.rint(np.arange(len(found.data)) / RATE_HZ * rate_hz).astype(int)
        np.testing.assert_allclose(found.data, expected_vectors(data[np.minimum(nearest, 59)]), atol=2e-3)


def test_at_half_the_rate_every_frame_is_taken_twice(pair):
    data = pictures(20)
    found = encode_frames(pair, data, np.arange(20) / 12.5)
    np.testing.assert_allclose(found.data, expected_vectors(data.repeat(2, axis=0)[:-1]), atol=2e-3)


def test_in_gaps_the_last_frame_stays(pair):
    data = pictures(3)
    found = encode_frames(pair, data, np.array([0.0, 0.04, 2.0]))
    wanted = np.concatenate([[0], np.ones(49, int), [2]])
    np.testing.assert_allclose(found.data, expected_vectors(data[wanted]), atol=2e-3)


def test_jitter_of_the_times_changes_nothing(pair):
    data = pictures(50)
    times = np.arange(50) / RATE_HZ + np.random.default_rng(0).uniform(0.0, 0.015, 50)
    np.testing.assert_allclose(encode_frames(pair, data, times).data, expected_vectors(data), atol=2e-3)


def test_frames_of_any_size_are_shrunk(pair):
    data = pictures(10).repeat(8, axis=1).repeat(8, axis=2)
    found = encode_frames(pair, data, PICTURE_TIMES[:10])
    np.testing.assert_allclose(found.data, expected_vectors(pictures(10)), atol=2e-3)


def test_nothing_has_no_vectors(pair):
    assert VideoEncoder(pair.video).finish() is None
    assert AudioEncoder(pair.audio).finish() is None
    assert encode_samples(pair, SOUND[:639]) is None
    assert encode_samples(pair, SOUND[:640]).data.shape == (1, DIMENSIONS)


def test_a_folder_without_models_names_what_it_should_hold(tmp_path):
    with pytest.raises(ModelError, match=r"no model there; give a run, a folder with video\.onnx"):
        load_pair(tmp_path)


@pytest.mark.parametrize("content", [b"", b"some text", b"\x08\x07garbage" * 20], ids=["empty", "text", "garbage"])
def test_what_is_no_onnx_file_is_refused(tmp_path, content):
    path = tmp_path / "video.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"video\.onnx: not an ONNX model that can be run \(.*; export it again"):
        load_pair(tmp_path)


def test_a_graph_cut_short_is_refused(tmp_path):
    path = tmp_path / "video.onnx"
    path.write_bytes(graph("video", VIDEO)[:-200])
    with pytest.raises(ModelError, match=r"video\.onnx: "):
        load_pair(tmp_path)


@pytest.mark.parametrize(
    ("description", "message"),
    [
        (None, "there is none"),
        ("{not json", "Expecting property name"),
        ([1, 2], "there is none"),
        ({"model": "tiny"}, "is of no known kind"),
        ({"model": "tiny", "kind": "towers"}, "missing .*required .*argument"),
        (VIDEO | {"colour": True}, "unexpected keyword argument 'colour'"),
        (VIDEO | {"rate_hz": 0}, "rate_hz must divide 100 and be at least 1, got 0"),
        (VIDEO | {"rate_hz": 30}, "rate_hz must divide 100 and be at least 1, got 30"),
        (VIDEO | {"width_px": 0}, "height_px and width_px must be positive, got 4 and 0"),
        (VIDEO | {"input": "pixels"}, "side 'video' with input 'pixels'"),
        (VIDEO | {"num_mels": 80}, "num_mels must be 64, got 80"),
    ],
)
def test_graphs_that_do_not_say_what_they_are_are_refused(tmp_path, description, message):
    path = tmp_path / "video.onnx"
    path.write_bytes(graph("video", description))
    with pytest.raises(ModelError, match=rf"video\.onnx: no usable `avmatch` description .*{message}"):
        load_pair(tmp_path)


def test_towers_in_each_others_place_are_refused(tmp_path):
    path = tmp_path / "video.onnx"
    path.write_bytes(graph("audio", AUDIO))
    with pytest.raises(ModelError, match=r"video\.onnx: expected a tower for video, got one for audio"):
        load_pair(tmp_path)


@pytest.mark.parametrize("change", [{"rate_hz": 50}, {"model": "other"}])
def test_towers_that_do_not_belong_together_are_refused(tmp_path, change):
    write_pair(tmp_path, audio=AUDIO | change)
    with pytest.raises(ModelError, match=r"the towers differ: tiny at 25 Hz, (tiny|other) at (25|50)"):
        load_pair(tmp_path)


def test_graphs_that_take_something_else_are_told(tmp_path):
    pair = load_pair(write_pair(tmp_path, ticks=7))
    with pytest.raises(ModelError, match=r"tiny: the video tower can't take \(1, 10, 4, 6\) .*export it again"):
        encode_frames(pair, pictures(10), PICTURE_TIMES[:10])


def test_graphs_that_give_something_else_are_told(tmp_path):
    """An audio tower that is described at twice the rate it runs at gives half as many vectors."""
    pair = load_pair(write_pair(tmp_path, video=VIDEO | {"rate_hz": 50}, audio=AUDIO | {"rate_hz": 50}))
    with pytest.raises(ModelError, match=r"tiny: the audio tower must give \(1, 100, D\), got \(1, 50, 5\)"):
        encode_samples(pair, SOUND[: 2 * SAMPLE_RATE_HZ])
