"""`avmatch rename`: recordings get the names of their clips, and nothing is lost."""

import errno
import os
import unicodedata

import pytest

from avmatch.core.errors import UsageError
from avmatch.core.results import csv_text
from avmatch.pipelines import rename as pipeline
from avmatch.pipelines.rename import check_pattern, rename

NFC, NFD = (unicodedata.normalize(form, "Zürich") for form in ("NFC", "NFD"))


@pytest.fixture
def shoot(tmp_path):
    """Makes a result of pairs (video, recording, confidence); each recording holds its own path."""

    def make(*pairs):
        for _, audio, _ in pairs:
            (tmp_path / audio).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / audio).write_text(audio, "utf-8", "surrogateescape")
        out = tmp_path / "out"
        out.mkdir()
        rows = [(str(tmp_path / video), str(tmp_path / audio), confidence) for video, audio, confidence in pairs]
        text = csv_text(("video", "audio", "confidence"), rows)
        (out / "matches.csv").write_bytes(text.encode("utf-8", "backslashreplace"))
        return out

    return make


def contents(folder):
    return {path.name: path.read_text("utf-8", "surrogateescape") for path in folder.iterdir()}


def everything(folder):
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def states(namings):
    return [naming.state for naming in namings]


def test_a_dry_run_says_all_and_does_nothing(avmatch, shoot, tmp_path):
    out = shoot(("v/a.mp4", "s/ZOOM1.WAV", 0.99), ("v/b.mp4", "s/ZOOM2.WAV", 0.6))
    before = everything(tmp_path)
    said = avmatch("rename", out, "--pattern", "{video_stem}_{audio_stem}").stdout
    assert "a_ZOOM1.WAV" in said
    assert "b_ZOOM2.WAV" in said
    assert f"2 to do, in {out / 'renamed'}; --copy or --link does it" in said
    assert everything(tmp_path) == before


@pytest.mark.parametrize("how", ["--copy", "--link"])
def test_recordings_get_the_names_of_their_clips(avmatch, shoot, tmp_path, how):
    out = shoot(("v/a.mp4", "s/ZOOM1.WAV", 0.99), ("v/b.mp4", "s/ZOOM2.WAV", 0.6))
    before = everything(tmp_path)
    target = tmp_path / "named"
    assert "2 done" in avmatch("rename", out, how, "-o", target).stdout
    assert contents(target) == {"a.WAV": "s/ZOOM1.WAV", "b.WAV": "s/ZOOM2.WAV"}
    assert before.items() <= everything(tmp_path).items()
    assert (target / "a.WAV").samefile(tmp_path / "s" / "ZOOM1.WAV") == (how == "--link")
    assert (target / "a.WAV").stat().st_mtime_ns == (tmp_path / "s" / "ZOOM1.WAV").stat().st_mtime_ns
    assert "2 there already" in avmatch("rename", out, how, "-o", target).stdout


def test_only_the_sure_ones(shoot):
    out = shoot(("v/a.mp4", "s/1.wav", 0.9), ("v/b.mp4", "s/2.wav", 0.89))
    assert [naming.target.name for naming in rename(out, only="sure")] == ["a.wav"]
    assert len(rename(out)) == 2


def test_clashes_are_numbered_and_said(shoot):
    out = shoot(("one/take.mp4", "s/1.wav", 0.9), ("two/TAKE.mp4", "s/2.wav", 0.9), ("three/take.mp4", "s/3.mp3", 0.9))
    namings = rename(out, how="copy")
    assert contents(out / "renamed") == {"take.wav": "s/1.wav", "TAKE_2.wav": "s/2.wav", "take.mp3": "s/3.mp3"}
    assert "numbered, since" in namings[1].note
    assert namings[0].note == namings[2].note == ""


def test_accents_in_one_piece_and_in_two_clash(shoot):
    out = shoot((f"v/{NFC}.mp4", "s/1.wav", 0.9), (f"v/{NFD}.mp4", "s/2.wav", 0.9))
    rename(out, how="link")
    assert contents(out / "renamed") == {f"{NFC}.wav": "s/1.wav", f"{NFD}_2.wav": "s/2.wav"}


def test_names_in_any_script_and_in_none(avmatch, shoot, tmp_path):
    out = shoot(("v/日本語 {0} 🎬.mp4", "s/t\udcffn.wav", 0.9))
    avmatch("rename", out, "--link", "--pattern", "{video_stem}_{audio_stem}", "-o", tmp_path / "named")
    assert contents(tmp_path / "named") == {"日本語 {0} 🎬_t\udcffn.wav": "s/t\udcffn.wav"}


def test_one_recording_of_several_clips_gets_a_name_of_each(shoot):
    out = shoot(("v/a.mp4", "s/long.wav", 0.9), ("v/b.mp4", "s/long.wav", 0.9))
    assert states(rename(out, how="link")) == ["done", "done"]
    assert contents(out / "renamed") == {"a.wav": "s/long.wav", "b.wav": "s/long.wav"}
    alike = rename(out, out / "alike", "{audio_stem}", "copy")
    assert states(alike) == ["done", "there already"]
    assert contents(out / "alike") == {"long.wav": "s/long.wav"}


