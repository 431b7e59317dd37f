"""The linear probe: how well a layer of a sound tower separates classes.

    sound ─ windows, each starting in the middle of the one before ─ front end of the tower ─ graph up to the layer
        ─ pooled → features (W, D) ─ one-vs-rest linear SVM on the windows of training → a clip's score = mean over W

**Layers** are called as the network's modules are: `blocks.conv_5`, or `conv_5` alone; `output` is the tower's vector.
Any tower will do whose graph says that it takes sound: the input `logmel`, `mfcc` (artifacts/tower.py) or `filterbank`
(task.py). Outputs are pooled to the same size for any window: maps (channels, time, bands) to their maxima on a grid of
4 × 3 (as Arandjelović and Zisserman pool the features of L3-Net), sequences to their mean and largest over time.

**The SVM** is trained and tested on each official list, or each fold. Its C is chosen inside the training clips, by
folds in which recordings stay whole. Features are standardised by the training windows, and divided by √D, so that the
same C suits any D. As in Korbar, Tran and Torresani (AVTS, NeurIPS 2018) and the works it compares with.

Letters in shapes: N clips, W windows, D features, K classes, S samples, U frames of sound.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Float32, Int

from avmatch.analysis.features import analyse_all
from avmatch.artifacts.model import Graph, open_graph, open_model
from avmatch.core.errors import MissingExtraError, ModelError, UsageError
from avmatch.core.results import Failure, Progress
from avmatch.data.items import numbered
from avmatch.data.layouts import read_labelled
from avmatch.data.splits import TEST, TRAIN, class_folds, with_splits
from avmatch.frontends.sound import SAMPLE_RATE_HZ, filterbank, log_mel, mfcc
from avmatch.media.decode import read_audio
from avmatch.metrics.classes import Mistake, commonest_mistakes, macro_mean, top_k_hits
from avmatch.metrics.intervals import Share, share_of
from avmatch.reports.report import TIES, Report, ReportTable, mistake_tables

if TYPE_CHECKING:
    from onnx import GraphProto

#: The published layer, and the windows of towers that take any length.
DEFAULT_LAYER, OUTPUT, WINDOW_SECONDS = "conv_5", "output", 1.0
#: Windows that go through a graph at once.
_TOGETHER = 64
#: Into how many cells a map is cut, over time and over bands.
_GRID = (4, 3)
#: Where the exporter notes the modules that an operation came from.
_SCOPES = "pkg.torch.onnx.name_scopes"

#: C that are tried, and the folds for that.
COSTS, INNER_FOLDS = (0.01, 0.1, 1.0, 10.0), 4
_MAX_ITERATIONS = 3000
_INTERVAL = "± half of the 95 % bootstrap interval over recordings"

FrontEnd = Callable[[Float32[np.ndarray, " S"]], Float32[np.ndarray, "U _"]]
Windows = Float32[np.ndarray, "_ D"]
Features = Callable[[str], Windows]
"""A file's features, a row for each of its windows. May raise MediaError."""


@dataclass(frozen=True, eq=False)
class SoundLayer:
    """A layer, which turns a file into the features of its windows.

    Attributes:
        model, layer: their names.
    """

    model: str
    layer: str
    front_end: FrontEnd
    window_seconds: float
    graph: Graph

    def __call__(self, path: str) -> Windows:
        """The features of a file's windows. Raises MediaError if it can't be read, ModelError if the graph can't."""
        return self.of(read_audio(path, sample_rate_hz=SAMPLE_RATE_HZ).data[0])

    def of(self, samples: Float32[np.ndarray, " S"]) -> Windows:
        """The features of the windows of a sound at 16 kHz; shorter ones are filled with silence."""
        windows = windows_of(samples, round(self.window_seconds * SAMPLE_RATE_HZ))
        features = []
        for begin in range(0, len(windows), _TOGETHER):
            inputs = np.stack([self.front_end(window) for window in windows[begin : begin + _TOGETHER]])
            outputs = self.graph.run(self.model, inputs).astype(np.float32, copy=False)
            features.append(pooled(outputs, inputs.shape[1]))
        return np.concatenate(features)


