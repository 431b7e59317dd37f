"""Pairs: what they refuse, what they print, how rows and batches are taken, and which layouts are recognised."""

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from avmatch.core.errors import MediaError, UsageError
from avmatch.data.items import Pairs, Picked, gather, numbered
from avmatch.data.pairs import read_pairs
from avmatch.data.shards import ShardWriter


def pairs(num=6, **changes):
    rng = np.random.default_rng(0)
    parts = {
        "video": rng.normal(size=(num, 4, 3)).astype(np.float16),
        "audio": rng.integers(0, 256, (num, 5, 2)).astype(np.uint8),
        "names": tuple(f"pair {row}" for row in range(num)),
        "group": np.arange(num) // 2,
        "label": np.arange(num) % 2,
        "label_names": ("dog", "bell"),
    }
    return Pairs(**parts | changes)


def test_pairs_print_shapes_not_arrays():
    assert repr(pairs()) == ("Pairs(video: (6, 4, 3) features, audio: (6, 5, 2) features, 3 groups, 2 labels)")
    ragged = pairs(2, video=(np.zeros((7, 3)), np.zeros((8, 3))))
    assert repr(ragged).startswith("Pairs(video: 2 × (7, 3) features")
    assert repr(pairs().take(np.arange(0))).startswith("Pairs(video: (0, 4, 3) features")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": ("a", "b")}, "one entry a pair.*'video': 6.*'names': 2"),
        ({"audio": np.zeros((5, 5, 2))}, "one entry a pair.*'audio': 5"),
        ({"label": np.full(6, 2)}, r"labels must lie in -1…1 \(there are 2 label_names\), got 2…2"),
        ({"label": np.full(6, -2)}, "got -2…-2"),
        ({"video_kind": "logmel"}, "video_kind must be one of features, frames, mouths, motion, got 'logmel'"),
        ({"audio_kind": "frames"}, "audio_kind must be one of features, logmel, samples, bands, got 'frames'"),
        ({"audio_rate_hz": 0.0}, "audio_rate_hz must be positive, got 0"),
        ({"video_rate_hz": float("nan")}, "video_rate_hz must be positive, got nan"),
    ],
)
def test_pairs_say_what_is_wrong_with_them(changes, message):
    with pytest.raises(UsageError, match=message):
        pairs(**changes)


@settings(deadline=None)  # the first call compiles the checks of types
@given(st.lists(st.integers(0, 5)), st.booleans())
def test_taken_rows_carry_everything_along(rows, on_disk):
    whole = pairs(label=np.array([0, 1, -1, 0, 1, -1]), video_rate_hz=25.0)
    if on_disk:
        whole = dataclasses.replace(whole, video=Picked(whole.video, np.arange(6)))
    rows = np.array(rows, np.int64)
    taken = whole.take(rows)
    assert taken.names == tuple(whole.names[row] for row in rows)
    assert (taken.group == whole.group[rows]).all()
    assert (taken.label == whole.label[rows]).all()
    assert taken.video_rate_hz == 25.0
    for place, row in enumerate(rows):
        np.testing.assert_array_equal(taken.video[place], whole.video[row])
        np.testing.assert_array_equal(taken.audio[place], whole.audio[row])


def test_taking_rows_of_a_memory_map_or_a_tuple_reads_nothing(tmp_path):
    np.save(tmp_path / "video.npy", np.arange(24.0).reshape(6, 2, 2))
    mapped = np.load(tmp_path / "video.npy", mmap_mode="r")
    short = tuple(np.full((2, 2), row) for row in range(6))
    taken = pairs(video=mapped, audio=short).take(np.array([4, 1])).take(np.array([1, 0, 0]))
    assert isinstance(taken.video, Picked)
    assert isinstance(taken.audio, Picked)
    np.testing.assert_array_equal(gather(taken.video, np.array([0, 1])), mapped[[1, 4]])
    np.testing.assert_array_equal(gather(taken.audio, np.array([2])), [np.full((2, 2), 4)])


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float64])
def test_a_batch_is_float32_and_the_same_by_every_way(dtype):
    array = np.random.default_rng(1).integers(0, 256, (6, 4, 3)).astype(dtype)
    rows = np.array([5, 0, 0, 2])
    for items in (array, tuple(array), Picked(tuple(array), np.arange(6)), Picked(array, np.arange(6))):
        batch = gather(items, rows)
        assert batch.dtype == np.float32
        np.testing.assert_array_equal(batch, array[rows])


def test_a_batch_is_a_copy():
    items = np.zeros((3, 2, 2), np.float32)
    gather(items, np.array([0, 1, 2]))[:] = 1.0
    assert not items.any()


def test_items_that_differ_in_length_don_t_make_a_batch():
    items = (np.zeros((4, 3)), np.zeros((4, 3)), np.zeros((5, 3)))
    with pytest.raises(UsageError, match=r"item 1 is \(4, 3\), item 2 is \(5, 3\); cut or pad"):
        gather(items, np.array([1, 0, 2]))
    with pytest.raises(UsageError, match="at least one row"):
        gather(items, np.arange(0))


