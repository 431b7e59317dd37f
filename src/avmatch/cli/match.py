"""`avmatch match`: which audio belongs to which video."""

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Exit, Option

from avmatch.cli.export import check_timeline, print_timeline
from avmatch.cli.options import (
    AudioCodec,
    Cache,
    Decisions,
    FaceDetector,
    MaxOffset,
    Model,
    NoCache,
    cache_folder,
    progress_bars,
)


def match(
    videos: Annotated[str, Argument(help="Folder, glob, file or CSV/Parquet manifest of silent videos.")],
    audios: Annotated[str, Argument(help="The same for the recordings; the sound of videos counts too.")],
    out: Annotated[Path, Option("-o", "--out", help="Folder for the tables, the matrix and report.html.")],
    max_offset: MaxOffset = 0.5,
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
    face_detector: FaceDetector = None,
    cache: Cache = None,
    no_cache: NoCache = False,
) -> None:
    """Match each video to its audio, and write tables and a report."""
    from rich.console import Console

    from avmatch.matching.settings import MatchSettings
    from avmatch.pipelines import delivery
    from avmatch.pipelines.answers import match as run
    from avmatch.reports.output import match_table, write_match
    from avmatch.reports.wording import remark_lines

    settings = MatchSettings(
        max_offset,
        min_confidence,
        complete,
        many,
        not no_duration,
        use_scratch and not no_scratch,
        top_k,
        use_clock=not no_clock,
        use_order=not no_order,
        use_latency=not no_latency,
    )
    delivery.check_normalisation(normalise)
    delivery.check_sound_codec(audio_codec)
    delivery.check_output(matrix, "--matrix", "similarity.npy")
    delivery.check_folders(out, mux)
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
            leave_out=[folder for folder in (out, mux) if folder is not None],
            progress=progress,
        )
        if mux is not None:
            result = delivery.mux_matches(result, videos, mux, progress, audio_codec=audio_codec)
    report = write_match(result, out)
    if matrix is not None:
        delivery.write_matrix(result, matrix, normalise)
    if json:
        print(*delivery.match_lines(result), sep="\n")
    else:
        Console().print(match_table(result))
        print(f"{delivery.summary(result)}; the report is {report}")
    for line in remark_lines(result.notes, result.failures):
        print(line, file=sys.stderr)
    if result.videos:
        print_timeline(export, out, sys.stderr if json else None)
    if not result.videos or not result.audio or any(failure.stage == "mux" for failure in result.failures):
        raise Exit(1)
