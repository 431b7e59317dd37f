"""Towers over clip features: a vector for each clip, and graphs that don't fit are told."""

import numpy as np
import pytest

from avmatch.artifacts import tower as clips
from avmatch.artifacts.model import open_model
from avmatch.artifacts.tower import load_clip_towers
from avmatch.core.errors import MediaError, ModelError
from clip_models import AUDIO, VIDEO, clip_graph, write_clip_model

MATRIX = np.random.default_rng(1).standard_normal((4, 4)).astype(np.float32)


def some_clips(*lengths):
    rng = np.random.default_rng(0)
    return [rng.standard_normal((length, 4)).astype(np.float32) for length in lengths]


@pytest.fixture(scope="module")
def towers(tmp_path_factory):
    return load_clip_towers(write_clip_model(tmp_path_factory.mktemp("model"), matrix=MATRIX))


def test_a_model_says_what_it_is(towers):
    told = towers.video.description
    assert towers.name == "tiny"
    assert (told.num_features, told.dim, told.num_steps) == (4, 4, 0)
    assert (told.scale, told.baseline) == (8.0, 0.0)


@pytest.mark.parametrize("batch", [1, 2, 256])
def test_clips_of_any_lengths_get_their_vectors_in_order(towers, monkeypatch, batch):
    monkeypatch.setattr(clips, "BATCH", batch)
    given = some_clips(3, 7, 3, 1, 7, 3, 3)
    wanted = np.stack([clip.mean(axis=0) @ MATRIX for clip in given])
    np.testing.assert_allclose(towers.audio.encode(given), wanted, rtol=1e-5, atol=1e-6)


def test_no_clips_have_no_vectors(towers):
    assert towers.video.encode([]).shape == (0, 4)


def test_a_tower_takes_any_length_or_the_one_it_was_made_for(tmp_path, towers):
    towers.video.check("a.npy", some_clips(5)[0])
    ten = load_clip_towers(write_clip_model(tmp_path, VIDEO | {"num_steps": 10}, AUDIO | {"num_steps": 10})).video
    ten.check("a.npy", some_clips(10)[0])
    with pytest.raises(MediaError, match=r"a\.npy: holds features \(9, 4\), but tiny's video tower takes \(10, 4\)"):
        ten.check("a.npy", some_clips(9)[0])


@pytest.mark.parametrize("shape", [(0, 4), (5, 3), (5, 5)])
def test_clips_that_do_not_fit_are_told(towers, shape):
    with pytest.raises(MediaError, match=r"a\.npy: .*, but tiny's audio tower takes \(any, 4\)") as caught:
        towers.audio.check("a.npy", np.zeros(shape, np.float32))
    assert (caught.value.stage, caught.value.reason) == ("features", "unsupported")


def test_models_of_clips_are_told_from_others(tmp_path):
    assert open_model(write_clip_model(tmp_path / "clips")).kind == "clip_towers"
    other = {"model": "lips", "side": "video", "input": "frames", "rate_hz": 25, "height_px": 96, "width_px": 96}
    lips = open_model(write_clip_model(tmp_path / "lips", video=other))
    assert lips.kind == "towers"
    with pytest.raises(ModelError, match="is a two-tower model of picture and sound, not a model of features of whole"):
        load_clip_towers(lips)


@pytest.mark.parametrize(
    ("description", "message"),
    [
        (None, r"no usable `avmatch` description .*there is none"),
        ("{not json", r"no usable `avmatch` description .*it isn't JSON"),
        ([1, 2], r"no usable `avmatch` description .*there is none"),
        ({"model": "tiny"}, r"no usable `avmatch` .*is of no known kind"),
        ({"model": "tiny", "kind": "clip_towers"}, r"no usable `avmatch` .*missing .*required"),
        (VIDEO | {"colour": True}, r"no usable `avmatch` .*unexpected keyword argument 'colour'"),
        (VIDEO | {"input": "pixels"}, r"no usable `avmatch` .*with input 'pixels'"),
        (VIDEO | {"side": "smell"}, r"no usable `avmatch` .*side 'smell'"),
        (VIDEO | {"dim": 0}, r"no usable `avmatch` .*must be positive"),
        (VIDEO | {"scale": 0.0}, r"no usable `avmatch` .*must be positive"),
        (VIDEO | {"scale": -1.0}, r"no usable `avmatch` .*must be positive"),
        (VIDEO | {"num_steps": -1}, r"no usable `avmatch` .*must be positive"),
        (AUDIO, "expected a tower for video, got one for audio"),
    ],
)
def test_graphs_that_do_not_say_what_they_are_are_refused(tmp_path, description, message):
    folder = write_clip_model(tmp_path, video=description)
    with pytest.raises(ModelError, match=rf"video\.onnx: {message}"):
        load_clip_towers(folder)


@pytest.mark.parametrize("missing", ["video.onnx", "audio.onnx"])
def test_a_missing_tower_is_told(tmp_path, missing):
    folder = write_clip_model(tmp_path)
    (folder / missing).unlink()
    with pytest.raises(ModelError, match=rf"{missing}: no such model file"):
        load_clip_towers(folder)


@pytest.mark.parametrize("change", [{"dim": 5}, {"model": "other"}])
def test_towers_that_do_not_belong_together_are_refused(tmp_path, change):
    with pytest.raises(ModelError, match=r"the towers differ: tiny \(4\) and (tiny|other) \((4|5)\)"):
        load_clip_towers(write_clip_model(tmp_path, audio=AUDIO | change))


def test_graphs_that_take_something_else_are_told(tmp_path):
    towers = load_clip_towers(write_clip_model(tmp_path, steps=6))
    with pytest.raises(ModelError, match=r"tiny: the video tower can't take \(1, 5, 4\) .*export it again"):
        towers.video.encode(some_clips(5))


def test_graphs_that_give_something_else_are_told(tmp_path):
    towers = load_clip_towers(write_clip_model(tmp_path, matrix=MATRIX[:, :3]))
    with pytest.raises(ModelError, match=r"the video tower must give finite \(1, 4\), got \(1, 3\)"):
        towers.video.encode(some_clips(5))


def test_vectors_that_are_no_numbers_are_told(tmp_path):
    folder = write_clip_model(tmp_path)
    (folder / "audio.onnx").write_bytes(clip_graph(AUDIO, MATRIX * np.float32(np.inf)))
    with pytest.raises(ModelError, match=r"the audio tower must give finite \(1, 4\)"):
        load_clip_towers(folder).audio.encode(some_clips(5))
