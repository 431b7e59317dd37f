"""Lists of media pairs: tables, synthetic folders, manifests, folders of videos; and what is said of bad rows."""

import csv

import pyarrow as pa
import pytest
from pyarrow import parquet

from avmatch.core.errors import UsageError
from avmatch.data.layouts import read_pair_list
from avmatch.data.manifest import Clip
from avmatch.synth import SynthConfig, synthesise


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def table(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_of_two_columns(tmp_path):
    touch(tmp_path, "v/1.mp4", "a/1.wav", "v/2.mp4", "a/2.wav")
    found = read_pair_list(table(tmp_path / "list.csv", "audio,video\na/1.wav,v/1.mp4\n a/2.wav ,v/2.mp4\n"))
    assert found == (
        Clip(f"{tmp_path}/v/1.mp4", f"{tmp_path}/a/1.wav", group=f"{tmp_path}/v/1.mp4"),
        Clip(f"{tmp_path}/v/2.mp4", f"{tmp_path}/a/2.wav", group=f"{tmp_path}/v/2.mp4"),
    )


def test_every_column_is_read(tmp_path):
    touch(tmp_path, "1.mp4", "1.wav")
    lines = (
        "video,audio,group,label,split,start_seconds,duration_seconds,offset_ms,kind,start_s\n"
        "1.mp4,1.wav,tape 7,dog,train,1.5,2,-40,?,99\n"
    )
    video, audio = f"{tmp_path}/1.mp4", f"{tmp_path}/1.wav"
    expected = Clip(video, audio, "tape 7", ("dog",), ("train",), "", 1.5, 2.0, -0.04)
    assert read_pair_list(table(tmp_path / "list.csv", lines)) == (expected,)


@pytest.mark.parametrize("column", ["path", "file"])
def test_a_video_may_have_its_own_sound(tmp_path, column):
    touch(tmp_path, "1.mp4")
    (pair,) = read_pair_list(table(tmp_path / "list.csv", f"{column},label\n1.mp4,dog\n"))
    assert pair.video == pair.audio == f"{tmp_path}/1.mp4"
    assert pair.label == "dog"


def test_a_parquet_table(tmp_path):
    touch(tmp_path, "1.mp4", "1.wav")
    columns = {"video": ["1.mp4"], "audio": ["1.wav"], "label": [None], "start_seconds": [0.25]}
    parquet.write_table(pa.table(columns), tmp_path / "list.parquet")
    (pair,) = read_pair_list(tmp_path / "list.parquet")
    assert (pair.label, pair.start_seconds, pair.duration_seconds) == ("", 0.25, None)


def test_a_folder_of_videos_has_their_own_sound(tmp_path):
    touch(tmp_path, "b/clip10.mp4", "b/clip2.mov", "notes.txt")
    found = read_pair_list(tmp_path)
    assert [pair.video for pair in found] == [f"{tmp_path}/b/clip2.mov", f"{tmp_path}/b/clip10.mp4"]
    assert all(pair.video == pair.audio == pair.group for pair in found)


def test_a_folder_of_synthetic_clips(tmp_path):
    config = SynthConfig(2, 1, 1.0, extra_videos=1, extra_audio=1, offset_seconds=0.08, kinds=("drums", "clock"))
    made = [pair for pair in synthesise(tmp_path, config) if pair.video and pair.audio]
    found = read_pair_list(tmp_path)
    assert [pair.video for pair in found] == [f"{tmp_path}/{pair.video}" for pair in made]
    assert [pair.audio for pair in found] == [f"{tmp_path}/{pair.audio}" for pair in made]
    assert [pair.label for pair in found] == [pair.kind for pair in made]
    assert {pair.offset_seconds for pair in found} == {0.08}
    assert read_pair_list(tmp_path / "truth.csv") == found


def test_a_manifest_of_cut_pieces_tells_groups_and_is_not_cut_again(tmp_path):
    touch(tmp_path, "a.mp4", "b.mp4", "stray.mp4")
    lines = (
        "file,split,group,label,source,start_s,duration_s\na.mp4,train,tape,dog,x,30,10\nb.mp4,train,tape,,x,40,10\n"
    )
    table(tmp_path / "manifest.csv", lines)
    first, second = read_pair_list(tmp_path)
    assert first.group == second.group == "tape"
    assert (first.start_seconds, first.duration_seconds) == (None, None)
    assert (first.label, second.label, first.split) == ("dog", "", "train")


def test_equal_stems_in_video_and_audio_folders_are_pairs(tmp_path):
    touch(tmp_path, "video/0002.mp4", "video/0001.mp4", "audio/0001.wav", "audio/0002.wav")
    found = read_pair_list(tmp_path)
    assert [(pair.video, pair.audio) for pair in found] == [
        (f"{tmp_path}/video/{stem}.mp4", f"{tmp_path}/audio/{stem}.wav") for stem in ("0001", "0002")
    ]
    touch(tmp_path, "audio/0003.wav")
    with pytest.raises(UsageError, match=r"same stem .* is a pair, but 0003 is in audio and not in video \(1 "):
        read_pair_list(tmp_path)


def test_stems_are_equal_below_the_folders(tmp_path):
    """Two speakers whose clips are numbered alike."""
    touch(
        tmp_path, *(f"{side}/{who}/1.{suffix}" for who in "ab" for side, suffix in (("video", "mp4"), ("audio", "wav")))
    )
    assert [(pair.video, pair.audio) for pair in read_pair_list(tmp_path)] == [
        (f"{tmp_path}/video/{who}/1.mp4", f"{tmp_path}/audio/{who}/1.wav") for who in "ab"
    ]
    touch(tmp_path, "video/a/1.mov")
    with pytest.raises(UsageError, match=r"1\.mov, .*1\.mp4: of one stem|1\.mp4, .*1\.mov: of one stem"):
        read_pair_list(tmp_path)


def test_the_set_whose_tests_are_shuffled(tmp_path):
    touch(tmp_path, *(f"{part}/{name}" for part in ("Train", "Test/Clean") for name in ("video/1.mp4", "audio/1.wav")))
    (pair,) = read_pair_list(tmp_path)
    assert pair.audio == f"{tmp_path}/Train/audio/1.wav"
    with pytest.raises(UsageError, match="Test is shuffled on either side"):
        read_pair_list(tmp_path / "Test" / "Clean")


def test_columns_may_have_blanks_around_their_names(tmp_path):
    touch(tmp_path, "1.mp4")
    (pair,) = read_pair_list(table(tmp_path / "list.csv", "path, group, split, offset_ms\n1.mp4, tape, train, 200\n"))
    assert (pair.group, pair.split, pair.offset_seconds) == ("tape", "train", 0.2)


def test_pairs_that_share_a_file_are_one_recording(tmp_path):
    touch(tmp_path, *"abcd", "mix.wav", "d.wav", "c.wav")
    rows = "video,audio,group\na,mix.wav,\nc,c.wav,\nb,mix.wav,\nd,d.wav,\nd,c.wav,\na,mix.wav,own\n"
    found = [pair.group.removeprefix(f"{tmp_path}/") for pair in read_pair_list(table(tmp_path / "list.csv", rows))]
    assert found == ["a", "c", "a", "c", "c", "own"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video,audio\nv.mp4,a.wav\nv.mp4,\n", "row 2: `audio` is empty"),
        ("video,audio\nv.mp4,gone.wav\n", r"row 1: .*gone\.wav is not there; paths are relative"),
        ("video,audio,start_seconds\nv.mp4,a.wav,soon\n", "row 1: `start_seconds` must be 0 or more, got 'soon'"),
        ("video,audio,start_seconds\nv.mp4,a.wav,-1\n", "row 1: `start_seconds` must be 0 or more, got '-1'"),
        ("video,audio,duration_seconds\nv.mp4,a.wav,0\n", "row 1: `duration_seconds` must be above 0, got '0'"),
        ("video,audio,duration_seconds\nv.mp4,a.wav,inf\n", "`duration_seconds` must be above 0, got 'inf'"),
        ("video,audio,offset_ms\nv.mp4,a.wav,nan\n", "row 1: `offset_ms` must be a number, got 'nan'"),
        ("video,audio\nv.mp4,a.wav,more\n", r"row 1: has more cells than the header \(video, audio\)"),
        ("video,audio\nv.mp4\n", "row 1: `audio` is empty"),
        ("video,sound\nv.mp4,a.wav\n", "needs the columns `video` and `audio`, or `path` .*; found: video, sound"),
        ("", "found: none"),
        ("video,audio,group, group\nv.mp4,a.wav,1,2\n", "has two columns named `group`"),
        ("video,audio\n", "names no pair"),
        ("video,audio,offset_ms,kind\nv.mp4,,,drums\n", "names no pair"),
    ],
)
def test_a_table_says_which_row_is_wrong_and_why(tmp_path, text, message):
    touch(tmp_path, "v.mp4", "a.wav")
    with pytest.raises(UsageError, match=rf"list\.csv.*{message}"):
        read_pair_list(table(tmp_path / "list.csv", text))


