"""What towers know of sounds: ESC-10, five fixed folds, one-vs-rest linear SVM on the features of a layer.

    python benchmarks/esc10.py WORK                                    random features, and training from scratch
    python benchmarks/esc10.py WORK --runs avts=RUN events=MODEL       and each of these, self-supervised
    python benchmarks/esc10.py WORK --layer output --runs lips=lips --without random scratch

`random` is the sound network of avts, a quarter of the published channels, with the weights of three seeds; `scratch`
is the same network trained on the clips of four folds by `avmatch train sound_classes`, a run for each fold, in WORK,
where one that is there stays. A RUN is that of a recipe with a tower for sound, a model folder, or a model that ships.
The clips are those of `../shared/data/esc10`, unless --data names others in the layout of ESC. ESC-10 is in nobody's
pre-training.

Intervals are over recordings. Published with ESC-50, which has five times the classes (from memory, AVTS and what it
compares with): AVTS 82.3, human 81.3, L3-Net 79.3, SoundNet 74.2.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from clips import SHARED

from avmatch.pipelines.evaluate import evaluate_probe
from avmatch.pipelines.train import train_recipe
from avmatch.reports.report import markdown_table
from avmatch.systems.avts.evaluate import ProbeResult
from avmatch.systems.avts.model import SoundCnn, SoundCnnConfig
from avmatch.training.export import Exported, export_onnx, uniform
from avmatch.training.run import RunFolder

WIDTH, SEEDS, NUM_FOLDS = 0.25, 3, 5
OWN = ("random", "scratch")


def random_tower(work: Path, seed: int) -> Path:
    """Untrained, exported."""
    torch.manual_seed(seed)
    path = work / f"random-{seed}" / "audio.onnx"
    if not path.is_file():
        described = {"side": "audio", "input": "filterbank", "num_filters": 40, "window_seconds": 1.0}
        network = SoundCnn(SoundCnnConfig(width=WIDTH))
        story = {"recipe": "random", "config": {}, "data": {}, "results": {}, "command": ""}
        samples = uniform(((num, 99, 40) for num in (2, 1, 3)), -13.0, 5.0)
        export_onnx(Exported(network, samples, described), path, story)
    return path


def trained(data: Path, work: Path, fold: int, epochs: int) -> float:
    """The accuracy of training from scratch on the four other folds, by the last weights."""
    run = work / f"scratch-{epochs}-{fold}"
    if not (run / "model" / "card.md").is_file():
        settings = [f"task.list_number={fold}", f"task.audio.width={WIDTH}", "passes=4"]
        resume = (run / "config.json").is_file()
        train_recipe("sound_classes", data, run, resume=resume, epochs=epochs, device="cpu", settings=settings)
    return RunFolder(run).read_metrics()[-1]["top_1"]


def probed(name: str, report: ProbeResult) -> list[str]:
    """A row of the table."""
    folds = [f"{100 * one.accuracy:.1f}" for one in report.lists]
    return [name, report.layer, *folds, report.accuracy.percent()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--data", type=Path, default=SHARED / "esc10")
    parser.add_argument("--runs", nargs="+", default=[], metavar="NAME=RUN")
    parser.add_argument("--layer", help="of the runs; otherwise conv_5, or the output of those that have none")
    parser.add_argument("--without", nargs="+", default=[], choices=OWN)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of random towers")
    parser.add_argument("--epochs", type=int, default=30, help="of training from scratch")
    given = parser.parse_args()
    lines = [["features", "layer", *(f"fold {number}" for number in range(1, NUM_FOLDS + 1)), "mean"]]
    if "random" not in given.without:
        for seed in range(given.seeds):
            lines.append(probed(f"random {seed}", evaluate_probe(random_tower(given.work, seed), given.data)))
            print(" | ".join(lines[-1]), flush=True)
    if "scratch" not in given.without:
        found = [trained(given.data, given.work, fold, given.epochs) for fold in range(1, NUM_FOLDS + 1)]
        lines.append(["scratch", "trained", *(f"{100 * one:.1f}" for one in found), f"{100 * np.mean(found):.1f}"])
        print(" | ".join(lines[-1]), flush=True)
    for named in given.runs:
        name, _, run = named.partition("=")
        report = evaluate_probe(run, given.data, layer=given.layer)
        lines.append(probed(name, report))
        print(" | ".join(lines[-1]), flush=True)
    print("\n" + "\n".join(markdown_table(lines)))


if __name__ == "__main__":
    main()
