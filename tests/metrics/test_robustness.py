"""Figures of cells, on trials made by hand."""

from dataclasses import replace

import pytest

from avmatch.metrics.robustness import Trial, figures

RIGHT = Trial("a.mp4", "a", "a.wav", True, 0.95, "ok", 0.95, 0.99, 0.21, 0.01)
OTHERS = (
    replace(RIGHT, group="b", error_seconds=-0.2),  # sure of an offset that is wrong
    replace(RIGHT, group="c", audio="x.wav", is_right=False, status="uncertain", error_seconds=0.04),  # of a pair
    replace(RIGHT, group="d", audio="x.wav", is_right=False, confidence=0.5, status="unrelated", error_seconds=0.3),
    replace(RIGHT, group="e", audio=None, is_right=False, confidence=0.0, status="failed", offset_seconds=None),
)
TRIALS = (RIGHT, *OTHERS[:3], replace(OTHERS[3], error_seconds=None))


def test_each_figure_counts_what_it_says():
    found = figures(TRIALS)
    assert found.num_trials == 5
    shares = (found.pairs_right, found.pairs_wrong_sure, found.ok, found.right_of_ok)
    assert [(share.share, share.num_trials) for share in shares] == [(0.4, 5), (0.2, 5), (0.4, 5), (0.5, 2)]
    assert (found.offsets_wrong_sure.share, found.unrelated.share) == (0.2, 0.2)
    assert found.offset_error_seconds.median == pytest.approx(0.12)  # of 0.01, 0.04, 0.2, 0.3
    assert found.offset_error_seconds.num_values == 4


def test_every_offset_of_a_foreign_sound_is_wrong():
    foreign = replace(RIGHT, audio=None, is_right=None, confidence=0.0, error_seconds=None)
    found = figures([foreign, replace(foreign, group="b", status="unrelated")])
    assert (found.pairs_right, found.offset_error_seconds) == (None, None)
    assert (found.right_of_ok.share, found.offsets_wrong_sure.share, found.ok.share) == (0.0, 0.5, 0.5)
    assert figures([replace(foreign, audio="x.wav", confidence=0.9)]).pairs_wrong_sure.share == 1.0


def test_a_shift_is_known_better_than_a_zero():
    late = replace(RIGHT, error_seconds=0.1)
    assert figures([late]).right_of_ok.share == 1.0
    assert figures([replace(late, is_shift=True)]).right_of_ok.share == 0.0


def test_without_an_ok_there_is_no_share_of_it():
    assert figures([replace(RIGHT, status="uncertain")]).right_of_ok is None
