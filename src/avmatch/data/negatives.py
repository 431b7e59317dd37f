"""Negatives: draws of items that don't match, and the order of the pairs in an epoch.

Kinds of negatives: *uniform*, any item of another recording; *hard*, one of those that the present model finds most
similar to the row (Faghri et al. 2018, "VSE++"); *same recording*, another piece of the row's own recording,
which differs by time alone (Korbar et al. 2018, "Cooperative learning of audio and video models").

Every draw is a pure function of its generator or seed. Letters: N items, B rows, K negatives a row, H hard ones kept.
"""

from dataclasses import astuple, dataclass, field

import numpy as np
from jaxtyping import Float32, Float64, Int, Int64

from avmatch.core.errors import UsageError

#: How many of the nearest negatives take turns as the hard one of a row.
NUM_HARD = 16


@dataclass(frozen=True)
class Mix:
    """Weights of kinds, which are the fields; only their ratios count."""

    def __post_init__(self) -> None:
        weights = astuple(self)
        if not (min(weights) >= 0 and 0 < sum(weights) < np.inf):
            raise UsageError(f"the weights of a mix can't be negative, nor all zero, got {self}")

    @property
    def shares(self) -> Float64[np.ndarray, " kinds"]:
        """The weights, scaled to a sum of 1."""
        weights = np.array(astuple(self), np.float64)
        return weights / weights.sum()


@dataclass(frozen=True)
class NegativeMix(Mix):
    """Weights of the kinds that `Negatives` draws."""

    uniform: float = 1.0
    hard: float = 0.0
    same_recording: float = 0.0


@dataclass(frozen=True)
class Curriculum:
    """Mixes by epoch: `stages` are (from this epoch on, mix), the first from epoch 0."""

    stages: tuple[tuple[int, NegativeMix], ...] = field(default=((0, NegativeMix()),))

    def __post_init__(self) -> None:
        begins = [begin for begin, _ in self.stages]
        if begins[:1] != [0] or begins != sorted(set(begins)):
            raise UsageError(f"stages must begin at epoch 0 and rise, got {begins}")

    def mix_at(self, epoch: int) -> NegativeMix:
        """The mix of the last stage that has begun."""
        return [mix for begin, mix in self.stages if begin <= epoch][-1]


class Negatives:
    """Draws negatives for rows of one training set.

    Args:
        group: (N,) pieces of one recording share a number.
        num_hard: how many of the nearest negatives take turns.

    Raises:
        UsageError: all items are of one group, so that there is no negative.
    """

    def __init__(self, group: Int[np.ndarray, " N"], num_hard: int = NUM_HARD) -> None:
        names, self._group, sizes = np.unique(group, return_inverse=True, return_counts=True)
        if len(names) < 2:
            raise UsageError(f"negatives come from other recordings, but the {len(group)} items have {len(names)}")
        if num_hard < 1:
            raise UsageError(f"num_hard must be at least 1, got {num_hard}")
        self.num_hard = num_hard
        # Items sorted by group: a group is one run of places, so its inside and its outside are easy to draw from.
        self._item_at = np.argsort(self._group, kind="stable")
        self._place = np.argsort(self._item_at)
        self._size = sizes[self._group]
        self._begin = (np.cumsum(sizes) - sizes)[self._group]
        self._nearest: Int[np.ndarray, "N H"] | None = None

    def set_nearest(self, nearest: Int[np.ndarray, "N H"]) -> None:
        """Take the nearest negatives by the present model, best first (see `nearest_negatives`).

        Raises:
            UsageError: there isn't a row for each item, or an item is given its own group.
        """
        if len(nearest) != len(self._group) or nearest.shape[1] < 1:
            raise UsageError(f"nearest must be ({len(self._group)}, 1 or more), got {nearest.shape}")
        kept = nearest[:, : self.num_hard]
        if kept.min() < 0 or kept.max() >= len(self._group) or (self._group[kept] == self._group[:, None]).any():
            raise UsageError(f"nearest must hold items 0…{len(self._group) - 1} of other groups than the row's own")
        self._nearest = kept

    def draw(
        self, rows: Int[np.ndarray, " B"], count: int, mix: NegativeMix, rng: np.random.Generator
    ) -> Int64[np.ndarray, "B K"]:
        """`count` negatives for each row, independent of each other (one may come twice); never the row itself.

        A row alone in its recording takes uniform ones for same-recording ones; before `set_nearest`, uniform ones
        replace hard ones too.
        """
        weights = np.array([mix.uniform, mix.hard, mix.same_recording])
        kind = rng.choice(3, size=(len(rows), count), p=weights / weights.sum())
        drawn = self._outside(rows, count, rng)
        if self._nearest is not None:
            columns = rng.integers(self._nearest.shape[1], size=drawn.shape)
            drawn = np.where(kind == 1, self._nearest[rows[:, None], columns], drawn)
        has_siblings = self._size[rows, None] > 1
        return np.where((kind == 2) & has_siblings, self._inside(rows, count, rng), drawn)

    def _outside(self, rows: Int[np.ndarray, " B"], count: int, rng: np.random.Generator) -> Int64[np.ndarray, "B K"]:
        """Items of other groups: a place among all but the group's own, which are stepped over."""
        begin, size = self._begin[rows, None], self._size[rows, None]
        place = rng.integers(len(self._group) - size, size=(len(rows), count))
        return self._item_at[place + np.where(place >= begin, size, 0)]

    def _inside(self, rows: Int[np.ndarray, " B"], count: int, rng: np.random.Generator) -> Int64[np.ndarray, "B K"]:
        """Other items of the own group; the item itself where it is alone."""
        siblings = self._size[rows, None] - 1
        place = self._begin[rows, None] + rng.integers(np.maximum(siblings, 1), size=(len(rows), count))
        return self._item_at[place + ((place >= self._place[rows, None]) & (siblings > 0))]


