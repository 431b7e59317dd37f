"""Say which object made a sound (task 1), and which impact made which sound (tasks 2 and 3), on the Tilt-Bot's layout.

    list → read → bands, centroids, pictures, cues → classes and vectors → scores → assignment

Letters in shapes: N films, M sounds, K classes, L metrics.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int

from avmatch.core.errors import MediaError, ModelError
from avmatch.core.results import Failure, Progress
from avmatch.systems.collisions.data import Group, film_number, list_task
from avmatch.systems.collisions.features import Bands, FilmFeatures, SoundFeatures, film_features, sound_features
from avmatch.systems.collisions.matching import Impacts, ImpactScorer, encoded, partners
from avmatch.systems.collisions.report import NO_PARTNER, CollideResult, GroupAnswer, write_collide_output
from avmatch.systems.collisions.runtime import CollisionModel, load_collisions


def collide(
    dataset: str | Path, task: int, model: str | Path, *, two_stage: bool = False, progress: Progress | None = None
) -> CollideResult:
    """Answer one task.

    Args:
        dataset: the folder that holds `dataset/` (or that folder).
        task: 1, 2 or 3.
        model: a run of `avmatch train collision`, or its model folder.
        two_stage: the source's way of tasks 2 and 3: classes first, and for good.
        progress: called with (stage, done, total).

    Raises:
        UsageError: no such task, or nothing of it there.
        ModelError: the model isn't whole.
    """
    system = load_collisions(model)
    scorer = _scorer(system)
    groups, notes = list_task(dataset, task)
    answers: dict[str, GroupAnswer] = {}
    failures: list[Failure] = []
    told = list(notes)
    total = sum(len(group.sounds) + len(group.films) for group in groups)
    done = count(1)
    for group in groups:
        under_way = _Group(group, system)
        under_way.read(lambda: progress("reading", next(done), total) if progress is not None else None)
        failures += under_way.failures
        told += under_way.notes
        answers[group.name] = under_way.answer(scorer, task, two_stage)
    settings = {"task": task, "model": system.path, "way": "two stages" if two_stage else "one assignment"}
    return CollideResult(task, answers, system.classes, tuple(failures), tuple(told), settings)


def write_collide(result: CollideResult, out: str | Path, *, bare: bool = False) -> Path:
    """Write answers, matrices and the page into `out` (systems/collisions/report.py); the path of the page."""
    return write_collide_output(result, Path(out), bare=bare)


def _scorer(system: CollisionModel) -> ImpactScorer:
    try:
        scorer = ImpactScorer.from_json(system.system)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{system.path}: system.json isn't whole ({error}); train it anew") from error
    if len(scorer.fusions) != len(system.metrics):
        raise ModelError(
            f"{system.path}: {len(scorer.fusions)} fusions for {len(system.metrics)} metrics; train it anew"
        )
    return scorer


class _Group:
    """One folder on its way from files to answers."""

    def __init__(self, group: Group, system: CollisionModel) -> None:
        self.group, self.system = group, system
        told = system.sound_classes.description
        self.bands = Bands(told.bins, told.ticks)
        self.sounds: list[tuple[str, SoundFeatures]] = []
        self.films: list[tuple[str, int, FilmFeatures]] = []
        self.failures: list[Failure] = []
        self.notes: list[str] = []

    def read(self, tick: Callable[[], None]) -> None:
        """Read every file; what can't be used becomes a failure."""
        for path in self.group.sounds:
            try:
                sound = sound_features(path, self.bands)
                self.sounds.append((path.name, sound))
                self.notes += sound.notes
            except MediaError as error:
                self.failures.append(Failure.from_error(error))
            tick()
        for files in self.group.films:
            try:
                film = film_features(files)
                self.films.append((Path(files.name).name, film_number(files), film))
                self.notes += film.notes
            except MediaError as error:
                self.failures.append(Failure.from_error(error))
            tick()

    def answer(self, scorer: ImpactScorer, task: int, two_stage: bool) -> GroupAnswer:
        """Classes, scores, assignment."""
        impacts = encoded(self.system, [film for *_, film in self.films], [sound for _, sound in self.sounds])
        classes = (
            np.exp(scorer.sound_class.log_posterior(impacts.sound_logits)).astype(np.float32),
            np.exp(scorer.film_class.log_posterior(impacts.film_logits)).astype(np.float32),
        )
        names = tuple(name for name, _ in self.sounds), tuple(name for name, *_ in self.films)
        numbers = np.array([number for _, number, _ in self.films], np.int64)
        if task == 1:
            none = np.zeros((0, len(self.sounds)), np.float32)
            return GroupAnswer(self.group.name, *names, numbers, classes[0].argmax(axis=1), *classes, none, none)
        nats, complete = scorer.scores(impacts), task == 2
        if two_stage:
            partner = scorer.two_stage(impacts, complete=complete)
        else:
            partner = partners(nats, complete=complete, threshold_nats=scorer.threshold_nats)
        given: Int[np.ndarray, " M"] = np.full(len(self.sounds), NO_PARTNER)
        given[partner[partner >= 0]] = numbers[partner >= 0]
        distance = _of_likeliest(impacts, classes[1])
        return GroupAnswer(self.group.name, *names, numbers, given, *classes, distance, nats.astype(np.float32))


def _of_likeliest(impacts: Impacts, film_classes: Float32[np.ndarray, "N K"]) -> Float32[np.ndarray, "N M"]:
    """The distance by the one metric, or by that of each film's likeliest class."""
    if len(impacts.distance) == 1:
        return impacts.distance[0].astype(np.float32)
    return impacts.distance[film_classes.argmax(axis=1), np.arange(len(film_classes))].astype(np.float32)
