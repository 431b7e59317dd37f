"""Features of as many clips as wanted, put together from moments of a few real ones.

A made pair is a row of moments, each a stretch of two seconds of a pair of clips; the picture and the sound of it show
the same moments. Both are perturbed, and the sound is shifted. Moments begin anywhere, so that no two pairs are alike,
and there are as many as there are numbers. What is at the seams, and how long a pair lasts, differs from pair to pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from avmatch.core.features import BAND_RATE_HZ, TICK_RATE_HZ, AudioFeatures, Embeddings, MouthTrack, VideoFeatures

MOMENT_SECONDS = 2.0
#: A made clip has so many moments.
FEWEST, MOST = 3, 5
#: Deviations: of the logarithm of motion and flux, of a unit vector's noise (its length), and of the offset.
LOG_NOISE, VECTOR_NOISE, OFFSET_SECONDS = 0.15, 0.5, 0.06
Pair = tuple[VideoFeatures, AudioFeatures]


@dataclass(frozen=True)
class Moment:
    """Where a stretch of MOMENT_SECONDS begins in a pair of clips; a whole number of ticks."""

    pair: int
    begin_seconds: float


def made_pairs(pairs: Sequence[Pair], num: int, seed: int = 0) -> list[Pair]:
    """So many pairs of features, the same for the same seed, whatever their number."""
    return [_made(pairs, np.random.default_rng([seed, number])) for number in range(num)]


def _made(pairs: Sequence[Pair], rng: np.random.Generator) -> Pair:
    moments = [_moment(pairs, rng) for _ in range(rng.integers(FEWEST, MOST + 1))]
    return _video(pairs, moments, rng), _audio(pairs, moments, rng)


def _moment(pairs: Sequence[Pair], rng: np.random.Generator) -> Moment:
    pair = int(rng.integers(len(pairs)))
    video, audio = pairs[pair]
    last = min(video.duration_seconds, audio.duration_seconds) - MOMENT_SECONDS - 2 / TICK_RATE_HZ
    return Moment(pair, int(rng.integers(1, int(last * TICK_RATE_HZ))) / TICK_RATE_HZ)


def _video(pairs: Sequence[Pair], moments: Sequence[Moment], rng: np.random.Generator) -> VideoFeatures:
    motion, mouths = [], []
    for place, moment in enumerate(moments):
        video, later = pairs[moment.pair][0], place * MOMENT_SECONDS - moment.begin_seconds
        motion.append(_stretch(video.motion, TICK_RATE_HZ, moment.begin_seconds))
        mouths += [part for track in video.mouths if (part := _track(track, moment, later, rng))]
    video = pairs[moments[0].pair][0]
    stretch = np.concatenate(motion)
    noise = np.exp(LOG_NOISE * rng.standard_normal(stretch.shape, np.float32))
    seconds = len(moments) * MOMENT_SECONDS
    return replace(
        video,
        motion=(stretch * noise).astype(np.float16),
        mouths=tuple(mouths),
        duration_seconds=seconds,
        embeddings={},
    )


def _track(track: MouthTrack, moment: Moment, later: float, rng: np.random.Generator) -> MouthTrack | None:
    begin, end = moment.begin_seconds, moment.begin_seconds + MOMENT_SECONDS
    inside = (track.pts_seconds >= begin) & (track.pts_seconds < end)
    if inside.sum() < 5:
        return None
    return MouthTrack(
        track.pts_seconds[inside] + later,
        track.boxes[inside],
        track.signals[inside]
        + LOG_NOISE * track.signals.std(axis=0) * rng.standard_normal(track.signals[inside].shape),
        {name: _vectors(item, begin, later, rng) for name, item in track.embeddings.items()},
    )


def _audio(pairs: Sequence[Pair], moments: Sequence[Moment], rng: np.random.Generator) -> AudioFeatures:
    sounds = [pairs[moment.pair][1] for moment in moments]
    offset = OFFSET_SECONDS * rng.standard_normal()
    flux, level, spectrum = (
        np.concatenate(
            [
                _stretch(getattr(sound, name), BAND_RATE_HZ, moment.begin_seconds)
                for sound, moment in zip(sounds, moments, strict=True)
            ]
        )
        for name in ("flux", "level", "spectrum")
    )
    parts: dict[str, list[Embeddings]] = {}
    for place, (sound, moment) in enumerate(zip(sounds, moments, strict=True)):
        for name, item in sound.embeddings.items():
            later = place * MOMENT_SECONDS - moment.begin_seconds
            parts.setdefault(name, []).append(_vectors(item, moment.begin_seconds, later, rng))
    vectors = {
        name: Embeddings(
            np.concatenate([item.data for item in items]), items[0].rate_hz, items[0].start_seconds + offset
        )
        for name, items in parts.items()
        if len(items) == len(moments)
    }
    return replace(
        sounds[0],
        start_seconds=sounds[0].start_seconds + offset,
        flux=(flux * np.exp(LOG_NOISE * rng.standard_normal(flux.shape, np.float32))).astype(np.float16),
        level=(level + LOG_NOISE * rng.standard_normal(level.shape, np.float32)).astype(np.float16),
        spectrum=spectrum,
        duration_seconds=len(moments) * MOMENT_SECONDS,
        embeddings=vectors,
    )


def _stretch(values: np.ndarray, rate_hz: float, begin_seconds: float) -> np.ndarray:
    first = round(begin_seconds * rate_hz)
    return values[first : first + round(MOMENT_SECONDS * rate_hz)]


def _vectors(item: Embeddings, begin_seconds: float, later: float, rng: np.random.Generator) -> Embeddings:
    """The vectors of a moment, on the clock of what is made, with noise."""
    times = item.start_seconds + np.arange(len(item.data)) / item.rate_hz
    inside = np.flatnonzero((times > begin_seconds - 1e-6) & (times < begin_seconds + MOMENT_SECONDS - 1e-6))
    data = item.data[inside].astype(np.float32)
    noisy = data + VECTOR_NOISE / np.sqrt(data.shape[1]) * rng.standard_normal(data.shape, np.float32)
    unit = noisy / np.maximum(np.linalg.norm(noisy, axis=1, keepdims=True), 1e-6)
    start = float(times[inside[0]] + later) if len(inside) else 0.0
    return Embeddings(unit.astype(np.float16), item.rate_hz, start)
