"""STD2022 in all its forms, and what is said of files that aren't."""

import pickle
import zipfile
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avmatch.core.errors import MediaError, UsageError
from avmatch.data.pairs import read_pairs
from avmatch.data.std2022 import list_features, load_feature, read_std2022

HEADER = "row,class_id,category,youtube_id,quality"


def features(folder, stems, shape=(10, 128), offset=0.0):
    folder.mkdir(parents=True, exist_ok=True)
    for stem in stems:
        np.save(folder / f"{stem}.npy", np.full(shape, float(stem) + offset, np.float32))


def packed(folder, num=4, index=None, video=None):
    folder.mkdir(exist_ok=True)
    np.save(folder / "afeat.npy", np.arange(num * 20).reshape(num, 10, 2).astype(np.uint8))
    np.save(folder / "vfeat.npy", np.zeros((num, 10, 3), np.float16) if video is None else video)
    if index is not None:
        (folder / "index.csv").write_text("\n".join([HEADER, *index]))
    return folder


@pytest.mark.parametrize("root", [".", "Train"])
@pytest.mark.parametrize("nested", [".", "vggish-quant"])
@pytest.mark.parametrize("argument", [".", "Train"])
def test_folders_of_features_pair_equal_stems(tmp_path, root, nested, argument):
    if argument == "Train" and root == ".":
        argument = "."
    stems = ["0010", "0002", "0001"]
    features(tmp_path / root / "afeat" / nested, stems, offset=100)
    features(tmp_path / root / "vfeat" / "resnet-101", stems, (10, 512))
    pairs = read_std2022(tmp_path / argument)
    assert pairs.names == ("0001", "0002", "0010")
    assert pairs.video.shape == (3, 10, 512)
    assert pairs.audio.dtype == np.float32
    assert pairs.video[:, 0, 0].tolist() == [1, 2, 10]
    assert pairs.audio[:, 9, 127].tolist() == [101, 102, 110]
    assert pairs.group.tolist() == [0, 1, 2]
    assert pairs.label.tolist() == [-1] * 3
    assert pairs.audio_rate_hz == pairs.video_rate_hz == 1.0


def test_stems_without_a_partner_are_named(tmp_path):
    features(tmp_path / "afeat", ["0001", "0002"])
    features(tmp_path / "vfeat", ["0001", "0003", "0004"])
    with pytest.raises(UsageError, match=r"0002 is in afeat and not in vfeat \(3 stems are alone\)"):
        read_std2022(tmp_path)


@pytest.mark.parametrize("noise", ["Clean", "Noise"])
def test_the_shuffled_test_sets_are_not_taken_for_pairs(tmp_path, noise):
    for side in ("afeat", "vfeat"):
        features(tmp_path / "Test" / noise / side, ["0000", "0001"])
    with pytest.raises(UsageError, match="Test is shuffled on either side, its stems are not pairs"):
        read_std2022(tmp_path / "Test" / noise)
    (tmp_path / "Test" / noise).rename(tmp_path / "Test" / "Train")
    assert len(read_std2022(tmp_path / "Test")) == len(read_std2022(tmp_path / "Test" / "Train")) == 2


def test_the_shuffled_sides_can_still_be_listed(tmp_path):
    features(tmp_path / "Test" / "Clean" / "afeat", ["0000", "0001"])
    assert len(list_features(tmp_path / "Test" / "Clean" / "afeat")) == 2


def test_all_items_of_a_side_must_agree(tmp_path):
    features(tmp_path / "afeat", ["0001", "0002"])
    features(tmp_path / "vfeat", ["0001"], (10, 512))
    features(tmp_path / "vfeat", ["0002"], (9, 512))
    with pytest.raises(MediaError, match=r"vfeat/0002\.npy: is \(9, 512\), but .*0001\.npy is \(10, 512\)"):
        read_std2022(tmp_path)


def test_features_are_listed_in_natural_order_as_the_user_wrote_them(tmp_path, monkeypatch):
    features(tmp_path / "afeat" / "vggish-quant", ["10", "9", "0100"])
    (tmp_path / "afeat" / "vggish-quant" / "._9.npy").touch()
    (tmp_path / "afeat" / "notes.txt").touch()
    monkeypatch.chdir(tmp_path)
    assert list_features("./afeat") == tuple(f"./afeat/vggish-quant/{stem}.npy" for stem in ("9", "10", "0100"))


def test_a_choice_of_extractors_is_the_users(tmp_path):
    features(tmp_path / "afeat" / "openl3", ["1"])
    features(tmp_path / "afeat" / "vggish", ["1"])
    with pytest.raises(UsageError, match=r"afeat: has no \.npy files, but its folders openl3, vggish have: give one"):
        list_features(tmp_path / "afeat")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"empty: has no \.npy files$"):
        list_features(tmp_path / "empty")
    with pytest.raises(UsageError, match="nowhere: not a folder that can be read"):
        list_features(tmp_path / "nowhere")


