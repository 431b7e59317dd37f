"""How good a model is: `avmatch.evaluate.retrieval(model, data)` and its like, a function for each thing to measure.

Each returns a result with `report()`: tables, JSON and Markdown as `avmatch evaluate` prints them. `data` are a folder
or a table in a layout that data/layouts.py reads; `cache` and `progress` are those of `avmatch.notebook`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from avmatch.notebook.arguments import CacheLike, PathLike, cache_folder
from avmatch.reports.progress import progress_shown

if TYPE_CHECKING:
    from avmatch.core.results import Progress
    from avmatch.evaluation.pieces import TalkProtocol
    from avmatch.evaluation.retrieval import Protocol, RetrievalResult
    from avmatch.systems.avts.evaluate import ProbeResult
    from avmatch.systems.events.evaluate import EventSyncResult
    from avmatch.systems.lips.evaluate import MatchResult, SyncResult
    from avmatch.systems.scenes.evaluate import ClassificationResult
    from avmatch.systems.words.evaluate import WordResult


def retrieval(
    model: PathLike | Sequence[PathLike], data: PathLike, protocol: Protocol | None = None
) -> RetrievalResult:
    """The audio of each video and the video of each audio, by a model, or by the same recipe from several seeds."""
    from avmatch.evaluation.retrieval import Protocol
    from avmatch.pipelines.evaluate import evaluate_retrieval

    models = [model] if isinstance(model, PathLike) else model
    return evaluate_retrieval(models, data, protocol or Protocol())


def sync(
    model: PathLike,
    data: PathLike,
    protocol: TalkProtocol | None = None,
    *,
    per_file: bool = False,
    cache: CacheLike | None = True,
    progress: bool | Progress = True,
) -> SyncResult | EventSyncResult:
    """Known offsets of talking clips, or of pairs of any kind for the model `events`.

    Args:
        per_file: also each talking clip as it is, with LSE-D and LSE-C (`files` of the result).
    """
    from avmatch.evaluation.pieces import TalkProtocol
    from avmatch.pipelines.evaluate import evaluate_sync

    with progress_shown(progress) as update:
        folder = cache_folder(cache)
        return evaluate_sync(
            model, data, protocol or TalkProtocol(), per_file=per_file, cache_dir=folder, progress=update
        )


def match(
    model: PathLike,
    data: PathLike,
    protocol: TalkProtocol | None = None,
    *,
    cache: CacheLike | None = True,
    progress: bool | Progress = True,
) -> MatchResult:
    """The voice of each face."""
    from avmatch.evaluation.pieces import TalkProtocol
    from avmatch.systems.lips.evaluate import evaluate_match
    from avmatch.systems.lips.talking_clips import talk_vectors

    with progress_shown(progress) as update:
        return evaluate_match(talk_vectors(model, data, protocol or TalkProtocol(), cache_folder(cache), update))


def words(
    model: PathLike,
    data: PathLike,
    *,
    split: str | None = None,
    held_out: bool = False,
    progress: bool | Progress = True,
) -> WordResult:
    """Words from the lips."""
    from avmatch.systems.words.evaluate import evaluate_words

    with progress_shown(progress) as update:
        return evaluate_words(model, data, split=split, held_out=held_out, progress=update)


def classify(
    model: PathLike,
    data: PathLike,
    *,
    split: str | None = None,
    held_out: bool = False,
    cache: CacheLike | None = True,
    progress: bool | Progress = True,
) -> ClassificationResult:
    """The class of each item: accuracy, log loss, calibration, class by class."""
    from avmatch.systems.scenes.evaluate import evaluate_scenes

    folder = cache_folder(cache)
    with progress_shown(progress) as update:
        return evaluate_scenes(model, data, split=split, held_out=held_out, cache_dir=folder, progress=update)


def probe(
    model: PathLike,
    data: PathLike,
    *,
    layer: str | None = None,
    subset: str | None = None,
    progress: bool | Progress = True,
) -> ProbeResult:
    """A linear classifier, trained on a layer of the sound tower."""
    from avmatch.pipelines.evaluate import evaluate_probe

    with progress_shown(progress) as update:
        return evaluate_probe(model, data, layer=layer, subset=subset, progress=update)
