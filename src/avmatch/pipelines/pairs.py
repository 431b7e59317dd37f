"""The pairs that `match` makes, measured as `sync` measures them: one answer for one pair.

    confidence by the gallery → assignment → the pairs made are measured → confidence by both → assignment …

To tell pairs apart `match` looks at all of them, quickly. What it says of the offset of a pair that it makes is what
`sync` says of that video with that recording, in the same range: by the same cues, with the same zero, interval and
probability. In a recording that covers several videos, the place that `match` found is the middle of that range.

What is found there also says whether the pair belongs together at all, whatever the rest of the gallery: the pair's
confidence is judged anew with it, and by how many of the files seem to have a match at all. Files that are free again
are assigned again, until every pair made was measured.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int

from avmatch.alignment.sounds import SoundAlignment
from avmatch.analysis.features import analyse_all
from avmatch.core.features import AudioFeatures, VideoFeatures
from avmatch.core.matches import Candidate, Match, MatchResult
from avmatch.core.results import Failure, Progress
from avmatch.cues.evidence import Cue
from avmatch.cues.mouth import looks_at_faces
from avmatch.matching.constraints import Constraints
from avmatch.matching.decision import (
    NOTHING_GIVEN,
    USUAL_SHARE,
    MatchSettings,
    adapted,
    matched_share,
    measured_confidence,
    partners,
)
from avmatch.matching.fusion import Scores
from avmatch.matching.shoot import at_most_by_time
from avmatch.pipelines.sync import DEFAULT_MAX_OFFSET_SECONDS, Measured, expecting, measured_pair
from avmatch.reports.wording import jumps_in_words

#: Pairs less probable than this by the gallery aren't measured; and how often is assigned, at most.
LEAST_CONFIDENCE, MOST_ROUNDS = 1e-6, 6


class Pair(NamedTuple):
    """A video's row and a recording's column."""

    row: int
    column: int


def _no_offsets(_: Pair) -> Sequence[float]:
    return ()


@dataclass(frozen=True, eq=False)
class PairJudge:
    """Measures pairs, each once, and says how probable they are.

    Attributes:
        cues: those of `sync`.
        videos, audios: the features, in the order of the rows and columns.
        scores: of all pairs, in the gallery.
        gallery: (N, M, 4) what the confidence by the gallery is made of (matching/decision.py).
        by_gallery: (N, M) that confidence.
        given: what a person decided; `by_gallery` knows it already.
        accepted_seconds: the offsets that a further pair of these two files may be expected at.
        heard: pairs whose video has a sound of its own that fits: that decides, and the picture is only asked as well.
        measured: what was measured so far.
    """

    cues: Sequence[Cue]
    videos: Sequence[VideoFeatures]
    audios: Sequence[AudioFeatures]
    scores: Scores
    gallery: Float64[np.ndarray, "N M 4"]
    by_gallery: Float64[np.ndarray, "N M"]
    settings: MatchSettings
    num_workers: int = 0
    progress: Progress | None = None
    given: Constraints = NOTHING_GIVEN
    accepted_seconds: Callable[[Pair], Sequence[float]] = _no_offsets
    heard: Mapping[Pair, SoundAlignment] = field(default_factory=dict)
    measured: dict[Pair, Measured] = field(default_factory=dict)

    def settled(self) -> Float64[np.ndarray, "N M"]:
        """The confidences by the gallery, but those of the pairs that are made with them by both; and none that rests
        on time alone is sure."""
        found, share = self.by_gallery.copy(), USUAL_SHARE
        least = replace(self.settings, min_confidence=min(LEAST_CONFIDENCE, self.settings.min_confidence))
        tried: set[Pair] = set()
        for number in range(MOST_ROUNDS):
            made = _pairs(partners(adapted(found, share), self.settings if number else least, self.given))
            new = [pair for pair in made if pair not in tried and not self._is_known(pair)]
            if not new:
                break
            tried.update(new)
            for pair, measured in self._measure(new).items():
                self.measured[pair] = measured
                is_open = pair.row not in self.given.made and pair not in self.heard
                if measured.estimate.figures is not None and is_open:
                    figures = self.gallery[pair.row, pair.column]
                    seconds = self.videos[pair.row].duration_seconds
                    found[pair] = measured_confidence(
                        figures, seconds, measured.estimate.figures, self._by_face(measured)
                    )
            if number == 0:
                share = matched_share(np.array([found[pair] for pair in made if pair.row not in self.given.made]))
        found = adapted(found, share)
        decided = np.isin(np.arange(len(found)), list(self.given.made))[:, None]
        return np.where(decided, found, at_most_by_time(found, self.scores))

    def _measure(self, pairs: Sequence[Pair]) -> dict[Pair, Measured]:
        """What `sync` says of each; a pair for which it can't be asked is left out."""
        by_name = {str(number): pair for number, pair in enumerate(pairs)}

        def measured(name: str) -> Measured:
            pair = by_name[name]
            video, audio = self.videos[pair.row], self.audios[pair.column]
            found = measured_pair(self.cues, name, video, audio, self._reach, self._near(pair))
            return expecting(found, self.accepted_seconds(pair))

        answers = analyse_all(measured, list(by_name), "offsets", self.progress, self.num_workers)
        return {pair: found for pair, found in zip(pairs, answers, strict=True) if not isinstance(found, Failure)}

    @property
    def _reach(self) -> float:
        return max(DEFAULT_MAX_OFFSET_SECONDS, self.settings.max_offset_seconds)

    def _near(self, pair: Pair) -> float:
        """Where the offset of a pair is looked for: about 0, but in a recording that is long enough for several videos
        about the place that was found, to a second."""
        place = float(self.scores.offset_seconds[pair])
        longer = self.audios[pair.column].duration_seconds - self.videos[pair.row].duration_seconds
        is_near = abs(place) <= self._reach or (longer <= self._reach and pair not in self.heard)
        return 0.0 if is_near else float(round(place))

    def place_share(self, pair: Pair) -> float:
        """How probable it is that the video lies about the place where its offset was looked for."""
        is_there = abs(float(self.scores.offset_seconds[pair]) - self._near(pair)) <= self._reach
        return float(self.scores.place_share[pair]) if is_there else 1.0

    def _is_known(self, pair: Pair) -> bool:
        """Whether a person found its offset right."""
        return self.given.accepted.get(pair.row) is not None

    def _by_face(self, found: Measured) -> bool:
        return any(cue.name == found.estimate.cue and looks_at_faces(cue) for cue in self.cues)


