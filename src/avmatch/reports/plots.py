"""Every figure of the program, as PNG: the similarity matrix, the score over the offset, the curves of training, a
classifier's confusions and calibration; and a heat map over a picture.

Drawn with matplotlib's object-oriented interface (no pyplot, no display, no global state).

Letters in shapes: K classes, H and W the height and width of a picture, g cells a side.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

from avmatch.core.clock import ACCEPTED_SECONDS, UNNOTICED_SECONDS, milliseconds_from_seconds
from avmatch.core.files import atomic_path, write_text_atomically
from avmatch.core.matches import MatchResult
from avmatch.core.results import Cell, SyncResult, csv_text
from avmatch.metrics.classes import Reliability
from avmatch.reports.page import matrix_picture
from avmatch.reports.wording import clock_time, folder_and_name, shortened, sync_sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure


INK, MUTED, RULE = "#22262a", "#5d646b", "#d9d7d0"
ACCENT, _DOUBT = "#0d6169", "#96530a"
_ACCEPTED, _UNNOTICED = "#edf2f2", "#d3e1e1"
HEAT = ("#f3f1ec", "#7db3b1", "#07363d")
_DOTS_PER_INCH = 150
_MAX_LABELS = 30
_MAX_PLOT_CELLS = 700
_LABEL_WIDTH, _CLASS_LABEL_WIDTH = 26, 30
#: Counts are written into the cells of confusions up to so many classes.
_MAX_COUNTED = 40
#: How much of a pixel the heat is, at most.
_STRONGEST = 0.65
#: Metrics of training that need no curve, and those in 0…1.
_NOT_DRAWN = frozenset({"epoch", "seconds"})
_SHARES = ("recall@", "accuracy")


def plot_match(result: MatchResult, path: str | Path | None = None) -> Figure:
    """The similarity matrix, decided pairs on the diagonal; also as a PNG at `path`."""
    figure = new_figure((8.0, 7.2))
    axes = figure.subplots()
    paired = sum(match.audio is not None for match in result.matches)
    set_head(axes, f"{len(result.videos)} videos × {len(result.audio)} audio, {paired} paired")
    if result.similarity.size:
        _draw_matrix(axes, result)
    else:
        _say(axes, "no pair to compare: one side has no usable file")
    return _kept(figure, path)


def plot_sync(result: SyncResult, path: str | Path | None = None) -> Figure:
    """The score over the offset, with the bands of ITU-R BT.1359 and the offset if there is one; also as a PNG."""
    figure = new_figure((9.0, 4.2))
    axes = figure.subplots()
    name = shortened(folder_and_name(result.path)[1], 80)
    # What to do about a foreign sound, or a splice, is for the command line; here the figures have to fit.
    said = replace(result, message="", reason=None) if result.status == "unrelated" or result.is_spliced else result
    set_head(axes, name, shortened(sync_sentence(said), 120))
    if result.curve:
        _draw_curve(axes, result)
    else:
        _say(axes, "no curve: the file could not be measured")
    return _kept(figure, path)


def _kept(figure: Figure, path: str | Path | None) -> Figure:
    if path is not None:
        save_figure(figure, path)
    return figure


def _draw_matrix(axes: Axes, result: MatchResult) -> None:
    picture = matrix_picture(result, _MAX_PLOT_CELLS)
    num_rows, num_columns = len(picture.rows), len(picture.columns)
    image = axes.imshow(
        np.ma.masked_invalid(picture.cells),
        cmap=_heat_colours(),
        vmin=picture.low,
        vmax=picture.high,
        aspect="auto",
        interpolation="nearest",
        extent=(-0.5, num_columns - 0.5, num_rows - 0.5, -0.5),
    )
    axes.set_xlabel("audio", color=MUTED)
    axes.set_ylabel("video", color=MUTED)
    pairs = [(column, row) for row, column in enumerate(picture.partners) if column is not None]
    if pairs and max(num_rows, num_columns) <= _MAX_LABELS:
        xs, ys = zip(*pairs, strict=True)
        axes.scatter(xs, ys, s=26, facecolors="#ffffff", edgecolors=INK, linewidths=0.8)
    if num_rows <= _MAX_LABELS:
        _name_rows(axes, [_short_name(result.videos[row]) for row in picture.rows])
    if num_columns <= _MAX_LABELS:
        _name_columns(axes, [_short_name(result.audio[column]) for column in picture.columns])
        axes.tick_params(axis="x", length=0)
    bar = axes.figure.colorbar(image, ax=axes, fraction=0.04, pad=0.02, extend="min")
    bar.set_label("score", color=MUTED)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=MUTED, labelsize=8)


def _heat_colours() -> LinearSegmentedColormap:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("heat", HEAT)


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names, fontsize=7, parse_math=False)


def _name_columns(axes: Axes, names: Sequence[str]) -> None:
    axes.set_xticks(range(len(names)), names, fontsize=7, rotation=60, ha="right", parse_math=False)


def _short_name(path: str) -> str:
    return shortened(folder_and_name(path)[1], _LABEL_WIDTH)


def _draw_curve(axes: Axes, result: SyncResult) -> None:
    lags_ms = [milliseconds_from_seconds(lag) for lag in result.lags_seconds]
    _shade(axes, ACCEPTED_SECONDS, _ACCEPTED, "accepted (ITU-R BT.1359)")
    _shade(axes, UNNOTICED_SECONDS, _UNNOTICED, "not noticed")
    axes.plot(lags_ms, result.curve, color=INK, linewidth=1.2)
    if result.offset_ms is not None and result.status != "unrelated":
        colour = ACCENT if result.status == "ok" else _DOUBT
        label = f"chosen: {result.offset_ms:+.0f} ms"
        axes.axvline(result.offset_ms, color=colour, linewidth=1.6, label=label)
    for piece in result.pieces if result.is_spliced else ():
        if piece.offset_seconds != result.offset_seconds:
            offset_ms = milliseconds_from_seconds(piece.offset_seconds)
            label = f"from {clock_time(piece.begin_seconds)} on: {offset_ms:+.0f} ms"
            axes.axvline(offset_ms, color=_DOUBT, linewidth=1.6, label=label)
    if len(lags_ms) > 1:
        axes.set_xlim(min(lags_ms), max(lags_ms))
    axes.set_xlabel("offset of the sound (ms), positive = late", color=MUTED)
    axes.set_ylabel("score", color=MUTED)
    axes.figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8, labelcolor=MUTED)


def new_figure(size_inches: tuple[float, float]) -> Figure:
    """An empty figure."""
    from avmatch.reports.figures import ShownFigure

    return ShownFigure(figsize=size_inches, layout="constrained")


def _shade(axes: Axes, range_seconds: tuple[float, float], colour: str, label: str) -> None:
    axes.axvspan(*map(milliseconds_from_seconds, range_seconds), color=colour, linewidth=0, label=label)


def set_head(axes: Axes, title: str, subtitle: str = "") -> None:
    """Title, a line below it, quiet spines."""
    axes.set_title(title, loc="left", color=INK, fontsize=11, parse_math=False, pad=22 if subtitle else 10)
    if subtitle:
        axes.annotate(
            subtitle,
            (0, 1),
            (0, 7),
            xycoords="axes fraction",
            textcoords="offset points",
            color=MUTED,
            fontsize=9,
            parse_math=False,
        )
    for spine in axes.spines.values():
        spine.set_color(RULE)
    axes.tick_params(colors=MUTED, labelsize=8)


def _say(axes: Axes, text: str) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=MUTED)


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a PNG, whole or not at all."""
    with atomic_path(Path(path)) as temporary, warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes; that is no reason to trouble the user.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from", category=UserWarning)
        figure.savefig(temporary, format="png", dpi=_DOTS_PER_INCH, facecolor="#ffffff")