def test_nothing_is_overwritten(avmatch, shoot, tmp_path):
    out = shoot(("v/a.mp4", "s/1.wav", 0.9), ("v/b.mp4", "s/2.wav", 0.9))
    (tmp_path / "named").mkdir()
    (tmp_path / "named" / "A.wav").write_text("another's")
    for how, second in (("--dry-run", "1 to do"), ("--copy", "1 done"), ("--link", "1 there already")):
        done = avmatch("rename", out, how, "-o", tmp_path / "named", exits=1)
        assert second in done.stdout
        assert "1 failed" in done.stdout
        assert "exists already" in done.stderr
    assert contents(tmp_path / "named") == {"A.wav": "another's", "b.wav": "s/2.wav"}


def test_a_file_that_appears_meanwhile_stays(shoot, tmp_path):
    out = shoot(("v/a.mp4", "s/1.wav", 0.9))
    planned = rename(out, tmp_path / "named")
    (tmp_path / "named").mkdir()
    (tmp_path / "named" / "a.wav").write_text("another's")
    for how in ("copy", "link"):
        (failed,) = pipeline.carry_out(planned, how)
        assert (failed.state, "exists already" in failed.note) == ("failed", True)
    assert contents(tmp_path / "named") == {"a.wav": "another's"}


def test_a_recording_that_is_gone_is_named_and_the_rest_goes_on(avmatch, shoot, tmp_path):
    out = shoot(("v/a.mp4", "s/1.wav", 0.9), ("v/b.mp4", "s/2.wav", 0.9), (f"v/{'x' * 252}.mp4", "s/3.wav", 0.9))
    (tmp_path / "s" / "1.wav").unlink()
    done = avmatch("rename", out, "--copy", exits=1)
    assert "1 done, 2 failed" in done.stdout
    missing, long = done.stderr.splitlines()
    assert missing.startswith(f"{tmp_path / 's' / '1.wav'}: the recording is not there")
    assert "longer than 255 bytes" in long
    assert contents(out / "renamed") == {"b.wav": "s/2.wav"}


def test_a_card_that_cannot_be_written_is_copied(shoot, tmp_path):
    out = shoot(("v/a.mp4", "card/1.wav", 0.9))
    (tmp_path / "card" / "1.wav").chmod(0o444)
    (tmp_path / "card").chmod(0o555)
    try:
        assert states(rename(out, how="copy")) == ["done"]
        assert states(rename(out, out / "links", how="link")) == ["done"]
    finally:
        (tmp_path / "card").chmod(0o755)
    assert contents(out / "renamed") == contents(out / "links") == {"a.wav": "card/1.wav"}


@pytest.mark.parametrize("how", ["copy", "link"])
def test_a_folder_that_cannot_be_written_says_so(shoot, tmp_path, monkeypatch, how):
    out = shoot(("v/a.mp4", "s/1.wav", 0.9), ("v/b.mp4", "s/2.wav", 0.9))
    (tmp_path / "locked").mkdir(mode=0o555)
    if os.geteuid() == 0:  # who may write everywhere is refused by hand

        def refuse(*arguments, **options):
            raise PermissionError(errno.EACCES, "Permission denied", str(arguments[-1 if how == "link" else 0]))

        for name in ("link", "symlink", "open"):
            monkeypatch.setattr(os, name, refuse)
    namings = rename(out, tmp_path / "locked", how=how)
    monkeypatch.undo()
    assert states(namings) == ["failed", "failed"]
    assert "Permission denied" in namings[0].note
    assert contents(tmp_path / "locked") == {}
    assert contents(tmp_path / "s") == {"1.wav": "s/1.wav", "2.wav": "s/2.wav"}


def test_links_are_symbolic_where_no_hard_link_can_be(shoot, monkeypatch):
    out = shoot(("v/a.mp4", "s/1.wav", 0.9))

    def refuse(*_, **__):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    assert states(rename(out, how="link")) == ["done"]
    assert (out / "renamed" / "a.wav").is_symlink()
    assert contents(out / "renamed") == {"a.wav": "s/1.wav"}


def test_a_copy_that_fails_leaves_nothing_behind(shoot, monkeypatch):
    out = shoot(("v/a.mp4", "s/1.wav", 0.9))

    def half(source, target):
        target.write_text("hal")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pipeline.shutil, "copyfile", half)
    (naming,) = rename(out, how="copy")
    assert (naming.state, "No space left" in naming.note) == ("failed", True)
    assert list((out / "renamed").iterdir()) == []


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("{clip}", r"no field {clip}; the fields are {video_stem}, {audio_stem}"),
        ("{}", r"no field {}; the fields are"),
        ("{video_stem", "the fields are {video_stem}"),
        ("take", "names every recording alike"),
        ("../{video_stem}", r"without / or \\; -o names the folder"),
        ("a\\{video_stem}", "is the name of a file"),
        ("{video_stem}\0", "is the name of a file"),
        ("{video_stem:>10}", "fields take no format"),
        ("{video_stem.__class__}", "no field {video_stem.__class__}"),
    ],
)
def test_patterns_that_are_none(pattern, message):
    with pytest.raises(UsageError, match=message):
        check_pattern(pattern)


def test_wrong_usage_says_what_is_right(avmatch, shoot, tmp_path):
    out = shoot(("v/a.mp4", "s/1.wav", 0.9))
    assert "one of --dry-run, --copy and --link" in avmatch("rename", out, "--copy", "--link", exits=2).stderr
    assert "--only good: there are sure, all, accepted" in avmatch("rename", out, "--only", "good", exits=2).stderr
    assert "no matches.csv there" in avmatch("rename", tmp_path, exits=2).stderr
    assert "it is a file" in avmatch("rename", out, "-o", out / "matches.csv", exits=2).stderr
