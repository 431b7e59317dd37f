"""A sound at another speed is found and named; one at its own isn't."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from avmatch.alignment.measurement import measure
from avmatch.alignment.speed import LEAST_SECONDS
from avmatch.core.features import AudioFeatures, VideoFeatures
from avmatch.core.speeds import SPEEDS, speed_words
from avmatch.cues.evidence import Calibration, Curves
from avmatch.frontends.sound import LOG_FLOOR

PLAIN = Calibration()
BOTH = [(speed, is_fast) for speed in SPEEDS for is_fast in (True, False)]
LARGE = [(speed, is_fast) for speed, is_fast in BOTH if abs(speed.drift_ppm(is_sound_fast=is_fast)) > 2000]


def video(seconds, start_seconds=0.02):
    motion = np.zeros((round(seconds * 25), 8, 64), np.float32)
    motion[:, 0] = (start_seconds + np.arange(len(motion)) / 25)[:, None]
    return VideoFeatures(start_seconds, motion, (), 25.0, seconds)


def audio(seconds, heard=(-np.inf, np.inf)):
    """Its flux is the times of its ticks."""
    times = np.arange(round(seconds * 100)) / 100
    spectrum = np.full((len(times), 16), np.log(LOG_FLOOR))
    spectrum[(times >= heard[0]) & (times < heard[1])] = -3.0
    return AudioFeatures(0.0, times[:, None], np.zeros((len(times), 1)), seconds, 1.0, spectrum=spectrum)


@dataclass(frozen=True)
class Event:
    """What is shown at p is heard at p + late + drift · p; every tick says by how much later that is now."""

    late_seconds: float = 0.0
    drift_ppm: float = 0.0
    nats_per_tick: float = 0.15
    heard: tuple[float, float] = (-np.inf, np.inf)
    name: str = "event"
    calibration: Calibration = PLAIN

    def curves(self, videos, audios, lags_seconds):
        nats = [[self._nats(part, sound, lags_seconds) for sound in audios] for part in videos]
        return Curves(np.array(nats, np.float32), (None,) * len(videos), (None,) * len(audios))

    def _nats(self, part, sound, lags_seconds):
        shown = part.motion[:, 0, 0].astype(float)
        first = sound.flux[:, 0]
        heard = shown + self.late_seconds + self.drift_ppm * 1e-6 * (shown - 0.02)
        there = (heard >= max(first[0], self.heard[0])) & (heard <= min(first[-1], self.heard[1]))
        now = sound.start_seconds + np.searchsorted(first, heard[there]) / 100
        at, counts = np.unique((now - shown[there]).round(2), return_counts=True)
        bumps = np.exp(-0.5 * ((lags_seconds[:, None] - at) / 0.04) ** 2) - 0.2
        return self.nats_per_tick * bumps @ counts


def measured(cue, seconds=30.0, sound=None):
    sound = sound or audio(seconds * (1 + cue.drift_ppm * 1e-6) + 1)
    return measure([cue], video(seconds), sound, max_offset_seconds=1.0)


@pytest.mark.parametrize(("speed", "is_fast"), LARGE, ids=[f"{s.ratio(is_sound_fast=f)}" for s, f in LARGE])
def test_every_speed_is_found_with_the_offset_at_the_beginning(speed, is_fast):
    ppm = speed.drift_ppm(is_sound_fast=is_fast)
    found = measured(Event(0.25, ppm))
    assert found.pieces == ()
    assert found.estimate.confidence > 0.9
    low, high = found.drift.interval_ppm
    assert low <= ppm <= high
    assert found.drift.drift_ppm == pytest.approx(ppm, abs=1200)
    error_at_the_end = found.estimate.offset_seconds - 0.25 + (found.drift.drift_ppm - ppm) * 1e-6 * 30
    assert found.estimate.offset_seconds == pytest.approx(0.25, abs=0.04)
    assert abs(error_at_the_end) <= 0.04
    assert speed.ratio(is_sound_fast=is_fast) in speed_words(found.drift.drift_ppm, found.drift.interval_ppm)


@pytest.mark.parametrize(
    "cue",
    [Event(0.25), Event(0.25, 200.0), Event(0.25, 20_000.0), Event(0.25, -40_000.0, nats_per_tick=0.002)],
    ids=["none", "clock", "no such speed", "nothing heard"],
)
def test_what_runs_at_no_such_speed_has_none(cue):
    found = measured(cue)
    assert found.drift is None or abs(found.drift.drift_ppm) < 1500


def test_short_files_have_none():
    assert measured(Event(0.25, -40_000.0), seconds=LEAST_SECONDS - 1.0).drift is None


def test_two_speeds_that_cannot_be_told_apart_are_both_named():
    assert speed_words(-40_000.0, (-41_300.0, -38_700.0)).startswith("25/24 or 25/23.976 too fast (")
    assert speed_words(-40_000.0, (-40_500.0, -39_500.0)).startswith("25/24 too fast (")
    assert speed_words(41_667.0, (41_000.0, 42_000.0)).startswith("24/25 too slow (")
    assert speed_words(-1000.0, (-1200.0, -800.0)).startswith("1001/1000 too fast (")


@pytest.mark.parametrize(
    ("drift_ppm", "interval_ppm"), [(-600.0, (-1100.0, -100.0)), (500.0, (400.0, 600.0)), (30_000.0, (29e3, 31e3))]
)
def test_a_drift_that_may_be_a_clock_s_or_that_is_no_speed_is_not_named(drift_ppm, interval_ppm):
    assert speed_words(drift_ppm, interval_ppm) == ""


@pytest.mark.parametrize(
    ("heard", "covered"),
    [((12.0, 99.0), (11.75, 40.02)), ((0.0, 25.0), (0.02, 24.75)), ((5.0, 30.0), (4.75, 29.75))],
    ids=["late", "early end", "both"],
)
def test_a_sound_that_covers_a_part_is_measured_there(heard, covered):
    cue = Event(0.25, heard=heard)
    found = measured(cue, seconds=40.0, sound=audio(41.0, heard))
    (piece,) = found.pieces
    assert (piece.begin_seconds, piece.end_seconds) == pytest.approx(covered, abs=0.03)
    assert piece.offset_seconds == found.estimate.offset_seconds == pytest.approx(0.25, abs=0.01)
    assert (piece.begin_interval_seconds is None) == (heard[0] == 0.0)
    # Measured in all of the picture, the half without a sound would agree with nothing.
    assert found.estimate.figures.weaker_half > 0.99


def test_a_sound_that_is_silent_for_a_moment_covers_everything():
    assert measured(Event(0.25, heard=(1.0, 40.0)), seconds=40.0, sound=audio(41.0, (1.0, 40.0))).pieces == ()


def test_a_drift_of_a_part_is_counted_from_the_picture_s_beginning():
    cue = Event(0.25, 1000.0, heard=(30.0, 200.0))
    found = measured(cue, seconds=120.0, sound=audio(122.0, (30.0, 200.0)))
    assert found.drift.drift_ppm == pytest.approx(1000.0, abs=150)
    assert found.estimate.offset_seconds == pytest.approx(0.25, abs=0.02)
    assert found.pieces[0].begin_seconds == pytest.approx(29.75, abs=0.1)


def test_a_speed_is_better_than_a_staircase_of_offsets():
    """Half a minute at 41 ms a second passes through many offsets."""
    found = measured(replace(Event(-0.5), drift_ppm=1e6 / 24), seconds=48.0)
    assert found.pieces == ()
    assert found.drift.drift_ppm == pytest.approx(1e6 / 24, abs=1200)
