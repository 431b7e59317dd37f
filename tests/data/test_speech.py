"""Readers of talking clips: what each layout says, and what is said about broken ones. The videos are empty files."""

import pytest

from avmatch.core.errors import UsageError
from avmatch.data.layouts import read_speech
from avmatch.data.manifest import Clip, Word, read_words
from media_scenes import write_list

LRS2_TEXT = "Text:  GOOD MORNING\nConf:  4\n\nWORD START END ASDSCORE\nGOOD 0.1 0.4 7.2\nMORNING 0.4 0.9 6.1\n"
LRS3_TEXT = "Ref:   00j9bKdiOjk\n12.5 3.1\n\nFRAME \tX \tY \tW \tH\n000283 \t0.369 \t0.2 \t0.1 \t0.2\n"
LRW_TEXT = "Disk reference: 6\nChannel: BBC\nProgram start: 1\nClip start: 2\nDuration: 0.46 seconds\n"
ALIGN = "0 20000 sil\n20000 30000 bin\n30000 30000 sp\n30000 42500 blue\n42500 74500 sil\n"


def write(folder, files):
    """These files with these contents."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def clips_of(folder, files):
    """What the folder with these files holds, paths from there."""
    return {clip.path.removeprefix(f"{folder}/"): clip for clip in read_speech(write(folder, files))}


def test_lrs2_is_told_by_its_lists(tmp_path):
    found = clips_of(
        tmp_path,
        {
            "pretrain.txt": "60/00001\n",
            "test.txt": "61/00002 NF\n62/00003 NF\n",
            "pretrain/60/00001.mp4": "",
            "pretrain/60/00001.txt": LRS2_TEXT,
            "main/61/00002.mp4": "",
            "main/61/00002.txt": "Text:  HELLO\nConf:  5\n",
            "62/00003.mp4": "",
            "62/00003.txt": "Text:  HELLO\n",
            "main/63/00004.mp4": "not listed",
        },
    )
    assert [(path, clip.split, clip.group) for path, clip in found.items()] == [
        ("pretrain/60/00001.mp4", "pretrain", "60"),
        ("main/61/00002.mp4", "test", "61"),
        ("62/00003.mp4", "test", "62"),
    ]
    first, second, _ = found.values()
    assert first.transcript == "GOOD MORNING"
    assert first.words == (Word("GOOD", 0.1, 0.4), Word("MORNING", 0.4, 0.9))
    assert (second.transcript, second.words, second.is_doubtful) == ("HELLO", (), False)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"train.txt": "60/1\n\n60 2\n"}, r"train\.txt, line 3: must be `speaker/clip`, got '60 2'"),
        ({"train.txt": "60/2\n"}, r"main/60/2\.mp4: is not there, but .*train\.txt has its clip"),
        ({"train.txt": "60/2\n", "60/2/audio.wav": "", "60/2/0.jpg": ""}, r"60/2: a preprocessed copy"),
        ({"train.txt": "60/1\n", "main/60/1.txt": "Conf: 3\n"}, r"main/60/1\.txt: needs a line `Text: …`"),
        (
            {"train.txt": "60/1\n", "main/60/1.txt": "Text: A\nWORD START END\nA 0.1\n"},
            r"1\.txt, line 3: must be `word start end`, in seconds, got 'A 0\.1'",
        ),
    ],
)
def test_broken_lrs2_is_told(tmp_path, files, message):
    both = {"main/60/1.mp4": "", "main/60/1.txt": "Text: A\n"}
    with pytest.raises(UsageError, match=message):
        read_speech(write(tmp_path, both | files))


def test_lrs3_has_talks_for_groups(tmp_path):
    words = "\nWORD START END ASDSCORE\nSO 0.5 0.75 3.1\n"
    found = clips_of(
        tmp_path,
        {
            "pretrain/00j9bKdiOjk/00018.mp4": "",
            "pretrain/00j9bKdiOjk/00018.txt": LRS3_TEXT,
            "test/abc/00001.mp4": "",
            "test/abc/00001.txt": "Text:  SO\n" + LRS3_TEXT + words,
        },
    )
    first, second = found.values()
    assert (first.split, first.group, first.words, first.start_seconds) == ("pretrain", "00j9bKdiOjk", (), None)
    assert (second.split, second.transcript, second.words) == ("test", "SO", (Word("SO", 0.5, 0.75),))


def test_broken_lrs3_is_told(tmp_path):
    write(tmp_path, {"pretrain/abc/00018.mp4": ""})
    with pytest.raises(UsageError, match=r"00018\.txt: is not there, but .*abc has its clip; \.mp4 and \.txt belong"):
        read_speech(tmp_path)
    write(tmp_path, {"pretrain/abc/00018.txt": "Text: A\n"})
    with pytest.raises(UsageError, match=r"00018\.txt: needs a line `Ref: …`"):
        read_speech(tmp_path)


@pytest.mark.parametrize("top", ["lipread_mp4/", ""])
def test_lrw_has_its_word_in_the_middle(tmp_path, top):
    stem = f"{top}ABOUT/val/ABOUT_00001"
    found = clips_of(tmp_path, {f"{stem}.mp4": "", f"{stem}.txt": LRW_TEXT})
    (clip,) = found.values()
    (word,) = clip.words
    assert (clip.split, clip.group, word.text, word.is_target) == ("val", clip.path, "ABOUT", True)
    assert (word.start_seconds, word.end_seconds) == pytest.approx((0.35, 0.81))


def test_broken_lrw_is_told(tmp_path):
    stem = "ABOUT/train/ABOUT_00001"
    write(tmp_path, {f"{stem}.mp4": "", f"{stem}.txt": "Duration: 0.46 seconds\n"})
    with pytest.raises(UsageError, match=r"ABOUT_00001\.txt: the second token of the fifth line must be the word's"):
        read_speech(tmp_path)
    write(tmp_path, {f"{stem}.txt": LRW_TEXT, "ABOUT/train/AFTER_00001.mp4": ""})
    with pytest.raises(UsageError, match=r"AFTER_00001\.mp4: a clip of LRW's word ABOUT must be called ABOUT_00001"):
        read_speech(tmp_path)


@pytest.mark.parametrize("place", ["s2/x.align", "s2/align/x.align", "align/s2/x.align", "alignments/s2/x.align"])
def test_grid_has_words_without_its_silences(tmp_path, place):
    found = clips_of(tmp_path, {"s2/x.mpg": "", "s10/y.mpg": "", "s10/y.txt": "", place: ALIGN})
    assert [(path, clip.group, clip.transcript) for path, clip in found.items()] == [
        ("s2/x.mpg", "s2", "bin blue"),
        ("s10/y.mpg", "s10", ""),
    ]
    assert found["s2/x.mpg"].words == (Word("bin", 0.8, 1.2), Word("blue", 1.2, 1.7))


@pytest.mark.parametrize("line", ["0 20000", "0.0 0.5 bin", "200 100 bin"])
def test_broken_grid_is_told(tmp_path, line):
    write(tmp_path, {"s1/x.mpg": "", "s1/x.align": f"0 1 sil\n{line}\n"})
    with pytest.raises(UsageError, match=r"x\.align, line 2: must be `start end word`, 25000 a second"):
        read_speech(tmp_path)


def test_in_plain_folders_subfolders_are_speakers(tmp_path):
    found = clips_of(tmp_path, {"ann/one/a.mp4": "", "ann/b.mov": "", "bob/a.mp4": "", "c.mp4": "", "notes.txt": ""})
    assert [(path, clip.group.removeprefix(f"{tmp_path}/")) for path, clip in found.items()] == [
        ("ann/b.mov", "ann"),
        ("ann/one/a.mp4", "ann"),
        ("bob/a.mp4", "bob"),
        ("c.mp4", "c.mp4"),
    ]
    (only,) = read_speech(tmp_path / "c.mp4")
    assert only == Clip(*[str(tmp_path / "c.mp4")] * 3)
    with pytest.raises(UsageError, match="no video files found there"):
        read_speech(write(tmp_path / "none", {"notes.txt": ""}))


def test_a_part_of_a_file_has_the_words_that_are_said_in_it(tmp_path):
    write(tmp_path, {"a.mp4": ""})
    write_list(
        tmp_path / "manifest.csv",
        {"file": "a.mp4", "group": "ann", "split": "train", "start_seconds": 0, "duration_seconds": 5},
        {"file": "a.mp4", "group": "ann", "split": "test", "start_seconds": 5, "duration_seconds": 5},
        {"file": "a.mp4", "group": "ann"},
    )
    said = {"early": (0.5, 1.0), "between": (4.8, 5.3), "late": (9.0, 10.03)}
    write_list(
        tmp_path / "words.csv",
        *({"file": "a.mp4", "word": word, "start_s": begin, "end_s": end} for word, (begin, end) in said.items()),
    )
    assert [clip.transcript for clip in read_speech(tmp_path)] == ["early", "late", "early between late"]


def test_manifests_tell_speakers_doubts_and_words(tmp_path):
    write(tmp_path, {"a.mp4": "", "b.mp4": ""})
    write_list(
        tmp_path / "manifest.csv",
        {"file": "a.mp4", "split": "validation", "group": "ann", "sync": "doubtful", "start_s": 7, "duration_s": 3},
        {"file": "b.mp4", "group": "bob", "sync": "ok", "start_seconds": 1, "duration_seconds": 2, "offset_ms": 80},
        {"file": "b.mp4", "group": "bob"},
    )
    write_list(
        tmp_path / "words.csv",
        {"file": "a.mp4", "word": "blue", "start_s": 0.5, "end_s": 0.75, "confidence": 0.9},
        {"file": "a.mp4", "word": "bin", "start_s": 0.25, "end_s": 0.5},
        {"file": "a.mp4", "word": "BLUE", "start_s": 0.5, "end_s": 0.75, "target": 1},
        {"file": "b.mp4", "word": "word", "start_s": "start", "end_s": "end"},
        {"file": "b.mp4", "word": "unheard", "target": 1},
    )
    first, second, third = read_speech(tmp_path)
    assert (first.group, first.split, first.is_doubtful, first.start_seconds) == ("ann", "validation", True, None)
    assert first.transcript == "bin blue"
    blue = (Word("blue", 0.5, 0.75, 0.9), Word("BLUE", 0.5, 0.75, is_target=True))
    assert first.words == (Word("bin", 0.25, 0.5), *blue)
    assert (second.start_seconds, second.duration_seconds, second.offset_seconds) == (1.0, 2.0, 0.08)
    assert (second.is_doubtful, third.is_doubtful) == (False, False)
    assert second.words == (Word("unheard", None, None, is_target=True),)
    assert read_speech(tmp_path / "manifest.csv") == (first, second, third)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"sync": "perhaps"}, r"list\.csv, row 1: `sync` must be ok or doubtful, got 'perhaps'"),
        ({"file": "", "video": "a.mp4", "audio": "b.mp4"}, r"gives .*a\.mp4 the sound of .*b\.mp4, but talking clips"),
        ({"file": "c.mp4"}, r"row 1: .*c\.mp4 is not there"),
    ],
)
def test_broken_manifests_are_told(tmp_path, row, message):
    write(tmp_path, {"a.mp4": "", "b.mp4": ""})
    rows = {"file": "a.mp4"} | row
    with pytest.raises(UsageError, match=message):
        read_speech(write_list(tmp_path / "list.csv", {name: cell for name, cell in rows.items() if cell}))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"start_s": 2}, r"row 1: needs a `word`, and `start_s` not after `end_s` or neither of them"),
        ({"end_s": ""}, r"row 1: needs a `word`, and `start_s` not after `end_s`"),
        ({"word": ""}, r"row 1: needs a `word`"),
        ({"start_s": "-1"}, r"row 1: `start_s` must be 0 or more, got '-1'"),
        ({"confidence": "2"}, r"row 1: `confidence` must be in 0…1, got '2'"),
        ({"target": "yes"}, r"row 1: `target` must be 0 or 1, got 'yes'"),
    ],
)
def test_broken_words_are_told(tmp_path, row, message):
    good = {"file": "a.mp4", "word": "bin", "start_s": 0.5, "end_s": 1}
    with pytest.raises(UsageError, match=message):
        read_words(write_list(tmp_path / "words.csv", good | row))
    with pytest.raises(UsageError, match=r"lacks a column named `end_s`"):
        read_words(write_list(tmp_path / "words.csv", {"file": "a.mp4", "word": "bin", "start_s": 0}))


@pytest.mark.shared
def test_the_development_clips_are_read(shared_data):
    clips = read_speech(shared_data / "talk")
    assert len(clips) == 2656
    assert sum(clip.is_doubtful for clip in clips) == 12
    assert sum(clip.split == "validation" for clip in clips) == 60
    assert sum(word.is_target for clip in clips for word in clip.words) == 2029
