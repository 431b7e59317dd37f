"""The TAU layout, written as it lies in the field: HDF5 by label, lists by tabs or commas, mean and deviation."""

import builtins
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from avmatch.core.errors import MediaError, MissingExtraError, UsageError
from avmatch.data import tau
from avmatch.data.pairs import read_scenes

#: Label, stem, split.
ITEMS = (
    ("airport", "airport-lisbon-1000-40000", "train"),
    ("airport", "airport-lisbon-1000-40001", "train"),
    ("metro_station", "metro_station-paris-2-7", "train"),
    ("tram", "tram-vienna-30-1", "val"),
    ("airport", "airport-oslo-9-3", "test"),
)
MEAN, DEVIATION = 2.0, 4.0


def features(stem: str, side: str, num_steps: int = 98) -> np.ndarray:
    rng = np.random.default_rng(sum(map(ord, stem + side)))
    return rng.standard_normal((num_steps, 6 if side == "audio" else 4)).astype(np.float32)


def write_tau(folder: Path, leave_out: tuple[str, ...] = ()) -> Path:
    """Both sides of all items, but what `leave_out` names as <side>/<stem>."""
    for side in ("audio", "video"):
        inside = folder / "feature" / f"{side}_features_data"
        inside.mkdir(parents=True)
        for label, stem, split in ITEMS:
            with h5py.File(inside / f"{split}.hdf5", "a") as file:
                group = file.require_group(f"{label}/{side}")
                if f"{side}/{stem}" not in leave_out:
                    group.create_dataset(stem, data=features(stem, side))
        size = 6 if side == "audio" else 4
        np.savez(
            inside / "global_mean_std.npz", global_mean=np.full(size, MEAN), global_std=np.full((1, size), DEVIATION)
        )
    return folder


