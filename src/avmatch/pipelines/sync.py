"""Measure the offset between a picture and its sound.

decode → front end → curves over offsets → does it drift, or jump? → one offset, how sure, what viewers would say
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from avmatch.alignment.cuts import audio_between, moved_audio
from avmatch.alignment.drift import MILLIONTH, without_drift
from avmatch.alignment.measurement import Measurement, measure
from avmatch.alignment.offset import (
    OK_CONFIDENCE,
    UNRELATED_BELOW,
    OffsetEstimate,
    calibrated,
    is_narrow,
    log_prior,
    offset_interval,
    with_prior,
)
from avmatch.alignment.rivals import rivals
from avmatch.alignment.speakers import speakers
from avmatch.analysis.features import Analyser, analyse_all
from avmatch.core.errors import Reason, UsageError
from avmatch.core.features import AudioFeatures, VideoFeatures
from avmatch.core.results import Failure, Progress, Speaker, Status, SyncResult
from avmatch.cues.evidence import Cue
from avmatch.cues.learned import EmbeddingCue
from avmatch.data.inputs import list_videos
from avmatch.matching.accepted import offset_prior
from avmatch.media.choice import BEST, check_streams
from avmatch.media.choice import StreamChoice as StreamChoice
from avmatch.pipelines.models import Models, face_cues, models_with, motion_cues
from avmatch.pipelines.widening import ranges, within_a_range

DEFAULT_MAX_OFFSET_SECONDS = 1.0
#: Of a recording so much more is looked at than can lie under the picture: it may run at another pace.
MARGIN_SECONDS, MARGIN_SHARE = 5.0, 0.5
_REMEDIES: dict[Reason, str] = {
    "static_picture": "nothing moves in the picture, so there is nothing to compare the sound with",
    "silence": "the sound is silent",
    "too_short": "the clip is too short; give half a second or more, better several",
    "no_face": "there is no face in the picture",
    "no_voice": "nobody speaks in the sound",
    "low_confidence": "several offsets fit about equally well; a longer clip, or one with distinct events, helps",
    "splice": "one shift can't put it together; cut the file there and treat its parts one by one",
    "foreign_sound": "another recording, a dubbed or off-screen voice, or music over it; give its own sound (--audio)",
}


def sync(
    path: str | Path,
    *,
    audio: str | Path | None = None,
    max_offset_seconds: float | None = DEFAULT_MAX_OFFSET_SECONDS,
    model: str | Path | None = None,
    face_detector: Path | None = None,
    cache_dir: Path | None = None,
    choice: StreamChoice = BEST,
) -> SyncResult:
    """Measure how late a file's own sound comes, or the sound of `audio` against its picture.

    Args:
        path: a video file.
        audio: a sound file, or another video for its sound; None = the file's own sound.
        max_offset_seconds: offsets up to this are searched; below 1 s they are judged among those up to 1 s. None = up
            to 1 s, and farther where nothing fits there (widening.py).
        model: a learned cue's towers (artifacts/tower.py): a run, an exported folder, or the name of a shipped model.
        face_detector: a YuNet network as ONNX, or `haar` for OpenCV's cascades; None = the finder that ships.
        cache_dir: where features are kept between runs; None = nowhere.
        choice: which streams and channel, where they aren't to be the best; with `audio` its sound stream and channel.

    Raises:
        UsageError: the range is not a positive number of seconds up to an hour, or a file lacks what `choice` says.
        ModelError: the model or the face detector can't be used.
        MediaError: never; a file that can't be used gives status "failed" and says why.
    """
    (result,) = sync_all(
        [str(path)],
        audio=audio,
        max_offset_seconds=max_offset_seconds,
        model=model,
        face_detector=face_detector,
        cache_dir=cache_dir,
        choice=choice,
    )
    return result


def sync_all(
    paths: Sequence[str],
    *,
    audio: str | Path | None = None,
    max_offset_seconds: float | None = DEFAULT_MAX_OFFSET_SECONDS,
    model: str | Path | None = None,
    face_detector: Path | None = None,
    cache_dir: Path | None = None,
    choice: StreamChoice = BEST,
    progress: Progress | None = None,
) -> tuple[SyncResult, ...]:
    """`sync` for many files at once; the results come in the order of `paths`."""
    if max_offset_seconds is not None:
        check_range(max_offset_seconds)
    check_streams(paths, choice, audio=audio is None)
    check_streams([] if audio is None else [str(audio)], choice, video=False)
    models = models_with(model)
    num_threads = 1 if len(paths) > 1 else 0
    analyser = Analyser(cache_dir, models.towers, num_threads, face_detector, choice)
    other = None if audio is None else analyse_all(analyser.audio, [str(audio)], "audio")[0]
    if isinstance(other, Failure):
        return tuple(_failed(path, other.reason, f"{other.path}: {other.message}") for path in paths)

    def measured(path: str) -> SyncResult:
        video, sound = analyser.both(path) if other is None else (analyser.video(path), other)
        within = partial(measured_pair, cues_for(models), path, video, sound)
        if max_offset_seconds is not None:
            return within(max_offset_seconds).result
        first = DEFAULT_MAX_OFFSET_SECONDS
        wider = ranges(video.duration_seconds, sound.duration_seconds, first)
        return within_a_range(within, first, wider).result

    answers = analyse_all(measured, paths, "files", progress)
    return tuple(
        _failed(answer.path, answer.reason, answer.message) if isinstance(answer, Failure) else answer
        for answer in answers
    )


def check_range(max_offset_seconds: float) -> None:
    """Raises UsageError if offsets can't be searched that far."""
    if not 0.0 < max_offset_seconds <= 3600.0:
        raise UsageError(f"max_offset_seconds must be above 0 and at most 3600, got {max_offset_seconds}")


