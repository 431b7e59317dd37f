"""The mouth cue: lips that follow a voice."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from avmatch.core.features import BAND_RATE_HZ, AudioFeatures, MouthTrack, VideoFeatures
from avmatch.cues.evidence import Cue
from avmatch.cues.mouth import LATENCY_SECONDS, MouthCue, at_once, mouth_series
from avmatch.cues.synchrony import video_windows

LAGS = np.arange(-25, 26) * 0.02
SECONDS = 8.0


def speech(seed, seconds=SECONDS):
    """(times, how open the mouth is): syllables of different strength, about five a second."""
    times = np.arange(-100, round(seconds * BAND_RATE_HZ) + 100) / BAND_RATE_HZ
    noise = gaussian_filter1d(np.random.default_rng(seed).standard_normal(len(times)), 6.0)
    return times, np.clip(noise / noise.std(), 0.0, None)


def track(seed, begin_seconds=0.0, end_seconds=SECONDS, fps=25.0, noise=0.1):
    times, opening = speech(seed)
    pts = np.arange(begin_seconds, end_seconds, 1 / fps)
    now, before = (np.interp(pts - late, times, opening) for late in (0.0, 1 / fps))
    signals = np.stack([np.abs(now - before), now - before, now], axis=1)
    signals += noise * signals.std(axis=0) * np.random.default_rng(seed + 50).standard_normal(signals.shape)
    boxes = np.tile(np.array([0.4, 0.3, 0.2, 0.3], np.float32), (len(pts), 1))
    return MouthTrack(pts, boxes, signals.astype(np.float32))


def video(*tracks, seconds=SECONDS):
    return VideoFeatures(0.0, np.zeros((0, 4, 64), np.float16), tracks, 25.0, seconds)


def voice(seed, lag_seconds=0.0, peak=0.5):
    """The voice of `speech(seed)`, late by `lag_seconds` (and by the cue's own latency)."""
    times, opening = speech(seed)
    ticks = np.arange(round(SECONDS * BAND_RATE_HZ)) / BAND_RATE_HZ
    loud = np.interp(ticks - lag_seconds - LATENCY_SECONDS, times, opening)
    level = np.repeat(np.log(1e-3 + loud**4)[:, None], 8, axis=1).astype(np.float16)
    return AudioFeatures(0.0, np.zeros_like(level), level, SECONDS, peak)


def test_it_is_a_cue():
    assert isinstance(MouthCue(), Cue)
    assert MouthCue().name == "mouth"


@pytest.mark.parametrize("lag_seconds", [-0.24, 0.0, 0.16])
@pytest.mark.parametrize("fps", [25.0, 30000 / 1001, 50.0])
def test_the_evidence_peaks_at_the_lag_of_the_voice(lag_seconds, fps):
    curves = MouthCue().curves([video(track(1, fps=fps))], [voice(1, lag_seconds)], LAGS)
    assert LAGS[curves.nats[0, 0].argmax()] == pytest.approx(lag_seconds, abs=0.021)
    assert curves.nats.max() > 10.0
    assert curves.reason() is None


def test_every_face_prefers_its_own_voice():
    seeds = range(5)
    best = MouthCue().curves([video(track(seed)) for seed in seeds], [voice(seed) for seed in seeds], LAGS).nats
    best = best.max(axis=2)
    assert best.diagonal().min() > 2.0 * best[~np.eye(5, dtype=bool)].max()


def test_no_face_abstains_and_says_so():
    brief = track(1, 0.0, 0.3)
    curves = MouthCue().curves([video(), video(brief), video(track(1))], [voice(1), voice(1, peak=0.0)], LAGS)
    assert curves.video_reasons == ("no_face", "no_face", None)
    assert curves.audio_reasons == (None, "silence")
    speaking = np.abs(curves.nats).sum(axis=2) > 0
    np.testing.assert_array_equal(speaking, [[False, False], [False, False], [True, False]])


def test_of_two_faces_at_once_either_may_speak():
    alone = MouthCue().curves([video(track(1))], [voice(1, 0.1)], LAGS).nats[0, 0]
    both = MouthCue().curves([video(track(2), track(1))], [voice(1, 0.1), voice(2, -0.1)], LAGS).nats[0]
    assert LAGS[both.argmax(axis=1)] == pytest.approx([0.1, -0.1], abs=0.021)
    # One of two, with the same prior: the speaker's evidence less log 2.
    assert both[0].max() == pytest.approx(alone.max() - np.log(2), abs=0.05)


def test_faces_one_after_another_add_up():
    first, second = track(1, 0.0, 3.8), track(1, 4.2, SECONDS)
    parts = [MouthCue().curves([video(part)], [voice(1)], LAGS).nats[0, 0] for part in (first, second)]
    both = MouthCue().curves([video(first, second)], [voice(1)], LAGS).nats[0, 0]
    np.testing.assert_allclose(both, parts[0] + parts[1], rtol=1e-3, atol=1e-3)


def test_faces_are_grouped_by_being_there_together():
    windows = [video_windows(mouth_series(track(1, *span)))[0] for span in ((5.0, 7.5), (0.0, 3.0), (2.0, 4.0))]
    groups = [[round(float(window.covered.argmax()) / 25) for window in group] for group in at_once(windows)]
    assert groups == [[0, 2], [5]]


def test_signals_of_a_track_are_on_the_common_clock():
    series = mouth_series(track(1, 1.0, 3.0, noise=0.0))
    assert (series.start_seconds * 25 - 0.5) % 1.0 == pytest.approx(0.0, abs=1e-6)
    assert series.start_seconds == pytest.approx(1.0, abs=0.05)
    assert len(series.values) == pytest.approx(50, abs=2)
    times, opening = speech(1)
    ticks = series.start_seconds + np.arange(len(series.values)) / 25
    assert np.corrcoef(series.values[:, 2], np.interp(ticks, times, opening))[0, 1] > 0.9
    slope = np.interp(ticks, times, np.gradient(opening))
    assert np.corrcoef(series.values[:, 1], slope)[0, 1] > 0.9