def nearest_negatives(
    video: Float32[np.ndarray, "N D"],
    audio: Float32[np.ndarray, "N D"],
    group: Int[np.ndarray, " N"],
    num_hard: int,
    block: int = 1024,
) -> Int64[np.ndarray, "N H"]:
    """The audio items of other groups that are most like each video, best first.

    H is `num_hard`, or less where the largest group leaves fewer others. Memory: `block` rows of similarities at once.

    Args:
        video, audio: unit vectors; item i of one belongs to item i of the other.
    """
    num_others = len(group) - int(np.unique(group, return_counts=True)[1].max())
    num_kept = min(num_hard, num_others)
    if num_kept < 1:
        raise UsageError(f"asked for {num_hard} negatives, but {num_others} items are of other groups")
    nearest = np.empty((len(group), num_kept), np.int64)
    for begin in range(0, len(group), block):
        rows = slice(begin, begin + block)
        similarity = video[rows] @ audio.T
        similarity[group[rows, None] == group] = -np.inf
        best = np.argpartition(-similarity, num_kept - 1, axis=1)[:, :num_kept]
        order = np.argsort(-np.take_along_axis(similarity, best, axis=1), axis=1, kind="stable")
        nearest[rows] = np.take_along_axis(best, order, axis=1)
    return nearest


def epoch_order(num_items: int, seed: int, epoch: int) -> Int64[np.ndarray, " N"]:
    """The order of all items in one epoch: a shuffle of its own for each seed and epoch."""
    return np.random.default_rng([seed, epoch]).permutation(num_items)


def shard_of(
    order: Int[np.ndarray, " N"], rank: int, world_size: int, batch_size: int
) -> Int[np.ndarray, "steps part"]:
    """This rank's part of each global batch: rank r of R takes the r-th of R equal parts.

    A last global batch that isn't full is dropped, unless it is the only one; of that, what is left over after R
    equal parts is dropped.

    Args:
        batch_size: items of a global batch, over all ranks.

    Raises:
        UsageError: the batch can't be cut into equal parts, or there are fewer items than ranks.
    """
    if not 0 <= rank < world_size:
        raise UsageError(f"rank must lie in 0…{world_size - 1}, got {rank}")
    if batch_size < 1 or batch_size % world_size:
        raise UsageError(f"a batch of {batch_size} can't be cut into {world_size} equal parts")
    if len(order) < world_size:
        raise UsageError(f"{len(order)} items are too few for {world_size} processes")
    batch_size = min(batch_size, len(order) // world_size * world_size)
    num_steps = len(order) // batch_size
    parts = order[: num_steps * batch_size].reshape(num_steps, world_size, -1)
    return parts[:, rank]
