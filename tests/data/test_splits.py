"""Splits and folds: whole, disjoint, never through a group, balanced, repeatable."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avmatch.core.errors import UsageError
from avmatch.data.pairs import read_pairs
from avmatch.data.splits import group_folds, split_by_group

seeds = st.integers(0, 2**32)


def several_groups(least):
    values = st.lists(st.integers(-3, 40), min_size=least, max_size=80)
    return values.filter(lambda group: len(set(group)) >= least).map(np.array)


@given(several_groups(2), st.floats(0.01, 0.99), seeds)
def test_a_split_is_whole_and_never_cuts_a_group(group, share, seed):
    train, validation = split_by_group(group, share, seed)
    assert sorted([*train, *validation]) == list(range(len(group)))
    assert len(train) > 0
    assert len(validation) > 0
    assert not set(group[train]) & set(group[validation])
    again = split_by_group(group, share, seed)
    assert (train.tolist(), validation.tolist()) == (again[0].tolist(), again[1].tolist())


@given(several_groups(2), st.floats(0.01, 0.99), seeds)
def test_a_share_is_met_as_nearly_as_the_largest_group_allows(group, share, seed):
    _, validation = split_by_group(group, share, seed)
    largest = np.unique(group, return_counts=True)[1].max()
    assert abs(len(validation) - share * len(group)) <= largest


def test_a_share_of_strangers_is_exact():
    train, validation = split_by_group(np.arange(1000), 0.1, 3)
    assert (len(train), len(validation)) == (900, 100)
    assert not np.array_equal(validation, split_by_group(np.arange(1000), 0.1, 4)[1])
    assert [len(rows) for rows in split_by_group(np.arange(5), 0.0, 0)] == [5, 0]


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_is_a_share(share):
    with pytest.raises(UsageError, match="validation_share must lie in 0…1 and below 1"):
        split_by_group(np.arange(5), share, 0)


def test_one_group_can_t_be_split():
    with pytest.raises(UsageError, match="5 items of 1 group can't be split"):
        split_by_group(np.zeros(5, int), 0.2, 0)


@given(several_groups(3), st.integers(2, 3), seeds)
def test_every_item_is_in_one_fold_and_no_group_in_two(group, num_folds, seed):
    fold = group_folds(group, num_folds, seed)
    assert fold.shape == group.shape
    assert set(fold) == set(range(num_folds))
    assert all(len(set(fold[group == one])) == 1 for one in group)
    sizes = np.bincount(fold)
    assert sizes.max() - sizes.min() <= np.unique(group, return_counts=True)[1].max()
    np.testing.assert_array_equal(fold, group_folds(group, num_folds, seed))


def test_folds_depend_on_the_seed_and_not_on_the_names_of_groups():
    group = np.arange(60) // 2
    assert not np.array_equal(group_folds(group, 5, 0), group_folds(group, 5, 1))
    np.testing.assert_array_equal(group_folds(group, 5, 0), group_folds(group * 7 - 3, 5, 0))


@pytest.mark.parametrize("num_folds", [1, 4])
def test_folds_need_groups(num_folds):
    with pytest.raises(UsageError, match=rf"num_folds must lie in 2…3 \(the number of groups\), got {num_folds}"):
        group_folds(np.array([0, 0, 1, 2]), num_folds, 0)


@pytest.mark.shared
def test_nine_folds_of_the_real_set(shared_data):
    group = read_pairs(shared_data / "std2022").group
    assert sorted(np.bincount(group_folds(group, 9, 0))) == [333, *[334] * 8]
