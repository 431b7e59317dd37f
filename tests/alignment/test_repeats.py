"""A loop counts once; what only repeats in the sound, or in the picture, isn't one."""

import numpy as np
import pytest

from avmatch.alignment.repeats import SEAM_SECONDS, first_round, round_seconds
from avmatch.core.features import BAND_RATE_HZ, TICK_RATE_HZ, AudioFeatures, VideoFeatures
from avmatch.frontends.motion import CHANGE


def drawn(seed, seconds, rate_hz, *shape):
    """Some seconds of noise that a signal follows."""
    return np.random.default_rng(seed).gamma(1.0, 1.0, (round(seconds * rate_hz), *shape)).astype(np.float32)


def looped(values, rate_hz, seconds):
    num = round(seconds * rate_hz)
    return np.concatenate([values] * (num // len(values) + 1))[:num]


def picture(change):
    motion = np.zeros((len(change), CHANGE + 1, 64), np.float32)
    motion[:, CHANGE] = change
    seconds = len(change) / TICK_RATE_HZ
    return VideoFeatures(0.0, motion, (), TICK_RATE_HZ, seconds)


def sound(flux):
    return AudioFeatures(0.0, flux, np.zeros_like(flux), len(flux) / BAND_RATE_HZ, 1.0)


@pytest.mark.parametrize("length_seconds", [2.4, 3.0, 10.0])
def test_the_first_round_of_a_loop_is_what_counts(length_seconds):
    noise = np.random.default_rng(9)
    change = looped(drawn(1, length_seconds, TICK_RATE_HZ, 64), TICK_RATE_HZ, 26.0)
    flux = looped(drawn(2, length_seconds, BAND_RATE_HZ, 8), BAND_RATE_HZ, 26.0)
    video = picture(change * noise.uniform(0.9, 1.1, change.shape))
    heard = sound((flux * noise.uniform(0.9, 1.1, flux.shape)).astype(np.float32))
    assert round_seconds(video, heard) == pytest.approx(length_seconds, abs=1 / TICK_RATE_HZ)
    first = first_round(video, heard)
    assert first.start_seconds == 0.0
    assert first.duration_seconds == pytest.approx(length_seconds - SEAM_SECONDS, abs=0.05)


@pytest.mark.parametrize(
    ("picture_seconds", "noise", "sound_seconds", "found"),
    [
        (26.0, 0.0, 3.0, None),
        (26.0, 0.0, 26.0, None),
        (3.0, 0.5, 26.0, None),
        (3.0, 0.5, 3.7, None),
        (3.0, 0.5, 3.0, 3.0),
        (3.0, 0.0, 26.0, 3.0),
    ],
)
def test_both_must_come_again_together_or_the_picture_exactly(picture_seconds, noise, sound_seconds, found):
    change = looped(drawn(1, picture_seconds, TICK_RATE_HZ, 64).mean(axis=1), TICK_RATE_HZ, 26.0)
    change = change * np.exp(noise * change.std() * np.random.default_rng(3).standard_normal(len(change)))
    video = picture(np.repeat(change[:, None], 64, axis=1).astype(np.float32))
    heard = sound(looped(drawn(2, sound_seconds, BAND_RATE_HZ, 8), BAND_RATE_HZ, 26.0))
    assert round_seconds(video, heard) == (found and pytest.approx(found, abs=1 / TICK_RATE_HZ))


@pytest.mark.parametrize("seconds", [0.0, 0.5, 2.9])
def test_what_is_short_or_still_is_no_loop(seconds):
    num = round(seconds * TICK_RATE_HZ)
    heard = sound(np.zeros((round(seconds * BAND_RATE_HZ), 8), np.float32))
    assert round_seconds(picture(np.zeros((num, 64), np.float32)), heard) is None


def test_stillness_and_silence_are_no_loop():
    video = picture(np.zeros((26 * TICK_RATE_HZ, 64), np.float32))
    assert round_seconds(video, sound(np.zeros((26 * BAND_RATE_HZ, 8), np.float32))) is None
