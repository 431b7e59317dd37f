"""The recipe of how far the model for talking faces may be believed: weight, contrast_slope, mass_slope, intercept.

    python benchmarks/calibrate_lips.py WORK MODEL [--held-back RUN/split.json]

Files are cut as in benchmarks/lips.py: the ten GRID speakers that no training saw, in pieces of 1, 2 and 3 s, and the
anchors that the run held back; as they are, in babble, music and noise, recompressed, at half size and at 15 frames a
second, so that there are doubtful ones among them. The clips in the wild aren't touched.

1. weight: what the model's nats are multiplied by, so that the posterior over offsets, that of the other cues with it,
   is as likely as can be at the true offset. Also printed: what the mouth cue beside it would give, which is left out
   because its zero is another (docs/experiments.md).
2. the slopes and the intercept: logistic regression of "right within 80 ms" on it (benchmarks/calibrate.py).

All conditions count equally. With --write the figures go into the graphs' metadata.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from calibrate import logistic
from events import reliability
from lips import PICTURES, SHIFTS, Condition, Item, written
from scipy.special import expit, logsumexp

from avmatch.alignment.offset import TOLERANCE_SECONDS, log_prior, offset_lags, peak_figures, weighted_nats
from avmatch.analysis.features import Analyser, analyse_all
from avmatch.artifacts.tower import TowerPair, load_pair
from avmatch.cues.evidence import Cue
from avmatch.cues.learned import EmbeddingCue
from avmatch.cues.mouth import MouthCue
from avmatch.pipelines.models import Models
from avmatch.pipelines.sync import cues_for
from avmatch.training.export import described_anew

MAX_OFFSET_SECONDS = 1.0
MAX_ANCHORS = 100
WEIGHTS = (0.5, 0.7, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.5)
MOUTH_WEIGHTS = (0.0, 0.5, 1.2, 2.2)
MOUTH = MouthCue(calibration=replace(MouthCue().calibration, weight=1.0))
SOUNDS = (
    Condition(),
    Condition("babble", 10),
    Condition("babble", 0),
    Condition("music", 5),
    Condition("white", 5),
    Condition("white", -5),
)
SHOWN = (PICTURES[0], "crf 38", "half size", "15 fps")
SETS = {"grid_speakers": (1.0, 2.0, 3.0), "anchors": (1.0,)}


@dataclass(frozen=True, eq=False)
class Curve:
    """What the cues say of a file over the offsets, and how late its sound is."""

    condition: str
    model: np.ndarray
    mouth: np.ndarray
    others: np.ndarray
    late_seconds: float


def curves(items: list[Item], condition: str, pair: TowerPair, work: Path) -> list[Curve]:
    """Of all late sounds of the pieces."""
    analyser = Analyser(work / "cache", (pair,), num_threads=1)
    lags, found = offset_lags(MAX_OFFSET_SECONDS), []
    told, others = _apart(cues_for(Models((pair,))))
    videos = analyse_all(analyser.video, [item.video for item in items], "videos")
    for place in range(1, 1 + SHIFTS):
        audio = analyse_all(analyser.audio, [item.sounds[place] for item in items], "audio")
        for item, seen, heard in zip(items, videos, audio, strict=True):
            nats, reason = weighted_nats(told, seen, heard, lags)
            if reason is None:
                mouth, _ = weighted_nats(MOUTH, seen, heard, lags)
                rest = sum((weighted_nats(cue, seen, heard, lags)[0] for cue in others), np.zeros(len(lags)))
                found.append(Curve(condition, nats, mouth, rest, item.late_seconds[place]))
    return found


def _apart(cues: tuple[Cue, ...]) -> tuple[EmbeddingCue, list[Cue]]:
    """The model's cue with weight 1, and the others but the mouth cue."""
    (model,) = (cue for cue in cues if isinstance(cue, EmbeddingCue))
    plain = replace(model, calibration=replace(model.calibration, weight=1.0))
    return plain, [cue for cue in cues if cue is not model and cue.name != MOUTH.name]


