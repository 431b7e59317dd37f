"""What a user can point at: folders, globs, files, manifests; and what is said where nothing is there."""

import os
import time
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from avmatch.core.errors import UsageError
from avmatch.data.inputs import list_audio, list_videos, natural_key, unknown_files
from avmatch.data.manifest import read_manifest


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def below(folder, paths):
    return [Path(path).relative_to(folder).as_posix() for path in paths]


def test_a_folder_is_searched_recursively_in_natural_order(tmp_path):
    touch(tmp_path, "clip10.mp4", "clip2.MP4", "b/clip1.mov", "a/x/clip3.mkv", "a/clip.txt", "clip2.wav")
    assert below(tmp_path, list_videos(tmp_path)) == ["a/x/clip3.mkv", "b/clip1.mov", "clip2.MP4", "clip10.mp4"]


@pytest.mark.parametrize(
    "names",
    [
        ["clip1", "clip2", "clip10", "clip10b", "clip11"],
        ["take 2/9", "take 10/1", "take 10/02"],
        ["2", "10", "a", "B", "c"],
        ["x²1", "x²2"],  # ² is a digit to str.isdigit, not to int
    ],
)
def test_natural_order(names):
    backwards = names[::-1]
    assert sorted(backwards, key=natural_key) == names


def test_names_that_differ_in_case_only_have_one_order(tmp_path):
    touch(tmp_path, "b/a.mp4", "B/a.mp4", "a.mp4", "A.mp4")
    assert below(tmp_path, list_videos(tmp_path)) == ["A.mp4", "a.mp4", "B/a.mp4", "b/a.mp4"]


def test_paths_come_back_as_the_user_wrote_them(tmp_path, monkeypatch):
    touch(tmp_path, "clips/a/1.mp4")
    monkeypatch.chdir(tmp_path)
    assert list_videos("clips") == ("clips/a/1.mp4",)
    assert list_videos("./clips/") == ("./clips/a/1.mp4",)
    assert list_videos("clips/a/1.mp4") == ("clips/a/1.mp4",)
    assert list_videos(Path("clips")) == ("clips/a/1.mp4",)


def test_equal_stems_in_different_folders_stay_apart(tmp_path):
    touch(tmp_path, "a/take.mp4", "b/take.mp4", "b/take.mov")
    assert below(tmp_path, list_videos(tmp_path)) == ["a/take.mp4", "b/take.mov", "b/take.mp4"]


def test_the_sound_of_videos_counts_beside_recordings(tmp_path):
    touch(tmp_path, "both/a.wav", "both/b.mp4", "videos/b.mp4")
    assert below(tmp_path, list_audio(tmp_path / "both")) == ["both/a.wav", "both/b.mp4"]
    assert below(tmp_path, list_audio(tmp_path / "videos")) == ["videos/b.mp4"]


def test_hidden_files_and_folders_are_skipped(tmp_path):
    touch(tmp_path, "a.mp4", ".b.mp4", "._a.mp4", ".hidden/c.mp4")
    assert below(tmp_path, list_videos(tmp_path)) == ["a.mp4"]


def test_a_loop_of_links_ends_and_linked_folders_are_seen(tmp_path):
    touch(tmp_path, "clips/a.mp4", "elsewhere/b.mp4")
    (tmp_path / "clips/loop").symlink_to(tmp_path / "clips")
    (tmp_path / "clips/self").symlink_to("self")
    (tmp_path / "clips/linked").symlink_to(tmp_path / "elsewhere")
    assert below(tmp_path, list_videos(tmp_path / "clips")) == ["clips/a.mp4", "clips/linked/b.mp4"]


