"""Does the sound belong to the picture, and when? The recipe of `belongs` and `confidence`, and what they are worth.

    python benchmarks/belonging.py WORK [--families talk events] [--write]

WORK/fold-N are the models of `events` for recordings that they haven't seen, as benchmarks/events.py leaves them (made
where missing). Pairs of features, cut from the development clips:

    talk      pieces of 4 s of people that `lips` wasn't trained on: their own sound, moved by up to 0.4 s, three times;
              another person's voice; another sentence of the same recording; an event's sound
    events    pieces of 5 s, by the model of the fold that hasn't seen the recording: their own sound, moved (twice);
              the sound of another recording of the same group of classes, and of another group; a voice

Clips that are said to be dubbed or to hold several people, and those with a doubtful zero, take no part. A zero isn't
known of the talking clips: the median of what is measured on a file, if it is within 0.25 s, is its own.

Fitted for the cue that decides, by logistic regression with slopes that can't be negative, true and foreign pairs half
of each, each kind of foreign pairs alike: `belongs`, and that the offset is right within 0.1 s besides. The tables are
cross-fitted by recording (six folds of people or recordings); intervals (95 %) are over recordings. --write puts what
is fitted on all into the graphs that ship.
"""

import argparse
import csv
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import events
import numpy as np
from clips import SHARED
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import binomtest

from avmatch.alignment.cuts import audio_between, between, moved_audio, moved_video
from avmatch.alignment.offset import (
    OK_CONFIDENCE,
    UNRELATED_BELOW,
    OffsetEstimate,
    estimate_offset,
    is_narrow,
    offset_interval,
)
from avmatch.analysis.features import Analyser, analyse_all
from avmatch.artifacts.model import WEIGHTS
from avmatch.core.features import AudioFeatures, VideoFeatures
from avmatch.core.results import Failure
from avmatch.cues.evidence import Cue, PeakFigures
from avmatch.metrics.intervals import bootstrap_interval
from avmatch.pipelines.models import Models, face_cues, models_with, motion_cues
from avmatch.training.export import described_anew

TALK_SECONDS, EVENT_SECONDS, LEAST_SECONDS = 4.0, 5.0, 2.5
MAX_OFFSET_SECONDS, RIGHT_SECONDS, ZERO_SECONDS = 1.0, 0.1, 0.25
FOLDS, RIDGE = 6, 1e-3
#: Talking people that the shipped model wasn't trained on.
TALK = {"grid_speakers", "more"}
LEFT_OUT = {"dubbed?", "several people"}
OWN = "own sound"


@dataclass(frozen=True, eq=False)
class Piece:
    """A stretch of a clip: its picture on a clock from 0, and the sound of the whole clip."""

    family: str
    path: str
    group: str
    label: str
    begin_seconds: float
    length_seconds: float
    video: VideoFeatures
    audio: AudioFeatures

    def sound(self, late_seconds: float = 0.0) -> AudioFeatures:
        """The piece's sound, coming late by so much."""
        begin = self.begin_seconds - late_seconds
        return moved_audio(audio_between(self.audio, begin, begin + self.length_seconds), -begin)


@dataclass(frozen=True, eq=False)
class Trial:
    """What was said of a pair."""

    family: str
    kind: str
    path: str
    group: str
    late_seconds: float
    estimate: OffsetEstimate

    @property
    def figures(self) -> PeakFigures:
        """What the confidence is made of; of pairs for which no cue can tell, there are none."""
        assert self.estimate.figures is not None
        return self.estimate.figures


def pieces(work: Path, family: str) -> list[Piece]:
    """All pieces of a family, analysed."""
    folder, length = (SHARED / "talk", TALK_SECONDS) if family == "talk" else (SHARED / "events", EVENT_SECONDS)
    rows = []
    for table in ("manifest.csv", "more.csv"):
        with (folder / table).open(newline="", encoding="utf-8") as file:
            rows += [row for row in csv.DictReader(file) if family == "events" or row["file"].split("/")[0] in TALK]
    rows = [row for row in rows if row.get("quality") not in LEFT_OUT and row.get("sync") != "doubtful"]
    paths = [str(folder / row["file"]) for row in rows]
    analyser = Analyser(work / "cache", models_with(None).towers, num_threads=1)
    found = []
    for row, path, features in zip(rows, paths, analyse_all(analyser.both, paths, family), strict=True):
        if isinstance(features, Failure):
            raise SystemExit(f"{path}: {features.message}")
        video, audio = features
        end = min(video.start_seconds + video.duration_seconds, audio.start_seconds + audio.duration_seconds)
        for number in range(max(int((end + 0.2) / length), int(end >= LEAST_SECONDS))):
            begin, until = number * length, min((number + 1) * length, end)
            cut = moved_video(between(video, begin, until), -begin)
            found.append(Piece(family, path, row["group"], row["label"], begin, until - begin, cut, audio))
    return found


