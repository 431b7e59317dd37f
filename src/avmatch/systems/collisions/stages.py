"""`avmatch train collision`: the whole system in stages, each a run of its own recipe, and what joins them.

    dataset → features ─┬─ sound/    collision_classify
                        ├─ picture/  collision_classify_picture
                        └─ metric/   collision_centroid (or metric/0 … metric/9, one for each class)
    held-back impacts → calibration, cues, threshold → model/

All stages hold back the same impacts, on which the calibration is fitted. `resume` goes on in the middle of any stage;
features that were interrupted are computed again.

    RUN/features/   the arrays of all segments      RUN/{sound,picture,metric}/   the runs
    RUN/model/      what `avmatch collide` takes    RUN/config.json, command.txt
"""

import json
import os
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from operator import attrgetter
from pathlib import Path

import numpy as np

from avmatch.core.errors import UsageError
from avmatch.core.files import atomic_path, write_text_atomically
from avmatch.core.results import Progress
from avmatch.metrics.classes import top_k_hits
from avmatch.systems.collisions.data import CLASSES
from avmatch.systems.collisions.features import INDEX, Bands, CollisionSet, prepared
from avmatch.systems.collisions.matching import ImpactScorer, KnownImpacts, encoded, fit_scorer, partners
from avmatch.systems.collisions.recipe import collision_centroid, collision_classify, collision_classify_picture
from avmatch.systems.collisions.runtime import METRICS, SYSTEM, load_networks
from avmatch.training.config import TrainConfig, override
from avmatch.training.export import write_card
from avmatch.training.loop import TrainResult, train
from avmatch.training.run import RunFolder

#: The system is measured on groups of this size, drawn of the held-back impacts.
_GROUP, _DRAWS = 25, 40


@dataclass(frozen=True)
class CollisionSystem:
    """A complete run of all stages.

    Attributes:
        sound, picture, metric: the stages' configurations.
        per_class: a metric for each class instead of one for all.
        alone_share: of the sounds, for which the threshold of task 3 is fitted.
    """

    sound: TrainConfig = field(default_factory=collision_classify)
    picture: TrainConfig = field(default_factory=collision_classify_picture)
    metric: TrainConfig = field(default_factory=collision_centroid)
    per_class: bool = False
    alone_share: float = 0.3

    def stages(self) -> dict[str, TrainConfig]:
        """The runs by the names of their folders."""
        only = {f"{METRICS}/{number}": [f"task.only={number}"] for number in range(len(CLASSES))}
        settings = only if self.per_class else {METRICS: []}
        metrics = {name: override(self.metric, own) for name, own in settings.items()}
        return {"sound": self.sound, "picture": self.picture, **metrics}

    @property
    def bands(self) -> Bands:
        """How spectrograms are pooled in all stages. Raises UsageError if the stages differ in what must be one."""
        for name in ("task.bands", "task.num_folds", "task.fold_seed", "validation_share", "split_seed"):
            values = {str(attrgetter(name)(config)) for config in (self.sound, self.picture, self.metric)}
            if len(values) > 1:
                raise UsageError(f"{name} must be the same in all stages, got {', '.join(sorted(values))}")
        return attrgetter("task.bands")(self.sound)


def collision(settings: Sequence[str] = (), *, seed: int | None = None, epochs: int | None = None) -> CollisionSystem:
    """The system with settings: `metric.epochs=10`, `sound.task.sound.widths=[8,16]`, `per_class=true`.

    Args:
        seed, epochs: of every stage.
    """
    given = {name: value for name, value in (("seed", seed), ("epochs", epochs)) if value is not None}
    own = [f"{stage}.{name}={value}" for name, value in given.items() for stage in ("sound", "picture", "metric")]
    return override(CollisionSystem(), [*own, *settings])


