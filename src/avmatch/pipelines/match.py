"""Match every video of one folder to the audio of another that belongs to it.

    decode → front end → encode → score → assign

Each arrow is one folder of the package; this file is the only place that knows the order. Features computed elsewhere,
folders of `.npy` with one clip a file, take a shorter way, without decoder and front end: towers over clip features
take the arrays as they are.

    load → encode → similarity → decide
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Float, Float32, Float64

from avmatch.analysis.features import Analyser, analyse_all
from avmatch.artifacts.model import CLIP_TOWERS, Model
from avmatch.artifacts.tower import ClipTower, load_clip_towers
from avmatch.core.errors import MediaError, UsageError
from avmatch.core.features import TICK_RATE_HZ, AudioFeatures, VideoFeatures
from avmatch.core.log import logger
from avmatch.core.matches import Match, MatchResult, Preview
from avmatch.core.origins import Origin
from avmatch.core.results import NOTED_DAMAGED_SECONDS, NOTED_MISSING_SHARE, Failure, Progress
from avmatch.cues.evidence import Cue
from avmatch.cues.mouth import looks_at_faces
from avmatch.cues.recording import DurationCue
from avmatch.matching.constraints import Constraints
from avmatch.matching.decision import MatchSettings, by_gallery, decide, figures
from avmatch.matching.fusion import Scores
from avmatch.matching.shoot import with_shoot
from avmatch.media.origins import read_origin, with_devices
from avmatch.pipelines.arguments import Paths, left_out, listed, video_and_audio_paths
from avmatch.pipelines.decided import Decided
from avmatch.pipelines.farther import with_farther
from avmatch.pipelines.groups import Alignments, same_takes, with_further, without_doubles
from avmatch.pipelines.lessons import Lessons, learned_factors, lessons_of, scored, with_decided
from avmatch.pipelines.models import Models, face_cues, models_with, motion_cues, open_for_match, unfitted_notes
from avmatch.pipelines.pairs import PairJudge, jump_notes, with_measured, with_offsets_of_matches
from avmatch.pipelines.scratch import heard_pairs, picture_notes, shared_notes, with_heard
from avmatch.pipelines.shoot import with_latency
from avmatch.pipelines.sync import cues_for as sync_cues_for

#: Offsets are tried this far apart in one-to-one work: lips agree with the voice for ±60 ms only.
LAG_STEP_SECONDS = 0.02

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
    contents: Mapping[str, str] | None = None,
    decided: Decided | None = None,
    num_workers: int = 0,
    progress: Progress | None = None,
) -> MatchResult:
    """Say which audio belongs to which video, as answers.match does, from the features on; no answer is kept.

    Args:
        contents: the content hashes of files, where they are known already.
        decided: what a person decided of the files in a review.
    """
    settings, decided = settings or MatchSettings(), decided or Decided()
    opened = None if model is None else open_for_match(model)
    if opened is not None and opened.kind == CLIP_TOWERS:
        return _match_features(videos, audios, settings, opened, decided)
    models = models_with(opened)
    analyser = Analyser(cache_dir, models.towers, 1, face_detector, contents=contents or {}, encoders=models.encoders)
    watch = analyser.video_with_scratch if settings.use_scratch else analyser.video
    video_paths, audio_paths = video_and_audio_paths(videos, audios, leave_out)
    video_answers = analyse_all(watch, video_paths, "videos", progress, num_workers)
    audio_answers = analyse_all(analyser.audio, audio_paths, "audio", progress, num_workers)
    video_features, audio_features = _usable(video_paths, video_answers), _usable(audio_paths, audio_answers)
    videos_there, audios_there = tuple(video_features), tuple(audio_features)
    origins = _origins(videos_there, audios_there, settings, decided, num_workers)
    known = lessons_of(decided, *origins, many=settings.many)
    features = tuple(video_features.values()), tuple(audio_features.values())
    logger.info("%d videos and %d recordings, offsets up to ±%g s", *map(len, features), settings.max_offset_seconds)
    judge, doubles, learned = judge_of(models, *features, origins, settings, known, num_workers, progress)
    confidence = judge.settled()
    made = decide(video_paths, videos_there, audios_there, judge.scores, confidence, settings, known.given)
    result = with_measured(made, judge)
    result, shared = with_latency(result, judge, *origins) if settings.use_latency else (result, ())
    result = with_farther(result, video_features, audio_features, judge.cues, settings, known.given, progress)
    result = with_offsets_of_matches(with_further(with_decided(result, known), judge, doubles, *origins))
    remarks = (
        *_notes(video_features, audio_features, settings, {videos_there[pair.row] for pair in judge.heard}),
        *shared_notes(result, judge),
        *picture_notes(result, judge),
        *jump_notes(result, judge),
        *unfitted_notes(models),
    )
    missing = {item.video: _missing(item, video_features, audio_features) for item in result.matches}
    return replace(
        result,
        matches=tuple(replace(item, missing_share=missing[item.video]) for item in result.matches),
        settings={**result.settings, **_named(model=model, face_detector=face_detector)},
        failures=_failures((*video_answers, *audio_answers)),
        notes=(*left_out((videos, audios), leave_out), *result.notes, *remarks, *learned, *shared),
        previews=_previews(video_features, audio_features),
    )


def judge_of(
    models: Models,
    videos: tuple[VideoFeatures, ...],
    audios: tuple[AudioFeatures, ...],
    origins: tuple[tuple[Origin, ...], tuple[Origin, ...]],
    settings: MatchSettings,
    known: Lessons,
    num_workers: int,
    progress: Progress | None,
) -> tuple[PairJudge, Alignments, tuple[str, ...]]:
    """Score every pair, and make ready to measure those that are made; which recordings are of one take; and remarks on
    what the shoot knows."""
    cues = cues_for(settings, models)
    lags = _lags(audios, settings, known.farthest_seconds)
    known = replace(known, factors=learned_factors(known, cues, videos, audios, lags, many=settings.many))
    scores = scored(known, cues, videos, audios, lags, settings, progress)
    measuring = sync_cues_for(models)
    faces = [place for place, cue in enumerate(cues) if looks_at_faces(cue)]
    by_face = np.isin(scores.deciding, faces)
    heard = heard_pairs(videos, audios, num_workers, progress) if settings.use_scratch else {}
    scores = with_heard(scores, heard, origins[1], many=settings.many)
    doubles = same_takes(scores, audios, origins[1])
    seconds = np.array([video.duration_seconds for video in videos])
    scores, learned = with_shoot(without_doubles(scores, doubles), by_face, *origins, settings, known.given, seconds)
    gallery, given, shape = _figures(scores, known.given, settings), known.given, (len(videos), len(audios))
    confidence = by_gallery(gallery, by_face, seconds)
    judge = PairJudge(
        measuring,
        videos,
        audios,
        scores,
        gallery,
        given.with_confidence(confidence, shared=settings.many) if given and all(shape) else confidence,
        settings,
        num_workers,
        progress,
        given,
        lambda pair: known.offsets_of(pair.row, pair.column),
        heard,
    )
    return judge, doubles, learned


def _figures(scores: Scores, given: Constraints, settings: MatchSettings) -> Float64[np.ndarray, "N M 4"]:
    """What confidences are made of: only what is still to decide is a gallery."""
    if not given:
        return figures(scores.nats, shared=settings.many)
    shape = (scores.nats.shape[0], scores.nats.shape[1])
    rows, columns = given.left(shape, shared=settings.many)
    nats = given.without_forbidden(scores.nats)[np.ix_(rows, columns)]
    return given.with_figures(figures(nats, shared=settings.many), shape, shared=settings.many)


def _origins(
    videos: Sequence[str], audios: Sequence[str], settings: MatchSettings, decided: Decided, num_workers: int
) -> tuple[tuple[Origin, ...], tuple[Origin, ...]]:
    """Where the files come from; nothing is read where nothing is to count."""
    read: Callable[[str], Origin] = read_origin if settings.use_clock or settings.use_latency else Origin
    if not (settings.use_clock or settings.use_order or settings.use_latency):
        return _labelled(map(Origin, videos), decided), _labelled(map(Origin, audios), decided)
    found = [
        Origin(path) if isinstance(answer, Failure) else answer
        for paths in (videos, audios)
        for path, answer in zip(paths, analyse_all(read, paths, "headers", None, num_workers), strict=True)
    ]
    of_videos, of_audios = with_devices(found[: len(videos)]), with_devices(found[len(videos) :])
    return _labelled(of_videos, decided), _labelled(of_audios, decided)


def _labelled(origins: Iterable[Origin], decided: Decided) -> tuple[Origin, ...]:
    """The origins, with the devices that a person named."""
    named = ((item, decided.device(item.path)) for item in origins)
    return tuple(replace(item, device=device, is_known=True) if device else item for item, device in named)


def cues_for(settings: MatchSettings, models: Models) -> tuple[Cue, ...]:
    """The cues of a run."""
    motion = motion_cues(models, apart=False, has_kinds=not settings.many)
    cues = [*motion, *face_cues(models.towers, apart=False)]
    if settings.use_duration and not settings.many:
        cues.append(DurationCue())
    return tuple(cues)


def _named(**files: str | Path | None) -> dict[str, str]:
    """The models that were given, so that the same can be asked again."""
    return {name: str(file) for name, file in files.items() if file is not None}


def _failures(answers: Iterable[object]) -> tuple[Failure, ...]:
    """What couldn't be used; a file that fails as a video and as a recording counts once."""
    failures = [answer for answer in answers if isinstance(answer, Failure)]
    return tuple({(failure.path, failure.message): failure for failure in failures}.values())


