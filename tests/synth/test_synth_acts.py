"""Every kind of scene shows and sounds the same events at the same times."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from avmatch.core.clock import samples_from_seconds
from avmatch.synth.face import LEAD_SECONDS
from avmatch.synth.folder import ACTS
from avmatch.synth.sound import SAMPLE_RATE_HZ, WEIGHT_RATE_HZ, Strike, Take, mix, random_speech, record, speak
from avmatch.synth.stage import Stage, film

DURATION_SECONDS = 7.0
STRUCK = ("balls", "drums", "strings", "clock")
MOUTH = (60, 15, 20)  # the colour of the open mouth, drawn nowhere else


def stage(frame_times=(), width=320, height=240):
    return Stage(width, height, DURATION_SECONDS, np.array(frame_times, float))


def painted(act, time_seconds):
    image = np.full((240, 320, 3), 90, np.uint8)
    act.paint(image, time_seconds)
    return image


def apart(times, seconds=0.12):
    """The times that no other event is near, away from the scene's ends."""
    waits = np.diff(times)
    alone = (np.append(waits, 9) > seconds) & (np.insert(waits, 0, 9) > seconds)
    return times[alone & (times > 0.5) & (times < DURATION_SECONDS - 0.5)]


@pytest.mark.parametrize("kind", ACTS)
def test_an_act_is_the_same_for_the_same_seed_and_another_for_another(kind):
    first, again, other = (ACTS[kind](np.random.default_rng(seed), stage()) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.sound, again.sound)
    np.testing.assert_array_equal(painted(first, 2.5), painted(again, 2.5))
    assert not np.array_equal(painted(first, 2.5), painted(other, 2.5))
    assert len(first.event_times_seconds) != len(other.event_times_seconds) or not np.allclose(
        first.event_times_seconds, other.event_times_seconds
    )


@pytest.mark.parametrize("kind", ACTS)
def test_five_seconds_have_five_events_at_irregular_times(kind):
    for seed in range(12):
        times = ACTS[kind](np.random.default_rng(seed), stage()).event_times_seconds
        assert (np.diff(times) >= 0).all()
        for start in (0.5, 1.5):
            assert np.sum((times >= start) & (times < start + 5)) >= 5
        waits = np.diff(times)
        assert waits.std() > 0.2 * waits.mean()


@pytest.mark.parametrize("kind", STRUCK)
def test_the_sound_of_an_event_starts_with_it(kind):
    """The rise of the log energy of 2 ms blocks, averaged over the events, is steepest at the event."""
    lags_seconds = np.arange(-0.030, 0.031, 0.001)
    rise = np.zeros(len(lags_seconds))
    for seed in range(6):
        act = ACTS[kind](np.random.default_rng(seed), stage())
        energy = np.insert(np.cumsum(np.square(np.diff(act.sound), dtype=float)), 0, 0)
        block = samples_from_seconds(0.002, SAMPLE_RATE_HZ)
        for time_seconds in apart(act.event_times_seconds):
            centre = np.round((time_seconds + lags_seconds) * SAMPLE_RATE_HZ).astype(int)
            after, before = energy[centre + block] - energy[centre], energy[centre] - energy[centre - block]
            rise += np.log((after + 1e-9) / (before + 1e-9))
    assert abs(lags_seconds[rise.argmax()]) <= 0.002


@pytest.mark.parametrize("kind", STRUCK)
def test_the_picture_changes_most_at_an_event(kind):
    lags_seconds = np.arange(-10, 11) * 0.004
    change = np.zeros(len(lags_seconds))
    for seed in range(3):
        act = ACTS[kind](np.random.default_rng(seed), stage())
        for time_seconds in apart(act.event_times_seconds)[:8]:
            pictures = [painted(act, time_seconds + lag) for lag in (*(lags_seconds - 0.002), lags_seconds[-1] + 0.002)]
            change += [cv2.absdiff(a, b).mean() for a, b in pairwise(pictures)]
    assert abs(lags_seconds[change.argmax()]) <= 0.005


def test_the_mouth_opens_a_little_before_the_voice():
    """Dark pixels between the lips against the level of the sound, at lags of up to 100 ms."""
    step_seconds, lags = 0.01, np.arange(-10, 11)
    times = np.arange(0.5, 6.5, step_seconds)
    total = np.zeros(len(lags))
    for seed in range(4):
        act = ACTS["face"](np.random.default_rng(seed), stage())
        opening = np.array(
            [cv2.countNonZero(cv2.inRange(painted(act, time_seconds), MOUTH, MOUTH)) for time_seconds in times]
        )
        block = samples_from_seconds(0.02, SAMPLE_RATE_HZ)
        centre = np.round(times * SAMPLE_RATE_HZ).astype(int)
        power = np.convolve(np.square(act.sound), np.full(block, 1 / block), "same")[centre]
        total += [np.corrcoef(np.roll(opening, lag)[20:-20], np.sqrt(power)[20:-20])[0, 1] for lag in lags]
    assert abs(step_seconds * lags[total.argmax()] - LEAD_SECONDS) <= 0.011
    assert total.max() / 4 > 0.6


