"""`match` tries what got no match farther apart, and says so."""

import csv

import numpy as np
import pytest

import avmatch
from avmatch.core.features import AudioSamples
from avmatch.matching.settings import MatchSettings
from avmatch.media.decode import read_audio
from avmatch.media.encode import write_audio
from avmatch.pipelines import farther
from avmatch.pipelines.farther import among
from avmatch.pipelines.match import match

LATE_SECONDS = 15.0


@pytest.fixture(scope="module")
def late(tmp_path_factory):
    """Two clocks: the recording of one was started 15 s before its picture, of the other there is none."""
    folder = tmp_path_factory.mktemp("late")
    avmatch.synthesise(folder, avmatch.SynthConfig(1, seed=2, duration_seconds=8.0, kinds=("clock",), extra_videos=1))
    with (folder / "truth.csv").open(newline="") as file:
        (row,) = [row for row in csv.DictReader(file) if row["audio"]]
    sound = read_audio(folder / row["audio"])
    silence = np.random.default_rng(0).normal(0, 1e-3, (1, int(LATE_SECONDS * 16_000))).astype(np.float32)
    (folder / row["audio"]).unlink()
    data = np.concatenate([silence, sound.data, silence], axis=1)
    write_audio(folder / "audio" / "long.wav", AudioSamples(data, 16_000))
    return folder, str(folder / row["video"]), float(row["offset_ms"]) / 1000


def test_a_recording_that_was_started_long_before_is_paired_and_said(late):
    folder, video, offset = late
    result = match(folder / "videos", folder / "audio", MatchSettings(search_farther=True))
    (made,) = [item for item in result.matches if item.audio]
    assert made.video == video
    assert made.offset_seconds == pytest.approx(LATE_SECONDS + offset, abs=0.1)
    assert made.confidence > 0.5
    assert "nothing nearer fits" in made.why
    assert result.unmatched_audio == ()
    assert "2 videos fit nothing within ±0.5 s; farther apart, 1 of them do" in result.notes


def test_a_range_that_is_given_is_kept(late):
    folder, *_ = late
    result = match(folder / "videos", folder / "audio", MatchSettings())
    assert all(item.audio is None for item in result.matches)
    assert len(result.unmatched_audio) == 1


def test_too_many_pairs_are_left_to_the_user(late, monkeypatch):
    monkeypatch.setattr(farther, "MOST_PAIRS", 1)
    folder, *_ = late
    result = match(folder / "videos", folder / "audio", MatchSettings(search_farther=True))
    assert all(item.audio is None for item in result.matches)
    assert any("wider ranges are tried where --max-offset gives one" in note for note in result.notes)


def test_among_more_recordings_a_pair_must_be_surer():
    assert among(0.9, 1) == pytest.approx(0.9)
    assert among(0.9, 9) == pytest.approx(0.5)
    assert among(1.0, 100) == 1.0
    assert among(0.0, 3) == 0.0