def pairs(
    talk: list[Piece], some_events: list[Piece], fold: dict[str, int]
) -> Iterator[tuple[str, Piece, Piece, float]]:
    """(kind, picture, sound, how late it is made)."""
    rng = np.random.default_rng(0)

    def some(candidates: list[Piece], num: int) -> list[Piece]:
        return [candidates[number] for number in rng.permutation(len(candidates))[:num]]

    for piece in talk:
        yield from ((OWN, piece, piece, float(late)) for late in rng.uniform(-0.4, 0.4, 5))
        others = [other for other in talk if other.group != piece.group]
        same = [other for other in talk if other.group == piece.group and other is not piece]
        yield from (("another voice", piece, other, 0.0) for other in some(others, 8))
        yield from (("the same voice, another sentence", piece, other, 0.0) for other in some(same, 12))
        yield from (("an event's sound", piece, other, 0.0) for other in some(some_events, 6))
    for piece in some_events:
        yield from ((OWN, piece, piece, float(late)) for late in rng.uniform(-0.4, 0.4, 2))
        kind = piece.label.split(":")[0]
        # Both of one fold: its model has seen neither.
        others = [
            other for other in some_events if other.group != piece.group and fold[other.group] == fold[piece.group]
        ]
        alike = [other for other in others if other.label.split(":")[0] == kind]
        unlike = [other for other in others if other.label.split(":")[0] != kind]
        yield from (("an event alike", piece, other, 0.0) for other in some(alike, 2))
        yield from (("another event", piece, other, 0.0) for other in some(unlike, 1))
        yield from (("a voice", piece, other, 0.0) for other in some(talk, 1))


def trials(work: Path, families: list[str]) -> list[Trial]:
    """Every pair whose picture is of these families, as `sync` measures it."""
    talk, some_events = pieces(work, "talk"), pieces(work, "events")
    known = events.fold_of()
    groups = {piece.group for piece in (*talk, *some_events)}
    fold = {group: known.get(group, zlib.crc32(group.encode()) % events.FOLDS) for group in groups}
    cues = [fold_cues(work, number) for number in range(events.FOLDS)]
    found = []
    for kind, piece, other, late in pairs(talk, some_events, fold):
        if piece.family not in families:
            continue
        estimate = estimate_offset(
            cues[fold[piece.group]], piece.video, other.sound(late), max_offset_seconds=MAX_OFFSET_SECONDS
        )
        found.append(Trial(piece.family, kind, piece.path, piece.group, late, estimate))
    return found


def fold_cues(work: Path, fold: int) -> tuple[Cue, ...]:
    """The cues of `sync`, with the model of `events` that hasn't seen a fold."""
    models = fold_models(work, fold)
    return (*motion_cues(models, apart=True), *face_cues(models.towers))


def fold_models(work: Path, fold: int) -> Models:
    """What ships, but with the model of `events` that hasn't seen a fold; made where it is missing."""
    run = work / f"fold-{fold}"
    ready = (run / "model" / "video.onnx").is_file()
    model = events.load_event_model(run) if ready else events.trained(work, fold, events.packed(work))
    return Models(models_with(None).towers, model)


