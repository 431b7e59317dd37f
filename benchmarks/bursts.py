"""The zero of the training clips: lips that open, beside the burst of b and p in the sound.

    python benchmarks/bursts.py SHARDS WORDS

SHARDS is a folder of clips packed for the recipe `lips`, WORDS the development clips' folder. In each word that begins
with b or p (Arabic: ba) the burst is the steepest rise of the sound near the word's start. Each frame is placed on the
line from closed lips (the mean of 40 to 80 ms before the burst) to open ones (60 to 120 ms after it). The table says
when the median over all words passes a tenth, a half and nine tenths, in ms after the burst, with 95 % intervals over
words. A frame counts from the moment it is first shown, so that what a camera gathers afterwards makes lips open
earlier here than they did, by up to half a frame. In the sound, lips part at the burst (Löfqvist and Gracco, JASA
1997).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from avmatch.data.items import Pairs
from avmatch.data.shards import open_shards
from avmatch.frontends.sound import SAMPLE_RATE_HZ
from avmatch.reports.report import markdown_table
from avmatch.systems.words.data import read_spoken, same_file

COLLECTIONS = {"grid": ("b", "p"), "anchors": ("ب",)}
TICK_MS = 40.0
SHARES = (0.1, 0.5, 0.9)
#: The burst is looked for in this part of the sound about the word's start, and has to be as steep as this.
BEFORE_MS, AFTER_MS, RISE_DB = 80, 120, 15.0
GRID_MS = np.arange(-60.0, 101.0, 5.0)


def burst_ms(samples: np.ndarray, start_seconds: float) -> float | None:
    """When the sound's level rises most, over 8 ms; None where nothing is steep."""
    power = np.diff(samples.astype(np.float64), prepend=0.0) ** 2
    per_ms = SAMPLE_RATE_HZ // 1000
    level = 10 * np.log10(power[: len(power) // per_ms * per_ms].reshape(-1, per_ms).mean(axis=1) + 1.0)
    sums = np.concatenate([[0.0], np.cumsum(level)])
    places = np.arange(max(round(start_seconds * 1000) - BEFORE_MS, 8), round(start_seconds * 1000) + AFTER_MS)
    places = places[places < len(level) - 8]
    if not len(places):
        return None
    rise = (sums[places + 8] - 2 * sums[places] + sums[places - 8]) / 8
    return float(places[rise.argmax()]) if rise.max() >= RISE_DB else None


def openings(mouths: np.ndarray, burst: float) -> tuple[np.ndarray, np.ndarray] | None:
    """When each frame about the burst was shown, in ms after it, and how open it is: 0 closed, 1 open."""
    lips = mouths[:, 28:84, 14:98].astype(np.float64).reshape(len(mouths), -1)
    shown_ms = np.arange(len(lips)) * TICK_MS - burst
    closed, opened = lips[(shown_ms > -80) & (shown_ms <= -40)], lips[(shown_ms > 60) & (shown_ms <= 120)]
    if not len(closed) or not len(opened):
        return None
    way = opened.mean(axis=0) - closed.mean(axis=0)
    near = np.abs(shown_ms) <= 120
    return shown_ms[near], (lips[near] - closed.mean(axis=0)) @ way / (way @ way)


def words_of(pairs: Pairs, words: Path, collection: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """`openings` of every word of the collection that has a burst."""
    spoken = read_spoken(words)
    for row, name in enumerate(pairs.names):
        file = same_file(name, spoken)
        if file is None or not file.startswith(collection):
            continue
        for word in spoken[file].words:
            if word.start_seconds is None or not word.text.startswith(COLLECTIONS[collection]):
                continue
            burst = burst_ms(pairs.audio[row], word.start_seconds)
            found = None if burst is None else openings(pairs.video[row], burst)
            if found is not None:
                yield found


def passed_ms(words: list[tuple[np.ndarray, np.ndarray]], share: float) -> float:
    """When the running median over ±10 ms of all frames first reaches this share."""
    shown = np.concatenate([one[0] for one in words])
    opened = np.concatenate([one[1] for one in words])
    middle = np.array([np.median(opened[np.abs(shown - at) <= 10]) for at in GRID_MS])
    after = int(np.flatnonzero(middle >= share)[0])
    return float(np.interp(share, middle[after - 1 : after + 1], GRID_MS[after - 1 : after + 1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", type=Path)
    parser.add_argument("words", type=Path)
    asked = parser.parse_args()
    pairs, rng = open_shards(asked.shards), np.random.default_rng(0)
    lines = [["clips", "words", *(f"{100 * share:.0f} % open, ms" for share in SHARES)]]
    for collection in COLLECTIONS:
        words = list(words_of(pairs, asked.words, collection))
        drawn = [[words[i] for i in rng.integers(len(words), size=len(words))] for _ in range(200)]
        cells = []
        for share in SHARES:
            low, high = np.percentile([passed_ms(one, share) for one in drawn], [2.5, 97.5])
            cells.append(f"{passed_ms(words, share):.0f} [{low:.0f}, {high:.0f}]")
        lines.append([collection, str(len(words)), *cells])
    print(*markdown_table(lines), sep="\n")


if __name__ == "__main__":
    main()
