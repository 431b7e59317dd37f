"""Negatives: never the row itself, of the kinds and in the shares asked for; batches of ranks; orders of epochs."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avmatch.core.errors import UsageError
from avmatch.data.negatives import Curriculum, NegativeMix, Negatives, epoch_order, nearest_negatives, shard_of

UNIFORM = NegativeMix()
HARD = NegativeMix(0.0, 1.0, 0.0)
SAME = NegativeMix(0.0, 0.0, 1.0)

groups = st.lists(st.integers(-2, 6), min_size=2, max_size=30).filter(lambda group: len(set(group)) > 1).map(np.array)
weights = st.floats(0.0, 5.0).map(lambda weight: round(weight, 2))
mixes = st.tuples(weights, weights, weights).filter(lambda three: sum(three) > 0).map(lambda three: NegativeMix(*three))
seeds = st.integers(0, 2**32)


def rng(seed=0):
    return np.random.default_rng(seed)


def unit(shape, seed):
    vectors = rng(seed).normal(size=shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@given(groups, st.integers(1, 9), seeds)
def test_uniform_negatives_are_never_of_the_own_group(group, count, seed):
    rows = rng(seed).integers(len(group), size=11)
    drawn = Negatives(group).draw(rows, count, UNIFORM, rng(seed))
    assert drawn.shape == (11, count)
    assert (group[drawn] != group[rows][:, None]).all()


def test_uniform_negatives_are_uniform():
    group = np.array([3, 0, 3, 1, 0, 2])
    drawn = Negatives(group).draw(np.zeros(1000, int), 50, UNIFORM, rng())
    shares = np.bincount(drawn.ravel(), minlength=6) / drawn.size
    np.testing.assert_allclose(shares, [0, 0.25, 0, 0.25, 0.25, 0.25], atol=0.01)


@given(groups, seeds)
def test_same_recording_negatives_are_siblings_where_there_are_any(group, seed):
    rows = np.arange(len(group))
    drawn = Negatives(group).draw(rows, 7, SAME, rng(seed))
    assert (drawn != rows[:, None]).all()
    has_siblings = (group[:, None] == group).sum(axis=1) > 1
    assert ((group[drawn] == group[:, None]) == has_siblings[:, None]).all()


def test_same_recording_negatives_are_uniform_among_siblings():
    drawn = Negatives(np.array([0, 1, 0, 0])).draw(np.full(1000, 2), 40, SAME, rng())
    np.testing.assert_allclose(np.bincount(drawn.ravel(), minlength=4) / drawn.size, [0.5, 0, 0, 0.5], atol=0.01)


@given(groups, mixes, seeds)
def test_no_mix_ever_draws_the_row_itself_and_a_seed_repeats_it(group, mix, seed):
    negatives = Negatives(group, num_hard=3)
    vectors = unit((len(group), 4), seed)
    rows = np.arange(len(group))
    for _ in range(2):
        drawn = negatives.draw(rows, 5, mix, rng(seed))
        assert (drawn != rows[:, None]).all()
        np.testing.assert_array_equal(drawn, negatives.draw(rows, 5, mix, rng(seed)))
        negatives.set_nearest(nearest_negatives(vectors, vectors, group, 3))


def test_hard_negatives_are_the_nearest_once_they_are_known():
    group = np.arange(50)
    negatives, rows = Negatives(group, num_hard=2), np.arange(50)
    before = negatives.draw(rows, 40, HARD, rng())
    assert len(np.unique(before)) == 50
    nearest = (rows[:, None] + np.arange(1, 6)) % 50
    negatives.set_nearest(nearest)
    drawn = negatives.draw(rows, 40, HARD, rng())
    assert [sorted(set(row)) for row in drawn] == [sorted(row[:2]) for row in nearest]


def test_shares_of_a_mix_are_kept():
    group = np.arange(100) // 5
    negatives, rows = Negatives(group, num_hard=1), np.arange(100)
    hard = (rows + 50) % 100
    negatives.set_nearest(hard[:, None])
    drawn = negatives.draw(rows, 1000, NegativeMix(1.0, 2.0, 1.0), rng())
    same = (group[drawn] == group[:, None]).mean()
    is_hard = (drawn == hard[:, None]).mean()
    assert same == pytest.approx(0.25, abs=0.01)
    assert is_hard == pytest.approx(0.5 + 0.25 / 95, abs=0.01)


@pytest.mark.parametrize(
    ("nearest", "message"),
    [
        ([[1], [0]], r"nearest must be \(3, 1 or more\), got \(2, 1\)"),
        ([[], [], []], r"got \(3, 0\)"),
        ([[1], [2], [0]], "items 0…2 of other groups"),
        ([[2], [2], [3]], "items 0…2 of other groups"),
        ([[2], [2], [-1]], "items 0…2 of other groups"),
    ],
)
def test_nearest_items_are_checked(nearest, message):
    with pytest.raises(UsageError, match=message):
        Negatives(np.array([0, 0, 1])).set_nearest(np.array(nearest, int).reshape(len(nearest), -1))


def test_negatives_need_two_recordings():
    with pytest.raises(UsageError, match="come from other recordings, but the 4 items have 1"):
        Negatives(np.zeros(4, int))
    with pytest.raises(UsageError, match="num_hard must be at least 1"):
        Negatives(np.arange(4), num_hard=0)


@pytest.mark.parametrize("weights", [(0.0, 0.0, 0.0), (1.0, -0.5, 0.0), (float("nan"), 0.0, 0.0), (np.inf, 0.0, 0.0)])
def test_a_mix_has_weights(weights):
    with pytest.raises(UsageError, match="can't be negative, nor all zero"):
        NegativeMix(*weights)


def test_a_curriculum_goes_from_stage_to_stage_and_is_json():
    curriculum = Curriculum(((0, UNIFORM), (3, HARD)))
    assert [curriculum.mix_at(epoch) for epoch in range(5)] == [UNIFORM] * 3 + [HARD] * 2
    assert Curriculum().mix_at(7) == UNIFORM
    stages = json.loads(json.dumps(dataclasses.asdict(curriculum)))["stages"]
    assert Curriculum(tuple((begin, NegativeMix(**mix)) for begin, mix in stages)) == curriculum


@pytest.mark.parametrize("begins", [(), (1,), (0, 3, 3), (0, 5, 2)])
def test_stages_rise_from_zero(begins):
    with pytest.raises(UsageError, match="stages must begin at epoch 0 and rise"):
        Curriculum(tuple((begin, UNIFORM) for begin in begins))


@given(groups, st.integers(1, 8), st.integers(1, 7), seeds)
def test_the_nearest_negatives_are_those_of_a_plain_search(group, num_hard, block, seed):
    video, audio = unit((len(group), 5), seed), unit((len(group), 5), seed + 1)
    nearest = nearest_negatives(video, audio, group, num_hard, block)
    largest = np.unique(group, return_counts=True)[1].max()
    assert nearest.shape == (len(group), min(num_hard, len(group) - largest))
    similarity = video @ audio.T
    similarity[group[:, None] == group] = -np.inf
    expected = np.sort(similarity, axis=1)[:, ::-1][:, : nearest.shape[1]]
    np.testing.assert_allclose(np.take_along_axis(similarity, nearest, axis=1), expected, atol=1e-6)
    assert all(len(set(row)) == len(row) for row in nearest)


def x():
    with pytest.raises(UsageError, match="asked for 3 negatives, but 0 items are of other groups"):
        nearest_negatives(unit((4, 2), 0), unit((4, 2), 1), np.zeros(4, int), 3)


def test_each_epoch_has_an_order_of_its_own():
    orders = [epoch_order(100, seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert all(sorted(order) == list(range(100)) for order in orders)
    assert len({order.tobytes() for order in orders}) == 4
    np.testing.assert_array_equal(orders[3], epoch_order(100, 1, 1))


@given(st.integers(1, 60), st.integers(1, 4), st.integers(1, 8), seeds)
def test_the_batches_of_all_ranks_are_the_batches_of_one(num_items, world_size, part, seed):
    order, batch_size = epoch_order(num_items, seed, 0), world_size * part
    if num_items < world_size:
        with pytest.raises(UsageError, match=f"{num_items} items are too few for {world_size} processes"):
            shard_of(order, 0, world_size, batch_size)
        return
    ranks = [shard_of(order, rank, world_size, batch_size) for rank in range(world_size)]
    together = np.concatenate(ranks, axis=1)
    alone = shard_of(order, 0, 1, batch_size)
    if num_items >= batch_size:
        np.testing.assert_array_equal(together, alone)
        assert alone.size == num_items // batch_size * batch_size
    else:
        assert alone.shape == (1, num_items)
        np.testing.assert_array_equal(together, alone[:, : num_items // world_size * world_size])
    assert len(np.unique(together)) == together.size


@pytest.mark.parametrize(
    ("rank", "world_size", "batch_size", "message"),
    [
        (2, 2, 4, "rank must lie in 0…1, got 2"),
        (-1, 2, 4, "rank must lie in 0…1, got -1"),
        (0, 2, 5, "a batch of 5 can't be cut into 2 equal parts"),
        (0, 1, 0, "a batch of 0 can't be cut into 1 equal parts"),
    ],
)
def test_parts_are_equal(rank, world_size, batch_size, message):
    with pytest.raises(UsageError, match=message):
        shard_of(np.arange(10), rank, world_size, batch_size)