def _match_features(
    videos: Paths, audios: Paths, settings: MatchSettings, model: Model, decided: Decided
) -> MatchResult:
    """Say which audio clip belongs to which video clip, by their features (T, F) and towers over them.

    Raises:
        UsageError: a folder without features, or an option that features can't serve.
    """
    from avmatch.data.std2022 import list_features

    if settings.many:
        raise UsageError(
            "features of whole clips have no place in time: leave out --many, or match the media files themselves"
        )
    towers = load_clip_towers(model)
    video_paths, audio_paths = listed(videos, list_features), listed(audios, list_features)
    usable_videos, video_vectors, video_failures = _encoded(towers.video, video_paths)
    usable_audio, audio_vectors, audio_failures = _encoded(towers.audio, audio_paths)
    description = towers.video.description
    nats = np.float32(description.scale) * (video_vectors @ audio_vectors.T - np.float32(description.baseline))
    unknown = np.full(nats.shape, np.nan, np.float32)
    scores = Scores(nats, unknown, np.zeros(nats.shape, np.int64), (towers.name,), nats[None], np.ones_like(nats))
    known = lessons_of(decided, tuple(map(Origin, usable_videos)), tuple(map(Origin, usable_audio)), many=False)
    confidence = known.given.with_confidence(_posterior(nats), shared=False) if known.given else _posterior(nats)
    made = decide(video_paths, usable_videos, usable_audio, scores, confidence, settings, known.given)
    result = with_decided(made, known)
    return replace(result, failures=(*video_failures, *audio_failures))