class Fit:
    """Pairs that one cue decided: what is known of them, and logistic maps of their figures."""

    def __init__(self, chosen: list[Trial], family: str) -> None:
        self.trials, self.family = chosen, family
        self.kinds = np.array([f"{trial.family}: {trial.kind}" for trial in chosen])
        self.own = np.array([trial.kind == OWN for trial in chosen])
        self.groups = [trial.group for trial in chosen]
        zero = _zeros(chosen)
        errors = [(trial.estimate.offset_seconds or np.inf) - trial.late_seconds - zero[trial.path] for trial in chosen]
        self._errors = np.array(errors)
        self.right = self.own & (np.abs(self._errors) <= RIGHT_SECONDS)
        terms = [trial.figures.terms() for trial in chosen]
        if family == "talk":  # how impulsive a voice is isn't asked
            terms = [(*row[:3], 0.0, row[4]) for row in terms]
        num = max(len(row) for row in terms)
        self._right_terms = np.array([[*row, *[0.0] * (num - len(row))] for row in terms])
        heights = np.array([trial.figures.height for trial in chosen])
        self._belongs_terms = np.column_stack([self._right_terms[:, :3], heights, self._right_terms[:, 3:5]])
        self._weight = self._weights()

    def _weights(self) -> np.ndarray:
        """Own and foreign half of each; the kinds of either alike, but those of another family a tenth."""
        weight = np.zeros(len(self.trials))
        for kind in set(self.kinds):
            inside = self.kinds == kind
            weight[inside] = (1.0 if kind.startswith(self.family) else 0.1) / inside.sum()
        for side in (self.own, ~self.own):
            weight[side] /= weight[side].sum()
        return weight

    def fitted(self, what: str, rows: np.ndarray) -> np.ndarray:
        """Slopes, and the constant last. Those of figures can't be negative; of classes they are held near zero."""
        terms, wanted = self._question(what)
        rows = rows & self.own if what == "offset" else rows
        design = np.column_stack([terms, np.ones(len(terms))])[rows]
        scale = np.maximum(design.std(axis=0), 1e-6)
        scale[-1] = 1.0
        good, weight = wanted[rows].astype(float), self._weight[rows] / self._weight[rows].sum()
        ridge = np.full(design.shape[1], RIDGE)
        ridge[-1] = 0.0
        if what == "right":
            ridge[5:-1] = events.CLASS_RIDGE

        def loss(slopes: np.ndarray) -> tuple[float, np.ndarray]:
            odds = design / scale @ slopes
            value = weight @ (np.logaddexp(0, odds) - good * odds) + ridge @ slopes**2
            slope = (weight * (expit(odds) - good)) @ (design / scale) + 2 * ridge * slopes
            return float(value), slope

        num = 4 if what == "right" else 5  # after them comes unevenness
        bounds = [(0.0, None)] * num + [(None, 0.0)] + [(None, None)] * (design.shape[1] - num - 1)
        found = minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B", bounds=bounds)
        return np.asarray(found.x / scale)

    def _question(self, what: str) -> tuple[np.ndarray, np.ndarray]:
        """What is known of each pair, and what is asked: "right", "belongs", or "offset", of true pairs alone."""
        return (self._right_terms if what == "right" else self._belongs_terms), (
            self.own if what == "belongs" else self.right
        )

    def cross_fitted(self, what: str) -> np.ndarray:
        """Probabilities, each by what was fitted on other recordings."""
        names = sorted(set(self.groups))
        order = np.random.default_rng(1).permutation(len(names))
        part = {names[number]: place % FOLDS for place, number in enumerate(order)}
        parts = np.array([part[group] for group in self.groups])
        found = np.zeros(len(parts))
        for number in range(FOLDS):
            terms, _ = self._question(what)
            slopes = self.fitted(what, parts != number)
            inside = parts == number
            found[inside] = expit(terms[inside] @ slopes[:-1] + slopes[-1])
        return found

    def report(self) -> None:
        """What is said of each kind of pairs."""
        right, belongs, offset = (self.cross_fitted(what) for what in ("right", "belongs", "offset"))
        belongs = np.maximum(right, belongs)
        narrow = [
            is_narrow(offset_interval(replace(trial.estimate, offset_confidence=float(sure))))
            for trial, sure in zip(self.trials, offset, strict=True)
        ]
        ok = (right >= OK_CONFIDENCE) & (belongs >= UNRELATED_BELOW) & np.array(narrow)
        self._report_intervals(offset)
        for kind in sorted(set(self.kinds)):
            inside = self.kinds == kind
            line = f"  {kind:40s} {inside.sum():5d}  ok {self._share(ok, inside)}"
            line += f"  unrelated {self._share(belongs < UNRELATED_BELOW, inside)}"
            if kind.endswith(OWN) and (ok & inside).any():
                line += f"  right of ok {self._share(self.right, ok & inside)}"
            print(line)
        questions = (
            ("confidence", right, self.right, self._weight),
            ("belongs", belongs, self.own, self._weight),
            ("offset", offset, self.right, self._weight * self.own),
        )
        for name, said, truth, weight in questions:
            edges = np.array([0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0])
            bins = np.clip(np.searchsorted(edges, said, side="right") - 1, 0, len(edges) - 2)
            cells = [(bins == number) & (weight > 0) for number in range(len(edges) - 1)]
            found = [
                f"{np.average(said[cell], weights=weight[cell]):.2f} → "
                f"{np.average(truth[cell], weights=weight[cell]):.2f} ({cell.sum()})"
                for cell in cells
                if cell.any()
            ]
            error = sum(abs(weight[cell] @ (said[cell] - truth[cell])) for cell in cells) / weight.sum()
            print(f"  {name}: said → true (pairs): {', '.join(found)}; ECE {error:.3f}")

    def _report_intervals(self, offset: np.ndarray) -> None:
        """How often the 95 % interval of the one copy of a clip holds its shift against the others."""
        covers, lengths = [], []
        for trial, sure, own, error in zip(self.trials, offset, self.own, self._errors, strict=True):
            if own and np.isfinite(error) and trial.estimate.offset_seconds is not None:
                low, high = offset_interval(replace(trial.estimate, offset_confidence=float(sure)))
                truth = trial.estimate.offset_seconds - error
                covers.append(low <= truth <= high)
                lengths.append(high - low)
        interval = binomtest(sum(covers), len(covers)).proportion_ci()
        print(
            f"  intervals: {100 * np.mean(covers):.1f} % [{100 * interval.low:.1f}, {100 * interval.high:.1f}] of "
            f"{len(covers)} hold the shift; median width {1000 * np.median(lengths):.0f} ms"
        )

    def _share(self, values: np.ndarray, inside: np.ndarray) -> str:
        groups = [group for group, counts in zip(self.groups, inside, strict=True) if counts]
        if len(set(groups)) < 2:
            return f"{100 * values[inside].mean():5.1f}"
        interval = bootstrap_interval(values[inside].astype(float), 0, group=np.unique(groups, return_inverse=True)[1])
        return f"{100 * values[inside].mean():5.1f} [{100 * interval.low:.0f}, {100 * interval.high:.0f}]"

    def numbers(self) -> dict[str, object]:
        """What a description holds, fitted on all."""
        everything = np.ones(len(self.trials), bool)
        right, belongs, offset = (
            self.fitted(what, everything).round(4).tolist() for what in ("right", "belongs", "offset")
        )
        names = ("mass_slope", "contrast_slope", "half_slope", "strokes_slope", "uneven_slope")
        return dict(zip(names, right, strict=False)) | {
            "class_slopes": right[5:-1],
            "intercept": right[-1],
            "belongs_slopes": belongs,
            "offset_slopes": offset,
        }