def test_the_frontal_face_cascade_finds_the_face():
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    found = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        times = stage(np.arange(1, 5, 0.5))
        for image in film(rng, times, ACTS["face"](rng, times).paint):
            boxes = cascade.detectMultiScale(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), 1.1, 3)
            found.append(any(width > 60 for _, _, width, _ in boxes))
    assert np.mean(found) >= 0.9


def test_vowels_have_their_formants():
    """The speech of one vowel is loudest near its first resonance, whatever the pitch and the throat."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        speech = random_speech(rng, 3.0)
        speech.weights[:] = 0
        speech.weights[2] = 1  # "see": 270 Hz and 2290 Hz, little in between
        sound = speak(rng, speech, 3.0)
        power = np.square(np.abs(np.fft.rfft(sound)))
        bins = len(power) / (SAMPLE_RATE_HZ / 2)
        low, gap, high = (
            power[int(a * bins) : int(b * bins)].sum() for a, b in ((200, 450), (900, 1500), (1900, 3000))
        )
        assert low > gap < high


def test_silence_where_the_lips_are_shut():
    rng = np.random.default_rng(0)
    speech = random_speech(rng, 3.0)
    shut = speech.weights.sum(axis=0) == 0
    assert shut.any()
    level = np.abs(speak(rng, speech, 3.0))
    inside = np.flatnonzero(shut[1:-1] & shut[:-2] & shut[2:]) + 1
    samples = inside * SAMPLE_RATE_HZ // WEIGHT_RATE_HZ
    assert level[samples[samples < len(level)]].max() < 0.05 * level.max()


def test_film_takes_one_picture_at_each_time_and_never_stands_still():
    times = stage(np.arange(0, 2, 0.1), width=240, height=320)
    frames, again = (list(film(np.random.default_rng(3), times, lambda image, time_seconds: None)) for _ in range(2))
    np.testing.assert_array_equal(frames, again)
    assert np.shape(frames) == (20, 320, 240, 3)
    assert not any(np.array_equal(a, b) for a, b in pairwise(frames))


def test_mix_places_a_voice_at_its_time_and_cuts_it_at_the_end():
    sound = mix([Strike(0.5, 2.0, 0), Strike(0.999, 1.0, 0)], [np.ones(480, np.float32)], 1.0)
    assert len(sound) == SAMPLE_RATE_HZ
    np.testing.assert_array_equal(np.flatnonzero(sound == 2), np.arange(24_000, 24_480))
    np.testing.assert_array_equal(np.flatnonzero(sound == 1), np.arange(47_952, 48_000))


@pytest.mark.parametrize("snr_db", [0.0, 10.0])
def test_noise_is_added_at_the_ratio_that_was_asked_for(snr_db):
    """Sound in noise correlates with the sound alone as √(p / (p + 1)), p the ratio of their powers."""
    act = ACTS["drums"](np.random.default_rng(0), stage())
    share = 10 ** (snr_db / 10)
    for seed in range(6):
        alone, noisy = (
            record(np.random.default_rng(seed), act.sound, Take(1.0, 4.0, snr, worn=False)).data[0]
            for snr in (None, snr_db)
        )
        expected = np.sqrt(share / (share + 1))
        assert np.corrcoef(alone, noisy)[0, 1] == pytest.approx(expected, abs=0.05)


def test_a_worn_recording_is_narrow_and_coarse_and_yet_the_same_sound():
    act = ACTS["drums"](np.random.default_rng(0), stage())
    clean, worn = (
        record(np.random.default_rng(0), act.sound, Take(1.0, 4.0, None, worn=worn)) for worn in (False, True)
    )
    assert (clean.sample_rate_hz, worn.sample_rate_hz) == (48_000, 16_000)
    assert clean.duration_seconds == worn.duration_seconds == 4.0
    assert len(np.unique(worn.data)) <= 49
    assert np.corrcoef(clean.data[0, ::3], worn.data[0])[0, 1] > 0.8


def test_a_take_starts_where_it_says_and_stays_within_range():
    act = ACTS["balls"](np.random.default_rng(0), stage())
    early, late = (
        record(np.random.default_rng(0), act.sound, Take(start, 4.0, None, worn=False)).data[0] for start in (1.0, 1.25)
    )
    similarity = np.fft.irfft(np.fft.rfft(early, 2**19) * np.conj(np.fft.rfft(late, 2**19)))
    assert similarity.argmax() == 12_000
    assert 0.001 < np.abs(early).max() <= 0.95
