"""`avmatch sync` on real files: known shifts, reasons, and every form of output."""

import json
import shutil

import numpy as np
import pytest

from avmatch.core.features import AudioSamples
from avmatch.media.encode import write_clip
from avmatch.media.mux import mux

KEYS = ["path", "offset_ms", "offset_frames", "fps", "confidence", "cue", "status", "reason", "verdict"]
KEYS += ["offset_low_ms", "offset_high_ms", "drift_ppm", "drift_low_ppm", "drift_high_ppm", "missing"]
KEYS += ["belongs", "rivals_ms", "damaged_seconds", "streams"]
RATE_HZ = 16_000
PNG = b"\x89PNG"


def noise(seconds, *, loudness=0.1):
    samples = np.random.default_rng(0).normal(0, 1, (1, int(seconds * RATE_HZ))) * loudness
    return AudioSamples(samples.astype(np.float32), RATE_HZ)


def moving(seconds):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (96, 128, 3), np.uint8) for _ in range(int(seconds * 25))]


def still(seconds):
    return [np.full((96, 128, 3), 120, np.uint8)] * int(seconds * 25)


@pytest.fixture(scope="module")
def drums(avmatch, table, tmp_path_factory):
    """A video of drum pads and its recording, which are together."""
    folder = tmp_path_factory.mktemp("drums")
    avmatch("synth", folder, "--scenes", 1, "--kind", "drums", "--duration", 6, "--seed", 5)
    (row,) = table(folder / "truth.csv")
    return folder / row["video"], folder / row["audio"]


@pytest.fixture(scope="module")
def shifted(drums, tmp_path_factory):
    """The same as files with their own sound, 200 ms early and late."""
    folder = tmp_path_factory.mktemp("shifted")
    for name, offset_seconds in (("early", -0.2), ("late", 0.2)):
        mux(*drums, folder / f"{name}.mp4", offset_seconds=-offset_seconds)
    return folder


def answers_of(run):
    return [json.loads(line) for line in run.stdout.splitlines()]


@pytest.mark.parametrize(("offset_ms", "word"), [(-200, "early"), (200, "late")])
def test_a_known_shift_is_found(avmatch, shifted, offset_ms, word):
    path = shifted / f"{word}.mp4"
    (answer,) = answers_of(avmatch("sync", path, "--json"))
    assert list(answer) == KEYS
    assert answer["path"] == str(path)
    assert answer["offset_ms"] == pytest.approx(offset_ms, abs=80)
    assert answer["offset_frames"] == pytest.approx(answer["offset_ms"] / 1000 * answer["fps"], abs=0.01)
    assert answer["offset_low_ms"] < answer["offset_ms"] < answer["offset_high_ms"]
    assert answer["drift_ppm"] is None  # too short for it
    assert 0 <= answer["confidence"] <= 1
    assert answer["cue"] in ("events", "lips")
    assert answer["status"] in ("ok", "uncertain")
    assert answer["reason"] == (None if answer["status"] == "ok" else "low_confidence")
    assert answer["verdict"].startswith(word)
    sentence = avmatch("sync", path).stdout
    assert sentence.startswith(f"{path}: the sound comes ")
    assert f"frames) {word}" in sentence


def test_another_sound_is_measured_against_the_picture(avmatch, drums, shifted):
    """`--audio` takes a recording, or another video for its sound; the clip's own sound plays no part."""
    video, audio = drums
    (together,) = answers_of(avmatch("sync", video, "--audio", audio, "--json"))
    (late,) = answers_of(avmatch("sync", video, "--audio", shifted / "late.mp4", "--json"))
    (own_ignored,) = answers_of(avmatch("sync", shifted / "early.mp4", "--audio", audio, "--json"))
    assert together["offset_ms"] == pytest.approx(0, abs=80)
    assert late["offset_ms"] == pytest.approx(200, abs=80)
    assert own_ignored["offset_ms"] == pytest.approx(together["offset_ms"], abs=1)


def test_a_folder_gives_a_line_a_file_in_its_order_cached_or_not(avmatch, shifted, table, tmp_path):
    arguments = ("sync", ".", "--json", "-o", tmp_path / "table.csv", "--cache", tmp_path / "cache")
    first = avmatch(*arguments, cwd=shifted, fresh=True)
    assert [answer["path"] for answer in answers_of(first)] == ["./early.mp4", "./late.mp4"]
    rows = table(tmp_path / "table.csv")
    assert list(rows[0]) == KEYS
    assert [row["offset_ms"] for row in rows] == [str(answer["offset_ms"]) for answer in answers_of(first)]
    assert avmatch(*arguments, cwd=shifted).stdout == first.stdout


def test_a_plot_is_a_picture_for_one_file_and_a_folder_for_several(avmatch, shifted, tmp_path):
    avmatch("sync", shifted / "late.mp4", "--plot", tmp_path / "one.png")
    assert (tmp_path / "one.png").read_bytes().startswith(PNG)
    avmatch("sync", shifted, "--plot", tmp_path / "several")
    pictures = sorted((tmp_path / "several").iterdir())
    assert [path.name for path in pictures] == ["early.mp4.png", "late.mp4.png"]
    assert all(path.read_bytes().startswith(PNG) for path in pictures)
    run = avmatch("sync", shifted, "--plot", tmp_path / "one.png", exits=2)
    assert "several files need a folder" in run.stderr


