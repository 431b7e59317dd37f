"""`avmatch sync`, `fix` and `locate`: how late a file's sound comes, a copy without that, and where it comes from."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Exit, Option

from avmatch.cli.options import (
    NOTHING_USABLE,
    AudioCodec,
    AudioStream,
    Cache,
    Channel,
    FaceDetector,
    FailOn,
    MaxOffset,
    MaxOffsetOrWider,
    Model,
    NoCache,
    VideoStream,
    cache_folder,
    check_failures,
    duration,
    print_left_out,
    print_results,
    print_stream_notes,
    progress_bars,
)


def sync(
    paths: Annotated[list[str], Argument(help="Video files, folders or globs.")],
    audio: Annotated[Path | None, Option(help="Measure this file's sound against the picture instead.")] = None,
    max_offset: MaxOffsetOrWider = None,
    json: Annotated[bool, Option("--json", help="One JSON object a file instead of a sentence.")] = False,
    out: Annotated[Path | None, Option("-o", "--out", help="Also write a CSV.")] = None,
    plot: Annotated[Path | None, Option(help="PNG of the evidence; a folder for several files.")] = None,
    video_stream: VideoStream = None,
    audio_stream: AudioStream = None,
    channel: Channel = None,
    fail_on: FailOn = None,
    model: Model = None,
    face_detector: FaceDetector = None,
    cache: Cache = None,
    no_cache: NoCache = False,
) -> None:
    """Measure the offset between picture and sound; positive = the sound comes late.

    In files of 16 s or more also where it jumps (a camera or recorder was paused, a splice), in those of 40 s or more
    how it drifts; other speeds (25/24, 44.1/48, 24/18 …) are tried where no offset is found.
    """
    from avmatch.pipelines import delivery
    from avmatch.pipelines.sync import StreamChoice, expand, sync_all
    from avmatch.reports.wording import sync_sentence

    files = expand(paths)
    print_left_out(paths)
    delivery.check_sync_outputs(out, plot, len(files))
    with progress_bars() as progress:
        results = sync_all(
            files,
            audio=audio,
            max_offset_seconds=max_offset,
            model=model,
            face_detector=face_detector,
            cache_dir=cache_folder(cache, no_cache),
            choice=StreamChoice(video_stream, audio_stream, channel),
            progress=progress,
        )
    print_results(results, sync_sentence, as_json=json)
    print_stream_notes(results)
    delivery.write_sync(results, out, plot)
    if all(result.status == "failed" for result in results):
        raise Exit(NOTHING_USABLE)
    check_failures(
        fail_on,
        failed=any(result.status == "failed" for result in results),
        sure=all(result.status == "ok" for result in results),
    )


def fix(
    paths: Annotated[list[str], Argument(help="Video files, folders or globs.")],
    out: Annotated[Path, Option("-o", "--out", help="The copy; a folder for several files. Nothing is overwritten.")],
    offset: Annotated[
        float | None,
        Option(parser=duration, metavar="DURATION", help="Known offset, such as 120ms; positive = the sound is late."),
    ] = None,
    max_offset: MaxOffset = 1.0,
    tolerance: Annotated[
        float, Option(parser=duration, metavar="DURATION", help="Leave files alone whose offset is within this.")
    ] = 0.02,
    force: Annotated[bool, Option("--force", help="Also act on uncertain measurements.")] = False,
    video_stream: VideoStream = None,
    audio_stream: AudioStream = None,
    channel: Channel = None,
    track: Annotated[int | None, Option(help="Move this audio track alone (1 is the first); default: all.")] = None,
    audio_codec: AudioCodec = "auto",
    json: Annotated[bool, Option("--json", help="One JSON object a file instead of a sentence.")] = False,
    model: Model = None,
    face_detector: FaceDetector = None,
    cache: Cache = None,
    no_cache: NoCache = False,
) -> None:
    """Write copies in which picture and sound are together; the picture is copied bit for bit."""
    from avmatch.pipelines.fix import FixSettings, fix_all
    from avmatch.pipelines.sync import StreamChoice, expand
    from avmatch.reports.wording import fix_sentence

    folder = cache_folder(cache, no_cache)
    choice = StreamChoice(video_stream, audio_stream, channel)
    settings = FixSettings(
        offset, tolerance, force, max_offset, model, folder, face_detector, audio_codec, track, choice
    )
    files = expand(paths, [out])
    print_left_out(paths, [out])
    with progress_bars() as progress:
        results = fix_all(files, out, settings, progress=progress)
    print_results(results, fix_sentence, as_json=json)
    print_stream_notes(result.was for result in results if result.was is not None)
    actions = {result.action for result in results}
    if "failed" in actions or actions <= {"refused"}:
        raise Exit(NOTHING_USABLE)


def locate(
    path: Annotated[str, Argument(help="A video file with its sound.")],
    out: Annotated[Path, Option("-o", "--out", help="heat.mp4 for every frame, heat.png for one picture.")],
    max_offset: MaxOffset = 1.0,
    video_stream: VideoStream = None,
    audio_stream: AudioStream = None,
    channel: Channel = None,
    model: Annotated[str | None, Option(help="A trained run or model folder of the recipe events.")] = None,
    cache: Cache = None,
    no_cache: NoCache = False,
) -> None:
    """Draw where in the picture the sound comes from."""
    from avmatch.pipelines.locate import locate as draw
    from avmatch.pipelines.locate import located_line
    from avmatch.pipelines.sync import StreamChoice

    with progress_bars() as progress:
        found = draw(
            path,
            out,
            max_offset_seconds=max_offset,
            model=model,
            cache_dir=cache_folder(cache, no_cache),
            choice=StreamChoice(video_stream, audio_stream, channel),
            progress=progress,
        )
    print(located_line(found))
