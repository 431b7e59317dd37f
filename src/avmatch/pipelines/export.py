"""A result of `match` as a timeline that an editor's program opens.

    the result's rows → headers of the files → laid out → written

Nothing is decoded but two seconds of a file without timecode, which may carry it as a sound. A file that is missing or
can't be read becomes a Failure, and the rest goes on. Files appear whole or not at all.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from avmatch.analysis.features import analyse_all
from avmatch.core.clock import MILLISECONDS_PER_SECOND
from avmatch.core.errors import MediaError, UsageError
from avmatch.core.files import atomic_path
from avmatch.core.matches import Candidate
from avmatch.core.results import Failure, Progress
from avmatch.data.inputs import FEATURE_SUFFIXES, MEDIA_SUFFIXES
from avmatch.data.result_folder import StoredMatch, StoredResult, check_only
from avmatch.media import outputs
from avmatch.media.info import MediaInfo, read_info
from avmatch.pipelines.reviewed import read_reviewed
from avmatch.timelines.formats import Format, format_named
from avmatch.timelines.markup import Places, is_writable
from avmatch.timelines.shoot import Pair, Timeline, by_rate, lay_out, rounding_frames

PATHS = ("absolute", "relative")
#: The files of a result that an export must not replace.
_RESULT_FILES = frozenset(
    "matches.csv candidates.csv unmatched_audio.csv also_fits.csv errors.csv similarity.json similarity.npy "
    "report.html".split()
)


@dataclass(frozen=True)
class ExportResult:
    """What was written.

    Attributes:
        paths: the files, one for each rate where the format holds one.
        num_clips: clips on the timeline.
        num_sounds: those that have their sound.
        notes: what a person should know: places that were rounded, clips to check.
        failures: files that could not be used.
    """

    paths: tuple[Path, ...]
    num_clips: int
    num_sounds: int
    notes: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()


def export(
    result: str | Path,
    to: str,
    out: str | Path | None = None,
    *,
    only: str = "all",
    paths: str = "absolute",
    progress: Progress | None = None,
) -> ExportResult:
    """Write the result in the folder `result` as a timeline.

    Args:
        to: a format: otio, fcpxml, xmeml, edl, ale, mlt, csv, parquet or jsonl.
        out: the file; None = `timeline` with the format's suffix, in `result`.
        only: "sure" (pair and offset have a confidence of 0.9 or more), "accepted" (in a review), or "all" clips, the
            doubtful ones marked. What was decided in a review holds in any case.
        paths: "absolute", or "relative" to the new file's folder.
        progress: called with (stage, done, total).

    Raises:
        UsageError: there is no such format or result, nothing to write, or no place for it: only what an export wrote
            and nobody changed since is replaced.
        MissingExtraError: the format needs a library that is not installed.
    """
    kind, target = check_export(to, out, result, paths=paths)
    chosen = check_only(only)
    stored = read_reviewed(result)
    matches = stored.matches if chosen == "all" else stored.pairs(chosen)
    if not stored.matches:
        raise UsageError(f"{stored.folder}: no videos were matched there, so there is nothing to put on a timeline")
    if not matches:
        raise UsageError(f"{stored.folder}: no match is {chosen} there; use --only all, or `avmatch review`")
    pairs, failures = _pairs(stored, matches, progress)
    if not pairs:
        raise UsageError(_nothing(stored.folder, failures))
    parts = [pairs] if kind.has_rates else by_rate(pairs)
    name = stored.folder.resolve().name or "timeline"
    timelines = [
        lay_out(name, part, is_many=stored.is_many and kind.has_lanes, has_lanes=kind.has_lanes) for part in parts
    ]
    files = [target]
    for timeline in timelines[1:]:
        files.append(_of_rate(target, timeline, files))
    for timeline, file in zip(timelines, files, strict=True):
        _write(file, kind.document(timeline, Places(file.parent, paths == "relative")))
    clips = [clip for timeline in timelines for clip in timeline.clips]
    return ExportResult(
        tuple(files),
        len(clips),
        sum(clip.sound is not None for clip in clips),
        tuple(note for timeline in timelines for note in _notes(timeline, kind)),
        tuple(failures),
    )


def check_export(
    to: str, out: str | Path | None, result: str | Path, *, paths: str = "absolute"
) -> tuple[Format, Path]:
    """The format, and the file to write; ask before hours of matching.

    Raises:
        UsageError: there is no such format, or the file can't be written there.
        MissingExtraError: the format needs a library that is not installed.
    """
    kind = format_named(to)
    if paths not in PATHS:
        raise UsageError(f"--paths {paths}: there are {' and '.join(PATHS)}")
    target = Path(result) / f"timeline{kind.suffix}" if out is None else Path(out)
    if target.is_dir():
        raise UsageError(f"--out {target}: is a folder; name a file (timeline{kind.suffix})")
    if target.suffix.lower() in MEDIA_SUFFIXES:
        raise UsageError(f"--out {target}: has the name of a media file; name a file such as timeline{kind.suffix}")
    if target.name in _RESULT_FILES and target.parent.resolve() == Path(result).resolve():
        raise UsageError(f"--out {target}: this would overwrite the result itself; choose another name")
    _check_free(target)
    kind.check()
    return kind, target


def _check_free(target: Path) -> None:
    """Raises UsageError if a file is there that no export wrote, or that somebody changed since: an editor's work."""
    if os.path.lexists(target) and not outputs.is_own(target, outputs.TIMELINE_LIST_NAME):
        raise UsageError(
            f"{target}: is there already, and is not what `avmatch export` wrote (or was changed since); move it, or "
            "name another file with `avmatch export … -o`"
        )