def write_lists(folder: Path) -> None:
    (folder / "evaluation_setup").mkdir()
    for name, splits in (("fold1_train", ("train", "val")), ("fold1_evaluate", ("test",))):
        rows = ["filename_audio\tfilename_video\tscene_label"]
        rows += [f"audio/{stem}.wav\tvideo/{stem}.mp4\t{label}" for label, stem, split in ITEMS if split in splits]
        (folder / "evaluation_setup" / f"{name}.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def write_comma_lists(folder: Path) -> None:
    for split in ("train", "val", "test"):
        rows = ["filename_audio,filename_video,scene_label,location_id"]
        rows += [
            f"audio/{stem}.wav,video/{stem}.mp4,{label},place{number}"
            for number, (label, stem, own) in enumerate(ITEMS)
            if own == split
        ]
        (folder / f"{split}.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def test_steps_are_cut_to_96_and_standardised(tmp_path: Path):
    pairs = read_scenes(write_tau(tmp_path))
    assert pairs.names == tuple(sorted(stem for _, stem, split in ITEMS if split != "test"))
    assert pairs.video_rate_hz == 10.0
    row = pairs.names.index("tram-vienna-30-1")
    for items, side in ((pairs.audio, "audio"), (pairs.video, "video")):
        wanted = (features("tram-vienna-30-1", side)[:96] - MEAN) / DEVIATION
        np.testing.assert_allclose(items[row], wanted, rtol=1e-6)


@pytest.mark.parametrize("lists", [None, write_lists, write_comma_lists])
def test_classes_and_splits_with_lists_of_either_kind_and_without(tmp_path: Path, lists: Callable | None):
    write_tau(tmp_path)
    if lists is not None:
        lists(tmp_path)
    for split, names in (
        (None, [stem for _, stem, own in ITEMS if own != "test"]),
        ("train", [stem for _, stem, own in ITEMS if own == "train"]),
        ("test", ["airport-oslo-9-3"]),
    ):
        pairs = read_scenes(tmp_path, split)
        assert sorted(pairs.names) == sorted(names)
        label = {stem: label for label, stem, _ in ITEMS}
        assert [pairs.label_names[number] for number in pairs.label] == [label[name] for name in pairs.names]


def test_a_split_without_a_list_is_what_its_file_holds(tmp_path: Path):
    write_comma_lists(write_tau(tmp_path))
    (tmp_path / "test.csv").unlink()
    assert read_scenes(tmp_path, "test").names == ("airport-oslo-9-3",)
    (tmp_path / "train.csv").write_text("filename_audio\n", encoding="utf-8")
    assert len(read_scenes(tmp_path, "train")) == sum(split == "train" for *_, split in ITEMS)
    names = [stem for _, stem, split in ITEMS if split == "train"]
    (tmp_path / "train.csv").write_text(f"filename_audio\n{names[0]}.wav\n", encoding="utf-8")
    assert read_scenes(tmp_path, "train").names == (names[0],)


def test_numbers_of_another_size_and_other_trees_name_their_file(tmp_path: Path):
    inside = write_tau(tmp_path) / "feature" / "audio_features_data"
    np.savez(inside / "global_mean_std.npz", global_mean=np.zeros(5), global_std=np.ones(5))
    with pytest.raises(MediaError, match=r"hdf5: .* has 6 features, but global_mean_std\.npz beside it has 5"):
        read_scenes(tmp_path).audio[0]
    inside = write_tau(tmp_path / "other") / "feature" / "audio_features_data"
    with h5py.File(inside / "val.hdf5", "a") as file:
        file["stray"] = np.zeros(3)
    with pytest.raises(MediaError, match=r"val\.hdf5: stray is not what it should be: <label>/audio/<stem>"):
        read_scenes(tmp_path / "other")


def test_a_location_is_a_group(tmp_path: Path):
    pairs = read_scenes(write_tau(tmp_path))
    group = dict(zip(pairs.names, pairs.group.tolist(), strict=True))
    assert group["airport-lisbon-1000-40000"] == group["airport-lisbon-1000-40001"]
    assert len(set(group.values())) == 3


def test_the_lists_location_goes_first(tmp_path: Path):
    write_comma_lists(write_tau(tmp_path))
    assert len(np.unique(read_scenes(tmp_path).group)) == 4


def test_a_missing_or_broken_side_is_kept_and_named(tmp_path: Path):
    write_tau(tmp_path, leave_out=("video/tram-vienna-30-1",))
    write_lists(tmp_path)
    with h5py.File(tmp_path / "feature" / "audio_features_data" / "train.hdf5", "a") as file:
        del file["metro_station/audio/metro_station-paris-2-7"]
        file["metro_station/audio/metro_station-paris-2-7"] = np.zeros(6)
    scenes = read_scenes(tmp_path)
    assert sorted(map(str, scenes.faults)) == [
        "metro_station-paris-2-7: audio: broken: must be (steps, features), is (6,)",
        "tram-vienna-30-1: video: missing",
    ]
    row = scenes.names.index("tram-vienna-30-1")
    assert len(scenes.video[row]) == 0
    assert len(scenes.audio[row]) == 96


def test_damaged_numbers_name_their_file(tmp_path: Path):
    write_tau(tmp_path)
    path = tmp_path / "feature" / "audio_features_data" / "val.hdf5"
    with h5py.File(path, "a") as file:
        del file["tram/audio/tram-vienna-30-1"]
        data = file.create_dataset(
            "tram/audio/tram-vienna-30-1", data=np.ones((98, 6)), chunks=(98, 6), fletcher32=True
        )
        place = data.id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[place + 8] ^= 255
    path.write_bytes(content)
    pairs = read_scenes(tmp_path)
    with pytest.raises(MediaError, match=r"val.hdf5: tram/audio/tram-vienna-30-1 can't be read"):
        pairs.audio[pairs.names.index("tram-vienna-30-1")]
    (path.parent / "global_mean_std.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(MediaError, match=r"global_mean_std.npz: not a readable .npz"):
        read_scenes(tmp_path)
    np.savez(path.parent / "global_mean_std.npz", global_mean=np.ones(6))
    with pytest.raises(MediaError, match="needs the arrays global_mean and global_std"):
        read_scenes(tmp_path)


def test_list_and_hdf5_must_agree_on_the_label(tmp_path: Path):
    write_tau(tmp_path)
    write_lists(tmp_path)
    path = tmp_path / "evaluation_setup" / "fold1_train.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("mp4\ttram", "mp4\tbus"), encoding="utf-8")
    with pytest.raises(UsageError, match="tram-vienna-30-1 is bus and tram"):
        read_scenes(tmp_path)


def test_an_unknown_split_lists_those_that_are(tmp_path: Path):
    with pytest.raises(UsageError, match="train, val, test"):
        read_scenes(write_tau(tmp_path), "dev")


def test_without_h5py_the_message_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_tau(tmp_path)
    found = builtins.__import__

    def without(name: str, *args: object, **kwargs: object) -> object:
        if name == "h5py":
            raise ImportError(name)
        return found(name, *args, **kwargs)

    tau._opened.cache_clear()
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"avmatch\[hdf5\]"):
        read_scenes(tmp_path)