def test_what_isn_t_a_list_says_so(tmp_path):
    touch(tmp_path, "notes.txt", "folder/notes.txt")
    with pytest.raises(UsageError, match=r"notes\.txt: not a list of pairs; give a CSV or Parquet file or a folder"):
        read_pair_list(tmp_path / "notes.txt")
    with pytest.raises(UsageError, match=r"nothing: no such file or folder"):
        read_pair_list(tmp_path / "nothing")
    with pytest.raises(UsageError, match="no video files found there"):
        read_pair_list(tmp_path / "folder")
    with pytest.raises(UsageError, match=r"gone\.csv: no such file"):
        read_pair_list(tmp_path / "gone.csv")
    (tmp_path / "bad.csv").write_bytes(b"video,audio\n\xff\xfe,a\n")
    with pytest.raises(UsageError, match=r"bad\.csv: not a CSV in UTF-8"):
        read_pair_list(tmp_path / "bad.csv")
    (tmp_path / "bad.parquet").write_bytes(b"video,audio\n")
    with pytest.raises(UsageError, match=r"bad\.parquet: not a readable Parquet file"):
        read_pair_list(tmp_path / "bad.parquet")


@pytest.mark.shared
def test_the_real_events(shared_data):
    found = read_pair_list(shared_data / "events")
    with (shared_data / "events" / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [pair.group for pair in found] == [row["group"] for row in rows]
    assert len({pair.group for pair in found}) < len(found) == 294
    assert all(pair.video == pair.audio and pair.label for pair in found)
