"""Where the sound of training clips really is: a trained model's offsets, as a list to train anew on.

    python benchmarks/native_offsets.py RUN SHARDS LIST OUT.csv

SHARDS is what `avmatch train lips LIST` packed (RUN/cache). Each clip's offset is the peak of its mean curve. How far
it can be believed is measured on halves: the correlation r of the offsets of a clip's first and second half, over all
clips of a collection (the last folder of its path), gives the reliability 2r / (1 + r) of the whole (Spearman and
Brown, 1910), and with it each offset is drawn towards the collection's median. The median of all stays where it was: a
model can't know the zero of the recordings that it learned from. OUT.csv is LIST with the column `offset_ms`.

It also prints the offsets of the pairs that the run held back beside those that it trained on: were they smaller on the
latter, the model would know its clips by heart, and the offsets would have to be measured by cross-fitting.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np
import torch

from avmatch.data.shards import open_shards
from avmatch.metrics.sync import mean_curve, offset_scores, refined_offset
from avmatch.systems.lips.recipe import lips
from avmatch.systems.lips.task import LipPairs, lip_vectors
from avmatch.training.run import load_weights

MAX_FRAMES = 5
TICK_MS = 40.0


def offsets(run: Path, shards: Path) -> dict[str, np.ndarray]:
    """In ticks by name: of the whole clip, of its first and of its second half."""
    config = lips()
    assert isinstance(config.task, LipPairs)
    pairs = open_shards(shards)
    learner = config.task.learner(pairs, 0)
    load_weights(run / "best.safetensors", learner)
    videos, audios = lip_vectors(learner, pairs, torch.device("cpu"))
    found = {}
    for name, video, audio in zip(pairs.names, videos, audios, strict=True):
        scores, half = offset_scores(video, audio, MAX_FRAMES), len(video) // 2
        parts = (scores, scores[:half], scores[half:])
        curves = [mean_curve(part) if len(part) else None for part in parts]
        found[name] = np.array([0.0 if one is None else refined_offset(one, int(one.argmax())) for one in curves])
    return found


def shrunk(told: dict[str, np.ndarray], names: list[str]) -> tuple[dict[str, float], str]:
    """The offsets of one collection as far as they can be believed, and a line about them."""
    table = np.array([told[name] for name in names])
    correlation = max(float(np.corrcoef(table[:, 1], table[:, 2])[0, 1]), 0.0)
    reliability = 2 * correlation / (1 + correlation)
    middle = float(np.median(table[:, 0]))
    kept = {name: middle + reliability * (float(told[name][0]) - middle) for name in names}
    spread = np.percentile(table[:, 0], [5, 25, 50, 75, 95]).round(2).tolist()
    return kept, f"{len(names)} clips, 5 … 95 % {spread} frames, halves correlate by {correlation:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("run", "shards", "list", "out"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args()
    told = offsets(given.run, given.shards)
    split = json.loads((given.run / "split.json").read_text(encoding="utf-8"))
    for part, names in split.items():
        size = np.abs([told[name][0] for name in names])
        near, mean = 100 * np.mean(size <= 1), np.mean(size)
        print(f"{part}: {len(names)} clips, {near:.1f} % within a frame, {mean:.2f} in the mean")
    kept: dict[str, float] = {}
    collections = sorted({Path(name).parts[-2] for name in told})
    for collection in collections:
        names = [name for name in told if Path(name).parts[-2] == collection]
        found, line = shrunk(told, names)
        kept |= found
        print(f"{collection}: {line}")
    zero = float(np.median(list(kept.values())))
    folder = given.list.parent
    with given.list.open(newline="", encoding="utf-8") as source, given.out.open("w", newline="") as target:
        rows = list(csv.DictReader(source))
        writer = csv.DictWriter(target, [*rows[0], "offset_ms"])
        writer.writeheader()
        by_path = {(folder / name).resolve(): offset - zero for name, offset in kept.items()}
        for row in rows:
            ticks = by_path.get((folder / row["path"]).resolve(), 0.0)
            writer.writerow(row | {"offset_ms": round(ticks * TICK_MS, 1)})
    print(
        f"{given.out}: {len(kept)} of {len(rows)} clips measured; the median of all, {zero:+.2f} frames, stays the zero"
    )


if __name__ == "__main__":
    main()
