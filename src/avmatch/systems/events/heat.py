"""Where in the picture the sound comes from, cell by cell and moment by moment.

The arithmetic of the events' cue (runtime.py) in a window that glides along: around each tick, each cell's accents are
correlated with those of the sound.

Letters in shapes: T ticks, c cells, K accents, U band ticks.
"""

import numpy as np
from jaxtyping import Float, Float32
from scipy.ndimage import uniform_filter1d

from avmatch.core.features import BAND_RATE_HZ, TICK_RATE_HZ, AudioFeatures, VideoFeatures
from avmatch.cues.synchrony import MAX_CORRELATION
from avmatch.frontends import event_signals
from avmatch.frontends.motion import CHANGE
from avmatch.systems.events.runtime import EventModel

WINDOW_SECONDS = 3.0
#: Below this, a window's signal is noise of what was flattened.
_LEAST_VARIANCE = 1e-3
#: Ticks of a window that are independent, as a share; evidence is compared between cells, so that it needn't be exact.
_INDEPENDENT_SHARE = 1 / 3


def heat(
    model: EventModel, video: VideoFeatures, audio: AudioFeatures, offset_seconds: float = 0.0
) -> Float32[np.ndarray, "T c"]:
    """Nats at each motion tick of the picture that the sound comes from each cell, times how probable the cell is.

    Args:
        offset_seconds: by how much the sound comes late.
    """
    cells = model.cell_accents(video)
    num_ticks = cells.shape[2]
    sound, inside = _at_ticks(model.sound_accents(audio), audio, video, num_ticks, offset_seconds)
    width = min(round(WINDOW_SECONDS * TICK_RATE_HZ), num_ticks)
    nats = np.zeros((num_ticks, len(cells)), np.float32)
    for accent, weight in enumerate(model.description.weights):
        correlation = _gliding(cells[:, accent], sound[accent], width)
        gain = -np.log(1.0 - np.clip(correlation, 0.0, MAX_CORRELATION) ** 2)
        nats += np.float32(weight * model.description.temper * 0.5 * width * _INDEPENDENT_SHARE) * gain.T
    return nats * _shares(nats, video) * inside[:, None]


def _shares(nats: Float32[np.ndarray, "T c"], video: VideoFeatures) -> Float32[np.ndarray, "T c"]:
    """How probable each cell is as the source, 1 for the most probable: without the sound, what moves more.

    Otherwise the noise of cells in which nothing happens would show.
    """
    activity = video.motion[:, CHANGE].mean(axis=0, dtype=np.float32)
    log_odds = nats + 0.5 * np.log(activity + 1e-6)
    shares: Float32[np.ndarray, "T c"] = np.exp(log_odds - log_odds.max(axis=1, keepdims=True)).astype(np.float32)
    return shares


def _at_ticks(
    accents: Float32[np.ndarray, "K U"],
    audio: AudioFeatures,
    video: VideoFeatures,
    num_ticks: int,
    offset_seconds: float,
) -> tuple[Float32[np.ndarray, "K T"], Float32[np.ndarray, " T"]]:
    """The sound's accents at the picture's ticks, and 1 where there is sound."""
    seconds = video.start_seconds + np.arange(num_ticks) / TICK_RATE_HZ + offset_seconds
    places = np.rint((seconds - audio.start_seconds + event_signals.EARLY_SECONDS) * BAND_RATE_HZ).astype(int)
    inside = (places >= 0) & (places < accents.shape[1])
    at_ticks = accents[:, np.clip(places, 0, accents.shape[1] - 1)] * inside
    return at_ticks.astype(np.float32), inside.astype(np.float32)


def _gliding(
    cells: Float32[np.ndarray, "c T"], sound: Float32[np.ndarray, " T"], width: int
) -> Float[np.ndarray, "c T"]:
    """Correlation in the window around each tick."""

    def mean(values: Float[np.ndarray, "*rest T"]) -> Float[np.ndarray, "*rest T"]:
        return np.asarray(uniform_filter1d(values.astype(np.float64), width, axis=-1, mode="nearest"))

    together = mean(cells * sound) - mean(cells) * mean(sound)
    variance = (mean(cells * cells) - mean(cells) ** 2) * (mean(sound * sound) - mean(sound) ** 2)
    return np.where(variance > _LEAST_VARIANCE, together / np.sqrt(np.maximum(variance, _LEAST_VARIANCE)), 0.0)
