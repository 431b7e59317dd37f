"""What a person decided of a result, brought into `match`: constraints, and what accepted pairs say of the rest.

    decisions by path → rows and columns → the accepted pairs scored → factors of cues, offsets of recorders

Offsets are shared by the pairs of one camera with one recorder. Where neither a person nor a header says which files
are of the same device, all count as one of each. In recordings that cover several videos an offset is a place, which no
other pair shares.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
from jaxtyping import Float, Int

from avmatch.core.features import AudioFeatures, VideoFeatures
from avmatch.core.matches import Match, MatchResult
from avmatch.core.origins import Origin
from avmatch.core.results import Progress
from avmatch.cues.evidence import Cue
from avmatch.matching.accepted import BEYOND_SECONDS, cue_factors, offset_prior
from avmatch.matching.constraints import Constraints
from avmatch.matching.fusion import NO_FACTORS, Factors, Scores, any_offset, fused_scores, no_scores, put, usual_offsets
from avmatch.matching.settings import MatchSettings
from avmatch.matching.shortlist import gallery_scores
from avmatch.pipelines.decided import Decided

#: A camera and a recorder.
Devices = tuple[str, str]
BY_A_PERSON = "accepted in the review"


@dataclass(frozen=True)
class Lessons:
    """What is known of a shoot.

    Attributes:
        given: what was decided, by rows and columns.
        cameras, recorders: the device of each row and of each column, "" where unknown.
        offsets: the accepted offsets of each camera with each recorder.
        factors: what the weights of cues are multiplied with.
    """

    given: Constraints
    cameras: tuple[str, ...]
    recorders: tuple[str, ...]
    offsets: Mapping[Devices, tuple[float, ...]] = field(default_factory=dict)
    factors: Factors = field(default_factory=dict)

    @property
    def farthest_seconds(self) -> float:
        """So far from zero offsets are worth looking for; 0 where nothing was accepted."""
        known = [abs(offset) + BEYOND_SECONDS for offsets in self.offsets.values() for offset in offsets]
        return max(known, default=0.0)

    def offsets_of(self, row: int, column: int) -> tuple[float, ...]:
        """The accepted offsets of the same camera with the same recorder."""
        return self.offsets.get((self.cameras[row], self.recorders[column]), ())


def lessons_of(decided: Decided, videos: Sequence[Origin], audios: Sequence[Origin], *, many: bool) -> Lessons:
    """What was decided of these usable files; the factors of cues are still to be learned.

    Args:
        videos, audios: where the files of the rows and columns come from.
        many: a recording may serve several videos.
    """
    columns = {origin.path: column for column, origin in enumerate(audios)}
    made: dict[int, int] = {}
    accepted: dict[int, float | None] = {}
    alone: set[int] = set()
    forbidden: set[tuple[int, int]] = set()
    for row, origin in enumerate(videos):
        ruling = decided.ruling(origin.path)
        forbidden.update((row, columns[audio]) for audio in ruling.forbidden if audio in columns)
        wanted = columns.get((ruling.recording if ruling.verdict == "accepted" else ruling.pinned) or "")
        if ruling.verdict == "none":
            alone.add(row)
        elif wanted is not None and (many or wanted not in made.values()):
            made[row] = wanted
            if ruling.verdict == "accepted":
                accepted[row] = ruling.offset_seconds
    given = Constraints(made, accepted, frozenset(alone), frozenset(forbidden))
    cameras, recorders = (tuple(item.device if item.is_known else "" for item in side) for side in (videos, audios))
    offsets: dict[Devices, tuple[float, ...]] = {}
    for row, offset in accepted.items():
        if offset is not None and not many:
            devices = cameras[row], recorders[made[row]]
            offsets[devices] = (*offsets.get(devices, ()), offset)
    return Lessons(given, cameras, recorders, offsets)


def learned_factors(
    lessons: Lessons,
    cues: Sequence[Cue],
    videos: Sequence[VideoFeatures],
    audios: Sequence[AudioFeatures],
    lags_seconds: Float[np.ndarray, " L"],
    *,
    many: bool,
) -> Factors:
    """How far each cue is to be believed in this shoot, by its accepted pairs."""
    rows = list(lessons.given.accepted)
    if not rows:
        return NO_FACTORS
    usual = any_offset(lags_seconds) if many else usual_offsets(lags_seconds)
    known = [offset for offsets in lessons.offsets.values() for offset in offsets]
    prior = usual if many else offset_prior(lags_seconds, usual, known)
    scores = fused_scores(cues, [videos[row] for row in rows], audios, lags_seconds, prior)
    factors = cue_factors(scores.parts, np.array([lessons.given.made[row] for row in rows]))
    return dict(zip(scores.cue_names, factors.tolist(), strict=True))


def scored(
    lessons: Lessons,
    cues: Sequence[Cue],
    videos: Sequence[VideoFeatures],
    audios: Sequence[AudioFeatures],
    lags_seconds: Float[np.ndarray, " L"],
    settings: MatchSettings,
    progress: Progress | None,
) -> Scores:
    """Scores of every pair, with what is known of the offsets of each camera with each recorder."""
    factors = lessons.factors
    if settings.many:
        prior = any_offset(lags_seconds)
        return fused_scores(cues, videos, audios, lags_seconds, prior, factors=factors, progress=progress)
    usual = usual_offsets(lags_seconds)
    groups = list(_groups(lessons))
    if len(groups) == 1:
        prior = offset_prior(lags_seconds, usual, lessons.offsets.get(groups[0][0], ()))
        return gallery_scores(cues, videos, audios, lags_seconds, prior, factors=factors, progress=progress)
    scores = no_scores(tuple(cue.name for cue in cues), (len(videos), len(audios)))
    for devices, rows, columns in groups:
        prior = offset_prior(lags_seconds, usual, lessons.offsets.get(devices, ()))
        some = [videos[row] for row in rows], [audios[column] for column in columns]
        put(scores, gallery_scores(cues, *some, lags_seconds, prior, factors=factors), rows[:, None], columns)
        if progress is not None:
            progress("pairs", min(int(rows[-1]) + 1, len(videos)), len(videos))
    return scores


def with_decided(result: MatchResult, lessons: Lessons) -> MatchResult:
    """The decisions of a person in the answer, with the offsets that he found right."""
    rows = {path: row for row, path in enumerate(result.videos)}
    matches = tuple(_decided(item, lessons.given, rows.get(item.video)) for item in result.matches)
    return replace(result, matches=matches)


def _decided(match: Match, given: Constraints, row: int | None) -> Match:
    if row is None or not given:
        return match
    if row in given.alone:
        return replace(match, confidence=0.0, why="no match, by the review")
    if row not in given.made:
        return match
    if row not in given.accepted:
        return replace(match, confidence=1.0, why=f"pinned in the review; {match.why}")
    offset = given.accepted[row]
    sure = replace(match, confidence=1.0, why=f"{BY_A_PERSON}; {match.why}")
    if offset is None:
        return sure
    return replace(sure, offset_seconds=offset, offset_confidence=1.0, offset_interval_seconds=(offset, offset))


def _groups(lessons: Lessons) -> Sequence[tuple[Devices, Int[np.ndarray, " n"], Int[np.ndarray, " m"]]]:
    """The rows of each camera with the columns of each recorder."""
    cameras, recorders = np.array(lessons.cameras), np.array(lessons.recorders)
    return [
        ((camera, recorder), np.flatnonzero(cameras == camera), np.flatnonzero(recorders == recorder))
        for camera, recorder in product(dict.fromkeys(lessons.cameras), dict.fromkeys(lessons.recorders))
    ]
