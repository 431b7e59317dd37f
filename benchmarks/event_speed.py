"""What the model for any sound costs, side by side in one run with the bare decode of the same file.

    python benchmarks/event_speed.py [--repeats 5]

Ten seconds at 1080p that `avmatch synth` rendered. Network alone: signals, accents and kinds from the features of the
file, and the evidence of all offsets within ±1 s. Without the model for talking faces: decode, features, offset. Turns
alternate. Run it with nothing else running.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from cost import bare_decode, clip_1080p
from lips_speed import NUM_THREADS, timed

from avmatch.alignment.offset import estimate_offset
from avmatch.analysis.features import Analyser
from avmatch.core.features import AudioFeatures, VideoFeatures
from avmatch.pipelines.models import Models, models_with
from avmatch.pipelines.sync import cues_for

CLIP_SECONDS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    events = models_with(None).events
    assert events is not None
    analyser = Analyser(None, num_threads=NUM_THREADS)
    with tempfile.TemporaryDirectory() as folder:
        path = clip_1080p(Path(folder))
        video, audio = analyser.both(path)

        def networks() -> None:
            events.picture_accents(video)
            events.sound_accents(audio)
            events.picture_kind(video)
            events.sound_kind(audio)

        def measured(video: VideoFeatures, audio: AudioFeatures) -> None:
            cues = cues_for(Models((), events))  # new ones: a cue keeps the accents of a sound
            estimate_offset(cues, video, audio, max_offset_seconds=1.0)

        jobs: dict[str, Callable[[], object]] = {
            "decode alone": lambda: bare_decode(path, NUM_THREADS),
            "networks alone": networks,
            "networks and evidence": lambda: measured(video, audio),
            "decode and features": lambda: analyser.both(path),
            "from the file to the offset": lambda: measured(*analyser.both(path)),
        }
        timed(jobs, 1)  # the first turn loads
        took = timed(jobs, asked.repeats)
    print(f"1080p, one file of {CLIP_SECONDS} s, {NUM_THREADS} threads (median of {asked.repeats}, and its extremes):")
    for name, times in took.items():
        ratio = took["decode alone"] / times
        print(
            f"  {name:30s} {CLIP_SECONDS / np.median(times):8.1f} × real time  "
            f"{np.median(ratio):7.2f} × the decode [{ratio.min():.2f}, {ratio.max():.2f}]"
        )


if __name__ == "__main__":
    main()
