"""The metrics of a training run as curves over its epochs, one panel for each kind of measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from avmatch.reports.plots import new_figure, save_figure, set_head

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: What is said in words, or elsewhere, and needs no curve.
_NOT_DRAWN = frozenset({"epoch", "seconds"})
_SHARES = ("recall@", "accuracy")


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
