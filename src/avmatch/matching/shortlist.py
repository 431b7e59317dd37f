"""Large galleries: every pair is looked at roughly, and those that may lead are scored exactly.

    rough cues, every second offset → scores of all pairs → a shortlist → all cues, all offsets

Up to USUAL_FILES · USUAL_FILES pairs all are scored exactly. Above, cues that have a cheaper form take it (RoughCue),
and every second offset is left out. On the shortlist is a pair that comes close to the best of its video or to that of
its sound; where many do, which is where nothing leads, only the first MOST of them. What isn't on it keeps its rough
score, so that medians and spreads of rows, which confidences are made of (decision.py), mean what they did.

What is needed of each file is made once; then blocks of videos meet blocks of sounds, several at once, each on one
core: threads that a library starts for every product only get in each other's way.

Letters in shapes: N videos, M audio files, L offsets.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from scipy.special import logsumexp

from avmatch.core.features import AudioFeatures, VideoFeatures
from avmatch.core.results import Progress
from avmatch.cues.evidence import Adding, BlockEvidence, Cue, Lags, RoughCue, TimelessCue
from avmatch.matching.fusion import (
    NO_FACTORS,
    Factors,
    Scores,
    fused_scores,
    no_scores,
    put,
    scores_of_curves,
    weight_of,
)

#: With more pairs than of so many files on either side, pairs are shortlisted.
USUAL_FILES = 300
#: Of each video and of each sound, so many pairs are on the shortlist at least, and at most.
FEWEST, MOST = 4, 64
#: Close to the best is what lies no farther below it than this (nats), or than this share of its height above the
#: median: what peaks high, peaks sharply, and between two offsets.
CLOSE_NATS, CLOSE_SHARE = 1.5, 0.5
#: Every so many offsets are tried at first.
STRIDE = 2
#: Videos and sounds of a block, and how many values (videos, audio, offsets) it has at most.
BLOCK_VIDEOS, BLOCK_SOUNDS, BLOCK_VALUES = 128, 192, 1_000_000
#: So many blocks of videos are made ready at once.
BLOCKS_AT_ONCE = 8


def gallery_scores(
    cues: Sequence[Cue],
    videos: Sequence[VideoFeatures],
    audios: Sequence[AudioFeatures],
    lags_seconds: Float[np.ndarray, " L"],
    log_prior: Float[np.ndarray, " L"],
    *,
    factors: Factors = NO_FACTORS,
    progress: Progress | None = None,
) -> Scores:
    """Scores of every pair as `fused_scores` has them; in large galleries of those that don't lead only nearly."""
    if len(videos) * len(audios) <= USUAL_FILES**2:
        return fused_scores(cues, videos, audios, lags_seconds, log_prior, factors=factors, progress=progress)
    scores = rough_scores(cues, videos, audios, lags_seconds, log_prior, factors=factors, progress=progress)
    listed = shortlist(scores.nats)
    look = Look(cues, lags_seconds, log_prior, exactly(cues, lags_seconds), factors)
    sounds = look.sounds(audios, progress)

    def refine(row: int) -> None:
        (columns,) = np.nonzero(listed[row])
        heard = {place: [some[column] for column in columns.tolist()] for place, some in sounds.items()}
        adding = {place: one.against(heard[place]) for place, one in look.evidence.items()}
        exact = look.scores(look.videos([videos[row]]), adding, scores.parts[:, row : row + 1, columns])
        put(scores, exact, slice(row, row + 1), columns)

    side_by_side(refine, range(len(videos)), "leaders", progress)
    return scores


