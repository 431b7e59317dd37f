"""Write copies in which picture and sound are together.

measure → decide whether it is sure and worth it → move the sound → measure the copy

Originals are never touched, and nothing that exists is overwritten.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from avmatch.core.errors import MediaError, UsageError
from avmatch.core.files import taken
from avmatch.core.results import FixResult, Progress, SyncResult
from avmatch.media.choice import BEST, StreamChoice, check_streams
from avmatch.media.repair import Repaired, repair
from avmatch.media.sound_codecs import check_sound_codec
from avmatch.pipelines.delivery import targets
from avmatch.pipelines.sync import DEFAULT_MAX_OFFSET_SECONDS, sync_all

#: Half a frame at 25 fps: viewers don't notice it, and no measurement is much better.
DEFAULT_TOLERANCE_SECONDS = 0.02
MAX_KNOWN_SECONDS = 3600.0


@dataclass(frozen=True)
class FixSettings:
    """What a run was asked for.

    Attributes:
        offset_seconds: take this offset out of every file without measuring it; None = measure.
        tolerance_seconds: a file that is this close to being together is left as it is.
        force: act on uncertain measurements, too; where the sound isn't the picture's, or its offset jumps, only
            `offset_seconds` acts.
        max_offset_seconds, model, cache_dir, face_detector: as for `sync`.
        audio_codec: how the sound is kept, one of media.sound_codecs.SOUND_CODECS.
        track: the number of the audio track that is moved, from 1 on; None = all tracks of the take.
        choice: the streams and the channel that are measured; the picture is also that which the sound is moved by.

    Raises:
        UsageError: an offset or a tolerance out of range.
    """

    offset_seconds: float | None = None
    tolerance_seconds: float = DEFAULT_TOLERANCE_SECONDS
    force: bool = False
    max_offset_seconds: float = DEFAULT_MAX_OFFSET_SECONDS
    model: str | Path | None = None
    cache_dir: Path | None = None
    face_detector: Path | None = None
    audio_codec: str = "auto"
    track: int | None = None
    choice: StreamChoice = BEST

    def __post_init__(self) -> None:
        if self.offset_seconds is not None and not abs(self.offset_seconds) <= MAX_KNOWN_SECONDS:
            raise UsageError(f"an offset must be within ±{MAX_KNOWN_SECONDS:.0f} s, got {self.offset_seconds}")
        if not self.tolerance_seconds >= 0.0:
            raise UsageError(f"a tolerance can't be negative, got {self.tolerance_seconds}")
        check_sound_codec(self.audio_codec)


def fix(path: str | Path, out: str | Path, settings: FixSettings | None = None) -> FixResult:
    """Write a copy of one file in which picture and sound are together.

    Args:
        path: a video file with its sound.
        out: the copy, or a folder for it; the container follows the suffix.

    Raises:
        UsageError: `out` is a file and there are several videos.
        MediaError: never; a file that can't be used gives "failed" and says why.
    """
    (result,) = fix_all([str(path)], out, settings)
    return result


def fix_all(
    paths: Sequence[str],
    out: str | Path,
    settings: FixSettings | None = None,
    *,
    progress: Progress | None = None,
) -> tuple[FixResult, ...]:
    """`fix` for many files; the results come in the order of `paths`. Several files need a folder."""
    settings = settings or FixSettings()
    check_streams(paths, settings.choice)
    places = _places(paths, Path(out))
    measured: Sequence[SyncResult | None] = [None] * len(paths)
    if settings.offset_seconds is None:
        measured = _measure(paths, settings, progress)
    results = []
    for done, (path, target, was) in enumerate(zip(paths, places, measured, strict=True), start=1):
        results.append(_fixed(path, target, was, settings))
        if progress is not None:
            progress("fix", done, len(paths))
    return tuple(results)


def _measure(paths: Sequence[str], settings: FixSettings, progress: Progress | None = None) -> tuple[SyncResult, ...]:
    return sync_all(
        paths,
        max_offset_seconds=settings.max_offset_seconds,
        model=settings.model,
        face_detector=settings.face_detector,
        cache_dir=settings.cache_dir,
        choice=settings.choice,
        progress=progress,
    )


def _places(paths: Sequence[str], out: Path) -> list[Path]:
    """`out` itself for one file; in a folder the names that the files have."""
    if len(paths) == 1 and not out.is_dir() and out.suffix:
        return [out]
    if out.is_file():
        raise UsageError(f"{out}: several files need a folder for their copies, and this is a file")
    return targets(paths, "", out)


def _doubt(was: SyncResult | None) -> str:
    """Why a file is left alone whose interval covers no offset at all; "" where it doesn't."""
    if was is None or was.offset_interval_seconds is None:
        return ""
    low, high = was.offset_interval_seconds
    if not low <= 0.0 <= high:
        return ""
    return f"the offset lies between {low:+.3f} and {high:+.3f} s, so there may be none"


def _is_one_shift(was: SyncResult) -> bool:
    """Whether a shift, and taking a drift out, could put it together at all."""
    return was.status != "unrelated" and not was.is_spliced


def _fixed(path: str, target: Path, was: SyncResult | None, settings: FixSettings) -> FixResult:
    if was is not None and was.offset_seconds is None:
        return FixResult(path, "failed", was=was, message=was.message)
    offset = settings.offset_seconds if was is None else was.offset_seconds
    drift = None if was is None else was.drift_ppm
    assert offset is not None
    if was is not None and (not _is_one_shift(was) or (was.status != "ok" and not settings.force)):
        return FixResult(path, "refused", was=was, message=was.message)
    if drift is None and abs(offset) <= settings.tolerance_seconds:
        return FixResult(path, "in_sync", was=was)
    if drift is None and not settings.force and (doubt := _doubt(was)):
        return FixResult(path, "refused", was=was, message=doubt)
    try:
        if os.path.lexists(target):
            raise taken(target)
        made = repair(
            Path(path),
            target,
            offset_seconds=offset,
            drift_ppm=drift or 0.0,
            audio_codec=settings.audio_codec,
            track=settings.track,
            picture=settings.choice.video,
        )
    except FileExistsError:  # before, or since a moment ago; or a file where a folder should be
        message = str(taken(target if os.path.lexists(target) else target.parent))
    except (MediaError, UsageError) as error:
        message = error.message if isinstance(error, MediaError) else str(error)
    except OSError as error:
        message = f"{target} can't be written ({error.strerror or error})"
    else:
        now = None if was is None else _measure([str(target)], _of_the_copy(settings, made))[0]
        return FixResult(path, "fixed", str(target), was, now, offset, drift, "; ".join(made.notes))
    return FixResult(path, "failed", was=was, message=message)


def _of_the_copy(settings: FixSettings, made: Repaired) -> FixSettings:
    """The same streams, by the numbers that they have in the copy."""
    video, audio = (
        None if number is None else made.numbers.get(number)
        for number in (settings.choice.video, settings.choice.audio)
    )
    return replace(settings, choice=replace(settings.choice, video=video, audio=audio))
