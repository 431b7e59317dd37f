"""Words from the lips: TC-5 and TCN behind front ends from scratch and from runs, frozen and fine-tuned.

    python benchmarks/words.py SHARDS WORDS WORK --front-end lips=RUN syncnet=RUN ave_net=RUN perfect_match=RUN
    python benchmarks/words.py SHARDS WORDS WORK --sets grid --modes frozen --front-end lips=RUN

SHARDS is a folder of clips packed for the recipe `lips`, WORDS their words (the development clips' folder). Two sets:
all words of GRID, and the words that the anchors' clips were cut for. A fifth of the clips is held back, whole clips,
every word spread evenly; it chooses nothing (the last weights are measured). Intervals are bootstrapped over clips.

`scratch` is the front end of `lips`, untrained: frozen, it says what a head alone makes of random features. Another
architecture from scratch is a run of no epochs: `avmatch train perfect_match SHARDS -o RUN --epochs 0`, then
`--front-end vgg_m=RUN`. Frozen front ends run over each clip once; their features, and all runs, stay in WORK, under a
name that changes with the weights, so that a stopped benchmark goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from word_features import save_features

from avmatch.data.items import Pairs
from avmatch.data.shards import open_shards
from avmatch.pipelines.train import train_recipe
from avmatch.reports.report import markdown_table
from avmatch.systems.lips.model import LipCnnConfig
from avmatch.systems.words.data import WordSelection, find_words, read_spoken
from avmatch.systems.words.model import FrontEnd, lip_front_end, read_front_end
from avmatch.systems.words.runtime import WORDS_MODEL
from avmatch.training.run import RunFolder

SCRATCH = "scratch"
BACK_ENDS = {"TC-5": "words_tc_5", "TCN": "words"}
SETS = {"grid": WordSelection("grid/"), "anchors": WordSelection("anchors/", targets_only=True)}
MODES = ("frozen", "fine-tuned")
#: Weights that were learned move more slowly, and only once the head knows something.
CAREFUL = ("optimisation.learning_rate=0.0003", "task.frozen_epochs=2")


@dataclass(frozen=True)
class Bench:
    """Where everything is, and how long heads and whole networks learn."""

    shards: Path
    words: Path
    work: Path
    runs: dict[str, Path]
    epochs: dict[str, int]
    seed: int

    def name(self, front_end: str) -> str:
        """Another one for other weights."""
        if front_end == SCRATCH:
            return SCRATCH
        weights = RunFolder(self.runs[front_end]).best.read_bytes()
        return f"{front_end}-{hashlib.sha256(weights).hexdigest()[:8]}"

    def features(self, front_end: str, clips: Pairs, rows: list[int]) -> Path:
        """Shards of what the front end makes of these clips."""
        folder = self.work / "features" / self.name(front_end)
        save_features(self._network(front_end), clips, rows, folder)
        return folder

    def _network(self, front_end: str) -> FrontEnd:
        torch.manual_seed(self.seed)
        return lip_front_end(LipCnnConfig()) if front_end == SCRATCH else read_front_end(self.runs[front_end])

    def measured(self, data: Path, back_end: str, front_end: str, mode: str, chosen: str) -> dict[str, float]:
        """The metrics of a run, which is made or gone on with where it isn't there."""
        run = self.work / "runs" / f"{chosen}-{back_end}-{self.name(front_end)}-{mode}-{self.epochs[mode]}-{self.seed}"
        if not (run / "model" / WORDS_MODEL).is_file():
            selection = SETS[chosen]
            settings = [
                f"task.words={self.words}",
                f"task.selection.source={selection.source}",
                f"task.selection.targets_only={json.dumps(selection.targets_only)}",
                "best_by=",
            ]
            if mode == "fine-tuned" and front_end != SCRATCH:
                settings += [f"task.front_end={self.runs[front_end]}", *CAREFUL]
            train_recipe(
                BACK_ENDS[back_end],
                data,
                run,
                resume=(run / "config.json").is_file(),
                seed=self.seed,
                epochs=self.epochs[mode],
                settings=settings,
            )
        return RunFolder(run).read_metrics()[-1]


def shown(metrics: dict[str, float]) -> list[str]:
    """top-1 with its interval, top-5 and the mean over words, in %."""
    interval = f"{100 * metrics['top_1_low']:.1f}…{100 * metrics['top_1_high']:.1f}"
    figures = [f"{100 * metrics[name]:.1f}" for name in ("top_1", "top_5", "macro_top_1")]
    return [f"{figures[0]} ({interval})", *figures[1:], f"{metrics['num_words']:.0f}"]


def table_of(bench: Bench, chosen: str, back_ends: list[str], modes: list[str]) -> list[list[str]]:
    """All systems on one set; a line is printed as soon as it is there."""
    clips = open_shards(bench.shards)
    tokens = find_words(clips, read_spoken(bench.words), SETS[chosen])
    print(f"\n## {chosen}: {tokens}; chance {100 / len(tokens.vocabulary):.1f} %\n", flush=True)
    lines = [["back end", "front end", "mode", "top-1 %", "top-5 %", "macro top-1 %", "n"]]
    for front_end in (SCRATCH, *bench.runs):
        for mode in modes:
            is_frozen = mode == "frozen"
            data = bench.features(front_end, clips, np.unique(tokens.row).tolist()) if is_frozen else bench.shards
            for back_end in back_ends:
                metrics = bench.measured(data, back_end, front_end, mode, chosen)
                lines.append([back_end, front_end, mode, *shown(metrics)])
                print(" | ".join(lines[-1]), flush=True)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", type=Path)
    parser.add_argument("words", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--front-end", nargs="+", default=[], metavar="NAME=RUN", help="trained front ends")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--back-ends", nargs="+", choices=BACK_ENDS, default=list(BACK_ENDS))
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--frozen-epochs", type=int, default=40, help="of heads on frozen front ends")
    parser.add_argument("--epochs", type=int, default=20, help="of whole networks")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    bench = Bench(
        asked.shards,
        asked.words,
        asked.work,
        {name: Path(run) for name, _, run in (item.partition("=") for item in asked.front_end)},
        {"frozen": asked.frozen_epochs, "fine-tuned": asked.epochs},
        asked.seed,
    )
    tables = {chosen: table_of(bench, chosen, asked.back_ends, asked.modes) for chosen in asked.sets}
    for chosen, lines in tables.items():
        print(f"\n## {chosen}\n", *markdown_table(lines), sep="\n")


if __name__ == "__main__":
    main()
