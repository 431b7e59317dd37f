"""The vectors that `match` compares, as arrays.

decode → features → what the model makes of them → arrays with times, and one vector for all of it
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from avmatch.analysis.features import Analyser, analyse_all
from avmatch.artifacts.model import EVENTS, SEMANTIC, TOWERS, Model
from avmatch.core.embedded import INDEX, POOLED, POOLED_TABLE, Embedded, EmbedResult
from avmatch.core.errors import UsageError
from avmatch.core.features import BAND_RATE_HZ, TICK_RATE_HZ, AudioFeatures, Embeddings, VideoFeatures
from avmatch.core.files import strict_json, write_array_atomically, write_text_atomically
from avmatch.core.results import Failure, Progress
from avmatch.core.tables import Cell, Value, write_parquet
from avmatch.cues.pooled import PooledCue
from avmatch.data.inputs import list_audio, list_videos
from avmatch.frontends.event_signals import EARLY_SECONDS
from avmatch.pipelines.arguments import Paths, listed
from avmatch.pipelines.installation import licence_of
from avmatch.pipelines.models import given_model, models_with
from avmatch.pipelines.on_ray import NUM_TRIES, answers_on_ray
from avmatch.pipelines.pooled import Features, comparison

Where = Literal["here", "ray"]
Side = Literal["video", "audio", "both"]
FORMATS = ("npy", "parquet")
VECTORS = "vectors"


def embed(
    files: Paths,
    *,
    model: str | Path = SEMANTIC,
    side: Side = "both",
    on: Where = "here",
    cache_dir: Path | None = None,
    num_workers: int = 0,
    progress: Progress | None = None,
) -> EmbedResult:
    """Give the vectors of a model for files.

    Towers over time (`lips` and runs of its kind) give those of each face, or picture, and of the sound; `semantic`
    one for each frame that it looks at and each window of sound; `events` its accents, of a picture those of all
    sources side by side. The pooled vector of a tower is the mean of its vectors, those of the others what `match`
    compares.

    Args:
        files: a folder, a glob, a file, a manifest with a `path` column, or a list of files.
        model: a run, a model folder, or the name of a shipped model.
        side: of the files that are embedded; both = whatever a file has.
        on: here = by threads of this process; ray = by processes of a cluster (on_ray.py), which must find the files,
            the model and `cache_dir` under the same names. The vectors are the same.
        cache_dir: where features are kept between runs; None = nowhere.
        num_workers: files analysed at once; 0 = one a core.
        progress: called with (stage, done, total).

    Raises:
        UsageError: there are no such files.
        ModelError: the model can't be used, or makes no vectors of media.
        MissingExtraError: ray is needed.
    """
    if side not in ("video", "audio", "both"):
        raise UsageError(f"side must be video, audio or both, got {side!r}")
    task = EmbedTask(model, side, None if cache_dir is None else cache_dir.absolute())
    maker = task.maker()
    paths = listed(files, list_videos if side == "video" else list_audio)
    answers: list[list[Embedded] | Failure]
    if on == "ray":
        answers = answers_on_ray(task, paths, _crashed, "files", progress, num_workers)
    else:
        answers = analyse_all(maker.made, paths, "files", progress, num_workers)
    return EmbedResult(
        maker.name,
        licence_of(maker.folder),
        tuple(item for answer in answers if not isinstance(answer, Failure) for item in answer),
        tuple(answer for answer in answers if isinstance(answer, Failure)),
        *maker.evidence,
    )


@dataclass(frozen=True)
class EmbedTask:
    """What is made of each file, and with what."""

    model: str | Path
    side: Side
    cache_dir: Path | None

    def maker(self) -> "_Maker":
        """With the models loaded. Raises ModelError."""
        return _Maker(given_model(self.model, TOWERS, EVENTS, SEMANTIC), self)

    def prepared(self) -> Callable[[str], list[Embedded] | Failure]:
        """See on_ray.Task."""
        made = self.maker().made
        return lambda path: analyse_all(made, [path], "files", num_workers=1)[0]


def _crashed(path: str) -> Failure:
    message = (
        f"left out: the process that read it died, {NUM_TRIES} times; its decoder crashes or needs more memory than "
        "there is: convert it again"
    )
    return Failure(path, "decode", message)


class _Maker:
    """Makes what a model gives of files."""

    def __init__(self, model: Model, task: EmbedTask) -> None:
        models = models_with(model)
        by = comparison(models)
        self.folder = model.folder
        self._side = task.side
        self._analyser = Analyser(task.cache_dir, models.towers, 1, encoders=models.encoders)
        names = {SEMANTIC: None if models.encoders is None else models.encoders.name}
        self._events = models.events if model.kind == EVENTS else None
        self.name = model.name if names.get(model.kind) is None else str(names[model.kind])
        cue_name = "kind" if model.kind == EVENTS else self.name
        self._cue: PooledCue | None = next((cue for cue in by.rows.cues if cue.name == cue_name), None)

    @property
    def evidence(self) -> tuple[float | None, float | None]:
        """Scale and baseline of the product of two pooled vectors; None where they aren't compared as a whole."""
        if self._cue is None:
            return None, None
        term = self._cue.terms[0]
        return term.scale * self._cue.calibration.weight, term.baseline

    def made(self, path: str) -> list[Embedded]:
        """The items of a file. Raises MediaError."""
        analyser, side = self._analyser, self._side
        if side == "both":
            found = analyser.sides(path)
        else:
            found = {side: analyser.video(path) if side == "video" else analyser.audio(path)}
        return [item for one, features in found.items() for item in self._of(path, one, features)]

    def _of(self, path: str, side: str, features: Features) -> Iterator[Embedded]:
        """The items of one side of a file."""
        pooled = self._pooled(features)
        for part, vectors in self._vectors(features):
            data = vectors.data.astype(np.float32)
            times = vectors.start_seconds + np.arange(len(data)) / vectors.rate_hz
            mean = data.mean(axis=0) if self._cue is None and len(data) else pooled
            yield Embedded(path, side, part, times, data, vectors.rate_hz, mean)

    def _pooled(self, features: Features) -> np.ndarray | None:
        """What is compared of a file as a whole, without the classes."""
        if self._cue is None:
            return None
        is_video = isinstance(features, VideoFeatures)
        vector = self._cue.video_vector(features) if is_video else self._cue.audio_vector(features)  # type: ignore[arg-type]
        return None if vector is None else vector[: self._cue.terms[0].size].astype(np.float32)

    def _vectors(self, features: Features) -> Iterator[tuple[str, Embeddings]]:
        if self._events is not None:
            yield "", self._accents(features)
        elif self.name in features.embeddings:
            yield "", features.embeddings[self.name]
        elif isinstance(features, VideoFeatures):
            for number, track in enumerate(features.mouths, start=1):
                if self.name in track.embeddings:
                    yield f"face {number}", track.embeddings[self.name]

    def _accents(self, features: Features) -> Embeddings:
        assert self._events is not None
        if isinstance(features, AudioFeatures):
            accents = self._events.sound_accents(features).T
            return Embeddings(accents, BAND_RATE_HZ, features.start_seconds - EARLY_SECONDS)
        sources, _ = self._events.picture_accents(features)
        return Embeddings(
            sources.transpose(2, 0, 1).reshape(sources.shape[2], -1), TICK_RATE_HZ, features.start_seconds
        )


