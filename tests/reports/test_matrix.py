"""The order and the size of the drawn matrix."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avmatch.core.matches import Match
from avmatch.reports.page import matrix_picture, pooled


def test_decided_pairs_lie_on_the_diagonal(build):
    picture = matrix_picture(build(5))
    assert picture.partners == (0, 1, 2, 3, 4)
    np.testing.assert_array_equal(np.diag(picture.cells), np.full(5, 5.0, dtype=np.float32))
    assert picture.columns == (4, 3, 2, 1, 0)


def test_what_has_no_match_comes_last(build):
    matches = list(build(4).matches)
    matches[1] = Match("v/clip 1.mp4", None, 0.1, None, None, "")
    picture = matrix_picture(build(4, matches=tuple(matches)))
    assert picture.rows == (0, 2, 3, 1)
    assert picture.columns == (3, 1, 0, 2)
    assert picture.partners == (0, 1, 2, None)


def test_one_sound_for_several_videos_makes_a_staircase(build):
    sounds = ("a/take 2.wav", "a/take 0.wav", "a/take 2.wav")
    matches = tuple(Match(f"v/clip {i}.mp4", sound, 0.9, 1.0, 0.0, "motion") for i, sound in enumerate(sounds))
    picture = matrix_picture(build(3, matches=matches))
    assert picture.rows == (0, 2, 1)
    assert picture.partners == (0, 0, 1)


def test_scale_starts_at_the_median_and_is_never_empty(build):
    picture = matrix_picture(build(5))
    assert (picture.low, picture.high) == (-2.0, 5.0)
    flat = matrix_picture(build(2, similarity=np.full((2, 2), 3.0, dtype=np.float32)))
    assert flat.low < flat.high == 3.0
    unknown = matrix_picture(build(2, similarity=np.full((2, 2), np.nan, dtype=np.float32)))
    assert (unknown.low, unknown.high) == (0.0, 1.0)


@given(num_rows=st.integers(1, 40), num_columns=st.integers(1, 40), max_cells=st.integers(1, 12))
def test_pooling_keeps_every_block_maximum(num_rows, num_columns, max_cells):
    scores = np.random.default_rng(0).normal(size=(num_rows, num_columns)).astype(np.float32)
    scores[0, 0] = np.nan
    cells = pooled(scores, max_cells)
    assert cells.shape == (min(num_rows, max_cells), min(num_columns, max_cells))
    for (row, column), cell in np.ndenumerate(cells):
        top, bottom = (edge * num_rows // cells.shape[0] for edge in (row, row + 1))
        left, right = (edge * num_columns // cells.shape[1] for edge in (column, column + 1))
        block = scores[top:bottom, left:right]
        expected = np.nan if np.isnan(block).all() else np.nanmax(block)
        assert cell == pytest.approx(expected, nan_ok=True)
