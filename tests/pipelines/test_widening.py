"""The search goes on where nothing fits near, and only an `ok` counts there."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from avmatch.core.features import AudioSamples
from avmatch.core.results import SyncResult
from avmatch.cues.evidence import Calibration, Curves
from avmatch.media.encode import write_audio
from avmatch.pipelines import sync as pipeline
from avmatch.pipelines.sync import sync_all
from avmatch.pipelines.widening import ranges, within_a_range
from avmatch.reports.wording import sync_sentence
from avmatch.synth import SynthConfig, synthesise

PLAIN = Calibration()


@dataclass(frozen=True)
class Said:
    """What a range says."""

    result: SyncResult


def said(status):
    return Said(SyncResult("a.mp4", 0.1, 25.0, 0.9, "lips", status))


@pytest.mark.parametrize(
    ("video_seconds", "sound_seconds", "expected"),
    [
        (5, 5, [4]),
        (2, 2, []),
        (5, 30, [10, 29]),
        (5, 300, [10, 60, 299]),
        (5, 9000, [10, 60, 3600]),
        (9000, 5, [10]),
        (5, 12, [10]),
    ],
)
def test_ranges_go_as_far_as_picture_and_sound_overlap(video_seconds, sound_seconds, expected):
    assert list(ranges(video_seconds, sound_seconds, 1.0)) == expected


@pytest.mark.parametrize(
    ("statuses", "expected", "searched", "asked"),
    [
        (["ok", "ok"], "ok", None, [1]),
        (["failed", "ok"], "failed", None, [1]),
        (["uncertain", "ok", "ok"], "ok", 10, [1, 10]),
        (["unrelated", "uncertain", "ok"], "ok", 60, [1, 10, 60]),
        (["uncertain", "unrelated", "unrelated"], "uncertain", None, [1, 10, 60]),
    ],
)
def test_only_an_ok_of_a_wider_range_counts(statuses, expected, searched, asked):
    ranges_asked = []

    def measure(reach):
        ranges_asked.append(reach)
        return said(statuses[len(ranges_asked) - 1])

    found = within_a_range(measure, 1, (10, 60)).result
    assert (found.status, found.searched_seconds, ranges_asked) == (expected, searched, asked)


@dataclass(frozen=True)
class Bump:
    """Evidence for an offset of 20 s, and none for others."""

    calibration: Calibration = PLAIN
    name: str = "bump"

    def curves(self, videos, audios, lags_seconds):
        nats = 12.0 * np.exp(-0.5 * ((lags_seconds - 20.0) / 0.04) ** 2)
        return Curves(nats.astype(np.float32)[None, None], (None,), (None,))


def test_a_recording_that_began_long_before_is_found_and_said(tmp_path, monkeypatch):
    """Unless a range is given."""
    (only,) = synthesise(tmp_path, SynthConfig(1, duration_seconds=2.0, sizes=((64, 48),), kinds=("drums",)))
    noise = np.random.default_rng(0).normal(0, 0.1, (1, 40 * 16_000)).astype(np.float32)
    write_audio(tmp_path / "long.wav", AudioSamples(noise, 16_000))
    monkeypatch.setattr(pipeline, "cues_for", lambda models: [Bump()])
    video = str(tmp_path / only.video)
    (found,) = sync_all([video], audio=tmp_path / "long.wav", max_offset_seconds=None)
    assert found.status == "ok"
    assert found.offset_seconds == pytest.approx(20.0, abs=0.01)
    assert found.record()["searched_seconds"] == 39.0
    sentence = sync_sentence(replace(found, path="v.mp4"))
    assert "the sound comes 0:00:20.000 late (95 % ± " in sentence
    assert "nothing nearer fits, so up to ±39 s were searched" in sentence
    (near,) = sync_all([video], audio=tmp_path / "long.wav")
    assert near.status != "ok"
    assert "searched_seconds" not in near.record()
