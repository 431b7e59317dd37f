"""Systems compared fold by fold."""

import numpy as np
import pytest
from paired import paired_interval
from scipy.stats import ttest_rel

from avmatch.core.errors import UsageError
from avmatch.metrics.intervals import bootstrap_interval, spread


def test_spread_by_hand():
    # 2, 4, 9: mean 5; squares 9 + 1 + 16 = 26; 26 / 2 = 13
    whole = spread(np.array([2.0, 4.0, 9.0]))
    assert (whole.mean, whole.sd) == pytest.approx((5.0, 13.0**0.5))


def test_a_pair_of_systems_is_the_paired_t_test():
    rng = np.random.default_rng(0)
    folds = rng.normal(40.0, 5.0, size=9)
    first, second = folds + rng.normal(1.0, 0.2, size=9), folds + rng.normal(0.0, 0.2, size=9)
    difference = paired_interval(first - second, 0)
    theirs = ttest_rel(first, second).confidence_interval()
    assert (difference.student.low, difference.student.high) == pytest.approx((theirs.low, theirs.high))
    assert difference.mean == pytest.approx(first.mean() - second.mean())
    assert difference.sd == pytest.approx(np.std(first - second, ddof=1))
    assert difference.bootstrap == bootstrap_interval(first - second, 0)
    # a point's lead shows, though folds differ by more
    assert 0.0 < difference.student.low < difference.bootstrap.low < difference.mean


def test_swapping_the_systems_turns_the_interval_round():
    differences = np.array([0.5, 1.5, -0.25, 2.0])
    ahead, behind = paired_interval(differences, 0), paired_interval(-differences, 0)
    assert (behind.student.low, behind.student.high) == pytest.approx((-ahead.student.high, -ahead.student.low))
    assert (behind.bootstrap.low, behind.bootstrap.high) == pytest.approx((-ahead.bootstrap.high, -ahead.bootstrap.low))


@pytest.mark.parametrize("num", [0, 1])
def test_one_fold_says_nothing_of_the_spread(num):
    with pytest.raises(UsageError, match=f"needs two or more values, got {num}"):
        paired_interval(np.zeros(num), 0)
