"""Options that several commands share."""

import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from typer import BadParameter, Exit, Option

from avmatch.core.clock import seconds_from_text
from avmatch.core.log import logger


def duration(text: str | float) -> float:
    """Seconds, from what a person writes on the command line; defaults are numbers."""
    try:
        return float(text) if isinstance(text, float | int) else seconds_from_text(text)
    except ValueError as error:
        raise BadParameter(str(error)) from error


#: Exit codes; 2 is wrong usage.
NOTHING_USABLE, NOT_SURE = 1, 3
UNLIMITED_WIDTH = 1000

Model = Annotated[str | None, Option(help="A run, a model folder, a shipped model's name, or hf:PATH_OR_ID.")]
FaceDetector = Annotated[Path | None, Option(help="haar for OpenCV's cascades, or a YuNet ONNX file.")]
MaxOffset = Annotated[
    float, Option(parser=duration, metavar="DURATION", help="Search offsets up to this: 90, 1:30, 250ms.")
]
#: The same where a search goes on by itself (pipelines/widening.py).
MaxOffsetOrWider = Annotated[
    float | None,
    Option(
        parser=duration,
        metavar="DURATION",
        help="Search offsets up to this: 90, 1:30, 250ms (default: near, and farther where nothing fits).",
    ),
]
FailOn = Annotated[
    Literal["failed", "uncertain"] | None,
    Option(metavar="WHEN", help="End with 3: failed = if a file failed; uncertain = unless every answer is sure."),
]
Cache = Annotated[Path | None, Option(help="Keep features here instead of the user's cache.")]
NoCache = Annotated[bool, Option("--no-cache", help="Keep no features.")]
AudioCodec = Annotated[
    str, Option(help="The copies' sound: copy, pcm, flac, alac, aac, opus; auto keeps what the container can hold.")
]
Only = Annotated[
    str, Option(help="sure: match and offset have a confidence of 0.9 or more; accepted: in a review; or all.")
]
Decisions = Annotated[
    Path | None, Option(help="What was decided in a review (decisions.sqlite). [default of solve: the result's own]")
]
VideoStream = Annotated[
    int | None, Option(help="The picture to use: a stream's number in the file, as ffprobe shows it, from 0 on.")
]
AudioStream = Annotated[int | None, Option(help="The sound to use: a stream's number in the file, from 0 on.")]
Channel = Annotated[int | None, Option(help="The channel of the sound to use, from 1 on; default: those with sound.")]
#: The same two in one, for commands with many options.
CacheOrNone = Annotated[
    Path | None,
    Option("--cache", metavar="DIR|none", help="Keep features here, or nowhere (default: the user's cache)."),
]


def cache_folder(cache: Path | None, no_cache: bool = False) -> Path | None:
    """Where features are kept; None = nowhere."""
    from avmatch.analysis.store import default_cache_dir

    return None if no_cache or cache == Path("none") else cache or default_cache_dir()


def print_results(results: Iterable[Any], sentence: Callable[[Any], str], *, as_json: bool) -> None:
    """One JSON object, or one sentence, a file."""
    from avmatch.reports.wording import shown

    for result in results:
        print(result.to_json() if as_json else f"{shown(result.path)}: {sentence(result)}", flush=True)


def print_stream_notes(results: Iterable[Any]) -> None:
    """On stderr: which streams were used, where there was a choice."""
    from avmatch.reports.wording import stream_notes

    for line in stream_notes(results):
        note(line)


def print_left_out(arguments: Iterable[str], folders: Sequence[Path] = ()) -> None:
    """On stderr: which files of the arguments' folders aren't tried."""
    from avmatch.pipelines.arguments import left_out

    for line in left_out(arguments, folders):
        note(line)


def check_failures(fail_on: str | None, *, failed: bool, sure: bool) -> None:
    """End with NOT_SURE if `--fail-on` asks for that."""
    if (fail_on is not None and failed) or (fail_on == "uncertain" and not sure):
        raise Exit(NOT_SURE)


def table_width() -> int:
    """How wide a table may be: as the terminal, or COLUMNS; where there is neither, lines may be long."""
    from rich.console import Console

    return Console().width if sys.stdout.isatty() or "COLUMNS" in os.environ else UNLIMITED_WIDTH


def note(line: str) -> None:
    """A remark on stderr, which `--quiet` leaves out."""
    if not is_quiet():
        print(line, file=sys.stderr)


def is_quiet() -> bool:
    """Whether only errors are to be said."""
    return not logger.isEnabledFor(logging.WARNING)


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None] | None]:
    """What a command's work is to call as it goes on (reports/progress.py)."""
    from avmatch.reports.progress import progress_shown

    with progress_shown(not is_quiet()) as progress:
        yield progress