def rough_scores(
    cues: Sequence[Cue],
    videos: Sequence[VideoFeatures],
    audios: Sequence[AudioFeatures],
    lags_seconds: Float[np.ndarray, " L"],
    log_prior: Float[np.ndarray, " L"],
    *,
    factors: Factors = NO_FACTORS,
    progress: Progress | None = None,
) -> Scores:
    """Nearly what `fused_scores` gives, for much less."""
    lags, prior = thinned_offsets(lags_seconds, log_prior)
    look = Look(cues, lags, prior, roughly(cues, audios, lags), factors)
    scores = no_scores(tuple(cue.name for cue in cues), (len(videos), len(audios)))
    sounds = look.sounds(audios, progress)
    rows = parts_of(len(videos), max(1, min(BLOCK_VIDEOS, BLOCK_VALUES // (BLOCK_SOUNDS * len(lags)))))
    columns = parts_of(len(audios), BLOCK_SOUNDS)
    for begin in range(0, len(rows), BLOCKS_AT_ONCE):
        _compare(look, scores, (videos, rows[begin : begin + BLOCKS_AT_ONCE]), (audios, columns, sounds), progress)
    return scores


def _compare(
    look: "Look",
    scores: Scores,
    of_videos: tuple[Sequence[VideoFeatures], Sequence[slice]],
    of_sounds: tuple[Sequence[AudioFeatures], Sequence[slice], Mapping[int, list[Any]]],
    progress: Progress | None,
) -> None:
    """Fill in some blocks of rows, each made ready once, and block by block of columns."""
    (videos, rows), (audios, columns, sounds) = of_videos, of_sounds
    pictures: dict[int, dict[int, list[Any]]] = {}

    def watch(number: int) -> None:
        pictures[number] = look.videos(videos[rows[number]])
        look.fill_timeless(scores, videos, audios, rows[number])

    def compare(number: int) -> None:
        block = columns[number]
        adding = {place: one.against(sounds[place][block]) for place, one in look.evidence.items()}
        for place, part in enumerate(rows):
            put(scores, look.scores(pictures[place], adding, scores.parts[:, part, block]), part, block)

    side_by_side(watch, range(len(rows)), "pictures", progress)
    side_by_side(compare, range(len(columns)), "pairs", progress)


@dataclass(frozen=True, eq=False)
class Look:
    """All cues at some offsets.

    Attributes:
        cues, lags_seconds, log_prior, factors: as for `fused_scores`.
        evidence: of the cues by their places, but for those that say the same at every offset.
    """

    cues: Sequence[Cue]
    lags_seconds: Float[np.ndarray, " L"]
    log_prior: Float[np.ndarray, " L"]
    evidence: Mapping[int, BlockEvidence]
    factors: Factors

    def sounds(self, audios: Sequence[AudioFeatures], progress: Progress | None) -> dict[int, list[Any]]:
        """What is needed of each sound."""
        blocks = parts_of(len(audios), BLOCK_SOUNDS)
        found: dict[int, dict[int, list[Any]]] = {}

        def listen(number: int) -> None:
            some = audios[blocks[number]]
            found[number] = {place: one.sounds(some) for place, one in self.evidence.items()}
            for cue in self.cues:
                if isinstance(cue, TimelessCue):
                    cue.curves([], some, self.lags_seconds[:1])  # it remembers what it makes of a sound

        side_by_side(listen, range(len(blocks)), "sounds", progress)
        return {
            place: [one for number in range(len(blocks)) for one in found[number][place]] for place in self.evidence
        }

    def videos(self, videos: Sequence[VideoFeatures]) -> dict[int, list[Any]]:
        """What is needed of each video."""
        return {place: one.videos(videos) for place, one in self.evidence.items()}

    def fill_timeless(
        self, scores: Scores, videos: Sequence[VideoFeatures], audios: Sequence[AudioFeatures], rows: slice
    ) -> None:
        """Fill in what is the same at every offset, of all pairs of some videos."""
        for place, cue in enumerate(self.cues):
            if isinstance(cue, TimelessCue):
                nats = cue.curves(videos[rows], audios, self.lags_seconds[:1]).nats[..., 0]
                scores.parts[place, rows] = weight_of(cue, self.factors) * nats

    def scores(
        self, videos: Mapping[int, list[Any]], adding: Mapping[int, Adding], known: Float32[np.ndarray, "C n m"]
    ) -> Scores:
        """Of a block of pairs.

        Args:
            known: nats that are the same at every offset, at the places of their cues.
        """
        _, num_videos, num_sounds = known.shape
        curves = [np.broadcast_to(nats[..., None], (*nats.shape, len(self.lags_seconds))) for nats in known]
        for place, add in adding.items():
            nats = np.zeros((num_videos, len(self.lags_seconds), num_sounds), np.float32)
            add(videos[place], nats)
            nats *= np.float32(weight_of(self.cues[place], self.factors))
            curves[place] = np.ascontiguousarray(nats.transpose(0, 2, 1))
        return scores_of_curves(tuple(cue.name for cue in self.cues), curves, self.lags_seconds, self.log_prior)


def roughly(cues: Sequence[Cue], audios: Sequence[AudioFeatures], lags_seconds: Lags) -> dict[int, BlockEvidence]:
    """The cheaper forms of cues, by their places."""
    return {
        place: cue.rough(audios, lags_seconds) if isinstance(cue, RoughCue) else WholeCue(cue, lags_seconds)
        for place, cue in enumerate(cues)
        if not isinstance(cue, TimelessCue)
    }


def exactly(cues: Sequence[Cue], lags_seconds: Lags) -> dict[int, BlockEvidence]:
    """Cues as they are, by their places."""
    return {place: WholeCue(cue, lags_seconds) for place, cue in enumerate(cues) if not isinstance(cue, TimelessCue)}


@dataclass(frozen=True, eq=False)
class WholeCue:
    """A cue that has no form for blocks, asked as it is (see BlockEvidence)."""

    cue: Cue
    lags_seconds: Lags

    def videos(self, videos: Sequence[VideoFeatures]) -> list[VideoFeatures]:
        """The videos."""
        return list(videos)

    def sounds(self, audios: Sequence[AudioFeatures]) -> list[AudioFeatures]:
        """The sounds."""
        return list(audios)

    def against(self, sounds: Sequence[AudioFeatures]) -> Adding:
        """See BlockEvidence."""

        def add(videos: Sequence[VideoFeatures], out: Float32[np.ndarray, "N L M"]) -> None:
            out += self.cue.curves(videos, sounds, self.lags_seconds).nats.transpose(0, 2, 1)

        return add


def parts_of(num: int, size: int) -> list[slice]:
    """Slices of `size`, at most, of so many."""
    return [slice(first, min(first + size, num)) for first in range(0, num, size)]


def thinned_offsets(
    lags_seconds: Float[np.ndarray, " L"], log_prior: Float[np.ndarray, " L"]
) -> tuple[Float[np.ndarray, " l"], Float[np.ndarray, " l"]]:
    """Some of the offsets, that in the middle among them, each with the prior of those that it stands for."""
    num, first = len(lags_seconds), len(lags_seconds) // 2 % STRIDE
    places = np.arange(first, num, STRIDE)
    nearest = np.clip((np.arange(num) - first + STRIDE // 2) // STRIDE, 0, len(places) - 1)
    prior = np.array([logsumexp(log_prior[nearest == place]) for place in range(len(places))])
    return lags_seconds[places], prior


def shortlist(nats: Float32[np.ndarray, "N M"]) -> Bool[np.ndarray, "N M"]:
    """The pairs that may lead their video's or their sound's."""
    listed = np.zeros(nats.shape, bool)
    for scores, marks in ((nats, listed), (nats.T, listed.T)):
        for row, values in enumerate(scores):
            marks[row, leaders(values)] = True
    return listed


def leaders(values: Float[np.ndarray, " M"]) -> Int[np.ndarray, " m"]:
    """The places of those that come close to the largest."""
    most = min(MOST, len(values))
    order = np.argpartition(-values, most - 1)[:most]
    order = order[np.argsort(-values[order], kind="stable")]
    best = values[order[0]]
    close = best - max(CLOSE_NATS, CLOSE_SHARE * (best - float(np.median(values))))
    return order[(values[order] >= close) | (np.arange(most) < FEWEST)]


def side_by_side(
    work: Callable[[int], None],
    jobs: Sequence[int],
    stage: str,
    progress: Progress | None,
) -> None:
    """Do all jobs, some at once, each on one core, and report how far it is."""
    from threadpoolctl import threadpool_limits  # importing it changes the environment

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for number, _ in enumerate(pool.map(work, jobs), start=1):
            if progress is not None:
                progress(stage, number, len(jobs))
