"""How far the sound of a rendered timeline lies from where it belongs.

python benchmarks/rendered.py SHOOT TIMELINE.csv PREVIEW

SHOOT is what examples/make_shoot.py wrote, TIMELINE.csv an export of its match, PREVIEW what a program rendered of an
export, with four channels at 48 kHz. The recording's first channel is looked for in the preview's (cross-correlation,
to the sample); once it is compared with the place that the timeline gives it, once with the truth.
"""

from __future__ import annotations

import csv
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from scipy.signal import correlate

RATE_HZ, RATE = 48_000, Fraction(24000, 1001)
REACH = RATE_HZ // 10


def channels(path: Path) -> np.ndarray:
    """(4, S) samples."""
    with av.open(str(path)) as container:
        blocks = [frame.to_ndarray() for frame in container.decode(container.streams.audio[0])]
    return np.concatenate([block.reshape(-1, 4) for block in blocks]).T.astype(np.float64)


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def lateness(preview: np.ndarray, recording: np.ndarray, at: int, begin: int, num: int) -> int:
    """By how many samples the recording's part from `begin` on comes after `at` in the preview."""
    inner = slice(REACH, num - REACH)
    part = recording[begin : begin + num][inner]
    around = preview[at : at + num]
    return int(np.argmax(correlate(around, part, "valid", method="fft"))) - REACH


def main(shoot: Path, timeline: Path, rendered: Path) -> None:
    """Print the figures."""
    truth = {row["video"]: row for row in table(shoot / "truth.csv")}
    preview = channels(rendered)
    placed, true, wrong, open_ = [], [], 0, 0
    for row in table(timeline):
        known = truth[Path(row["video"]).name]
        if not row["audio"]:
            open_ += 1
            continue
        if Path(row["audio"]).name != known["audio"]:
            wrong += 1
            continue
        recording = channels(Path(row["audio"]))
        lag, at = int(row["offset_samples"]), round(int(row["timeline_frame"]) / RATE * RATE_HZ)
        first = max(0, -lag)
        num = min(round(int(row["num_frames"]) / RATE * RATE_HZ), recording.shape[1] - lag) - first
        late = lateness(preview[0], recording[0], at + first, first + lag, num)
        for channel, level in enumerate((0.8, 0.5, 0.3, 0.2)):  # each channel comes through, at its own level
            loud = np.abs(preview[channel, at : at + num]).max() / np.abs(preview[0, at : at + num]).max()
            assert abs(loud - level / 0.8) < 0.05, (row["clip"], channel, loud)
        placed.append((1000 * late / RATE_HZ, lag <= 0))
        true.append(1000 * (late - lag) / RATE_HZ + float(known["offset_ms"]))
    both = {"begins after its clip": True, "begins before its clip": False}
    print(f"{len(placed)} clips with their recording, {wrong} with another, {open_} left open")
    for name, kind in both.items():
        found = np.abs([late for late, is_first in placed if is_first == kind])
        print(f"rendered against timeline, the recording {name}: {len(found)}, worst {found.max(initial=0):.2f} ms")
    print(f"rendered against truth: median {np.median(np.abs(true)):.1f} ms, worst {np.abs(true).max():.1f} ms")
    print(f"half a frame is {1000 / float(RATE) / 2:.1f} ms")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
