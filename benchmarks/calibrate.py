"""How far offsets of the untrained cues may be believed: what their evidence was worth on development clips.

    python benchmarks/calibrate.py WORK

WORK as left by benchmarks/offsets.py (made where it is missing). Prints mass_slope, contrast_slope and intercept of
cues/motion.py and cues/mouth.py, for the cue that decided. Impacts and other events count equally; clips whose evidence
is strong and steady at another offset (sound travels, broadcasts delay) are left out of the fit, not of the figures.
With them come the frequencies of folds that were left out: how far to trust the fit. Models have calibrations of their
own (belonging.py, calibrate_lips.py, events.py --calibrate), and so have the pairs of `match` (confidence.py).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import events
import numpy as np
from offsets import TOLERANCE_SECONDS, shifted
from scipy.optimize import minimize
from scipy.special import expit

from avmatch.alignment.offset import estimate_offset, peak_figures
from avmatch.analysis.features import Analyser, analyse_all
from avmatch.cues.motion import APART, MotionCue
from avmatch.cues.mouth import MouthCue

DOUBTFUL_CONTRAST = 9.0
OTHERS_WEIGHT = 0.43  # 89 impacts and 205 other events count equally
FIGURES = {"motion": ("mass", "contrast"), "mouth": ("contrast",)}


def logistic(figures: np.ndarray, good: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Slopes and intercept of the log-odds; a little ridge on the slopes."""
    design = np.column_stack([figures, np.ones(len(figures))])

    def loss(slopes: np.ndarray) -> float:
        log_odds = design @ slopes
        nll = weight @ (np.logaddexp(0, log_odds) - good * log_odds) / weight.sum()
        return float(nll + 1e-3 * np.sum(slopes[:-1] ** 2))

    return minimize(loss, np.zeros(design.shape[1])).x


def offsets(work: Path) -> None:
    analyser, cues = Analyser(work / "cache", num_threads=1), (MotionCue(sounds=APART), MouthCue())
    found = []
    for collection in ("impacts", "others", "grid", "anchors"):
        items = shifted(collection, work)
        features = analyse_all(analyser.both, [item.path for item in items], "files")
        for item, (video, audio) in zip(items, features, strict=True):
            estimate = estimate_offset(cues, video, audio, max_offset_seconds=1.0)
            if estimate.offset_seconds is not None:
                mass, contrast, *_ = peak_figures(estimate.lags_seconds, estimate.nats).terms()
                good = abs(estimate.offset_seconds - item.late_seconds) <= TOLERANCE_SECONDS
                found.append((collection, estimate.cue, mass, contrast, good))
    collections, deciding, *numbers = zip(*found, strict=True)
    collection, cue = np.array(collections), np.array(deciding)
    values = {"mass": np.array(numbers[0]), "contrast": np.array(numbers[1])}
    good = np.array(numbers[2], float)
    doubtful = (collection == "others") & (good == 0) & (values["contrast"] > DOUBTFUL_CONTRAST)
    print(f"offsets: {len(found)} files, {doubtful.sum()} of them with strong evidence for another offset")
    for name, used in FIGURES.items():
        table = np.column_stack([values[figure] for figure in used])
        rows = (cue == name) & ~doubtful
        weight = np.where(collection == "others", OTHERS_WEIGHT, 1.0)
        slopes = logistic(table[rows], good[rows], weight[rows])
        print(f"  {name}: " + ", ".join(f"{a} {s:.3f}" for a, s in zip((*used, "intercept"), slopes, strict=True)))
        fold = np.random.default_rng(0).integers(0, 5, len(found))
        told = np.zeros(len(found))
        for number in range(5):
            train = rows & (fold != number)
            fitted = logistic(table[train], good[train], weight[train])
            told[fold == number] = expit(np.column_stack([table, np.ones(len(table))])[fold == number] @ fitted)
        for part in sorted(set(collection[cue == name])):
            inside = (cue == name) & (collection == part)
            events.reliability(part, told[inside], good[inside])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    offsets(parser.parse_args().work)


if __name__ == "__main__":
    main()
