"""Times that go on, whatever the stamps do."""

from fractions import Fraction

import pytest

from avmatch.media.source import MAX_GAP_SECONDS, StreamClock

TICK_SECONDS = 0.04


def times(clock, stamps):
    """What is made of stamps in ticks of 40 ms; a frame that goes back is dropped by who asks, as `decode` does."""
    found, last = [], None
    for stamp in stamps:
        following = 0.0 if last is None else last + TICK_SECONDS
        told = clock.seconds(stamp, Fraction(1, 25), last, following)
        if last is None or told > last:
            found.append(round(told / TICK_SECONDS))
            last = told
    return found


def test_plain_stamps_stay_as_they_are():
    assert times(StreamClock(0.4, [0.0]), [10, 11, 13, 12, 14]) == [0, 1, 3, 4]


def test_a_stamp_out_of_nowhere_costs_nothing_after_it():
    wild = round(2 * MAX_GAP_SECONDS / TICK_SECONDS)
    assert times(StreamClock(0.0, [0.0]), [0, 1, wild, 3, 4, 5]) == [0, 1, 2, 3, 4, 5]


def test_behind_a_gap_is_no_new_clock():
    """Minutes ahead may be meant; what comes back to where it was is dropped, and the times stay true."""
    assert times(StreamClock(0.0, [0.0]), [0, 1, 500, 3, 4, 501]) == [0, 1, 500, 501]


def test_streams_start_over_by_the_same():
    """The second part's sound begins 5 ticks after its picture, as it did in the first."""
    starts = [0.0]
    picture, sound = StreamClock(0.0, starts), StreamClock(0.0, starts)
    assert times(picture, [*range(50), *range(50)]) == list(range(100))
    assert times(sound, [*range(5, 50), *range(5, 50)]) == [*range(5, 50), *range(55, 100)]
    assert starts == [0.0, pytest.approx(-50 * TICK_SECONDS)]
