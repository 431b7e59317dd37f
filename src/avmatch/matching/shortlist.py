"""Large galleries: every pair is looked at roughly, and those that may lead are scored exactly.

    rough cues, every second offset → scores of all pairs → a shortlist → all cues, all offsets

Up to USUAL_FILES · USUAL_FILES pairs all are scored exactly. Above, a rough score costs about a sixth: cues that have a
cheaper form take it (RoughCue), and every second offset is left out. On the shortlist is a pair that comes close to the
best of its video or to the best of its sound; where many do, which is where nothing leads, only the first MOST of
them. What isn't on it keeps its rough score, so that medians and spreads of rows, which confidences are made of
(decision.py), mean what they did. Rows are scored side by side.

Letters in shapes: N videos, M audio files, L offsets.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from scipy.special import logsumexp

from avmatch.core.features import AudioFeatures, VideoFeatures
from avmatch.core.results import Progress
from avmatch.cues.evidence import Cue, RoughCue, TimelessCue
from avmatch.matching.fusion import (
    NO_FACTORS,
    Factors,
    Scores,
    fused_scores,
    no_scores,
    put,
    scores_of_block,
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
#: Bound on a block of (videos, audio, offsets), of which every worker holds one, and on its sounds.
_BLOCK_VALUES, _MOST_SOUNDS = 3_500_000, 2048


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
    timeless = [place for place, cue in enumerate(cues) if isinstance(cue, TimelessCue)]

    def refine(row: int) -> None:
        (columns,) = np.nonzero(listed[row])
        known = {place: scores.parts[place, row, columns][None] for place in timeless}
        sounds = [audios[column] for column in columns.tolist()]
        exact = scores_of_block(cues, [videos[row]], sounds, lags_seconds, log_prior, known, factors=factors)
        put(scores, exact, slice(row, row + 1), columns)

    _side_by_side(refine, range(len(videos)), lambda row: row + 1, "leaders", len(videos), progress)
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
    rough = [cue.rough() if isinstance(cue, RoughCue) else cue for cue in cues]
    lags, prior = thinned_offsets(lags_seconds, log_prior)
    scores = no_scores(rough, (len(videos), len(audios)))
    known = {
        place: weight_of(cue, factors) * cue.curves(videos, audios, lags[:1]).nats[..., 0]
        for place, cue in enumerate(cues)
        if isinstance(cue, TimelessCue)
    }
    step = max(1, _BLOCK_VALUES // (min(_MOST_SOUNDS, len(audios)) * len(lags)))

    def fill(begin: int) -> None:
        rows = slice(begin, min(begin + step, len(videos)))
        for first in range(0, len(audios), _MOST_SOUNDS):
            columns = slice(first, first + _MOST_SOUNDS)
            some = {place: nats[rows, columns] for place, nats in known.items()}
            block = scores_of_block(rough, videos[rows], audios[columns], lags, prior, some, factors=factors)
            put(scores, block, rows, columns)

    begins = range(0, len(videos), step)
    _side_by_side(fill, begins, lambda begin: min(begin + step, len(videos)), "pairs", len(videos), progress)
    return scores


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
            marks[row, _leaders(values)] = True
    return listed


def _leaders(values: Float[np.ndarray, " M"]) -> Int[np.ndarray, " m"]:
    """The places of those that come close to the largest."""
    most = min(MOST, len(values))
    order = np.argpartition(-values, most - 1)[:most]
    order = order[np.argsort(-values[order], kind="stable")]
    best = values[order[0]]
    close = best - max(CLOSE_NATS, CLOSE_SHARE * (best - float(np.median(values))))
    return order[(values[order] >= close) | (np.arange(most) < FEWEST)]


def _side_by_side(
    work: Callable[[int], None],
    jobs: Iterable[int],
    done: Callable[[int], int],
    stage: str,
    total: int,
    progress: Progress | None,
) -> None:
    """Do all jobs, some at once, and report how far it is."""

    def report(job: int) -> int:
        work(job)
        return done(job)

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for so_far in pool.map(report, jobs):
            if progress is not None:
                progress(stage, so_far, total)
