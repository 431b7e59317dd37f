"""`match` where nothing fits near: files that got no match are tried in the wider ranges of widening.py, pair by pair.

    left over → `sync` of each pair in wider ranges → the `ok` ones → odds against the other recordings → assignment

What `sync` says of a pair is a probability where half of the pairs are foreign. Here a video has one recording among M,
so that its odds count a Mth (Bayes): of a hundred recordings one must be surer than of two.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np

from avmatch.analysis.features import analyse_all
from avmatch.core.features import AudioFeatures, VideoFeatures
from avmatch.core.matches import Match, MatchResult
from avmatch.core.results import Failure, Progress
from avmatch.cues.evidence import Cue
from avmatch.matching.assignment import one_to_one
from avmatch.matching.constraints import Constraints
from avmatch.matching.settings import MatchSettings
from avmatch.pipelines.sync import Measured, measured_pair
from avmatch.pipelines.widening import ranges, within_a_range

#: More pairs than this aren't tried; a remark says what to do.
MOST_PAIRS = 400


def with_farther(
    result: MatchResult,
    videos: Mapping[str, VideoFeatures],
    audios: Mapping[str, AudioFeatures],
    cues: Sequence[Cue],
    settings: MatchSettings,
    given: Constraints,
    progress: Progress | None = None,
) -> MatchResult:
    """The decisions, with the pairs that fit farther apart, and a remark on these.

    Args:
        videos, audios: the usable files, in the order of the rows and columns.
        cues: those of `sync`.
        given: what a person decided.
    """
    if settings.many or not settings.search_farther:
        return result
    left = [item.video for item in result.matches if item.audio is None and item.video in videos]
    free = [path for path in result.unmatched_audio if path in audios]
    reach = f"±{settings.max_offset_seconds:g} s"
    if len(left) * len(free) > MOST_PAIRS:
        remark = f"{len(left)} videos fit nothing within {reach}; wider ranges are tried where --max-offset gives one"
        return replace(result, notes=(*result.notes, remark))
    rows, columns = ({path: place for place, path in enumerate(side)} for side in (videos, audios))
    closed = given.closed((len(rows), len(columns)), shared=False)
    pairs = [
        (video, audio)
        for video, audio in product(left, free)
        if not closed[rows[video], columns[audio]]
        and _ranges(videos[video], audios[audio], settings.max_offset_seconds)
    ]
    if not pairs:
        return result
    by_name = {str(number): pair for number, pair in enumerate(pairs)}

    def tried(name: str) -> Measured:
        video, audio = videos[by_name[name][0]], audios[by_name[name][1]]
        wider = _ranges(video, audio, settings.max_offset_seconds)
        return within_a_range(partial(measured_pair, cues, name, video, audio), settings.max_offset_seconds, wider)

    answers = analyse_all(tried, list(by_name), "farther", progress)
    found = {
        pair: answer
        for pair, answer in zip(pairs, answers, strict=True)
        if not isinstance(answer, Failure) and answer.result.searched_seconds is not None
    }
    return _joined(result, found, left, free, settings, reach)


def _ranges(video: VideoFeatures, audio: AudioFeatures, first_seconds: float) -> list[float]:
    return list(ranges(video.duration_seconds, audio.duration_seconds, first_seconds))


def _joined(
    result: MatchResult,
    found: Mapping[tuple[str, str], Measured],
    left: Sequence[str],
    free: Sequence[str],
    settings: MatchSettings,
    reach: str,
) -> MatchResult:
    """The result with the pairs among those found that the assignment makes."""
    confidence = np.zeros((len(left), len(free)))
    for (video, audio), measured in found.items():
        confidence[left.index(video), free.index(audio)] = among(measured.result.confidence, len(free))
    partner = one_to_one(confidence, min_confidence=settings.min_confidence)
    made = {
        left[row]: _match(left[row], free[column], confidence[row, column], found[left[row], free[column]])
        for row, column in enumerate(partner.tolist())
        if column >= 0
    }
    given = {item.audio for item in made.values()}
    remark = f"{len(left)} videos fit nothing within {reach}; farther apart, {len(made)} of them do"
    return replace(
        result,
        matches=tuple(
            replace(made[item.video], runner_up=item.runner_up, runner_up_score=item.runner_up_score)
            if item.video in made
            else item
            for item in result.matches
        ),
        unmatched_audio=tuple(path for path in result.unmatched_audio if path not in given),
        notes=(*result.notes, remark) if made else result.notes,
    )


def among(confidence: float, num_recordings: int) -> float:
    """The probability of a pair by itself, as one of a video with so many recordings."""
    return confidence / (confidence + num_recordings * (1.0 - confidence)) if confidence < 1.0 else 1.0


def _match(video: str, audio: str, confidence: float, measured: Measured) -> Match:
    found, estimate = measured.result, measured.estimate
    height = None if estimate.figures is None else estimate.figures.height
    return Match(
        video=video,
        audio=audio,
        confidence=float(confidence),
        score=height,
        offset_seconds=found.offset_seconds,
        cue=found.cue,
        offset_confidence=estimate.offset_confidence,
        offset_interval_seconds=found.offset_interval_seconds,
        why=f"{found.cue} within ±{found.searched_seconds:g} s; nothing nearer fits",
    )
