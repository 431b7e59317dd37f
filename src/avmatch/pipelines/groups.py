"""Several recordings of one moment: a second recorder of the same take, and recorders that split their files.

Two recordings of different devices that heard the same (alignment/sounds.py) are of one take. Of one device they are
not: it recorded a repeat of the take, with the same music played back. The clip gets one of them, and the other is
listed with it. A recorder that splits its file goes on in the next: by the camera's own sound, which is found in both,
or by the recorder's clock, by which the one begins where the other ends.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

import numpy as np

from avmatch.alignment.sounds import SHARED_PART, SoundAlignment, align_sounds, first_look, onsets
from avmatch.core.features import AudioFeatures
from avmatch.core.matches import FurtherAudio, Match, MatchResult, Role
from avmatch.core.origins import Origin
from avmatch.cues.clock import around_midnight
from avmatch.matching.fusion import Scores
from avmatch.pipelines.pairs import Pair, PairJudge
from avmatch.pipelines.scratch import same_sound

#: The column of a further recording, what it is, and its offset.
_Found = tuple[int, Role, float]
#: Alignments of recordings, by their columns.
Alignments = Mapping[tuple[int, int], SoundAlignment]
#: The best few recordings of each video are compared with one another.
NUM_LEADERS = 3
#: Without a gap between them, the sound of the next file lies within this of its place, and needs this evidence.
SAME_PLACE_SECONDS, EXPECTED_NATS = 0.02, 3.0
#: Below this, in deviations, onsets of two recorders aren't those of one take; two that are foreign reach 3 to 4.
LEAST_HEIGHT = 5.0
#: A recording goes on where another ends when its clock says so to this; and it must add so much to the clip.
GAP_SECONDS, LEAST_MORE_SECONDS = 0.5, 0.3


def same_takes(
    scores: Scores, audios: Sequence[AudioFeatures], origins: Sequence[Origin]
) -> dict[tuple[int, int], SoundAlignment]:
    """Recordings of one take by different devices: where the first lies in the second, by their columns."""
    leaders = np.argsort(-scores.nats, axis=1, kind="stable")[:, :NUM_LEADERS]
    pairs = {pair for row in leaders.tolist() for pair in combinations(sorted(row), 2)}
    differing = sorted(pair for pair in pairs if origins[pair[0]].is_of_another(origins[pair[1]]))
    looks = {column: onsets(audios[column]) for column in sorted({column for pair in differing for column in pair})}
    found = {}
    for first, second in differing:
        own, other = audios[first], audios[second]
        (height,), (lags,) = first_look(looks[first], [looks[second]])
        alignment = same_sound(own, other, lags) if height >= LEAST_HEIGHT else None
        if alignment is None:
            continue
        begin, end = alignment.span_seconds
        if end - begin >= SHARED_PART * min(own.duration_seconds, other.duration_seconds):
            found[first, second] = alignment
    return found


def without_doubles(scores: Scores, doubles: Alignments) -> Scores:
    """The scores where of two recordings of one take only as many count as videos fit best: the others have no lead to
    take from them."""
    if not doubles:
        return scores
    nats = scores.nats.copy()
    best = nats.argmax(axis=1)
    for first, second in doubles:
        if np.isin(best, (first, second)).sum() < 2:
            weaker = min(first, second, key=lambda column: float(nats[:, column].max()))
            nats[:, weaker] = np.minimum(nats[:, weaker], np.median(nats, axis=1))
    return replace(scores, nats=nats)


def with_further(
    result: MatchResult, judge: PairJudge, doubles: Alignments, videos: Sequence[Origin], audios: Sequence[Origin]
) -> MatchResult:
    """The matches with the recordings that are left over and belong to them as well.

    Args:
        videos, audios: where the files of the rows and columns come from.
    """
    finder = _Finder(result, judge, doubles, audios)
    matches: list[Match] = []
    taken: set[str] = set()
    for item in result.matches:
        further = tuple(finder.further(item, taken))
        taken.update(more.audio for more in further)
        matches.append(replace(item, further=further) if further else item)
    if not taken:
        return result
    left = tuple(path for path in result.unmatched_audio if path not in taken)
    return replace(result, matches=tuple(matches), unmatched_audio=left)


@dataclass(frozen=True, eq=False)
class _Finder:
    """Finds what else belongs to a match, among the recordings that are left over."""

    result: MatchResult
    judge: PairJudge
    doubles: Alignments
    origins: Sequence[Origin]

    @cached_property
    def left_over(self) -> dict[int, str]:
        """The recordings that no clip has, by their columns."""
        left = set(self.result.unmatched_audio)
        return {column: path for column, path in enumerate(self.result.audio) if path in left}

    def further(self, item: Match, taken: set[str]) -> Iterator[FurtherAudio]:
        """In order of time."""
        if item.audio is None or item.offset_seconds is None or item.video not in self.result.videos:
            return
        row, column = self.result.videos.index(item.video), self.result.audio.index(item.audio)
        free = [other for other, path in self.left_over.items() if path not in taken]
        found = {
            other: FurtherAudio(self.result.audio[other], role, offset)
            for other, role, offset in (
                *self._continued(row, column, item.offset_seconds, free),
                *self._doubled(column, item.offset_seconds, free),
                *self._heard(row, column, free),
            )
        }
        yield from sorted(found.values(), key=lambda more: (more.role != "continues", -more.offset_seconds))

    def _heard(self, row: int, column: int, free: Sequence[int]) -> Iterator[_Found]:
        """By the video's own sound."""
        own = self.judge.heard.get(Pair(row, column))
        for other in free:
            alignment = self.judge.heard.get(Pair(row, other))
            if own is None or alignment is None:
                continue
            if not own.overlaps(alignment):
                yield other, "continues", alignment.offset_seconds
            elif self.origins[column].is_of_another(self.origins[other]):
                yield other, "also_fits", alignment.offset_seconds

    def _doubled(self, column: int, offset: float, free: Sequence[int]) -> Iterator[_Found]:
        """By the sound of the recordings."""
        for other in free:
            if (column, other) in self.doubles:
                yield other, "also_fits", offset + self.doubles[column, other].offset_seconds
            elif (other, column) in self.doubles:
                yield other, "also_fits", offset - self.doubles[other, column].offset_seconds

    def _continued(self, row: int, column: int, offset: float, free: Sequence[int]) -> Iterator[_Found]:
        """The pieces before and after, as far as they reach into the clip."""
        for later in (True, False):
            at, place, left = column, offset, list(free)
            while (step := self._next(row, at, place, left, later=later)) is not None:
                at, place = step
                if self._inside(row, at, place) < LEAST_MORE_SECONDS:
                    break
                left.remove(at)
                yield at, "continues", place

    def _inside(self, row: int, column: int, offset: float) -> float:
        """How much of a recording lies under the clip, in seconds."""
        video, audio = self.judge.videos[row], self.judge.audios[column]
        begins = audio.start_seconds - offset
        ends = begins + audio.duration_seconds
        return min(ends, video.start_seconds + video.duration_seconds) - max(begins, video.start_seconds)

    def _next(
        self, row: int, column: int, offset: float, free: Sequence[int], *, later: bool
    ) -> tuple[int, float] | None:
        """The recording that goes on where this one ends, or that ends where it begins, and its offset: by the clock of
        the recorder, or by the video's own sound."""
        own, scratch = self.origins[column], self.judge.videos[row].scratch
        for other in free:
            if own.is_of_another(self.origins[other]):
                continue
            length = self.judge.audios[column if later else other].duration_seconds
            gapless = length if later else -length
            apart = _apart(own, self.origins[other])
            if apart is not None and abs(apart - gapless) <= GAP_SECONDS:
                return other, offset - apart
            signs = self.judge.audios[other].signs
            if scratch is None or scratch.signs is None or signs is None or (row, column) not in self.judge.heard:
                continue
            alignment = align_sounds(scratch.signs, signs, [offset - gapless])
            if alignment is not None and _goes_on(alignment, offset - gapless):
                return other, alignment.offset_seconds
        return None


def _goes_on(alignment: SoundAlignment, gapless_seconds: float) -> bool:
    """Whether a sound is that which comes next: where it must be, less is enough."""
    is_there = abs(alignment.offset_seconds - gapless_seconds) <= SAME_PLACE_SECONDS
    return alignment.is_same or (is_there and alignment.nats >= EXPECTED_NATS)


def _apart(first: Origin, second: Origin) -> float | None:
    """How much later the second began by the clock of their recorder; None where it doesn't say, or who they are of."""
    begin, later = (origin.times_seconds.get("timecode") for origin in (first, second))
    if begin is None or later is None or not (first.is_known and second.is_known):
        return None
    return float(around_midnight(np.array([later - begin]))[0])
