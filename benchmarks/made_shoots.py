"""What the whole shoot knows: made shoots with clocks and names of all kinds, matched without and with each cue.

    python benchmarks/made_shoots.py [--seeds 10]

A shoot has 120 clips and 120 recordings of 2 cameras and 2 recorders: 105 clips have a recording, some of them two (a
second recorder, or the recorder split its file), some takes are repeated and nearly sound alike, 15 clips and 5
recordings have no partner. What the content says is drawn, not rendered: scores of pairs that match are strong,
middling or weak, those of retakes lie in between. Clocks are right, hours wrong, frozen, random, drifting (up to 300
ppm), or run over midnight and are set in between; names follow one another or are shuffled.

A clip is right if it gets one of its recordings, and one without any if it gets none.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace

import numpy as np

from avmatch.core.origins import SECONDS_PER_DAY, Origin
from avmatch.matching.decision import MatchSettings, by_gallery, decide, figures
from avmatch.matching.fusion import Scores
from avmatch.matching.shoot import with_shoot

CLOCKS = ("right", "hours wrong", "drifting", "set anew", "frozen", "random", "none")
NAMES = ("in order", "shuffled")
NUM_PAIRS, NUM_ALONE, NUM_SECOND, NUM_SPLIT, NUM_STRAY = 105, 15, 5, 5, 5
#: So many takes in a row are made with the same camera and recorder, on average.
USUAL_RUN = 10
#: Of the pairs that match: how often, mean and deviation of the score.
STRENGTHS = ((0.55, 14.0, 4.0), (0.25, 5.0, 2.0), (0.20, 1.5, 1.2))
UNMATCHED = (0.6, 1.0)
WITHOUT = MatchSettings(use_clock=False, use_order=False)
CUES = {
    "content": WITHOUT,
    "clock": replace(WITHOUT, use_clock=True),
    "order": replace(WITHOUT, use_order=True),
    "all": MatchSettings(),
}


@dataclass(frozen=True)
class File:
    """A clip or a recording: the take it shows (its own number where it has no partner), and when it began."""

    take: int
    device: int
    began_seconds: float


def made_shoot(
    seed: int, clocks: str, names: str
) -> tuple[Scores, list[Origin], list[Origin], list[set[int]], np.ndarray]:
    """Scores by content, clips, recordings, the right columns of each row, and offsets."""
    rng = np.random.default_rng([24, seed])
    num_takes = NUM_PAIRS + NUM_ALONE + NUM_STRAY
    took = rng.uniform(8, 40, num_takes)
    began = 15 * 3600.0 + np.cumsum(took + rng.exponential(90, num_takes))
    kinds = rng.permutation(num_takes)
    clips, sounds = [], []
    camera = recorder = 0
    for take in range(num_takes):
        if rng.random() < 1 / USUAL_RUN:
            camera, recorder = int(rng.integers(2)), int(rng.integers(2))
        late = float(rng.normal(0, 0.15))
        if kinds[take] < NUM_PAIRS + NUM_ALONE:
            clips.append(File(take, camera, began[take]))
        if not NUM_PAIRS <= kinds[take] < NUM_PAIRS + NUM_ALONE:
            sounds.append(File(take, recorder, began[take] - late))
        if kinds[take] < NUM_SECOND:
            sounds.append(File(take, 1 - recorder, began[take] - late + float(rng.normal(0, 0.1))))
        elif kinds[take] < NUM_SECOND + NUM_SPLIT:
            sounds.append(File(take, recorder, began[take] - late + took[take] / 2))
    scores = drawn_scores(rng, clips, sounds)
    videos = origins(rng, clips, "camera", clocks, names)
    audios = origins(rng, sounds, "recorder", clocks, names)
    truth = [{column for column, sound in enumerate(sounds) if sound.take == clip.take} for clip in clips]
    return scores, videos, audios, truth, scores.offset_seconds


def drawn_scores(rng: np.random.Generator, clips: list[File], sounds: list[File]) -> Scores:
    """What the content might say: of three takes in a row with the same number // 3, half are repeats of one scene."""
    nats = rng.normal(*UNMATCHED, (len(clips), len(sounds)))
    offsets = rng.uniform(-0.5, 0.5, nats.shape)
    shares, means, deviations = zip(*STRENGTHS, strict=True)
    for row, clip in enumerate(clips):
        strength = rng.choice(len(shares), p=shares)
        own = max(0.0, rng.normal(means[strength], deviations[strength]))
        for column, sound in enumerate(sounds):
            if sound.take == clip.take:
                nats[row, column] = own + rng.normal(0, 0.5)
                if own > 3.0:
                    offsets[row, column] = clip.began_seconds - sound.began_seconds
            elif sound.take // 3 == clip.take // 3 and clip.take // 3 % 2:
                nats[row, column] += rng.uniform(0.2, 0.8) * own
    nats, offsets = nats.astype(np.float32), np.clip(offsets, -0.5, 0.5).astype(np.float32)
    return Scores(nats, offsets, np.zeros(nats.shape, int), ("content",), nats[None], np.ones_like(nats))


