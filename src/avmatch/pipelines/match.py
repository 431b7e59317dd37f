"""Match every video of one folder to the audio of another that belongs to it.

    decode → front end → encode → score → assign

Each arrow is one room of the package; this file is the only place that knows the order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Float

from avmatch.analysis.features import Analyser, analyse_all
from avmatch.artifacts.model import CLIP_TOWERS
from avmatch.core.errors import UsageError
from avmatch.core.features import TICK_RATE_HZ, AudioFeatures, VideoFeatures
from avmatch.core.results import NOTED_MISSING_SHARE, Failure, Match, MatchResult, Preview, Progress
from avmatch.cues.evidence import Cue
from avmatch.cues.recording import DurationCue, ScratchCue
from avmatch.data.inputs import MEDIA_SUFFIXES, list_audio, list_videos
from avmatch.matching.decision import MatchSettings, confidences, decide
from avmatch.matching.fusion import Scores, any_offset, fused_scores, usual_offsets
from avmatch.pipelines.models import (
    MOUTH_WEIGHT_BESIDE,
    Models,
    face_cues,
    looks_at_faces,
    models_with,
    motion_cues,
    open_for_match,
)

#: Offsets are tried this far apart in one-to-one work: lips agree with the voice for ±60 ms only.
LAG_STEP_SECONDS = 0.02

Paths = str | Path | Sequence[str | Path]
Features = TypeVar("Features", VideoFeatures, AudioFeatures)


def match(
    videos: Paths,
    audios: Paths,
    settings: MatchSettings | None = None,
    *,
    model: str | Path | None = None,
    face_detector: Path | None = None,
    cache_dir: Path | None = None,
    leave_out: Sequence[Path] = (),
    num_workers: int = 0,
    progress: Progress | None = None,
) -> MatchResult:
    """Say which audio belongs to which video.

    Args:
        videos, audios: a folder, a glob, a file, a CSV/Parquet manifest with a `path` column, or a list of files.
        settings: what to search and how to decide.
        model: a learned cue's towers: a run, an exported folder, or the name of a model that ships. With towers over
            clip features (artifacts/tower.py), `videos` and `audios` hold `.npy` files of such features.
        face_detector: a YuNet network as ONNX; None = OpenCV's Haar cascades.
        cache_dir: where features are kept between runs; None = nowhere.
        leave_out: folders inside `videos` or `audios` that aren't searched, such as those of earlier results.
        num_workers: files analysed at once; 0 = one a core.
        progress: called with (stage, done, total).

    Raises:
        UsageError: an argument names nothing, or a setting is out of range.
        ModelError: the model or the face detector can't be used.
    """
    settings = settings or MatchSettings()
    opened = None if model is None else open_for_match(model)
    if opened is not None and opened.kind == CLIP_TOWERS:
        from avmatch.pipelines.feature_match import match_features

        return match_features(videos, audios, settings, opened)
    models = models_with(opened)
    analyser = Analyser(cache_dir, models.towers, num_threads=1, face_detector=face_detector)
    watch = analyser.video_with_scratch if settings.use_scratch else analyser.video
    video_paths, audio_paths = _listed(videos, list_videos, leave_out), _listed(audios, list_audio, leave_out)
    seen, video_failures = _sorted_out(video_paths, analyse_all(watch, video_paths, "videos", progress, num_workers))
    heard, audio_failures = _sorted_out(
        audio_paths, analyse_all(analyser.audio, audio_paths, "audio", progress, num_workers)
    )
    cues = cues_for(settings, models)
    scores = _scored(cues, seen, heard, settings, progress)
    faces = [place for place, cue in enumerate(cues) if looks_at_faces(cue)]
    confidence = confidences(scores.nats, np.isin(scores.deciding, faces), shared=settings.many)
    notes = (*_left_out((videos, audios), leave_out), *_notes(seen, heard, settings), *_damages(seen), *_damages(heard))
    result = decide(video_paths, tuple(seen), tuple(heard), scores, confidence, settings)
    return replace(
        result,
        matches=tuple(replace(item, missing_share=_missing(item, seen, heard)) for item in result.matches),
        failures=(*video_failures, *audio_failures),
        notes=notes,
        previews=_previews(seen, heard),
    )


def cues_for(settings: MatchSettings, models: Models) -> tuple[Cue, ...]:
    """The cues of a run."""
    faces = face_cues(models.towers, mouth_weight_beside=MOUTH_WEIGHT_BESIDE)
    cues: list[Cue] = [*motion_cues(models, apart=False, has_kinds=not settings.many), *faces]
    if settings.use_duration and not settings.many:
        cues.append(DurationCue())
    if settings.use_scratch:
        cues.append(ScratchCue())
    return tuple(cues)


def _left_out(arguments: Iterable[Paths], folders: Sequence[Path]) -> Iterator[str]:
    """Who looks for a film of his in a folder of results should know why it isn't there."""
    roots = [Path(argument).resolve() for argument in arguments if isinstance(argument, str | Path)]
    for folder in folders:
        inside = [root for root in roots if root.is_dir() and root in folder.resolve().parents]
        if inside and (num := sum(path.suffix.lower() in MEDIA_SUFFIXES for path in folder.rglob("*"))):
            yield f"{folder}: {num} films and sounds there are taken for results of an earlier run, and left out"


