"""How many times the CPU time of its decode a file's analysis takes.

    python benchmarks/decode_ratio.py [FILE …] [--rounds 3] [--cores] [--hours 2]

CPU time of what `avmatch sync FILE --no-cache` does once it is loaded, over that of PyAV decoding both streams with
one thread; processes of their own, in turn, and the median over the rounds. Without FILE: a talking cartoon face at
1080p, and a talking face and balls at 240 px, 20 s each, made by `avmatch synth`. The figures of CPU time hold roughly
while others work, wall times don't.

--cores     also the wall time of one core over that of two
--hours H   also the peak memory on a 1080p file of so many hours, made by repeating packets
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from cost import memory

from avmatch.media.mux import mux
from avmatch.synth import SynthConfig, synthesise

#: Runs a job twice, and says what the second time took: the first one loads models and more.
_SECOND_TIME = """
import sys, time
{job}
job(sys.argv[1])
cpu, wall = time.process_time(), time.perf_counter()
job(sys.argv[1])
print(time.process_time() - cpu, time.perf_counter() - wall)
"""
#: Decodes both streams, as a player would with one thread.
_DECODE = """
import av
def job(path):
    with av.open(path) as container:
        streams = [*container.streams.video[:1], *container.streams.audio[:1]]
        for stream in streams:
            stream.codec_context.thread_count = 1
        for packet in container.demux(streams):
            packet.decode()
"""
_SYNC = """
from avmatch.pipelines.sync import sync_all
def job(path):
    sync_all([path], cache_dir=None)
"""
SECONDS = 20.0


@dataclass(frozen=True)
class Took:
    """CPU seconds of a process, all its threads together, and what a clock says."""

    cpu_seconds: float
    wall_seconds: float


def took(job: str, path: Path, cores: int | None = None) -> Took:
    """A process of its own, on so many of the cores."""
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    command = [sys.executable, "-c", _SECOND_TIME.format(job=job), str(path)]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, preexec_fn=lambda: os.sched_setaffinity(0, allowed)
    )
    return Took(*map(float, done.stdout.split()[-2:]))


def ratio(path: Path, num_rounds: int) -> str:
    """A line of the table."""
    rounds = [(took(_DECODE, path).cpu_seconds, took(_SYNC, path).cpu_seconds) for _ in range(num_rounds)]
    decode, sync = map(statistics.median, zip(*rounds, strict=True))
    return f"{path.name:<20} decode {decode:6.2f} s   sync {sync:6.2f} s   {sync / decode:5.2f} ×"


def cores(path: Path, num_rounds: int) -> str:
    """How much sooner two cores are done than one."""
    one, two = (min(took(_SYNC, path, num).wall_seconds for _ in range(num_rounds)) for num in (1, 2))
    return f"{path.name:<20} one core {one:6.2f} s   two cores {two:6.2f} s   {one / two:5.2f} × as fast"


def made(folder: Path) -> list[Path]:
    """A talking face at 1080p and 240 px, balls at 240 px."""
    found = []
    for name, kind, size in (
        ("face_1080p", "face", (1920, 1080)), ("face_240p", "face", (426, 240)), ("balls_240p", "balls", (426, 240)),
    ):  # fmt: skip
        place = folder / name
        config = SynthConfig(
            1, seed=5, duration_seconds=SECONDS, sizes=(size,), fps_choices=(Fraction(25),), kinds=(kind,)
        )
        synthesise(place, config)
        found.append(folder / f"{name}.mp4")
        mux(next(place.glob("videos/*")), next(place.glob("audio/*")), found[-1], offset_seconds=0.0)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", action="store_true")
    parser.add_argument("--hours", type=float, default=0.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = given.files or made(Path(folder))
        for path in files:
            print(ratio(path, given.rounds), flush=True)
            if given.cores:
                print(cores(path, given.rounds), flush=True)
        if given.hours:
            memory(Path(folder), str(files[0]), given.hours)


if __name__ == "__main__":
    main()
