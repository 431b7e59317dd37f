"""How probable is it that a pair is right, compared with the rest of the gallery? And which are made?

    scores of all pairs → confidence → assignment → matches and ranked candidates, in one MatchResult

Nats alone don't say: among a hundred sentences of one speaker every pair scores high, among a hundred bouncing balls
the right one scores low and still stands alone. So each video's scores are first measured in units of its non-matching
scores (median and spread to the ninth decile, shrunk to usual values where there are few), and four figures of a pair
and the length of the picture are mapped to a frequency by logistic regression, fitted on development clips in galleries
of 2 to 700 in which none, some or all of the matches are missing (benchmarks/confidence.py):

- the score,
- the lead over the best other audio of the same video,
- the lead over the best other video of the same audio,
- the size of the gallery.

Where a face decided, they count otherwise, and only there the length does: the same score is worth more where it comes
from one second than where it comes from four. That is the first stage, which all pairs go through. The pairs that it
would make are then measured as `sync` does it, and a second map takes the figures of their own best offset as well.
Both assume the usual share of files that have a match; how many of this gallery seem to have one moves them.

Letters in shapes: N videos, M audio files.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int
from scipy.special import expit

from avmatch.core.matches import Candidate, Match, MatchResult
from avmatch.cues.evidence import PeakFigures
from avmatch.matching import assignment
from avmatch.matching.constraints import Constraints
from avmatch.matching.fusion import Scores
from avmatch.matching.settings import MatchSettings as MatchSettings

#: What pairs that don't match usually score (nats), and with which weight, in items, that counts in small galleries.
USUAL_MEDIAN, USUAL_SPREAD, USUAL_WEIGHT = 0.6, 1.2, 10.0
USUAL_PAIRS = 30.0
#: In small galleries a rival is assumed that scores like this.
USUAL_RIVAL = 1.2
MIN_SPREAD = 0.02
#: Cues that say less than this aren't named among the reasons.
_LEAST_NATS = 0.05
#: Pictures shorter and longer than those of the fit count as the shortest and the longest of these; and the usual ones.
SHORTEST_SECONDS, USUAL_SECONDS, LONGEST_SECONDS = 1.4, 4.0, 5.0
#: Weights of score, lead in the row, lead in the column, log gallery size, log length, and the constant: where a face
#: decided, and elsewhere (benchmarks/confidence.py, as all that follow).
FACE_WEIGHTS = (1.548, 0.822, 0.846, -0.307, -0.995, -2.137)
WEIGHTS = (0.190, 1.170, 0.972, -0.292, 0.000, -0.485)
#: The same, and of logit(mass), contrast, logit(weaker half), height, strokes and unevenness of its own best offset
#: (cues/evidence.py), and the constant.
FACE_MEASURED_WEIGHTS = (0.000, 0.702, 0.658, -0.326, -0.972, 0.077, 0.466, 0.280, 0.454, 0.340, -9.858, -0.519)
MEASURED_WEIGHTS = (0.381, 0.841, 0.777, -0.299, 0.000, 0.000, 0.000, 0.754, 0.477, 0.028, 0.000, 0.138)
#: How many of the pairs that looked best were right in the galleries of the fit, and how many files' worth that counts.
USUAL_SHARE, USUAL_FILES = 0.367, 8.0
_EM_ROUNDS = 30
NOTHING_GIVEN = Constraints()


def confidences(
    nats: Float[np.ndarray, "N M"], by_face: Bool[np.ndarray, "N M"] | None = None, *, shared: bool = False
) -> Float64[np.ndarray, "N M"]:
    """Probability in 0…1 that each pair is right.

    Args:
        nats: (N, M) scores.
        by_face: (N, M) whether a cue that looks at faces contributed most; None = nowhere.
        shared: a recording may serve several videos, so the lead over other videos says nothing.
    """
    return by_gallery(figures(nats, shared=shared), by_face)


def by_gallery(
    found: Float64[np.ndarray, "N M 4"],
    by_face: Bool[np.ndarray, "N M"] | None = None,
    seconds: Float[np.ndarray, " N"] | None = None,
) -> Float64[np.ndarray, "N M"]:
    """The same from the figures of each pair, and from the lengths of the pictures (None = as usual)."""
    length = log_length(np.full(len(found), USUAL_SECONDS) if seconds is None else seconds)[:, None]

    def log_odds(weights: Sequence[float]) -> Float64[np.ndarray, "N M"]:
        odds: Float64[np.ndarray, "N M"] = found @ weights[:4] + weights[4] * length + weights[5]
        return odds

    elsewhere = log_odds(WEIGHTS)
    odds = elsewhere if by_face is None else np.where(by_face, log_odds(FACE_WEIGHTS), elsewhere)
    probability: Float64[np.ndarray, "N M"] = expit(odds)
    return probability


def measured_confidence(gallery: Float64[np.ndarray, " 4"], seconds: float, peak: PeakFigures, by_face: bool) -> float:
    """Probability in 0…1 that a pair is right, by its figures in the gallery, by the length of its picture, and by the
    figures of its own best offset."""
    weights = FACE_MEASURED_WEIGHTS if by_face else MEASURED_WEIGHTS
    return float(expit(measured_terms(gallery, seconds, peak) @ weights[:-1] + weights[-1]))


def measured_terms(gallery: Float64[np.ndarray, " 4"], seconds: float, peak: PeakFigures) -> Float64[np.ndarray, " 11"]:
    """What that is made of."""
    mass, contrast, half, strokes, unevenness = peak.terms()[:5]
    own = (mass, float(_damped(contrast)), half, float(_damped(peak.height)), strokes, unevenness)
    return np.array([*gallery, float(log_length(seconds)), *own])


def log_length(seconds: Float[np.ndarray, "*shape"] | float) -> Float64[np.ndarray, "*shape"]:
    """What the length of a picture counts as."""
    return np.asarray(np.log(np.clip(np.asarray(seconds, np.float64), SHORTEST_SECONDS, LONGEST_SECONDS)))


def matched_share(confidence: Float64[np.ndarray, " P"]) -> float:
    """The share of a gallery's files that have a match there, by the confidences of the pairs that look best.

    Expectation maximisation (Saerens, Latinne and Decaestecker, "Adjusting the outputs of a classifier to new a priori
    probabilities", 2002), with USUAL_FILES of the usual share, so that a small gallery doesn't say much.
    """
    share = USUAL_SHARE
    for _ in range(_EM_ROUNDS):
        expected = float(adapted(confidence, share).sum())
        share = (expected + USUAL_FILES * USUAL_SHARE) / (len(confidence) + USUAL_FILES)
    return share


def adapted(confidence: Float64[np.ndarray, "*shape"], share: float) -> Float64[np.ndarray, "*shape"]:
    """Confidences where another share of the files than usual has a match."""
    ratio = share / (1.0 - share) * (1.0 - USUAL_SHARE) / USUAL_SHARE
    return np.asarray(confidence * ratio / (confidence * ratio + 1.0 - confidence))


def figures(nats: Float[np.ndarray, "N M"], *, shared: bool = False) -> Float64[np.ndarray, "N M 4"]:
    """What the confidence of each pair is made of: score, lead in the row, lead in the column, log size."""
    scores = np.asarray(nats, np.float64)
    if not scores.size:
        return np.zeros((*scores.shape, 4))
    median, spread = _unmatched(scores)
    units = (scores - median) / spread
    rival = (USUAL_RIVAL - median) / spread
    found = np.empty((*scores.shape, 4))  # filled one after another: in large galleries each is large
    found[..., 0] = _damped(scores)
    found[..., 1] = _damped(units - np.maximum(_best_other(units), rival))
    found[..., 2] = found[..., 1] if shared else _damped(units - np.maximum(_best_other(units.T).T, rival))
    found[..., 3] = 0.5 * np.log(scores.size)
    return found


def _unmatched(scores: Float64[np.ndarray, "N M"]) -> tuple[Float64[np.ndarray, "N 1"], Float64[np.ndarray, "N 1"]]:
    """Median and spread of each row, shrunk to those of all rows, and these to the usual ones."""
    median, decile = np.quantile(scores, (0.5, 0.9), axis=1)
    middle, spread = unmatched(median, decile, scores.shape[1])
    return middle[:, None], spread[:, None]


def unmatched(
    median: Float64[np.ndarray, " N"], decile: Float64[np.ndarray, " N"], num_audio: int
) -> tuple[Float64[np.ndarray, " N"], Float64[np.ndarray, " N"]]:
    """The same from the medians and ninth deciles of all rows."""
    log_spread = np.log(np.maximum(decile - median, MIN_SPREAD))
    pairs, usual = len(median) * num_audio, np.log(USUAL_SPREAD)
    pooled = (pairs * np.median(log_spread) + USUAL_PAIRS * usual) / (pairs + USUAL_PAIRS)
    spread = np.exp((num_audio * log_spread + USUAL_WEIGHT * pooled) / (num_audio + USUAL_WEIGHT))
    middle = (num_audio * median + USUAL_WEIGHT * USUAL_MEDIAN) / (num_audio + USUAL_WEIGHT)
    return middle, spread


def figures_of_pairs(
    nats: Float64[np.ndarray, " E"],
    middle: Float64[np.ndarray, " E"],
    spread: Float64[np.ndarray, " E"],
    rivals: tuple[Float64[np.ndarray, " E"], Float64[np.ndarray, " E"]],
    num_pairs: int,
) -> Float64[np.ndarray, "E 1 4"]:
    """`figures` of some pairs.

    Args:
        middle, spread: of each one's row (`unmatched`).
        rivals: the best other score of its row, and of its column, in units of their own rows; -inf without any.
        num_pairs: N · M.
    """
    units, usual = (nats - middle) / spread, (USUAL_RIVAL - middle) / spread
    leads = [_damped(units - np.maximum(rival, usual)) for rival in rivals]
    return np.stack([_damped(nats), *leads, np.full(len(nats), 0.5 * np.log(num_pairs))], axis=1)[:, None]


def _best_other(values: Float64[np.ndarray, "N M"]) -> Float64[np.ndarray, "N M"]:
    """For each value the largest of the others in its row; -inf if there are none."""
    if values.shape[1] < 2:
        return np.full(values.shape, -np.inf)
    second, first = np.partition(values, -2, axis=1)[:, -2:].T
    others = np.repeat(first[:, None], values.shape[1], axis=1)
    best = values.argmax(axis=1)
    others[np.arange(len(values)), best] = second
    return others


def _damped(values: Float64[np.ndarray, "*shape"] | float) -> Float64[np.ndarray, "*shape"]:
    """Sign-preserving logarithm: a lead of hundred isn't ten times as sure as one of ten."""
    return np.asarray(np.sign(values) * np.log1p(np.abs(values)))


def partners(
    confidence: Float64[np.ndarray, "N M"], settings: MatchSettings, given: Constraints = NOTHING_GIVEN
) -> Int[np.ndarray, " N"]:
    """The audio of each video under these settings, or -1.

    Args:
        given: what a person decided; `confidence` knows it already (Constraints.with_confidence).
    """
    assign = assignment.many_to_one if settings.many else assignment.one_to_one
    partner = assign(confidence, min_confidence=settings.min_confidence, complete=settings.complete)
    if settings.complete and given and confidence.size:
        shape = (confidence.shape[0], confidence.shape[1])
        is_closed = given.closed(shape, shared=settings.many)[np.arange(len(partner)), partner]
        partner = np.where(is_closed, -1, partner)
    return partner


def decide(
    listed: Sequence[str],
    videos: Sequence[str],
    audios: Sequence[str],
    scores: Scores,
    confidence: Float64[np.ndarray, "N M"],
    settings: MatchSettings,
    given: Constraints = NOTHING_GIVEN,
) -> MatchResult:
    """Give every listed video its match, or none.

    Args:
        listed: the videos that were asked for, in the order of the answer.
        videos, audios: the usable files, the rows and columns of `scores`.
        confidence: the probability that each pair is right.
        given: what a person decided.
    """
    partner = partners(confidence, settings, given)
    rows = {path: row for row, path in enumerate(videos)}
    taken = set(partner.tolist())
    table = _Table(scores, confidence, partner, tuple(audios))
    return MatchResult(
        matches=tuple(
            table.match(path, rows[path]) if path in rows else Match(path, None, 0.0, None, None, "") for path in listed
        ),
        unmatched_audio=tuple(path for column, path in enumerate(audios) if column not in taken),
        candidates=tuple(item for path, row in rows.items() for item in table.candidates(path, row, settings.top_k)),
        videos=tuple(videos),
        audio=tuple(audios),
        similarity=scores.nats,
        settings={"cues": list(scores.cue_names), **asdict(settings)},
    )


@dataclass(frozen=True, eq=False)
class _Table:
    """Scores and decisions, read off a video at a time."""

    scores: Scores
    confidence: Float64[np.ndarray, "N M"]
    partner: Int[np.ndarray, " N"]
    audio_paths: tuple[str, ...]

    def match(self, path: str, row: int) -> Match:
        """What was decided for the video in this row."""
        ranked = self._ranked(row)
        chosen = int(self.partner[row])
        others = [column for column in ranked if column != chosen]
        runner_up = others[0] if others else None
        best = chosen if chosen >= 0 else runner_up
        return Match(
            video=path,
            audio=self.audio_paths[chosen] if chosen >= 0 else None,
            confidence=0.0 if best is None else float(self.confidence[row, best]),
            score=float(self.scores.nats[row, chosen]) if chosen >= 0 else None,
            offset_seconds=self._offset(row, chosen) if chosen >= 0 else None,
            cue=self._cue(row, chosen) if chosen >= 0 else "",
            runner_up=None if runner_up is None else self.audio_paths[runner_up],
            runner_up_score=None if runner_up is None else float(self.scores.nats[row, runner_up]),
            why=self._decision(row, best, runner_up if chosen >= 0 else _second(others)),
        )

    def candidates(self, path: str, row: int, top_k: int) -> list[Candidate]:
        """The best few recordings for the video in this row."""
        return [
            Candidate(
                video=path,
                rank=rank,
                audio=self.audio_paths[column],
                score=float(self.scores.nats[row, column]),
                confidence=float(self.confidence[row, column]),
                offset_seconds=self._offset(row, column),
                why=self._evidence(row, column),
            )
            for rank, column in enumerate(self._ranked(row)[:top_k], start=1)
        ]

    def _ranked(self, row: int) -> list[int]:
        order: list[int] = np.argsort(-self.scores.nats[row], kind="stable").tolist()
        return order

    def _offset(self, row: int, column: int) -> float | None:
        """None where the cues compare whole clips and know no time."""
        seconds = float(self.scores.offset_seconds[row, column])
        return None if np.isnan(seconds) else seconds

    def _decision(self, row: int, best: int | None, second: int | None) -> str:
        """What speaks for the best candidate, and the score of the next."""
        if best is None:
            return "there is no recording to compare with"
        next_best = "" if second is None else f"; next best {self.scores.nats[row, second]:.1f}"
        return f"{self._evidence(row, best)}{next_best}"

    def _evidence(self, row: int, column: int) -> str:
        """The score of each cue at the pair's offset, the largest first."""
        parts = zip(self.scores.cue_names, self.scores.parts[:, row, column].tolist(), strict=True)
        known = sorted(((nats, name) for name, nats in parts if abs(nats) >= _LEAST_NATS), reverse=True)
        return ", ".join(f"{name} {nats:.1f}" for nats, name in known) or "no cue can tell"

    def _cue(self, row: int, column: int) -> str:
        index = int(self.scores.deciding[row, column])
        return self.scores.cue_names[index] if index >= 0 else "none"


def _second(others: Sequence[int]) -> int | None:
    return others[1] if len(others) > 1 else None
