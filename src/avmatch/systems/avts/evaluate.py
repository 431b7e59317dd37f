"""How much a layer knows of classes: its features, as they are, and a linear classifier.

    files → features of windows → one-vs-rest linear SVM on the windows of training → a clip's score = mean over windows

Each official list, or each fold, is trained and tested apart. The SVM's C is chosen inside the training clips, by folds
in which recordings stay whole. Features are standardised by the training windows, and divided by √D, so that the same C
suits any D. As in Korbar, Tran and Torresani (AVTS, NeurIPS 2018) and the works it compares with.

Letters in shapes: N clips, W windows, D features, K classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from avmatch.analysis.features import analyse_all
from avmatch.core.errors import MissingExtraError, UsageError
from avmatch.core.results import Failure, Progress
from avmatch.data.clips import Clip
from avmatch.data.items import numbered
from avmatch.data.layouts import read_labelled
from avmatch.data.splits import TEST, TRAIN, class_folds, with_splits
from avmatch.metrics.classes import Mistake, commonest_mistakes, macro_mean, top_k_hits
from avmatch.metrics.intervals import Share, share_of
from avmatch.reports.report import TIES, Report, ReportTable, mistake_tables

#: C that are tried, and the folds in which they are.
COSTS, INNER_FOLDS = (0.01, 0.1, 1.0, 10.0), 4
_MAX_ITERATIONS = 3000
_INTERVAL = "± half of the 95 % bootstrap interval over recordings"

Windows = Float32[np.ndarray, "_ D"]
Features = Callable[[str], Windows]
"""A file's features, a row for each of its windows. May raise MediaError."""


@dataclass(frozen=True)
class ListScore:
    """One official list or fold: how many of its clips are right, and the C that was chosen for it."""

    accuracy: float
    num_trained: int
    num_tested: int
    cost: float


@dataclass(frozen=True)
class ProbeResult:
    """One evaluation.

    Attributes:
        lists: the official lists or folds.
        accuracy: the mean over the lists; its interval is over recordings.
        macro_accuracy: the mean over the classes.
        mistakes: the commonest.
        notes: which files can't be used, and why.
    """

    model: str
    data: str
    layer: str
    lists: tuple[ListScore, ...]
    accuracy: Share
    macro_accuracy: float
    num_classes: int
    mistakes: tuple[Mistake, ...]
    notes: tuple[str, ...] = ()

    def report(self) -> Report:
        """The lists, and the commonest mistakes where there are any."""
        lines = [["list", "accuracy", "trained", "tested", "C"]]
        for number, one in enumerate(self.lists, start=1):
            sizes = [f"{one.num_trained}", f"{one.num_tested}"]
            lines.append([f"{number}", f"{100 * one.accuracy:.1f}", *sizes, f"{one.cost:g}"])
        lines.append(["mean", self.accuracy.percent(), "", f"{self.accuracy.num_trials}", ""])
        title = f"Linear probe of {self.layer}: {self.num_classes} classes, %"
        mistakes = [one.values("label", "taken_for", "count", "num_clips") for one in self.mistakes]
        return Report(
            f"Classes of {Path(self.data).name}: {Path(self.model).resolve().name}, {self.layer}",
            (ReportTable(title, lines, 1, TIES, _INTERVAL), *mistake_tables(self.mistakes, "class")),
            {"kind": "probe", **asdict(self), "mistakes": mistakes},
            self.notes,
        )


@dataclass(frozen=True, eq=False)
class Clips:
    """Clips with their features.

    Attributes:
        windows: of each clip.
        label, group: (N,) numbers of class and recording.
    """

    windows: tuple[Windows, ...]
    label: Int[np.ndarray, " N"]
    group: Int[np.ndarray, " N"]

    def take(self, rows: Int[np.ndarray, " M"]) -> Clips:
        """Some of them."""
        return Clips(tuple(self.windows[row] for row in rows), self.label[rows], self.group[rows])