def heated(picture: UInt8[np.ndarray, "H W"], cells: Float[np.ndarray, "g g"]) -> UInt8[np.ndarray, "H W 3"]:
    """A grey picture with heat over it from yellow to red, RGB, its sides even; `cells` are in 0…1, 1 the hottest."""
    height, width = (side // 2 * 2 for side in picture.shape)
    grey = np.repeat(picture[:height, :width, None], 3, axis=2).astype(np.float32)
    smooth = cv2.resize(cells.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    warm = np.clip(smooth, 0.0, 1.0)[..., None]
    colour = np.concatenate([np.full_like(warm, 255.0), 230.0 * (1.0 - warm), np.zeros_like(warm)], axis=2)
    share = _STRONGEST * warm
    return np.asarray(np.round((1.0 - share) * grey + share * colour), np.uint8)


def plot_curves(rows: Sequence[Mapping[str, float]], path: str | Path) -> None:
    """Write a PNG with losses, shares (0…1), and everything else, over epochs.

    Args:
        rows: one mapping an epoch: `epoch` and named numbers; a name may be missing from some.
    """
    panels = _panels(rows)
    figure = new_figure((4.5 * max(1, len(panels)), 3.4))
    if not panels:
        set_head(figure.subplots(), "no epoch yet")
    for axes, (title, names) in zip(figure.subplots(1, max(1, len(panels)), squeeze=False)[0], panels, strict=False):
        _draw(axes, title, names, rows)
    save_figure(figure, path)


def _panels(rows: Sequence[Mapping[str, float]]) -> list[tuple[str, list[str]]]:
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in _NOT_DRAWN]
    losses = [name for name in names if "loss" in name]
    shares = [name for name in names if name.startswith(_SHARES)]
    others = [name for name in names if name not in (*losses, *shares)]
    panels = [("losses", losses), ("validation", shares), *((name, [name]) for name in others)]
    return [(title, members) for title, members in panels if members]


def _draw(axes: Axes, title: str, names: Sequence[str], rows: Sequence[Mapping[str, float]]) -> None:
    set_head(axes, title)
    for name in names:
        points = [(row["epoch"] + 1, row[name]) for row in rows if name in row]
        axes.plot(*zip(*points, strict=True), marker="o" if len(points) < 10 else None, markersize=3, label=name)
    axes.set_xlabel("epoch")
    if len(names) > 1:
        axes.legend(frameon=False, fontsize=8)


def write_confusion(confusion: Int[np.ndarray, "K K"], labels: Sequence[str], path: Path) -> None:
    """Write a CSV: a row for each true class, a column for each that it was taken for."""
    rows: list[tuple[Cell, ...]] = [(label, *counts) for label, counts in zip(labels, confusion.tolist(), strict=True)]
    write_text_atomically(path, csv_text(("class", *labels), rows))


def plot_confusion(confusion: Int[np.ndarray, "K K"], labels: Sequence[str], path: Path) -> None:
    """Write a PNG: shares of each row as shades, counts in the cells."""
    side = 3.0 + 0.3 * len(labels)
    figure = new_figure((side + 0.6, side))
    axes = figure.subplots()
    set_head(
        axes, "What is taken for what", "rows: what it is; columns: what it was taken for; shade: share of the row"
    )
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap=_heat_colours(), vmin=0, vmax=1, interpolation="nearest")
    names = [shortened(label, _CLASS_LABEL_WIDTH) for label in labels]
    _name_rows(axes, names)
    _name_columns(axes, names)
    if len(labels) <= _MAX_COUNTED:
        for row, column in zip(*np.nonzero(confusion), strict=True):
            colour = "#ffffff" if shares[row, column] > 0.5 else INK
            text = str(int(confusion[row, column]))
            axes.text(column, row, text, ha="center", va="center", fontsize=6, color=colour)
    save_figure(figure, path)


def plot_reliability(reliability: Reliability, path: Path) -> None:
    """Write a PNG: how often the likeliest class is right against its probability, and how many items each bin has."""
    figure = new_figure((5.2, 5.6))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    set_head(
        upper, "How far probabilities can be trusted", f"calibration error {reliability.error:.3f}; on the line: honest"
    )
    num = len(reliability.count)
    middles = (np.arange(num) + 0.5) / num
    there = reliability.count > 0
    upper.plot((0, 1), (0, 1), color=RULE, linewidth=1)
    upper.bar(middles[there], reliability.accuracy[there], width=0.9 / num, color=ACCENT, alpha=0.35, linewidth=0)
    upper.plot(
        reliability.probability[there],
        reliability.accuracy[there],
        color=ACCENT,
        marker="o",
        markersize=4,
        linewidth=1.2,
    )
    upper.set_ylabel("how often right", color=MUTED)
    upper.set_ylim(0, 1.02)
    set_head(lower, "")
    lower.bar(middles, reliability.count, width=0.9 / num, color=MUTED, linewidth=0)
    lower.set_ylabel("items", color=MUTED)
    lower.set_xlabel("probability of the likeliest class", color=MUTED)
    lower.set_xlim(0, 1)
    save_figure(figure, path)
