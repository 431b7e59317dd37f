"""The two-tower systems on nine folds of the STD2022 features, beside the published figures.

    python benchmarks/std2022.py DATA WORK [--systems two_tower_cca two_tower_best] [--folds 9] [--fold-seed 0]
    python benchmarks/std2022.py DATA WORK --noise noise.png      top-1 and top-5 against SNR, on the models in WORK
    python benchmarks/std2022.py DATA WORK --kmeans-seeds 5       does the KMeans task help? seeds paired
    python benchmarks/std2022.py DATA WORK --sweep                β, N and the number of clusters of the KMeans task

DATA is the packed folder (afeat.npy, vfeat.npy, index.csv). Folds never cut through a YouTube video; the gallery is the
fold. Each system is trained with `avmatch train`'s own function on the other folds (the networks choose their epoch on
a tenth of them), exported, and run by ONNX Runtime on the fold. Recipes were chosen on other folds, --fold-seed 1.
Models stay in WORK, so that a stopped benchmark goes on.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from paired import paired_interval

from avmatch.artifacts.tower import load_clip_towers
from avmatch.data.items import Pairs
from avmatch.data.pairs import read_pairs
from avmatch.data.splits import group_folds
from avmatch.matching.galleries import NORMALISATIONS
from avmatch.metrics.intervals import spread
from avmatch.metrics.retrieval import recall_at, subset_recalls, true_ranks
from avmatch.pipelines.train import train_recipe
from avmatch.reports.plots import new_figure, save_figure, set_head
from avmatch.systems.two_tower.evaluate import similarity_of

PUBLISHED = {
    "published, no KMeans": (8.08, 32.63, 87.13, 33.49, 78.34),
    "published, KMeans, lr 5e-4": (8.08, 33.53, 88.92, 35.34, 80.35),
    "published, KMeans, lr 1e-3": (8.08, 33.53, 88.92, 34.96, 79.94),
}
#: These choose nothing on pairs that are held back, so they train on all.
WHOLE = "validation_share=0.0"
NOISE = "task.audio_augmentation.noise_probability=0.7"
SYSTEMS = {
    "two_tower": ("two_tower",),
    "two_tower_kmeans": ("two_tower_kmeans",),
    "two_tower_kmeans, lr 1e-3": ("two_tower_kmeans", "optimisation.learning_rate=0.001"),
    "two_tower_kmeans, video too": ("two_tower_kmeans", "task.clusters.on_video=true"),
    "two_tower, noise": ("two_tower", NOISE),
    "two_tower_kmeans, noise": ("two_tower_kmeans", NOISE),
    "two_tower_cca": ("two_tower_cca", WHOLE),
    "two_tower_best": ("two_tower_best", WHOLE),
}
SWEEP = {
    f"two_tower_kmeans, {name} {value}": ("two_tower_kmeans", f"task.clusters.{field}={value}")
    for name, field, values in (
        ("beta", "beta", (0.1, 0.3, 3.0)),
        ("N", "epochs", (1, 6, 20)),
        ("clusters", "num_clusters", (10, 50, 100)),
    )
    for value in values
}
SYSTEMS |= SWEEP
BASELINE = "two_tower_cca"
NOISE_SYSTEMS = ("two_tower", "two_tower_kmeans", "two_tower, noise", "two_tower_kmeans, noise", "two_tower_best")
SNRS_DB = (None, 20.0, 10.0, 5.0, 0.0, -5.0, -10.0)
COLUMNS = ("top-1", "top-5", "top-50", "50: top-1", "50: top-5")


def columns_of(similarity: np.ndarray, normalisation: str) -> np.ndarray:
    """The five columns in %, video → audio; ties count against the system."""
    normalise = NORMALISATIONS[normalisation]
    ranks = true_ranks(similarity if normalise is None else normalise(similarity))
    whole = [recall_at(ranks, k) for k in (1, 5, 50)]
    return 100 * np.array([*whole, *subset_recalls(similarity, normalise=normalise)])


def pack(folder: Path, data: Path, rows: np.ndarray) -> None:
    """The rows as a packed set of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("afeat", "vfeat"):
        np.save(folder / f"{name}.npy", np.load(data / f"{name}.npy")[rows])
    with (data / "index.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, table[0].keys())
        writer.writeheader()
        writer.writerows(table[row] | {"row": place} for place, row in enumerate(rows))


@dataclass(frozen=True)
class Bench:
    """The data, cut into folds, and where models are kept."""

    data: Path
    work: Path
    num_folds: int
    fold_seed: int
    device: str = "cpu"

    @cached_property
    def pairs(self) -> Pairs:
        return read_pairs(self.data)

    @cached_property
    def fold(self) -> np.ndarray:
        return group_folds(self.pairs.group, self.num_folds, self.fold_seed)

    def model(self, system: str, number: int, seed: int) -> Path:
        """The system, trained on all folds but this one."""
        name = system.replace(",", "").replace(" ", "_")
        kept = self.work / f"folds-{self.fold_seed}" / f"{name}-fold{number}-seed{seed}"
        packed = self.work / f"folds-{self.fold_seed}" / f"train-{number}"
        if not packed.is_dir():
            pack(packed, self.data, np.flatnonzero(self.fold != number))
        if not (kept / "audio.onnx").is_file():
            run = self.work / "run"
            shutil.rmtree(run, ignore_errors=True)
            recipe, *settings = SYSTEMS[system]
            train_recipe(recipe, packed, run, seed=seed, device=self.device, settings=settings)
            shutil.copytree(run / "model", kept, dirs_exist_ok=True)
        return kept

    def similarity(self, system: str, number: int, seed: int = 0, snr_db: float | None = None) -> np.ndarray:
        """The scores on the fold that wasn't trained on."""
        gallery = self.pairs.take(np.flatnonzero(self.fold == number))
        return similarity_of(load_clip_towers(self.model(system, number, seed)), gallery, snr_db)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument(
        "--systems", nargs="+", choices=SYSTEMS, default=[name for name in SYSTEMS if name not in SWEEP]
    )
    parser.add_argument("--folds", type=int, default=9)
    parser.add_argument("--only", type=int, help="the first so many folds")
    parser.add_argument("--fold-seed", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--noise", type=Path, help="draw the curves against SNR here")
    parser.add_argument("--kmeans-seeds", type=int, default=0, help="compare with and without KMeans on so many seeds")
    parser.add_argument("--sweep", action="store_true", help="the settings of the KMeans task, beside none")
    given = parser.parse_args()
    bench = Bench(given.data, given.work, given.folds, given.fold_seed)
    if given.noise:
        return noise_curves(bench, range(given.only or given.folds), given.noise)
    if given.kmeans_seeds:
        return kmeans(bench, range(given.only or given.folds), given.kmeans_seeds)
    if given.sweep:
        return sweep(bench, range(given.only or given.folds), given.seed)
    scores: dict[str, dict[str, list[list[float]]]] = {}
    for system in given.systems:
        found: dict[str, list[list[float]]] = {kind: [] for kind in NORMALISATIONS}
        for number in range(given.only or given.folds):
            similarity = bench.similarity(system, number, given.seed)
            for kind in NORMALISATIONS:
                found[kind].append(columns_of(similarity, kind).tolist())
        scores[system] = found
        show(system, found, scores.get(BASELINE))
    (given.work / f"scores-{given.fold_seed}.json").write_text(json.dumps(scores), encoding="utf-8")
    print("published (one split of 334):")
    for name, values in PUBLISHED.items():
        print(f"  {name:34}", "  ".join(f"{value:11.2f}" for value in values))


def noise_curves(bench: Bench, numbers: range, path: Path) -> None:
    """Top-1 and top-5 of the raw matrix against the SNR of the audio features; mean over the folds."""
    figure = new_figure((9.0, 3.6))
    panels = figure.subplots(1, 2)
    for system in NOISE_SYSTEMS:
        rows = []
        for snr_db in SNRS_DB:
            rows.append(
                np.mean([columns_of(bench.similarity(system, number, 0, snr_db), "raw") for number in numbers], axis=0)
            )
            print(f"{system:34} {'clean' if snr_db is None else f'{snr_db:g} dB':>6}", *(f"{x:6.1f}" for x in rows[-1]))
        for axes, column in zip(panels, (0, 1), strict=True):
            axes.plot(
                [40 if snr is None else snr for snr in SNRS_DB], np.array(rows)[:, column], marker="o", label=system
            )
            set_head(axes, f"{COLUMNS[column]} in % against SNR in dB (40 = clean)")
    panels[1].legend(frameon=False, fontsize=7)
    save_figure(figure, path)


def kmeans(bench: Bench, numbers: range, num_seeds: int) -> None:
    """With less without the KMeans task: the same seed, the same folds; the mean over folds, seed by seed."""
    differences = []
    for seed in range(num_seeds):
        both = [
            np.mean([columns_of(bench.similarity(system, number, seed), "raw") for number in numbers], axis=0)
            for system in ("two_tower_kmeans", "two_tower")
        ]
        differences.append(both[0] - both[1])
        print(f"two_tower_kmeans less two_tower, seed {seed}:", *(f"{value:+6.2f}" for value in differences[-1]))
    for column, values in zip(COLUMNS, np.array(differences).T, strict=True):
        found = paired_interval(values, seed=0)
        print(f"  {column:10} {found.mean:+.2f} [{found.student.low:+.2f}, {found.student.high:+.2f}]")


def sweep(bench: Bench, numbers: range, seed: int) -> None:
    """Each setting less the same system without the task, fold by fold."""

    def scored(system: str) -> np.ndarray:
        return np.array([columns_of(bench.similarity(system, number, seed), "raw") for number in numbers])

    without = scored("two_tower")
    print(f"{'two_tower':36}", "  ".join(f"{value:19.1f}" for value in without.mean(axis=0)))
    for system in ("two_tower_kmeans", *SWEEP):
        beside = [paired_interval(column, seed=0) for column in (scored(system) - without).T]
        print(f"{system:36}", "  ".join(f"{x.mean:+.1f} [{x.student.low:+.1f},{x.student.high:+.1f}]" for x in beside))


def show(system: str, found: dict[str, list[list[float]]], baseline: dict[str, list[list[float]]] | None) -> None:
    print(f"{system:36}", "  ".join(f"{column:>11}" for column in COLUMNS))
    for kind, rows in found.items():
        spreads = [spread(column) for column in np.array(rows).T]
        print(f"  {kind:34}", "  ".join(f"{item.mean:5.1f} ± {item.sd:3.1f}" for item in spreads))
        if baseline is not None and system != BASELINE:
            differences = np.array(rows) - np.array(baseline["raw"])
            beside = [paired_interval(column, seed=0) for column in differences.T]
            cells = [f"{item.mean:+.1f} [{item.student.low:+.1f},{item.student.high:+.1f}]" for item in beside]
            print(f"    less {BASELINE}, raw, fold by fold:", "  ".join(cells), f" mean {differences.mean():+.2f}")


if __name__ == "__main__":
    main()
