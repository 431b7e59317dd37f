"""The recipe of every calibration constant: what the cues' evidence was worth on development clips and synthetic ones.

    python benchmarks/calibrate.py WORK --folds EVENTS [--held-back RUN/split.json]

WORK as left by benchmarks/offsets.py and benchmarks/matching.py (made where it is missing), EVENTS by
benchmarks/events.py, RUN of the recipe `lips`. Prints

1. cues/motion.py, cues/mouth.py: mass_slope, contrast_slope, intercept, for the untrained cue that decided. Impacts and
   other events count equally; clips whose evidence is strong and steady at another offset (sound travels, broadcasts
   delay) are left out of the fit, not of the figures.
2. matching/decision.py: FACE_WEIGHTS and WEIGHTS. Families count equally, whatever their size; galleries of 2, 5 and
   12 with a fifth of the partners missing, whole ones, and such in which half of the partners are missing, or all.
   Events are judged by the models of folds that haven't seen them, anchors are those that the shipped model's training
   held back.

with the frequencies that come out, of folds or families that were left out: the fit of the others tells how far to
trust it. Models have calibrations of their own (calibrate_lips.py, events.py --calibrate).
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import events
import numpy as np
from clips import Gallery, Piece, gallery, pieces, sample, separate
from offsets import TOLERANCE_SECONDS, shifted
from scipy.optimize import linear_sum_assignment, minimize
from scipy.special import expit

from avmatch.alignment.offset import estimate_offset, peak_figures
from avmatch.analysis.features import Analyser, analyse_all
from avmatch.cues.motion import APART, MotionCue
from avmatch.cues.mouth import MouthCue, looks_at_faces
from avmatch.matching.decision import MatchSettings, figures
from avmatch.matching.fusion import fused_scores, usual_offsets
from avmatch.pipelines.match import cues_for as match_cues
from avmatch.pipelines.models import Models, models_with
from avmatch.synth import SynthConfig, synthesise
from matching import LAGS_SECONDS

SYNTHETIC = {101: {}, 102: {}, 103: {"snr_db": 10.0}, 104: {"snr_db": 0.0}}
DOUBTFUL_CONTRAST = 9.0
OTHERS_WEIGHT = 0.43  # 89 impacts and 205 other events count equally
#: Collections of talking faces, in pieces of so many seconds.
TALKING = (("grid_speakers", None), ("grid_speakers", 1.0), ("anchors", None))
MAX_ANCHORS = 200
FAMILIES = ("events", "impacts", "grid_speakers", "anchors", "synthetic")
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


def talking(held_back: Path | None) -> Iterator[tuple[str, list[Piece]]]:
    """Sets of talking faces; of the anchors those that weren't trained on, if it is known which."""
    kept = {Path(name).name for name in json.loads(held_back.read_text())["validation"]} if held_back else set()
    for collection, seconds in TALKING:
        chosen = pieces(collection, seconds)
        if collection == "anchors":
            chosen = sample([piece for piece in chosen if not kept or piece.path.name in kept], MAX_ANCHORS)
        yield collection + ("" if seconds is None else f" {seconds:g} s"), chosen


def galleries(work: Path, held_back: Path | None) -> dict[str, Gallery]:
    """Talking faces whose sounds begin together and apart, and scenes that were made."""
    found = {}
    for name, chosen in talking(held_back):
        late = {"together": np.zeros(len(chosen)), "apart": np.random.default_rng(3).uniform(-0.4, 0.4, len(chosen))}
        for start, seconds in late.items():
            folder = work / "calibration" / f"{name} {start}"
            if not (folder / "truth.csv").exists():
                separate(folder, chosen, seconds.tolist())
            found[f"{name} {start}"] = gallery(folder, work / "cache")
    for seed, options in SYNTHETIC.items():
        folder = work / f"synthetic-{seed}"
        if not (folder / "truth.csv").exists():
            synthesise(folder, SynthConfig(100, seed=seed, extra_videos=20, extra_audio=20, **options))
        found[f"synthetic {seed}"] = gallery(folder, work / "cache")
    return found


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores (N, M), whether a face decided each, and the column of each video's own sound, -1 = there is none."""

    nats: np.ndarray
    by_face: np.ndarray
    truth: np.ndarray

    def of(self, videos: np.ndarray, columns: np.ndarray) -> Scored:
        """Only these."""
        place = {column: number for number, column in enumerate(columns.tolist())}
        truth = np.array([place.get(column, -1) for column in self.truth[videos].tolist()])
        part = np.ix_(videos, columns)
        return Scored(self.nats[part], self.by_face[part], truth)


def scored(models: Models, items: Gallery) -> Scored:
    """As `match` has them."""
    cues = match_cues(MatchSettings(), models)
    found = fused_scores(cues, items.videos, items.audios, LAGS_SECONDS, usual_offsets(LAGS_SECONDS))
    faces = [place for place, cue in enumerate(cues) if looks_at_faces(cue)]
    return Scored(found.nats, np.isin(found.deciding, faces), items.truth)


