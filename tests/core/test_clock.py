"""Seconds, samples, frames and milliseconds go into one another and back."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avmatch.core.clock import (
    frames_from_seconds,
    milliseconds_from_seconds,
    samples_from_seconds,
    seconds_from_milliseconds,
    seconds_from_samples,
)


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
