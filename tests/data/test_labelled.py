"""Readers of sets with classes: what each layout says, what is said about broken ones. The media are empty files."""

import numpy as np
import pytest

from avmatch.core.errors import UsageError
from avmatch.data.layouts import read_labelled, read_pair_list
from avmatch.data.manifest import Clip
from avmatch.data.splits import class_folds, with_splits

ESC50 = "filename,fold,target,category,esc10,src_file,take\n"
FIVE = {1: ("test", *["train"] * 4), 3: ("train", "train", "test", "train", "train")}
UCF_LISTS = {
    "ucfTrainTestlist/classInd.txt": "1 Archery\n2 Biking\n",
    "ucfTrainTestlist/trainlist01.txt": "Archery/v_Archery_g08_c01.avi 1\nBiking/v_Biking_g08_c02.avi 2\n",
    "ucfTrainTestlist/testlist01.txt": "Archery/v_Archery_g01_c01.avi\nBiking/v_Biking_g01_c01.avi\n",
    "ucfTrainTestlist/trainlist02.txt": "Archery/v_Archery_g01_c01.avi 1\n",
    "ucfTrainTestlist/testlist02.txt": "Archery/v_Archery_g08_c01.avi\n",
}
UCF_CLIPS = ("Archery/v_Archery_g08_c01", "Biking/v_Biking_g08_c02", "Archery/v_Archery_g01_c01")
AUDIOSET = "# Segments csv created\n# YTID, start_seconds, end_seconds, positive_labels\n"


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def clips_of(folder, files):
    """What the folder with these files holds, paths from there."""
    return {clip.path.removeprefix(f"{folder}/"): clip for clip in read_labelled(write(folder, files))}


def test_esc50_is_told_by_its_table(tmp_path):
    rows = "1-100032-A-0.wav,1,0,dog,True,100032,A\n3-110389-B-14.wav,3,14,chirping_birds,False,110389,B\n"
    sounds = {"audio/1-100032-A-0.wav": "", "audio/3-110389-B-14.wav": "", "audio/4-1-A-2.wav": "not listed"}
    found = clips_of(tmp_path, {"meta/esc50.csv": ESC50 + rows, **sounds})
    dog, birds = found["audio/1-100032-A-0.wav"], found["audio/3-110389-B-14.wav"]
    assert len(found) == 2
    assert (dog.label, dog.group, dog.splits, dog.subset) == ("dog", "100032", FIVE[1], "esc10")
    assert (birds.label, birds.splits, birds.subset) == ("chirping_birds", FIVE[3], "")


def test_esc10_is_told_by_its_folders(tmp_path):
    sounds = ("001 - Dog bark/1-100032-A.ogg", "001 - Dog bark/3-1-B.ogg", "010 - Fire crackling/1-4211-A2.ogg")
    found = clips_of(tmp_path, {**dict.fromkeys(sounds, ""), "001 - Dog bark/.DS_Store": "", "README": ""})
    assert [(path, clip.label, clip.group) for path, clip in found.items()] == [
        (sounds[0], "Dog bark", "100032"),
        (sounds[1], "Dog bark", "1"),
        (sounds[2], "Fire crackling", "4211"),
    ]
    assert [clip.splits for clip in found.values()] == [FIVE[1], FIVE[3], FIVE[1]]


def test_dcase_is_told_by_names_that_end_in_two_digits(tmp_path):
    sounds = ("bus01.wav", "bus10.wav", "tubestation03.wav")
    assert [clip.label for clip in clips_of(tmp_path / "2013", dict.fromkeys(sounds, "")).values()] == ["bus"] * 2 + [
        "tubestation"
    ]
    found = clips_of(tmp_path / "2014", {"scenes_stereo/bus01.wav": "", "scenes_stereo_testset/park02.wav": ""})
    assert [(clip.label, clip.splits) for clip in found.values()] == [("bus", ("train",)), ("park", ("test",))]


def test_ucf101_has_official_lists(tmp_path):
    clips = {f"UCF-101/{name}.avi": "" for name in UCF_CLIPS}
    found = clips_of(tmp_path, UCF_LISTS | clips)  # one of those listed is missing, as sets are never whole
    assert {path: (clip.label, clip.group, clip.splits) for path, clip in found.items()} == {
        "UCF-101/Archery/v_Archery_g01_c01.avi": ("Archery", "Archery_g01", ("test", "train")),
        "UCF-101/Archery/v_Archery_g08_c01.avi": ("Archery", "Archery_g08", ("train", "test")),
        "UCF-101/Biking/v_Biking_g08_c02.avi": ("Biking", "Biking_g08", ("train", "")),
    }


