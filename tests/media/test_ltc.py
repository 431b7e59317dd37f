"""Linear timecode is recognised and read, whatever its rate, level and polarity; nothing else is taken for it."""

from fractions import Fraction

import numpy as np
import pytest

from avmatch.media.ltc import Ltc, frames_a_day, read_ltc
from ltc_sound import ltc_sound

FILM, PAL, NTSC = Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001)
RATES = [(FILM, False), (Fraction(24), False), (PAL, False), (NTSC, False), (NTSC, True), (Fraction(30), False)]
FIRST = 10 * 3600 * 24 + 1234


def noise(num, level):
    return np.random.default_rng(0).normal(0.0, level, num).astype(np.float32)


@pytest.mark.parametrize("rate_hz", [44_100, 48_000, 96_000])
@pytest.mark.parametrize(("fps", "drop_frame"), RATES)
def test_the_time_of_day_at_the_first_sample(fps, drop_frame, rate_hz):
    found = read_ltc(ltc_sound(FIRST, 2.0, fps=fps, drop_frame=drop_frame, rate_hz=rate_hz), rate_hz)
    assert found is not None
    assert (found.fps, found.drop_frame) == (fps, drop_frame)
    assert found.seconds == pytest.approx(float(FIRST / fps), abs=2e-4)


@pytest.mark.parametrize("cut_seconds", [0.0, 0.013, 0.4321])
@pytest.mark.parametrize(("fps", "drop_frame"), RATES)
def test_a_sound_may_begin_within_a_frame(fps, drop_frame, cut_seconds):
    sound = ltc_sound(FIRST, 3.0, fps=fps, drop_frame=drop_frame)[round(48_000 * cut_seconds) :]
    found = read_ltc(sound, 48_000)
    assert found is not None
    assert found.seconds == pytest.approx(float(FIRST / fps) + cut_seconds, abs=2e-4)


@pytest.mark.parametrize("speed", [0.9999, 1.0001, 1.0003])
@pytest.mark.parametrize("level", [-1.0, -0.002, 0.01, 0.9])
@pytest.mark.parametrize(("fps", "drop_frame"), RATES)
def test_level_polarity_speed_offset_and_noise_do_no_harm(fps, drop_frame, level, speed):
    sound = ltc_sound(FIRST, 3.0, fps=fps, drop_frame=drop_frame, level=level, speed=speed)
    found = read_ltc(sound + noise(len(sound), abs(level) / 10) + np.float32(0.3 * level), 48_000)
    assert found is not None
    assert (found.fps, found.drop_frame) == (fps, drop_frame)
    assert found.seconds == pytest.approx(float(FIRST / fps), abs=5e-4)


def test_a_dropout_in_the_middle_does_no_harm():
    sound = ltc_sound(FIRST, 4.0, fps=PAL)
    sound[60_000:70_000] = noise(10_000, 0.01)
    found = read_ltc(sound, 48_000)
    assert found is not None
    assert found.seconds == pytest.approx(float(FIRST / PAL), abs=2e-4)


@pytest.mark.parametrize(("fps", "drop_frame"), RATES)
def test_midnight(fps, drop_frame):
    first = frames_a_day(fps, drop_frame=drop_frame) - 10
    sound = ltc_sound(first, 0.5, fps=fps, drop_frame=drop_frame)
    after = ltc_sound(0, 1.0, fps=fps, drop_frame=drop_frame)
    begin = round(float(10 / fps) * 48_000)
    found = read_ltc(np.concatenate([sound[:begin], after]), 48_000)
    assert found is not None
    assert found.seconds == pytest.approx(float(first / fps), abs=1e-3)


@pytest.mark.parametrize(
    ("number", "drop_frame", "text"),
    [
        (0, False, "00:00:00:00"),
        (107_892, True, "01:00:00;00"),
        (1_799, True, "00:00:59;29"),
        (1_800, True, "00:01:00;02"),
        (17_981, True, "00:09:59;29"),
        (17_982, True, "00:10:00;00"),
        (108_000, False, "01:00:00:00"),
    ],
)
def test_as_a_person_reads_it(number, drop_frame, text):
    """SMPTE ST 12-1: two numbers are dropped each minute but the tenth."""
    assert Ltc(float(number / NTSC), NTSC, drop_frame).timecode == text
    sound = ltc_sound(number, 1.0, fps=NTSC, drop_frame=drop_frame)
    found = read_ltc(sound, 48_000)
    assert found is not None
    assert found.timecode == text


def square(hz, seconds=2.0):
    return np.sign(np.sin(2 * np.pi * hz * np.arange(round(48_000 * seconds)) / 48_000)).astype(np.float32)


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(96_000, np.float32),
        np.zeros(0, np.float32),
        np.full(96_000, 0.5, np.float32),
        noise(96_000, 0.1),
        square(1000.0),
        square(2000.0),
        square(1200.0) * np.repeat(np.random.default_rng(1).choice([-1, 1], 96), 1000).astype(np.float32),
        ltc_sound(FIRST, 2.0, fps=PAL)[::-1].copy(),
        ltc_sound(FIRST, 0.1, fps=PAL),
        np.tile(ltc_sound(FIRST, 0.04, fps=PAL), 50),
    ],
    ids=["silence", "empty", "constant", "noise", "1 kHz", "2 kHz", "keyed", "backward", "too short", "one frame"],
)
def test_nothing_else_is_timecode(sound):
    assert read_ltc(sound, 48_000) is None
