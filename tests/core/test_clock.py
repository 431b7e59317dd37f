"""Seconds, samples, frames and milliseconds go into one another and back."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avmatch.core.clock import (
    clock_text,
    frames_from_seconds,
    milliseconds_from_seconds,
    offset_text,
    samples_from_seconds,
    seconds_from_milliseconds,
    seconds_from_samples,
    seconds_from_text,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("0.5", 0.5),
        ("1:30", 90),
        ("1:02:03.5", 3723.5),
        ("250ms", 0.25),
        ("-0:01.5", -1.5),
        (" 2 min", 120),
    ],
)
def test_durations_are_read_as_people_write_them(text, seconds):
    assert seconds_from_text(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "soon", "1:75", "1:2:3:4", "5 m", "nan", "1e3", "--5"])
def test_what_is_no_duration_says_what_one_looks_like(text):
    with pytest.raises(ValueError, match="is no duration; write seconds"):
        seconds_from_text(text)


@given(tenths=st.integers(0, 10**8))
def test_a_time_on_a_clock_is_read_back(tenths):
    text = clock_text(tenths / 10)
    assert seconds_from_text(text) == pytest.approx(tenths / 10)
    assert len(text.partition(".")[2]) == 3


@given(num=st.integers(-(10**10), 10**10), rate_hz=st.sampled_from([8000, 11025, 16000, 44100, 48000, 96000]))
def test_samples_survive_the_way_through_seconds(num, rate_hz):
    assert samples_from_seconds(seconds_from_samples(num, rate_hz), rate_hz) == num


@given(tenths=st.integers(-(10**9), 10**9))
def test_tenths_of_milliseconds_survive_the_way_through_seconds(tenths):
    milliseconds = tenths / 10
    assert milliseconds_from_seconds(seconds_from_milliseconds(milliseconds)) == milliseconds


@pytest.mark.parametrize(
    ("seconds", "num"),
    [(0.0, 0), (1.0, 16000), (0.000031, 0), (0.00004, 1), (-0.00004, -1), (0.0001, 2)],
)
def test_samples_are_the_nearest_ones(seconds, num):
    assert samples_from_seconds(seconds, 16000) == num


@pytest.mark.parametrize(("seconds", "milliseconds"), [(0.12, 120.0), (-0.04004, -40.0), (0.04006, 40.1)])
def test_milliseconds_are_rounded_to_the_tenth(seconds, milliseconds):
    assert milliseconds_from_seconds(seconds) == milliseconds


def test_hardly_early_is_not_minus_nothing():
    assert math.copysign(1.0, milliseconds_from_seconds(-0.00001)) == 1.0


def test_frames_keep_their_fractions():
    assert frames_from_seconds(0.12, 25.0) == pytest.approx(3.0)
    assert frames_from_seconds(-0.05, 30000 / 1001) == pytest.approx(-1.4985, abs=1e-4)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "—"), (math.nan, "—"), (9.9994, "+9999 ms"), (10.0, "+0:00:10.000"), (-12.5, "−0:00:12.500")],
)
def test_offsets_are_milliseconds_below_ten_seconds_and_a_clock_from_there_on(seconds, text):
    assert offset_text(seconds) == text


def test_the_farther_end_of_the_interval_is_shown():
    assert offset_text(0.1, (0.08, 0.15)) == "+100 ± 50 ms"
    assert offset_text(83.4, (83.3, 83.45)) == "+0:01:23.400 ± 100 ms"
