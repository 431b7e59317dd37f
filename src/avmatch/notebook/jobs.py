"""match, sync, fix, locate, classify and train, as a person calls them from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from avmatch.core.errors import MissingExtraError, UsageError
from avmatch.core.matches import MatchResult
from avmatch.core.results import FixResult, Progress, SyncResult, SyncResults
from avmatch.matching.settings import MatchSettings
from avmatch.notebook.arguments import (
    CacheLike,
    PathLike,
    PathsLike,
    cache_folder,
    checked_number,
    checked_path,
    names_of,
    one_file,
    path_or_none,
)
from avmatch.reports.progress import progress_shown

if TYPE_CHECKING:
    from avmatch.media.choice import StreamChoice
    from avmatch.pipelines.fix import FixSettings
    from avmatch.pipelines.locate import Located
    from avmatch.systems.scenes.runtime import SceneResult
    from avmatch.training.loop import TrainResult


def match(
    videos: PathsLike,
    audios: PathsLike,
    settings: MatchSettings | None = None,
    *,
    max_offset_seconds: float | None = None,
    min_confidence: float | None = None,
    complete: bool | None = None,
    many: bool | None = None,
    use_duration: bool | None = None,
    use_scratch: bool | None = None,
    use_clock: bool | None = None,
    use_order: bool | None = None,
    use_latency: bool | None = None,
    top_k: int | None = None,
    model: PathLike | None = None,
    face_detector: PathLike | None = None,
    decisions: PathLike | None = None,
    cache: CacheLike | None = True,
    progress: bool | Progress = True,
    num_workers: int = 0,
) -> MatchResult:
    """Say which recording belongs to which video.

    Args:
        videos, audios: a folder, a glob, a file, a CSV or Parquet file with a column `path`, or a list of these.
        settings: what to search and how to decide; the keywords up to `top_k` change single fields of it. Without
            it and without `max_offset_seconds`, what fits nothing near is tried farther apart.
        model, face_detector, decisions, num_workers: as for pipelines.answers.match.
        cache, progress: see `avmatch.notebook`.

    Raises:
        UsageError, ModelError: an argument names nothing, has a wrong type, is out of range, or can't be used.
    """
    from avmatch.pipelines.answers import match as run

    given = {
        "max_offset_seconds": max_offset_seconds,
        "min_confidence": min_confidence,
        "complete": complete,
        "many": many,
        "use_duration": use_duration,
        "use_scratch": use_scratch,
        "use_clock": use_clock,
        "use_order": use_order,
        "use_latency": use_latency,
        "top_k": top_k,
    }
    with progress_shown(progress) as update:
        return run(
            _as_given(videos),
            _as_given(audios),
            _settings(settings, given),
            model=model,
            face_detector=path_or_none(face_detector, "face_detector"),
            cache_dir=cache_folder(cache),
            decisions=path_or_none(decisions, "decisions"),
            num_workers=num_workers,
            progress=update,
        )


def sync(
    path: PathLike,
    *,
    audio: PathLike | None = None,
    max_offset_seconds: float | None = None,
    model: PathLike | None = None,
    face_detector: PathLike | None = None,
    choice: StreamChoice | None = None,
    cache: CacheLike | None = True,
) -> SyncResult:
    """Measure how late a file's own sound comes, or the sound of `audio` against its picture.

    Args:
        path: a video file.
        audio: a sound file, or another video for its sound; None = the file's own sound.
        max_offset_seconds: offsets up to this are searched; None = up to 1 s, and farther where nothing fits there.
        model: a run, a model folder, or the name of a shipped model.
        face_detector: a YuNet ONNX file, or `haar` for OpenCV's cascades.
        choice: which streams and channel, where they aren't to be the best.
        cache: see `avmatch.notebook`.

    Raises:
        UsageError: the path names a folder, or an argument has a wrong type or is out of range.
        ModelError: the model or the face detector can't be used. A file that can't be used raises nothing: its status
            is "failed", and `message` says why.
    """
    return _synced([one_file(path)], audio, max_offset_seconds, model, face_detector, choice, cache, progress=False)[0]


def sync_all(
    paths: PathsLike,
    *,
    audio: PathLike | None = None,
    max_offset_seconds: float | None = None,
    model: PathLike | None = None,
    face_detector: PathLike | None = None,
    choice: StreamChoice | None = None,
    cache: CacheLike | None = True,
    progress: bool | Progress = True,
) -> SyncResults:
    """`sync` for a folder, a glob, a file, or a list of these; the results come in the order of the files."""
    from avmatch.pipelines.sync import expand

    files = expand(names_of(paths))
    return _synced(files, audio, max_offset_seconds, model, face_detector, choice, cache, progress)


def _synced(
    files: Sequence[str],
    audio: PathLike | None,
    max_offset_seconds: float | None,
    model: PathLike | None,
    face_detector: PathLike | None,
    choice: StreamChoice | None,
    cache: CacheLike | None,
    progress: bool | Progress,
) -> SyncResults:
    from avmatch.media.choice import BEST
    from avmatch.pipelines.sync import sync_all as run

    checked_number(max_offset_seconds, "max_offset_seconds")
    with progress_shown(progress) as update:
        results = run(
            files,
            audio=path_or_none(audio, "audio"),
            max_offset_seconds=max_offset_seconds,
            model=model,
            face_detector=path_or_none(face_detector, "face_detector"),
            cache_dir=cache_folder(cache),
            choice=choice or BEST,
            progress=update,
        )
    return SyncResults(results)


def fix(
    path: PathLike, out: PathLike, settings: FixSettings | None = None, *, cache: CacheLike | None = True
) -> FixResult:
    """Write a copy of one file in which picture and sound are together; the picture is copied bit for bit.

    Args:
        path: a video file with its sound.
        out: the copy, or a folder for it; the container follows the suffix. Nothing that exists is overwritten.
        settings: what to do; its `cache_dir` goes before `cache`.

    Raises:
        UsageError: the path names a folder, or something has a wrong type. A file that can't be used gives "failed".
    """
    (result,) = _fixed([one_file(path)], out, settings, cache, progress=False)
    return result


def fix_all(
    paths: PathsLike,
    out: PathLike,
    settings: FixSettings | None = None,
    *,
    cache: CacheLike | None = True,
    progress: bool | Progress = True,
) -> tuple[FixResult, ...]:
    """`fix` for a folder, a glob, a file, or a list of these; several files need a folder for their copies."""
    from avmatch.pipelines.sync import expand

    files = expand(names_of(paths), [checked_path(out, "out")])
    return _fixed(files, out, settings, cache, progress)


def _fixed(
    files: Sequence[str],
    out: PathLike,
    settings: FixSettings | None,
    cache: CacheLike | None,
    progress: bool | Progress,
) -> tuple[FixResult, ...]:
    from avmatch.pipelines.fix import FixSettings
    from avmatch.pipelines.fix import fix_all as run

    settings = settings or FixSettings()
    if settings.cache_dir is None:
        settings = replace(settings, cache_dir=cache_folder(cache))
    with progress_shown(progress) as update:
        return run(files, checked_path(out, "out"), settings, progress=update)


def locate(
    path: PathLike,
    out: PathLike,
    *,
    max_offset_seconds: float = 1.0,
    model: PathLike | None = None,
    cache: CacheLike | None = True,
    progress: bool | Progress = True,
) -> Located:
    """Draw where in the picture the sound comes from: over every frame (.mp4, .mov, .mkv), or one picture (.png, .jpg).

    Raises:
        UsageError: another suffix, `out` is there already, or something has a wrong type.
        MediaError: the file can't be used.
    """
    from avmatch.pipelines.locate import locate as run

    checked_number(max_offset_seconds, "max_offset_seconds")
    with progress_shown(progress) as update:
        return run(
            one_file(path),
            checked_path(out, "out"),
            max_offset_seconds=max_offset_seconds,
            model=model,
            cache_dir=cache_folder(cache),
            progress=update,
        )


def classify(
    files: PathsLike, model: PathLike, *, cache: CacheLike | None = True, progress: bool | Progress = True
) -> tuple[SceneResult, ...]:
    """The label of every item, by sound and picture together, and which side it rests on (pipelines/classify.py)."""
    from avmatch.pipelines.classify import classify as run

    with progress_shown(progress) as update:
        return run(names_of(files), model, cache_dir=cache_folder(cache), progress=update)


def train(
    recipe: str,
    data: PathLike,
    out: PathLike,
    *,
    resume: bool = False,
    seed: int | None = None,
    epochs: int | None = None,
    device: str = "auto",
    settings: Sequence[str] = (),
    progress: bool | Progress = True,
) -> TrainResult:
    """Train a recipe on data, into the folder `out`: model, card, curves, and what resuming or repeating needs.

    Args:
        recipe: its name; a wrong one lists them.
        seed, epochs: replace the recipe's own.
        settings: "field=value", for any field of the configuration.

    Raises:
        UsageError: no such recipe, field or layout, the folder is in use, or there is no run to resume.
        MissingExtraError: torch or another library of the extra `train` isn't installed.
    """
    from avmatch.systems.registry import check_recipe

    check_recipe(recipe)
    if isinstance(settings, str):
        raise UsageError(f"settings must be a list of 'field=value', got {settings!r}")
    try:
        from avmatch.pipelines.train import train_recipe
    except ModuleNotFoundError as error:
        raise MissingExtraError((error.name or "torch").partition(".")[0], "train", "training") from error
    with progress_shown(progress) as update:
        return train_recipe(
            recipe,
            checked_path(data, "data"),
            checked_path(out, "out"),
            resume=resume,
            seed=seed,
            epochs=epochs,
            device=device,
            settings=settings,
            progress=update,
        )


def _as_given(paths: PathsLike) -> PathsLike:
    """Raises UsageError for what names no files."""
    names = names_of(paths)
    return names[0] if isinstance(paths, str | Path) else names


def _settings(settings: MatchSettings | None, given: Mapping[str, object]) -> MatchSettings:
    """Settings with single fields changed. Raises UsageError."""
    if settings is not None and not isinstance(settings, MatchSettings):
        known = ", ".join(field.name for field in fields(MatchSettings))
        raise UsageError(
            f"settings must be a MatchSettings, or keywords ({known}), got {settings!r} ({type(settings).__name__})"
        )
    changes = {name: value for name, value in given.items() if value is not None}
    farther = settings is None and "max_offset_seconds" not in changes
    return replace(settings or MatchSettings(search_farther=farther), **changes)  # type: ignore[arg-type]  # the settings check themselves