def write_embeddings(result: EmbedResult, out: Path, kind: str = "npy") -> None:
    """Write what was made into a folder.

    npy: embeddings.jsonl with a line an item, vectors/N.npy (T, D) and vectors/N-times.npy (T,) of each, and pooled.npy
    (N, P), a row a line, NaN where there is none. parquet: embeddings.parquet, a row a vector, and pooled.parquet.

    Raises:
        UsageError: no such format.
        MissingExtraError: pyarrow is needed.
    """
    if kind not in FORMATS:
        raise UsageError(f"no format {kind!r}; there are {', '.join(FORMATS)}")
    (_write_parquet if kind == "parquet" else _write_arrays)(result, out)


def _write_arrays(result: EmbedResult, out: Path) -> None:
    (out / INDEX).unlink(missing_ok=True)  # it says that everything else is there
    lines = []
    for number, item in enumerate(result.items):
        names = {"vectors": f"{VECTORS}/{number:06d}.npy", "times": f"{VECTORS}/{number:06d}-times.npy"}
        write_array_atomically(out / names["vectors"], item.vectors)
        write_array_atomically(out / names["times"], item.times_seconds)
        lines.append(strict_json(_record(result, item) | names))
    width = max((len(item.pooled) for item in result.items if item.pooled is not None), default=0)
    pooled = np.full((len(result.items), width), np.nan, np.float32)
    for row, item in enumerate(result.items):
        if item.pooled is not None:
            pooled[row] = item.pooled
    write_array_atomically(out / POOLED, pooled)
    write_text_atomically(out / INDEX, "".join(f"{line}\n" for line in lines))


def _write_parquet(result: EmbedResult, out: Path) -> None:
    columns = ("path", "side", "part", "time_seconds", "vector")
    rows: list[tuple[Value, ...]] = [
        (item.path, item.side, item.part, time, vector)
        for item in result.items
        for time, vector in zip(item.times_seconds.tolist(), item.vectors.tolist(), strict=True)
    ]
    write_parquet(columns, rows, out / "embeddings.parquet")
    heads = [_record(result, item) for item in result.items]
    names = (*_RECORD, "pooled")
    pooled = [None if item.pooled is None else item.pooled.tolist() for item in result.items]
    cells: list[tuple[Value, ...]] = [(*head.values(), one) for head, one in zip(heads, pooled, strict=True)]
    write_parquet(names, cells, out / POOLED_TABLE)


_RECORD = ("path", "side", "part", "model", "licence", "rate_hz", "num_vectors", "dim", "scale", "baseline")


def _record(result: EmbedResult, item: Embedded) -> dict[str, Cell]:
    num, dim = item.vectors.shape
    named = (item.path, item.side, item.part, result.model, result.licence)
    values = (*named, item.rate_hz, num, dim, result.scale, result.baseline)
    return dict(zip(_RECORD, values, strict=True))