def test_hmdb51_has_official_lists(tmp_path):
    names = ("April_09_brush_hair_u_nm_np1_ba_goo_0.avi", "April_09_brush_hair_u_nm_np1_ba_goo_1.avi")
    found = clips_of(
        tmp_path,
        {
            "brush_hair_test_split1.txt": f"{names[0]} 1 \n{names[1]} 0 \n",
            "brush_hair_test_split2.txt": f"{names[0]} 2 \n{names[1]} 1 \n",
            f"brush_hair/{names[0]}": "",
            f"brush_hair/{names[1]}": "",
        },
    )
    assert [(clip.label, clip.group, clip.splits) for clip in found.values()] == [
        ("brush_hair", "brush_hair/April_09", ("train", "test")),
        ("brush_hair", "brush_hair/April_09", ("", "train")),
    ]


def test_kinetics_has_a_folder_for_each_class(tmp_path):
    clips = ("train/tap dancing/0123456789a_000010_000020.mp4", "val/air drumming/-_23456789b_000003_000013.mp4")
    found = clips_of(tmp_path, dict.fromkeys(clips, ""))
    assert [(clip.label, clip.group, clip.splits) for clip in found.values()] == [
        ("tap dancing", "0123456789a", ("train",)),
        ("air drumming", "-_23456789b", ("validation",)),
    ]


def test_vggsound_is_told_by_its_table(tmp_path):
    rows = '---g-f_I2yQ,1,"people marching, walking",test\n--0PQM4-hqg,30,waterfall burbling,train\n'
    rows += "gone-------,1,dog,train\n"
    found = clips_of(
        tmp_path, {"vggsound.csv": rows, "video/---g-f_I2yQ_000001.mp4": "", "video/--0PQM4-hqg_000030.mp4": ""}
    )
    assert [(clip.label, clip.group, clip.splits) for clip in found.values()] == [
        ("people marching, walking", "---g-f_I2yQ", ("test",)),
        ("waterfall burbling", "--0PQM4-hqg", ("train",)),
    ]


@pytest.mark.parametrize(
    "name",
    [
        "Yabcdefghij",
        "YYabcdefghij",
        "Yabcdefghij_30",
        "Yabcdefghij_000030",
        "Yabcdefghij_30.000_40.000",
        "Yabcdefghij_30000_40000",
    ],
)
def test_audioset_has_several_labels_and_many_names(tmp_path, name):
    files = {
        "eval_segments.csv": AUDIOSET + 'Yabcdefghij, 30.000, 40.000, "/m/09x0r,/t/dd00088"\n',
        "class_labels_indices.csv": "index,mid,display_name\n0,/m/09x0r,Speech\n",
        f"eval/{name}.flac": "",
        "eval/Yabcdefghi0.flac": "",
    }
    (clip,) = clips_of(tmp_path, files).values()
    assert (clip.labels, clip.group, clip.splits) == (("Speech", "/t/dd00088"), "Yabcdefghij", ("test",))


@pytest.mark.parametrize("name", ["abcdefghijk", "abcdefghijk_30", "abcdefghijk_30000"])
def test_of_a_video_and_its_sound_alone_the_video_is_taken(tmp_path, name):
    table = {"eval_segments.csv": "abcdefghijk, 30.000, 40.000, dog\n"}
    (path,) = clips_of(tmp_path, table | {f"a/{name}.wav": "", f"b/{name}.mp4": "", f"c/{name}.flac": ""})
    assert path == f"b/{name}.mp4"


