"""How many times the CPU time of its decode a file's analysis takes.

    python benchmarks/decode_ratio.py [FILE …] [--rounds 3] [--cores] [--hours 2]

CPU time of `avmatch sync FILE --no-cache`, less that of `avmatch --version` (what it takes to start), over that of
PyAV decoding picture and sound with one thread, all of them processes of their own, one after another in each round;
the median over the rounds. Without FILE: a talking cartoon face at 1080p, and a talking face and a ball at 240 px,
20 s each, made by `avmatch synth`. The figures of CPU time hold roughly while others work, wall times don't.

--cores     also the wall time of one core over that of two, start-up taken off
--hours H   also the peak memory on a 1080p file of so many hours, made by repeating packets
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from cost import memory

from avmatch.media.mux import mux
from avmatch.synth import SynthConfig, synthesise

#: Decodes both streams, as a player would with one thread.
_DECODE = """
import sys, av
with av.open(sys.argv[1]) as container:
    streams = [*container.streams.video[:1], *container.streams.audio[:1]]
    for stream in streams:
        stream.codec_context.thread_count = 1
    for packet in container.demux(streams):
        packet.decode()
"""
_AVMATCH = (sys.executable, "-m", "avmatch")
_START_AV = (sys.executable, "-c", "import av")
SECONDS = 20.0


@dataclass(frozen=True)
class Took:
    """CPU seconds of a process and its children, and what a clock says."""

    cpu_seconds: float
    wall_seconds: float


def took(command: tuple[str, ...], cores: int | None = None) -> Took:
    """Run a command, on so many of the cores."""
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, allowed),
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Took(used, time.perf_counter() - begin)


def median_cpu(rounds: list[Took], start: list[Took]) -> float:
    """CPU seconds without those of the start."""
    return statistics.median(one.cpu_seconds for one in rounds) - statistics.median(one.cpu_seconds for one in start)


def ratio(path: Path, num_rounds: int) -> str:
    """A line of the table."""
    commands = {
        "sync": (*_AVMATCH, "sync", str(path), "--no-cache"),
        "start": (*_AVMATCH, "--version"),
        "decode": (sys.executable, "-c", _DECODE, str(path)),
        "av": _START_AV,
    }
    rounds: dict[str, list[Took]] = {}
    for _ in range(num_rounds):
        for name, command in commands.items():
            rounds.setdefault(name, []).append(took(command))
    sync, decode = median_cpu(rounds["sync"], rounds["start"]), median_cpu(rounds["decode"], rounds["av"])
    return f"{path.name:<24} decode {decode:6.2f} s   sync {sync:6.2f} s   {sync / decode:5.2f} ×"


def cores(path: Path, num_rounds: int) -> str:
    """How much sooner two cores are done than one."""
    command = (*_AVMATCH, "sync", str(path), "--no-cache")
    wall = {
        (number, name): min(took(one, number).wall_seconds for _ in range(num_rounds))
        for number in (1, 2)
        for name, one in (("sync", command), ("start", (*_AVMATCH, "--version")))
    }
    one, two = (wall[number, "sync"] - wall[number, "start"] for number in (1, 2))
    return f"{path.name:<24} one core {one:6.2f} s   two cores {two:6.2f} s   {one / two:5.2f} × as fast"


def made(folder: Path) -> list[Path]:
    """A talking face at 1080p and 240 px, a ball at 240 px."""
    found = []
    for name, kind, size in (
        ("face_1080p", "face", (1920, 1080)), ("face_240p", "face", (426, 240)), ("ball_240p", "ball", (426, 240)),
    ):  # fmt: skip
        place = folder / name
        config = SynthConfig(1, seed=5, duration_seconds=SECONDS, sizes=(size,), fps_choices=(25,), kinds=(kind,))
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
