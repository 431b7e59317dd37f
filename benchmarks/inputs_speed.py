"""Is the analysis slower than it was? The same files by two commits, in turns.

    git worktree add /tmp/before 8c4b959
    python benchmarks/inputs_speed.py /tmp/before/src [--files 200]

Synthetic clips of ten seconds at 640 × 360 with stereo sound, and recordings of two and of six channels, half each.
Each commit has a process of its own, which has loaded its models; for each file they take turns, and who begins
alternates. What is compared is the time of the processor, so that a machine that does other things as well spoils
little; `--wall` compares the time on the clock. The ratio is after / before, in the median over the files, with a
bootstrap interval of 95 %.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from avmatch.core.features import AudioSamples
from avmatch.media.decode import read_audio
from avmatch.media.encode import write_audio
from avmatch.media.mux import mux
from avmatch.metrics.intervals import bootstrap_interval
from avmatch.synth import SynthConfig, synthesise

#: Takes (kind, path) by lines, and answers with seconds of the processor and of the clock.
WORKER = """
import sys, time
from avmatch.analysis.features import Analyser
from avmatch.pipelines.models import models_with
analyser = Analyser(None, models_with(None).towers, num_threads=1)
print("ready", flush=True)
for line in sys.stdin:
    kind, path = line.rstrip("\\n").split(" ", 1)
    cpu, wall = time.process_time(), time.perf_counter()
    (analyser.both if kind == "clip" else analyser.audio)(path)
    print(time.process_time() - cpu, time.perf_counter() - wall, flush=True)
"""
RATE_HZ, SECONDS = 48_000, 10.0
SRC = Path(__file__).parents[1] / "src"


class Worker:
    """A commit at work."""

    def __init__(self, source: Path) -> None:
        environment = os.environ | {"PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._answer()

    def seconds(self, kind: str, path: Path) -> tuple[float, float]:
        """Of the processor and of the clock, for one file."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{kind} {path}\n")
        self._process.stdin.flush()
        cpu, wall = map(float, self._answer().split())
        return cpu, wall

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit("a worker has ended; its error is above")
        return line

    def close(self) -> None:
        """No more files."""
        self._process.communicate()


def make_files(folder: Path, num: int) -> list[tuple[str, Path]]:
    """(kind, path) of each."""
    num_clips = num // 2
    sizes = ((640, 360),)
    synthesise(folder, SynthConfig(num_clips, seed=1, duration_seconds=SECONDS, sizes=sizes, fps_choices=(25,)))
    videos, sounds = (sorted((folder / side).iterdir()) for side in ("videos", "audio"))
    files = []
    rng = np.random.default_rng(0)
    for number, (video, sound) in enumerate(zip(videos, sounds, strict=True)):
        mono = read_audio(sound, sample_rate_hz=RATE_HZ).data[0]
        stereo = np.stack([mono, mono + rng.normal(0.0, 1e-3, len(mono)).astype(np.float32)])
        write_audio(folder / f"stereo_{number}.wav", AudioSamples(stereo, RATE_HZ))
        mux(video, folder / f"stereo_{number}.wav", folder / f"clip_{number}.mp4", offset_seconds=0.0)
        recording = folder / f"stereo_{number}.wav"
        if number % 2:
            recording = folder / f"six_{number}.wav"
            write_audio(recording, AudioSamples(np.concatenate([stereo, stereo, stereo]), RATE_HZ))
        files += [("clip", folder / f"clip_{number}.mp4"), ("recording", recording)]
    return files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, help="the folder src of an older commit")
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--wall", action="store_true")
    asked = parser.parse_args()
    if not (asked.before / "avmatch").is_dir():
        sys.exit(f"{asked.before}: has no package avmatch; name the folder src of a worktree (git worktree add)")
    with tempfile.TemporaryDirectory() as folder:
        files = make_files(Path(folder), asked.files)
        workers = {"before": Worker(asked.before), "after": Worker(SRC)}
        for worker in workers.values():  # the first of each kind loads
            for kind, path in files[:2]:
                worker.seconds(kind, path)
        took: dict[str, list[float]] = {"before": [], "after": []}
        for number, (kind, path) in enumerate(files):
            for name in ("before", "after") if number % 2 else ("after", "before"):
                took[name].append(workers[name].seconds(kind, path)[asked.wall])
        for worker in workers.values():
            worker.close()
    kinds = np.array([kind for kind, _ in files])
    clock = "clock" if asked.wall else "processor"
    print(f"{len(files)} files, seconds of the {clock}:")
    before, after = np.array(took["before"]), np.array(took["after"])
    for kind in ("clip", "recording", ""):
        those = kinds == kind if kind else np.ones(len(kinds), np.bool_)
        ratios = after[those] / before[those]
        interval = bootstrap_interval(np.log(ratios), 0)
        low, high = np.exp([interval.low, interval.high])
        print(
            f"{kind or 'all':9}  before {before[those].sum():8.2f} s   after {after[those].sum():8.2f} s   "
            f"ratio {np.median(ratios):.3f} in the median, {low:.3f} to {high:.3f}"
        )


if __name__ == "__main__":
    main()