def origins(rng: np.random.Generator, files: list[File], kind: str, clocks: str, names: str) -> list[Origin]:
    """Names and times as this device writes them."""
    ahead = rng.uniform(-9 * 3600, 9 * 3600, 2) if clocks in ("hours wrong", "drifting", "set anew") else np.zeros(2)
    drift = rng.uniform(-300e-6, 300e-6, 2) if clocks == "drifting" else np.zeros(2)
    set_at = rng.uniform(15.5 * 3600, 18 * 3600)
    numbers = rng.permutation(len(files)) if names == "shuffled" else np.arange(len(files))
    found = []
    for file, number in zip(files, numbers, strict=True):
        device = file.device
        time = file.began_seconds + ahead[device] + drift[device] * (file.began_seconds - 15 * 3600)
        time += 4000.0 if clocks == "set anew" and kind == "camera" and file.began_seconds > set_at else 0.0
        time += 7 * 3600 if clocks == "set anew" else 0.0  # over midnight
        time = {"frozen": 0.0, "random": rng.uniform(0, 10 * SECONDS_PER_DAY)}.get(clocks, time)
        times = {} if clocks == "none" else {"timecode": time % SECONDS_PER_DAY}
        prefix = ("C", "D") if kind == "camera" else ("ZOOM", "T")
        path = f"{kind}{device}/{prefix[device]}{number:04d}"
        found.append(Origin(path, f"{kind}{device}", times))
    return found


def right_pairs(scores: Scores, videos: list[Origin], audios: list[Origin], truth: list[set[int]], settings) -> tuple:
    """How many clips are right, how many wrong pairs are made, and the clips that are right."""
    by_face = np.zeros(scores.nats.shape, bool)
    found, _ = with_shoot(scores, by_face, videos, audios, settings)
    confidence = by_gallery(figures(found.nats), by_face)
    names, columns = [v.path for v in videos], {a.path: column for column, a in enumerate(audios)}
    result = decide(names, names, [a.path for a in audios], found, confidence, settings)
    right = np.array(
        [
            (match.audio is None) if not own else match.audio is not None and columns[match.audio] in own
            for match, own in zip(result.matches, truth, strict=True)
        ]
    )
    wrong = sum(
        match.audio is not None and columns[match.audio] not in own
        for match, own in zip(result.matches, truth, strict=True)
    )
    unsafe = sum(
        match.audio is not None and columns[match.audio] not in own and match.confidence >= 0.9
        for match, own in zip(result.matches, truth, strict=True)
    )
    return int(right.sum()), wrong, unsafe


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args()
    print("right clips of 120 (least difference to content of any seed; wrong pairs, of them with 0.9 or more)")
    print(f"| {'clocks':11} | {'names':8} | " + " | ".join(f"{name:>24}" for name in CUES) + " |")
    for clocks in CLOCKS:
        for names in NAMES:
            found = np.array(
                [
                    [right_pairs(*made_shoot(seed, clocks, names)[:4], settings) for settings in CUES.values()]
                    for seed in range(given.seeds)
                ]
            )
            worst = (found[:, :, 0] - found[:, :1, 0]).min(axis=0)
            mean = found.mean(axis=0)
            cells = [
                f"{right:6.1f} ({least:+3d}; {wrong:4.1f}, {unsafe:3.1f})"
                for (right, wrong, unsafe), least in zip(mean, worst, strict=True)
            ]
            print(f"| {clocks:11} | {names:8} | " + " | ".join(f"{cell:>24}" for cell in cells) + " |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
