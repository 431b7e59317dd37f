"""Which sound belongs to which impact: class, distance and cues in one score; all classes in one assignment.

    score = log Σ_k p(k | film) p(k | sound) / p(k) · exp(nats_k)

where nats_k is the evidence for the pair if both are of class k (cue.py). So a doubtful class costs what it is worth,
and none is final. `two_stage` is the published method beside it: classes first, then an assignment inside each.

`fit_scorer` fits all of that on impacts whose partners are known and that no network learned from:

    held-back logits → how far classes may be believed                        ┐ all of them
    other impacts' cues → canonical maps; held-back ones → their correlations │ as recorded
    held-back pairs of one class → how distance and cues add up               │ and in noise
    groups drawn of held-back impacts, some sounds alone → the threshold      ┘

Letters in shapes: N videos, M sounds, K classes, L metrics (1, or one a class), P impacts, H held-back ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.special import log_softmax, logsumexp

from avmatch.core.errors import ModelError
from avmatch.systems.collisions.cue import Fusion, ImpactCue, fit_fusion, fit_impact_cue
from avmatch.systems.collisions.features import SoundFeatures, VideoFeatures
from avmatch.systems.collisions.runtime import CollisionModel

_TEMPERATURES = np.geomspace(0.5, 4.0, 19)
_THRESHOLDS = np.linspace(-4.0, 10.0, 57)
GROUP, NUM_GROUPS = 25, 60


@dataclass(frozen=True)
class Certainty:
    """How far a classifier may be believed: logits are divided by `temperature`; `floor` is how often it just errs."""

    temperature: float
    floor: float

    def log_posterior(self, logits: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "N K"]:
        """Log probability of each class."""
        sure = np.exp(log_softmax(logits.astype(np.float64) / self.temperature, axis=1))
        return np.log((1 - self.floor) * sure + self.floor / logits.shape[1])


@dataclass(frozen=True, eq=False, repr=False)
class Impacts:
    """What is known of videos and sounds before they are compared.

    Attributes:
        film_logits, sound_logits: (N, K), (M, K) of the two classifiers.
        film_cues, sound_cues: (N, A), (M, B).
        is_seen: (N,) whether any mask of the video shows something; otherwise only its class counts.
        distance: (L, N, M) of the towers' vectors.
    """

    film_logits: Float[np.ndarray, "N K"]
    sound_logits: Float[np.ndarray, "M K"]
    film_cues: Float[np.ndarray, "N A"]
    sound_cues: Float[np.ndarray, "M B"]
    is_seen: Bool[np.ndarray, " N"]
    distance: Float[np.ndarray, "L N M"]


@dataclass(frozen=True, eq=False, repr=False)
class ImpactScorer:
    """Everything that was fitted.

    Attributes:
        film_class, sound_class: how far the classifiers may be believed.
        cue: the physical cues.
        fusions: of cue and distance; one for each metric.
        threshold_nats: a pair that scores less is none, where sounds may be alone.
    """

    film_class: Certainty
    sound_class: Certainty
    cue: ImpactCue
    fusions: tuple[Fusion, ...]
    threshold_nats: float = 0.0

    def class_nats(self, impacts: Impacts, label: int) -> Float[np.ndarray, "N M"]:
        """Evidence for each pair if both are of one class."""
        place = label if len(self.fusions) > 1 else 0
        cue = self.cue.nats(impacts.film_cues, impacts.sound_cues, label)
        return np.where(impacts.is_seen[:, None], self.fusions[place].nats(impacts.distance[place], cue), 0.0)

    def scores(self, impacts: Impacts) -> Float[np.ndarray, "N M"]:
        """Nats of each pair, the class unknown."""
        film = self.film_class.log_posterior(impacts.film_logits)
        sound = self.sound_class.log_posterior(impacts.sound_logits)
        same_class = film[:, None] + sound + np.log(film.shape[1])
        parts = [same_class[..., one] + self.class_nats(impacts, one) for one in range(film.shape[1])]
        return logsumexp(parts, axis=0)

    def two_stage(self, impacts: Impacts, *, complete: bool) -> Int[np.ndarray, " N"]:
        """The sound given to each video, or −1, by the published method: the likeliest class is taken for sure.

        A video that finds no sound in its class gets one of those left over, if it has to have one.
        """
        film, sound = impacts.film_logits.argmax(axis=1), impacts.sound_logits.argmax(axis=1)
        partner = np.full(len(film), -1)
        # In the score a class that both surely have counts log K.
        threshold = self.threshold_nats - np.log(impacts.film_logits.shape[1])
        # Where a video gets none, the place −1 among the columns is −1, too.
        stages = [(film == one, sound == one, self.class_nats(impacts, int(one))) for one in np.unique(film)]
        for videos, sounds, nats in stages:
            rows, columns = np.flatnonzero(videos), np.append(np.flatnonzero(sounds), -1)
            partner[rows] = columns[partners(nats[videos][:, sounds], complete=complete, threshold_nats=threshold)]
        if complete:
            rows, columns = np.flatnonzero(partner < 0), np.append(np.setdiff1d(np.arange(len(sound)), partner), -1)
            partner[rows] = columns[partners(self.scores(impacts)[np.ix_(rows, columns[:-1])], complete=True)]
        return partner

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self) | {"cue": {name: value.tolist() for name, value in vars(self.cue).items()}}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ImpactScorer:
        """From `to_json`. Raises ValueError, KeyError or TypeError if it isn't that."""
        film, sound = (Certainty(**values[name]) for name in ("film_class", "sound_class"))
        cue = ImpactCue(**{name: np.array(value, np.float64) for name, value in values["cue"].items()})
        fusions = tuple(Fusion(**fusion) for fusion in values["fusions"])
        return cls(film, sound, cue, fusions, float(values["threshold_nats"]))


