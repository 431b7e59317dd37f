"""`avmatch synth`: render small media files with known ground truth."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from avmatch.cli.options import duration as duration_seconds
from avmatch.cli.options import progress_bars

COLLISION = "collision"


def synth(
    out: Annotated[Path, Argument(help="Folder for videos/, audio/, truth.csv; of collisions dataset/, truth.json.")],
    scenes: Annotated[int, Option(help="Pairs of a silent video and its recording.")] = 20,
    seed: Annotated[int, Option(help="The same seed renders the same clips.")] = 0,
    duration: Annotated[
        float, Option(parser=duration_seconds, metavar="DURATION", help="Approximate length of each file.")
    ] = 6.0,
    kind: Annotated[
        str, Option(help="Kinds of scenes, in turn; or collision: a set in the Tilt-Bot's layout.")
    ] = "balls,drums,strings,clock,face",
    snr: Annotated[float | None, Option(help="Add noise this many dB under the sound.")] = None,
    damage: Annotated[bool, Option("--damage", help="Compress the picture, narrow the sound.")] = False,
    offset_ms: Annotated[float, Option(help="Shift every sound by this; positive = it comes late.")] = 0.0,
    extra_videos: Annotated[int, Option(help="Videos without a recording.")] = 0,
    extra_audio: Annotated[int, Option(help="Recordings without a video.")] = 0,
    per_class: Annotated[int, Option(help="collision: training segments of each class.")] = 80,
    sounds: Annotated[int, Option(help="collision: sounds of task 1.")] = 500,
    groups: Annotated[int, Option(help="collision: groups of 25 of tasks 2 and 3 each.")] = 10,
    segments: Annotated[
        Path | None, Option(help="collision: a JSON file of real starts (class, segment, [start, end, angle]).")
    ] = None,
    workers: Annotated[int, Option(help="collision: processes.")] = 1,
) -> None:
    """Render small media files with known ground truth: for demonstrations, tests and benchmarks."""
    from avmatch.core.clock import seconds_from_milliseconds
    from avmatch.synth import SynthConfig, synthesise
    from avmatch.systems.collisions.simulator.folder import TiltConfig, synthesise_collisions

    if kind == COLLISION:
        tray = TiltConfig(per_class, seed, str(segments or ""), sounds, groups, num_workers=workers)
        with progress_bars() as progress:
            num = synthesise_collisions(out, tray, progress=progress)
        print(f"{num} segments in {out / 'dataset'}; the truth is in {out / 'truth.json'}")
        return
    config = SynthConfig(
        num_scenes=scenes,
        seed=seed,
        duration_seconds=duration,
        kinds=tuple(name.strip() for name in kind.split(",")),
        snr_db=snr,
        damage=damage,
        offset_seconds=seconds_from_milliseconds(offset_ms),
        extra_videos=extra_videos,
        extra_audio=extra_audio,
    )
    with progress_bars() as progress:
        synthesise(out, config, progress=progress)
    print(f"{scenes} pairs in {out}; the truth is in {out / 'truth.csv'}")
