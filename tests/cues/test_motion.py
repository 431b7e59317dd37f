"""The motion cue: events of one cell of the picture against sounds with events."""

import numpy as np
import pytest

from avmatch.core.features import BAND_RATE_HZ, TICK_RATE_HZ, AudioFeatures, MouthTrack, VideoFeatures
from avmatch.cues.evidence import Cue
from avmatch.cues.motion import CLOSE_UP_WORTH, MotionCue, close_up, motion_series

LAGS = np.arange(-25, 26) * 0.02
ZERO = 25
SECONDS = 8.0


def event_times(seed, seconds=SECONDS):
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.25, 0.9, 100))
    return times[times < seconds - 0.2]


def picture(events, seconds=SECONDS, start_seconds=0.0, cell=27, seed=0):
    """Grain everywhere, and things that strike in one cell."""
    rng = np.random.default_rng(seed)
    motion = rng.uniform(0.0, 0.05, (round(seconds * TICK_RATE_HZ), 4, 64))
    motion[:, 3, cell] += 1.0  # what strikes moves in between as well
    for time in events:
        if time < seconds:
            motion[int(time * TICK_RATE_HZ), :, cell] += (2.0, 1.5, 1.0, 3.0)
    return VideoFeatures(start_seconds + 0.5 / TICK_RATE_HZ, motion.astype(np.float16), (), 25.0, seconds)


def sound(events, seconds=SECONDS, start_seconds=0.0, seed=0, peak=0.5):
    """Hiss, and bangs that die away."""
    rng = np.random.default_rng(100 + seed)
    ticks = np.arange(round(seconds * BAND_RATE_HZ)) / BAND_RATE_HZ
    flux = rng.uniform(0.0, 0.2, (len(ticks), 8))
    level = np.full(len(ticks), np.exp(-8.0))
    for time in events:
        at = np.searchsorted(ticks, time)
        flux[at : at + 2] += 1.5
        level += np.where(ticks >= time, np.exp(-(ticks - time) / 0.08), 0.0)
    return AudioFeatures(
        start_seconds,
        flux.astype(np.float16),
        (np.log(level)[:, None] + rng.normal(0, 0.1, flux.shape)).astype(np.float16),
        seconds,
        peak,
    )


def test_it_is_a_cue():
    assert isinstance(MotionCue(), Cue)
    assert MotionCue().name == "motion"


@pytest.mark.parametrize("lag_seconds", [-0.3, 0.0, 0.22])
@pytest.mark.parametrize("cell", [0, 27, 63])
def test_the_evidence_peaks_at_the_lag_of_the_sound(lag_seconds, cell):
    events = event_times(1)
    heard = events + lag_seconds
    curves = MotionCue().curves([picture(events, cell=cell)], [sound(heard[heard > 0])], LAGS)
    assert curves.nats.shape == (1, 1, len(LAGS))
    assert LAGS[curves.nats[0, 0].argmax()] == pytest.approx(lag_seconds, abs=0.041)
    assert curves.nats.max() > 5.0
    assert curves.reason() is None


def test_the_clocks_of_both_sides_count():
    """Both files begin somewhere else on their clocks; the offset is what lies between the events."""
    events = event_times(1)
    curves = MotionCue().curves([picture(events, start_seconds=2.0)], [sound(events, start_seconds=2.2)], LAGS)
    assert LAGS[curves.nats[0, 0].argmax()] == pytest.approx(0.2, abs=0.041)


def test_every_picture_prefers_its_own_sound():
    seeds = range(6)
    videos = [picture(event_times(seed), cell=9 * seed, seed=seed) for seed in seeds]
    audios = [sound(event_times(seed), seed=seed) for seed in reversed(seeds)]
    best = MotionCue().curves(videos, audios, LAGS).nats.max(axis=2)
    np.testing.assert_array_equal(best.argmax(axis=1), list(reversed(seeds)))
    np.testing.assert_array_equal(best.argmax(axis=0), list(reversed(seeds)))
    own = best[:, ::-1].diagonal()
    strangers = best[:, ::-1][~np.eye(6, dtype=bool)]
    assert own.min() > 2.0 * strangers.max()


