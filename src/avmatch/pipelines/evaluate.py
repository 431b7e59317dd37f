"""Which kind of model is it, and what measures it: the one place that knows them all."""

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from avmatch.artifacts.model import CLIP_TOWERS, EVENTS, TOWERS, Model, open_model
from avmatch.artifacts.tower import load_pair
from avmatch.core.errors import UsageError
from avmatch.core.results import Progress
from avmatch.data.pairs import read_pairs
from avmatch.evaluation.galleries import Gallery, media_similarities, read_media
from avmatch.evaluation.pieces import TalkProtocol
from avmatch.evaluation.retrieval import Protocol, RetrievalResult, measure_retrieval
from avmatch.systems.avts.evaluate import ProbeResult, SoundLayer, probe, sound_layer, sound_tower
from avmatch.systems.events.evaluate import EventLayer, EventSyncResult, evaluate_event_sync, event_layer
from avmatch.systems.lips.evaluate import SyncResult, evaluate_lip_sync
from avmatch.systems.lips.talking_clips import talk_vectors
from avmatch.systems.registry import offered


def evaluate_retrieval(models: Sequence[str | Path], data: str | Path, protocol: Protocol) -> RetrievalResult:
    """Measure each of `models` (the same recipe from several seeds, say) on the pairs of `data`.

    Raises:
        UsageError: no known layout, a k or subset larger than the gallery, no record of what was held back, or the
            models held back different pairs.
        ModelError: a model can't be used.
    """
    opened = [_with_similarities(model) for model in dict.fromkeys(map(str, models))]
    takes_clips = {model.kind == CLIP_TOWERS for model in opened}
    if len(takes_clips) > 1:
        raise UsageError("some of the models take features of clips and some take media; evaluate them one by one")
    gallery = read_pairs(data) if takes_clips == {True} else read_media(data)
    return measure_retrieval({model.name: partial(_similarities, model) for model in opened}, data, gallery, protocol)


def evaluate_sync(
    model: str | Path,
    data: str | Path,
    protocol: TalkProtocol,
    *,
    per_file: bool = False,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> SyncResult | EventSyncResult:
    """Offsets: of talking clips, or of pairs for a model for any sound.

    Args:
        per_file: also of each talking clip as it is, with LSE-D and LSE-C.

    Raises:
        UsageError: nothing in `data` can be used, or the model has no LSE.
        ModelError: the model can't be used.
    """
    opened = open_model(model, TOWERS, EVENTS)
    if opened.kind == EVENTS and per_file:
        raise UsageError(f"--per-file gives LSE-D and LSE-C of talking faces, which {opened.name} doesn't look at")
    if opened.kind == EVENTS:
        return evaluate_event_sync(opened, data, protocol, progress=progress)
    talk = talk_vectors(opened, data, protocol, cache_dir, progress, any_distance=True)
    return evaluate_lip_sync(talk, per_file=per_file)


def evaluate_probe(
    model: str | Path,
    data: str | Path,
    *,
    layer: str | None = None,
    subset: str | None = None,
    progress: Progress | None = None,
) -> ProbeResult:
    """Measure a layer of the sound tower of `model` on the classes of `data` (data/layouts.py).

    Args:
        layer: of the tower (systems/avts/evaluate.py, systems/events/evaluate.py).
        subset: only this part of the set, such as "esc10" of ESC-50.

    Raises:
        UsageError: the data have no classes, or too few clips that can be used.
        ModelError: the model has no such tower or layer.
    """
    features = layer_of(model, layer)
    return probe(features, data, model=str(model), layer=features.layer, subset=subset, progress=progress)


def layer_of(model: str | Path, layer: str | None = None) -> SoundLayer | EventLayer:
    """A layer of any model with a sound tower. Raises ModelError if there is no such tower or layer."""
    tower = sound_tower(model)
    if tower.kind == EVENTS:
        return event_layer(str(model), tower.path.parent, layer)
    return sound_layer(str(model), tower, layer)


def _with_similarities(model: str) -> Model:
    """Raises ModelError if it is of a kind that makes no similarities."""
    opened = open_model(model)
    known = offered(opened.kind, "evaluate", "similarities") is not None
    return opened if known else open_model(opened, CLIP_TOWERS, TOWERS, EVENTS)


def _similarities(
    model: Model, gallery: Gallery, conditions: Sequence[float | None], seed: int
) -> Iterable[Float32[np.ndarray, "N N"]]:
    """The matrix of each condition."""
    if model.kind != TOWERS and (similarities := offered(model.kind, "evaluate", "similarities")):
        matrices: Iterable[Float32[np.ndarray, "N N"]] = similarities(model, gallery, conditions, seed)
        return matrices
    return media_similarities(load_pair(model), gallery, conditions, seed)
