import csv
from pathlib import Path

import numpy as np
import pytest

from avmatch.core.errors import UsageError
from avmatch.data.items import gathered_steps, num_features, padded, whole_steps
from avmatch.data.layouts import list_scene_files
from avmatch.data.pairs import read_clips, read_scenes
from avmatch.systems.scenes.fusing import Predictions, read_predictions, write_predictions
from avmatch.systems.scenes.media import is_scene_media


def write_packed(folder: Path, audio: np.ndarray, video: np.ndarray, categories: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    np.save(folder / "afeat.npy", audio)
    np.save(folder / "vfeat.npy", video)
    known = sorted(set(categories))
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "class_id", "category", "youtube_id"])
        writer.writerows((row, known.index(name), name, f"tube{row // 2}") for row, name in enumerate(categories))
    return folder


def packed(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    audio = rng.integers(0, 255, (4, 3, 2)).astype(np.uint8)
    video = rng.standard_normal((4, 3, 5)).astype(np.float16)
    return write_packed(folder, audio, video, ["Bark", "Clock", "Bark", "Bus"])


def test_a_packed_folder_gives_its_classes_and_groups(tmp_path: Path):
    scenes = read_scenes(packed(tmp_path))
    assert scenes.label_names == ("Bark", "Bus", "Clock")
    assert scenes.label.tolist() == [0, 2, 0, 1]
    assert scenes.group.tolist() == [0, 0, 1, 1]
    assert scenes.faults == ()
    assert gathered_steps(scenes.audio, np.array([1]), 2).dtype == np.float32


def test_broken_steps_and_sides_are_kept_flagged_and_named(tmp_path: Path):
    packed(tmp_path)
    video = np.load(tmp_path / "vfeat.npy")
    video[1, 2, 3] = np.inf
    video[2] = np.nan
    np.save(tmp_path / "vfeat.npy", video)
    scenes = read_scenes(tmp_path)
    assert [str(fault) for fault in scenes.faults] == [
        "0001: video: 1 of 3 steps aren't finite",
        "0002: video: broken: no step is finite",
    ]
    assert np.isnan(scenes.video[1]).all(axis=1).tolist() == [False, False, True]
    assert len(scenes) == 4


def write_table(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    for name, shape in (("a0", (4, 2)), ("a1", (6, 2)), ("v0", (2, 3)), ("v1", (5, 3))):
        np.save(folder / f"{name}.npy", rng.standard_normal(shape).astype(np.float32))
    (folder / "bad.npy").write_bytes(b"no array")
    rows = [
        "audio,video,label,group,split",
        "a0.npy,v0.npy,park,x,train",
        "a1.npy,,tram,x,train",
        ",v1.npy,park,y,test",
    ]
    path = folder / "scenes.csv"
    path.write_text("\n".join([*rows, "bad.npy,v0.npy,,z,test"]), encoding="utf-8")
    return path


def test_a_table_may_lack_a_side_and_name_a_broken_file(tmp_path: Path):
    scenes = read_scenes(write_table(tmp_path))
    assert scenes.names == ("a0.npy", "a1.npy", "v1.npy", "bad.npy")
    assert [(fault.name, fault.side) for fault in scenes.faults] == [
        ("v1.npy", "audio"),
        ("bad.npy", "audio"),
        ("a1.npy", "video"),
    ]
    assert len(scenes.labelled()) == 3
    assert num_features(scenes.video) == 3


def test_a_split_of_a_table(tmp_path: Path):
    assert read_scenes(write_table(tmp_path), "test").names == ("v1.npy", "bad.npy")
    with pytest.raises(UsageError, match="names no item of the split 'val'"):
        read_scenes(tmp_path / "scenes.csv", "val")


def test_what_is_no_layout_lists_those_that_are(tmp_path: Path):
    with pytest.raises(UsageError, match="no known layout; known are a packed folder"):
        read_scenes(tmp_path)
    with pytest.raises(UsageError, match="has no splits"):
        read_scenes(packed(tmp_path), "test")


def test_clips_of_any_lengths_become_one_batch():
    clips = [np.ones((2, 3), np.float32), np.zeros((0, 0), np.float32), np.ones((1, 3), np.float32)]
    batch = padded(clips, 3)
    assert batch.shape == (3, 2, 3)
    assert np.isnan(batch).all(axis=2).tolist() == [[False, False], [True, True], [False, True]]
    with pytest.raises(UsageError, match="have 3 dimensions, expected 4"):
        padded(clips, 4)


def test_a_step_with_one_value_that_isnt_finite_isnt_there():
    steps = whole_steps(np.array([[1.0, 2.0], [np.nan, 1.0], [1e300, 0.0]]))
    assert np.isnan(steps).tolist() == [[False, False], [True, True], [True, True]]


def test_npz_clips_with_both_sides_one_or_none(tmp_path: Path):
    np.savez(tmp_path / "both.npz", audio=np.ones((2, 3)), video=np.ones((4, 5)))
    np.savez(tmp_path / "sound.npz", audio=np.ones((2, 3)))
    np.savez(tmp_path / "odd.npz", audio=np.ones(3), video=np.full((2, 5), np.nan))
    (tmp_path / "broken.npz").write_bytes(b"PK")
    paths = [str(tmp_path / f"{name}.npz") for name in ("both", "sound", "odd", "broken")]
    scenes = read_clips(paths)
    messages = {(Path(fault.name).stem, fault.side): fault.message for fault in scenes.faults}
    assert messages.keys() == {
        ("sound", "video"),
        ("odd", "audio"),
        ("odd", "video"),
        ("broken", "audio"),
        ("broken", "video"),
    }
    assert messages["odd", "audio"] == "broken: must be numbers (steps, features), is float64 (3,)"
    assert [len(scenes.audio[row]) for row in range(4)] == [2, 2, 0, 0]
    with pytest.raises(UsageError, match="no such file"):
        read_clips([str(tmp_path / "none.npz")])


def test_what_is_wrong_with_one_side_of_an_npz_is_told_and_the_other_read(tmp_path: Path):
    with (tmp_path / "one_array.npz").open("wb") as file:
        np.save(file, np.ones((2, 3)))
    rng = np.random.default_rng(0)
    np.savez_compressed(tmp_path / "damaged.npz", audio=rng.standard_normal((50, 30)), video=np.ones((4, 5)))
    content = bytearray((tmp_path / "damaged.npz").read_bytes())
    content[200:300] = bytes(100)
    (tmp_path / "damaged.npz").write_bytes(content)
    np.savez(tmp_path / "gaps.npz", audio=[[1.0, np.nan], [2.0, 3.0]], video=np.full((2, 3), 1e300))
    paths = [str(tmp_path / f"{name}.npz") for name in ("one_array", "damaged", "gaps")]
    messages = {(Path(fault.name).stem, fault.side): fault.message for fault in read_clips(paths).faults}
    assert messages.pop(("gaps", "audio")) == "1 of 2 steps aren't finite"
    assert messages.pop(("gaps", "video")) == "broken: no step is finite"
    assert messages.keys() == {("one_array", "audio"), ("one_array", "video"), ("damaged", "audio")}
    assert all(message.startswith("broken: not a readable .npz (") for message in messages.values())


def test_rows_of_one_sound_are_told_apart(tmp_path: Path):
    write_table(tmp_path)
    path = tmp_path / "twice.csv"
    path.write_text("audio,video\na0.npy,v0.npy\na0.npy,\na1.npy,v1.npy", encoding="utf-8")
    scenes = read_scenes(path)
    assert scenes.names == ("a0.npy + v0.npy", "a0.npy", "a1.npy")
    assert [str(fault) for fault in scenes.faults] == ["a0.npy: video: missing"]
    assert scenes.group.tolist() == [0, 0, 1]


def test_a_split_of_media(tmp_path: Path):
    for name in ("dog/one.mp4", ".trash/two.mp4"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"")
    assert [file.label for file in list_scene_files(tmp_path)] == ["dog"]
    with pytest.raises(UsageError, match="has no splits; leave out --split"):
        list_scene_files(tmp_path, "test")
    (tmp_path / "clips.csv").write_text("path,label\ndog/one.mp4,dog\n", encoding="utf-8")
    with pytest.raises(UsageError, match="lacks a column named `split`"):
        list_scene_files(tmp_path / "clips.csv", "test")


def test_media_are_labelled_by_their_folder_or_by_a_table(tmp_path: Path):
    for name in ("dog/one.mp4", "dog/deep/two.wav", "cat/three.mkv", "cat/notes.txt", "loose.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = {Path(file.path).name: file.label for file in list_scene_files(tmp_path)}
    assert found == {"one.mp4": "dog", "two.wav": "dog", "three.mkv": "cat"}
    (tmp_path / "manifest.csv").write_text("file,label,group,split\nloose.mp4,bird,g,train\n", encoding="utf-8")
    (clip,) = list_scene_files(tmp_path, "train")
    assert (Path(clip.path).name, clip.label, clip.group) == ("loose.mp4", "bird", "g")
    (tmp_path / "manifest.csv").write_text("file,label\ngone.mp4,bird\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"row 1: .*gone.mp4 is not there"):
        list_scene_files(tmp_path)


def test_known_layouts_are_no_folders_of_classes(tmp_path: Path):
    """Kinetics' own folders are splits, DCASE's too."""
    names = ("train/bowling/abcdefghijk_000001_000011.mp4", "val/archery/bbcdefghijk_000001_000011.mp4")
    tests = ("test/bowling/cbcdefghijk_000001_000011.mp4",)
    for name in names + tests:
        (tmp_path / "kinetics" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "kinetics" / name).write_bytes(b"")
    assert {file.label for file in list_scene_files(tmp_path / "kinetics")} == {"bowling", "archery"}
    assert [file.label for file in list_scene_files(tmp_path / "kinetics", "val")] == ["archery"]
    assert len(list_scene_files(tmp_path / "kinetics", "test")) == 1
    for name in ("scenes_stereo/bus01.wav", "scenes_stereo/park01.wav", "scenes_stereo_testset/bus11.wav"):
        (tmp_path / "dcase" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "dcase" / name).write_bytes(b"")
    assert [file.label for file in list_scene_files(tmp_path / "dcase")] == ["bus", "park"]
    with pytest.raises(UsageError, match="has no clip of"):
        list_scene_files(tmp_path / "dcase", "val")


def test_sides_are_no_classes(tmp_path: Path):
    """TAU as it is recorded: refused, but not where its features lie beside."""
    for name in ("audio/bus-oslo-1-1.wav", "video/bus-oslo-1-1.mp4"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(UsageError, match="audio and video are sides there, not classes"):
        list_scene_files(tmp_path)
    features = tmp_path / "feature" / "audio_features_data"
    features.mkdir(parents=True)
    (features / "train.hdf5").write_bytes(b"")
    assert not is_scene_media(tmp_path)


def test_items_that_share_a_film_are_one_group(tmp_path: Path):
    write_table(tmp_path)
    (tmp_path / "cameras.csv").write_text("audio,video\na0.npy,v0.npy\na1.npy,v0.npy\na1.npy,\n", encoding="utf-8")
    assert read_scenes(tmp_path / "cameras.csv").group.tolist() == [0, 0, 0]


def predictions() -> Predictions:
    probabilities = np.array([[0.1 + 1e-9, 0.2, 0.7 - 1e-9], [1 / 3, 1 / 3, 1 / 3]])
    return Predictions(("a-x-1-1", "b-y-2-2"), ("bus", "park", "tram"), probabilities, np.array([2, -1]))


def test_prediction_csv_comes_back_unrounded(tmp_path: Path):
    path = tmp_path / "prediction.csv"
    write_predictions(path, predictions())
    header, first, _ = path.read_text(encoding="utf-8").splitlines()
    assert header.split("\t") == ["aid", "scene_pred", "scene_label", "bus", "park", "tram"]
    assert first.split("\t")[:3] == ["a-x-1-1", "tram", "tram"]
    back = read_predictions(path)
    np.testing.assert_array_equal(back.probabilities, predictions().probabilities)
    assert back.label.tolist() == [2, -1]


def test_a_table_without_labels_has_no_label_column(tmp_path: Path):
    path = tmp_path / "prediction.csv"
    original = predictions()
    write_predictions(path, Predictions(original.names, original.classes, original.probabilities, np.array([-1, -1])))
    assert "scene_label" not in path.read_text(encoding="utf-8")
    assert read_predictions(path).label.tolist() == [-1, -1]


def test_predictions_in_another_order():
    original = predictions()
    turned = original.ordered(("b-y-2-2", "a-x-1-1"), ("tram", "bus", "park"))
    np.testing.assert_array_equal(turned.probabilities, original.probabilities[::-1][:, [2, 0, 1]])
    assert turned.label.tolist() == [-1, 0]
    with pytest.raises(UsageError, match="other classes: 'park'"):
        original.ordered(original.names, ("tram", "bus"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("aid\tscene_pred\tbus\tpark\na\tbus\t1.2\t0\n", "`bus` must be 0…1"),
        ("aid\tscene_pred\tbus\tpark\na\tbus\t1\t\n", "needs a probability for each"),
        ("aid\tscene_pred\tbus\na\tbus\t1\n", "two classes or more"),
        ("aid\tbus\tpark\na\t1\t0\na\t1\t0\n", "are there twice"),
        ("aid\tscene_label\tbus\tpark\na\tsea\t1\t0\n", "'sea' is none of the classes bus, park"),
        ("name\tbus\tpark\na\t1\t0\n", "lacks a column named `aid`"),
    ],
)
def test_a_faulty_table_is_refused(tmp_path: Path, text: str, message: str):
    path = tmp_path / "prediction.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        read_predictions(path)
