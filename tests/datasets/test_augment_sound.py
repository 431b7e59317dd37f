"""Sounds get worse by as much as was asked for, never late, and alike for equal seeds."""

import tempfile
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import correlate, welch

from avmatch.core.errors import UsageError
from avmatch.datasets.augment.sound import (
    MPEG_RATES_HZ,
    CodecKind,
    NoiseKind,
    band_limit,
    codec,
    fit_noise,
    gain,
    mix_at_snr,
    reverb,
    synthetic_noise,
)

RATE_HZ = 16_000
CODECS, NOISES = get_args(CodecKind), get_args(NoiseKind)
CHANGES = {
    "gain": lambda rng, sound: gain(rng, sound, (-12.0, 6.0)),
    "band_limit": lambda rng, sound: band_limit(rng, sound, RATE_HZ),
    "reverb": lambda rng, sound: reverb(rng, sound, RATE_HZ),
    **{kind: lambda rng, sound, kind=kind: codec(rng, sound, RATE_HZ, (kind,)) for kind in CODECS},
}


def generator(seed=0):
    return np.random.default_rng(seed)


def noise(num_samples=RATE_HZ, seed=0):
    return (0.1 * generator(seed).standard_normal(num_samples)).astype(np.float32)


def clicks(num_samples=2 * RATE_HZ, seed=5):
    """Short bursts of noise at irregular times: nothing in it looks like itself a little later."""
    rng, sound = generator(seed), np.zeros(num_samples, np.float32)
    for start in rng.choice(num_samples - 400, 12, replace=False):
        sound[start : start + 400] += rng.standard_normal(400).astype(np.float32) * np.hanning(400).astype(np.float32)
    return 0.2 * sound


def tone(frequency_hz, num_samples=RATE_HZ):
    return np.sin(2 * np.pi * frequency_hz * np.arange(num_samples) / RATE_HZ).astype(np.float32)


def power_db(sound):
    return 10 * np.log10(np.mean(np.square(sound, dtype=np.float64)))


def lag_samples(sound, changed):
    """How much later than `sound` `changed` is."""
    return int(np.argmax(correlate(changed, sound, method="fft"))) - (len(sound) - 1)


@settings(max_examples=50, deadline=None)
@given(snr_db=st.floats(-30, 40), loudness=st.floats(1e-3, 10.0), seed=st.integers(0, 99))
def test_the_snr_is_what_was_asked_for(snr_db, loudness, seed):
    sound, unwanted = noise(seed=seed), np.float32(loudness) * noise(seed=seed + 1)
    added = mix_at_snr(sound, unwanted, snr_db).astype(np.float64) - sound
    assert power_db(sound) - power_db(added) == pytest.approx(snr_db, abs=0.01)


def test_silence_has_no_snr():
    silence = np.zeros(100, np.float32)
    assert not mix_at_snr(silence, noise(100), 0.0).any()
    np.testing.assert_array_equal(mix_at_snr(noise(100), silence, 0.0), noise(100))
    assert mix_at_snr(noise(0), noise(0), 0.0).shape == (0,)


def test_a_long_noise_is_cut_anywhere_and_a_short_one_looped():
    ramp = np.arange(10, dtype=np.float32)
    cuts = [fit_noise(generator(seed), ramp, 4) for seed in range(100)]
    assert {cut[0] for cut in cuts} == set(range(7))
    assert all((np.diff(cut) == 1).all() for cut in cuts)
    loops = [fit_noise(generator(seed), ramp, 25) for seed in range(100)]
    assert {loop[0] for loop in loops} == set(range(10))
    assert all((np.diff(loop) % 10 == 1).all() for loop in loops)


def test_an_empty_noise_is_refused():
    with pytest.raises(UsageError, match="a noise without samples can't be mixed in"):
        fit_noise(generator(), np.zeros(0, np.float32), 10)