def test_a_table_with_classes_will_do(tmp_path):
    files = {"manifest.csv": "file,label,group,split\na.mp4,dog,1,train\nb.mp4,cat,2,test\n", "a.mp4": "", "b.mp4": ""}
    assert read_labelled(write(tmp_path, files)) == (
        Clip(*[f"{tmp_path}/a.mp4"] * 2, "1", ("dog",), ("train",)),
        Clip(*[f"{tmp_path}/b.mp4"] * 2, "2", ("cat",), ("test",)),
    )


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"meta/esc50.csv": "filename,fold\n"}, r"esc50\.csv: lacks a column named `target`"),
        ({"meta/esc50.csv": ESC50 + "1-1-A-0.wav,6,0,dog,True,1,A\n"}, r"row 1: needs a `category`, and a `fold`"),
        (
            {"meta/esc50.csv": ESC50 + "1-1-A-0.wav,12,0,dog,True,1,A\n", "audio/1-1-A-0.wav": ""},
            r"row 1: needs a `category`, and a `fold` of 1…5",
        ),
        (
            {"manifest.csv": "file,label,start_seconds,duration_seconds\na.mp4,dog,0,5\na.mp4,cat,5,5\n", "a.mp4": ""},
            r"a\.mp4: classes are of whole files; cut its pieces into files of their own",
        ),
        ({"meta/esc50.csv": ESC50 + "1-1-A-0.wav,1,0,dog,True,1,A\n"}, r"row 1: .*1-1-A-0\.wav is not there"),
        ({"001 - Dog bark/bark.ogg": ""}, r"bark\.ogg: a clip of ESC must be called"),
        ({"trainlist01.txt": "v_Archery_g08_c01.avi 1\n"}, r"trainlist01\.txt, line 1: must be `Class/name\.avi`"),
        (UCF_LISTS, r"the lists name 4 clips, such as .*; none is there"),
        (
            {"classInd.txt": "1 Archery\n2 Biking\n", "trainlist01.txt": "Archery/v_Archery_g08_c01.avi 2\n"},
            r"line 1: must be `Class/name\.avi` and the class's number",
        ),
        ({"run_test_split1.txt": "a.avi 3\n"}, r"run_test_split1\.txt, line 1: must be `name\.avi` and 0, 1 or 2"),
        ({"vggsound.csv": "abc,x,dog,train\n"}, r"vggsound\.csv, row 1: must be id,start,label,split"),
        ({"vggsound.csv": "abcdefghijk,1,dog,train\n"}, r"none of the pieces that it names is in"),
        ({"eval_segments.csv": "abc, 1\n"}, r"eval_segments\.csv, row 1: must be id, start, end"),
        ({"manifest.csv": "file\na.mp4\n", "a.mp4": ""}, r"manifest\.csv: .*a\.mp4 has no class"),
        ({"bus1.wav": "", "park.wav": ""}, r"no clips with classes; known are ESC-50"),
    ],
)
def test_broken_layouts_are_told(tmp_path, files, message):
    with pytest.raises(UsageError, match=message):
        read_labelled(write(tmp_path, files))


def test_sets_of_videos_can_be_learned_from_without_their_classes(tmp_path):
    write(tmp_path, {"train/tap dancing/0123456789a_000010_000020.mp4": ""})
    (pair,) = read_pair_list(tmp_path)
    assert (pair.video, pair.group, pair.label, pair.split) == (pair.audio, "0123456789a", "tap dancing", "train")


def clips(num, **metadata):
    return [Clip("", f"{number}", f"{number // 2}", (f"{number % 3}",), **metadata) for number in range(num)]


def test_lists_are_made_where_there_are_none():
    splits = with_splits(clips(30))
    assert len({len(one) for one in splits} | {5}) == 1
    for number in range(5):
        tested = [row for row, one in enumerate(splits) if one[number] == "test"]
        assert len(tested) == 6
        assert all(row ^ 1 in tested for row in tested)  # groups stay whole
    assert {one.count("test") for one in splits} == {1}


def test_a_list_without_a_test_is_no_test():
    with pytest.raises(UsageError, match="list 1 of 4 clips has train; needs train, and test or validation"):
        with_splits(clips(4, splits=("train",)))


def test_where_there_is_no_test_validation_is_one():
    assert with_splits([*clips(2, splits=("train",)), *clips(1, splits=("validation",))]) == (("train",),) * 2 + (
        ("test",),
    )
    three = [clips(1, splits=(split,))[0] for split in ("train", "validation", "test")]
    assert with_splits(three) == (("train",), ("validation",), ("test",))


def test_classes_are_spread_over_folds():
    label = np.repeat(np.arange(10), 10)
    fold = class_folds(label, np.arange(100), 5, seed=3)
    assert all((np.bincount(fold[label == one], minlength=5) == 2).all() for one in range(10))
    with pytest.raises(UsageError, match=r"num_folds must lie in 2…100"):
        class_folds(label, np.arange(100), 101, 0)
