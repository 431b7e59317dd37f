"""The answers of `avmatch collide`, and the folder that it leaves behind.

    answers.json                      in the shape of the task's truth
    distance/<group>.npy              (videos, sounds) distances of the towers' vectors    tasks 2 and 3
    nats/<group>.npy                  the scores by which sounds were assigned
    order.json                        which video each row, and which sound each column is
    classes.csv                       the likeliest class of each sound (and video), and how probable it is
    errors.csv                        files that could not be used
    report.html, matrix_<group>.png   the same for people, without scripts or requests

Letters in shapes: N videos, M sounds, K classes.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int

import avmatch
from avmatch.core.errors import UsageError
from avmatch.core.files import write_array_atomically, write_text_atomically
from avmatch.core.results import FAILURE_COLUMNS, Failure, csv_text
from avmatch.reports.page import rendered
from avmatch.reports.plots import new_figure, save_figure, set_head

#: The answer for a sound that belongs to no video.
NO_PARTNER = -1
CLASS_COLUMNS = ("group", "name", "side", "class", "probability")


@dataclass(frozen=True, eq=False, repr=False)
class GroupAnswer:
    """What was decided in one test folder.

    Attributes:
        name: the folder's; "" in task 1.
        sounds, videos: names of the usable files; there are no videos in task 1.
        video_numbers: (N,) what the answers call them.
        answers: (M,) class in task 1, else a video's number or NO_PARTNER, for each sound.
        sound_classes, film_classes: (M, K), (N, K) how probable each class is.
        distance: (N, M) of the two towers' vectors; empty in task 1.
        nats: (N, M) what was assigned by: class and distance and cues together; empty in task 1.
    """

    name: str
    sounds: tuple[str, ...]
    videos: tuple[str, ...]
    video_numbers: Int[np.ndarray, " N"]
    answers: Int[np.ndarray, " M"]
    sound_classes: Float32[np.ndarray, "M K"]
    film_classes: Float32[np.ndarray, "N K"]
    distance: Float32[np.ndarray, "N M"]
    nats: Float32[np.ndarray, "N M"]

    def __post_init__(self) -> None:
        expected = (len(self.videos), len(self.sounds))
        if self.nats.shape != expected or self.distance.shape != expected:
            raise ValueError(f"distance and nats must be {expected}, got {self.distance.shape} and {self.nats.shape}")

    def __repr__(self) -> str:
        return f"GroupAnswer({self.name!r}, {len(self.videos)} videos, {len(self.sounds)} sounds)"


@dataclass(frozen=True, eq=False, repr=False)
class CollideResult:
    """Every answer of one `collide` run.

    Attributes:
        task: 1, 2 or 3.
        groups: by the name of their folder; one, "", in task 1.
        class_names: of the K classes.
        failures: files that could not be used; everything else is answered.
        notes: what was made fit or left alone.
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
        found: dict[str, object] = {}
        for name, group in self.groups.items():
            sounds = (sound.removesuffix(".pkl") if bare else sound for sound in group.sounds)
            answers = dict(zip(sounds, group.answers.tolist(), strict=True))
            found |= answers if self.task == 1 else {name: answers}
        return found


def write_collide(result: CollideResult, out: str | Path, *, bare: bool = False) -> Path:
    """Write everything into the folder `out`, each file whole or not at all; the path of the page.

    Args:
        bare: the answers' keys without .pkl.

    Raises:
        UsageError: `out` can't be a folder.
    """
    out = Path(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{out} can't be the output folder ({error.strerror}); name another with -o") from error
    for name, group in result.groups.items():
        if result.task > 1:
            write_array_atomically(out / "distance" / f"{name}.npy", group.distance)
            write_array_atomically(out / "nats" / f"{name}.npy", group.nats)
            plot_matrix(group, out / f"matrix_{name}.png")
    page = rendered(
        "avmatch.systems.collisions",
        "report.html.jinja",
        result=result,
        answers=[int(answer) for group in result.groups.values() for answer in group.answers],
        no_partner=NO_PARTNER,
        rows=partial(_rows, result),
        settings=json.dumps(dict(result.settings)),
        version=avmatch.__version__,
    )
    order = {name: {"films": group.videos, "sounds": group.sounds} for name, group in result.groups.items()}
    texts = {
        "order.json": json.dumps(order, indent=1) + "\n",
        "classes.csv": csv_text(CLASS_COLUMNS, _classes(result)),
        "errors.csv": csv_text(FAILURE_COLUMNS, (failure.row() for failure in result.failures)),
        "report.html": page,
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
    set_head(axes, f"group {group.name}: {len(group.videos)} videos × {len(group.sounds)} sounds, {paired} paired")
    if group.nats.size:
        low = float(np.quantile(group.nats, 0.5))
        image = axes.imshow(group.nats, cmap="GnBu", vmin=low, aspect="auto", interpolation="nearest")
        figure.colorbar(image, ax=axes, fraction=0.04, pad=0.02, extend="min").set_label("score")
        rows, columns = np.nonzero(group.video_numbers[:, None] == group.answers)
        axes.scatter(columns, rows, s=22, facecolors="#ffffff", edgecolors="#22262a", linewidths=0.8)
        labels = [[Path(name).stem.rpartition("_")[2] for name in side] for side in (group.sounds, group.videos)]
        axes.set_xticks(range(len(group.sounds)), labels[0], rotation=90, fontsize=6)
        axes.set_yticks(range(len(group.videos)), labels[1], fontsize=6)
    axes.set(xlabel="sound", ylabel="video")
    save_figure(figure, path)


def _rows(result: CollideResult, group: GroupAnswer) -> Iterator[tuple[str, ...]]:
    """The sounds of one group with their classes, and in tasks 2 and 3 their videos, scores and distances."""
    row_of = {number: row for row, number in enumerate(group.video_numbers.tolist())}
    answers = zip(group.sounds, group.sound_classes, group.answers.tolist(), strict=True)
    for place, (sound, classes, answer) in enumerate(answers):
        video: tuple[str, ...] = ("none", "", "") if result.task > 1 else ()
        if result.task > 1 and answer in row_of:
            row = row_of[answer]
            video = group.videos[row], f"{group.nats[row, place]:.1f}", f"{group.distance[row, place]:.2f}"
        yield sound, result.class_names[int(classes.argmax())], f"{100 * float(classes.max()):.0f} %", *video


def _classes(result: CollideResult) -> Iterator[tuple[str, str, str, str, float]]:
    for group in result.groups.values():
        sides = (("sound", group.sounds, group.sound_classes), ("film", group.videos, group.film_classes))
        for side, names, classes in sides:
            for name, row in zip(names, classes, strict=True):
                yield group.name, name, side, result.class_names[int(row.argmax())], round(float(row.max()), 4)