def test_numbers_of_any_type_become_float32(tmp_path):
    for dtype in (np.uint8, np.int64, np.float16, np.float64, ">f4"):
        np.save(tmp_path / "x.npy", np.arange(6).reshape(2, 3).astype(dtype))
        feature = load_feature(tmp_path / "x.npy")
        assert feature.dtype == np.float32
        assert feature.dtype.isnative
        np.testing.assert_array_equal(feature, [[0, 1, 2], [3, 4, 5]])


@pytest.mark.parametrize(("shape", "dequantised"), [((120, 128), True), ((120, 1024), True), ((10, 128), False)])
def test_the_older_edition_is_dequantised(tmp_path, shape, dequantised):
    array = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    np.save(tmp_path / "x.npy", array)
    expected = array * (4 / 255) + 4 / 512 - 2 if dequantised else array
    np.testing.assert_allclose(load_feature(tmp_path / "x.npy"), expected, atol=1e-6)


def test_the_older_edition_has_a_folder_a_clip(tmp_path):
    for clip in ("clip10", "clip2"):
        (tmp_path / clip / "frames").mkdir(parents=True)
        np.save(tmp_path / clip / "afeat.npy", np.full((120, 128), 255, np.uint8))
        np.save(tmp_path / clip / "vfeat.npy", np.zeros((120, 1024), np.uint8))
    pairs = read_pairs(tmp_path)
    assert pairs.names == ("clip2", "clip10")
    assert pairs.video.shape == (2, 120, 1024)
    assert pairs.video.min() == pairs.video.max() == pytest.approx(-2 + 4 / 512)
    assert pairs.audio.min() == pytest.approx(2 + 4 / 512)


def broken(path, kind):
    array = np.zeros((10, 128), np.float32)
    if kind == "nan":
        array[3, 7] = np.nan
    elif kind == "huge":
        array = np.full((10, 128), 1e300)
    elif kind in ("object", "text", "complex", "bool"):
        array = array.astype({"object": object, "text": "U4", "complex": complex, "bool": bool}[kind])
    elif kind in ("flat", "empty", "deep"):
        array = {"flat": array[0], "empty": array[:0], "deep": array[None]}[kind]
    np.save(path, array, allow_pickle=True)
    if kind == "pickle":
        path.write_bytes(pickle.dumps(array))
    elif kind == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif kind == "nothing":
        path.write_bytes(b"")
    elif kind == "archive":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", b"")
    elif kind == "lie":
        path.write_bytes(path.read_bytes().replace(b"(10, 128)", b"(9**9, 9)"))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("nan", "NaN or infinite at step 3, dimension 7"),
        ("huge", "NaN or infinite at step 0, dimension 0"),
        ("object", r"plain numbers \(.*Python objects.*allow_pickle=False"),
        ("pickle", "not a .npy file of plain numbers"),
        ("cut", "not a .npy file of plain numbers"),
        ("nothing", "not a .npy file of plain numbers"),
        ("archive", "not a .npy file of plain numbers"),
        ("lie", "not a .npy file of plain numbers"),
        ("text", "must hold numbers, holds <U4"),
        ("complex", "must hold numbers, holds complex128"),
        ("bool", "must hold numbers, holds bool"),
        ("flat", r"must be \(steps, dimensions\), none of them 0; this is \(128,\)"),
        ("empty", r"this is \(0, 128\)"),
        ("deep", r"this is \(1, 10, 128\)"),
    ],
)
def test_a_file_that_isn_t_a_feature_says_so_and_why(tmp_path, kind, message):
    broken(tmp_path / "0001.npy", kind)
    with pytest.raises(MediaError, match=rf"0001\.npy: .*{message}"):
        load_feature(tmp_path / "0001.npy")


def test_a_missing_feature_file_is_named(tmp_path):
    with pytest.raises(MediaError, match=r"gone\.npy: not a \.npy file .*No such file"):
        load_feature(tmp_path / "gone.npy")


@pytest.mark.filterwarnings("ignore:Reading .* required additional header parsing")
@settings(deadline=None)  # it writes files
@given(st.integers(0, 127), st.binary(min_size=1, max_size=8))
def test_a_damaged_header_never_ends_in_another_error(tmp_path_factory, place, damage):
    path = tmp_path_factory.getbasetemp() / "damaged.npy"
    np.save(path, np.zeros((10, 4), np.float32))
    content = path.read_bytes()
    path.write_bytes(content[:place] + damage + content[place + len(damage) :])
    with suppress(MediaError):
        assert np.isfinite(load_feature(path)).all()


