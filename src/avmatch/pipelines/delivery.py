"""What `match` and `sync` write beside their results: the matrix, muxed videos, a CSV, plots; and where it may go."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from itertools import chain, count
from pathlib import Path

import numpy as np

from avmatch.core.embedded import holds_vectors
from avmatch.core.errors import MediaError, UsageError
from avmatch.core.files import write_array_atomically, write_text_atomically
from avmatch.core.matches import MatchResult
from avmatch.core.results import SYNC_COLUMNS, Failure, Progress, SyncResult, csv_text
from avmatch.data.inputs import FEATURE_SUFFIXES, MEDIA_SUFFIXES
from avmatch.matching.galleries import NORMALISATIONS
from avmatch.media.sound_codecs import check_sound_codec
from avmatch.reports.wording import is_doubtful


def write_matrix(result: MatchResult, path: str | Path, normalise: str = "sinkhorn") -> None:
    """Write the similarity (rows videos, columns audio, both in natural order) as a `.npy` of float32.

    Args:
        normalise: over the gallery: "sinkhorn" assumes that every file has exactly one match, "csls" assumes
            nothing, "raw" leaves the scores as they are (matching/galleries.py).

    Raises:
        UsageError: there are too many scores to keep.
    """
    check_normalisation(normalise)
    if result.videos and result.audio and not result.similarity.size:
        raise UsageError(f"--matrix: {len(result.videos)} × {len(result.audio)} scores are too many to keep")
    change = NORMALISATIONS[normalise]
    similarity = change(result.similarity) if change is not None and result.similarity.size else result.similarity
    write_array_atomically(Path(path), similarity.astype(np.float32))


def check_normalisation(name: str) -> None:
    """Raises UsageError if a matrix can't be normalised in this way."""
    if name not in NORMALISATIONS:
        raise UsageError(f"no normalisation {name!r}; there are {', '.join(NORMALISATIONS)}")


def match_lines(result: MatchResult) -> Iterator[str]:
    """One JSON object a video, with the keys MATCH_COLUMNS; `also_fits` where there are further recordings."""
    for item in result.matches:
        yield json.dumps(item.record())


def summary(result: MatchResult) -> str:
    """The run in one line."""
    paired = sum(item.audio is not None for item in result.matches)
    return (
        f"{paired} of {len(result.matches)} clips paired, {len(result.unmatched_audio)} recordings left over, "
        f"{len(result.failures)} files could not be used"
    )


def is_sure(result: MatchResult) -> bool:
    """Whether every video has a recording, and none of the pairs needs a second look."""
    return all(item.audio is not None and not is_doubtful(item.confidence) for item in result.matches)


def new_folder() -> Path:
    """Where a result goes that was given no place: avmatch-2026-11-30, or with a number behind it."""
    name = f"avmatch-{date.today().isoformat()}"
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    return next(path for path in map(Path, names) if not path.exists())


_UNKNOWN = "nothing says how late the sound is, so it begins with the picture"


