"""The real layout with all its oddities: what is read, what is made fit, what is named."""

import pickle
import shutil
import struct
import zlib

import cv2
import numpy as np
import pytest

from avmatch.core.errors import MediaError, UsageError
from avmatch.systems.collisions.data import (
    CLASSES,
    VideoFiles,
    list_task,
    list_training,
    read_sound,
    read_video,
    video_number,
)
from avmatch.systems.collisions.features import Bands, prepared, sound_features, video_features
from avmatch.systems.collisions.task import CollisionMetric
from impacts import RATE, write_sound, write_video


@pytest.fixture
def odd(tmp_path):
    """Two segments of one class, one of another, and everything that doesn't belong there."""
    train = tmp_path / "dataset" / "train"
    for number, place in enumerate(("strawberry/2", "strawberry/11", "yellow_block/0")):
        write_sound(train / place / "audio_data.pkl", seed=number)
        write_video(train / place)
    strays = "strawberry.rar notes.npy strawberry/.DS_Store strawberry/2/x.rar strawberry/2/mask/m.txt"
    for stray in (*strays.split(), "strawberry/old/a.pkl"):
        (train / stray).parent.mkdir(exist_ok=True)
        (train / stray).write_bytes(b"stray")
    (train / "strawberry" / "5" / "rgb").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize("inner", ["", "dataset"])
def test_segments_are_listed_by_number_and_strays_named(odd, inner):
    segments, notes = list_training(odd / inner)
    assert [segment.name for segment in segments] == ["strawberry/2", "strawberry/11", "yellow_block/0"]
    assert [segment.label for segment in segments] == [5, 5, 9]
    message = "\n".join(notes)
    for stray in (
        "strawberry.rar",
        "notes.npy",
        ".DS_Store",
        "x.rar",
        "m.txt",
        "strawberry/old",
        "strawberry/5: no audio",
    ):
        assert stray in message


def test_frames_are_paired_by_their_numbers_and_may_lack_one_side(odd):
    folder = odd / "dataset" / "train" / "strawberry" / "2"
    (folder / "mask" / "3.png").unlink()
    (folder / "rgb" / "1.jpg").unlink()
    (folder / "mask" / "10.png").write_bytes((folder / "mask" / "4.png").read_bytes())
    frames = list_training(odd)[0][0].film.frames
    names = [tuple(None if path is None else path.name for path in frame) for frame in frames]
    assert names[1:4] == [(None, "1.png"), ("2.jpg", "2.png"), ("3.jpg", None)]
    assert names[-1] == (None, "10.png")
    film = read_video(list_training(odd)[0][0].film)
    assert np.isnan(film.centroids[3]).all()
    assert film.centroids[2] == pytest.approx((190, 220))
    assert film.notes == ("strawberry/2: 1 of 6 frames without a mask that shows something",)


def test_tests_are_listed_in_groups(tmp_path):
    test = tmp_path / "dataset" / "task3" / "test"
    for group in (0, 1, 10):
        write_sound(test / str(group) / "audio_0000.pkl")
        write_video(test / str(group) / "video_0007", num_frames=2)
    (test / "0" / "video_0001").mkdir()
    (test / "0" / "._audio_0000.pkl").write_bytes(b"")
    (test / "readme.rar").write_bytes(b"")
    (test / "1" / "video_0007" / "depth.npy").write_bytes(b"")
    groups, notes = list_task(tmp_path, 3)
    assert [group.name for group in groups] == ["0", "1", "10"]
    assert [video_number(film) for film in groups[0].videos] == [1, 7]
    assert [note.partition(":")[0].rpartition("/")[2] for note in notes] == [
        "._audio_0000.pkl",
        "depth.npy",
        "readme.rar",
    ]
    with pytest.raises(MediaError, match="0/video_0001: no frame"):
        read_video(groups[0].videos[0])


def test_films_beside_the_sounds_of_task_1_are_strays(tmp_path):
    test = tmp_path / "dataset" / "task1" / "test"
    write_sound(test / "audio_0000.pkl")
    write_video(test / "video_0003", num_frames=1)
    ((group,), notes) = list_task(tmp_path, 1)
    assert (len(group.sounds), group.videos) == (1, ())
    assert "video_0003: doesn't belong there" in notes[0]


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(UsageError, match="no folder"):
        list_training(tmp_path / "none")
    with pytest.raises(UsageError, match="no segment there; expected <class>/<n>"):
        list_training(tmp_path)
    with pytest.raises(UsageError, match=r"no audio_0000.pkl there in folders 0, 1"):
        list_task(tmp_path, 2)
    with pytest.raises(UsageError, match="no task 4; there are 1, 2, 3"):
        list_task(tmp_path, 4)


