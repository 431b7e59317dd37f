"""Match every video of one folder to the audio of another that belongs to it.

    decode → front end → encode → score → assign

Each arrow is one room of the package; this file is the only place that knows the order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Float, Float64, Int

from avmatch.core.errors import UsageError
from avmatch.core.features import TICK_RATE_HZ, AudioFeatures, VideoFeatures
from avmatch.core.results import Candidate, Failure, Match, MatchResult, Preview
from avmatch.cues.duration import DurationCue
from avmatch.cues.evidence import Cue
from avmatch.cues.learned import EmbeddingCue
from avmatch.cues.motion import MotionCue
from avmatch.cues.mouth import MouthCue
from avmatch.cues.scratch import ScratchCue
from avmatch.datasets.inputs import list_audio, list_videos
from avmatch.encoders.tower import TowerPair, load_pair
from avmatch.matching import assignment
from avmatch.matching.confidence import confidences
from avmatch.matching.fusion import Scores, any_offset, fused_scores, usual_offsets
from avmatch.pipelines.analysis import Analyser, Progress, analyse_all

#: Offsets are tried this far apart in one-to-one work: lips agree with the voice for ±60 ms only.
LAG_STEP_SECONDS = 0.02

Paths = str | Path | Sequence[str | Path]
Features = TypeVar("Features", VideoFeatures, AudioFeatures)


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


def match(
    videos: Paths,
    audios: Paths,
    settings: MatchSettings | None = None,
    *,
    model: str | Path | None = None,
    cache_dir: Path | None = None,
    num_workers: int = 0,
    progress: Progress | None = None,
) -> MatchResult:
    """Say which audio belongs to which video.

    Args:
        videos, audios: a folder, a glob, a file, a CSV/Parquet manifest with a `path` column, or a list of files.
        settings: what to search and how to decide.
        model: a folder with the ONNX towers of a learned cue (encoders/tower.py).
        cache_dir: where features are kept between runs; None = nowhere.
        num_workers: files analysed at once; 0 = one a core.
        progress: called with (stage, done, total).

    Raises:
        UsageError: an argument names nothing, or a setting is out of range.
        ModelError: the model can't be used.
    """
    settings = settings or MatchSettings()
    towers = None if model is None else load_pair(model)
    analyser = Analyser(cache_dir, towers, num_threads=1)
    watch = analyser.video_with_scratch if settings.use_scratch else analyser.video
    video_paths, audio_paths = _listed(videos, list_videos), _listed(audios, list_audio)
    seen, video_failures = _sorted_out(video_paths, analyse_all(watch, video_paths, "videos", progress, num_workers))
    heard, audio_failures = _sorted_out(
        audio_paths, analyse_all(analyser.audio, audio_paths, "audio", progress, num_workers)
    )
    cues = cues_for(settings, towers)
    scores = _scored(cues, seen, heard, settings, progress)
    return _decided(video_paths, seen, heard, scores, settings, (*video_failures, *audio_failures))


def cues_for(settings: MatchSettings, model: TowerPair | None) -> tuple[Cue, ...]:
    """The cues of a run."""
    cues: list[Cue] = [MotionCue(), MouthCue()]
    if settings.use_duration and not settings.many:
        cues.append(DurationCue())
    if settings.use_scratch:
        cues.append(ScratchCue())
    if model is not None:
        told = model.video.description
        cues.append(EmbeddingCue(model.name, told.scale, told.baseline, told.independent_seconds))
    return tuple(cues)


def _listed(argument: Paths, lister: Callable[[str | Path], tuple[str, ...]]) -> tuple[str, ...]:
    if isinstance(argument, str | Path):
        return lister(argument)
    if not argument:
        raise UsageError("an empty list of files was given")
    return tuple(dict.fromkeys(os.fspath(path) for path in argument))


def _sorted_out(
    paths: Sequence[str], answers: Sequence[Features | Failure]
) -> tuple[dict[str, Features], tuple[Failure, ...]]:
    """Features by path, and the failures."""
    usable = {path: item for path, item in zip(paths, answers, strict=True) if not isinstance(item, Failure)}
    return usable, tuple(item for item in answers if isinstance(item, Failure))


def _scored(
    cues: Sequence[Cue],
    seen: Mapping[str, VideoFeatures],
    heard: Mapping[str, AudioFeatures],
    settings: MatchSettings,
    progress: Progress | None,
) -> Scores:
    lags = _lags(seen, heard, settings)
    prior = any_offset(lags) if settings.many else usual_offsets(lags)

    def tell(done: int, total: int) -> None:
        if progress is not None:
            progress("pairs", done, total)

    return fused_scores(cues, tuple(seen.values()), tuple(heard.values()), lags, prior, progress=tell)


def _lags(
    seen: Mapping[str, VideoFeatures], heard: Mapping[str, AudioFeatures], settings: MatchSettings
) -> Float[np.ndarray, " L"]:
    """One-to-one: ± the range. Many: wherever a video can lie inside the longest recording."""
    if not settings.many:
        steps = int(np.ceil(settings.max_offset_seconds / LAG_STEP_SECONDS))
        return np.arange(-steps, steps + 1) * LAG_STEP_SECONDS
    longest = max((sound.duration_seconds for sound in heard.values()), default=0.0)
    return np.arange(-TICK_RATE_HZ, int(longest * TICK_RATE_HZ) + 1) / TICK_RATE_HZ


def _decided(
    video_paths: Sequence[str],
    seen: Mapping[str, VideoFeatures],
    heard: Mapping[str, AudioFeatures],
    scores: Scores,
    settings: MatchSettings,
    failures: tuple[Failure, ...],
) -> MatchResult:
    assign = assignment.many_to_one if settings.many else assignment.one_to_one
    confidence = confidences(scores.nats, shared=settings.many)
    partner = assign(confidence, min_confidence=settings.min_confidence, complete=settings.complete)
    audio_paths = tuple(heard)
    rows = {path: row for row, path in enumerate(seen)}
    taken = set(partner.tolist())
    table = _Table(scores, confidence, partner, audio_paths)
    return MatchResult(
        matches=tuple(
            table.match(path, rows[path]) if path in rows else Match(path, None, 0.0, None, None, "")
            for path in video_paths
        ),
        unmatched_audio=tuple(path for column, path in enumerate(audio_paths) if column not in taken),
        candidates=tuple(item for path, row in rows.items() for item in table.candidates(path, row, settings.top_k)),
        videos=tuple(seen),
        audio=audio_paths,
        similarity=scores.nats,
        failures=failures,
        settings={"cues": list(scores.cue_names), **asdict(settings)},
        notes=_notes(seen, heard, settings),
        previews=_previews(seen, heard),
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
            offset_seconds=float(self.scores.offset_seconds[row, chosen]) if chosen >= 0 else None,
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
                offset_seconds=float(self.scores.offset_seconds[row, column]),
            )
            for rank, column in enumerate(self._ranked(row)[:top_k], start=1)
        ]

    def _ranked(self, row: int) -> list[int]:
        order: list[int] = np.argsort(-self.scores.nats[row], kind="stable").tolist()
        return order

    def _cue(self, row: int, column: int) -> str:
        index = int(self.scores.deciding[row, column])
        return self.scores.cue_names[index] if index >= 0 else "none"


def _notes(
    seen: Mapping[str, VideoFeatures], heard: Mapping[str, AudioFeatures], settings: MatchSettings
) -> tuple[str, ...]:
    """Remarks for a person."""
    if settings.many or not seen or not heard:
        return ()
    lengths = np.array([audio.duration_seconds for audio in heard.values()])
    gaps = [np.abs(lengths - video.duration_seconds).min() for video in seen.values()]
    far = sum(gap > settings.max_offset_seconds for gap in gaps)
    if not far:
        return ()
    return (
        f"{far} of {len(seen)} videos have no recording of their own length (within {settings.max_offset_seconds:g} "
        "s). "
        "If recordings run longer than the pictures, use --many to place each video inside its recording, "
        "or raise --max-offset.",
    )


def _previews(seen: Mapping[str, VideoFeatures], heard: Mapping[str, AudioFeatures]) -> dict[str, Preview]:
    videos = {path: Preview(item.duration_seconds, item.thumbnail_jpeg or None) for path, item in seen.items()}
    sounds = {path: Preview(item.duration_seconds, None, item.peaks) for path, item in heard.items()}
    both = {
        path: Preview(videos[path].duration_seconds, videos[path].thumbnail_jpeg, sounds[path].peaks)
        for path in videos.keys() & sounds.keys()
    }
    return videos | sounds | both
