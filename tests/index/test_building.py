"""What an index does with odd libraries: files that change, vanish or are none, and indexes that are damaged."""

import os
import shutil
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from avmatch.core.errors import AvmatchError, MediaError, UsageError
from avmatch.core.features import AudioSamples
from avmatch.index.library import LIBRARY, LOCK, Library
from avmatch.media.encode import write_audio
from avmatch.pipelines import library as building
from avmatch.pipelines import searcher
from avmatch.pipelines.library import build_index
from avmatch.pipelines.search import search

RATE_HZ = 16000


def noise(path, seed=0):
    samples = np.random.default_rng(seed).normal(0, 0.1, (1, RATE_HZ)).astype(np.float32)
    write_audio(path, AudioSamples(samples, RATE_HZ))
    return path


@pytest.fixture
def sounds(tmp_path):
    folder = tmp_path / "sounds"
    folder.mkdir()
    noise(folder / "a.wav")
    return folder


def built(sounds, out):
    return build_index(sounds, out, num_workers=1)


def names(result):
    return [Path(failure.path).name for failure in result.failures]


def test_a_folder_without_sounds(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no audio files found there"):
        build_index(tmp_path / "empty", tmp_path / "index")
    assert not (tmp_path / "index").exists()


def test_an_index_is_no_library(sounds, tmp_path):
    built(sounds, tmp_path / "index")
    before = (tmp_path / "index" / LIBRARY).read_bytes()
    for out in (tmp_path / "index", tmp_path / "other"):
        with pytest.raises(UsageError, match="is an index itself"):
            build_index(tmp_path / "index", out)
    assert (tmp_path / "index" / LIBRARY).read_bytes() == before
    with pytest.raises(UsageError, match="no index there"):
        search(None, sounds, like=sounds / "a.wav")


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes and links there")
def test_pipes_and_links_that_lead_nowhere_are_named_and_hold_nothing_up(sounds, tmp_path):
    os.mkfifo(sounds / "pipe.wav")
    (sounds / "dangling.wav").symlink_to("nowhere.wav")
    (sounds / "loop").symlink_to("..")
    (sounds / "self.wav").symlink_to("self.wav")
    (sounds / "empty.wav").touch()
    result = built(sounds, tmp_path / "index")
    assert (result.added, result.files) == (1, 1)
    assert sorted(names(result)) == ["dangling.wav", "empty.wav", "pipe.wav", "self.wav"]
    again = built(sounds, tmp_path / "index")
    assert (again.added, again.unchanged, again.dropped) == (0, 2, 0)
    assert sorted(names(again)) == sorted(names(result))


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_file_whose_link_breaks_is_dropped(sounds, tmp_path):
    kept = noise(tmp_path / "kept.wav", seed=1)
    (sounds / "link.wav").symlink_to(kept)
    assert built(sounds, tmp_path / "index").files == 2
    kept.unlink()
    result = built(sounds, tmp_path / "index")
    assert (result.dropped, result.files, names(result)) == (1, 1, ["link.wav"])


def test_names_of_every_kind(sounds, tmp_path):
    odd = ["ä" * 125 + ".wav", "日本 😀𝒜.wav", "new\nline.wav", "'; DROP TABLE file; --.wav", "%s.wav"]
    if sys.platform not in ("win32", "darwin"):
        odd.append(os.fsdecode(b"bad\xff\xfename.wav"))
    for seed, name in enumerate(odd, start=1):
        noise(sounds / name, seed)
    result = built(sounds, tmp_path / "index")
    assert (result.files, result.failures) == (1 + len(odd), ())
    assert built(sounds, tmp_path / "index").unchanged == 1 + len(odd)
    for name in odd:
        first = search(None, tmp_path / "index", like=sounds / name).hits[0]
        assert Path(first.path).name == name
        first.to_json().encode(errors="surrogateescape")


def test_what_is_written_to_while_it_is_read_is_named_and_taken_the_next_time(sounds, tmp_path, monkeypatch):
    noise(sounds / "b.wav", seed=1)
    plain = building.content_of

    def slow(by, features, content_hash):
        if (sounds / "b.wav").stat().st_mtime_ns != 1:
            noise(sounds / "b.wav", seed=2)
            os.utime(sounds / "b.wav", ns=(1, 1))
        return plain(by, features, content_hash)

    monkeypatch.setattr(building, "content_of", slow)
    (sounds / "a.wav").unlink()
    result = built(sounds, tmp_path / "index")
    assert (result.added, result.files, names(result)) == (0, 0, ["b.wav"])
    assert "written to while it was read" in result.failures[0].message
    again = built(sounds, tmp_path / "index")
    assert (again.added, again.files, again.failures) == (1, 1, ())


def test_an_index_of_another_version_is_refused_though_nothing_is_new(sounds, tmp_path):
    out = tmp_path / "index"
    built(sounds, out)
    with Library(out, writes=True) as store:
        store.set(fingerprint="of another version")
    with pytest.raises(UsageError, match=r"made by another version or model .* remove it"):
        built(sounds, out)
    with pytest.raises(UsageError, match=r"made by another version or model .* remove it"):
        search(None, out, like=sounds / "a.wav")
    shutil.rmtree(out)
    assert built(sounds, out).added == 1


def test_a_damaged_index_says_so(sounds, tmp_path):
    out = tmp_path / "index"
    built(sounds, out)
    whole = (out / LIBRARY).read_bytes()
    (out / LIBRARY).write_bytes(whole[:4096] + b"\x5a" * (len(whole) - 4096))
    for asked in (lambda: built(sounds, out), lambda: search(None, out, like=sounds / "a.wav")):
        with pytest.raises(AvmatchError, match=r"isn't the library of an index|damaged .* again"):
            asked()
    (out / LIBRARY).write_bytes(whole)
    (out / LOCK).write_bytes(b"no lock, but something else" * 100)
    with pytest.raises(UsageError, match="can't be written"):
        built(sounds, out)
    assert search(None, out, like=sounds / "a.wav").hits, "whoever only reads doesn't need it"


def test_previews_need_a_folder_and_leave_what_is_in_it(sounds, tmp_path):
    built(sounds, tmp_path / "index")
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "inside"):
        with pytest.raises(UsageError, match="previews need a folder"):
            search(sounds / "a.wav", tmp_path / "index", preview_dir=folder)


