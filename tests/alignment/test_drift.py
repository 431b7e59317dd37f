"""A line through the curves of stretches: told where it rises, not told where it may as well be flat."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

from avmatch.alignment.drift import MIN_SECONDS, estimate_drift, stretches, without_drift
from avmatch.core.features import AudioFeatures, Embeddings, MouthTrack, VideoFeatures
from avmatch.cues.evidence import Calibration, Curves

PLAIN = Calibration()


def video(seconds, start_seconds=0.0):
    num = round(seconds * 25)
    times = start_seconds + np.arange(num) / 25
    vectors = {"lips": Embeddings(np.arange(num)[:, None].astype(np.float32), 25.0, start_seconds)}
    mouth = MouthTrack(times, np.zeros((num, 4)), times[:, None], vectors)
    return VideoFeatures(start_seconds, np.zeros((num, 4, 1)), (mouth,), 25.0, seconds, embeddings=vectors)


def audio(seconds, start_seconds=0.0):
    flux = (start_seconds + np.arange(round(seconds * 100)) / 100)[:, None]
    vectors = {"lips": Embeddings(start_seconds + np.arange(round(seconds * 25))[:, None] / 25, 25.0, start_seconds)}
    spectrum = np.repeat(flux, 16, axis=1)
    return AudioFeatures(start_seconds, flux, flux, seconds, 1.0, embeddings=vectors, spectrum=spectrum)


@dataclass(frozen=True)
class Line:
    """Peaks at offset + slope · time of a stretch, so high; some stretches shout something else, some are silent."""

    offset_seconds: float = 0.1
    drift_ppm: float = 0.0
    height: float = 12.0
    scatter_seconds: float = 0.004
    wrong: tuple[int, ...] = ()
    silent: tuple[int, ...] = ()
    origin_seconds: float = 0.0
    name: str = "line"
    calibration: Calibration = PLAIN

    def curves(self, videos, audios, lags_seconds):
        (stretch,) = videos
        middle = stretch.start_seconds + stretch.duration_seconds / 2
        number = round(middle)
        luck = np.random.default_rng(number).standard_normal()
        at = self.offset_seconds + self.drift_ppm * 1e-6 * (middle - self.origin_seconds) + self.scatter_seconds * luck
        which = int(middle // (stretch.duration_seconds + 1e-9))
        at = -0.7 if which in self.wrong else at
        height = 0.0 if which in self.silent else self.height
        nats = height * np.exp(-0.5 * ((lags_seconds - at) / 0.04) ** 2)
        return Curves(nats.astype(np.float32)[None, None], (None,), (None,))


def told(cue, seconds=240.0, max_offset_seconds=1.0, start_seconds=0.0):
    return estimate_drift([cue], video(seconds, start_seconds), audio(seconds), max_offset_seconds=max_offset_seconds)


@pytest.mark.parametrize("drift_ppm", [-1000.0, -300.0, 200.0, 1000.0])
@pytest.mark.parametrize("max_offset_seconds", [1.0, 60.0])
def test_a_drift_is_found_with_its_sign(drift_ppm, max_offset_seconds):
    found = told(Line(drift_ppm=drift_ppm), max_offset_seconds=max_offset_seconds)
    low, high = found.interval_ppm
    assert low < found.drift_ppm < high
    assert low - 10 < drift_ppm < high + 10
    assert found.drift_ppm == pytest.approx(drift_ppm, abs=40)
    assert found.start_error_seconds == pytest.approx((high - low) / 2 * 1e-6 * 120)


def test_stretches_that_are_wrong_or_silent_do_not_count():
    found = told(Line(drift_ppm=500.0, wrong=(2, 7), silent=(4, 5)))
    assert found.drift_ppm == pytest.approx(500.0, abs=40)


@pytest.mark.parametrize("drift_ppm", [0.0, 30.0])
def test_what_is_no_drift_or_of_no_use_is_not_told(drift_ppm):
    assert told(Line(drift_ppm=drift_ppm, scatter_seconds=0.0005)) is None


@pytest.mark.parametrize("seed_offset", [0.0, 0.3, -0.4])
def test_scatter_is_no_drift(seed_offset):
    assert told(Line(offset_seconds=seed_offset, scatter_seconds=0.03)) is None


def test_a_drift_lost_in_scatter_is_not_told():
    assert told(Line(drift_ppm=150.0, scatter_seconds=0.03)) is None


def test_where_nothing_can_be_heard_there_is_no_drift():
    assert told(Line(height=0.0)) is None


def test_short_files_have_none():
    assert told(Line(drift_ppm=1000.0, scatter_seconds=0.0), seconds=MIN_SECONDS - 1.0) is None


@pytest.mark.parametrize(("seconds", "length"), [(60.0, 10.0), (240.0, 20.0), (3600.0, 60.0)])
def test_stretches_follow_the_length_of_the_file(seconds, length):
    parts = stretches(video(seconds, 3.0))
    assert parts[1].duration_seconds == length
    assert sum(part.duration_seconds for part in parts) == pytest.approx(seconds, abs=5.0)
    for before, after in pairwise(parts):
        assert before.start_seconds + before.duration_seconds == pytest.approx(after.start_seconds)
        assert after.start_seconds == pytest.approx(length * round(after.start_seconds / length), abs=0.04)


def test_everything_in_a_stretch_is_of_its_time():
    part = stretches(video(100.0, 3.0))[2]
    (mouth,) = part.mouths
    assert mouth.pts_seconds[0] == pytest.approx(part.start_seconds, abs=0.001)
    assert np.ptp(mouth.pts_seconds) == pytest.approx(part.duration_seconds - 0.04)
    for vectors in (part.embeddings["lips"], mouth.embeddings["lips"]):
        assert vectors.start_seconds == pytest.approx(part.start_seconds, abs=0.001)
        assert vectors.data[0, 0] == round((vectors.start_seconds - 3.0) * 25)


def test_taking_a_drift_out_puts_every_sound_where_it_belongs():
    """The sound's values are its own times: heard at s = p + offset + d·(p − p₀), they belong to p."""
    drift_ppm, begin_seconds = 800.0, 2.0
    steady = without_drift(audio(500.0, -1.0), drift_ppm, begin_seconds)
    for values, rate_hz, start in (
        (steady.flux, 100, steady.start_seconds),
        (steady.spectrum[:, 5:6], 100, steady.start_seconds),
        (steady.embeddings["lips"].data, 25, steady.embeddings["lips"].start_seconds),
    ):
        now = start + np.arange(len(values)) / rate_hz
        before = begin_seconds + (now - begin_seconds) * (1 + drift_ppm * 1e-6)
        np.testing.assert_allclose(values[:, 0], before, atol=0.51 / rate_hz)
    assert steady.duration_seconds == pytest.approx(500.0 / 1.0008)
