"""The duration cue is weak on purpose."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avmatch.core.features import AudioFeatures, VideoFeatures
from avmatch.cues.evidence import Cue
from avmatch.cues.recording import DurationCue

LAGS = np.array([-0.1, 0.0, 0.1])
LENGTHS = st.lists(st.floats(0.04, 7200.0), min_size=1, max_size=12)


def videos(lengths):
    return [VideoFeatures(0.0, np.zeros((0, 4, 64), np.float16), (), 25.0, float(seconds)) for seconds in lengths]


def audios(lengths):
    none = np.zeros((0, 8), np.float16)
    return [AudioFeatures(0.0, none, none, float(seconds), 0.5) for seconds in lengths]


def evidence(seen, heard):
    """(N, M) weighted nats, which must be the same at every lag."""
    cue = DurationCue()
    curves = cue.curves(videos(seen), audios(heard), LAGS)
    assert curves.nats.shape == (len(seen), len(heard), len(LAGS))
    assert (curves.nats == curves.nats[..., :1]).all()
    return cue.calibration.weight * curves.nats[..., 0]


def test_it_is_a_cue():
    assert isinstance(DurationCue(), Cue)
    assert DurationCue().name == "duration"


@given(seen=LENGTHS, heard=LENGTHS)
def test_it_adds_at_most_one_nat_and_takes_away_little(seen, heard):
    nats = evidence(seen, heard)
    assert nats.max() <= 1.0 + 1e-6
    assert nats.min() >= -0.12


@given(seconds=st.floats(0.1, 7200.0), num=st.integers(1, 10))
def test_where_all_are_equally_long_it_says_nothing(seconds, num):
    np.testing.assert_allclose(evidence([seconds] * 3, [seconds] * num), 0.0, atol=1e-6)


def test_where_half_are_equally_long_it_says_next_to_nothing():
    nats = evidence([5.0], [5.0] * 10 + list(np.linspace(8.0, 20.0, 10)))
    assert nats[0, 0] < 0.1


def test_among_many_lengths_the_equal_one_is_preferred():
    lengths = np.linspace(3.0, 60.0, 50)
    nats = evidence(lengths, lengths + 0.02)
    np.testing.assert_array_equal(nats.argmax(axis=1), np.arange(50))
    assert nats.diagonal().min() > 0.8
    assert nats[~np.eye(50, dtype=bool)].max() < 0.0


@pytest.mark.parametrize("difference_seconds", [0.5, 10.0])
def test_it_does_not_rule_out_recordings_of_other_lengths(difference_seconds):
    lengths = np.linspace(3.0, 60.0, 20)
    assert evidence([30.0 + difference_seconds], lengths).min() > -0.12


def test_empty_sides_give_empty_curves():
    assert evidence([], [1.0]).shape == (0, 1)
    assert evidence([1.0], []).shape == (1, 0)