def test_numbers_follow_the_sorted_names_and_empty_is_unknown():
    numbers, names = numbered(["b", "", "a", "b"])
    assert names == ("a", "b")
    assert numbers.tolist() == [1, -1, 0, 1]


def save(folder, **arrays):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


def test_layouts_are_told_by_what_is_there(tmp_path):
    packed = save(tmp_path / "packed", afeat=np.zeros((3, 4, 2), np.uint8), vfeat=np.zeros((3, 4, 5), np.float16))
    assert repr(read_pairs(packed)).startswith("Pairs(video: (3, 4, 5) features, audio: (3, 4, 2)")
    for side, size in (("vfeat", 5), ("afeat", 2)):
        save(tmp_path / "folders" / side, **{f"{row:04d}": np.zeros((4, size)) for row in range(3)})
    assert repr(read_pairs(tmp_path / "folders")).startswith("Pairs(video: (3, 4, 5) features, audio: (3, 4, 2)")
    with ShardWriter(tmp_path / "shards") as writer:
        writer.add("one", np.zeros((4, 5)), np.zeros((3, 2)))
    assert repr(read_pairs(str(tmp_path / "shards"))).startswith("Pairs(video: 1 × (4, 5)")


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_table_of_feature_files(tmp_path, form):
    save(tmp_path / "f", v0=np.zeros((4, 5)), v1=np.ones((4, 5)), a0=np.zeros((3, 2)), a1=np.ones((7, 2)))
    columns = {
        "audio": ["f/a1.npy", "f/a0.npy"],
        "video": ["f/v1.npy", "f/v0.npy"],
        "group": ["z", "y"],
        "label": ["", "bell"],
    }
    if form == "parquet":
        parquet.write_table(pa.table(columns), tmp_path / "list.parquet")
    else:
        rows = zip(*columns.values(), strict=True)
        (tmp_path / "list.csv").write_text("\n".join([",".join(columns), *(",".join(row) for row in rows)]))
    found = read_pairs(tmp_path / f"list.{form}")
    assert found.video.shape == (2, 4, 5)
    assert [item.shape for item in found.audio] == [(7, 2), (3, 2)]
    assert found.video[0].all()
    assert found.group.tolist() == [1, 0]
    assert found.label.tolist() == [-1, 0]
    assert found.label_names == ("bell",)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("video,audio\nv.npy,a.wav\n", r"names .*v\.npy and .*a\.wav, but features are \.npy; known are STD2022"),
        ("video,audio\nv.npy,v.npy\nw.npy,v.npy\n", r"w\.npy: has 6 dimensions, .*v\.npy has 5"),
        ("video,audio,start_seconds\nv.npy,v.npy,1\n", r"gives times for .*v\.npy, but feature files are taken whole"),
        ("video,audio\nv.npy,gone.npy\n", r"row 1: .*gone\.npy is not there"),
    ],
)
def test_a_table_of_features_says_what_is_wrong_with_it(tmp_path, rows, message):
    save(tmp_path, v=np.zeros((4, 5)), w=np.zeros((4, 6)))
    (tmp_path / "a.wav").touch()
    (tmp_path / "list.csv").write_text(rows)
    with pytest.raises(UsageError, match=message):
        read_pairs(tmp_path / "list.csv")


def test_a_bad_feature_file_of_a_table_is_named(tmp_path):
    save(tmp_path, v=np.full((4, 5), np.nan))
    (tmp_path / "list.csv").write_text("video,audio\nv.npy,v.npy\n")
    with pytest.raises(MediaError, match=r"v\.npy: NaN or infinite at step 0"):
        read_pairs(tmp_path / "list.csv")


def test_what_isn_t_a_layout_gets_the_list_of_those_that_are(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UsageError, match=r"no known layout; known are STD2022 .* shards .* CSV or Parquet"):
        read_pairs(tmp_path)
    with pytest.raises(UsageError, match="no known layout"):
        read_pairs(tmp_path / "notes.txt")
    with pytest.raises(UsageError, match="nowhere: no such file or folder; known are"):
        read_pairs(tmp_path / "nowhere")


def test_splits_of_a_table_count_in_training(tmp_path):
    for name in "abcd":
        np.save(tmp_path / f"{name}.npy", np.zeros((2, 3), np.float32))
    rows = [f"{name}.npy,{name}.npy,{split}" for name, split in zip("abcd", ("train", "dev", "test", ""), strict=True)]
    (tmp_path / "list.csv").write_text("\n".join(["video,audio,split", *rows]), encoding="utf-8")
    assert len(read_pairs(tmp_path / "list.csv")) == 4
    pairs = read_pairs(tmp_path / "list.csv", to_train=True)
    assert [Path(name).stem for name in pairs.names] == ["a", "b", "d"]
    assert pairs.is_held_back.tolist() == [False, True, False]
