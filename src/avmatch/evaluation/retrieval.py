"""Silent video ↔ audio retrieval: how well a model's towers find the partners of a set of known pairs.

    pairs → encode → similarity → metrics, raw and normalised over the gallery, clean and in noise

Noise is added to the audio features at a stated ratio to their own deviation, the same for all models; where a model
takes media, to the waveform (evaluation/media.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int

from avmatch.artifacts.graph import CLIP_TOWERS, EVENTS, TOWERS
from avmatch.artifacts.model import Model, open_model
from avmatch.artifacts.tower import ClipTower, ClipTowers, load_clip_towers, load_pair
from avmatch.core.errors import UsageError
from avmatch.datasets.augment.features import feature_noise
from avmatch.datasets.items import Pairs
from avmatch.datasets.pairs import read_pairs
from avmatch.encoders.events import load_event_model
from avmatch.evaluation.events import event_similarities
from avmatch.evaluation.held_back import held_back_names, held_back_rows
from avmatch.evaluation.media import MediaList, media_similarities, read_media
from avmatch.matching.galleries import NORMALISATIONS
from avmatch.metrics.retrieval import RetrievalScores, evaluate

#: What is measured unless the user says otherwise, as far as the data have enough pairs.
DEFAULT_KS = (1, 5, 10, 50)
DEFAULT_SUBSET = 50


@dataclass(frozen=True)
class Protocol:
    """What to measure.

    Attributes:
        ks: of R@k over the whole gallery; None = those of DEFAULT_KS that the data have enough pairs for.
        subset: size of the random galleries; 0 = none, None = DEFAULT_SUBSET if there are more pairs than that.
        draws: how many of them.
        noise_snr_db: also in noise at each of these ratios.
        held_out: only the pairs that the run held back.
    """

    ks: tuple[int, ...] | None = None
    subset: int | None = None
    draws: int = 500
    noise_snr_db: tuple[float, ...] = ()
    held_out: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.ks or (1,)) < 1 or (self.subset or 0) < 0 or self.draws < 1:
            raise UsageError(
                f"k and draws must be at least 1 and the subset not negative, got k {self.ks}, draws {self.draws} and "
                f"subset {self.subset}"
            )


@dataclass(frozen=True)
class Row:
    """One model, one normalisation, one condition."""

    model: str
    normalisation: str
    snr_db: float | None
    scores: RetrievalScores


@dataclass(frozen=True)
class RetrievalReport:
    """All rows of one evaluation.

    Attributes:
        protocol: as it was carried out, sizes filled in.
        notes: what was left out, for a person.
    """

    data: str
    num_pairs: int
    protocol: Protocol
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def evaluate_retrieval(models: Sequence[str | Path], data: str | Path, protocol: Protocol) -> RetrievalReport:
    """Measure each of `models` (the same recipe from several seeds, say) on the pairs of `data`.

    Raises:
        UsageError: no known layout, a k or subset larger than the gallery, no record of what was held back, or the
            models held back different pairs.
        ModelError: a model can't be used.
    """
    opened = [open_model(model, CLIP_TOWERS, TOWERS, EVENTS) for model in dict.fromkeys(map(str, models))]
    takes_clips = {model.kind == CLIP_TOWERS for model in opened}
    if len(takes_clips) > 1:
        raise UsageError("some of the models take features of clips and some take media; evaluate them one by one")
    pairs = read_pairs(data) if takes_clips == {True} else read_media(data)
    if protocol.held_out:
        pairs = pairs.take(_held_out(pairs.names, [Path(model) for model in models]))
    protocol, notes = _fitted(protocol, len(pairs), data)
    rows: list[Row] = []
    for model in opened:
        rows += _measured(model, pairs, protocol)
    return RetrievalReport(str(data), len(pairs), protocol, tuple(rows), notes)


def similarity_of(
    towers: ClipTowers, pairs: Pairs, snr_db: float | None = None, seed: int = 0
) -> Float32[np.ndarray, "N N"]:
    """The evidence in nats of every video with every audio, the audio's features in noise if asked."""
    audio = _clips(pairs, "audio")
    if snr_db is not None:
        deviation = np.concatenate(audio).std(axis=0)
        rng = np.random.default_rng(seed)
        audio = [feature_noise(rng, clip, snr_db, deviation) for clip in audio]
    told = towers.video.description
    vectors = _encoded(towers.video, _clips(pairs, "video"), pairs), _encoded(towers.audio, audio, pairs)
    return np.float32(told.scale) * (vectors[0] @ vectors[1].T - np.float32(told.baseline))