def train_system(
    system: CollisionSystem,
    data: str | Path,
    out: str | Path,
    *,
    resume: bool = False,
    device: str = "auto",
    command: str = "",
    progress: Progress | None = None,
) -> TrainResult:
    """Train all stages on a dataset (or a folder of features) and join them; arguments as of training's `train`.

    Raises:
        UsageError: settings or layout that don't fit, the folder is in use, or there are several processes.
    """
    run = RunFolder(Path(out))
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("the stages of `collision` are trained by one process; start it without torchrun")
    with run.held():
        bands = system.bands
        run.open(system, command, resume)
        features = run.path / "features"
        found = prepared(data, features, bands, progress)
        source = Path(data) if (Path(data) / INDEX).is_file() else features
        results = {}
        for name, config in system.stages().items():
            place = run.path / name
            line = shlex.join(["avmatch", "train", config.recipe, str(source), "-o", str(place)])
            report = None if progress is None else _staged(progress, name)
            results[name] = train(config, source, place, resume=resume, device=device, command=line, progress=report)
        measured = _joined(run, system, found, results, command)
    return replace(results[name], run=run.path, model=run.model, metrics=measured)


def _staged(progress: Progress, name: str) -> Progress:
    return lambda stage, done, total: progress(f"{name}: {stage}", done, total)


def _joined(
    run: RunFolder, system: CollisionSystem, found: CollisionSet, results: dict[str, TrainResult], command: str
) -> dict[str, float]:
    """The model folder: the stages' graphs, and what was fitted on the held-back impacts; how good it is on these."""
    for stage, result in results.items():
        for graph in result.model.glob("*.onnx"):
            with atomic_path(run.model / (stage if "/" in stage else "") / graph.name) as temporary:
                shutil.copyfile(graph, temporary)
    known = known_impacts(run.path, found)
    scorer = fit_scorer(known, alone_share=system.alone_share)
    measured = _measured(known, scorer, results)
    data = {
        "segments": len(found.names),
        "held_back": int(known.is_held_back.sum()),
        "results": "a little too good: the same held-back impacts chose the epochs and fitted what joins the stages",
    }
    write_text_atomically(run.model / SYSTEM, json.dumps(scorer.to_json() | {"results": measured, "data": data}) + "\n")
    story = {"recipe": "collision", "config": asdict(system), "data": data, "results": measured, "command": command}
    write_card(run.model / "card.md", story)
    return measured


def known_impacts(run: Path, found: CollisionSet) -> KnownImpacts:
    """What the exported networks of a run say of the impacts that none of its stages learned from; all impacts' cues.

    Raises:
        UsageError: too few are held back to calibrate on.
    """
    splits = [json.loads(path.read_text(encoding="utf-8")) for path in run.rglob("split.json")]
    is_held_back = ~np.isin(found.names, [name for split in splits for name in split["train"]])
    rows = np.flatnonzero(is_held_back).tolist()
    if len(rows) < 2 * len(CLASSES):
        raise UsageError(
            f"{len(rows)} impacts are held back, too few to calibrate on; give more, or a larger validation_share"
        )
    networks, videos = load_networks(run / "model"), [found.video(row) for row in rows]
    sides = ([found.sound(row) for row in rows], [found.noisy_sound(row) for row in rows])
    film, sound, noisy = (np.asarray(found.arrays[f"{side}_cues"], np.float64) for side in ("film", "sound", "noisy"))
    clean, in_noise = (encoded(networks, videos, sounds) for sounds in sides)
    return KnownImpacts(found.label, film, sound, noisy, is_held_back, clean, in_noise)


def _measured(known: KnownImpacts, scorer: ImpactScorer, results: dict[str, TrainResult]) -> dict[str, float]:
    """Each stage by itself, and the system on groups of held-back impacts."""
    label, impacts = known.label[known.is_held_back], known.held_back
    scores = scorer.scores(impacts)
    rng, right = np.random.default_rng(0), []
    size = min(_GROUP, len(label))
    for _ in range(_DRAWS):
        drawn = rng.choice(len(label), size, replace=False)
        right.append(partners(scores[np.ix_(drawn, drawn)], complete=True) == np.arange(size))
    metric = [result.metrics["accuracy_assigned"] for name, result in results.items() if METRICS in name]
    return {
        "accuracy_sound": float(top_k_hits(impacts.sound_logits, label, 1).mean()),
        "accuracy_picture": float(top_k_hits(impacts.film_logits, label, 1).mean()),
        "accuracy_assigned": float(np.mean(metric)),
        f"right_pairs_of_{size}": float(np.mean(right)),
        "threshold_nats": scorer.threshold_nats,
    }
