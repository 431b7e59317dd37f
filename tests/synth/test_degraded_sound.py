"""Degraded sounds: worse in the way that was asked for, and never late."""

import numpy as np
import pytest
from scipy.signal import correlate

from avmatch.synth.degraded_sound import babble, band_limited, clipped, coded, reverberant
from avmatch.synth.sound import random_speech, speak

RATE_HZ = 16000


def speech(seconds=2.0):
    rng = np.random.default_rng(3)
    wave = speak(rng, random_speech(rng, seconds), seconds)[::3]
    return (0.1 * wave / np.std(wave)).astype(np.float32)


def tone(frequency_hz):
    return np.sin(2 * np.pi * frequency_hz * np.arange(RATE_HZ) / RATE_HZ).astype(np.float32)


def lag(degraded, sound):
    """By how many samples it is late."""
    return int(correlate(degraded, sound, method="fft").argmax()) - (len(sound) - 1)


def rms(sound):
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64))))


@pytest.mark.parametrize(("suffix", "bit_rate_bps"), [(".m4a", 16_000), (".m4a", 32_000), (".opus", 6_000)])
def test_a_codec_changes_the_sound_and_keeps_its_time(suffix, bit_rate_bps):
    sound = speech()
    heard = coded(sound, RATE_HZ, suffix, bit_rate_bps)
    assert heard.shape == sound.shape
    assert abs(lag(heard, sound)) <= 0.002 * RATE_HZ
    assert 0.05 * rms(sound) < rms(heard - sound) < rms(sound)


def test_a_lower_rate_is_worse():
    sound = speech()
    low, high = (rms(coded(sound, RATE_HZ, ".opus", rate) - sound) for rate in (6_000, 48_000))
    assert low > 1.5 * high


@pytest.mark.parametrize(("frequency_hz", "least", "most"), [(100, 0.0, 0.05), (1000, 0.98, 1.02), (7000, 0.0, 0.05)])
def test_a_telephone_has_no_bass_and_no_treble(frequency_hz, least, most):
    sound = tone(frequency_hz)
    heard = band_limited(sound, RATE_HZ, 300, 3400)
    middle = slice(2000, -2000)
    assert least <= rms(heard[middle]) / rms(sound[middle]) <= most


def test_filters_and_rooms_keep_the_time():
    sound, rng = speech(), np.random.default_rng(0)
    assert lag(band_limited(sound, RATE_HZ, 500, 2000), sound) == 0
    assert lag(reverberant(rng, sound, RATE_HZ, 1.2), sound) == 0


def test_a_room_rings_on_for_as_long_as_it_should():
    click = np.zeros(RATE_HZ, np.float32)
    click[100] = 1.0
    heard = reverberant(np.random.default_rng(0), click, RATE_HZ, 0.5)
    assert heard[100] == pytest.approx(1.0)
    assert np.abs(heard[:100]).max() < 1e-6  # before it there is nothing, but for the rounding of the FFT
    answer = heard[101:].astype(np.float64) ** 2
    assert answer.sum() == pytest.approx(1.0, rel=0.02)  # as strong as the direct sound
    left = np.cumsum(answer[::-1])[::-1]
    fallen = 10 * np.log10(left[int(0.25 * RATE_HZ)] / left[0])
    assert fallen == pytest.approx(-30.0, abs=1.5)  # Schroeder's decay curve: half of 60 dB in half the time


def test_clipping_cuts_so_many_samples():
    sound = speech()
    heard = clipped(sound, 0.1)
    assert np.mean(heard != sound) == pytest.approx(0.1, abs=0.002)
    assert np.abs(heard).max() < np.abs(sound).max()


def test_babble_is_made_of_the_voices():
    voices = [speech(), tone(440)[:3000], np.zeros(0, np.float32)]
    heard = babble(np.random.default_rng(0), voices, RATE_HZ)
    assert heard.shape == (RATE_HZ,)
    assert rms(heard) == pytest.approx(1.0, rel=1e-3)
    spectrum = np.abs(np.fft.rfft(heard))
    assert spectrum[440] > 20 * np.median(spectrum)
    np.testing.assert_array_equal(heard, babble(np.random.default_rng(0), voices, RATE_HZ))


@pytest.mark.parametrize("num", [0, 1, 5])
def test_sounds_of_hardly_any_length(num):
    sound = np.full(num, 0.5, np.float32)
    rng = np.random.default_rng(0)
    for heard in (
        clipped(sound, 0.1),
        band_limited(sound, RATE_HZ, 300, 3400),
        reverberant(rng, sound, RATE_HZ, 0.3),
        coded(sound, RATE_HZ, ".opus", 12_000),
    ):
        assert heard.shape == (num,)
        assert np.isfinite(heard).all()