def posterior(curve: Curve, weight: float, mouth_weight: float) -> np.ndarray:
    """Nats over the offsets, all cues and the prior."""
    prior = log_prior(offset_lags(MAX_OFFSET_SECONDS), MAX_OFFSET_SECONDS)
    return weight * curve.model + mouth_weight * curve.mouth + curve.others + prior


def surprise(curve: Curve, weight: float, mouth_weight: float) -> float:
    """Minus the logarithm of the posterior within the tolerance of the truth."""
    nats, lags = posterior(curve, weight, mouth_weight), offset_lags(MAX_OFFSET_SECONDS)
    near = np.abs(lags - curve.late_seconds) <= TOLERANCE_SECONDS
    return float(logsumexp(nats) - logsumexp(nats[near]))


def fitted(found: list[Curve]) -> dict[str, float]:
    """All four figures; prints what they are made of."""
    conditions = np.array([curve.condition for curve in found])
    names, number, counts = np.unique(conditions, return_inverse=True, return_counts=True)
    share = 1 / counts[number] / len(names)
    losses = {
        (weight, mouth): float(share @ np.array([surprise(curve, weight, mouth) for curve in found]))
        for weight in WEIGHTS
        for mouth in MOUTH_WEIGHTS
    }
    print("  surprise at weight, and at these weights of the mouth cue:" + "".join(f"{m:7g}" for m in MOUTH_WEIGHTS))
    for weight in WEIGHTS:
        print(f"  {weight:6g}" + "".join(f"{losses[weight, mouth]:7.3f}" for mouth in MOUTH_WEIGHTS))
    weight = min(WEIGHTS, key=lambda weight: losses[weight, 0.0])
    lags = offset_lags(MAX_OFFSET_SECONDS)
    totals = [posterior(curve, weight, 0.0) for curve in found]
    table = np.array([peak_figures(lags, nats).terms()[:2] for nats in totals])
    offsets = lags[[int(nats.argmax()) for nats in totals]]
    good = np.abs(offsets - [curve.late_seconds for curve in found]) <= TOLERANCE_SECONDS + 1e-9
    mass, contrast, intercept = logistic(table, good.astype(float), share)
    for name in names:
        inside = conditions == name
        told = expit(table[inside] @ [mass, contrast] + intercept)
        print(f"  {name}: right {100 * good[inside].mean():.1f} %, ok {100 * (told >= 0.75).mean():.1f} %")
        reliability("", told, good[inside])
    numbers = {"weight": weight, "mass_slope": mass, "contrast_slope": contrast, "intercept": intercept}
    return {name: round(float(value), 4) for name, value in numbers.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("model", type=Path, help="a folder with video.onnx and audio.onnx")
    parser.add_argument("--held-back", type=Path, help="the run's split.json: anchors that it trained on are left out")
    parser.add_argument("--write", action="store_true", help="put the figures into the graphs' metadata")
    given = parser.parse_args()
    pair = load_pair(given.model)
    kept = json.loads(given.held_back.read_text())["validation"] if given.held_back else []
    names = sorted(Path(name).name for name in kept if Path(name).parent.name == "anchors")[:MAX_ANCHORS]
    found = []
    for collection, lengths in SETS.items():
        for length in lengths:
            for shown, heard in [(SHOWN[0], one) for one in SOUNDS] + [(one, SOUNDS[0]) for one in SHOWN[1:]]:
                items = written(collection, length, given.work, shown, heard, names if collection == "anchors" else ())
                condition = f"{collection} {length:g} s, {shown}, {heard}"
                found += curves(items, condition, pair, given.work)
                print(f"{condition}: {len(items)} pieces", flush=True)
    numbers = fitted(found)
    print("  " + ", ".join(f"{name} {value:g}" for name, value in numbers.items()))
    if given.write:
        for side in ("video", "audio"):
            described_anew(given.model / f"{side}.onnx", numbers)


if __name__ == "__main__":
    main()
