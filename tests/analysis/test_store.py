"""Features come back from the disk as they went, or not at all."""

import io
import json
import pickle
from dataclasses import fields

import numpy as np
import pytest

from avmatch.analysis import store
from avmatch.core import files
from avmatch.core.features import AudioFeatures, Embeddings, MouthTrack, VideoFeatures

RNG = np.random.default_rng(0)


def array(*shape, dtype=np.float16):
    return RNG.standard_normal(shape).astype(dtype)


def audio_features(**changes):
    parts = {
        "start_seconds": 0.0123,
        "flux": array(120, 8),
        "level": array(120, 8),
        "spectrum": array(120, 16),
        "duration_seconds": 1.2,
        "peak": 0.75,
        "missing_share": 0.25,
        "peaks": (0.1, 1.0, 0.333),
        "embeddings": {"lips": Embeddings(array(30, 16), 25.0, 0.5), "naïve/2": Embeddings(array(6, 4), 5.0)},
    }
    return AudioFeatures(**parts | changes)


def video_features(**changes):
    tracks = tuple(
        MouthTrack(np.arange(num) / 25, array(num, 4, dtype=np.float32), array(num, 3, dtype=np.float32), towers)
        for num, towers in ((12, {}), (30, {"lips": Embeddings(array(28, 16), 25.0, 0.04)}))
    )
    parts = {
        "start_seconds": -0.02,
        "motion": array(30, 4, 64),
        "mouths": tracks,
        "fps": 30000 / 1001,
        "missing_share": 0.5,
        "duration_seconds": 1.2012,
        "thumbnail_jpeg": b"\xff\xd8\x00not really a picture\xff\xd9",
        "scratch": audio_features(),
        "embeddings": {"lips": Embeddings(array(30, 16), 25.0)},
    }
    return VideoFeatures(**parts | changes)


def assert_same(a, b):
    """Deep equality of features, dtypes included."""
    assert type(a) is type(b)
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for name in a:
            assert_same(a[name], b[name])
    elif isinstance(a, tuple):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_same(one, other)
    elif isinstance(a, AudioFeatures | VideoFeatures | MouthTrack | Embeddings):
        for field in fields(a):
            assert_same(getattr(a, field.name), getattr(b, field.name))
    else:
        assert a == b


@pytest.mark.parametrize(
    "features",
    [
        audio_features(),
        audio_features(embeddings={}, peaks=()),
        video_features(),
        video_features(scratch=None, mouths=(), embeddings={}, thumbnail_jpeg=b""),
        video_features(motion=array(0, 4, 64)),
    ],
    ids=["audio", "bare audio", "video", "bare video", "video without motion"],
)
def test_features_come_back_as_they_went(tmp_path, features):
    path = tmp_path / "ab" / "abcdef.npz"
    store.save(path, features)
    assert_same(store.load(path), features)
    assert [item.name for item in path.parent.iterdir()] == ["abcdef.npz"]


def test_what_is_not_there_is_absent(tmp_path):
    assert store.load(tmp_path / "none.npz") is None
    assert store.load(tmp_path) is None


def plain_array():
    buffer = io.BytesIO()
    np.save(buffer, array(3))
    return buffer.getvalue()


def archive(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        b"some text\n",
        plain_array(),
        archive(flux=array(3)),
        archive(json=np.array("no json")),
        archive(json=np.array("[]")),
        archive(json=np.array(json.dumps({"kind": "audio", "embeddings": {}}))),
    ],
    ids=["empty", "zip's first bytes", "text", "one array", "no json", "bad json", "other json", "half"],
)
def test_files_that_are_something_else_are_absent(tmp_path, content):
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    assert store.load(path) is None


@pytest.mark.parametrize("mask", [0x01, 0xFF])
def test_a_file_with_an_altered_byte_is_absent_or_whole(tmp_path, mask):
    """A byte may be altered where nothing is lost; it never gives other features, or an error."""
    features = audio_features(flux=array(2, 8), level=array(2, 8), spectrum=array(2, 16), embeddings={})
    path = tmp_path / "a.npz"
    store.save(path, features)
    content = path.read_bytes()
    num_absent = 0
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ mask]) + content[place + 1 :])
        found = store.load(path)
        num_absent += found is None
        if found is not None:
            assert_same(found, features)
    assert num_absent > len(content) / 2


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_file_cut_short_is_absent(tmp_path, share):
    path = tmp_path / "a.npz"
    store.save(path, video_features())
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert store.load(path) is None


class Bomb:
    def __reduce__(self):
        return pytest.fail, ("a pickle was opened",)


def test_pickles_are_not_opened(tmp_path):
    inside, bare = tmp_path / "inside.npz", tmp_path / "bare.npz"
    inside.write_bytes(archive(json=np.array([Bomb()], dtype=object)))
    bare.write_bytes(pickle.dumps(Bomb()))
    assert store.load(inside) is None
    assert store.load(bare) is None


def test_names_tell_content_kind_and_settings_apart(tmp_path):
    names = {
        store.entry(tmp_path, content, kind, settings)
        for content in ("aa11", "bb22")
        for kind in ("video", "audio")
        for settings in ("", "side=640")
    }
    assert len(names) == 8
    assert store.entry(tmp_path, "aa11", "video", "").parent == tmp_path / "aa"


def test_the_version_is_part_of_the_name(tmp_path, monkeypatch):
    before = store.entry(tmp_path, "aa11", "video", "")
    monkeypatch.setattr(store, "FEATURES_VERSION", store.FEATURES_VERSION + 1)
    assert store.entry(tmp_path, "aa11", "video", "") != before


@pytest.mark.parametrize("whole_bytes", [files.HASH_WHOLE_BYTES, 1 << 20], ids=["whole", "at places"])
def test_content_is_told_by_size_and_bytes(tmp_path, monkeypatch, whole_bytes):
    monkeypatch.setattr(files, "HASH_WHOLE_BYTES", whole_bytes)
    content = np.random.default_rng(1).bytes(3 << 20)
    variants = (content, content[:-1], content[:-1] + b"?", b"?" + content[1:], content[: 1 << 19])
    hashes = []
    for number, variant in enumerate(variants):
        path = tmp_path / f"{number}.bin"
        path.write_bytes(variant)
        hashes.append(store.content_hash(path))
    assert len(set(hashes)) == len(variants)
    (tmp_path / "copy.bin").write_bytes(content)
    assert store.content_hash(tmp_path / "copy.bin") == hashes[0]