def sound_tower(model: str | Path) -> Graph:
    """That of a run, a model folder, a shipped model or a graph's file. Raises ModelError if there is none."""
    if Path(model).is_file():
        return open_graph(Path(model))
    opened = open_model(model)
    if not (opened.folder / "audio.onnx").is_file():
        raise ModelError(f"{model}: no sound tower there; give a run, a folder with audio.onnx, or a graph's file")
    return opened.graph("audio")


def sound_layer(model: str, tower: Graph, layer: str | None = None) -> SoundLayer:
    """A layer of the sound tower of a model.

    Args:
        model: what messages call it.
        layer: its name; None is DEFAULT_LAYER where there is one, else the output.

    Raises:
        ModelError: there is no such layer, and the message lists those that there are; or it isn't a sound tower.
        MissingExtraError: the library `onnx` is missing.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError("onnx", "train", "asking for a layer") from error
    graph, description = onnx.load(tower.path), tower.metadata
    front_ends = _front_ends(description)
    if description.get("input") not in front_ends:
        raise ModelError(
            f"{tower.path}: takes {description.get('input')!r}; a sound tower takes {', '.join(front_ends)}"
        )
    outputs = _layers(graph.graph)
    name = layer or (DEFAULT_LAYER if _named(DEFAULT_LAYER, outputs) else OUTPUT)
    if name != OUTPUT:
        output = _named(name, outputs)
        if not output:
            raise ModelError(f"{tower.path}: no layer {name!r}; there are {', '.join([*outputs, OUTPUT])}")
        del graph.graph.output[:]
        graph.graph.output.append(onnx.ValueInfoProto(name=output))
    cut = open_graph(tower.path, graph.SerializeToString())
    seconds = float(description.get("window_seconds", WINDOW_SECONDS))
    return SoundLayer(model, name, front_ends[description["input"]], seconds, cut)


def windows_of(samples: Float32[np.ndarray, " S"], size: int) -> Float32[np.ndarray, "W _"]:
    """Stretches of `size` samples, each starting in the middle of the one before."""
    padded = np.pad(samples, (0, max(size - len(samples), 0)))
    return np.lib.stride_tricks.sliding_window_view(padded, size)[:: max(size // 2, 1)]


def pooled(outputs: Float32[np.ndarray, " W *form"], num_frames: int) -> Float32[np.ndarray, "W D"]:
    """The output of a layer for each window, in one size.

    Args:
        num_frames: of sound in a window. Of the two axes of a sequence, time is the one whose length divides it.
    """
    if outputs.ndim == 2:
        return outputs
    if outputs.ndim == 3:
        over_time = 1 if num_frames % outputs.shape[1] == 0 else 2
        return np.concatenate((outputs.mean(axis=over_time), outputs.max(axis=over_time)), axis=1)
    cells = [
        cell.max(axis=(2, 3))
        for row in np.array_split(outputs, min(_GRID[0], outputs.shape[2]), axis=2)
        for cell in np.array_split(row, min(_GRID[1], outputs.shape[3]), axis=3)
    ]
    return np.concatenate(cells, axis=1)


def _front_ends(description: dict[str, Any]) -> dict[str, FrontEnd]:
    num_filters = int(description.get("num_filters", 1))
    return {"logmel": log_mel, "mfcc": mfcc, "filterbank": partial(filterbank, num_filters=num_filters)}


def _layers(graph: GraphProto) -> dict[str, str]:
    """The modules that there are, by their full names, and the last output of each."""
    found: dict[str, str] = {}
    for node in graph.node:
        scopes = {entry.key: entry.value for entry in node.metadata_props}.get(_SCOPES, "[]")
        modules = [scope for scope in json.loads(scopes.replace("'", '"'))[:-1] if scope]
        found |= dict.fromkeys(modules, node.output[0])
    return found


def _named(name: str, layers: dict[str, str]) -> str:
    """The output of the layer with this full name or end of one; empty where there is none."""
    return next((output for layer, output in layers.items() if layer == name or layer.endswith(f".{name}")), "")


@dataclass(frozen=True)
class ListScore:
    """One official list or fold: the share of its clips that is right, and the C that was chosen for it."""

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
    listed = [clip for clip in read_labelled(data) if subset in (None, clip.subset)]
    if not listed:
        raise UsageError(f"{data}: no clips of {subset!r} there")
    answers = analyse_all(features, [clip.path for clip in listed], "clips", progress)
    notes = tuple(f"{answer.path}: {answer.message}; left out" for answer in answers if isinstance(answer, Failure))
    windows = tuple(answer for answer in answers if not isinstance(answer, Failure))
    if not windows:
        raise UsageError(f"{data}: none of {len(listed)} clips can be used; {notes[0]}")
    usable = [clip for clip, answer in zip(listed, answers, strict=True) if not isinstance(answer, Failure)]
    label, names = numbered([clip.label for clip in usable])
    clips = Clips(windows, label, numbered([clip.group for clip in usable])[0])
    lists, rows, scores = [], [], []
    for splits in zip(*with_splits(usable), strict=True):
        train, test = (np.flatnonzero(np.array(splits) == split) for split in (TRAIN, TEST))
        cost = best_cost(clips.take(train), len(names))
        scores.append(clip_scores(clips.take(train), clips.take(test), cost, len(names)))
        accuracy = float(top_k_hits(scores[-1], label[test], 1).mean())
        lists.append(ListScore(accuracy, len(train), len(test), cost))
        rows.append(test)
    tested, all_scores = np.concatenate(rows), np.concatenate(scores)
    hits = top_k_hits(all_scores, label[tested], 1)
    share = share_of(hits, [usable[row].group for row in tested], 0)
    mean = float(np.mean([one.accuracy for one in lists]))
    return ProbeResult(
        model,
        str(data),
        layer,
        tuple(lists),
        Share(mean, share.low, share.high, share.num_trials),
        macro_mean(hits, label[tested]),
        len(names),
        commonest_mistakes(all_scores, label[tested], names),
        notes,
    )


def best_cost(clips: Clips, num_classes: int, costs: Sequence[float] = COSTS) -> float:
    """The C with which most clips are right where others of `clips` train; of several, the smallest.

    Raises:
        UsageError: there are fewer recordings than folds.
    """
    fold = class_folds(clips.label, clips.group, INNER_FOLDS, 0)
    accuracy: list[float] = []
    for cost in costs:
        hits = []
        for number in range(INNER_FOLDS):
            tested = clips.take(np.flatnonzero(fold == number))
            scores = clip_scores(clips.take(np.flatnonzero(fold != number)), tested, cost, num_classes)
            hits.append(top_k_hits(scores, tested.label, 1))
        accuracy.append(float(np.concatenate(hits).mean()))
    return costs[int(np.argmax(accuracy))]


def clip_scores(trained: Clips, tested: Clips, cost: float, num_classes: int) -> Float[np.ndarray, "N K"]:
    """The scores of the clips of `tested`; −∞ for classes that no training clip has.

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
        raise UsageError(f"a probe separates classes, but all {len(trained.label)} clips to train on are of one")
    mean, scale = inputs.mean(axis=0), np.maximum(inputs.std(axis=0), 1e-6) * np.sqrt(inputs.shape[1])
    machine = LinearSVC(C=cost, dual="auto", max_iter=_MAX_ITERATIONS, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # large C take long, and inner folds don't choose them
        machine.fit((inputs - mean) / scale, label)
    scores = np.full((len(tested.label), num_classes), -np.inf)
    for row, windows in enumerate(tested.windows):
        score = machine.decision_function((windows - mean) / scale).mean(axis=0)
        scores[row, classes] = (-score, score) if len(classes) == 2 else score
    return scores