def test_a_glob_names_what_it_matches(tmp_path):
    touch(tmp_path, "a1.mp4", "a10.mp4", "a2.mp4", "b.mp4", "x/deep/a3.mp4", "folder.mp4/c.mov")
    assert below(tmp_path, list_videos(f"{tmp_path}/a*.mp4")) == ["a1.mp4", "a2.mp4", "a10.mp4"]
    assert below(tmp_path, list_videos(f"{tmp_path}/**/a3.*")) == ["x/deep/a3.mp4"]
    assert "folder.mp4" not in below(tmp_path, list_videos(f"{tmp_path}/*.mp4"))


def test_names_with_glob_signs_spaces_and_umlauts_are_plain_names_too(tmp_path):
    touch(tmp_path, "take [1].mp4", "ünï cødé 映像.mp4")
    assert list_videos(tmp_path / "take [1].mp4") == (f"{tmp_path}/take [1].mp4",)
    assert below(tmp_path, list_videos(tmp_path)) == ["take [1].mp4", "ünï cødé 映像.mp4"]


def test_a_single_file_is_taken_whatever_its_suffix(tmp_path):
    touch(tmp_path, "recording.bin")
    assert list_audio(tmp_path / "recording.bin") == (f"{tmp_path}/recording.bin",)


def test_a_csv_manifest_is_relative_to_itself_and_keeps_its_order(tmp_path):
    lines = ["title,path", "one,b.mp4", "two,sub/a.mp4", f"three,{tmp_path}/c.mp4", "again,b.mp4", "empty,"]
    touch(tmp_path, "m/none.txt")
    manifest = tmp_path / "m" / "list.csv"
    manifest.write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")
    folder = tmp_path / "m"
    assert list_videos(manifest) == (f"{folder}/b.mp4", f"{folder}/sub/a.mp4", f"{tmp_path}/c.mp4")


def test_a_byte_order_mark_doesn_t_hide_the_first_column(tmp_path):
    manifest = tmp_path / "list.csv"
    manifest.write_bytes(b'\xef\xbb\xbfpath\n"a, b.wav"\n')
    assert list_audio(manifest) == (f"{tmp_path}/a, b.wav",)


def test_a_parquet_manifest(tmp_path):
    manifest = tmp_path / "list.parquet"
    parquet.write_table(pa.table({"path": ["b.wav", None, "a.wav", "b.wav"], "n": [1, 2, 3, 4]}), manifest)
    assert list_audio(manifest) == (f"{tmp_path}/b.wav", f"{tmp_path}/a.wav")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.csv", b"file,title\na.mp4,one\n", "column named `path`, found: file, title"),
        ("m.csv", b"", "column named `path`, found: none"),
        ("m.csv", b"path\n\n", "names no file"),
        ("m.csv", b"path\n\xff\xfe\n", "not a CSV in UTF-8"),
        ("m.parquet", b"path\na.mp4\n", "not a readable Parquet file"),
    ],
)
def test_a_manifest_says_what_is_wrong_with_it(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=message):
        list_videos(tmp_path / name)


def test_a_parquet_manifest_needs_its_column(tmp_path):
    parquet.write_table(pa.table({"file": ["a.wav"]}), tmp_path / "m.parquet")
    with pytest.raises(UsageError, match="column named `path`, found: file"):
        list_audio(tmp_path / "m.parquet")


@pytest.mark.parametrize("lister", [list_videos, list_audio])
def test_what_isn_t_there_is_a_usage_error_that_says_so(tmp_path, lister):
    with pytest.raises(UsageError, match=r"nowhere: no such file or folder; give a folder, a file, a quoted glob"):
        lister(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"\*\.mp4: no (video|audio) files found there"):
        lister(f"{tmp_path}/*.mp4")
    touch(tmp_path, "notes.txt")
    with pytest.raises(UsageError, match=r"no (video|audio) files found there; files are recognised by their suffix"):
        lister(tmp_path)


def test_a_dangling_link_is_listed_so_that_it_gets_its_row(tmp_path):
    (tmp_path / "gone.mp4").symlink_to("nowhere.mp4")
    assert below(tmp_path, list_videos(tmp_path)) == ["gone.mp4"]
    assert below(tmp_path, list_videos(tmp_path / "gone.mp4")) == ["gone.mp4"]