def test_sounds_of_other_lengths_are_noted(tmp_path):
    for name, num_samples, message in (("a", 3 * RATE, "padded"), ("b", 5 * RATE, "cut"), ("c", 4 * RATE, "")):
        write_sound(tmp_path / f"{name}.pkl", num_samples)
        sound, notes = read_sound(tmp_path / f"{name}.pkl")
        assert sound.data.shape == (4, num_samples)
        assert message in "".join(notes)
        assert bool(notes) == bool(message)
        assert sound_features(sound, Bands()).bands.shape == (4, 128, 98)


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ([1, 2], "expected a dict"),
        ({"sound": 1}, "expected a dict"),
        ({"audio": np.zeros((100, 2))}, r"must be \(samples, 4\), got \(100, 2\)"),
        ({"audio": np.zeros((0, 4))}, r"must be \(samples, 4\)"),
        ({"audio": [[1.0, 2.0], [3.0]]}, "expected numbers"),
        ({"audio": np.zeros((9, 4)), "audio_samplerate": 16000}, "must be 44100, got 16000"),
        ({"audio": np.full((9, 4), np.nan)}, "no numbers"),
        ({"audio": np.full((9, 4), 1e30)}, r"beyond ±1e\+06"),
    ],
)
def test_pickles_that_hold_something_else_are_refused(tmp_path, held, message):
    path = tmp_path / "audio_0000.pkl"
    path.write_bytes(pickle.dumps(held))
    with pytest.raises(MediaError, match=message):
        read_sound(path)


def test_whole_numbers_become_shares(tmp_path):
    path = tmp_path / "audio.pkl"
    path.write_bytes(pickle.dumps({"audio": np.full((9, 4), 16384, np.int16), "audio_samplerate": 44100}))
    np.testing.assert_allclose(read_sound(path)[0].data, 0.5, atol=1e-4)


def test_films_without_any_mask_are_seen_by_their_pictures(tmp_path):
    write_video(tmp_path / "video_0000")
    for mask in (tmp_path / "video_0000" / "mask").iterdir():
        mask.unlink()
    write_video(tmp_path / "video_0001")
    cv2.imwrite(str(tmp_path / "video_0001" / "mask" / "0.png"), np.zeros((40, 40), np.uint8))
    write_sound(tmp_path / "dataset/task2/test/0/audio_0000.pkl")
    for name in ("video_0000", "video_0001"):
        (tmp_path / name).rename(tmp_path / "dataset/task2/test/0" / name)
    videos = list_task(tmp_path, 2)[0][0].videos
    read = [read_video(files) for files in videos]
    blind, visible = (video_features(video) for video in read)
    assert (blind.is_seen, visible.is_seen) == (False, True)
    assert blind.crops[..., :3].any()
    assert blind.cues.shape == visible.cues.shape
    assert "1 of 5 frames without a mask" in read[1].notes[0]


def test_a_picture_of_an_absurd_size_is_a_missing_one(tmp_path):
    """OpenCV raises on it, and returns None on everything else that it can't read."""
    header = struct.pack(">IIBBBBB", 1 << 17, 1 << 17, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(9))), (b"IEND", b"")]
    path = tmp_path / "0.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(held)) + kind + held + struct.pack(">I", zlib.crc32(kind + held))
            for kind, held in chunks
        )
    )
    files = VideoFiles("video_0000", ((path, path),))
    film = video_features(read_video(files))
    assert (film.is_seen, film.crops.any()) == (False, False)


def test_features_that_were_interrupted_are_computed_again(odd):
    """In a second computation of more segments, after which the first's index would not fit the arrays."""
    whole = prepared(odd, odd / "features", Bands(16, 14)).arrays["path"].copy()
    train = odd / "dataset" / "train"
    (train / "strawberry" / "1").mkdir()
    write_sound(train / "strawberry" / "1" / "audio_data.pkl")
    write_video(train / "strawberry" / "1", seed=30)

    def stop(stage, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepared(odd, odd / "features", Bands(16, 14), progress=stop)
    shutil.rmtree(train / "strawberry" / "1")
    np.testing.assert_array_equal(prepared(odd, odd / "features", Bands(16, 14)).arrays["path"], whole)


def test_noise_follows_from_the_segment_alone(odd):
    """Which other segments there are makes no difference, as the cues of all are fitted together."""
    every = prepared(odd, odd / "features", Bands(16, 14)).arrays
    assert not np.allclose(every["noisy_cues"], every["sound_cues"], atol=0.1)
    shutil.rmtree(odd / "dataset" / "train" / "strawberry" / "2")
    fewer = prepared(odd, odd / "fewer", Bands(16, 14)).arrays["noisy_cues"]
    np.testing.assert_array_equal(fewer, every["noisy_cues"][1:])


def test_features_are_kept_and_what_cannot_be_used_is_left_out(odd):
    bad = odd / "dataset" / "train" / "strawberry" / "7"
    write_video(bad)
    (bad / "audio_data.pkl").write_bytes(b"cos\nsystem\n(S'touch hacked'\ntR.")
    found = prepared(odd, odd / "features", Bands(16, 14))
    assert found.names == ("strawberry/2", "strawberry/11", "yellow_block/0")
    assert any("strawberry/7: left out" in note and "os.system" in note for note in found.notes)
    assert len(found.arrays["bands"]) == 3
    before = (odd / "features" / "bands.npy").stat().st_mtime_ns
    again = prepared(odd, odd / "features", Bands(16, 14))
    assert (odd / "features" / "bands.npy").stat().st_mtime_ns == before
    np.testing.assert_array_equal(again.arrays["path"][:3], found.arrays["path"])
    task = CollisionMetric(bands=Bands(16, 14), num_folds=2)
    pairs = task.read(odd / "features", odd / "features")
    assert len(pairs) == 3
    assert pairs.label_names == CLASSES
    with pytest.raises(UsageError, match="the recipe wants Bands"):
        prepared(odd / "features", odd / "other", Bands())
