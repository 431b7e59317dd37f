"""The pairs that `match` makes, measured as `sync` measures them: one answer for one pair.

`match` looks for an offset only to tell pairs apart. What it says of a pair's offset is what `sync` says of the video
with that recording, in the same range: by the same cues, with the same zero, interval and probability. In a recording
that covers several videos, the place that `match` found is the middle of that range.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from avmatch.alignment.offset import UNRELATED_BELOW
from avmatch.analysis.features import analyse_all
from avmatch.core.features import AudioFeatures, VideoFeatures
from avmatch.core.matches import Match
from avmatch.core.results import Failure, Progress, SyncResult
from avmatch.cues.evidence import Cue
from avmatch.pipelines.sync import DEFAULT_MAX_OFFSET_SECONDS, measured_pair


@dataclass(frozen=True)
class Pair:
    """A video, a recording, and the offset at which `match` found them."""

    video: str
    audio: str
    offset_seconds: float


def measured_pairs(
    pairs: Sequence[Pair],
    cues: Sequence[Cue],
    videos: Mapping[str, VideoFeatures],
    audios: Mapping[str, AudioFeatures],
    max_offset_seconds: float = DEFAULT_MAX_OFFSET_SECONDS,
    *,
    num_workers: int = 0,
    progress: Progress | None = None,
) -> dict[Pair, SyncResult]:
    """What `sync` says of each pair; a pair for which that fails is left out."""
    by_name = {str(number): pair for number, pair in enumerate(pairs)}

    def measured(name: str) -> SyncResult:
        pair = by_name[name]
        near = 0.0 if abs(pair.offset_seconds) <= max_offset_seconds else float(round(pair.offset_seconds))
        return measured_pair(cues, pair.video, videos[pair.video], audios[pair.audio], max_offset_seconds, near)

    answers = analyse_all(measured, list(by_name), "offsets", progress, num_workers)
    return {
        pair: answer
        for pair, answer in zip(pairs, answers, strict=True)
        if not isinstance(answer, Failure) and answer.offset_seconds is not None
    }


def with_offset(match: Match, measured: SyncResult | None) -> Match:
    """A match with what `sync` says of its offset; one that it can't measure keeps the offset that `match` assumed."""
    if match.audio is None:
        return match
    if measured is None or measured.belongs is None:
        confidence = 0.0 if measured is None else measured.confidence
    else:
        confidence = measured.confidence / max(measured.belongs, UNRELATED_BELOW)
    if measured is None:
        return replace(match, offset_confidence=confidence)
    return replace(
        match,
        offset_seconds=measured.offset_seconds,
        offset_confidence=min(confidence, 1.0),
        offset_interval_seconds=measured.offset_interval_seconds,
    )
