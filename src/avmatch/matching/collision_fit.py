"""Fit what joins class, distance and cues, on impacts whose partners are known and that no network learned from.

    held-back logits → how far classes may be believed                       ┐ all of them
    other impacts' cues → canonical maps; held-back ones → their correlations │ as recorded
    held-back pairs and strangers of a class → how distance and cues add up   │ and in noise
    groups drawn of held-back impacts, some sounds alone → the threshold      ┘

Letters in shapes: P impacts, H held-back ones, K classes, L metrics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import log_softmax

from avmatch.cues.impact import Fusion, ImpactCue, fit_fusion, fit_impact_cue
from avmatch.matching.collisions import Certainty, Impacts, ImpactScorer, partners

_TEMPERATURES = np.geomspace(0.5, 4.0, 19)
_THRESHOLDS = np.linspace(-4.0, 10.0, 57)
GROUP, NUM_GROUPS = 25, 60


@dataclass(frozen=True, eq=False, repr=False)
class KnownImpacts:
    """Impacts with their partners.

    Attributes:
        label: (P,) their classes.
        film_cues, sound_cues: row by row of one impact; noisy_cues, of the same sounds in noise.
        is_held_back: (P,) those that no network learned from.
        held_back: these alone, film i belonging to sound i; noisy, the same with their sounds in noise.
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
    num_classes = known.held_back.film_logits.shape[1]
    cue = fit_impact_cue(
        np.concatenate([known.film_cues, known.film_cues]),
        np.concatenate([known.sound_cues, known.noisy_cues]),
        np.tile(known.label, 2),
        np.tile(known.is_held_back, 2),
        num_classes,
    )
    both = (known.held_back, known.noisy)
    scorer = ImpactScorer(
        fit_certainty(known.held_back.film_logits, label),
        fit_certainty(np.concatenate([impacts.sound_logits for impacts in both]), np.tile(label, 2)),
        cue,
        tuple(_fusions(both, label, cue, use_distance, use_cue)),
    )
    return replace(scorer, threshold_nats=fit_threshold([scorer.scores(impacts) for impacts in both], alone_share))


def fit_certainty(logits: Float[np.ndarray, "H K"], label: Int[np.ndarray, " H"]) -> Certainty:
    """The temperature with the least log loss, and as floor how often it errs (Laplace: half an error more)."""
    rows = np.arange(len(label))
    losses = [-log_softmax(logits.astype(np.float64) / heat, axis=1)[rows, label].mean() for heat in _TEMPERATURES]
    wrong = int((logits.argmax(axis=1) != label).sum())
    return Certainty(float(_TEMPERATURES[int(np.argmin(losses))]), (wrong + 0.5) / (len(label) + 1.0))


def _fusions(
    both: Sequence[Impacts], label: Int[np.ndarray, " H"], cue: ImpactCue, use_distance: bool, use_cue: bool
) -> list[Fusion]:
    """For each metric the same: a class alone has too few held-back pairs to fit one on."""
    parts = [_of_one_class(impacts, label, cue) for impacts in both]
    far, nats, is_pair = (np.concatenate(column) for column in zip(*parts, strict=True))
    return [fit_fusion(far * use_distance, nats * use_cue, is_pair)] * len(both[0].distance)


def _of_one_class(
    impacts: Impacts, label: Int[np.ndarray, " H"], cue: ImpactCue
) -> tuple[Float[np.ndarray, " P"], Float[np.ndarray, " P"], Bool[np.ndarray, " P"]]:
    """Distance and cues of each film with each sound of its class, and whether they are partners."""
    evidence = np.zeros((len(label), len(label)))
    for one in np.unique(label):
        rows = np.flatnonzero(label == one)
        evidence[np.ix_(rows, rows)] = cue.nats(impacts.film_cues[rows], impacts.sound_cues[rows], int(one))
    same = (label[:, None] == label) & impacts.is_seen[:, None]
    own = label if len(impacts.distance) > 1 else np.zeros_like(label)
    far = impacts.distance[own, np.arange(len(label))]
    return far[same], evidence[same], np.eye(len(label), dtype=bool)[same]


def fit_threshold(scores: Sequence[Float[np.ndarray, "H H"]], alone_share: float) -> float:
    """The score below which saying "alone" gives the most right answers, in groups drawn of held-back impacts.

    Args:
        scores: of the same impacts, as recorded and in noise.
    """
    rng, num = np.random.default_rng(0), len(scores[0])
    groups = [_drawn_group(num, alone_share, rng) for _ in range(NUM_GROUPS)]
    drawn = [(nats[np.ix_(films, sounds)], films, sounds) for nats in scores for films, sounds in groups]
    right = [np.mean([_right(*one, float(least)) for one in drawn]) for least in _THRESHOLDS]
    best = np.flatnonzero(np.array(right) >= max(right) - 1e-9)
    return float(_THRESHOLDS[best].mean())


def _drawn_group(
    num: int, alone_share: float, rng: np.random.Generator
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " m"]]:
    """Films and sounds of one group, as many of either side alone as the share says (of films at most)."""
    size = min(GROUP, max(2, int(num / (1 + alone_share))))
    alone = round(alone_share * size)
    silent = int(rng.integers(0, min(alone, num - size) + 1))
    drawn = rng.choice(num, size + silent, replace=False)
    return np.concatenate([drawn[: size - alone], drawn[size:]]), drawn[:size]


def _right(
    nats: Float[np.ndarray, "n m"], films: Int[np.ndarray, " n"], sounds: Int[np.ndarray, " m"], least: float
) -> float:
    """Share of sounds whose answer is right."""
    partner = partners(nats, complete=False, threshold_nats=least)
    given = np.full(len(sounds), -1)
    given[partner[partner >= 0]] = films[partner >= 0]
    return float((given == np.where(np.isin(sounds, films), sounds, -1)).mean())
