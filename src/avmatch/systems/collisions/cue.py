"""What a sound says about an object's path: regularised canonical correlation of the two sides' physical cues.

A sound's cues are when it hits, how loud and how early each microphone records it, and how loud the slide before and
after is at each; a video's are the object's place, speed and direction around the moment its path breaks. Inside a
class, canonical correlation analysis (Hotelling, "Relations between two sets of variates", 1936) finds the numbers of
one side that go with numbers of the other, wherever the microphones stand. If each such pair (x, y), of variance 1 and
correlation ρ, is Gaussian, then

    log p(x, y) / (p(x) p(y)) = −½ log(1 − ρ²) − (ρ² (x² + y²) − 2 ρ x y) / (2 (1 − ρ²))

and the sum over the pairs is the evidence, in nats, that the two belong together. The correlations are those of
held-back impacts: those of the training impacts are too high.

`Fusion` joins it with the towers' distance: a logistic regression on held-back pairs, matching or not, of one class.

Letters in shapes: N videos, M sounds, A and B cues of a video and a sound, R canonical pairs, K classes, P pairs.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.linalg import eigh
from scipy.optimize import minimize
from scipy.special import expit

#: What counts of a canonical number; beyond, it is an outlier.
_REACH = 4.0
_MAX_CORRELATION = 0.995


@dataclass(frozen=True, eq=False, repr=False)
class ImpactCue:
    """Fitted maps.

    Attributes:
        film_mean, sound_mean: (K, A), (K, B) of each class.
        film_map, sound_map: (A, R), (B, R) to numbers of variance 1.
        correlation: (R,) ρ of each.
    """

    film_mean: Float[np.ndarray, "K A"]
    sound_mean: Float[np.ndarray, "K B"]
    film_map: Float[np.ndarray, "A R"]
    sound_map: Float[np.ndarray, "B R"]
    correlation: Float[np.ndarray, " R"]

    def nats(
        self, film: Float[np.ndarray, "N A"], sound: Float[np.ndarray, "M B"], label: int
    ) -> Float[np.ndarray, "N M"]:
        """Evidence of each pair, if both are of the class `label`."""
        x = np.clip((film - self.film_mean[label]) @ self.film_map, -_REACH, _REACH)
        y = np.clip((sound - self.sound_mean[label]) @ self.sound_map, -_REACH, _REACH)
        rho = self.correlation
        rest = 1 - rho**2
        alone = (x**2 @ (rho**2 / rest))[:, None] + y**2 @ (rho**2 / rest)
        together = 2 * (x * (rho / rest)) @ y.T
        return -0.5 * np.log(rest).sum() - 0.5 * (alone - together)


@dataclass(frozen=True)
class Fusion:
    """Nats of a pair inside a class = constant + by_distance · D + by_cue · the cue's nats (damped)."""

    constant: float
    by_distance: float
    by_cue: float

    def nats(
        self, distance: Float[np.ndarray, "*shape"], cue: Float[np.ndarray, "*shape"]
    ) -> Float[np.ndarray, "*shape"]:
        """Of each pair."""
        return self.constant + self.by_distance * distance + self.by_cue * damped(cue)


def damped(nats: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Far below zero an outlier says hardly more than a common mismatch: −20 nats and less count as about −10."""
    return np.where(nats < 0, -10 * np.tanh(-nats / 10), nats)


def fit_impact_cue(
    film: Float[np.ndarray, "P A"],
    sound: Float[np.ndarray, "P B"],
    label: Int[np.ndarray, " P"],
    is_held_back: Bool[np.ndarray, " P"],
    num_classes: int,
    *,
    num_pairs: int = 16,
    ridge: float = 0.2,
) -> ImpactCue:
    """Fit the maps on the impacts that aren't held back, variances and correlations on those that are.

    Args:
        film, sound: row i of one belongs to row i of the other.
        ridge: is added to the variances (of cues that were scaled to 1).
    """
    learned = ~is_held_back
    film_mean, sound_mean = (_class_means(side[learned], label[learned], num_classes) for side in (film, sound))
    film, sound = film - film_mean[label], sound - sound_mean[label]
    film_white, sound_white = (_whitening(side[learned], ridge) for side in (film, sound))
    cross = (film[learned] @ film_white).T @ (sound[learned] @ sound_white) / learned.sum()
    left, _, right = np.linalg.svd(cross, full_matrices=False)
    film_map, sound_map = film_white @ left[:, :num_pairs], sound_white @ right[:num_pairs].T
    x, y = film[is_held_back] @ film_map, sound[is_held_back] @ sound_map
    correlation = np.clip((x * y).mean(axis=0) / (_spread(x) * _spread(y)), 0.0, _MAX_CORRELATION)
    return ImpactCue(film_mean, sound_mean, film_map / _spread(x), sound_map / _spread(y), correlation)


def fit_fusion(
    distance: Float[np.ndarray, " P"], cue: Float[np.ndarray, " P"], is_pair: Bool[np.ndarray, " P"]
) -> Fusion:
    """Logistic regression in which matching and other pairs have the same weight: the answer is a likelihood ratio.

    Where there is only one of the two kinds, nothing can be learned: 0 nats for all.
    """
    if is_pair.all() or not is_pair.any():
        return Fusion(0.0, 0.0, 0.0)
    columns = np.stack([np.ones(len(distance)), distance, damped(cue)], axis=1)
    weight = np.where(is_pair, 0.5 / is_pair.sum(), 0.5 / (~is_pair).sum())
    scale = np.maximum(np.abs(columns).max(axis=0), 1e-9)
    scaled = columns / scale

    def cost(values: Float[np.ndarray, " 3"]) -> tuple[float, Float[np.ndarray, " 3"]]:
        logits = scaled @ values
        lost = weight @ (np.logaddexp(0, logits) - is_pair * logits) + 1e-6 * values @ values
        return float(lost), scaled.T @ (weight * (expit(logits) - is_pair)) + 2e-6 * values

    # More distance, or less evidence, never speaks for a pair.
    bounds = [(None, None), (None, 0.0), (0.0, None)]
    found = minimize(cost, np.zeros(3), jac=True, method="L-BFGS-B", bounds=bounds).x / scale
    return Fusion(*found.tolist())


def _class_means(
    values: Float[np.ndarray, "P A"], label: Int[np.ndarray, " P"], num_classes: int
) -> Float[np.ndarray, "K A"]:
    """The mean of each class; of all impacts where a class has none."""
    means = np.repeat(values.mean(axis=0)[None], num_classes, axis=0)
    for one in np.unique(label):
        means[one] = values[label == one].mean(axis=0)
    return means


def _whitening(values: Float[np.ndarray, "P A"], ridge: float) -> Float[np.ndarray, "A A"]:
    """To about uncorrelated numbers of variance 1."""
    scale = np.maximum(values.std(axis=0), 1e-6)
    scaled = values / scale
    power, axes = eigh(scaled.T @ scaled / len(values) + ridge * np.eye(values.shape[1]))
    return (axes / np.sqrt(power)) / scale[:, None]


def _spread(values: Float[np.ndarray, "P R"]) -> Float[np.ndarray, " R"]:
    return np.maximum(np.sqrt(np.square(values).mean(axis=0)), 1e-9)
