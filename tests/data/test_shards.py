"""Packed shards: what goes in comes out, a job that was cut short goes on, and damage is named."""

import json
import os
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from avmatch.core.errors import UsageError
from avmatch.data.items import gather
from avmatch.data.shards import ShardWriter, open_shards


def item(number, length=4):
    video = np.full((length, 3), number, np.float32)
    audio = np.arange(number, number + 2 * length, dtype=np.float16).reshape(2 * length, 1)
    return f"clip {number}", video, audio


def pack(folder, numbers, shard_bytes=100, **options):
    with ShardWriter(folder, shard_bytes, **options) as writer:
        for number in numbers:
            writer.add(*item(number, 1 + number % 4))


lengths = st.integers(1, 4)
arrays = st.lists(
    st.tuples(
        lengths.flatmap(lambda num: hnp.arrays(np.uint8, (num, 3, 2))),
        lengths.flatmap(lambda num: hnp.arrays(np.float32, (num, 5), elements=st.floats(-9, 9, width=32))),
        st.sampled_from(["", "tape a", "tape b"]),
        st.sampled_from(["", "dog", "bell"]),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=40, deadline=None)  # it writes files
@given(arrays, st.integers(1, 200))
def test_what_goes_in_comes_out(tmp_path_factory, items, shard_bytes):
    folder = tmp_path_factory.mktemp("shards")
    with ShardWriter(folder, shard_bytes, video_kind="frames", video_rate_hz=25.0) as writer:
        for number, (video, audio, group, label) in enumerate(items):
            writer.add(f"{number}", video, audio, group, label)
    pairs = open_shards(folder)
    assert pairs.names == tuple(str(number) for number in range(len(items)))
    assert (pairs.video_kind, pairs.audio_kind, pairs.video_rate_hz, pairs.audio_rate_hz) == (
        "frames",
        "features",
        25.0,
        1.0,
    )
    groups = [group or str(number) for number, (_, _, group, _) in enumerate(items)]
    same = pairs.group[:, None] == pairs.group
    np.testing.assert_array_equal(same, [[one == other for other in groups] for one in groups])
    for row, (video, audio, _, label) in enumerate(items):
        np.testing.assert_array_equal(pairs.video[row], video)
        np.testing.assert_array_equal(pairs.audio[row], audio)
        assert pairs.video[row].dtype == np.uint8
        assert label == (pairs.label_names[pairs.label[row]] if pairs.label[row] >= 0 else "")


def test_shards_are_plain_files_of_the_asked_size(tmp_path):
    pack(tmp_path, range(20), shard_bytes=100)
    videos = sorted(tmp_path.glob("video-*.npy"))
    assert len(videos) == len(list(tmp_path.glob("audio-*.npy"))) > 3
    assert sorted(path.name for path in tmp_path.glob("*")) == sorted(
        ["index.json", *(path.name for path in videos), *(path.name.replace("video", "audio") for path in videos)]
    )
    sizes = [np.load(path, allow_pickle=False).nbytes for path in videos]
    assert all(100 <= size < 100 + 48 for size in sizes[:-1])


def test_a_job_that_was_cut_short_goes_on(tmp_path):
    pack(tmp_path, range(7))
    with ShardWriter(tmp_path, 100) as writer:
        assert writer.names == {f"clip {number}" for number in range(7)}
        with pytest.raises(UsageError, match=r"clip 3: already in .*; skip what is in `names`"):
            writer.add(*item(3))
        for number in range(7, 12):
            writer.add(*item(number, 1 + number % 4))
    pack(tmp_path / "at once", range(12))
    pairs, whole = open_shards(tmp_path), open_shards(tmp_path / "at once")
    assert pairs.names == whole.names
    for row in range(12):
        np.testing.assert_array_equal(pairs.video[row], whole.video[row])
        np.testing.assert_array_equal(pairs.audio[row], whole.audio[row])


def test_what_was_added_before_an_error_is_kept(tmp_path):
    with pytest.raises(UsageError, match="clip 0: already in"):
        pack(tmp_path, (0, 1, 0, 2), shard_bytes=10**6)
    assert open_shards(tmp_path).names == ("clip 0", "clip 1")


def test_a_kill_loses_the_waiting_shard_only(tmp_path):
    program = f"""
        import os
        import numpy as np
        from avmatch.data.shards import ShardWriter
        with ShardWriter({str(tmp_path)!r}, shard_bytes=96) as writer:
            for number in range(7):
                writer.add(str(number), np.full((4, 3), number, np.float32), np.zeros((1, 1)))
            os._exit(9)
    """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False).returncode == 9
    assert open_shards(tmp_path).names == ("0", "1", "2", "3", "4", "5")
    assert open_shards(tmp_path).video[5].tolist() == [[5.0] * 3] * 4


def test_the_caller_may_fill_its_array_again(tmp_path):
    video = np.zeros((2, 2))
    with ShardWriter(tmp_path) as writer:
        for number in range(3):
            video[:] = number
            writer.add(f"{number}", video, np.zeros((1, 1)))
    assert [array.max() for array in (open_shards(tmp_path).video[row] for row in range(3))] == [0, 1, 2]


