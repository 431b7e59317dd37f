"""Features of scenes in which something strikes, as the front ends would give them, without files."""

import numpy as np

from avmatch.core.features import BAND_RATE_HZ, TICK_RATE_HZ, AudioFeatures, VideoFeatures
from avmatch.data.items import Pairs, numbered
from avmatch.data.tracks import joined_bands
from avmatch.frontends.motion import MOTION_CHANNELS
from avmatch.frontends.sound import NUM_BANDS

SECONDS = 8.0


def event_times(seed, seconds=SECONDS):
    times = np.cumsum(np.random.default_rng(seed).uniform(0.25, 0.9, 100))
    return times[times < seconds - 0.2]


def picture(events, seconds=SECONDS, start_seconds=0.0, cell=27, seed=0, light=100.0):
    """Grain everywhere, and things that strike in one cell."""
    rng = np.random.default_rng(seed)
    motion = rng.uniform(0.0, 0.05, (round(seconds * TICK_RATE_HZ), len(MOTION_CHANNELS), 64))
    motion[:, 3, cell] += 1.0  # what strikes moves in between as well
    motion[:, -2:] = light + rng.uniform(0, 5, (2, 64))
    for time in events:
        if time < seconds:
            motion[int(time * TICK_RATE_HZ), :6, cell] += (2.0, 1.5, 1.0, 3.0, 6.0, 20.0)
    return VideoFeatures(start_seconds + 0.5 / TICK_RATE_HZ, motion.astype(np.float16), (), 25.0, seconds)


def sound(events, seconds=SECONDS, start_seconds=0.0, seed=0, peak=0.5, colour=0.0):
    """Hiss, and bangs that die away; `colour` tilts the spectrum."""
    rng = np.random.default_rng(100 + seed)
    ticks = np.arange(round(seconds * BAND_RATE_HZ)) / BAND_RATE_HZ
    flux = rng.uniform(0.0, 0.2, (len(ticks), NUM_BANDS))
    power = np.full(len(ticks), np.exp(-8.0))
    for time in events:
        at = np.searchsorted(ticks, time)
        flux[at : at + 2] += 1.5
        power += np.where(ticks >= time, np.exp(-np.maximum(ticks - time, 0.0) / 0.08), 0.0)
    level = np.log(power)[:, None] + rng.normal(0, 0.1, flux.shape) + colour * np.linspace(-1, 1, NUM_BANDS)
    flux, level = flux.astype(np.float16), level.astype(np.float16)
    return AudioFeatures(start_seconds, flux, level, seconds, peak, spectrum=np.repeat(level, 2, axis=1))


def struck(num, seconds=SECONDS, labels=()):
    """Pairs as packed for the recipe `events`; dark scenes sound dull. `labels`: of each, if any."""
    seen = [
        picture(event_times(seed, seconds), seconds, cell=seed % 64, seed=seed, light=20.0 * (seed % 5))
        for seed in range(num)
    ]
    heard = [sound(event_times(seed, seconds), seconds, seed=seed, colour=seed % 5 - 2.0) for seed in range(num)]
    return Pairs(
        tuple(item.motion for item in seen),
        tuple(joined_bands(item) for item in heard),
        tuple(f"scene {number}" for number in range(num)),
        np.arange(num),
        *numbered(labels or [""] * num),
        "motion",
        "bands",
        float(TICK_RATE_HZ),
        float(BAND_RATE_HZ),
    )