def _write(target: Path, content: bytes) -> None:
    with atomic_path(target) as temporary:
        temporary.write_bytes(content)
        _check_free(target)
        outputs.record(target, temporary, outputs.TIMELINE_LIST_NAME)


def _pairs(
    stored: StoredResult, matches: Sequence[StoredMatch], progress: Progress | None
) -> tuple[list[Pair], list[Failure]]:
    """What there is of each match, and the files that can't be used."""
    if any(Path(match.video).suffix.lower() in FEATURE_SUFFIXES for match in matches):
        raise UsageError(f"{stored.folder}: features were matched there, which no editor can play; match media files")
    wanted = [
        path
        for match in matches
        for path in (match.video, match.audio, *(more.audio for more in match.further))
        if path is not None
    ]
    names = list(dict.fromkeys(wanted))
    answers = dict(zip(names, analyse_all(_info, names, "files", progress), strict=True))
    failures = {path: answer for path, answer in answers.items() if isinstance(answer, Failure)}
    candidates: dict[str, list[Candidate]] = {}
    for item in stored.candidates:
        candidates.setdefault(item.video, []).append(item)
    pairs = []
    for match in matches:
        video = answers[match.video]
        if isinstance(video, Failure):
            continue
        if video.picture is None:
            failures[match.video] = Failure(match.video, "open", "it has no picture to put on a timeline", "no_video")
            continue
        audio = None if match.audio is None else answers[match.audio]
        if isinstance(audio, MediaInfo) and audio.sound is None:
            failures[match.audio or ""] = Failure(match.audio or "", "open", "it has no sound", "no_audio")
            audio = None
        sound = None if isinstance(audio, Failure) else audio
        pairs.append(Pair(match, video, sound, _candidates(match, candidates), tuple(_further(match, video, answers))))
    return pairs, list(failures.values())


def _further(match: StoredMatch, video: MediaInfo, answers: Mapping[str, MediaInfo | Failure]) -> Iterator[Pair]:
    """The clip with each further recording that can be used."""
    for more in match.further:
        sound = answers[more.audio]
        if isinstance(sound, MediaInfo) and sound.sound is not None:
            own = replace(match, audio=more.audio, offset_seconds=more.offset_seconds, further=())
            yield Pair(own, video, sound, is_heard=more.role == "continues")


def _candidates(match: StoredMatch, candidates: dict[str, list[Candidate]]) -> tuple[Candidate, ...]:
    return tuple(candidates.get(match.video, ()))


def _info(path: str) -> MediaInfo:
    if not is_writable(os.path.abspath(path)):  # noqa: PTH100
        message = "its path has characters that no project file can hold; rename it"
        raise MediaError(path, message, stage="open", reason="unsupported")
    if not Path(path).exists():
        message = "the file is missing; put it back, or run this in the folder where `avmatch match` ran"
        raise MediaError(path, message, stage="open", reason="unreadable")
    return read_info(path)


def _nothing(folder: Path, failures: Sequence[Failure]) -> str:
    first = f" {failures[0].path}: {failures[0].message}" if failures else ""
    return f"{folder}: none of its clips can be used.{first}"


def _of_rate(target: Path, timeline: Timeline, taken: Sequence[Path]) -> Path:
    """Where the clips of a further rate go. Raises UsageError if something else lies there."""
    rate = float(timeline.rate)
    names = (target.with_name(f"{target.stem}_{rate:.{digits}g}fps{target.suffix}") for digits in itertools.count(5))
    file = next(name for name in names if name not in taken)
    _check_free(file)
    return file


def _notes(timeline: Timeline, kind: Format) -> Iterator[str]:
    """What a person should know of what was written."""
    moved = rounding_frames(timeline, in_file=kind.counts_frames == "in file") if kind.counts_frames else []
    if worst := float(max(moved, default=0)):
        milliseconds = worst / float(timeline.rate) * MILLISECONDS_PER_SECOND
        yield (
            f"{kind.name} counts frames: {sum(map(bool, moved))} sounds are rounded, by up to {worst:.2f} frames "
            f"({milliseconds:.1f} ms); fcpxml, otio and mlt keep them"
        )
    yield from kind.remarks(timeline)
    for clip in timeline.clips:
        if clip.pair.picture.is_variable:
            rate = f"{float(clip.pair.picture.rate):.5g}"
            yield f"{clip.pair.video.path.name}: its frame rate varies; editors take it for {rate} frames a second"
    if timeline.num_lanes > 1:
        yield f"clips of the same moment lie above one another on {timeline.num_lanes} tracks; the upper ones are muted"
    if checks := sum(bool(clip.doubt) for clip in timeline.clips):
        yield f"{checks} of {len(timeline.clips)} clips are marked to check"