def test_pairs_do_not_depend_on_their_neighbours():
    videos = [picture(event_times(seed), seed=seed, seconds=8.0 - seed) for seed in range(3)]
    audios = [sound(event_times(seed), seed=seed, seconds=6.0 + seed) for seed in range(3)]
    together = MotionCue().curves(videos, audios, LAGS).nats
    for row, video in enumerate(videos):
        for column, audio in enumerate(audios):
            alone = MotionCue().curves([video], [audio], LAGS).nats[0, 0]
            np.testing.assert_allclose(together[row, column], alone, rtol=1e-4, atol=1e-3)


def test_long_files_say_more_than_short_ones():
    def evidence(seconds):
        events = event_times(1, seconds)
        return MotionCue().curves([picture(events, seconds)], [sound(events, seconds)], LAGS).nats.max()

    assert evidence(30.0) > 2.0 * evidence(10.0) > 4.0 * evidence(3.0) > 0.0


def test_it_abstains_and_says_why():
    events = event_times(1)
    good_video, good_audio = picture(events), sound(events)
    still = VideoFeatures(0.02, np.zeros((200, 4, 64), np.float16), (), 25.0, SECONDS)
    repeats = VideoFeatures(0.0, np.zeros((0, 4, 64), np.float16), (), 25.0, SECONDS)
    short = VideoFeatures(0.02, np.ones((10, 4, 64), np.float16), (), 25.0, 0.4)
    silent, brief = sound(events, peak=0.0), sound([], seconds=0.4)
    curves = MotionCue().curves([good_video, still, repeats, short], [silent, good_audio, brief], LAGS)
    assert curves.video_reasons == (None, "static_picture", "static_picture", "too_short")
    assert curves.audio_reasons == ("silence", None, "too_short")
    speaking = np.abs(curves.nats).sum(axis=2) > 0
    np.testing.assert_array_equal(speaking, [[False, True, False], *[[False] * 3] * 3])


def test_silence_alone_is_survived():
    curves = MotionCue().curves([picture(event_times(1))], [sound([], peak=0.0)], LAGS)
    assert not curves.nats.any()
    assert curves.reason() == "silence"


@pytest.mark.parametrize("sides", [(0, 2), (2, 0), (0, 0)])
def test_empty_sides_give_empty_curves(sides):
    num_videos, num_audios = sides
    events = event_times(1)
    curves = MotionCue().curves([picture(events)] * num_videos, [sound(events)] * num_audios, LAGS)
    assert curves.nats.shape == (num_videos, num_audios, len(LAGS))


def face(width, seconds):
    times = np.arange(0.0, seconds, 0.04)
    boxes = np.tile(np.array([0.3, 0.3, width, width], np.float32), (len(times), 1))
    return MouthTrack(times, boxes, np.zeros((len(times), 3), np.float32))


@pytest.mark.parametrize(
    ("faces", "share"),
    [((), 0.0), (((0.1, 8.0),), 0.0), (((0.5, 8.04),), 1.0), (((0.5, 4.04),), 0.5), (((0.225, 8.04),), 0.5)],
)
def test_a_close_up_is_a_wide_face_for_long(faces, share):
    video = VideoFeatures(0.0, np.zeros((1, 4, 64), np.float16), tuple(face(*item) for item in faces), 25.0, SECONDS)
    assert close_up(video) == pytest.approx(share, abs=0.01)


def test_in_a_close_up_motion_is_worth_a_third():
    plain = picture(event_times(1))
    close = VideoFeatures(plain.start_seconds, plain.motion, (face(0.5, 8.04),), 25.0, SECONDS)
    nats = MotionCue().curves([plain, close], [sound(event_times(1))], LAGS).nats
    np.testing.assert_allclose(nats[1], CLOSE_UP_WORTH * nats[0], rtol=1e-3)


def test_weights_are_shares():
    series, weights = motion_series(picture(event_times(1)))
    assert weights.sum() == pytest.approx(1.0)
    assert series.values.shape == (200, 4 * len(weights))
    assert weights[0] == weights[:18].max()  # the cell that moves most


def test_long_videos_are_worked_on_in_stretches(monkeypatch):
    levels = np.random.default_rng(0).gamma(1, 1, (300, 4, 64)).astype(np.float16)
    long = VideoFeatures(0.02, levels, (), 25.0, 12.0)
    whole, weights = motion_series(long)
    monkeypatch.setattr("avmatch.frontends.event_signals.STRETCH_TICKS", 64)
    pieces, other_weights = motion_series(long)
    np.testing.assert_array_equal(pieces.values, whole.values)
    np.testing.assert_array_equal(other_weights, weights)
