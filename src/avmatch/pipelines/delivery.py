"""Results → what the user gets: the folder of `match`, muxed videos, lines for the terminal, plots.

result → files, whole or not at all → lines
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.table import Table

from avmatch.core.errors import MediaError, UsageError
from avmatch.core.files import atomic_path
from avmatch.core.results import MATCH_COLUMNS, Failure, Match, MatchResult, Progress, SyncResult
from avmatch.data.inputs import MEDIA_SUFFIXES
from avmatch.data.std2022 import FEATURE_SUFFIX
from avmatch.matching.galleries import NORMALISATIONS
from avmatch.media.mux import mux
from avmatch.reports.output import match_table, write_match_output, write_sync_csv
from avmatch.reports.plots import plot_sync
from avmatch.reports.wording import shown, sync_sentence
from avmatch.systems.scenes.runtime import SceneResult, scene_sentence, timeline_lines

REPORT_NAME = "report.html"


def write_match(result: MatchResult, out: str | Path) -> Path:
    """Write every file of a `match` run into `out`; returns the path of the report."""
    write_match_output(result, Path(out))
    return Path(out) / REPORT_NAME


def write_matrix(result: MatchResult, path: str | Path, normalise: str = "sinkhorn") -> None:
    """Write the similarity (rows videos, columns audio, both in natural order) as a `.npy` of float32.

    Args:
        normalise: over the gallery: "sinkhorn" takes every file to have exactly one partner, "csls" takes nothing for
            granted, "raw" leaves the nats as they are (matching/galleries.py).
    """
    check_normalisation(normalise)
    change = NORMALISATIONS[normalise]
    similarity = change(result.similarity) if change is not None and result.similarity.size else result.similarity
    with atomic_path(Path(path)) as temporary, temporary.open("wb") as file:
        np.save(file, similarity.astype(np.float32))


def check_normalisation(name: str) -> None:
    """Raises UsageError if a matrix can't be normalised in this way."""
    if name not in NORMALISATIONS:
        raise UsageError(f"no normalisation {name!r}; there are {', '.join(NORMALISATIONS)}")


def match_lines(result: MatchResult) -> Iterator[str]:
    """One JSON object a video, with the keys MATCH_COLUMNS."""
    for item in result.matches:
        yield json.dumps(dict(zip(MATCH_COLUMNS, item.row(), strict=True)))


def terminal_table(result: MatchResult) -> Table:
    """The matches as a table for the terminal, doubtful ones marked."""
    return match_table(result)


def remark_lines(result: MatchResult) -> Iterator[str]:
    """What was noticed, and each file that couldn't be used."""
    yield from result.notes
    for failure in result.failures:
        yield f"{shown(failure.path)}: {failure.message}"


def summary(result: MatchResult) -> str:
    """The run in one line."""
    paired = sum(item.audio is not None for item in result.matches)
    return (
        f"{paired} of {len(result.matches)} videos paired, {len(result.unmatched_audio)} recordings left over, "
        f"{len(result.failures)} files could not be used"
    )


def mux_matches(result: MatchResult, videos: str, folder: Path, progress: Progress | None = None) -> MatchResult:
    """Write each matched video with its sound at the found offset into `folder`, names and subfolders unchanged.

    A pair that can't be muxed becomes a Failure of the result that is returned; so does one whose new file would take
    the place of a film or recording that was matched, whoever's partner it is.

    Raises:
        UsageError: features were matched, which have no picture to write.
    """
    pairs = [item for item in result.matches if item.audio is not None]
    if any(Path(path).suffix.lower() == FEATURE_SUFFIX for path in result.videos):
        raise UsageError(f"{videos}: features have no picture to write; leave out --mux")
    places = targets([item.video for item in pairs], videos, folder)
    used = (*result.videos, *result.audio, *(failure.path for failure in result.failures))
    originals = {_identity(Path(path)) for path in used} - {None}
    failures = []
    for done, (item, target) in enumerate(zip(pairs, places, strict=True), start=1):
        try:
            if _identity(target) in originals:
                raise UsageError(f"{target}: this would overwrite an original; choose another folder for --mux")
            _mux(item, target)
        except MediaError as error:
            failures.append(Failure.from_error(error))
        except (OSError, UsageError) as error:
            failures.append(Failure(item.video, "mux", f"not muxed: {error}"))
        if progress is not None:
            progress("mux", done, len(pairs))
    return replace(result, failures=(*result.failures, *failures))


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and number of a file, the same for all its names; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _mux(item: Match, target: Path) -> None:
    assert item.audio is not None
    mux(Path(item.video), Path(item.audio), target, offset_seconds=item.offset_seconds or 0.0)


def targets(paths: Sequence[str], argument: str, folder: Path) -> list[Path]:
    """Where each video goes: its path below what the user named, never outside `folder`."""
    root = argument if argument and Path(argument).is_dir() else _common_folder(paths)
    return [folder / os.path.relpath(path, root) for path in paths]


def _common_folder(paths: Sequence[str]) -> str:
    return os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in paths]) if paths else "."  # noqa: PTH100, PTH120


def sync_lines(results: Sequence[SyncResult], *, as_json: bool) -> Iterator[str]:
    """One JSON object, or one sentence, a file."""
    for result in results:
        yield result.to_json() if as_json else f"{shown(result.path)}: {sync_sentence(result)}"


def check_output(path: Path | None, option: str, wanted: str) -> None:
    """Raises UsageError if a file can't be written there: it is a folder, or its name is that of a film or a sound.

    A shell that spells out `-o clip*.mp4` names the first film as the output.
    """
    if path is not None and path.is_dir():
        raise UsageError(f"{option} {path}: is a folder; name a file ({wanted})")
    if path is not None and path.suffix.lower() in MEDIA_SUFFIXES:
        raise UsageError(f"{option} {path}: has the name of a film or a sound; name a file for the result ({wanted})")


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
        write_sync_csv(results, table)
    if plot is None:
        return
    if len(results) == 1 and not plot.is_dir():
        plot_sync(results[0], plot)
        return
    for result, target in zip(results, targets([result.path for result in results], "", plot), strict=True):
        plot_sync(result, target.with_name(target.name + ".png"))


def scene_lines(results: Sequence[SceneResult], *, as_json: bool) -> Iterator[str]:
    """One JSON object, or one sentence and a timeline, an item."""
    for result in results:
        if as_json:
            yield result.to_json()
            continue
        yield f"{shown(result.path)}: {scene_sentence(result)}"
        yield from timeline_lines(result)