def unseen_events(folds: Path) -> Iterator[tuple[str, Scored]]:
    """The pieces of each fold, by the model that hasn't seen them; impacts also alone."""
    pairs, towers = events.packed(folds), models_with(None).towers
    rng = np.random.default_rng(3)
    for fold, part in enumerate(events.parts(folds)):
        models = Models(towers, events.trained(folds, fold, pairs))
        moved = [replace(item, start_seconds=item.start_seconds + rng.uniform(-0.4, 0.4)) for item in part.items.audios]
        impacts = np.flatnonzero(part.kind("impact"))
        for start, audios in (("together", part.items.audios), ("apart", moved)):
            found = scored(models, replace(part.items, audios=audios))
            yield f"events {start}", found
            yield f"impacts {start}", found.of(impacts, found.truth[impacts])


def small(whole: Scored, size: int) -> list[Scored]:
    """A dozen galleries of `size` videos; one in five has no partner there."""
    rng, found = np.random.default_rng(size), []
    for _ in range(12):
        videos = rng.choice(np.flatnonzero(whole.truth >= 0), size, replace=False)
        strangers = rng.random(size) < 0.2
        columns = np.where(strangers, rng.choice(whole.nats.shape[1], size), whole.truth[videos])
        found.append(whole.of(videos, np.unique(columns)))
    return found


def gone(whole: Scored, share: float, size: int, draws: int) -> list[Scored]:
    """Galleries in which this share of the videos has no partner; other recordings lie there instead."""
    rng, found = np.random.default_rng(size), []
    paired = np.flatnonzero(whole.truth >= 0)
    for _ in range(draws):
        drawn, num = rng.permutation(paired), min(size, len(paired) // 2)
        own = drawn[: round(num * (1 - share))]
        columns = np.concatenate([whole.truth[own], whole.truth[drawn[num : 2 * num - len(own)]]])
        found.append(whole.of(drawn[:num], np.sort(columns)))
    return found


@dataclass(frozen=True, eq=False)
class Assigned:
    """Of each assigned pair: its figures and 1, whether a face decided it, whether it is right."""

    figures: np.ndarray
    by_face: np.ndarray
    right: np.ndarray

    @classmethod
    def of(cls, galleries: list[Scored]) -> Assigned:
        parts = []
        for one in galleries:
            rows, columns = linear_sum_assignment(-one.nats.astype(np.float64))
            told = figures(one.nats)[rows, columns]
            parts.append((told, one.by_face[rows, columns], (one.truth[rows] == columns).astype(float)))
        told, by_face, right = (np.concatenate(part) for part in zip(*parts, strict=True))
        return cls(np.column_stack([told, np.ones(len(told))]), by_face, right)


def family(name: str) -> str:
    return next(start for start in FAMILIES if name.startswith(start))


def fitted(sets: dict[str, Assigned], is_face: bool) -> np.ndarray:
    """Weights of the pairs that a face decided, or of the others; families count equally, and no slope is below 0."""
    kept = {name: one.by_face == is_face for name, one in sets.items()}
    names = [name for name, chosen in kept.items() if chosen.any()]
    num = Counter(family(name) for name in names)

    def surprise(weights: np.ndarray) -> float:
        total = 0.0
        for name in names:
            one, chosen = sets[name], kept[name]
            log_odds = one.figures[chosen] @ weights
            loss = np.mean(np.logaddexp(0, log_odds) - one.right[chosen] * log_odds)
            total += chosen.mean() / num[family(name)] * float(loss)
        return total + 1e-3 * float(weights[:-1] @ weights[:-1])

    bounds = [(0.0, None)] * 3 + [(None, None)] * 2
    return np.asarray(minimize(surprise, np.zeros(5), method="L-BFGS-B", bounds=bounds).x)


def confidence(work: Path, folds: Path, held_back: Path | None) -> None:
    galleries_of: dict[str, list[Scored]] = {}
    models = models_with(None)
    talked = ((name, scored(models, items)) for name, items in galleries(work, held_back).items())
    for name, whole in (*unseen_events(folds), *talked):
        galleries_of.setdefault(name, []).append(whole)
        for size in (2, 5, 12):
            galleries_of.setdefault(f"{name}: {size}", []).extend(small(whole, size))
        for title, share in (("half gone", 0.5), ("all gone", 1.0)):
            some = (gone(whole, share, size, draws) for size, draws in ((4, 10), (12, 8), (60, 2)))
            galleries_of.setdefault(f"{name}: {title}", []).extend(one for part in some for one in part)
    sets = {name: Assigned.of(some) for name, some in galleries_of.items()}
    print("match confidence: score, lead in row, lead in column, log size, constant:")
    for title, is_face in (("FACE_WEIGHTS", True), ("WEIGHTS", False)):
        print(f"  {title} = (" + ", ".join(f"{value:.3f}" for value in fitted(sets, is_face)) + ")")
    for left_out in FAMILIES:
        others = {name: one for name, one in sets.items() if family(name) != left_out}
        of_face, of_others = fitted(others, True), fitted(others, False)
        for name in (name for name in sets if family(name) == left_out):
            one = sets[name]
            log_odds = np.where(one.by_face, one.figures @ of_face, one.figures @ of_others)
            events.reliability(name, expit(log_odds), one.right)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--folds", type=Path, required=True, help="the WORK of events.py")
    parser.add_argument("--held-back", type=Path, help="split.json of the run of lips: anchors it trained on stay out")
    asked = parser.parse_args()
    offsets(asked.work)
    confidence(asked.work, asked.folds, asked.held_back)


if __name__ == "__main__":
    main()
