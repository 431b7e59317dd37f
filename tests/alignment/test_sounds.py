"""Two microphones that heard the same: where the one sound lies in the other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import fftconvolve

from avmatch.alignment.sounds import SAME_NATS, align_sounds, first_look, onsets
from avmatch.analysis.watching import SoundListener
from avmatch.core.features import AudioFeatures, AudioSamples

RATE_HZ = 16_000


def world(seed, seconds):
    """Bursts of noise of different colours, with pauses."""
    rng = np.random.default_rng(seed)
    sound = np.zeros(round(seconds * RATE_HZ))
    at = 0
    while at < len(sound) - RATE_HZ:
        num = int(rng.uniform(0.05, 0.3) * RATE_HZ)
        colour = rng.normal(size=20) * np.exp(-np.arange(20) / rng.uniform(1, 8))
        sound[at : at + num] += (
            np.convolve(rng.normal(size=num), colour, "same") * np.hanning(num) * rng.uniform(0.2, 1)
        )
        at += num + int(rng.exponential(0.2) * RATE_HZ)
    return 0.3 * sound / sound.std()


def heard(samples, start_seconds=0.0):
    listener = SoundListener(())
    for begin in range(0, len(samples), 15_000):
        block = samples[begin : begin + 15_000].astype(np.float32)
        listener.push(AudioSamples(block[None], RATE_HZ, start_seconds + begin / RATE_HZ))
    found = listener.finish()
    assert isinstance(found, AudioFeatures)
    return found


def aligned(own, other):
    _, (lags,) = first_look(onsets(own), [onsets(other)])
    return align_sounds(own.signs, other.signs, lags)


def worn(samples, how, rng):
    if how == "noise":
        return samples + samples.std() * rng.normal(size=len(samples))
    if how == "hum":
        return samples + 0.6 * np.sign(np.sin(2 * np.pi * 50 * np.arange(len(samples)) / RATE_HZ))
    if how == "distant":
        tail = rng.normal(size=8000) * np.exp(-np.arange(8000) / 1500)
        tail *= 1.5 / np.sqrt((tail**2).sum())
        return samples + np.concatenate([np.zeros(50), fftconvolve(samples, tail)])[: len(samples)]
    if how == "gain":
        return np.clip(samples * (1 + 5 * np.linspace(0, 1, len(samples))), -0.5, 0.5)
    return 0.01 * samples


@pytest.mark.parametrize("how", ["quiet", "noise", "hum", "distant", "gain"])
@pytest.mark.parametrize("late_samples", [0, 48_007, -31_003])
def test_a_poor_copy_is_found_to_the_sample(how, late_samples):
    rng, sound = np.random.default_rng(1), world(2, 30.0)
    first = 100_000
    own = worn(sound[first : first + 160_000], how, rng)
    begin = first - late_samples
    found = aligned(heard(own), heard(sound[begin : begin + 200_000]))
    assert found.offset_seconds == pytest.approx(late_samples / RATE_HZ, abs=1.5 / RATE_HZ)
    assert found.nats > 2 * SAME_NATS
    low, high = found.interval_seconds
    assert low <= late_samples / RATE_HZ <= high


def test_the_clocks_of_both_files_count():
    sound = world(3, 12.0)
    found = aligned(heard(sound, 2.0), heard(sound, 5.0))
    assert found.offset_seconds == pytest.approx(3.0, abs=1e-3)


def test_a_drift_is_followed():
    sound = world(4, 122.0)
    own = np.interp(np.arange(120 * RATE_HZ) * (1 + 80e-6), np.arange(len(sound)), sound)
    found = aligned(heard(own), heard(sound))
    assert found.drift_ppm == pytest.approx(80.0, abs=3.0)
    assert found.offset_seconds == pytest.approx(0.0, abs=2e-4)


@pytest.mark.parametrize("kind", ["another", "noise", "hum", "silence"])
def test_what_is_not_the_same_is_not_found(kind):
    num = 160_000
    own = {
        "another": world(5, 10.0),
        "noise": np.random.default_rng(6).normal(size=num) * 0.1,
        "hum": 0.3 * np.sign(np.sin(2 * np.pi * 50 * np.arange(num) / RATE_HZ)),
        "silence": np.zeros(num),
    }[kind]
    other = world(7, 10.0)
    if kind == "hum":
        other = other + own[: len(other)]
    found = aligned(heard(own), heard(other))
    assert found is None or not found.is_same


def odd(kind, num):
    """Sounds with too little in them to be told from others."""
    seconds = np.arange(num) / RATE_HZ
    return {
        "tone": 0.4 * np.sin(2 * np.pi * 1000 * seconds),
        "hum": 0.3 * np.sign(np.sin(2 * np.pi * 50 * seconds)),
        "clicks": np.where(np.arange(num) % (RATE_HZ // 2) == 0, 0.9, 0.0),
        "offset": np.where(seconds < 0.1, 0.0, 0.3),
        "silence": np.zeros(num),
    }[kind]


@pytest.mark.parametrize("kind", ["tone", "hum", "clicks", "offset", "silence"])
def test_a_sound_with_nothing_in_it_is_like_no_other(kind):
    own = heard(odd(kind, 160_000))
    others = {
        other: aligned(own, heard(odd(other, 190_000)[12_345:])) for other in ("tone", "hum", "clicks", "silence")
    }
    assert [other for other, found in others.items() if found is not None and found.is_same] == []


@pytest.mark.parametrize("others_db", [None, -6.0])
def test_a_sound_that_repeats_itself_says_where_only_by_what_is_not_repeated(others_db):
    rng = np.random.default_rng(10)
    beat = world(11, 2.0)[: RATE_HZ + 3_000]
    repeated = np.tile(beat, 20)
    if others_db is not None:
        repeated = repeated + 10 ** (others_db / 20) * world(12, 30.0)[: len(repeated)]
    begin = 5 * len(beat) - 1_000
    own = repeated[begin : begin + 160_000]
    own = own + 0.2 * own.std() * rng.normal(size=len(own))
    found = aligned(heard(own), heard(repeated))
    assert found.is_same == (others_db is not None)
    if found.is_same:
        assert found.offset_seconds == pytest.approx(begin / RATE_HZ, abs=1e-3)


def test_its_signs_are_cut_anywhere():
    signs = heard(world(8, 2.0)).signs
    whole = signs.samples(0, len(signs))
    np.testing.assert_array_equal(signs.samples(1003, 500), whole[1003:1503])
    padded = signs.samples(-5, 10)
    np.testing.assert_array_equal(padded, [0, 0, 0, 0, 0, *whole[:5]])
    assert set(np.unique(whole)) == {-1.0, 1.0}


def test_blocks_do_not_matter():
    sound = world(9, 3.0).astype(np.float32)
    listener = SoundListener(())
    for begin in range(0, len(sound), 777):
        listener.push(AudioSamples(sound[None, begin : begin + 777], RATE_HZ, begin / RATE_HZ))
    np.testing.assert_array_equal(listener.finish().signs.data, heard(sound).signs.data)
