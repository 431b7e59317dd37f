"""What the pairs that a person accepted say of the rest of a shoot: when its sounds come, and which cues to believe.

**Offsets.** A recorder that was started by the same hand, or runs behind by its own latency, is late by about as much
in every pair. The prior over a further pair's offset is the predictive distribution of a Pólya urn (Blackwell and
MacQueen, "Ferguson distributions via Pólya urn schemes", 1973), blurred: with n accepted offsets o_i,

    p(o) = (α · p_usual(o) + Σ_i N(o; o_i, σ²)) / (α + n)

so that a few say little, many say much, and several recorders with offsets of their own each keep theirs.

**Cues.** How often a cue is right depends on the shoot: lips under masks, a wall in the sound. Of each accepted pair's
video the right recording should win among all, P(m) ∝ exp Σ_c f_c · nats_c(m) (McFadden, "Conditional logit analysis",
1973); the factors f_c > 0 are its most probable values under a log-normal prior about 1.

Letters in shapes: C cues, L offsets, P accepted pairs, M audio files.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize
from scipy.special import logsumexp

#: So many accepted pairs' worth counts what is usual.
USUAL_PAIRS = 2.0
#: How far offsets of one recorder lie from one another, and from what a person takes for right, as a deviation.
SAME_SECONDS = 0.03
#: How far the factors of cues lie from 1, as a deviation of their logarithm.
FACTOR_DEVIATION = 0.35
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
    if not len(accepted_seconds):
        return usual
    deviations = (lags_seconds - np.asarray(accepted_seconds)[:, None]) / SAME_SECONDS
    kernels = -0.5 * deviations**2
    kernels -= logsumexp(kernels, axis=1, keepdims=True)
    every = np.vstack([usual + np.log(USUAL_PAIRS), kernels])
    return np.asarray(logsumexp(every, axis=0) - np.log(USUAL_PAIRS + len(accepted_seconds)))


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
