"""Say which object made a sound (task 1), and which sound belongs to which impact (tasks 2 and 3), on the Tilt-Bot.

    list → read → bands, centroids, pictures, cues → classes and vectors → scores → assignment → answers and a report

Letters in shapes: N videos, M sounds, K classes.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Int

from avmatch.core.errors import MediaError
from avmatch.core.results import Failure, Progress
from avmatch.systems.collisions.data import VideoFiles, list_task, read_sound, read_video, video_number
from avmatch.systems.collisions.features import Bands, SoundFeatures, VideoFeatures, sound_features, video_features
from avmatch.systems.collisions.matching import ImpactScorer, encoded, partners, scorer_of
from avmatch.systems.collisions.report import NO_PARTNER, CollideResult, GroupAnswer, write_collide
from avmatch.systems.collisions.runtime import CollisionModel, load_collisions

__all__ = ["collide", "write_collide"]

Item = TypeVar("Item")
Features = TypeVar("Features")


def collide(
    dataset: str | Path, task: int, model: str | Path, *, two_stage: bool = False, progress: Progress | None = None
) -> CollideResult:
    """Answer one task.

    Args:
        dataset: the folder that holds `dataset/` (or that folder).
        task: 1, 2 or 3.
        model: a run of `avmatch train collision`, or its model folder.
        two_stage: the published method of tasks 2 and 3: classes first, and for good.
        progress: called with (stage, done, total).

    Raises:
        UsageError: no such task, or nothing of it there.
        ModelError: the model isn't whole.
    """
    system = load_collisions(model)
    scorer = scorer_of(system)
    groups, notes = list_task(dataset, task)
    remarks, failures, done = list(notes), list[Failure](), count(1)
    total = sum(len(group.sounds) + len(group.videos) for group in groups)
    described = system.sound_classes.description
    bands = Bands(described.bins, described.ticks)

    def read(
        items: Sequence[Item], features: Callable[[Item], tuple[Features, tuple[str, ...]]]
    ) -> dict[Item, Features]:
        """The features of those that can be used; the others become failures."""
        usable = {}
        for item in items:
            try:
                usable[item], notes = features(item)
                remarks.extend(notes)
            except MediaError as error:
                failures.append(Failure.from_error(error))
            if progress is not None:
                progress("reading", next(done), total)
        return usable

    answers: dict[str, GroupAnswer] = {}
    for group in groups:
        sounds = read(group.sounds, partial(_sound, bands))
        videos = read(group.videos, _video)
        answers[group.name] = _answer(system, scorer, task, two_stage, group.name, videos, sounds)
    settings = {"task": task, "model": system.path, "way": "two stages" if two_stage else "one assignment"}
    return CollideResult(task, answers, described.classes, tuple(failures), tuple(remarks), settings)


def _sound(bands: Bands, path: Path) -> tuple[SoundFeatures, tuple[str, ...]]:
    sound, notes = read_sound(path)
    return sound_features(sound, bands), notes


def _video(files: VideoFiles) -> tuple[VideoFeatures, tuple[str, ...]]:
    video = read_video(files)
    return video_features(video), video.notes


def _answer(
    system: CollisionModel,
    scorer: ImpactScorer,
    task: int,
    two_stage: bool,
    group: str,
    videos: dict[VideoFiles, VideoFeatures],
    sounds: dict[Path, SoundFeatures],
) -> GroupAnswer:
    """Classes, scores, assignment."""
    impacts = encoded(system, list(videos.values()), list(sounds.values()))
    sound_classes = np.exp(scorer.sound_class.log_posterior(impacts.sound_logits)).astype(np.float32)
    film_classes = np.exp(scorer.film_class.log_posterior(impacts.film_logits)).astype(np.float32)
    numbers = np.array([video_number(files) for files in videos], np.int64)
    nats = scorer.scores(impacts)
    answers: Int[np.ndarray, " M"] = np.full(len(sounds), NO_PARTNER)
    if task == 1:
        answers = sound_classes.argmax(axis=1)
    else:
        complete = task == 2
        if two_stage:
            partner = scorer.two_stage(impacts, complete=complete)
        else:
            partner = partners(nats, complete=complete, threshold_nats=scorer.threshold_nats)
        answers[partner[partner >= 0]] = numbers[partner >= 0]
    # By the one metric, or by that of each video's likeliest class.
    metric = film_classes.argmax(axis=1) if len(impacts.distance) > 1 else np.zeros(len(videos), np.int64)
    return GroupAnswer(
        group,
        tuple(path.name for path in sounds),
        tuple(Path(files.name).name for files in videos),
        numbers,
        answers,
        sound_classes,
        film_classes,
        impacts.distance[metric, np.arange(len(videos))].astype(np.float32),
        nats.astype(np.float32),
    )