def scorer_of(system: CollisionModel) -> ImpactScorer:
    """What was fitted for a system. Raises ModelError if its system.json isn't whole, or of other metrics."""
    try:
        scorer = ImpactScorer.from_json(system.system)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{system.path}: system.json isn't whole ({error}); train it again") from error
    num_fusions, num_metrics = len(scorer.fusions), len(system.metrics)
    if num_fusions != num_metrics:
        raise ModelError(f"{system.path}: {num_fusions} fusions for {num_metrics} metrics; train it again")
    return scorer


def partners(nats: Float[np.ndarray, "N M"], *, complete: bool, threshold_nats: float = 0.0) -> Int[np.ndarray, " N"]:
    """The sound given to each video, or −1: one assignment over all classes.

    Args:
        complete: everything on the smaller side gets a partner; otherwise no pair scores less than `threshold_nats`.
    """
    gain = nats if complete else np.maximum(nats - threshold_nats, 0.0)
    rows, columns = linear_sum_assignment(-gain)
    good = complete | (nats[rows, columns] >= threshold_nats)
    partner = np.full(len(nats), -1)
    partner[rows[good]] = columns[good]
    return partner


def encoded(system: CollisionModel, videos: Sequence[VideoFeatures], sounds: Sequence[SoundFeatures]) -> Impacts:
    """Everything that the networks and front ends say of videos and sounds."""
    bands = [sound.bands for sound in sounds]
    distance = np.zeros((len(system.metrics), len(videos), len(sounds)))
    if distance.size:
        for place, towers in enumerate(system.metrics):
            side = towers.film.description.side
            shown = [film.path if side == "path" else film.masks for film in videos]
            distance[place] = cdist(towers.film(shown), towers.sound(bands))
    return Impacts(
        system.picture_classes([film.crops for film in videos]).astype(np.float64),
        system.sound_classes(bands).astype(np.float64),
        np.array([film.cues for film in videos], np.float64).reshape(len(videos), -1 if videos else 1),
        np.array([sound.cues for sound in sounds], np.float64).reshape(len(sounds), -1 if sounds else 1),
        np.array([film.is_seen for film in videos], bool),
        distance,
    )


@dataclass(frozen=True, eq=False, repr=False)
class KnownImpacts:
    """Impacts with their partners.

    Attributes:
        label: (P,) their classes.
        film_cues, sound_cues: row by row of one impact; noisy_cues, of the same sounds in noise.
        is_held_back: (P,) those that no network learned from.
        held_back: these alone, video i belonging to sound i; noisy, the same with their sounds in noise.
    """

    label: Int[np.ndarray, " P"]
    film_cues: Float[np.ndarray, "P A"]
    sound_cues: Float[np.ndarray, "P B"]
    noisy_cues: Float[np.ndarray, "P B"]
    is_held_back: Bool[np.ndarray, " P"]
    held_back: Impacts
    noisy: Impacts