def _zeros(chosen: list[Trial]) -> dict[str, float]:
    """Of each file of talking people the median of what is measured, if it is small; 0 of events."""
    errors = defaultdict(list)
    for trial in chosen:
        errors[trial.path]
        if trial.kind == OWN and trial.family == "talk" and trial.estimate.offset_seconds is not None:
            errors[trial.path].append(trial.estimate.offset_seconds - trial.late_seconds)
    medians = {path: float(np.median(found)) if found else 0.0 for path, found in errors.items()}
    return {path: zero if abs(zero) <= ZERO_SECONDS else 0.0 for path, zero in medians.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--write", action="store_true", help="put the figures into the graphs that ship")
    parser.add_argument("--families", nargs="+", default=["talk", "events"], choices=["talk", "events"])
    given = parser.parse_args()
    measured = [trial for trial in trials(given.work, given.families) if trial.estimate.figures is not None]
    for cue, family in (("lips", "talk"), ("events", "events")):
        if family not in given.families:
            continue
        fit = Fit([trial for trial in measured if trial.estimate.cue == cue], family)
        print(f"\n{cue} decides: {len(fit.trials)} pairs")
        fit.report()
        numbers = fit.numbers()
        if cue == "lips":  # its description has neither
            del numbers["class_slopes"], numbers["strokes_slope"]
        print(f"  {numbers}")
        if given.write:
            for side in ("video", "audio"):
                described_anew(WEIGHTS / cue / f"{side}.onnx", numbers)


if __name__ == "__main__":
    main()