@dataclass(frozen=True, eq=False)
class Measured:
    """What is said of a pair, and what it rests on."""

    result: SyncResult
    estimate: OffsetEstimate


def measured_pair(
    cues: Sequence[Cue],
    path: str,
    video: VideoFeatures,
    sound: AudioFeatures,
    max_offset_seconds: float,
    near_seconds: float = 0.0,
) -> Measured:
    """What is said of a picture and a sound: the one answer of `sync` and of `match` for a pair.

    Args:
        path: what the result is called.
        near_seconds: offsets up to `max_offset_seconds` away from this one are searched.
    """
    around = moved_audio(_near(sound, video, max_offset_seconds, near_seconds), -near_seconds)
    measurement = measure(cues, video, around, max_offset_seconds=max_offset_seconds)
    result = _result(path, video, measurement)
    found = replace(
        result,
        speakers=_speakers(cues, video, around, result),
        missing_share=max(video.missing_share, sound.missing_share),
        damaged_seconds=max(video.damaged_seconds, sound.damaged_seconds),
        streams="; ".join(filter(None, (video.used, sound.used))),
    )
    return Measured(_later(found, near_seconds) if near_seconds else found, measurement.estimate)


def expecting(found: Measured, accepted_seconds: Sequence[float]) -> Measured:
    """The same where other pairs of the same recorder are known to have these offsets.

    A pair that drifts or jumps has no one offset that it could share with others; it stays as it is.
    """
    estimate, result = found.estimate, found.result
    if not accepted_seconds or estimate.offset_seconds is None or result.pieces or result.drift_ppm is not None:
        return found
    lags = estimate.lags_seconds
    usual = log_prior(lags, float(lags[-1]))
    sure = with_prior(estimate, usual, offset_prior(lags, usual, accepted_seconds))
    assert sure.offset_seconds is not None
    interval = offset_interval(sure)
    others = rivals(lags, calibrated(sure), sure.offset_seconds)
    status, doubt = _status(sure, interval)
    return Measured(
        replace(
            result,
            offset_seconds=sure.offset_seconds,
            offset_interval_seconds=interval,
            confidence=sure.confidence,
            rivals=others,
            status=status,
            reason=doubt,
            message="" if doubt is None else _REMEDIES[doubt],
        ),
        sure,
    )


def _near(sound: AudioFeatures, video: VideoFeatures, max_offset_seconds: float, near_seconds: float) -> AudioFeatures:
    """The part of a long recording that can be heard with a picture, and some more."""
    length = video.duration_seconds
    more = max_offset_seconds + MARGIN_SECONDS + MARGIN_SHARE * length
    begin, end = video.start_seconds + near_seconds - more, video.start_seconds + near_seconds + length + more
    if begin <= sound.start_seconds and sound.start_seconds + sound.duration_seconds <= end:
        return sound
    return audio_between(sound, begin, end)