def fit_scorer(
    known: KnownImpacts, *, alone_share: float, use_distance: bool = True, use_cue: bool = True
) -> ImpactScorer:
    """Fit everything.

    Args:
        alone_share: of the sounds in the groups that the threshold is fitted on.
        use_distance, use_cue: without one of them it counts nothing, to see what the other is worth.
    """
    label = known.label[known.is_held_back]
    cue = fit_impact_cue(
        np.concatenate([known.film_cues, known.film_cues]),
        np.concatenate([known.sound_cues, known.noisy_cues]),
        np.tile(known.label, 2),
        np.tile(known.is_held_back, 2),
        known.held_back.film_logits.shape[1],
    )
    both = (known.held_back, known.noisy)
    parts = zip(*(_of_one_class(impacts, label, cue) for impacts in both), strict=True)
    distance, nats, is_pair = (np.concatenate(part) for part in parts)
    fusion = fit_fusion(distance * use_distance, nats * use_cue, is_pair)
    scorer = ImpactScorer(
        fit_certainty(known.held_back.film_logits, label),
        fit_certainty(np.concatenate([impacts.sound_logits for impacts in both]), np.tile(label, 2)),
        cue,
        # One for all metrics: a class alone has too few held-back pairs to fit one on.
        (fusion,) * len(known.held_back.distance),
    )
    return replace(scorer, threshold_nats=fit_threshold([scorer.scores(impacts) for impacts in both], alone_share))


def fit_certainty(logits: Float[np.ndarray, "H K"], label: Int[np.ndarray, " H"]) -> Certainty:
    """The temperature with the least log loss, and as floor how often it errs (Laplace: half an error more)."""
    rows = np.arange(len(label))
    losses = [-log_softmax(logits.astype(np.float64) / heat, axis=1)[rows, label].mean() for heat in _TEMPERATURES]
    wrong = int((logits.argmax(axis=1) != label).sum())
    return Certainty(float(_TEMPERATURES[int(np.argmin(losses))]), (wrong + 0.5) / (len(label) + 1.0))


def _of_one_class(
    impacts: Impacts, label: Int[np.ndarray, " H"], cue: ImpactCue
) -> tuple[Float[np.ndarray, " P"], Float[np.ndarray, " P"], Bool[np.ndarray, " P"]]:
    """Distance and cues of each video with each sound of its class, and whether they match."""
    evidence = np.zeros((len(label), len(label)))
    for one in np.unique(label):
        rows = np.flatnonzero(label == one)
        evidence[np.ix_(rows, rows)] = cue.nats(impacts.film_cues[rows], impacts.sound_cues[rows], int(one))
    same = (label[:, None] == label) & impacts.is_seen[:, None]
    metric = label if len(impacts.distance) > 1 else np.zeros_like(label)
    distance = impacts.distance[metric, np.arange(len(label))]
    return distance[same], evidence[same], np.eye(len(label), dtype=bool)[same]


def fit_threshold(scores: Sequence[Float[np.ndarray, "H H"]], alone_share: float) -> float:
    """The score below which saying "alone" gives the most right answers, in groups drawn of held-back impacts.

    Args:
        scores: of the same impacts, as recorded and in noise.
    """
    rng, num = np.random.default_rng(0), len(scores[0])
    groups = [_drawn_group(num, alone_share, rng) for _ in range(NUM_GROUPS)]
    drawn = [(nats[np.ix_(videos, sounds)], videos, sounds) for nats in scores for videos, sounds in groups]
    right = [np.mean([_right(*one, float(least)) for one in drawn]) for least in _THRESHOLDS]
    best = np.flatnonzero(np.array(right) >= max(right) - 1e-9)
    return float(_THRESHOLDS[best].mean())


def _drawn_group(
    num: int, alone_share: float, rng: np.random.Generator
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " m"]]:
    """Rows of the videos and sounds of one group: as many sounds alone as the share says, and up to as many videos."""
    size = min(GROUP, max(2, int(num / (1 + alone_share))))
    alone = round(alone_share * size)
    silent = int(rng.integers(0, min(alone, num - size) + 1))
    drawn = rng.choice(num, size + silent, replace=False)
    return np.concatenate([drawn[: size - alone], drawn[size:]]), drawn[:size]


def _right(
    nats: Float[np.ndarray, "n m"], videos: Int[np.ndarray, " n"], sounds: Int[np.ndarray, " m"], least: float
) -> float:
    """Share of sounds whose answer is right."""
    partner = partners(nats, complete=False, threshold_nats=least)
    given = np.full(len(sounds), -1)
    given[partner[partner >= 0]] = videos[partner >= 0]
    return float((given == np.where(np.isin(sounds, videos), sounds, -1)).mean())
