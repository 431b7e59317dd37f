"""Labels of frames: SMPTE's published counts, and OpenTimelineIO's arithmetic as an outside truth."""

from __future__ import annotations

from fractions import Fraction

import opentimelineio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avmatch.media.timecode import STANDARD_RATES, Timecode, can_drop, parse_timecode, standard_rate, timecode_at

NTSC_24, NTSC_30, NTSC_60 = Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60000, 1001)


@pytest.mark.parametrize(
    ("frame", "rate", "is_drop", "label"),
    [
        (0, Fraction(25), False, "00:00:00:00"),
        (86_400, Fraction(24), False, "01:00:00:00"),
        (86_400, NTSC_24, False, "01:00:00:00"),
        (1_799, NTSC_30, True, "00:00:59;29"),
        (1_800, NTSC_30, True, "00:01:00;02"),  # ;00 and ;01 are left out
        (17_982, NTSC_30, True, "00:10:00;00"),  # but not at the tenth minute
        (107_892, NTSC_30, True, "01:00:00;00"),  # SMPTE ST 12-1: 108 labels an hour
        (108_000, NTSC_30, False, "01:00:00:00"),
        (3_600, NTSC_60, True, "00:01:00;04"),
        (215_784, NTSC_60, True, "01:00:00;00"),
        (119, Fraction(120), False, "00:00:00:119"),
        (24 * 90_000, Fraction(25), False, "00:00:00:00"),
    ],
)
def test_labels(frame: int, rate: Fraction, is_drop: bool, label: str) -> None:
    code = Timecode(frame, rate, is_drop)
    assert str(code) == label
    if frame < 24 * 90_000:
        assert parse_timecode(label, rate) == code


@given(
    frame=st.integers(0, 24 * 3600 * 23),
    rate=st.sampled_from(
        [rate for rate in STANDARD_RATES if rate.denominator == 1 or rate in (NTSC_24, NTSC_30, NTSC_60)]
    ),
    is_drop=st.booleans(),
)
def test_labels_are_those_of_opentimelineio(frame: int, rate: Fraction, is_drop: bool) -> None:
    code = Timecode(frame, rate, is_drop and can_drop(rate))
    if not opentimelineio.opentime.RationalTime.is_smpte_timecode_rate(float(rate)):
        return
    time = opentimelineio.opentime.RationalTime(frame, float(rate))
    assert str(code) == opentimelineio.opentime.to_timecode(time, float(rate), code.is_drop)
    assert parse_timecode(str(code), rate) == code


def test_an_hour_of_drop_frame_is_an_hour() -> None:
    assert abs(float(Timecode(107_892, NTSC_30, True).seconds) - 3600.0) < 0.004
    assert Timecode(108_000, NTSC_30).seconds == Fraction(36036, 10)


def test_a_time_has_the_label_of_the_frame_that_is_there() -> None:
    assert str(timecode_at(Fraction(3600), NTSC_24)) == "00:59:56:09"
    assert str(timecode_at(Timecode(86_400, NTSC_24).seconds, NTSC_24)) == "01:00:00:00"
    assert str(timecode_at(Fraction(86_400 + 1), Fraction(25))) == "00:00:01:00"  # the next day


@pytest.mark.parametrize(
    ("rate", "last"),
    [
        (Fraction(25), "23:59:59:24"),
        (NTSC_24, "23:59:59:23"),  # 86,486 s after the first label
        (NTSC_30, "23:59:59:29"),
        (NTSC_30, "23:59:59;29"),  # 86,399.9 s after it
        (NTSC_60, "23:59:59;59"),
    ],
)
def test_labels_start_over_behind_the_last_one(rate: Fraction, last: str) -> None:
    code = parse_timecode(last, rate)
    assert code is not None
    assert str(timecode_at(code.seconds, rate, is_drop=code.is_drop)) == last
    following = (code.frame + 1) / rate
    assert timecode_at(following, rate, is_drop=code.is_drop) == Timecode(0, rate, code.is_drop)
    assert timecode_at(following + 5 / rate, rate, is_drop=code.is_drop) == Timecode(5, rate, code.is_drop)


@pytest.mark.parametrize("label", ["", "1:2:3:4", "00:00:00:25", "00:61:00:00", "aa:00:00:00", "00:00:00"])
def test_what_is_no_label_says_nothing(label: str) -> None:
    assert parse_timecode(label, Fraction(25)) is None


def test_a_wrong_timecode_is_refused() -> None:
    with pytest.raises(ValueError, match="no drop-frame timecode at 25"):
        Timecode(0, Fraction(25), True)
    with pytest.raises(ValueError, match="frame of 0 or more"):
        Timecode(-1, Fraction(25))


@pytest.mark.parametrize(
    ("stored", "meant"),
    [
        (Fraction(2997, 125), NTSC_24),  # 23.976
        (Fraction(2997, 100), NTSC_30),
        (Fraction(19001, 317), NTSC_60),
        (Fraction(24), Fraction(24)),
        (Fraction(25, 2), Fraction(25, 2)),
    ],
)
def test_rates_that_containers_round(stored: Fraction, meant: Fraction) -> None:
    assert standard_rate(stored) == meant
