"""How probable is it that a pair is right, seen against everything else in the room?

Nats alone don't say: among a hundred sentences of one speaker every pair scores high, among a hundred bouncing balls
the right one scores low and still stands alone. So each video's scores are first measured in units of its own strangers
(median and spread to the ninth decile, shrunk to usual values where there are few), and four figures of a pair are
mapped to a frequency by logistic regression, fitted on development clips and synthetic ones in galleries of 2 to 120:

- the score,
- the lead over the best other audio of the same video,
- the lead over the best other video of the same audio,
- the size of the gallery.

Where a face decided, they count otherwise: one that leads by little is right more often than an impact that does.

Letters in shapes: N videos, M audio files.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Float64
from scipy.special import expit

#: What strangers usually score (nats), and with which weight, in items, that counts where there are few.
USUAL_MEDIAN, USUAL_SPREAD, USUAL_WEIGHT = 0.6, 1.2, 10.0
USUAL_PAIRS = 30.0
#: In small galleries a rival is assumed that scores like this.
USUAL_RIVAL = 1.2
MIN_SPREAD = 0.02
#: Weights of score, lead in the row, lead in the column, log gallery size, and the constant (benchmarks/calibrate.py):
#: where a face decided, and elsewhere.
FACE_WEIGHTS = (0.273, 1.241, 0.720, -0.348, 1.234)
WEIGHTS = (1.310, 0.754, 0.891, -0.606, -0.222)


def confidences(
    nats: Float[np.ndarray, "N M"], by_face: Bool[np.ndarray, "N M"] | None = None, *, shared: bool = False
) -> Float64[np.ndarray, "N M"]:
    """Probability in 0…1 that each pair is right.

    Args:
        nats: (N, M) scores.
        by_face: (N, M) whether a cue that looks at faces contributed most; None = nowhere.
        shared: a recording may serve several videos, so the lead over other videos says nothing.
    """
    if not nats.size:
        return np.zeros(nats.shape)
    found = figures(nats, shared=shared)
    log_odds = found @ WEIGHTS[:-1] + WEIGHTS[-1]
    if by_face is not None:
        log_odds = np.where(by_face, found @ FACE_WEIGHTS[:-1] + FACE_WEIGHTS[-1], log_odds)
    probability: Float64[np.ndarray, "N M"] = expit(log_odds)
    return probability


def figures(nats: Float[np.ndarray, "N M"], *, shared: bool = False) -> Float64[np.ndarray, "N M 4"]:
    """What the confidence of each pair is made of: score, lead in the row, lead in the column, log size."""
    scores = np.asarray(nats, np.float64)
    median, spread = _strangers(scores)
    units = (scores - median) / spread
    rival = (USUAL_RIVAL - median) / spread
    lead_in_row = units - np.maximum(_best_other(units), rival)
    lead_in_column = lead_in_row if shared else units - np.maximum(_best_other(units.T).T, rival)
    size = 0.5 * np.log(scores.size)
    columns = (_damped(scores), _damped(lead_in_row), _damped(lead_in_column), np.full(scores.shape, size))
    return np.stack(columns, axis=-1)


def _strangers(scores: Float64[np.ndarray, "N M"]) -> tuple[Float64[np.ndarray, "N 1"], Float64[np.ndarray, "N 1"]]:
    """Median and spread of each row, shrunk to those of all rows, and these to the usual ones."""
    num_audio = scores.shape[1]
    median, decile = np.quantile(scores, (0.5, 0.9), axis=1)
    log_spread = np.log(np.maximum(decile - median, MIN_SPREAD))
    pairs, usual = scores.size, np.log(USUAL_SPREAD)
    pooled = (pairs * np.median(log_spread) + USUAL_PAIRS * usual) / (pairs + USUAL_PAIRS)
    spread = np.exp((num_audio * log_spread + USUAL_WEIGHT * pooled) / (num_audio + USUAL_WEIGHT))
    middle = (num_audio * median + USUAL_WEIGHT * USUAL_MEDIAN) / (num_audio + USUAL_WEIGHT)
    return middle[:, None], spread[:, None]


def _best_other(values: Float64[np.ndarray, "N M"]) -> Float64[np.ndarray, "N M"]:
    """For each value the largest of the others in its row; -inf if there are none."""
    if values.shape[1] < 2:
        return np.full(values.shape, -np.inf)
    second, first = np.partition(values, -2, axis=1)[:, -2:].T
    others = np.repeat(first[:, None], values.shape[1], axis=1)
    best = values.argmax(axis=1)
    others[np.arange(len(values)), best] = second
    return others


def _damped(values: Float64[np.ndarray, "N M"]) -> Float64[np.ndarray, "N M"]:
    """Sign-preserving logarithm: a lead of hundred isn't ten times as sure as one of ten."""
    return np.sign(values) * np.log1p(np.abs(values))
