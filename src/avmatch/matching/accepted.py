"""What the pairs that a person accepted say of the rest of a shoot: when its sounds come, and which cues to believe.

**Offsets.** A recorder that was started by the same hand, or runs behind by its own latency, is late by about as much
in every pair. The prior over a further pair's offset is the predictive distribution of a Pólya urn (Blackwell and
MacQueen, "Ferguson distributions via Pólya urn schemes", 1973), blurred: with n accepted offsets o_i,

    p(o) = (1 − π) · p_usual(o) + π / n · Σ_i N(o; o_i, σ²)

so that several recorders with offsets of their own each keep theirs. The share π is how often an accepted offset lies
where the others foretell it better than what is usual, by expectation maximisation with each left out in turn, and with
USUAL_PAIRS that do not: a few say little, many say much, and offsets that have nothing in common say nothing.

**Cues.** How often a cue is right depends on the shoot: lips under masks, a wall in the sound. Of each accepted pair's
video the right recording should win among all, P(m) ∝ exp Σ_c f_c · nats_c(m) (McFadden, "Conditional logit analysis",
1973); the factors f_c > 0 are its most probable values under a log-normal prior about 1.

Letters in shapes: C cues, L offsets, P accepted pairs, M audio files.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize
from scipy.special import expit, logsumexp

#: So many pairs are taken to lie where it is usual, beside those that were accepted.
USUAL_PAIRS = 2.0
#: How far offsets of one recorder lie from one another, and from what a person takes for right, as a deviation.
SAME_SECONDS = 0.03
#: How far the factors of cues lie from 1, as a deviation of their logarithm.
FACTOR_DEVIATION = 0.35
_EM_ROUNDS, _LEAST_SHARE = 30, 1e-3
#: Offsets are looked for so much beyond the farthest that was accepted.
BEYOND_SECONDS = 0.1


def offset_prior(
    lags_seconds: Float[np.ndarray, " L"],
    usual: Float[np.ndarray, " L"],
    accepted_seconds: Sequence[float],
) -> Float[np.ndarray, " L"]:
    """Log prior over offsets, summing to one in probability.

    Args:
        usual: the log prior where nothing was accepted; it need not be normalised.
        accepted_seconds: the offsets of accepted pairs of the same recorder.
    """
    usual = usual - logsumexp(usual)
    accepted = np.asarray(accepted_seconds, np.float64)
    if not len(accepted):
        return usual
    kernels = -0.5 * ((lags_seconds - accepted[:, None]) / SAME_SECONDS) ** 2
    kernels -= logsumexp(kernels, axis=1, keepdims=True)
    places = np.abs(lags_seconds - accepted[:, None]).argmin(axis=1)
    share = _repeated_share(kernels[:, places], usual[places])
    shared = logsumexp(kernels, axis=0) - np.log(len(accepted))
    return np.asarray(np.logaddexp(np.log1p(-share) + usual, np.log(share) + shared))


def _repeated_share(kernels: Float[np.ndarray, "P P"], usual: Float[np.ndarray, " P"]) -> float:
    """The share π of further offsets that lie where accepted ones do.

    Args:
        kernels: log probability of each accepted offset (columns) by each kernel (rows).
        usual: its log probability by what is usual.
    """
    num, share = len(usual), 0.5
    if num == 1:
        return 1.0 / (1.0 + USUAL_PAIRS)
    others = np.where(np.eye(num, dtype=bool), -np.inf, kernels)
    foretold = logsumexp(others, axis=0) - np.log(num - 1)
    for _ in range(_EM_ROUNDS):
        odds = np.log(share) + foretold - np.log1p(-share) - usual
        share = float((expit(odds).sum() + _LEAST_SHARE) / (num + USUAL_PAIRS))
    return share


def cue_factors(parts: Float[np.ndarray, "C P M"], right: Int[np.ndarray, " P"]) -> Float[np.ndarray, " C"]:
    """What the nats of each cue are to be multiplied with.

    Args:
        parts: weighted nats of each cue, of each accepted pair's video with every recording.
        right: the recording that was accepted.
    """
    num_cues, num_pairs, num_audio = parts.shape
    if not num_pairs or num_audio < 2:
        return np.ones(num_cues)
    nats = np.asarray(parts, np.float64)
    of_right = np.take_along_axis(nats, right[None, :, None], axis=2)[..., 0]

    def loss(logs: Float[np.ndarray, " C"]) -> tuple[float, Float[np.ndarray, " C"]]:
        factors = np.exp(logs)
        total = np.tensordot(factors, nats, axes=1)
        shares = np.exp(total - logsumexp(total, axis=1, keepdims=True))
        missed = logsumexp(total, axis=1) - factors @ of_right
        slope = factors * ((shares[None] * nats).sum(axis=2) - of_right).sum(axis=1)
        penalty = logs / FACTOR_DEVIATION**2
        return float(missed.sum() + 0.5 * logs @ penalty), slope + penalty

    found = minimize(loss, np.zeros(num_cues), jac=True, method="L-BFGS-B")
    return np.exp(found.x)
