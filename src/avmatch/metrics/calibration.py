"""Scores → nats: logistic regression of matching against non-matching pairs, both kinds weighing alike.

As both weigh alike, the log-odds are a likelihood ratio. Targets may be a little less than sure, (N + 1) / (N + 2) for
N pairs (Platt 1999, "Probabilistic outputs for support vector machines"): a few pairs that happen to be perfectly apart
don't make the fit infinitely sure.
"""

from collections.abc import Callable

import numpy as np
import scipy.optimize
from jaxtyping import Float


def platt_target(num_pairs: int) -> float:
    """What `num_pairs` pairs can show at most."""
    return (num_pairs + 1) / (num_pairs + 2)


def fit_nats(
    nats: Callable[[Float[np.ndarray, " P"], np.ndarray], Float[np.ndarray, " N"]],
    start: tuple[float, float],
    matching: Float[np.ndarray, "*scores"],
    others: Float[np.ndarray, "*rivals"],
    targets: tuple[float, float] = (1.0, 1.0),
) -> tuple[float, float]:
    """The two parameters of `nats(parameters, scores)` with the least log loss.

    Args:
        matching, others: the scores of either kind.
        targets: how sure the answers about each kind are.
    """

    def loss(parameters: Float[np.ndarray, " P"]) -> float:
        total = 0.0
        for scores, sign, target in ((matching, 1.0, targets[0]), (others, -1.0, targets[1])):
            values = sign * nats(parameters, scores)
            right, wrong = np.logaddexp(0.0, -values), np.logaddexp(0.0, values)
            total += float((target * right + (1 - target) * wrong).mean())
        return total

    first, second = scipy.optimize.minimize(loss, np.array(start), method="Nelder-Mead").x
    return float(first), float(second)
