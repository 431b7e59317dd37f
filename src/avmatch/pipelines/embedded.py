"""`match` from vectors alone: folders that `embed` wrote, of any size.

    pooled vectors of both sides → scores, block by block on disk → leaders → one sparse assignment → a MatchResult

Only what one vector a file says counts: score = scale · (product − baseline), as the folders say themselves. No file is
opened, so there are no offsets. Scores that don't fit into memory stay on disk while they are needed (matching/
score_blocks.py), and the result has no matrix then.
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int

from avmatch.core.embedded import INDEX, POOLED
from avmatch.core.errors import AvmatchError, UsageError
from avmatch.core.matches import Candidate, Match, MatchResult
from avmatch.core.results import Failure, Progress
from avmatch.matching.assignment import one_to_one_of_pairs
from avmatch.matching.score_blocks import BLOCK, BlockTask, Each, Listed, Vectors, block_of, listed_pairs
from avmatch.matching.settings import MatchSettings
from avmatch.matching.shortlist import side_by_side
from avmatch.pipelines.embed import Where
from avmatch.pipelines.on_ray import answers_on_ray

#: Larger matrices aren't part of the result: as many values as 5,000 × 5,000 files have.
MOST_KEPT = 25_000_000
#: Numbers of a vector are smaller: those of encoders are about 1.
_TOO_LARGE = 1e6
#: Settings that say something of files only, and their options.
_OF_FILES = {
    "max_offset_seconds": "--max-offset",
    "use_duration": "--no-duration",
    "use_clock": "--no-clock",
    "use_order": "--no-order",
    "use_latency": "--no-latency",
    "use_scratch": "--no-scratch",
}


@dataclass(frozen=True, eq=False)
class Side:
    """One side of a folder that `embed` wrote.

    Attributes:
        paths: of the files that have a vector.
        pooled: (N, P) these vectors.
        listed: all files of this side, those without a vector too.
        evidence: model, scale and baseline.
    """

    paths: tuple[str, ...]
    pooled: Float32[np.ndarray, "N P"]
    listed: tuple[str, ...]
    evidence: tuple[str, float, float]


def match_embedded(
    videos: Path,
    audios: Path,
    settings: MatchSettings,
    *,
    on: Where = "here",
    cache_dir: Path | None = None,
    num_workers: int = 0,
    progress: Progress | None = None,
) -> MatchResult:
    """Say which sound belongs to which picture, by the vectors of two folders that `embed` wrote.

    Args:
        on: here, or ray = by a cluster (on_ray.py), which must find `cache_dir` under the same name.
        cache_dir: where scores are kept until all are there; None = in a temporary folder.

    Raises:
        UsageError: the vectors can't be compared, or a setting asks for what vectors can't serve.
    """
    _check_settings(settings)
    pictures, sounds = read_side(videos, "video"), read_side(audios, "audio")
    if pictures.evidence != sounds.evidence:
        raise UsageError(
            f"{videos} holds vectors of {pictures.evidence[0]}, {audios} those of {sounds.evidence[0]}, or they were "
            "calibrated differently: embed both with the same model"
        )
    model, scale, baseline = pictures.evidence
    if not pictures.pooled.size or not sounds.pooled.size:
        raise UsageError(f"{videos} and {audios}: no file of one side has a vector as a whole")
    num_numbers, num_others = pictures.pooled.shape[1], sounds.pooled.shape[1]
    if num_numbers != num_others:
        raise UsageError(
            f"{videos} holds vectors of {num_numbers} numbers, {audios} of {num_others}: embed both with the same model"
        )
    vectors = Vectors(pictures.pooled, sounds.pooled, scale, baseline)
    with _scratch(cache_dir, vectors.fingerprint) as folder:
        listed = listed_pairs(vectors, folder, _each(on, num_workers, progress), shared=settings.many)
        scores = _matrix(vectors, folder)
    table = _Table(model, pictures.paths, sounds.paths, listed)
    partner = table.partners(settings)
    taken = set(partner.tolist())
    matches = {path: table.match(row, int(partner[row])) for row, path in enumerate(pictures.paths)}
    return MatchResult(
        matches=tuple(matches.get(path) or Match(path, None, 0.0, None, None, "") for path in pictures.listed),
        unmatched_audio=tuple(path for column, path in enumerate(sounds.paths) if column not in taken),
        candidates=tuple(item for row in range(len(pictures.paths)) for item in table.candidates(row, settings.top_k)),
        videos=pictures.paths,
        audio=sounds.paths,
        similarity=scores,
        failures=tuple(failure for side in (pictures, sounds) for failure in _failures(side)),
        settings={"cues": [model], **asdict(settings)},
        notes=tuple(_notes(pictures, sounds, is_kept=bool(scores.size))),
    )


def _check_settings(settings: MatchSettings) -> None:
    """Raises UsageError if a setting asks for what vectors can't serve."""
    if settings.complete:
        raise UsageError("--complete needs all scores at once: match the media files, or lower --min-confidence")
    usual = MatchSettings()
    unserved = [option for name, option in _OF_FILES.items() if getattr(settings, name) != getattr(usual, name)]
    if unserved:
        raise UsageError(f"vectors alone are compared, without {', '.join(unserved)}: leave out, or match the files")


