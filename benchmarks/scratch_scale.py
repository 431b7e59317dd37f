"""How time and memory of scratch sound grow with the number of files, and what the shortlist of recordings loses.

    python benchmarks/scratch_scale.py WORK [--sizes 100,200,400] [--seconds 20]

WORK is that of scratch_sounds.py, of whose first 30 minutes (5 dB, 20 ppm) pieces are cut: a camera's, and a
recording's that began up to six seconds before and ends up to four after. They are compared from features on, in one
process, on one core. A camera is right if its own recording is among those it heard, at its place within a frame:
pieces of one sound overlap, so others are rightly heard as well.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from avmatch.analysis.features import Analyser
from avmatch.core.features import BAND_RATE_HZ, AudioFeatures, SoundSigns, VideoFeatures
from avmatch.pipelines.pairs import Pair
from avmatch.pipelines.scratch import heard_pairs

FRAME_SECONDS, DRIFT = 0.04, 20e-6


def piece(sound: AudioFeatures, begin: float, seconds: float) -> AudioFeatures:
    """A part of a sound, as if it were a file; times are whole tenths of a second."""
    ticks = slice(round(begin * BAND_RATE_HZ), round((begin + seconds) * BAND_RATE_HZ))
    signs = sound.signs
    assert signs is not None
    num = round(seconds * signs.rate_hz)
    first = round(begin * signs.rate_hz) // 8
    return replace(
        sound,
        flux=sound.flux[ticks],
        level=sound.level[ticks],
        spectrum=sound.spectrum[ticks],
        duration_seconds=seconds,
        start_seconds=0.0,
        signs=SoundSigns(signs.data[first : first + num // 8], num, signs.rate_hz, signs.start_seconds),
    )


def main() -> None:
    """Print a line a size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--sizes", default="100,200,400")
    parser.add_argument("--seconds", type=float, default=20.0)
    given = parser.parse_args()
    analyser = Analyser(given.work / "cache")
    camera, recording = (analyser.audio(str(given.work / f"{side}_30min00.wav")) for side in ("camera", "sound"))
    late = json.loads((given.work / "truth.json").read_text())["30min00"]
    for num in map(int, given.sizes.split(",")):
        rng = np.random.default_rng(num)
        videos, audios, offsets = [], [], []
        for _ in range(num):
            begin = float(rng.integers(0, round(10 * (camera.duration_seconds - given.seconds - 10)))) / 10
            early, more = rng.integers(0, 60) / 10, rng.integers(0, 40) / 10
            first = max(0.0, round(begin + late - early, 1))  # of the recording, in tenths
            scratch = piece(camera, begin, given.seconds)
            audios.append(piece(recording, first, given.seconds + early + more))
            offsets.append(late + (1 + DRIFT) * begin - first)
            picture = np.zeros((0, 4, 64), np.float16)
            videos.append(VideoFeatures(0.0, picture, (), 25.0, given.seconds, scratch=scratch))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        cpu, wall = time.process_time(), time.perf_counter()
        heard = heard_pairs(videos, audios, 1)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        own = [heard.get(Pair(number, number)) for number in range(num)]
        right = [
            found is not None and abs(found.offset_seconds - offset) <= FRAME_SECONDS
            for found, offset in zip(own, offsets, strict=True)
        ]
        print(
            f"{num} x {num} of {given.seconds:g} s: {cpu:.1f} s of processor time, {wall:.1f} s, {more:.0f} MiB more; "
            f"{sum(right)} heard their own, {len(heard)} pairs in all",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
