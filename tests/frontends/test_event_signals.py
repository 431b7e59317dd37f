"""What the model for any sound is fed with: the right times, whatever the gain; statistics of a fixed form."""

import numpy as np
import pytest

from avmatch.core.features import BAND_RATE_HZ, TICK_RATE_HZ
from avmatch.frontends.event_signals import (
    BANDS_PER_TICK,
    EARLY_SECONDS,
    NUM_CHANNELS,
    NUM_SOUND_INPUTS,
    picture_signals,
    picture_statistics,
    sound_signals,
    sound_statistics,
    strokes,
)
from event_scenes import event_times, picture, sound

EVENTS = event_times(3)


def test_the_most_probable_source_is_the_cell_that_strikes():
    signals, weights = picture_signals(picture(EVENTS, cell=9).motion)
    assert signals.shape == (len(weights), NUM_CHANNELS, 8 * TICK_RATE_HZ)
    assert weights.argmax() == 0
    assert weights.sum() == pytest.approx(1.0)
    peaks = np.sort(np.argsort(signals[0, 0])[-len(EVENTS) :])
    np.testing.assert_array_equal(peaks, np.floor(EVENTS * TICK_RATE_HZ).astype(int))


def test_onsets_of_the_sound_are_where_they_are_heard():
    audio = sound(EVENTS)
    signals = sound_signals(audio.flux, audio.level)
    assert signals.shape == (NUM_SOUND_INPUTS, 8 * BAND_RATE_HZ)
    seconds = np.arange(signals.shape[1]) / BAND_RATE_HZ - EARLY_SECONDS
    for event in EVENTS:  # a bang is two entries long
        near = np.abs(seconds - event) < 0.12
        assert seconds[near][signals[-2][near].argmax()] == pytest.approx(event + 0.01, abs=0.5 / TICK_RATE_HZ)


def test_the_gain_of_the_sound_does_not_matter():
    audio = sound(EVENTS)
    louder = sound_signals(audio.flux, audio.level + np.float16(3.0))
    np.testing.assert_allclose(louder[-2], sound_signals(audio.flux, audio.level)[-2], atol=0.15)


def test_a_sound_of_nothing_is_flat():
    signals = sound_signals(np.zeros((300, 8), np.float16), np.full((300, 8), -20.0, np.float16))
    assert np.abs(signals).max() < 1e-3


def test_statistics_are_of_windows_and_short_files_have_none():
    video, audio = picture(EVENTS), sound(EVENTS)
    of_picture, of_sound = picture_statistics(video.motion), sound_statistics(audio.spectrum)
    assert (of_picture.shape, of_sound.shape) == ((1, 138), (1, 161))
    assert np.isfinite(of_picture).all()
    assert np.isfinite(of_sound).all()
    three_times = np.concatenate([video.motion] * 3)
    assert picture_statistics(three_times).shape == (3, of_picture.shape[1])
    assert len(picture_statistics(video.motion[: TICK_RATE_HZ - 1])) == 0
    assert len(sound_statistics(audio.spectrum[: 24 * BANDS_PER_TICK])) == 0
    assert len(sound_statistics(np.zeros((0, 16), np.float16))) == 0


def test_statistics_of_a_known_sound():
    """A ramp in one band, a step in another; the others rest."""
    spectrum = np.zeros((200, 16), np.float32)
    spectrum[:, 3] = np.arange(200)
    spectrum[100:, 5] = 320.0
    mean, level, deviation, high, low, rise, swing, loudest, *rhythm = np.split(
        sound_statistics(spectrum)[0], np.cumsum([16, 1, 16, 16, 16, 16, 16, 16, 16, 16])
    )
    assert level[0] == pytest.approx((99.5 + 160) / 16)
    assert (mean + level)[[0, 3, 5]].tolist() == pytest.approx([0.0, 99.5, 160.0], abs=1e-4)
    assert deviation[[0, 5]].tolist() == pytest.approx([0.0, 160.0])
    assert (high[3], low[3]) == pytest.approx((0.45 * 199, 0.45 * 199))
    assert (rise[3], rise[5], swing[3]) == pytest.approx((4.0, 4 * 320 / 196, 0.0))
    assert loudest[3] - loudest[0] == pytest.approx(189.5)
    assert loudest.sum() == pytest.approx(0.0, abs=1e-3)
    assert len(rhythm) == 3
    assert rhythm[0][5] == pytest.approx(194 / 198, abs=1e-3)


def test_statistics_tell_bright_from_dark_and_dull_from_shrill():
    bright, dark = (picture_statistics(picture(EVENTS, light=light).motion)[0] for light in (200.0, 10.0))
    dull, shrill = (sound_statistics(s.spectrum)[0] for s in (sound(EVENTS, colour=c) for c in (-2.0, 2.0)))
    assert np.abs(bright - dark).max() > 1.0
    assert np.abs(dull - shrill).max() > 2.0


def test_strokes_stand_out_from_noise():
    rng = np.random.default_rng(0)
    noise = rng.random((500, 4)).astype(np.float32)
    hits = 0.01 * noise
    hits[50::100] += 20.0
    assert strokes(noise) == pytest.approx(np.log(3), abs=0.25)
    assert strokes(hits) > 2.0 > strokes(noise)
    assert strokes(np.zeros((500, 4), np.float32)) == strokes(np.zeros((0, 4), np.float32)) == 0.0
