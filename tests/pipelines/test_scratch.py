"""What cameras heard of the recordings, as evidence of pairs."""

from __future__ import annotations

import numpy as np
import pytest

from avmatch.alignment.sounds import MAX_NATS, SoundAlignment
from avmatch.core.origins import Origin
from avmatch.matching.fusion import no_scores
from avmatch.pipelines.pairs import Pair
from avmatch.pipelines.scratch import with_heard

ZOOM, TASCAM = (Origin(f"{name}1", name, is_known=True) for name in ("zoom", "tascam"))


def same(strength, offset=0.0, span=(0.0, 8.0)):
    return SoundAlignment(offset, 0.0, strength, 2, (offset, offset), span)


def evidence(heard, origins, num_videos=2, many=False):
    scores = no_scores((), (num_videos, len(origins)))
    found = with_heard(scores, {Pair(*pair): alignment for pair, alignment in heard.items()}, origins, many=many)
    return found.parts[0]


def test_of_two_takes_with_the_same_music_that_which_was_there_has_it():
    heard = {(0, 0): same(900.0), (0, 1): same(4000.0), (1, 0): same(3000.0), (1, 1): same(800.0)}
    np.testing.assert_allclose(evidence(heard, [ZOOM, ZOOM]), [[0.0, MAX_NATS], [MAX_NATS, 0.0]], rtol=1e-3)


@pytest.mark.parametrize("many", [False, True])
def test_takes_that_nothing_tells_apart_have_the_same_evidence(many):
    heard = {(row, column): same(100.0 + 20 * row + 10 * column) for row in range(2) for column in range(2)}
    found = evidence(heard, [ZOOM, ZOOM], many=many)
    assert found.min() > 90.0
    np.testing.assert_array_equal(found[:, 0], found[:, 1])


@pytest.mark.parametrize(
    ("second", "span"), [(TASCAM, (0.0, 8.0)), (ZOOM, (5.0, 8.0))], ids=["second recorder", "split recorder"]
)
def test_a_recording_of_the_same_take_is_no_rival(second, span):
    first = same(1000.0, span=(0.0, 8.0) if second is TASCAM else (0.0, 5.0))
    found = evidence({(0, 0): first, (0, 1): same(900.0, span=span)}, [ZOOM, second], num_videos=1)
    np.testing.assert_allclose(found, [[MAX_NATS, 0.0]], rtol=1e-3)


def test_of_two_recorders_that_which_covers_more_goes_first_however_clear_the_other():
    found = evidence({(0, 0): same(9000.0, span=(0.0, 5.0)), (0, 1): same(900.0)}, [ZOOM, TASCAM], num_videos=1)
    np.testing.assert_allclose(found, [[0.0, MAX_NATS]], rtol=1e-3)