def _posterior(nats: Float32[np.ndarray, "N M"]) -> Float64[np.ndarray, "N M"]:
    """How probable each pair is if every clip on the smaller side has exactly one match (matching/galleries.py).

    The nats of clip towers are calibrated on held-back pairs, so this is a frequency; where some clips have no match it
    is too high.
    """
    from avmatch.matching.galleries import sinkhorn

    if not nats.size:
        return np.zeros(nats.shape)
    return np.exp(np.minimum(sinkhorn(nats, temperature=1.0), 0.0))


def _encoded(
    tower: ClipTower, paths: Sequence[str]
) -> tuple[tuple[str, ...], Float32[np.ndarray, "N D"], tuple[Failure, ...]]:
    """The usable files, their vectors, and the failures."""
    from avmatch.data.std2022 import load_feature

    usable, clips, failures = [], [], []
    for path in paths:
        try:
            clip = load_feature(path)
            tower.check(path, clip)
        except MediaError as error:
            failures.append(Failure.from_error(error))
        else:
            usable.append(path)
            clips.append(clip)
    return tuple(usable), tower.encode(clips), tuple(failures)


def _usable(paths: Sequence[str], answers: Sequence[Features | Failure]) -> dict[str, Features]:
    """The features by path."""
    return {path: item for path, item in zip(paths, answers, strict=True) if not isinstance(item, Failure)}