def with_measured(result: MatchResult, judge: PairJudge) -> MatchResult:
    """The decisions, with what was measured of the pairs: their offsets, and whether they belong by themselves."""
    rows = {path: row for row, path in enumerate(result.videos)}
    columns = {path: column for column, path in enumerate(result.audio)}

    def found(video: str, audio: str | None) -> tuple[Measured | None, float]:
        if audio is None or video not in rows:
            return None, 1.0
        pair = Pair(rows[video], columns[audio])
        return judge.measured.get(pair), judge.place_share(pair)

    def placed(item: Match) -> Match:
        if item.audio is not None and item.video in rows:
            alignment = judge.heard.get(Pair(rows[item.video], columns[item.audio]))
            if alignment is not None:
                return _with_alignment(item, alignment)
        return _with_offset(item, *found(item.video, item.audio))

    return replace(
        result,
        matches=tuple(map(placed, result.matches)),
        candidates=tuple(_as_measured(item, found(item.video, item.audio)[0]) for item in result.candidates),
    )


def with_offsets_of_matches(result: MatchResult) -> MatchResult:
    """The candidates that became matches have the offsets of these, whatever else was learned of them since."""
    made = {(item.video, item.audio): item.offset_seconds for item in result.matches}
    candidates = (
        replace(item, offset_seconds=made.get((item.video, item.audio), item.offset_seconds))
        for item in result.candidates
    )
    return replace(result, candidates=tuple(candidates))


def jump_notes(result: MatchResult, judge: PairJudge) -> Iterator[str]:
    """A remark on each pair made whose offset jumps: no one offset, and no `mux`, puts all of it together."""
    rows = {path: row for row, path in enumerate(result.videos)}
    columns = {path: column for column, path in enumerate(result.audio)}
    for item in result.matches:
        if item.audio is None or item.video not in rows:
            continue
        found = judge.measured.get(Pair(rows[item.video], columns[item.audio]))
        if found is not None and found.result.is_spliced:
            yield f"{item.video} with {item.audio}: {jumps_in_words(found.result)}; one offset fits a part of it only"


def _pairs(partner: Int[np.ndarray, " N"]) -> list[Pair]:
    return [Pair(row, column) for row, column in enumerate(partner.tolist()) if column >= 0]


def _with_offset(match: Match, found: Measured | None, place_share: float) -> Match:
    """A match that `sync` can't measure keeps the offset that `match` assumes, which nothing speaks for."""
    if match.audio is None:
        return match
    if found is None or found.result.offset_seconds is None:
        return replace(match, offset_confidence=0.0 if match.offset_seconds is not None else None)
    return replace(
        match,
        offset_seconds=found.result.offset_seconds,
        offset_confidence=place_share * found.estimate.offset_confidence,
        offset_interval_seconds=found.result.offset_interval_seconds,
    )


def _with_alignment(match: Match, alignment: SoundAlignment) -> Match:
    """A match whose video heard the same has the offset between the two sounds."""
    return replace(
        match,
        offset_seconds=alignment.offset_seconds,
        offset_confidence=1.0 - math.exp(-0.5 * alignment.nats),
        offset_interval_seconds=alignment.interval_seconds,
    )


def _as_measured(candidate: Candidate, found: Measured | None) -> Candidate:
    if found is None or found.result.offset_seconds is None:
        return candidate
    return replace(candidate, belongs=found.result.belongs, offset_seconds=found.result.offset_seconds)