@pytest.fixture(scope="module")
def hopeless(tmp_path_factory):
    """Files that nothing can be said of, named by the reason."""
    folder = tmp_path_factory.mktemp("hopeless")
    write_clip(folder / "no_audio.mp4", moving(2), fps=25)
    write_clip(folder / "static_picture.mp4", still(2), fps=25, audio=noise(2))
    write_clip(folder / "silence.mp4", moving(2), fps=25, audio=noise(2, loudness=0.0))
    write_clip(folder / "too_short.mp4", moving(0.24), fps=25, audio=noise(0.24))
    (folder / "unreadable.mp4").write_text("this is not a video")
    return folder


def test_what_can_t_be_measured_fails_with_its_reason_and_a_remedy(avmatch, hopeless):
    answers = answers_of(avmatch("sync", hopeless, "--json", exits=1))
    assert {answer["reason"]: answer["path"] for answer in answers} == {
        reason: str(hopeless / f"{reason}.mp4")
        for reason in ("no_audio", "silence", "static_picture", "too_short", "unreadable")
    }
    for answer in answers:
        assert answer["status"] == "failed"
        assert answer["offset_ms"] is answer["offset_frames"] is answer["verdict"] is None
        assert answer["confidence"] == 0.0
    lines = avmatch("sync", hopeless, exits=1).stdout.splitlines()
    assert len(lines) == 5
    assert all(": no offset found (" in line and line.count(":") >= 2 for line in lines)


def test_one_good_file_among_bad_ones_exits_0(avmatch, hopeless, shifted, tmp_path):
    good = shifted / "late.mp4"
    answers = answers_of(avmatch("sync", hopeless, good, good, "--json", "--plot", tmp_path))
    assert [answer["status"] == "failed" for answer in answers] == [True] * 5 + [False]  # named twice, measured once


def test_a_sound_that_can_t_be_used_fails_every_file_and_says_so(avmatch, hopeless, shifted):
    run = avmatch("sync", shifted, "--audio", hopeless / "unreadable.mp4", exits=1)
    assert run.stdout.count("unreadable.mp4") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere.mp4",), "nowhere.mp4: no such file or folder"),
        (("late.mp4", "--max-offset", "0"), "max_offset_seconds must be above 0"),
        (("late.mp4", "--model", "nowhere"), "nowhere"),
        ((), "Missing argument"),
    ],
)
def test_wrong_usage_exits_with_a_line_that_says_why(avmatch, shifted, arguments, message):
    run = avmatch("sync", *arguments, cwd=shifted, exits=1 if "--model" in arguments else 2)
    assert message in run.stderr
    assert run.stdout == ""


def test_names_with_spaces_umlauts_and_a_leading_dash(avmatch, shifted, tmp_path):
    for name in ("täke 1 [a].mp4", "-take.mp4"):
        shutil.copy(shifted / "late.mp4", tmp_path / name)
        (answer,) = answers_of(avmatch("sync", "--json", "--", name, cwd=tmp_path))
        assert answer["path"] == name
        assert answer["offset_ms"] == pytest.approx(200, abs=80)


def test_a_table_that_can_t_be_written_is_said_in_a_line(avmatch, shifted, tmp_path):
    (tmp_path / "file").write_text("mine")
    run = avmatch("sync", shifted / "late.mp4", "-o", tmp_path / "file" / "table.csv", exits=1)
    assert run.stderr.startswith("avmatch: ")
    assert str(tmp_path / "file") in run.stderr


def test_a_range_that_excludes_the_offset_is_not_ok(avmatch, shifted):
    (answer,) = answers_of(avmatch("sync", shifted / "late.mp4", "--max-offset", "0.1", "--json"))
    assert abs(answer["offset_ms"]) <= 100
    assert answer["status"] == "uncertain"


@pytest.mark.parametrize("option", ["--out", "--plot"])
def test_a_film_is_no_place_for_results(avmatch, shifted, tmp_path, option):
    """A shell makes `-o a.mp4 b.mp4` of `-o *.mp4`."""
    videos = [shutil.copy(shifted / f"{name}.mp4", tmp_path) for name in ("early", "late")]
    before = [path.read_bytes() for path in sorted(tmp_path.iterdir())]
    run = avmatch("sync", option, *videos, exits=2)
    assert f"{option} {videos[0]}: has the name of a media file" in run.stderr
    assert run.stdout == ""
    assert [path.read_bytes() for path in sorted(tmp_path.iterdir())] == before


def test_a_folder_is_refused_before_anything_is_measured(avmatch, shifted, tmp_path):
    run = avmatch("sync", shifted, "-o", tmp_path, exits=2)
    assert f"--out {tmp_path}: is a folder; name a file (result.csv)" in run.stderr


def test_a_narrow_range_is_searched(avmatch, drums):
    (answer,) = answers_of(avmatch("sync", drums[0], "--audio", drums[1], "--max-offset", "0.004", "--json"))
    assert abs(answer["offset_ms"]) <= 11


def test_control_characters_in_names_stay_out_of_the_terminal(avmatch, shifted, tmp_path):
    path = tmp_path / "a \x1b[31mred\nline.mp4"
    shutil.copy(shifted / "late.mp4", path)
    run = avmatch("sync", path)
    assert "\x1b" not in run.stdout
    assert run.stdout.count("\n") == 1