def _notes(pictures: Side, sounds: Side, *, is_kept: bool) -> Iterator[str]:
    yield (
        "vectors alone were compared: there are no offsets, and the confidence, which was fitted on all cues together, "
        "says less"
    )
    if not is_kept:
        yield f"the scores of {len(pictures.paths)} × {len(sounds.paths)} pairs are not kept"


def read_side(folder: Path, side: str) -> Side:
    """The vectors of one side. Raises UsageError if they can't be compared as a whole."""
    try:
        # Not splitlines: names may hold what Unicode takes for the end of a line.
        lines = [json.loads(line) for line in (folder / INDEX).read_text(encoding="utf-8").split("\n") if line]
        pooled = _pooled(folder / POOLED)
        rows = [row for row, line in enumerate(lines) if line["side"] == side]
        evidence = {_evidence(lines[row]) for row in rows}
        paths = [_text(lines[row]["path"]) for row in rows]
    except (OSError, ValueError, KeyError, TypeError, EOFError, RecursionError) as error:
        raise UsageError(f"{folder}: what `embed` wrote there can't be read ({error}); embed again") from error
    if len(pooled) != len(lines):
        raise UsageError(
            f"{folder}: {INDEX} names {len(lines)} items, {POOLED} holds {len(pooled)} vectors; embed again"
        )
    if not rows:
        raise UsageError(f"{folder}: has no vectors of the side {side}; embed with --side {side} or both")
    model, scale, baseline = next(iter(evidence))
    if len(evidence) > 1 or scale is None or baseline is None:
        raise UsageError(
            f"{folder}: its vectors can't be compared as a whole: they are of several models, of one that compares "
            "over time (match the files themselves), or of an earlier avmatch (embed again)"
        )
    vectors = np.asarray(pooled[rows], np.float32)
    if (np.abs(vectors[np.isfinite(vectors)]) > _TOO_LARGE).any():
        raise UsageError(f"{folder}: {POOLED} holds numbers beyond {_TOO_LARGE:.0f}, as no model gives; embed again")
    known = np.flatnonzero(np.isfinite(vectors).all(axis=1)).tolist()
    return Side(tuple(paths[row] for row in known), vectors[known], tuple(paths), (model, scale, baseline))


def _pooled(path: Path) -> Float[np.ndarray, "N P"]:
    """Raises ValueError if it holds anything but vectors of real numbers."""
    found = np.lib.format.open_memmap(path, mode="r")  # np.load would take archives, too
    if found.ndim != 2 or found.dtype.kind != "f":
        raise ValueError(f"{POOLED} must be a table of real numbers, a row a vector")
    return found


def _evidence(line: Mapping[str, Any]) -> tuple[str, float | None, float | None]:
    """Model, scale and baseline. Raises ValueError if they can't be those."""
    scale, baseline = (line.get(name) for name in ("scale", "baseline"))
    for value in (scale, baseline):
        if value is not None and not (type(value) in (int, float) and abs(value) < _TOO_LARGE):
            raise ValueError(f"scale and baseline must be numbers, got {value!r}")
    return _text(line["model"]), scale, baseline


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"path and model must be text, got {value!r}")
    return value


def _failures(side: Side) -> Iterator[Failure]:
    """A row for each file without a vector."""
    usable = set(side.paths)
    for path in side.listed:
        if path not in usable:
            yield Failure(path, "features", "has no vector as a whole: silent, or too short for the model", "too_short")