def _measured(model: Model, pairs: Pairs | MediaList, protocol: Protocol) -> list[Row]:
    rows = []
    conditions = (None, *protocol.noise_snr_db)
    for snr_db, similarity in zip(conditions, _similarities(model, pairs, conditions, protocol.seed), strict=True):
        for kind, normalise in NORMALISATIONS.items():
            scores = evaluate(
                similarity,
                ks=protocol.ks or DEFAULT_KS,
                subset_size=protocol.subset or None,
                draws=protocol.draws,
                seed=protocol.seed,
                normalise=normalise,
            )
            rows.append(Row(model.name, kind, snr_db, scores))
    return rows


def _similarities(
    model: Model, pairs: Pairs | MediaList, conditions: Sequence[float | None], seed: int
) -> Iterable[Float32[np.ndarray, "N N"]]:
    """The matrix of each condition."""
    if isinstance(pairs, Pairs) and model.kind == CLIP_TOWERS:
        towers = load_clip_towers(model)
        return (similarity_of(towers, pairs, snr_db, seed) for snr_db in conditions)
    if model.kind == EVENTS:
        return event_similarities(load_event_model(model), pairs, conditions, seed)
    return media_similarities(load_pair(model), pairs, conditions, seed)


def _clips(pairs: Pairs, side: str) -> list[Float32[np.ndarray, "_ _"]]:
    items = pairs.video if side == "video" else pairs.audio
    return [np.asarray(items[row], np.float32) for row in range(len(pairs))]


def _encoded(tower: ClipTower, clips: Sequence[Float32[np.ndarray, "_ _"]], pairs: Pairs) -> Float32[np.ndarray, "N D"]:
    for name, clip in zip(pairs.names, clips, strict=True):
        tower.check(name, clip)
    return tower.encode(clips)


def _held_out(pairs: Sequence[str], runs: Sequence[Path]) -> Int[np.ndarray, " M"]:
    """The rows of those of the named `pairs` that every one of `runs` held back."""
    names = held_back_names(runs[0])
    for run in runs[1:]:
        if held_back_names(run) != names:
            raise UsageError(f"{run}: held back other pairs than {runs[0]}; evaluate them one by one")
    return held_back_rows(tuple(pairs), runs[0])


def _fitted(protocol: Protocol, num_pairs: int, data: str | Path) -> tuple[Protocol, tuple[str, ...]]:
    """The protocol with its sizes filled in, and what had to be left out of the usual ones."""
    if protocol.subset and protocol.subset >= num_pairs:
        raise UsageError(f"{data}: {num_pairs} pairs are too few for subsets of {protocol.subset}; set --subset 0")
    if protocol.ks and max(protocol.ks) > num_pairs:
        raise UsageError(f"{data}: {num_pairs} pairs, so R@{max(protocol.ks)} says nothing; give smaller --k")
    ks = protocol.ks or tuple(k for k in DEFAULT_KS if k <= num_pairs)
    subset = protocol.subset
    if subset is None:
        subset = DEFAULT_SUBSET if num_pairs > DEFAULT_SUBSET else 0
    left_out = [f"R@{k}" for k in DEFAULT_KS if protocol.ks is None and k > num_pairs]
    left_out += [f"subsets of {DEFAULT_SUBSET}"] if protocol.subset is None and not subset else []
    notes = (f"{data}: too few pairs ({num_pairs}) for {' and '.join(left_out)}: left out",) if left_out else ()
    return replace(protocol, ks=ks, subset=subset), notes