def probe(
    features: Features,
    data: str | Path,
    *,
    model: str,
    layer: str = "",
    subset: str | None = None,
    progress: Progress | None = None,
) -> ProbeResult:
    """Measure any features on the classes of `data` (data/layouts.py).

    Args:
        model, layer: what the report calls them.
        subset: only this part of the set, such as "esc10" of ESC-50.

    Raises:
        UsageError: the data have no classes, or too few clips that can be used.
    """
    clips = [clip for clip in read_labelled(data) if subset in (None, clip.subset)]
    if not clips:
        raise UsageError(f"{data}: no clips of {subset!r} there")
    answers = analyse_all(features, [clip.path for clip in clips], "clips", progress)
    notes = tuple(f"{answer.path}: {answer.message}; left out" for answer in answers if isinstance(answer, Failure))
    usable = [place for place, answer in enumerate(answers) if not isinstance(answer, Failure)]
    if not usable:
        raise UsageError(f"{data}: none of {len(clips)} clips can be used; {notes[0]}")
    windows = tuple(answer for answer in answers if not isinstance(answer, Failure))
    return _result(model, str(data), layer, [clips[place] for place in usable], windows, notes)


def _result(
    model: str,
    data: str,
    layer: str,
    clips: Sequence[Clip],
    windows: tuple[Windows, ...],
    notes: tuple[str, ...],
) -> ProbeResult:
    label, names = numbered([clip.label for clip in clips])
    ours = Clips(windows, label, numbered([clip.group for clip in clips])[0])
    lists, rows, scores = [], [], []
    for told in zip(*with_splits(clips), strict=True):
        trained, tested = (np.flatnonzero(np.array(told) == split) for split in (TRAIN, TEST))
        cost = best_cost(ours.take(trained), len(names))
        found = clip_scores(ours.take(trained), ours.take(tested), cost, len(names))
        lists.append(ListScore(float(top_k_hits(found, label[tested], 1).mean()), len(trained), len(tested), cost))
        rows.append(tested)
        scores.append(found)
    every, told_scores = np.concatenate(rows), np.concatenate(scores)
    hits = top_k_hits(told_scores, label[every], 1)
    share = share_of(hits, [clips[row].group for row in every], 0)
    return ProbeResult(
        model,
        data,
        layer,
        tuple(lists),
        Share(float(np.mean([one.accuracy for one in lists])), share.low, share.high, share.num_trials),
        macro_mean(hits, label[every]),
        len(names),
        commonest_mistakes(told_scores, label[every], names),
        notes,
    )


def best_cost(clips: Clips, num_classes: int, costs: Sequence[float] = COSTS) -> float:
    """The C with which most clips are right where others of `clips` train; of several, the smallest.

    Raises:
        UsageError: there are fewer recordings than folds.
    """
    fold = class_folds(clips.label, clips.group, INNER_FOLDS, 0)
    right: list[float] = []
    for cost in costs:
        hits: list[Bool[np.ndarray, " _"]] = []
        for number in range(INNER_FOLDS):
            tested = clips.take(np.flatnonzero(fold == number))
            scores = clip_scores(clips.take(np.flatnonzero(fold != number)), tested, cost, num_classes)
            hits.append(top_k_hits(scores, tested.label, 1))
        right.append(float(np.concatenate(hits).mean()))
    return costs[int(np.argmax(right))]


def clip_scores(trained: Clips, tested: Clips, cost: float, num_classes: int) -> Float[np.ndarray, "N K"]:
    """The scores of the clips of `tested`; −∞ for classes that nothing was trained for.

    Raises:
        UsageError: all training clips are of one class.
        MissingExtraError: scikit-learn is missing.
    """
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.svm import LinearSVC
    except ImportError as error:
        raise MissingExtraError("scikit-learn", "train", "the linear probe") from error
    inputs = np.concatenate(trained.windows).astype(np.float64)
    label = np.repeat(trained.label, [len(one) for one in trained.windows])
    classes = np.unique(label)
    if len(classes) < 2:
        raise UsageError(f"a probe tells classes apart, but all {len(trained.label)} clips to train on are of one")
    mean, scale = inputs.mean(axis=0), np.maximum(inputs.std(axis=0), 1e-6) * np.sqrt(inputs.shape[1])
    machine = LinearSVC(C=cost, dual="auto", max_iter=_MAX_ITERATIONS, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # large C take long, and inner folds don't choose them
        machine.fit((inputs - mean) / scale, label)
    scores = np.full((len(tested.label), num_classes), -np.inf)
    for row, windows in enumerate(tested.windows):
        told = machine.decision_function((windows - mean) / scale).mean(axis=0)
        scores[row, classes] = (-told, told) if len(classes) == 2 else told
    return scores
