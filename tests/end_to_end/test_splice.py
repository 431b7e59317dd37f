"""`avmatch sync` and `fix` of files whose camera was paused, or whose sound runs at another speed."""

import json
from fractions import Fraction

import numpy as np
import pytest

from avmatch.core.features import AudioSamples
from avmatch.media.encode import write_clip
from avmatch.synth.face import face
from avmatch.synth.sound import SAMPLE_RATE_HZ
from avmatch.synth.stage import Stage, film

FPS, RATE_HZ, LEAD_SECONDS = Fraction(25), 16_000, 1.0
SECONDS = 24.0


@pytest.fixture(scope="module")
def scene():
    """A face that speaks: its pictures, and its sound as a function of time."""
    times = LEAD_SECONDS + np.arange(round(SECONDS * FPS)) / float(FPS)
    stage = Stage(128, 96, SECONDS + 2 * LEAD_SECONDS, times)
    act = face(np.random.default_rng(4), stage)
    own = 0.5 * act.sound / np.abs(act.sound).max()
    places = np.arange(len(own)) / SAMPLE_RATE_HZ - LEAD_SECONDS
    return list(film(np.random.default_rng(5), stage, act.paint)), lambda at: np.interp(at, places, own)


def written(path, pictures, sound):
    write_clip(path, pictures, fps=FPS, audio=AudioSamples(sound[None].astype(np.float32), RATE_HZ))
    return path


def answer_of(run):
    return json.loads(run.stdout)


def test_a_paused_camera_is_told_and_left_alone(avmatch, scene, tmp_path):
    pictures, sound_at = scene
    first, lost = 300, 10
    times = np.arange(round((SECONDS - lost / 25) * RATE_HZ)) / RATE_HZ
    video = written(tmp_path / "paused.mp4", pictures[:first] + pictures[first + lost :], sound_at(times + 0.1))
    answer = answer_of(avmatch("sync", video, "--json"))
    assert (answer["status"], answer["reason"]) == ("uncertain", "splice")
    before, after = answer["pieces"]
    assert after["offset_ms"] - before["offset_ms"] == pytest.approx(400.0, abs=40)
    assert before["end_seconds"] == after["begin_seconds"] == pytest.approx(first / 25, abs=0.05)
    assert after["begin_low_seconds"] <= first / 25 <= after["begin_high_seconds"]
    assert "the sound jumps from -" in avmatch("sync", video).stdout
    left = avmatch("fix", video, "-o", tmp_path / "out.mp4", "--force", exits=1).stdout
    assert "nothing written; one shift can't put it together" in left
    assert [path.name for path in tmp_path.iterdir()] == ["paused.mp4"]


def test_a_sped_up_sound_is_named_and_slowed_down(avmatch, scene, tmp_path):
    pictures, sound_at = scene
    pace = 24 / 25
    times = np.arange(round(SECONDS * pace * RATE_HZ)) / RATE_HZ
    video = written(tmp_path / "fast.mp4", pictures, sound_at((times - 0.3) / pace))
    answer = answer_of(avmatch("sync", video, "--json"))
    assert answer["status"] == "ok"
    assert answer["drift_ppm"] == pytest.approx(-40_000.0, abs=1100)
    assert "too fast (as a PAL speed-up makes it)" in avmatch("sync", video).stdout
    fixed = answer_of(avmatch("fix", video, "-o", tmp_path / "out.mp4", "--json"))
    assert fixed["action"] == "fixed"
    assert fixed["removed_drift_ppm"] == answer["drift_ppm"]
    assert (fixed["is_drift_ppm"], fixed["is_ms"]) == (None, pytest.approx(0.0, abs=40))
