"""Negatives of sync: how far away they are, in which shares they come, when they change."""

import numpy as np
import pytest

from avmatch.core.errors import UsageError
from avmatch.systems.avts.negatives import SyncCurriculum, SyncMix, SyncShifts
from avmatch.systems.avts.recipe import CURRICULUM


def away(kind, shifts, begin=60, num_begins=200, rate_hz=25.0):
    return np.abs(shifts.places(kind, begin, num_begins, rate_hz) - begin)


def test_hard_ones_are_half_a_second_away_or_more():
    found = away("hard", SyncShifts())
    assert found.min() == 13  # 0.52 s
    assert found.max() == 139
    assert away("hard", SyncShifts(), rate_hz=10.0).min() == 5
    assert len(SyncShifts().places("hard", 3, 8, 10.0)) == 0
    assert SyncShifts().places("hard", 3, 10, 10.0).tolist() == [8, 9]


def test_super_hard_ones_have_two_readings():
    far, near = away("super_hard", SyncShifts()), away("super_hard", SyncShifts("near"))
    assert far.min() == 50
    assert (near.min(), near.max()) == (3, 12)
    assert not set(near) & set(away("hard", SyncShifts()))


def test_the_published_curriculum():
    assert [CURRICULUM.mix_at(epoch) for epoch in (0, 49, 50, 89)] == [SyncMix(1, 0)] * 2 + [SyncMix(3, 1)] * 2
    assert CURRICULUM.last == SyncMix(3, 1)


def test_it_is_scaled_to_the_run():
    short = SyncCurriculum(CURRICULUM.stages, epochs=18)
    assert [epoch for epoch in range(18) if short.mix_at(epoch) == SyncMix(3, 1)] == list(range(10, 18))


def test_kinds_come_in_their_shares():
    drawn = SyncMix(3, 1).draw(8000, np.random.default_rng(0))
    assert set(drawn) == {"easy", "hard"}
    assert drawn.count("hard") / 8000 == pytest.approx(0.25, abs=0.02)
    assert set(SyncMix(0, 0, 1).draw(9, np.random.default_rng(0))) == {"super_hard"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SyncMix(0, 0), "can't be negative, nor all zero"),
        (lambda: SyncCurriculum(((0.5, SyncMix()),)), "must begin at a share of 0 and rise, all below 1"),
        (lambda: SyncCurriculum(((0.0, SyncMix()), (1.0, SyncMix()))), "all below 1"),
        (lambda: SyncShifts("middling"), "super_hard is one of far, near, got 'middling'"),
        (lambda: SyncShifts(near_seconds=0.6), "needs 0 < near_seconds < hard_seconds"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make, message):
    with pytest.raises(UsageError, match=message):
        make()
