"""Must-show 4: what it costs, side by side in one run with the same number of threads.

    python benchmarks/cost.py [--hours 2]

1. decode alone (FFmpeg through PyAV, nothing done with the frames), features, and both, in media seconds a second, on
   1080p with sound; analysis looks at a picture of at most 640 px.
2. scoring 1000 × 1000 clips of 10 s against decoding these 2000 files (timed on a hundred of each).
3. peak memory of `avmatch sync` on a file of two hours in 1080p, made by repeating packets.
4. `avmatch --help`.

Everything is made by `avmatch synth`; run it with nothing else running.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import av
import numpy as np

from avmatch.analysis.features import Analyser, analyse_all
from avmatch.data.inputs import list_audio, list_videos
from avmatch.matching.decision import MatchSettings
from avmatch.matching.fusion import fused_scores, usual_offsets
from avmatch.media.decode import decode
from avmatch.media.mux import mux
from avmatch.pipelines.match import LAG_STEP_SECONDS, cues_for
from avmatch.pipelines.models import models_with
from avmatch.synth import SynthConfig, synthesise

NUM_THREADS = os.cpu_count() or 1


def seconds(job: Callable[[], object], repeats: int = 3) -> float:
    """The fastest of a few runs."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        job()
        times.append(time.perf_counter() - begin)
    return min(times)


def bare_decode(path: str, num_threads: int) -> None:
    with av.open(path) as container:
        streams = [*container.streams.video[:1], *container.streams.audio[:1]]
        for stream in streams:
            if stream.type == "video":
                stream.thread_type = "AUTO"
                stream.codec_context.thread_count = num_threads
        for packet in container.demux(streams):
            packet.decode()


def clip_1080p(folder: Path) -> str:
    """Ten seconds of a talking cartoon face: what costs most, because a face is followed."""
    config = SynthConfig(1, seed=5, duration_seconds=10.0, sizes=((1920, 1080),), fps_choices=(25,), kinds=("face",))
    synthesise(folder, config)
    video, audio = next(folder.glob("videos/*")), next(folder.glob("audio/*"))
    mux(video, audio, folder / "clip.mp4", offset_seconds=0.0)
    return str(folder / "clip.mp4")


def analysis(path: str) -> None:
    with av.open(path) as container:
        length = container.duration / av.time_base
    analyser = Analyser(None, models_with(None).towers, num_threads=NUM_THREADS)
    decoding = seconds(lambda: bare_decode(path, NUM_THREADS))
    shrunk = seconds(lambda: [None for _ in decode(path, num_threads=NUM_THREADS)])
    total = seconds(lambda: analyser.both(path))
    print(f"1080p, one file, {NUM_THREADS} threads, media seconds a second:")
    print(f"  decode alone          {length / decoding:6.1f}")
    print(f"  decode, shrink, mix   {length / shrunk:6.1f}  = {shrunk / decoding:.2f} × the decode")
    print(f"  features alone        {length / max(total - shrunk, 1e-3):6.1f}")
    print(
        f"  total                 {length / total:6.1f}  = {total / decoding:.2f} × the time of the decode (at most 3)"
    )


def pairs(folder: Path, num_clips: int = 1000, num_files: int = 100) -> None:
    config = SynthConfig(num_files, seed=6, duration_seconds=10.0, sizes=((320, 240),), fps_choices=(25, 30))
    synthesise(folder, config)
    files = [*list_videos(folder / "videos"), *list_audio(folder / "audio")]

    def decode_all() -> None:
        with ThreadPoolExecutor(NUM_THREADS) as pool:
            list(pool.map(lambda path: bare_decode(path, 1), files))

    decoding = seconds(decode_all) * num_clips / num_files
    models = models_with(None)
    analyser = Analyser(None, models.towers, num_threads=1)
    begin = time.perf_counter()
    seen = analyse_all(analyser.video, files[:num_files], "videos")
    heard = analyse_all(analyser.audio, files[num_files:], "audio")
    features = (time.perf_counter() - begin) * num_clips / num_files
    videos = [replace(seen[n % num_files]) for n in range(num_clips)]  # copies are other objects: nothing is shared
    audios = [replace(heard[n % num_files]) for n in range(num_clips)]
    lags = np.arange(-25, 26) * LAG_STEP_SECONDS
    cues = cues_for(MatchSettings(), models)
    scoring = seconds(lambda: fused_scores(cues, videos, audios, lags, usual_offsets(lags)), repeats=1)
    print(f"{num_clips} × {num_clips} clips of 10 s, 240 px, {NUM_THREADS} threads:")
    print(f"  decode alone {decoding:6.1f} s, analysis with it {features:6.1f} s (both from {num_files} of each)")
    print(f"  scoring      {scoring:6.1f} s = {scoring / decoding:.2f} × the decode (at most 1)")


#: A process of its own runs the command: Linux counts the memory of whoever starts a command as the command's.
_AND_PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def memory(folder: Path, clip: str, hours: float) -> None:
    path = folder / "long.mp4"
    repeat_packets(clip, path, hours * 3600.0)
    command = [sys.executable, "-m", "avmatch", "sync", str(path), "--no-cache", "--json"]
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", _AND_PEAK, *command], capture_output=True, text=True)
    told, peak = done.stdout.strip().rsplit("\n", 1)
    size = path.stat().st_size / 2**30
    print(f"{hours:g} h of 1080p ({size:.1f} GiB): {told}{done.stderr.strip()}")
    print(f"  {time.perf_counter() - begin:.0f} s, peak memory {int(peak) / 1024:.0f} MiB (at most 500)")


def repeat_packets(source: str, target: Path, length_seconds: float) -> None:
    """Copy the packets of a clip again and again, each time later by its length."""
    with av.open(source) as first, av.open(str(target), "w") as out:
        copies = {
            stream.index: out.add_stream_from_template(stream) for stream in first.streams if stream.type != "data"
        }
        packets = [packet for packet in first.demux() if packet.dts is not None]
        ends = [float((packet.pts + packet.duration) * packet.time_base) for packet in packets]
        length = max(ends) - min(float(packet.dts * packet.time_base) for packet in packets)
        kept = [(p.stream.index, bytes(p), p.pts, p.dts, p.duration, p.time_base, p.is_keyframe) for p in packets]
        for turn in range(round(length_seconds / length)):
            for index, data, pts, dts, duration, base, keyframe in kept:
                shift = round(turn * length / base)
                packet = av.Packet(data)
                packet.pts, packet.dts, packet.duration = pts + shift, dts + shift, duration
                packet.time_base, packet.is_keyframe, packet.stream = base, keyframe, copies[index]
                out.mux(packet)


def help_text() -> None:
    command = [str(Path(sys.executable).with_name("avmatch")), "--help"]
    took = seconds(lambda: subprocess.run(command, capture_output=True, check=True), repeats=5)
    print(f"avmatch --help: {took:.2f} s (at most 0.4)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=2.0, help="length of the long file; 0 = leave it out")
    hours = parser.parse_args().hours
    with tempfile.TemporaryDirectory() as folder:
        help_text()
        clip = clip_1080p(Path(folder) / "clip")
        analysis(clip)
        pairs(Path(folder) / "pairs")
        if hours:
            memory(Path(folder), clip, hours)


if __name__ == "__main__":
    main()