@contextmanager
def _scratch(cache_dir: Path | None, name: str) -> Iterator[Path]:
    """A folder for scores, which goes when all went well; in a cache it is found again after a kill."""
    if cache_dir is None:
        with tempfile.TemporaryDirectory(prefix="avmatch-") as temporary:
            yield Path(temporary)
        return
    folder = cache_dir.absolute() / "scores" / name
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def _each(on: Where, num_workers: int, progress: Progress | None) -> Each:
    """Who does the blocks."""

    def on_ray(task: BlockTask, blocks: Sequence[int], stage: str) -> list[Any]:
        return answers_on_ray(task, blocks, _given_up, stage, progress, num_workers)

    def here(task: BlockTask, blocks: Sequence[int], stage: str) -> list[Any]:
        found: dict[int, Any] = {}
        work: Callable[[int], Any] = task.prepared()

        def do(begin: int) -> None:
            found[begin] = work(begin)

        side_by_side(do, blocks, stage, progress)
        return [found[begin] for begin in blocks]

    return on_ray if on == "ray" else here


def _given_up(begin: int) -> Any:
    raise AvmatchError(f"the block from {begin} on killed two workers: is there memory for {BLOCK} rows of scores?")


def _matrix(vectors: Vectors, folder: Path) -> Float32[np.ndarray, "N M"]:
    """All scores, where there aren't too many; else none."""
    num_rows, num_columns = vectors.shape
    if num_rows * num_columns > MOST_KEPT:
        return np.zeros((0, 0), np.float32)
    return np.concatenate([block_of(vectors, folder, begin) for begin in range(0, num_rows, BLOCK)])


class _Table:
    """Listed pairs, read off a video at a time."""

    def __init__(self, model: str, videos: tuple[str, ...], audios: tuple[str, ...], listed: Listed) -> None:
        self._model, self._videos, self._audios, self._listed = model, videos, audios, listed
        self._begins = np.searchsorted(listed.rows, np.arange(len(videos) + 1))

    def partners(self, settings: MatchSettings) -> Int[np.ndarray, " N"]:
        """The sound of each video, or -1."""
        listed, shape = self._listed, (len(self._videos), len(self._audios))
        if not settings.many:
            return one_to_one_of_pairs(
                listed.rows, listed.columns, listed.confidence, shape, min_confidence=settings.min_confidence
            )
        partner = np.full(shape[0], -1)
        for row in range(shape[0]):
            best = self._ranked(row)[0]
            if listed.confidence[best] >= settings.min_confidence:
                partner[row] = listed.columns[best]
        return partner

    def match(self, row: int, chosen: int) -> Match:
        """What was decided for a video."""
        listed, ranked = self._listed, self._ranked(row)
        is_paired = chosen >= 0
        others = [pair for pair in ranked if listed.columns[pair] != chosen]
        best = next(pair for pair in ranked if not is_paired or listed.columns[pair] == chosen)
        following = others[0 if is_paired else 1 :]
        runner_up = others[0] if others else None
        following_text = f"; next best {listed.nats[following[0]]:.1f}" if following else ""
        return Match(
            video=self._videos[row],
            audio=self._audios[chosen] if is_paired else None,
            confidence=float(listed.confidence[best]),
            score=float(listed.nats[best]) if is_paired else None,
            offset_seconds=None,
            cue=self._model if is_paired else "",
            runner_up=None if runner_up is None else self._audios[listed.columns[runner_up]],
            runner_up_score=None if runner_up is None else float(listed.nats[runner_up]),
            why=f"{self._why(best)}{following_text}",
        )

    def candidates(self, row: int, top_k: int) -> list[Candidate]:
        """The best few sounds of a video."""
        listed = self._listed
        return [
            Candidate(
                video=self._videos[row],
                rank=rank,
                audio=self._audios[listed.columns[pair]],
                score=float(listed.nats[pair]),
                confidence=float(listed.confidence[pair]),
                offset_seconds=None,
                why=self._why(pair),
            )
            for rank, pair in enumerate(self._ranked(row)[:top_k], start=1)
        ]

    def _ranked(self, row: int) -> list[int]:
        """The pairs of a video, the best first."""
        begin, end = self._begins[row : row + 2].tolist()
        order: list[int] = (begin + np.argsort(-self._listed.nats[begin:end], kind="stable")).tolist()
        return order

    def _why(self, pair: int) -> str:
        return f"{self._model} {self._listed.nats[pair]:.1f}"
