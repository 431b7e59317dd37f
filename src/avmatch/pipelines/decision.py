"""Scores of all pairs → who gets whom: confidence, assignment, ranked candidates, in one MatchResult.

scores → confidence → assignment → MatchResult
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Float64, Int

from avmatch.core.errors import UsageError
from avmatch.core.results import Candidate, Match, MatchResult
from avmatch.matching import assignment
from avmatch.matching.fusion import Scores


@dataclass(frozen=True)
class MatchSettings:
    """What a run was asked for.

    Attributes:
        max_offset_seconds: offsets up to this are searched (one-to-one work).
        min_confidence: a pair less probable than this is no pair.
        complete: force a partner for everyone; raises nobody's confidence.
        many: one recording may serve several videos, each placed at its own offset inside it.
        use_duration: let similar lengths count, weakly.
        use_scratch: let the videos' own sound count.
        top_k: candidates kept per video.
    """

    max_offset_seconds: float = 0.5
    min_confidence: float = assignment.MIN_CONFIDENCE
    complete: bool = False
    many: bool = False
    use_duration: bool = True
    use_scratch: bool = False
    top_k: int = 10

    def __post_init__(self) -> None:
        if not 0.0 <= self.max_offset_seconds <= 3600.0:
            raise UsageError(f"max_offset_seconds must be in 0…3600, got {self.max_offset_seconds}")
        if not 0.0 <= self.min_confidence <= 1.0:
            raise UsageError(f"min_confidence must be in 0…1, got {self.min_confidence}")
        if self.top_k < 1:
            raise UsageError(f"top_k must be at least 1, got {self.top_k}")


def decide(
    listed: Sequence[str],
    videos: Sequence[str],
    audios: Sequence[str],
    scores: Scores,
    confidence: Float64[np.ndarray, "N M"],
    settings: MatchSettings,
) -> MatchResult:
    """Give every listed video its partner, or none.

    Args:
        listed: the videos that were asked for, in the order of the answer.
        videos, audios: the usable files, the rows and columns of `scores`.
        confidence: the probability that each pair is right.
    """
    assign = assignment.many_to_one if settings.many else assignment.one_to_one
    partner = assign(confidence, min_confidence=settings.min_confidence, complete=settings.complete)
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
        )

    def candidates(self, path: str, row: int, top_k: int) -> list[Candidate]:
        """The best few sounds for the video in this row."""
        return [
            Candidate(
                video=path,
                rank=rank,
                audio=self.audio_paths[column],
                score=float(self.scores.nats[row, column]),
                confidence=float(self.confidence[row, column]),
                offset_seconds=self._offset(row, column),
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

    def _cue(self, row: int, column: int) -> str:
        index = int(self.scores.deciding[row, column])
        return self.scores.cue_names[index] if index >= 0 else "none"
