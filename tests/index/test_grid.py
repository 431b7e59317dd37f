"""Windows cover a file without gaps."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avmatch.index.grid import HOP_SECONDS, WHOLE_SECONDS, WINDOW_SECONDS, num_windows, window, windows


@given(st.floats(0.0, 20_000.0))
def test_windows_cover_a_file_from_its_beginning_to_its_end(duration):
    found = windows(duration)
    assert found[0].begin_seconds == 0.0
    assert found[-1].end_seconds == duration
    for one, next_one in pairwise(found):
        assert next_one.begin_seconds == one.begin_seconds + HOP_SECONDS
        assert next_one.begin_seconds < one.end_seconds
    lengths = [one.length_seconds for one in found]
    assert max(lengths) <= WHOLE_SECONDS
    assert min(lengths) >= min(duration, WINDOW_SECONDS - HOP_SECONDS / 2)


@pytest.mark.parametrize(("duration", "num"), [(0.3, 1), (12.5, 1), (12.6, 2), (17.4, 2), (17.5, 3), (7200.0, 1439)])
def test_how_many_windows_a_file_has(duration, num):
    assert num_windows(duration) == num


def test_a_window_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="window 1 of 1"):
        window(1, 5.0)