def mux_matches(
    result: MatchResult, videos: str, folder: Path, progress: Progress | None = None, *, audio_codec: str = "auto"
) -> MatchResult:
    """Write each matched video with its sound at the found offset into `folder`, names and subfolders unchanged.

    A pair that can't be muxed becomes a Failure of the result that is returned; so does one whose new file would
    replace a video or recording that was matched, or a file that no `mux` wrote. What is different in the copies
    becomes notes.

    Raises:
        UsageError: features were matched, which have no picture to write.
    """
    from avmatch.media.mux import mux

    pairs = [(item, item.audio) for item in result.matches if item.audio is not None]
    if any(Path(path).suffix.lower() in FEATURE_SUFFIXES for path in result.videos):
        raise UsageError(f"{videos}: features have no picture to write; leave out --mux")
    places = targets([item.video for item, _ in pairs], videos, folder)
    used = (*result.videos, *result.audio, *(failure.path for failure in result.failures))
    originals = {_identity(Path(path)) for path in used} - {None}
    failures: list[Failure] = []
    differences: dict[str, list[str]] = {}
    for done, ((item, audio), target) in enumerate(zip(pairs, places, strict=True), start=1):
        try:
            if _identity(target) in originals:
                raise UsageError(f"{target}: this would overwrite an original; choose another folder for --mux")
            offset = item.offset_seconds or 0.0
            notes = mux(Path(item.video), Path(audio), target, offset_seconds=offset, audio_codec=audio_codec)
            for note in (*notes, *([_UNKNOWN] if item.offset_seconds is None else [])):
                differences.setdefault(note, []).append(str(target))
        except MediaError as error:
            failures.append(Failure.from_error(error))
        except (OSError, UsageError) as error:
            failures.append(Failure(item.video, "mux", f"not muxed: {error}"))
        if progress is not None:
            progress("mux", done, len(pairs))
    remarks = [
        f"{paths[0] if len(paths) == 1 else f'{len(paths)} muxed files'}: {note}" for note, paths in differences.items()
    ]
    return replace(result, failures=(*result.failures, *failures), notes=(*result.notes, *remarks))


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and number of a file, the same for all its names; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def targets(paths: Sequence[str], argument: str, folder: Path) -> list[Path]:
    """Where each video goes: its path below what the user named, never outside `folder`."""
    folders = [os.path.dirname(os.path.abspath(path)) for path in paths]  # noqa: PTH100, PTH120
    root = os.path.commonpath(folders or ["."])
    if argument and Path(argument).is_dir():
        above = os.path.abspath(argument)  # noqa: PTH100
        root = above if os.path.commonpath([above, root]) == above else root
    return [folder / os.path.relpath(path, root) for path in paths]


def check_match_outputs(
    videos: str, out: Path, mux: Path | None, matrix: Path | None, normalisation: str, audio_codec: str
) -> None:
    """Raises UsageError if the result of a match couldn't be written so; ask before hours of matching."""
    if mux is not None and holds_vectors(videos):
        raise UsageError(f"{videos}: vectors say no offsets to mux at; leave out --mux, or match the files")
    check_normalisation(normalisation)
    check_sound_codec(audio_codec)
    check_output(matrix, "--matrix", "similarity.npy")
    check_folders(out, mux)


def check_folders(*folders: Path | None) -> None:
    """Raises UsageError if one of them is a file, or lies below one."""
    for folder in (folder for folder in folders if folder is not None):
        for path in (folder, *folder.parents):
            if path.exists() and not path.is_dir():
                what = "it is a file" if path == folder else f"{path} is a file"
                raise UsageError(f"{folder}: can't be used as the output folder ({what}); name another one")


def check_output(path: Path | None, option: str, wanted: str) -> None:
    """Raises UsageError if a file can't be written there: it is a folder, or it has the name of a media file.

    A shell that expands `-o clip*.mp4` names the first clip as the output.
    """
    if path is not None and path.is_dir():
        raise UsageError(f"{option} {path}: is a folder; name a file ({wanted})")
    if path is not None and path.suffix.lower() in MEDIA_SUFFIXES:
        raise UsageError(f"{option} {path}: has the name of a media file; name a file for the result ({wanted})")


def check_sync_outputs(table: Path | None, plot: Path | None, num_files: int) -> None:
    """Raises UsageError if `write_sync` couldn't write there; ask before hours of measuring."""
    check_output(table, "--out", "result.csv")
    if plot is None or not plot.is_dir():
        check_output(plot, "--plot", "evidence.png")
    if plot is not None and num_files > 1 and plot.is_file():
        raise UsageError(f"{plot}: several files need a folder for their plots, and this is a file")


def write_sync(results: Sequence[SyncResult], table: Path | None, plot: Path | None) -> None:
    """Write the CSV and the plots that were asked for.

    Args:
        table: a CSV.
        plot: a PNG for one file, a folder of PNGs for several.

    Raises:
        UsageError: one of them can't be written there.
    """
    check_sync_outputs(table, plot, len(results))
    if table is not None:
        write_text_atomically(table, csv_text(SYNC_COLUMNS, (result.row() for result in results)))
    if plot is None:
        return
    from avmatch.reports.plots import plot_sync

    if len(results) == 1 and not plot.is_dir():
        plot_sync(results[0], plot)
        return
    for result, target in zip(results, targets([result.path for result in results], "", plot), strict=True):
        plot_sync(result, target.with_name(target.name + ".png"))
