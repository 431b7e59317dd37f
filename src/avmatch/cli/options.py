"""Options that several commands share."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from typer import Option

Model = Annotated[str | None, Option(help="A trained run, a model folder, or a shipped model's name.")]
FaceDetector = Annotated[Path | None, Option(help="A YuNet ONNX file instead of Haar cascades.")]
MaxOffset = Annotated[float, Option(help="Search offsets up to this many seconds.")]
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

    for note in stream_notes(results):
        print(note, file=sys.stderr)


def print_left_out(arguments: Iterable[str], folders: Sequence[Path] = ()) -> None:
    """On stderr: which files of the arguments' folders aren't tried."""
    from avmatch.pipelines.arguments import left_out

    for note in left_out(arguments, folders):
        print(note, file=sys.stderr)


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None] | None]:
    """A callback that draws a bar for each stage on stderr; None where stderr isn't a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description:>8}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, progress.TaskID] = {}

        def update(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done)

        yield update