def _later(result: SyncResult, seconds: float) -> SyncResult:
    """The same of a sound that comes so much later."""
    if result.offset_seconds is None or result.offset_interval_seconds is None:
        return result
    low, high = result.offset_interval_seconds
    return replace(
        result,
        offset_seconds=result.offset_seconds + seconds,
        offset_interval_seconds=(low + seconds, high + seconds),
        lags_seconds=tuple(lag + seconds for lag in result.lags_seconds),
        rivals=tuple(replace(rival, offset_seconds=rival.offset_seconds + seconds) for rival in result.rivals),
        pieces=tuple(piece.later(seconds) for piece in result.pieces),
    )


def expand(arguments: Sequence[str], leave_out: Sequence[Path] = ()) -> list[str]:
    """The files that arguments of `sync` name, but those in folders inside them that are to be left out.

    Raises:
        UsageError: one of them names none.
    """
    return list(dict.fromkeys(file for argument in arguments for file in list_videos(argument, leave_out)))


def cues_for(models: Models) -> tuple[Cue, ...]:
    """The cues that measure offsets."""
    return (*motion_cues(models, apart=True), *face_cues(models.towers))


def _speakers(
    cues: Sequence[Cue], video: VideoFeatures, sound: AudioFeatures, result: SyncResult
) -> tuple[Speaker, ...]:
    """By the model that looks at mouths, if there is one."""
    looking = [cue for cue in cues if isinstance(cue, EmbeddingCue) and cue.looks_at == "mouth"]
    if not looking or result.offset_seconds is None:
        return ()
    offset_seconds = result.offset_seconds
    if result.drift_ppm is not None:
        sound = without_drift(sound, result.drift_ppm, video.start_seconds)
        offset_seconds /= 1.0 + result.drift_ppm * MILLIONTH
    return speakers(looking[0], video, sound, offset_seconds)


def _failed(path: str, reason: Reason, message: str) -> SyncResult:
    return SyncResult(path, None, None, 0.0, "", "failed", reason, message=message)


def _result(path: str, video: VideoFeatures, found: Measurement) -> SyncResult:
    estimate, drift = found.estimate, found.drift
    if estimate.offset_seconds is None:
        # The first cue looks at the whole picture; a face that is missing says little.
        reason: Reason = next(iter(estimate.reasons.values()), "static_picture")
        return _failed(path, reason, _REMEDIES.get(reason, "no cue finds an offset"))
    low, high = offset_interval(estimate)
    slack = 0.0 if drift is None else drift.start_error_seconds
    interval = (low - slack, high + slack)
    status, doubt = _status(estimate, interval)
    if len(found.pieces) > 1:
        status, doubt = "uncertain", "splice"
    return SyncResult(
        path=path,
        offset_seconds=estimate.offset_seconds,
        fps=video.fps,
        confidence=estimate.confidence,
        cue=estimate.cue,
        status=status,
        reason=doubt,
        lags_seconds=tuple(estimate.lags_seconds.tolist()),
        curve=tuple(estimate.nats.tolist()),
        message="" if doubt is None else _REMEDIES[doubt],
        offset_interval_seconds=interval,
        drift_ppm=None if drift is None else drift.drift_ppm,
        drift_interval_ppm=None if drift is None else drift.interval_ppm,
        belongs=estimate.belongs,
        rivals=rivals(estimate.lags_seconds, calibrated(estimate), estimate.offset_seconds),
        pieces=found.pieces,
    )


def _status(estimate: OffsetEstimate, interval_seconds: tuple[float, float]) -> tuple[Status, Reason | None]:
    """How sure it is, and why not."""
    if estimate.belongs is not None and estimate.belongs < UNRELATED_BELOW:
        return "unrelated", "foreign_sound"
    sure = estimate.confidence >= OK_CONFIDENCE and is_narrow(interval_seconds)
    return ("ok", None) if sure else ("uncertain", "low_confidence")