def test_ten_thousand_names_are_listed_quickly(tmp_path):
    for number in range(10_000):
        os.close(os.open(tmp_path / f"clip{number}.mp4", os.O_CREAT))
    begin = time.perf_counter()
    names = below(tmp_path, list_videos(tmp_path))
    assert time.perf_counter() - begin < 5.0
    assert names == [f"clip{number}.mp4" for number in range(10_000)]


def test_folders_of_results_are_left_out_wherever_they_are_inside(tmp_path):
    touch(tmp_path, "a.mp4", "out/muxed/a.mp4", "b/out/b.mp4", "out.mp4")
    (tmp_path / "link").symlink_to(tmp_path / "out" / "muxed")
    assert below(tmp_path, list_videos(tmp_path, [tmp_path / "out", tmp_path / "nowhere"])) == [
        "a.mp4",
        "b/out/b.mp4",
        "link/a.mp4",
        "out.mp4",
    ]
    assert below(tmp_path, list_videos(tmp_path, [tmp_path / "out" / "muxed"])) == ["a.mp4", "b/out/b.mp4", "out.mp4"]
    assert below(tmp_path, list_videos(tmp_path / "out", [tmp_path / "out"])) == ["out/muxed/a.mp4"]


def test_files_of_cameras_and_recorders_are_media(tmp_path):
    names = ["a.MOD", "b.insv", "c.LRV", "d.m2t", "e.mts", "f.mxf"]
    touch(tmp_path, *names, "x.bwf", "y.rf64", "z.THM")
    assert below(tmp_path, list_videos(tmp_path)) == names
    assert below(tmp_path, list_audio(tmp_path))[-2:] == ["x.bwf", "y.rf64"]
    touch(tmp_path, "new.kind", "none", ".hidden")
    assert below(tmp_path, unknown_files(tmp_path)) == ["new.kind", "none"]


@pytest.mark.parametrize("sign", [";", "\t", ","])
def test_lists_may_be_separated_by_other_signs(tmp_path, sign):
    (tmp_path / "list.csv").write_text(f"title{sign}path\none{sign}a.mp4\n", encoding="utf-8")
    assert list_videos(tmp_path / "list.csv") == (f"{tmp_path}/a.mp4",)


@pytest.mark.parametrize("hint", ["sep=;", '"sep=;"', "SEP=;"])
def test_what_a_spreadsheet_adds_does_no_harm(tmp_path, hint):
    table = tmp_path / "list.csv"
    table.write_text(f"{hint}\r\npath;take\r\na.mp4;1\r\n;\r\nb.mp4;2\r\n;\r\n", encoding="utf-8", newline="")
    touch(tmp_path, "a.mp4", "b.mp4")
    assert list_videos(table) == (f"{tmp_path}/a.mp4", f"{tmp_path}/b.mp4")
    assert [clip.video for clip in read_manifest(table)] == [f"{tmp_path}/a.mp4", f"{tmp_path}/b.mp4"]


def test_names_that_another_system_wrote_are_found(tmp_path):
    composed, split = "\u00fcber.mp4", "u\u0308ber.mp4"
    touch(tmp_path, f"sub/{split}", "sub/b.mp4")
    (tmp_path / "list.csv").write_text(f"path\nsub/{composed}\nsub\\b.mp4\n", encoding="utf-8")
    assert below(tmp_path, list_videos(tmp_path / "list.csv")) == [f"sub/{split}", "sub/b.mp4"]


def test_a_list_for_another_folder_stops_soon(tmp_path):
    (tmp_path / "list.csv").write_text("path\n" + "".join(f"away/{number}.mp4\n" for number in range(9)))
    with pytest.raises(
        UsageError, match=r"the first 5 files that it names are missing, the first is .*away/0\.mp4; paths"
    ):
        list_videos(tmp_path / "list.csv")