@pytest.mark.parametrize("kind", NOISES)
@pytest.mark.parametrize("sample_rate_hz", [8000, 44_100])
def test_synthetic_noise_has_its_length_level_and_seed(kind, sample_rate_hz):
    first, again, other = (synthetic_noise(generator(seed), 5000, kind, sample_rate_hz) for seed in (1, 1, 2))
    assert (first.shape, first.dtype) == ((5000,), np.float32)
    assert power_db(first) == pytest.approx(0.0, abs=0.001)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert [len(synthetic_noise(generator(), num, kind, sample_rate_hz)) for num in (0, 1, 2)] == [0, 1, 2]


@pytest.mark.parametrize(("kind", "decibels_per_octave"), [("white", 0.0), ("pink", -3.01), ("brown", -6.02)])
def test_noise_falls_by_its_colour(kind, decibels_per_octave):
    frequencies, spectrum = welch(synthetic_noise(generator(), 20 * RATE_HZ, kind, RATE_HZ), RATE_HZ, nperseg=4096)
    octaves = np.log2(frequencies[1:])
    kept = (octaves > np.log2(100)) & (octaves < np.log2(5000))
    slope = np.polyfit(octaves[kept], 10 * np.log10(spectrum[1:][kept]), 1)[0]
    assert slope == pytest.approx(decibels_per_octave, abs=0.3)


def test_hum_stands_on_the_harmonics_of_the_mains():
    hum = synthetic_noise(generator(), 10 * RATE_HZ, "hum", RATE_HZ)
    frequencies, spectrum = welch(hum, RATE_HZ, nperseg=RATE_HZ)
    fundamental_hz = min((50, 60), key=lambda mains: abs(frequencies[np.argmax(spectrum)] % mains))
    distance_hz = np.abs((frequencies + fundamental_hz / 2) % fundamental_hz - fundamental_hz / 2)
    assert spectrum[distance_hz <= 4].sum() > 0.99 * spectrum.sum()


def test_gain_stays_in_its_range():
    gains = [power_db(gain(generator(seed), noise(), (-12.0, 6.0))) - power_db(noise()) for seed in range(200)]
    assert -12.001 < min(gains) < -11
    assert 5 < max(gains) < 6.001