def _listed(
    argument: Paths, lister: Callable[[str | Path, Sequence[Path]], tuple[str, ...]], leave_out: Sequence[Path]
) -> tuple[str, ...]:
    if isinstance(argument, str | Path):
        return lister(argument, leave_out)
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
    return fused_scores(cues, tuple(seen.values()), tuple(heard.values()), lags, prior, progress=progress)


def _lags(
    seen: Mapping[str, VideoFeatures], heard: Mapping[str, AudioFeatures], settings: MatchSettings
) -> Float[np.ndarray, " L"]:
    """One-to-one: ± the range. Many: wherever a video can lie inside the longest recording."""
    if not settings.many:
        steps = int(np.ceil(settings.max_offset_seconds / LAG_STEP_SECONDS))
        return np.arange(-steps, steps + 1) * LAG_STEP_SECONDS
    longest = max((sound.duration_seconds for sound in heard.values()), default=0.0)
    return np.arange(-TICK_RATE_HZ, int(longest * TICK_RATE_HZ) + 1) / TICK_RATE_HZ


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


def _missing(item: Match, seen: Mapping[str, VideoFeatures], heard: Mapping[str, AudioFeatures]) -> float | None:
    """The share of the pair that could not be read, that of the worse file; None for a video that can't be used."""
    shares = [seen[item.video].missing_share] if item.video in seen else []
    return max([*shares, *([] if item.audio is None else [heard[item.audio].missing_share])], default=None)


def _damages(features: Mapping[str, VideoFeatures] | Mapping[str, AudioFeatures]) -> Iterator[str]:
    """A remark on each file of which a part is missing."""
    for path, item in features.items():
        if item.missing_share >= NOTED_MISSING_SHARE:
            kind = "picture" if isinstance(item, VideoFeatures) else "sound"
            share = f"{max(1, min(99, round(100 * item.missing_share)))} %"
            yield f"{path}: {share} of its {kind} could not be read, and the rest was matched; copy the file again"


def _previews(seen: Mapping[str, VideoFeatures], heard: Mapping[str, AudioFeatures]) -> dict[str, Preview]:
    videos = {path: Preview(item.duration_seconds, item.thumbnail_jpeg or None) for path, item in seen.items()}
    sounds = {path: Preview(item.duration_seconds, None, item.peaks) for path, item in heard.items()}
    both = {
        path: Preview(videos[path].duration_seconds, videos[path].thumbnail_jpeg, sounds[path].peaks)
        for path in videos.keys() & sounds.keys()
    }
    return videos | sounds | both
