"""What the whole shoot knows of each pair: its clocks and its order, learned from pairs that the content is sure of.

    scores by content → sure pairs → clocks, order (cues/clock.py, cues/order.py) → scores with them → sure pairs …

Order follows from time, so it isn't asked of a camera and a recorder whose clocks speak. Where nothing is consistent
the scores stay as they are.

Letters in shapes: N videos, M audio files, S sure pairs.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from avmatch.core.origins import Origin
from avmatch.cues.clock import ClockFit, clock_nats
from avmatch.cues.order import LEAST_OUTSIDE, order_nats
from avmatch.matching.constraints import Constraints
from avmatch.matching.decision import NOTHING_GIVEN, by_gallery, figures, partners
from avmatch.matching.fusion import Scores, with_evidence
from avmatch.matching.settings import MatchSettings

TIME_CUES = CLOCK, ORDER = ("clock", "order")
#: Pairs at least so probable by the gallery are learned from; and so often, each time with what was learned before.
SURE_CONFIDENCE, NUM_ROUNDS = 0.9, 2
#: A pair of which everything else says less than this rests on time alone. It is no surer than files are in order, and
#: a clip whose recorder didn't run has its place among the others, too.
LEAST_OTHER_NATS, TIME_CONFIDENCE = 1.0, 1.0 - LEAST_OUTSIDE


def with_shoot(
    scores: Scores,
    by_face: Bool[np.ndarray, "N M"],
    videos: Sequence[Origin],
    audios: Sequence[Origin],
    settings: MatchSettings,
    given: Constraints = NOTHING_GIVEN,
    seconds: Float[np.ndarray, " N"] | None = None,
) -> tuple[Scores, tuple[str, ...]]:
    """The scores with the evidence of clocks and of order, where there is any; and remarks on what was learned.

    Args:
        by_face: where a cue that looks at faces contributed most.
        videos, audios: where the files of the rows and columns come from.
        given: what a person decided; pairs that are made so are sure.
        seconds: the lengths of the pictures; None = as usual.
    """
    found = scores
    notes: tuple[str, ...] = ()
    if not scores.nats.size or not (settings.use_clock or settings.use_order):
        return scores, ()
    for _ in range(NUM_ROUNDS):
        sure = _sure_pairs(found, by_face, settings, given, seconds)
        found, notes = _learned(scores, videos, audios, sure, settings)
        if found is scores:
            break
    return found, notes


def at_most_by_time(confidence: Float64[np.ndarray, "N M"], scores: Scores) -> Float64[np.ndarray, "N M"]:
    """The confidences, where those of pairs that rest on clocks and order alone are TIME_CONFIDENCE at most."""
    by_time = [part for name, part in zip(scores.cue_names, scores.parts, strict=True) if name in TIME_CUES]
    if not by_time:
        return confidence
    nats = np.sum(by_time, axis=0)
    rests_on_time = (nats > 0.0) & (scores.nats - nats < LEAST_OTHER_NATS)
    return np.where(rests_on_time, np.minimum(confidence, TIME_CONFIDENCE), confidence)


def _sure_pairs(
    scores: Scores,
    by_face: Bool[np.ndarray, "N M"],
    settings: MatchSettings,
    given: Constraints,
    seconds: Float[np.ndarray, " N"] | None,
) -> Int[np.ndarray, "S 2"]:
    """Rows and columns."""
    confidence = by_gallery(figures(scores.nats, shared=settings.many), by_face, seconds)
    if given:
        confidence = given.with_confidence(confidence, shared=settings.many)
    partner = partners(confidence, replace(settings, min_confidence=SURE_CONFIDENCE, complete=False))
    (rows,) = np.nonzero(partner >= 0)
    return np.stack([rows, partner[rows]], axis=1)


def _learned(
    scores: Scores,
    videos: Sequence[Origin],
    audios: Sequence[Origin],
    sure: Int[np.ndarray, "S 2"],
    settings: MatchSettings,
) -> tuple[Scores, tuple[str, ...]]:
    """The scores with what these pairs say of clocks and of order."""
    notes: list[str] = []
    by_time = np.zeros(scores.nats.shape, bool)
    found = scores
    if settings.use_clock:
        nats, fits = clock_nats(videos, audios, scores.offset_seconds, sure)
        if fits:
            by_time = nats != 0.0
            found = with_evidence(found, CLOCK, nats)
            notes += map(_clock_note, fits)
    if settings.use_order:
        nats, orders = order_nats(videos, audios, sure)
        nats = np.where(by_time, np.float32(0.0), nats)
        if nats.any():
            found = with_evidence(found, ORDER, nats)
            notes += [f"files follow one another: {order}" for order in orders]
    return found, tuple(notes)


def _clock_note(fit: ClockFit) -> str:
    line = fit.lines[0]
    seconds = round(abs(line.ahead_seconds))
    days, rest = divmod(seconds, 24 * 60 * 60)
    length = f"{days} d " * bool(days) + f"{rest // 3600}:{rest // 60 % 60:02d}:{rest % 60:02d}"
    agreeing = round(sum(line.share for line in fit.lines) * (fit.num_sure + 2))
    drift = f", drifting by {1e6 * line.drift:+.0f} ppm" if abs(line.drift) >= 20e-6 else ""
    return (
        f"clocks: {fit.recorder} ({fit.sources[1]}) is {length} {'ahead of' if line.ahead_seconds >= 0 else 'behind'} "
        f"{fit.camera} ({fit.sources[0]}){drift}, by {agreeing} of {fit.num_sure} pairs"
    )
