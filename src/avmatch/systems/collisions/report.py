"""Which sound is this impact, and which impact made this sound: the nouns of the answer.

Letters in shapes: N films, M sounds, K classes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int

import avmatch
from avmatch.core.errors import UsageError
from avmatch.core.files import atomic_path, write_text_atomically
from avmatch.core.results import FAILURE_COLUMNS, Failure, csv_text
from avmatch.reports.page import rendered
from avmatch.reports.plots import new_figure, save_figure, set_head

#: The answer for a sound that belongs to no film.
NO_PARTNER = -1


@dataclass(frozen=True, eq=False, repr=False)
class GroupAnswer:
    """What was decided in one test folder.

    Attributes:
        name: the folder's; "" in task 1.
        sounds, films: names of the usable files; there are no films in task 1.
        film_numbers: (N,) what the answers call them.
        answers: (M,) class in task 1, else a film's number or NO_PARTNER, for each sound.
        sound_classes, film_classes: (M, K), (N, K) how probable each class is.
        distance: (N, M) of the two towers' vectors; empty in task 1.
        nats: (N, M) what was assigned by: class and distance and cues together; empty in task 1.
    """

    name: str
    sounds: tuple[str, ...]
    films: tuple[str, ...]
    film_numbers: Int[np.ndarray, " N"]
    answers: Int[np.ndarray, " M"]
    sound_classes: Float32[np.ndarray, "M K"]
    film_classes: Float32[np.ndarray, "N K"]
    distance: Float32[np.ndarray, "N M"]
    nats: Float32[np.ndarray, "N M"]

    def __post_init__(self) -> None:
        expected = (len(self.films), len(self.sounds))
        if self.nats.shape != expected or self.distance.shape != expected:
            raise ValueError(f"distance and nats must be {expected}, got {self.distance.shape} and {self.nats.shape}")

    def __repr__(self) -> str:
        return f"GroupAnswer({self.name!r}, {len(self.films)} films, {len(self.sounds)} sounds)"


@dataclass(frozen=True, eq=False, repr=False)
class CollideResult:
    """Every answer of one `collide` run.

    Attributes:
        task: 1, 2 or 3.
        groups: by the name of their folder; one, "", in task 1.
        class_names: of the K classes.
        failures: files that could not be used; everything else is answered.
        notes: what was mended or left alone.
        settings: options of the run and the model, as JSON can hold them.
    """

    task: int
    groups: Mapping[str, GroupAnswer]
    class_names: tuple[str, ...]
    failures: tuple[Failure, ...]
    notes: tuple[str, ...]
    settings: Mapping[str, object]

    def __repr__(self) -> str:
        sounds = sum(len(group.sounds) for group in self.groups.values())
        return f"CollideResult(task {self.task}, {sounds} sounds, {len(self.failures)} failed)"

    def answers(self, *, bare: bool = False) -> dict[str, object]:
        """In the shape of the task's truth: {"audio_0000.pkl": number}, by folder in tasks 2 and 3.

        Args:
            bare: keys without .pkl.
        """
        told = {
            name: {
                sound.removesuffix(".pkl") if bare else sound: int(answer)
                for sound, answer in zip(group.sounds, group.answers, strict=True)
            }
            for name, group in self.groups.items()
        }
        return dict(told[""]) if self.task == 1 else dict(told)


# The folder that `collide` leaves behind: answers, distances, probabilities, failures, and a page that shows them.
#
# answers.json                      in the shape of the task's truth
# distance/<group>.npy              (films, sounds) distances of the towers' vectors     tasks 2 and 3
# nats/<group>.npy                  what was assigned by
# order.json                        which film each row, and which sound each column is
# classes.csv                       the likeliest class of each sound (and film), and how probable it is
# errors.csv                        files that could not be used
# report.html, matrix_<group>.png   the same for people

CLASS_COLUMNS = ("group", "name", "side", "class", "probability")


def write_collide_output(result: CollideResult, out: Path, *, bare: bool = False) -> Path:
    """Write everything into the folder `out`, each file whole or not at all; the path of the page.

    Args:
        bare: the answers' keys without .pkl.

    Raises:
        UsageError: `out` can't be a folder.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{out} can't be the output folder ({error.strerror}); name another with -o") from error
    for name, group in result.groups.items():
        if result.task > 1:
            _save(group.distance, out / "distance" / f"{name}.npy")
            _save(group.nats, out / "nats" / f"{name}.npy")
            plot_matrix(group, out / f"matrix_{name}.png")
    order = {name: {"films": group.films, "sounds": group.sounds} for name, group in result.groups.items()}
    texts = {
        "order.json": json.dumps(order, indent=1) + "\n",
        "classes.csv": csv_text(CLASS_COLUMNS, _classes(result)),
        "errors.csv": csv_text(FAILURE_COLUMNS, (failure.row() for failure in result.failures)),
        "report.html": collide_page(result),
        "answers.json": json.dumps(result.answers(bare=bare), indent=1) + "\n",
    }
    for name, text in texts.items():
        write_text_atomically(out / name, text)
    return out / "report.html"


