"""`avmatch fix` on real files: measured before, repaired, measured again."""

import json
from fractions import Fraction
from functools import cache

import numpy as np
import pytest

import avmatch as library
from avmatch.core.errors import UsageError
from avmatch.core.features import AudioSamples
from avmatch.media.encode import write_clip
from avmatch.synth.folder import ACTS
from avmatch.synth.sound import SAMPLE_RATE_HZ
from avmatch.synth.stage import Stage, film

KEYS = ["path", "out", "action", "was_ms", "was_drift_ppm", "is_ms", "is_drift_ppm"]
KEYS += ["removed_ms", "removed_drift_ppm", "message"]
FPS = Fraction(15)
LEAD_SECONDS = 1.0  # of sound before the first picture, for one that comes early
RATE_HZ = 16_000  # what features are made of: three times as many samples would say nothing more


@cache
def scene(seconds, seed):
    """Drums, small: the pictures, and a sound that begins earlier."""
    times = LEAD_SECONDS + np.arange(round(seconds * FPS)) / float(FPS)
    stage = Stage(96, 72, seconds + 2 * LEAD_SECONDS, times)
    act = ACTS["drums"](np.random.default_rng([seed, 1]), stage)
    return list(film(np.random.default_rng([seed, 2]), stage, act.paint)), act.sound


def clip(path, *, seconds, offset_seconds, drift_ppm=0.0, seed=0):
    """A scene whose sound is late by the offset, and drifts."""
    pictures, own = scene(seconds, seed)
    sound_times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    played = LEAD_SECONDS + (sound_times - offset_seconds) / (1 + drift_ppm * 1e-6)
    sound = np.interp(played * SAMPLE_RATE_HZ, np.arange(len(own)), own)
    audio = AudioSamples((0.5 * sound / np.abs(sound).max()).astype(np.float32)[None], RATE_HZ)
    write_clip(path, pictures, fps=FPS, audio=audio)
    return path


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    clip(folder / "early.mp4", seconds=8, offset_seconds=-0.25)
    clip(folder / "late.mkv", seconds=8, offset_seconds=0.25, seed=5)
    clip(folder / "unsure.mp4", seconds=1.2, offset_seconds=0.0, seed=3)
    (folder / "text.mp4").write_text("this is not a video")
    return folder