def test_of_files_with_the_same_content_one_that_is_there_is_named(sounds, tmp_path):
    built(sounds, tmp_path / "index")
    moved = sounds.rename(tmp_path / "to")
    assert {Path(hit.path).parent.name for hit in search(None, tmp_path / "index", like=moved / "a.wav").hits} == {
        "sounds"
    }
    built(moved, tmp_path / "index")
    assert {Path(hit.path).parent.name for hit in search(None, tmp_path / "index", like=moved / "a.wav").hits} == {"to"}


def test_what_is_searched_for_is_short(sounds, tmp_path, monkeypatch):
    built(sounds, tmp_path / "index")
    long = picture(tmp_path / "long.mp4", searcher.LONGEST_SECONDS + 1)
    monkeypatch.setattr(searcher.Analyser, "video", lambda *_: pytest.fail("it is decoded first"))
    with pytest.raises(MediaError, match="lasts 121 s, and a search compares 120 s at most; cut out"):
        search(long, tmp_path / "index")


def picture(path, seconds):
    """A frame a second."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=1)
        stream.width, stream.height = 64, 64
        for second in range(round(seconds)):
            frame = av.VideoFrame(64, 64, "yuv420p")
            frame.pts = second
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def test_remote_files_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"http://127.0.0.1:1/a.wav: an index is of files on this machine"):
        build_index("http://127.0.0.1:1/a.wav", tmp_path / "index")
    assert not (tmp_path / "index").exists()
