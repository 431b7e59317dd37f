"""Evidence from the order of files: what one camera and one recorder made one after another.

Files of a device are ranked by name, or by a clock that may well be wrong as long as it runs. Between pairs that the
content is sure of, ranks grow together: the longest increasing chain of them holds, and the place of any other video
among the recordings is interpolated between its neighbours in the chain. How far pairs are off, and how often they are
out of order, is learned from the same pairs, each predicted by the others. The evidence is the log-likelihood ratio of
a Laplace distribution about that place, between the neighbours, against any recording of that recorder. Where the ranks
of sure pairs don't follow one another it comes out at nothing, and the cue abstains.

Letters in shapes: N videos, M audio files, S sure pairs, K of them in the chain.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int

from avmatch.core.origins import Origin, TimeSource
from avmatch.cues.clock import device_pairs
from avmatch.data.inputs import natural_key

#: Fewer sure pairs than this show no order, and a chain of fewer than this share of them is none.
LEAST_PAIRS, LEAST_SHARE = 6, 0.5
#: Places are known to this many files at best.
LEAST_SCALE_FILES = 0.7
#: At least this share is out of order: pairs that aren't sure are less orderly than those that are.
LEAST_OUTSIDE = 0.15
#: An order says at least this much of the pairs that it was learned from, on average; and no more than this of any.
LEAST_MEAN_NATS, MAX_NATS = 1.0, 4.0
OrderSource = Literal["name"] | TimeSource
_SOURCES: tuple[OrderSource, ...] = ("name", *get_args(TimeSource))


@dataclass(frozen=True, eq=False)
class _Chain:
    """Sure pairs whose ranks grow together, and what they say of the others.

    Attributes:
        first, second: (K,) ranks of videos and recordings, both increasing.
        num: recordings of the device.
        scale_files: mean distance of a pair from where the others put it.
        outside: how often a pair is out of order.
    """

    first: Int[np.ndarray, " K"]
    second: Int[np.ndarray, " K"]
    num: int
    scale_files: float = 1.0
    outside: float = 0.5

    def without(self, rank: int) -> "_Chain":
        """The same without the pair of this video."""
        keep = self.first != rank
        return _Chain(self.first[keep], self.second[keep], self.num, self.scale_files, self.outside)

    def place(self, rank: int) -> float:
        """Where the recording of the video with this rank should stand."""
        place = bisect_left(self.first, rank)
        if place == 0:
            return float(self.second[0] - (self.first[0] - rank))
        if place == len(self.first):
            return float(self.second[-1] + rank - self.first[-1])
        ends = slice(place - 1, place + 1)
        return float(np.interp(rank, self.first[ends], self.second[ends]))

    def between(self, rank: int) -> Bool[np.ndarray, " m"]:
        """The recordings between the neighbours of the video with this rank."""
        place = bisect_left(self.first, rank)
        low = self.second[place - 1] if place > 0 else -1
        high = self.second[place] if place < len(self.second) else self.num
        ranks = np.arange(self.num)
        return (ranks > low) & (ranks < high)

    def nats(self, rank: int) -> Float64[np.ndarray, " m"]:
        """What the others say of this video with each recording, by the recordings' ranks."""
        others = self.without(rank)
        likely = np.exp(-np.abs(np.arange(self.num) - others.place(rank)) / self.scale_files) * others.between(rank)
        total = max(float(likely.sum()), 1.0)
        nats = np.log((1.0 - self.outside) * self.num * likely / total + self.outside)
        return np.asarray(np.minimum(nats, MAX_NATS))


def order_nats(
    videos: Sequence[Origin], audios: Sequence[Origin], sure: Int[np.ndarray, "S 2"]
) -> tuple[Float32[np.ndarray, "N M"], tuple[str, ...]]:
    """Evidence for every pair, 0 where files are in no order; and which devices are in order, by what."""
    nats = np.zeros((len(videos), len(audios)), np.float32)
    notes = []
    for camera, rows, recorder, columns in device_pairs(videos, audios):
        own = sure[np.isin(sure[:, 0], rows) & np.isin(sure[:, 1], columns)]
        if len(own) < LEAST_PAIRS:
            continue
        first = {source: ranks for source in _SOURCES if (ranks := _ranks(videos, rows, source))}
        second = {source: ranks for source in _SOURCES if (ranks := _ranks(audios, columns, source))}
        found = [
            (_mean_nats(chain, own, first[a], second[b]), chain, a, b)
            for a in first
            for b in second
            if (chain := _chain(own, first[a], second[b])) is not None
        ]
        if not found:
            continue
        mean, chain, a, b = max(found, key=lambda item: item[0])
        if mean < LEAST_MEAN_NATS:
            continue
        in_rank = sorted(columns.tolist(), key=second[b].__getitem__)
        for row in rows.tolist():
            nats[row, in_rank] = chain.nats(first[a][row])
        notes.append(f"{camera} by {a} and {recorder} by {b}")
    return nats, tuple(notes)


def _ranks(origins: Sequence[Origin], places: Int[np.ndarray, " n"], source: OrderSource) -> dict[int, int] | None:
    """The rank of each file among those of its device; None where one has no such time, or several the same."""
    if source == "name":
        ordered = sorted(places.tolist(), key=lambda place: natural_key(origins[place].path))
        return {place: rank for rank, place in enumerate(ordered)}
    times = {place: origins[place].times_seconds.get(source) for place in places.tolist()}
    known = {place: time for place, time in times.items() if time is not None}
    if len(set(known.values())) < len(times):
        return None
    return {place: rank for rank, place in enumerate(sorted(known, key=known.__getitem__))}


def _chain(own: Int[np.ndarray, "S 2"], first: dict[int, int], second: dict[int, int]) -> _Chain | None:
    """The longest chain of sure pairs whose ranks grow together, and how well it predicts each of them."""
    pairs = sorted((first[row], second[column]) for row, column in own.tolist())
    kept = _longest_increasing([rank for _, rank in pairs])
    if len(kept) < max(LEAST_PAIRS - 1, LEAST_SHARE * len(pairs)):
        return None
    ranks = np.array([pairs[place] for place in kept])
    chain = _Chain(ranks[:, 0], ranks[:, 1], len(second))
    away = [abs(chain.without(rank).place(rank) - place) for rank, place in ranks.tolist()]
    scale = max(LEAST_SCALE_FILES, float(np.mean(away)))
    outside = max(LEAST_OUTSIDE, (len(pairs) - len(kept) + 1) / (len(pairs) + 2))
    return _Chain(chain.first, chain.second, chain.num, scale, outside)


def _mean_nats(chain: _Chain, own: Int[np.ndarray, "S 2"], first: dict[int, int], second: dict[int, int]) -> float:
    """What the chain says of the sure pairs, each without itself."""
    return float(np.mean([chain.nats(first[row])[second[column]] for row, column in own.tolist()]))


def _longest_increasing(values: Sequence[int]) -> list[int]:
    """The places of a longest increasing subsequence (Fredman 1975)."""
    tails: list[int] = []
    ends: list[int] = []
    before: list[int | None] = []
    for place, value in enumerate(values):
        at = bisect_left(ends, value)
        before.append(tails[at - 1] if at else None)
        ends[at : at + 1], tails[at : at + 1] = [value], [place]
    chain: list[int] = []
    at_place = tails[-1] if tails else None
    while at_place is not None:
        chain.append(at_place)
        at_place = before[at_place]
    return chain[::-1]