@pytest.mark.parametrize(
    ("video", "message"),
    [
        (np.zeros((4, 2), np.float32), r"x: video is float32 \(T, 2\), but in .* all are float32 \(T, 3\)"),
        (np.zeros((4, 3), np.float64), r"x: video is float64 \(T, 3\), but in"),
        (np.full((4, 3), np.nan, np.float32), "x: video .* must hold finite numbers"),
        (np.zeros((0, 3), np.float32), "x: video .* must hold finite numbers, and some"),
        (np.zeros((4, 3), object), "x: video .* object must hold finite numbers"),
    ],
)
@pytest.mark.parametrize("resumed", [False, True])
def test_an_item_unlike_the_others_is_refused_and_spoils_nothing(tmp_path, video, message, resumed):
    pack(tmp_path, [0])
    with ShardWriter(tmp_path if resumed else tmp_path / "new") as writer:
        if not resumed:
            writer.add(*item(0))
        with pytest.raises(UsageError, match=message):
            writer.add("x", video, np.zeros((4, 1), np.float16))
        writer.add(*item(1))
    assert open_shards(writer.folder).names == ("clip 0", "clip 1")


def test_another_kind_or_rate_isn_t_mixed_in(tmp_path):
    pack(tmp_path, [0], video_rate_hz=25.0)
    with pytest.raises(UsageError, match=r"holds shards with .*'video_rate_hz': 25\.0.*, not .*'video_rate_hz': 30\.0"):
        ShardWriter(tmp_path, video_rate_hz=30.0)
    with pytest.raises(UsageError, match="video_kind must be one of features, frames, mouths, motion, got 'film'"):
        ShardWriter(tmp_path, video_kind="film")


def test_a_hundred_thousand_items_open_without_being_read(tmp_path):
    num = 100_000
    for shard in range(10):
        np.save(tmp_path / f"video-{shard:05d}.npy", np.ones((num // 5, 3), np.float32))
        np.save(tmp_path / f"audio-{shard:05d}.npy", np.full((num // 10, 2), shard, np.float32))
    kinds = {"video_kind": "features", "audio_kind": "features", "video_rate_hz": 2.0, "audio_rate_hz": 1.0}
    columns = {
        "names": [str(number) for number in range(num)],
        "group": [f"tape {number // 10}" for number in range(num)],
        "label": ["dog"] * num,
        "video": [2] * num,
        "audio": [1] * num,
        "num_items": [num // 10] * 10,
    }
    (tmp_path / "index.json").write_text(json.dumps(kinds | columns | {"version": 1}))
    begin = time.perf_counter()
    pairs = open_shards(tmp_path)
    assert time.perf_counter() - begin < 5.0
    assert len(pairs) == 100_000
    assert isinstance(pairs.video[77_777].base, np.memmap)
    assert pairs.take(np.arange(50_000, 100_000)).names[-1] == "99999"
    assert gather(pairs.video, np.array([0, 99_999, 5])).shape == (3, 2, 3)
    assert gather(pairs.audio, np.array([0, 99_999, 10_000]))[:, 0, 0].tolist() == [0, 9, 1]
    assert len(np.unique(pairs.group)) == 10_000


def test_lengths_that_differ_are_named_by_gather(tmp_path):
    pack(tmp_path, range(4))
    with pytest.raises(UsageError, match=r"item 0 is \(1, 3\), item 1 is \(2, 3\)"):
        gather(open_shards(tmp_path).video, np.array([0, 1]))
    with pytest.raises(IndexError, match="out of bounds"):
        open_shards(tmp_path).video[4]


DAMAGES = {
    "missing": (lambda path: path.unlink(), "the shard is missing, cut short or damaged"),
    "a byte short": (lambda path: os.truncate(path, path.stat().st_size - 1), "the shard is missing, cut short"),
    "header only": (lambda path: os.truncate(path, 20), "the shard is missing, cut short"),
    "empty": (lambda path: path.write_bytes(b""), "the shard is missing, cut short"),
    "ticks": (lambda path: np.save(path, np.zeros((3, 3), "f4")), r"has 3 ticks of float32 \(T, 3\), but .* says 10"),
    "shape": (lambda path: np.save(path, np.zeros((10, 4), "f4")), r"has 10 ticks of float32 \(T, 4\), but .* says 10"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_shard_is_named(tmp_path, damage, message):
    pack(tmp_path, range(12))
    damage(tmp_path / "video-00001.npy")
    with pytest.raises(UsageError, match=rf"video-00001\.npy: {message}"):
        open_shards(tmp_path)


def changed(**changes):
    return lambda index: json.dumps(index | changes)


CHANGES = {
    "empty": (lambda index: "", "not the index"),
    "cut": (lambda index: json.dumps(index)[:-9], "not the index"),
    "list": (lambda index: "[1]", "not the index"),
    "version": (changed(version=2), "another version"),
    "columns": (changed(names=["a"]), "columns of unequal length"),
    "surprise": (changed(surprise=1), "unexpected keyword argument 'surprise'"),
    "rate": (changed(video_rate_hz=-1.0), "video_rate_hz must be positive"),
    "nothing": (changed(names=[], group=[], label=[], video=[], audio=[], num_items=[]), "names no pair"),
}


@pytest.mark.parametrize(("change", "message"), CHANGES.values(), ids=CHANGES)
def test_a_damaged_index_is_named(tmp_path, change, message):
    pack(tmp_path, range(2))
    path = tmp_path / "index.json"
    path.write_text(change(json.loads(path.read_text())))
    with pytest.raises(UsageError, match=rf"index\.json: .*{message}"):
        open_shards(tmp_path)
    path.unlink()
    with pytest.raises(UsageError, match=r"index\.json: not the index .*No such file"):
        open_shards(tmp_path)
