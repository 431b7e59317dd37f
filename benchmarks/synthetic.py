"""Must-show 3: `avmatch match` on `avmatch synth`: clean, at 0 dB, with unmatched extras, and each trick alone.

python benchmarks/synthetic.py [--scenes 100] [--seed 7]
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from avmatch.core.features import VideoFrames
from avmatch.matching.decision import MatchSettings
from avmatch.media.decode import decode, read_audio
from avmatch.pipelines.match import match
from avmatch.synth import SynthConfig, synthesise


def truth(folder: Path) -> list[dict[str, str]]:
    with (folder / "truth.csv").open() as file:
        return list(csv.DictReader(file))


def accuracy(folder: Path, settings: MatchSettings) -> None:
    rows = truth(folder)
    result = match(str(folder / "videos"), str(folder / "audio"), settings)
    found = {Path(item.video).name: item for item in result.matches}
    right, errors_ms, by_kind = [], [], defaultdict(list)
    extras = [row for row in rows if not (row["video"] and row["audio"])]
    for row in rows:
        if row["video"] and row["audio"]:
            item = found[Path(row["video"]).name]
            good = item.audio is not None and Path(item.audio).name == Path(row["audio"]).name
            right.append(good)
            by_kind[row["kind"]].append(good)
            if good and item.offset_seconds is not None:
                errors_ms.append(abs(item.offset_seconds * 1000 - float(row["offset_ms"])))
    kinds = ", ".join(f"{kind} {np.mean(values):.2f}" for kind, values in sorted(by_kind.items()))
    error_ms = float(np.median(errors_ms))
    print(f"    {np.mean(right) * 100:5.1f} % of {len(right)} right ({kinds}); median offset error {error_ms:.0f} ms")
    if extras:
        lonely = {Path(row["video"] or row["audio"]).name for row in extras}
        said = {Path(item.video).name for item in result.matches if item.audio is None}
        said |= {Path(path).name for path in result.unmatched_audio}
        hits = len(lonely & said)
        precision, recall = hits / max(1, len(said)), hits / len(lonely)
        f1 = 2 * precision * recall / max(1e-9, precision + recall)
        print(f"    extras: precision {precision:.2f}, recall {recall:.2f}, F1 {f1:.2f} ({len(lonely)} files)")


def tricks(folders: list[Path]) -> None:
    """How many pairs each trick finds, against one a folder by chance. Ties are broken at random, twenty times."""
    rng = np.random.default_rng(0)
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    num = 0
    for folder in folders:
        rows = [row for row in truth(folder) if row["video"] and row["audio"]]
        num += len(rows)
        for name, a, b in measured(folder, rows):
            cost = np.abs(np.asarray(a)[:, None] - np.asarray(b)[None])
            for _ in range(20):
                noisy = cost + rng.uniform(0, 1e-6, cost.shape)
                i, j = linear_sum_assignment(noisy)
                found[name].append((np.sum(i == j), np.sum(noisy.argmin(axis=1) == np.arange(len(rows)))))
    for name, counts in found.items():
        assigned, top1 = np.sum(counts, axis=0) / 20
        print(f"    {name:24s} assigned {assigned:4.1f}, top-1 {top1:4.1f} of {num} (chance {len(folders)})")


def measured(folder: Path, rows: list[dict[str, str]]) -> list[tuple[str, object, object]]:
    """What each trick compares: name, a number a video, a number a sound."""
    seen = {
        row["video"]: np.concatenate([block.data.reshape(len(block), -1) for block in frames(folder / row["video"])])
        for row in rows
    }
    heard = {row["audio"]: read_audio(folder / row["audio"]) for row in rows}
    motion = [np.abs(np.diff(seen[row["video"]].astype(np.float32), axis=0)).mean() for row in rows]
    bright = [seen[row["video"]].mean() for row in rows]
    loud = [np.sqrt((heard[row["audio"]].data ** 2).mean()) for row in rows]
    centroid = [spectral_centroid(heard[row["audio"]].data[0]) for row in rows]
    lengths = [len(seen[row["video"]]) / fps(folder / row["video"]) for row in rows]
    return [
        ("length", lengths, [heard[row["audio"]].duration_seconds for row in rows]),
        ("loudness by motion", rank(motion), rank(loud)),
        ("loudness by brightness", rank(bright), rank(loud)),
        ("spectrum by motion", rank(motion), rank(centroid)),
        ("spectrum by brightness", rank(bright), rank(centroid)),
        ("order of names", rank([row["video"] for row in rows]), rank([row["audio"] for row in rows])),
    ]


def frames(path: Path) -> list[VideoFrames]:
    return [block for block in decode(path, audio=False, max_side_px=40) if isinstance(block, VideoFrames)]


def fps(path: Path) -> float:
    times = np.concatenate([block.pts_seconds for block in frames(path)])
    return (len(times) - 1) / (times[-1] - times[0])


def rank(values: object) -> np.ndarray:
    return np.argsort(np.argsort(np.asarray(values))) / 1.0


def spectral_centroid(samples: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(samples)) ** 2
    return float((power * np.arange(len(power))).sum() / power.sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=100)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    extra = options.scenes // 5
    with tempfile.TemporaryDirectory() as folder:
        folders: list[Path] = []
        for name, config in (
            ("clean", SynthConfig(options.scenes, seed=options.seed)),
            ("0 dB", SynthConfig(options.scenes, seed=options.seed, snr_db=0.0)),
            (
                "damaged, late by 120 ms",
                SynthConfig(options.scenes, seed=options.seed, damage=True, offset_seconds=0.12),
            ),
            ("extras", SynthConfig(options.scenes, seed=options.seed, extra_videos=extra, extra_audio=extra)),
        ):
            out = Path(folder) / name.replace(" ", "_").replace(",", "")
            synthesise(out, config)
            print(name, flush=True)
            for label, settings in (
                ("--complete --no-duration", MatchSettings(complete=True, use_duration=False)),
                ("default", MatchSettings()),
            ):
                print(f"  {label}")
                accuracy(out, settings)
            folders.append(out)
        print("each trick alone, over all these sets")
        tricks(folders)


if __name__ == "__main__":
    main()