def answers_of(run):
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_a_folder_is_repaired_and_the_rest_is_reported(avmatch, videos, tmp_path):
    before = {path.name: path.read_bytes() for path in videos.iterdir()}
    answers = {
        answer["path"].rpartition("/")[2]: answer
        for answer in answers_of(avmatch("fix", videos, "-o", tmp_path, "--json", exits=1))
    }
    assert {path.name: path.read_bytes() for path in videos.iterdir()} == before
    assert {name: answer["action"] for name, answer in answers.items()} == {
        "early.mp4": "fixed",
        "late.mkv": "fixed",
        "text.mp4": "failed",
        "unsure.mp4": "refused",
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["early.mp4", "late.mkv"]
    for name in ("early.mp4", "late.mkv"):
        answer = answers[name]
        assert list(answer) == KEYS
        assert answer["was_ms"] == answer["removed_ms"] == pytest.approx(-250 if name == "early.mp4" else 250, abs=80)
        assert answer["is_ms"] == pytest.approx(0.0, abs=15)
        assert answer["out"] == str(tmp_path / name)
    assert "not readable" in answers["text.mp4"]["message"]


def test_sentences_give_both_figures_and_a_second_run_overwrites_nothing(avmatch, videos, tmp_path):
    out = tmp_path / "fixed.mp4"
    line = avmatch("fix", videos / "early.mp4", "-o", out).stdout
    assert line.startswith(f"{videos / 'early.mp4'}: was -0.")
    assert ", is now " in line
    assert line.rstrip().endswith(f"written to {out}")
    content = out.read_bytes()
    again = avmatch("fix", videos / "early.mp4", "-o", out, exits=1).stdout
    assert f"nothing written: {out} exists already" in again
    assert out.read_bytes() == content
    together = avmatch("fix", out, "-o", tmp_path / "other.mp4").stdout
    assert "close enough, nothing written" in together
    assert [path.name for path in tmp_path.iterdir()] == ["fixed.mp4"]


def test_unsure_measurements_need_force(avmatch, videos, tmp_path):
    refused = avmatch("fix", videos / "unsure.mp4", "-o", tmp_path, "--tolerance", 0, exits=1).stdout
    assert "nothing written without --force" in refused
    assert list(tmp_path.iterdir()) == []
    (answer,) = answers_of(avmatch("fix", videos / "unsure.mp4", "-o", tmp_path, "--tolerance", 0, "--force", "--json"))
    assert answer["action"] == "fixed"
    assert (tmp_path / "unsure.mp4").exists()


def test_an_unsure_measurement_of_nothing_is_not_called_together(avmatch, videos, tmp_path):
    refused = avmatch("fix", videos / "unsure.mp4", "-o", tmp_path, "--tolerance", 10, exits=1).stdout
    assert "nothing written without --force" in refused
    assert "close enough" in avmatch("fix", videos / "unsure.mp4", "-o", tmp_path, "--tolerance", 10, "--force").stdout


def test_a_long_still_is_called_still(avmatch, tmp_path):
    frames = [np.full((48, 64, 3), 90, np.uint8) for _ in range(250)]
    noise = np.random.default_rng(0).normal(0, 0.1, (1, 50 * 16_000)).astype(np.float32)
    write_clip(tmp_path / "still.mp4", frames, fps=5, audio=AudioSamples(noise, 16_000))
    (answer,) = answers_of(avmatch("sync", tmp_path / "still.mp4", "--json", exits=1))
    assert (answer["status"], answer["reason"]) == ("failed", "static_picture")


def test_a_known_offset_is_taken_out_without_measuring(avmatch, videos, tmp_path):
    run = avmatch("fix", videos / "late.mkv", "-o", tmp_path / "a.mp4", "--offset", "0.25")
    assert "was +0.250 s, not measured; written to" in run.stdout
    (answer,) = answers_of(avmatch("sync", tmp_path / "a.mp4", "--json"))
    (own,) = answers_of(avmatch("sync", videos / "late.mkv", "--json"))
    assert own["offset_ms"] - answer["offset_ms"] == pytest.approx(250, abs=10)


@pytest.mark.slow
@pytest.mark.parametrize("drift_ppm", [800.0, -600.0])
def test_a_drift_is_measured_and_taken_out(tmp_path, drift_ppm):
    video = clip(tmp_path / "clip.mp4", seconds=120, offset_seconds=0.1, drift_ppm=drift_ppm, seed=10)
    result = library.fix(video, tmp_path / "out.mp4")
    assert result.action == "fixed"
    assert result.was.drift_ppm == pytest.approx(drift_ppm, abs=150)
    low, high = result.was.drift_interval_ppm
    assert low < result.was.drift_ppm < high
    assert result.now.drift_ppm is None
    assert result.now.offset_seconds == pytest.approx(0.0, abs=0.012)
    assert "its drift is taken out" in result.message


@pytest.mark.slow
def test_minutes_apart(tmp_path):
    """A range of a minute; the offset is as exact as a small one."""
    video = clip(tmp_path / "clip.mp4", seconds=80, offset_seconds=31.37, seed=5)
    settings = library.FixSettings(max_offset_seconds=60.0)
    result = library.fix(video, tmp_path / "out.mp4", settings)
    assert result.was.offset_seconds == pytest.approx(31.37, abs=0.08)
    assert library.sync(tmp_path / "out.mp4").offset_seconds == pytest.approx(0.0, abs=0.015)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("early.mp4", "late.mkv", "-o", "text.mp4"), "several files need a folder"),
        (("early.mp4", "-o", "x.mp4", "--offset", "5000"), "an offset must be within ±3600 s"),
        (("early.mp4", "-o", "x.mp4", "--tolerance", "-1"), "a tolerance can't be negative"),
        (("nowhere.mp4", "-o", "x.mp4"), "nowhere.mp4: no such file or folder"),
        (("early.mp4",), "Missing option"),
    ],
)
def test_wrong_usage_says_why(avmatch, videos, arguments, message):
    run = avmatch("fix", *arguments, cwd=videos, exits=2)
    assert message in run.stderr
    assert not (videos / "x.mp4").exists()


def test_an_offset_that_is_no_number_is_refused():
    with pytest.raises(UsageError, match="an offset must be within"):
        library.FixSettings(offset_seconds=float("nan"))


def test_an_offset_that_may_be_none_is_left_alone(avmatch, tmp_path):
    video = clip(tmp_path / "wide.mkv", seconds=8, offset_seconds=0.03, seed=5)
    (own,) = answers_of(avmatch("sync", video, "--json"))
    assert own["status"] == "ok"
    assert own["offset_low_ms"] < 0 < own["offset_high_ms"]
    refused = avmatch("fix", video, "-o", tmp_path / "out.mkv", exits=1).stdout
    assert "nothing written without --force" in refused
    assert "so there may be none" in refused
    assert [path.name for path in tmp_path.iterdir()] == ["wide.mkv"]