@pytest.mark.parametrize(
    ("frequency_hz", "change_db", "tolerance_db"),
    [(100, -24.0, None), (200, -6.02, 0.1), (800, 0.0, 0.1), (2000, -6.02, 0.1), (4000, -48.0, None)],
)
def test_band_limit_removes_what_it_says(frequency_hz, change_db, tolerance_db):
    limited = band_limit(generator(), tone(frequency_hz), RATE_HZ, (200.0, 200.0), (2000.0, 2000.0))
    middle = slice(RATE_HZ // 4, -RATE_HZ // 4)
    change = power_db(limited[middle]) - power_db(tone(frequency_hz)[middle])
    if tolerance_db is None:  # beyond the corners: at least that much
        assert change < change_db
    else:
        assert change == pytest.approx(change_db, abs=tolerance_db)


def test_corners_above_half_the_rate_remove_nothing():
    kept = band_limit(generator(), noise(), 8000, (20.0, 20.0), (4000.0, 7500.0))
    both = band_limit(generator(), noise(), 8000, (20.0, 20.0), (3900.0, 3900.0))
    assert power_db(kept - noise()) < -30  # what is below 20 Hz
    assert not np.array_equal(kept, both)


@pytest.mark.parametrize("name", ["band_limit", "reverb"])
@pytest.mark.parametrize("seed", range(5))
def test_filters_and_rooms_delay_nothing(name, seed):
    assert abs(lag_samples(clicks(), CHANGES[name](generator(seed), clicks()))) <= 1


@pytest.mark.parametrize("kind", CODECS)
@pytest.mark.parametrize("bit_rate_bps", [12_000.0, 64_000.0])
@pytest.mark.parametrize("sample_rate_hz", [8000, 16_000, 48_000])
def test_codecs_delay_nothing(kind, bit_rate_bps, sample_rate_hz):
    sound = clicks()
    coded = codec(generator(), sound, sample_rate_hz, (kind,), (bit_rate_bps, bit_rate_bps))
    assert coded.shape == sound.shape
    assert abs(lag_samples(sound, coded)) / sample_rate_hz <= 0.005


@pytest.mark.parametrize("kind", CODECS)
def test_fewer_bits_lose_more(kind):
    error_db = [
        power_db(codec(generator(), clicks(), RATE_HZ, (kind,), (rate, rate)) - clicks()) for rate in (12e3, 96e3)
    ]
    assert error_db[0] > error_db[1] + 6


@pytest.mark.parametrize("kind", CODECS)
def test_loud_sounds_are_not_clipped_by_codecs(kind):
    coded, loud = (codec(generator(), level * clicks(), RATE_HZ, (kind,), (64e3, 64e3)) for level in (1.0, 50.0))
    assert power_db(loud) - power_db(coded) == pytest.approx(20 * np.log10(50), abs=0.3)


def test_codecs_leave_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    codec(generator(), clicks(), RATE_HZ)
    with pytest.raises(UsageError, match=r"mp3 can't hold 22254 Hz; use opus, or one of \(8000, "):
        codec(generator(), clicks(), 22_254, ("mp3",))
    assert list(Path(tmp_path).iterdir()) == []


@pytest.mark.parametrize("sample_rate_hz", MPEG_RATES_HZ)
@pytest.mark.parametrize("kind", CODECS)
def test_every_codec_holds_the_rates_it_names(kind, sample_rate_hz):
    coded = codec(generator(), noise(4000), sample_rate_hz, (kind,), (64e3, 64e3))
    assert np.corrcoef(coded, noise(4000))[0, 1] > 0.5


@pytest.mark.parametrize("bit_rate_bps", [(4000.0, 8000.0), (64e3, 32e3), (64e3, 300e3)])
def test_impossible_bit_rates_are_refused(bit_rate_bps):
    with pytest.raises(UsageError, match=r"within \(6000, 256000\) a second, got "):
        codec(generator(), noise(), RATE_HZ, bit_rate_bps=bit_rate_bps)


def test_reverb_dies_away_in_its_time_under_the_direct_sound():
    click = np.zeros(RATE_HZ, np.float32)
    click[100] = 1
    answer = reverb(generator(), click, RATE_HZ, (0.5, 0.5), (6.0, 6.0))
    assert not answer[:100].any(where=np.abs(answer[:100]) > 1e-6)
    assert answer[100] == pytest.approx(1.0, abs=1e-5)
    tail = answer[101:].astype(np.float64)
    assert 10 * np.log10(np.sum(tail**2)) == pytest.approx(-6.0, abs=0.01)
    times = np.arange(len(tail)) / RATE_HZ
    loudness_db = 10 * np.log10(np.mean((tail[:8000] ** 2).reshape(20, 400), axis=1))
    slope = np.polyfit(times[:8000].reshape(20, 400).mean(axis=1), loudness_db, 1)[0]
    assert slope == pytest.approx(-60 / 0.5, rel=0.05)


@pytest.mark.parametrize("name", CHANGES)
def test_seeds_reproduce_and_the_input_is_left(name):
    sound = clicks()
    first, again, other = (CHANGES[name](generator(seed), sound) for seed in (1, 1, 2))
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, sound)
    np.testing.assert_array_equal(sound, clicks())


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("num_samples", [0, 1, 2, 50])
def test_the_shortest_sounds(name, num_samples):
    changed = CHANGES[name](generator(), noise(num_samples))
    assert changed.shape == (num_samples,)
    assert np.isfinite(changed).all()


@pytest.mark.parametrize("name", CHANGES)
def test_silence_stays_silent(name):
    assert np.abs(CHANGES[name](generator(), np.zeros(4000, np.float32))).max() < 1e-4
