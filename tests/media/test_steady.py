"""Stamps that jitter don't tear a sound apart; gaps that last stay."""

import numpy as np
import pytest

from avmatch.media.steady import SteadyTimes

PIECE_SECONDS = 0.02


def heard(times):
    """When each piece is heard, by the gaps before them."""
    steady, place, found = SteadyTimes[int](), times[0], []

    def place_all(decided):
        nonlocal place
        for number, gap in decided:
            found.append((number, place + max(gap, -PIECE_SECONDS)))
            place = found[-1][1] + PIECE_SECONDS

    for number, time in enumerate(times):
        place_all(steady.take(number, time, PIECE_SECONDS))
    place_all(steady.flush())
    assert [number for number, _ in found] == list(range(len(times)))
    return np.array([time for _, time in found])


def test_jitter_is_no_gap():
    true = np.arange(500) * PIECE_SECONDS
    jitter = np.random.default_rng(0).uniform(-0.06, 0.06, 500)
    jitter[0] = 0.0
    assert np.abs(heard(true + jitter) - true).max() == pytest.approx(0.0, abs=1e-6)


def test_a_first_stamp_that_is_off_is_put_right():
    true = np.arange(500) * PIECE_SECONDS
    jitter = np.random.default_rng(1).uniform(-0.02, 0.02, 500)
    jitter[0] = 0.06
    assert np.abs(heard(true + jitter) - true)[60:].max() < 0.03


@pytest.mark.parametrize("gap_seconds", [0.03, 0.1, 2.0, 500.0])
def test_a_gap_that_lasts_is_a_gap(gap_seconds):
    times = np.arange(200) * PIECE_SECONDS
    times[100:] += gap_seconds
    assert heard(times) == pytest.approx(times, abs=1e-6)


def test_a_gap_at_the_end_is_believed_if_it_is_clear():
    times = np.arange(20) * PIECE_SECONDS
    times[-1] += 1.0
    assert heard(times) == pytest.approx(times, abs=1e-6)
    times[-1] -= 0.95
    assert heard(times)[-1] == pytest.approx(19 * PIECE_SECONDS, abs=1e-6)


def test_what_comes_twice_is_cut():
    times = np.arange(100) * PIECE_SECONDS
    times[50:] -= 0.1
    assert heard(times)[60:] == pytest.approx(times[60:], abs=1e-6)
