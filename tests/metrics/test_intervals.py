"""Intervals of a mean against scipy's and against the binomial distribution."""

import numpy as np
import pytest
from paired import student_interval
from scipy.stats import binom, binomtest, bootstrap, ttest_1samp

from avmatch.core.errors import UsageError
from avmatch.metrics.intervals import Interval, bootstrap_interval, exact_share_of, median_of

VALUES = np.random.default_rng(3).exponential(size=80)


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_the_bootstrap_is_scipys(level):
    ours = bootstrap_interval(VALUES, 0, draws=20_000, level=level)
    theirs = bootstrap(
        (VALUES,),
        np.mean,
        n_resamples=20_000,
        method="percentile",
        confidence_level=level,
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_of_hits_the_bootstrap_is_binomial():
    hits = np.arange(100) < 30
    interval = bootstrap_interval(hits, 0, draws=20_000)
    expected = binom(100, 0.3).ppf([0.025, 0.975]) / 100
    assert (interval.low, interval.high) == pytest.approx(tuple(expected), abs=0.0101)


def test_the_seed_decides_the_bootstrap():
    assert bootstrap_interval(VALUES, 5) == bootstrap_interval(VALUES, 5)
    assert bootstrap_interval(VALUES, 5) != bootstrap_interval(VALUES, 6)


def test_one_value_or_equal_ones_have_no_width():
    assert bootstrap_interval(np.array([0.25]), 0) == Interval(0.25, 0.25)
    assert bootstrap_interval(np.ones(9, bool), 0) == Interval(1.0, 1.0)
    assert student_interval(np.full(4, 2.0)) == Interval(2.0, 2.0)


def test_student_by_hand():
    # mean 2, sd 1, standard error 1/√3 = 0.57735; t(0.975, 2 degrees) = 4.30265; 2 ± 2.48414
    interval = student_interval(np.array([1.0, 2.0, 3.0]))
    assert (interval.low, interval.high) == pytest.approx((-0.48414, 4.48414), abs=1e-5)


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_student_is_scipys(level):
    ours = student_interval(VALUES, level=level)
    theirs = ttest_1samp(VALUES, 0.0).confidence_interval(level)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))


@pytest.mark.parametrize(("interval", "fewest"), [(lambda v: bootstrap_interval(v, 0), 1), (student_interval, 2)])
def test_too_few_values_are_refused(interval, fewest):
    with pytest.raises(UsageError, match=f"needs {fewest} or more values, got {fewest - 1}"):
        interval(np.zeros(fewest - 1))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_refused_by_its_place(value):
    with pytest.raises(UsageError, match=r"values\[2\] is not a finite number"):
        bootstrap_interval(np.array([0.0, 1.0, value]), 0)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_the_level_is_a_share(level):
    with pytest.raises(UsageError, match=f"level must lie between 0 and 1, got {level:g}"):
        student_interval(VALUES, level=level)


def test_groups_are_drawn_whole():
    values, group = np.array([1.0, 1.0, 1.0, 0.0]), np.array(["a", "a", "a", "b"])
    # Two draws of two groups: both a (1), both b (0), or, half of the time, one of each (3/4).
    interval = bootstrap_interval(values, 0, group=group, draws=4000, level=0.6)
    assert interval == Interval(0.0, 1.0)
    assert bootstrap_interval(values, 0, group=group, draws=4000, level=0.4) == Interval(0.75, 0.75)


def test_with_groups_of_one_it_is_the_plain_bootstrap():
    grouped = bootstrap_interval(VALUES, 0, group=np.arange(len(VALUES)), draws=20_000)
    plain = bootstrap_interval(VALUES, 0, draws=20_000)
    assert (grouped.low, grouped.high) == pytest.approx((plain.low, plain.high), abs=0.02)


def test_one_group_has_no_interval():
    with pytest.raises(UsageError, match="an interval by groups needs two or more of them, got 1"):
        bootstrap_interval(VALUES, 0, group=np.zeros(len(VALUES), int))


def named(numbers):
    return [f"recording {number}" for number in numbers]


@pytest.mark.parametrize("num_hits", [0, 3, 20, 60])
def test_the_exact_share_is_scipys(num_hits):
    ours = exact_share_of(np.arange(60) < num_hits, named(range(60)))
    theirs = binomtest(num_hits, 60).proportion_ci(method="exact")
    assert ours.share == num_hits / 60
    # One trial fewer, as the variance is estimated from them, where it is.
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.003)


def test_alike_trials_of_one_recording_count_once():
    hits = np.arange(30) < 6
    once = exact_share_of(hits, named(range(30)))
    often = exact_share_of(np.repeat(hits, 10), named(np.repeat(range(30), 10)))
    assert (often.low, often.high) == pytest.approx((once.low, once.high), abs=1e-9)
    assert often.num_trials == 300


def test_nothing_wrong_in_two_recordings_says_little():
    share = exact_share_of(np.zeros(200, bool), named(np.repeat(range(2), 100)))
    assert (share.share, share.low) == (0.0, 0.0)
    assert share.high == pytest.approx(binomtest(0, 2).proportion_ci().high)


def test_the_exact_share_covers():
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(300):
        of_group = rng.beta(2, 8, 25)  # recordings differ
        share = exact_share_of(rng.random(200) < np.repeat(of_group, 8), named(np.repeat(range(25), 8)))
        covered.append(share.low <= 0.2 <= share.high)
    assert np.mean(covered) >= 0.92


def test_the_median_is_scipys():
    ours = median_of(VALUES, named(range(80)), 0, draws=4000)
    theirs = bootstrap(
        (VALUES,), np.median, n_resamples=4000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert ours.median == np.median(VALUES)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.05)
    assert median_of(VALUES, named([0] * 80), 0).low is None