def plot_matrix(group: GroupAnswer, path: Path) -> None:
    """The scores of every pair as a picture, what was decided marked."""
    figure = new_figure((7.5, 6.8))
    axes = figure.subplots()
    paired = int((group.answers != NO_PARTNER).sum())
    set_head(axes, f"group {group.name}: {len(group.films)} films × {len(group.sounds)} sounds, {paired} paired")
    if group.nats.size:
        low = float(np.quantile(group.nats, 0.5))
        image = axes.imshow(group.nats, cmap="GnBu", vmin=low, aspect="auto", interpolation="nearest")
        figure.colorbar(image, ax=axes, fraction=0.04, pad=0.02, extend="min").set_label("score (nats)")
        row_of = {number: row for row, number in enumerate(group.film_numbers.tolist())}
        marks = [(column, row_of[one]) for column, one in enumerate(group.answers.tolist()) if one in row_of]
        if marks:
            columns, rows = zip(*marks, strict=True)
            axes.scatter(columns, rows, s=22, facecolors="#ffffff", edgecolors="#22262a", linewidths=0.8)
        axes.set_xticks(range(len(group.sounds)), [_short(name) for name in group.sounds], rotation=90, fontsize=6)
        axes.set_yticks(range(len(group.films)), [_short(name) for name in group.films], fontsize=6)
    axes.set_xlabel("sound")
    axes.set_ylabel("film")
    save_figure(figure, path)


def collide_page(result: CollideResult) -> str:
    """One HTML page without scripts or requests; the matrices lie beside it."""
    return rendered(
        "avmatch.systems.collisions",
        "report.html.jinja",
        result=result,
        answers=[int(answer) for group in result.groups.values() for answer in group.answers],
        no_partner=NO_PARTNER,
        rows=partial(_rows, result),
        settings=json.dumps(dict(result.settings)),
        version=avmatch.__version__,
    )


def _rows(result: CollideResult, group: GroupAnswer) -> Iterator[tuple[str, ...]]:
    likeliest = group.sound_classes.argmax(axis=1)
    for place, sound in enumerate(group.sounds):
        probability = f"{100 * float(group.sound_classes[place].max()):.0f} %"
        yield sound, result.class_names[int(likeliest[place])], probability, *_partner(result, group, place)


def _partner(result: CollideResult, group: GroupAnswer, place: int) -> tuple[str, ...]:
    if result.task == 1:
        return ()
    found = np.flatnonzero(group.film_numbers == group.answers[place])
    if not len(found):
        return "none", "", ""
    row = int(found[0])
    return group.films[row], f"{group.nats[row, place]:.1f}", f"{group.distance[row, place]:.2f}"


def _classes(result: CollideResult) -> Iterator[tuple[str, str, str, str, float]]:
    for group in result.groups.values():
        sides = (("sound", group.sounds, group.sound_classes), ("film", group.films, group.film_classes))
        for side, names, classes in sides:
            for name, row in zip(names, classes, strict=True):
                yield group.name, name, side, result.class_names[int(row.argmax())], round(float(row.max()), 4)


def _save(array: Float32[np.ndarray, "N M"], path: Path) -> None:
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def _short(name: str) -> str:
    return name.removesuffix(".pkl").rpartition("_")[2]
