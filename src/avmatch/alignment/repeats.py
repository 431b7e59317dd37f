"""A clip that is played over and over says no more than once: its first round is what is measured.

Nats add up over time because moments are independent. In a loop they are the same moments again, and a foreign sound
that agrees a little by chance would agree a lot. A loop shows in both: the change of the picture and the onsets of the
sound, each against itself so many seconds later, correlate over all that overlaps. A beat repeats in the sound alone,
a machine nearly in the picture alone; where both come again as they were, nothing new is said, and neither where the
picture comes again exactly.

Letters in shapes: T ticks.
"""

import numpy as np
import scipy.fft
from jaxtyping import Float
from scipy.ndimage import uniform_filter1d

from avmatch.alignment.cuts import between
from avmatch.core.features import BAND_RATE_HZ, TICK_RATE_HZ, AudioFeatures, VideoFeatures
from avmatch.frontends.motion import CHANGE

#: Rounds shorter than this are rhythms (rivals.py), and at least half a round must come again.
LEAST_ROUND_SECONDS, LEAST_ROUNDS = 2.0, 1.5
#: From these correlations on, both repeat. Loops have 0.68 … 1.00 in the sound and 0.83 … 0.98 in the picture; other
#: clips at most 0.48 in the picture where the sound repeats best (docs/experiments/belonging.md).
LEAST_IN_SOUND, LEAST_IN_PICTURE = 0.6, 0.75
#: … or from this on in the picture.
LEAST_IN_PICTURE_ALONE = 0.9
#: Where one round ends and the next begins, picture and sound jump together, whatever they show.
SEAM_SECONDS = 0.12
_LEVEL_SECONDS = 2.0
_PICTURE_FLOOR = 1e-3


def first_round(video: VideoFeatures, audio: AudioFeatures) -> VideoFeatures:
    """The picture before it and its sound begin again; all of it where they don't."""
    seconds = round_seconds(video, audio)
    if seconds is None:
        return video
    return between(video, video.start_seconds, video.start_seconds + seconds - SEAM_SECONDS)


def round_seconds(video: VideoFeatures, audio: AudioFeatures) -> float | None:
    """How long one round lasts, if the picture is a loop, and the sound one of the same length; None if they aren't."""
    longest = min(len(video.motion) / TICK_RATE_HZ, len(audio.flux) / BAND_RATE_HZ) / LEAST_ROUNDS
    if longest < LEAST_ROUND_SECONDS:
        return None
    change = np.log(video.motion[:, CHANGE].mean(axis=1, dtype=np.float32) + _PICTURE_FLOOR)
    in_picture = _repetition(change, TICK_RATE_HZ)
    in_sound = _repetition(np.log1p(audio.flux.sum(axis=1, dtype=np.float32)), BAND_RATE_HZ)
    ticks = np.arange(round(LEAST_ROUND_SECONDS * TICK_RATE_HZ), int(longest * TICK_RATE_HZ) + 1)
    ticks = ticks[(ticks < len(in_picture) - 1)]
    ticks = ticks[
        in_picture[ticks] >= np.maximum(LEAST_IN_PICTURE, np.maximum(in_picture[ticks - 1], in_picture[ticks + 1]))
    ]
    per_tick = BAND_RATE_HZ // TICK_RATE_HZ
    for tick in ticks.tolist():
        least = LEAST_IN_SOUND if in_picture[tick] < LEAST_IN_PICTURE_ALONE else -np.inf
        if in_sound[(tick - 1) * per_tick : (tick + 1) * per_tick + 1].max(initial=0.0) >= least:
            return float(tick) / TICK_RATE_HZ
    return None


def _repetition(values: Float[np.ndarray, " T"], rate_hz: float) -> Float[np.ndarray, " T"]:
    """The correlation of a signal with itself so many ticks later, over what overlaps, slow changes left out."""
    moving = values - uniform_filter1d(values, round(_LEVEL_SECONDS * rate_hz), mode="nearest")
    num = len(moving)
    size = scipy.fft.next_fast_len(2 * num, real=True)
    products = scipy.fft.irfft(np.abs(scipy.fft.rfft(moving, size)) ** 2, size)[:num]
    energy = np.concatenate([[0.0], np.cumsum(moving.astype(np.float64) ** 2)])
    lags = np.arange(num)
    both = np.sqrt(energy[num - lags] * (energy[-1] - energy[lags]))
    return np.asarray(np.where(both > 0.0, products / np.maximum(both, 1e-12), 0.0))