def _lags(audios: Sequence[AudioFeatures], settings: MatchSettings, farthest_seconds: float) -> Float[np.ndarray, " L"]:
    """One-to-one: ± the range, or as far as offsets are known to lie. Many: wherever a video can lie inside the longest
    recording."""
    if not settings.many:
        steps = int(np.ceil(max(settings.max_offset_seconds, farthest_seconds) / LAG_STEP_SECONDS))
        return np.arange(-steps, steps + 1) * LAG_STEP_SECONDS
    longest = max((audio.duration_seconds for audio in audios), default=0.0)
    return np.arange(-TICK_RATE_HZ, int(longest * TICK_RATE_HZ) + 1) / TICK_RATE_HZ


def _notes(
    video_features: Mapping[str, VideoFeatures],
    audio_features: Mapping[str, AudioFeatures],
    settings: MatchSettings,
    heard: Set[str],
) -> Iterator[str]:
    """Remarks for a person: lengths that differ, where no sound says the offset, and files of which a part is missing.

    Args:
        heard: the videos whose own sound is in a recording.
    """
    if audio_features and not settings.many:
        lengths = np.array([audio.duration_seconds for audio in audio_features.values()])
        gaps = [
            np.abs(lengths - item.duration_seconds).min() for path, item in video_features.items() if path not in heard
        ]
        if far := sum(gap > settings.max_offset_seconds for gap in gaps):
            yield (
                f"{far} of {len(video_features)} videos have no recording of their own length (within "
                f"{settings.max_offset_seconds:g} s). If recordings run longer than the pictures, use --many to place "
                "each video inside its recording, or raise --max-offset."
            )
    yield from _damages(video_features)
    yield from _damages(audio_features)
    yield from _streams(video_features, "videos")
    yield from _streams(audio_features, "recordings")


def _missing(
    item: Match, video_features: Mapping[str, VideoFeatures], audio_features: Mapping[str, AudioFeatures]
) -> float | None:
    """The share of the pair that could not be read, that of the worse file; None for a video that can't be used."""
    shares = [video_features[item.video].missing_share] if item.video in video_features else []
    return max([*shares, *([] if item.audio is None else [audio_features[item.audio].missing_share])], default=None)


def _damages(features: Mapping[str, VideoFeatures] | Mapping[str, AudioFeatures]) -> Iterator[str]:
    """A remark on each file of which a part is missing or damaged."""
    for path, item in features.items():
        kind = "picture" if isinstance(item, VideoFeatures) else "sound"
        if item.missing_share >= NOTED_MISSING_SHARE:
            share = f"{max(1, min(99, round(100 * item.missing_share)))} %"
            part = f"{share} of its {kind} ({item.damaged_seconds:.1f} s)"
            yield f"{path}: {part} could not be read, and the rest was matched; copy the file again"
        elif item.damaged_seconds >= NOTED_DAMAGED_SECONDS:
            yield f"{path}: {item.damaged_seconds:.1f} s of its {kind} are damaged or missing; copy the file again"


def _streams(features: Mapping[str, VideoFeatures] | Mapping[str, AudioFeatures], files: str) -> Iterator[str]:
    """Which stream of each file was used, where there was a choice; the same is said once."""
    paths: dict[str, list[str]] = {}
    for path, item in features.items():
        paths.setdefault(item.used, []).append(path)
    for used, using in paths.items():
        if used:
            yield f"{using[0] if len(using) == 1 else f'{len(using)} {files}'}: used {used}"


def _previews(
    video_features: Mapping[str, VideoFeatures], audio_features: Mapping[str, AudioFeatures]
) -> dict[str, Preview]:
    previews = {path: Preview(audio.duration_seconds, None, audio.peaks) for path, audio in audio_features.items()}
    for path, video in video_features.items():
        peaks = previews[path].peaks if path in previews else ()
        previews[path] = Preview(video.duration_seconds, video.thumbnail_jpeg or None, peaks)
    return previews
