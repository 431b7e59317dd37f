"""Where an offset jumps: found where both sides say so, placed where a cut shows, and nowhere else."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from avmatch.alignment.borders import find_border
from avmatch.alignment.breaks import JUMP_NATS, find_parts, path
from avmatch.alignment.drift import cut_up, estimate_drift
from avmatch.core.features import AudioFeatures, VideoFeatures
from avmatch.cues.evidence import Calibration, Curves
from avmatch.frontends.motion import MOTION_CHANNELS

PLAIN = Calibration()
JERK = MOTION_CHANNELS.index("jerk")


def video(seconds, jerk_at=None):
    """Its motion is the times of its ticks, in the first channel; where asked, everything moves once."""
    num = round(seconds * 25)
    motion = np.full((num, 8, 64), 0.1, np.float32)
    motion[:, 0] = (0.02 + np.arange(num) / 25)[:, None]
    motion[:, JERK] += np.random.default_rng(1).uniform(0, 0.05, (num, 64)).astype(np.float32)
    if jerk_at is not None:
        motion[round(jerk_at * 25) - 1, JERK] = 20.0
    return VideoFeatures(0.02, motion, (), 25.0, seconds)


def audio(seconds, falls_at=None):
    num = round(seconds * 100)
    spectrum = np.random.default_rng(2).normal(-3.0, 0.1, (num, 16))
    if falls_at is not None:
        spectrum[round(falls_at * 100) :] -= 4.0
    flux = np.zeros((num, 8))
    return AudioFeatures(0.0, flux, flux, seconds, 1.0, spectrum=spectrum)


@dataclass(frozen=True)
class Ticks:
    """Evidence of every tick of the picture for the offset that holds at its time, one tick in `every`."""

    offset_at: Callable[[np.ndarray], np.ndarray]
    nats_per_tick: float = 0.08
    every: int = 1
    scatter_seconds: float = 0.0
    silent: tuple[float, float] = (0.0, 0.0)
    name: str = "ticks"
    calibration: Calibration = PLAIN

    def curves(self, videos, audios, lags_seconds):
        nats = np.array([self._nats(part, lags_seconds) for part in videos], np.float32)
        return Curves(nats[:, None], (None,) * len(videos), (None,))

    def _nats(self, part, lags_seconds):
        times = part.motion[:, 0, 0].astype(float)
        heard = (np.rint((times - 0.02) * 25) % self.every == 0) & ~(
            (times > self.silent[0]) & (times < self.silent[1])
        )
        times = times[heard]
        luck = np.random.default_rng(0).standard_normal(100_000)[np.rint(times * 25).astype(int)]
        at, counts = np.unique((self.offset_at(times) + self.scatter_seconds * luck).round(3), return_counts=True)
        bumps = np.exp(-0.5 * ((lags_seconds[:, None] - at) / 0.04) ** 2) - 0.2
        return self.nats_per_tick * bumps @ counts


def steps(*pairs):
    """(from when on, offset) one after the other."""
    begins, offsets = np.array(pairs).T
    return lambda times: offsets[np.searchsorted(begins, times, side="right") - 1]


def found(cue, picture=None, sound=None, seconds=60.0):
    picture, sound = picture or video(seconds), sound or audio(seconds + 2)
    cut = cut_up([cue], picture, sound, max_offset_seconds=1.0)
    drift = estimate_drift([cue], picture, sound, max_offset_seconds=1.0, cut=cut)
    return find_parts([cue], picture, sound, cut, drift, max_offset_seconds=1.0)


@pytest.mark.parametrize("seconds", [20.0, 60.0, 200.0])
@pytest.mark.parametrize("jump_seconds", [0.12, 0.5, -0.4])
def test_a_jump_is_found_with_both_offsets_and_its_time(seconds, jump_seconds):
    at = 0.44 * seconds
    first, second = found(Ticks(steps((0.0, 0.1), (at, 0.1 + jump_seconds))), seconds=seconds)
    assert first.estimate.offset_seconds == pytest.approx(0.1, abs=0.01)
    assert second.estimate.offset_seconds == pytest.approx(0.1 + jump_seconds, abs=0.01)
    low, high = second.begin_interval_seconds
    assert low <= at <= high or (jump_seconds < 0 and low <= at - jump_seconds and at <= high)
    assert second.begin_seconds == pytest.approx(at, abs=1.0)
    assert second.begin_seconds - first.end_seconds == pytest.approx(max(0.0, -jump_seconds), abs=0.01)
    assert first.begin_interval_seconds is None


def test_several_jumps_are_told_apart():
    parts = found(Ticks(steps((0.0, 0.1), (63.0, 0.5), (127.0, -0.2))), seconds=200.0)
    assert [round(part.estimate.offset_seconds, 2) for part in parts] == [0.1, 0.5, -0.2]
    assert [part.begin_seconds for part in parts] == pytest.approx([0.02, 63.0, 127.7], abs=0.8)


@pytest.mark.parametrize(
    "cue",
    [
        Ticks(lambda times: 0.0 * times + 0.3),
        Ticks(lambda times: 0.0 * times + 0.3, scatter_seconds=0.05),
        Ticks(lambda times: 0.0 * times + 0.3, nats_per_tick=0.01),
        Ticks(lambda times: 0.1 + 100e-6 * times),
        Ticks(lambda times: 0.1 + 1000e-6 * times),
        Ticks(lambda times: 0.1 - 1400e-6 * times),
        Ticks(lambda times: 0.0 * times + 0.3, silent=(20.0, 50.0)),
        Ticks(steps((0.0, 0.1), (30.0, 0.17))),
    ],
    ids=["one", "scatter", "faint", "clock", "drift", "fast", "silence", "less than scatter"],
)
def test_one_offset_is_never_broken(cue):
    assert found(cue) == ()


def test_what_a_few_seconds_say_against_the_rest_is_no_break():
    """A stretch that shouts something else may be wrong: its doubt bounds what it can say."""
    assert found(Ticks(steps((0.0, 0.1), (40.0, -0.6), (44.0, 0.1)))) == ()


def test_both_sides_must_be_sure_of_their_offsets():
    clear = Ticks(steps((0.0, 0.1), (50.0, 0.5)))
    assert len(found(clear)) == 2
    doubtful = replace(clear, calibration=Calibration(1.0, 1.0, 0.0, -30.0))
    assert found(doubtful) == ()


def test_short_files_have_none():
    cue = Ticks(steps((0.0, 0.1), (7.0, 0.5)))
    assert cut_up([cue], video(15.0), audio(15.0), max_offset_seconds=1.0) is None


def test_a_cut_that_shows_places_the_break():
    """Events a second apart leave a second; the picture that jumps, or the sound that falls silent, says when."""
    at, offsets = 12.48, (0.1, 0.5)
    cue = Ticks(steps((0.0, 0.1), (at, 0.5)), nats_per_tick=2.0, every=25)
    plain, seen, heard = (
        find_border([cue], video(25.0, jerk), audio(27.0, fall), offsets, (8.0, 17.0))
        for jerk, fall in ((None, None), (at, None), (None, at + offsets[0]))
    )
    width = {
        border: border.begin_interval_seconds[1] - border.begin_interval_seconds[0] for border in (plain, seen, heard)
    }
    assert width[plain] > 0.7
    assert plain.begin_interval_seconds[0] <= at <= plain.begin_interval_seconds[1]
    for border in (seen, heard):
        assert border.begin_seconds == border.end_seconds == pytest.approx(at, abs=0.04)
        assert border.begin_interval_seconds[0] <= at <= border.begin_interval_seconds[1]
        assert width[border] < 0.5 * width[plain]


def test_where_the_sound_lacks_something_the_picture_has_none():
    at, offsets = 12.48, (0.3, -0.3)
    cue = Ticks(steps((0.0, 0.3), (at, 0.0), (at + 0.6, -0.3)), nats_per_tick=1.0)
    border = find_border([cue], video(25.0), audio(27.0, at + 0.3), offsets, (8.0, 17.0))
    assert border.end_seconds == pytest.approx(at, abs=0.05)
    assert border.begin_seconds == pytest.approx(at + 0.6, abs=0.05)


def test_a_path_jumps_only_where_that_pays():
    belief = np.zeros((6, 50))
    belief[:3, 10] = belief[3:, 30] = 0.4 * JUMP_NATS
    way, score = path(belief, least_jump=6, slow_steps=1)
    assert way.tolist() == [10] * 3 + [30] * 3
    assert score == pytest.approx(6 * 0.4 * JUMP_NATS - JUMP_NATS)
    way, score = path(0.5 * belief, least_jump=6, slow_steps=1)
    assert len(set(way.tolist())) == 1
    assert score == pytest.approx(3 * 0.2 * JUMP_NATS)


def test_a_path_follows_a_clock_and_never_takes_a_small_jump():
    belief = np.full((8, 50), -9.0)
    belief[np.arange(8), 20 + np.arange(8)] = 0.0
    assert path(belief, least_jump=6, slow_steps=1)[0].tolist() == list(range(20, 28))
    belief = np.full((4, 50), -3.0)
    belief[:2, 20] = belief[2:, 24] = 0.0
    assert len(set(path(belief, least_jump=6, slow_steps=0)[0].tolist())) == 1
