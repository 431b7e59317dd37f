"""`avmatch match`: which audio belongs to which video."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from typer import Argument, Exit, Option

from avmatch.cli.export import check_timeline, print_timeline
from avmatch.cli.options import (
    NOTHING_USABLE,
    AudioCodec,
    Cache,
    Decisions,
    FaceDetector,
    FailOn,
    MaxOffsetOrWider,
    Model,
    NoCache,
    cache_folder,
    check_failures,
    note,
    progress_bars,
    table_width,
)

if TYPE_CHECKING:
    from avmatch.core.matches import MatchResult

Out = Annotated[
    Path | None, Option("-o", "--out", help="Folder for the tables and report.html (default: avmatch-DATE).")
]


def match(
    videos: Annotated[
        str, Argument(help="Folder, glob, file or CSV/Parquet manifest of silent videos; or what embed wrote.")
    ],
    audios: Annotated[str, Argument(help="The same for the recordings; the sound of videos counts too.")],
    out: Out = None,
    max_offset: MaxOffsetOrWider = None,
    many: Annotated[bool, Option("--many", help="One recording may cover several videos.")] = False,
    complete: Annotated[bool, Option("--complete", help="Give every file a match, however unsure.")] = False,
    min_confidence: Annotated[float, Option(help="Pairs below this confidence are not made.")] = 0.5,
    no_duration: Annotated[bool, Option("--no-duration", help="Ignore the files' durations.")] = False,
    no_clock: Annotated[bool, Option("--no-clock", help="Ignore timecode and file times.")] = False,
    no_order: Annotated[bool, Option("--no-order", help="Ignore the order of the files.")] = False,
    no_latency: Annotated[bool, Option("--no-latency", help="Let pairs share no offset.")] = False,
    no_scratch: Annotated[bool, Option("--no-scratch", help="Ignore the videos' own sound.")] = False,
    use_scratch: Annotated[bool, Option("--use-scratch", hidden=True, help="The default.")] = True,
    model: Model = None,
    matrix: Annotated[Path | None, Option(help="Also write the videos × audio similarity here, as .npy.")] = None,
    normalise: Annotated[str, Option(help="How --matrix is normalised: sinkhorn, csls or raw.")] = "sinkhorn",
    mux: Annotated[Path | None, Option(help="Also mux matches into here; replaces only muxed files.")] = None,
    audio_codec: AudioCodec = "auto",
    decisions: Decisions = None,
    export: Annotated[str | None, Option(help="Also write OUT/timeline in this format (`avmatch export`).")] = None,
    top_k: Annotated[int, Option(help="Candidates listed for each video.")] = 10,
    json: Annotated[bool, Option("--json", help="One JSON object a video instead of the table.")] = False,
    fail_on: FailOn = None,
    on: Annotated[Literal["here", "ray"], Option(help="ray: by a cluster, from what embed wrote.")] = "here",
    face_detector: FaceDetector = None,
    cache: Cache = None,
    no_cache: NoCache = False,
) -> None:
    """Match each video to its audio, and write tables and a report."""
    from avmatch.matching.settings import NEAR_SECONDS, MatchSettings
    from avmatch.pipelines import delivery
    from avmatch.pipelines.answers import match as run

    near, farther = (NEAR_SECONDS, True) if max_offset is None else (max_offset, False)
    use = not no_clock, not no_order, not no_latency
    settings = MatchSettings(
        near, min_confidence, complete, many, not no_duration, not no_scratch, top_k, *use, farther
    )
    out = out or delivery.new_folder()
    delivery.check_match_outputs(videos, out, mux, matrix, normalise, audio_codec)
    check_timeline(export, out)
    with progress_bars() as progress:
        result = run(
            videos,
            audios,
            settings,
            model=model,
            face_detector=face_detector,
            cache_dir=cache_folder(cache, no_cache),
            decisions=decisions,
            on=on,
            leave_out=[folder for folder in (out, mux) if folder is not None],
            progress=progress,
        )
        if mux is not None:
            result = delivery.mux_matches(result, videos, mux, progress, audio_codec=audio_codec)
    if matrix is not None:
        delivery.write_matrix(result, matrix, normalise)
    _deliver(result, out, as_json=json)
    print_timeline(export if result.videos else None, out, sys.stderr if json else None)
    _end(result, fail_on)


def _end(result: "MatchResult", fail_on: str | None) -> None:
    """With what the exit codes say of a result."""
    from avmatch.pipelines import delivery

    if not result.videos or not result.audio or any(failure.stage == "mux" for failure in result.failures):
        raise Exit(NOTHING_USABLE)
    check_failures(fail_on, failed=bool(result.failures), sure=delivery.is_sure(result))


def _deliver(result: "MatchResult", out: Path, *, as_json: bool) -> None:
    """Write the folder; print the answer on stdout and the remarks on stderr."""
    from rich.console import Console

    from avmatch.pipelines import delivery
    from avmatch.reports.output import match_table, write_match
    from avmatch.reports.wording import remark_lines

    report = write_match(result, out)
    if as_json:
        print(*delivery.match_lines(result), sep="\n")
    else:
        width = table_width()
        Console(width=width).print(match_table(result, width))
        print(f"{delivery.summary(result)}; the report is {report}")
    for line in remark_lines(result.notes, result.failures):
        note(line)