def test_packed_arrays_without_an_index_are_all_strangers(tmp_path):
    pairs = read_std2022(packed(tmp_path))
    assert pairs.names == ("0000", "0001", "0002", "0003")
    assert pairs.group.tolist() == [0, 1, 2, 3]
    assert pairs.audio.dtype == np.uint8
    assert pairs.audio[1, 0].tolist() == [20, 21]


def test_packed_arrays_with_an_index_know_recordings_and_classes(tmp_path):
    index = ["2,1,Bark,yt_b,good", "0,0,Church bell,yt_c,good", "1,1,Bark,yt_a,good", "3,0,Church bell,yt_b,good"]
    pairs = read_std2022(packed(tmp_path, index=index))
    assert pairs.group.tolist() == [2, 0, 1, 1]
    assert pairs.label.tolist() == [0, 1, 1, 0]
    assert pairs.label_names == ("Church bell", "Bark")


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (["0,0,x,a,good", "1,0,x,a,good"], r"column `row` must hold 0…3, each once"),
        (["0,0,x,a,good"] * 4, r"column `row` must hold 0…3, each once"),
        (["0,0,x,a,good", "one,0,x,a,good"], "row 2: needs whole numbers in `row`, `class_id`, and a `youtube_id`"),
        (["0,0,x,,good"], "row 1: needs whole numbers"),
        (["0,0,x,a,good,?"], "row 1: has more cells than the header"),
    ],
)
def test_an_index_that_doesn_t_fit_says_so(tmp_path, index, message):
    with pytest.raises(UsageError, match=rf"index\.csv.*{message}"):
        read_std2022(packed(tmp_path, index=index))


def test_an_index_needs_its_columns(tmp_path):
    packed(tmp_path)
    (tmp_path / "index.csv").write_text("row,category\n0,x\n")
    with pytest.raises(UsageError, match=r"lacks a column named `class_id`, `youtube_id`, found: row, category"):
        read_std2022(tmp_path)


def test_packed_arrays_say_what_is_wrong_with_them(tmp_path):
    with pytest.raises(UsageError, match="row i must be a pair, but vfeat has 3 rows and afeat 4"):
        read_std2022(packed(tmp_path, video=np.zeros((3, 10, 3))))
    with pytest.raises(MediaError, match=r"vfeat\.npy: packed features must be .* this is \(4, 10\)"):
        read_std2022(packed(tmp_path, video=np.zeros((4, 10))))
    spoilt = np.zeros((4, 10, 3), np.float16)
    spoilt[2, 1, 1] = np.inf
    with pytest.raises(MediaError, match=r"vfeat\.npy: item 2 has NaN or infinite values"):
        read_std2022(packed(tmp_path, video=spoilt))
    np.save(tmp_path / "vfeat.npy", np.zeros((4, 10, 3)).astype(object), allow_pickle=True)
    with pytest.raises(MediaError, match=r"vfeat\.npy: not a \.npy file of plain numbers"):
        read_std2022(tmp_path)


def test_nothing_of_the_kind(tmp_path):
    with pytest.raises(UsageError, match="needs afeat and vfeat"):
        read_std2022(tmp_path)


@pytest.mark.shared
def test_the_real_packed_set(shared_data):
    pairs = read_pairs(shared_data / "std2022")
    assert len(pairs) == 3005
    assert pairs.video.shape == (3005, 10, 512)
    assert pairs.audio.shape == (3005, 10, 128)
    assert len(np.unique(pairs.group)) == 2981
    assert len(pairs.label_names) == 28
    assert pairs.label_names[0] == "Church bell"
    assert pairs.label[0] == 0
    assert np.bincount(pairs.label).min() > 0


@pytest.mark.shared
def test_the_real_set_as_folders_is_the_same_set(shared_data, tmp_path):
    whole = read_pairs(shared_data / "std2022")
    rows = np.arange(0, 3005, 300)
    for side in ("vfeat", "afeat"):
        (tmp_path / "Train" / side).mkdir(parents=True)
    for row in rows:
        np.save(tmp_path / "Train" / "vfeat" / f"{row:04d}.npy", whole.video[row].astype(np.float32))
        np.save(tmp_path / "Train" / "afeat" / f"{row:04d}.npy", whole.audio[row].astype(np.float32))
    folders = read_pairs(tmp_path)
    assert folders.names == whole.take(rows).names
    np.testing.assert_array_equal(folders.video, whole.video[rows])
    np.testing.assert_array_equal(folders.audio, whole.audio[rows])
