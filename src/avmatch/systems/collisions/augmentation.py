"""More of few impacts: the tray's symmetries, and sounds in noise.

A tray is a square: turned by a right angle or mirrored, an impact is another impact, if the microphones go along.

The data don't say which channel stands at which side, but show it: where a hit lies nearer to a microphone, that
channel is louder. The channels' levels at their loudest tick are regressed on the places of the impacts; if the four
directions in which they rise point to the four sides, the tray's eight symmetries make more of few impacts. If not
(microphones elsewhere, or too few impacts to tell), none is used.

Letters in shapes: N impacts, B impacts of a batch, C = 4 channels, F bands, T ticks or frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float, Float32, Int

from avmatch.data.items import Pairs, gather
from avmatch.systems.collisions.features import NOISY_DB, Bands
from avmatch.systems.collisions.frontends import AROUND, MASK_PX, SMALL_PX, bands_in_noise, impact_path

Sounds = Float32[np.ndarray, "B C F T"]
#: So many impacts are examined; places must explain at least this share of the variance of the levels.
MAX_EXAMINED, EXPLAINED = 400, 0.2
#: The sides, x to the right and y down.
_SIDES = np.array([(-1, 0), (0, -1), (1, 0), (0, 1)])
#: Noise: how much its colour varies, at so many places between the lowest and the highest band.
_COLOUR_NATS, _COLOURS = 1.5, 4


@dataclass(frozen=True)
class Symmetry:
    """One of the eight: x and y change places first (if so), then signs; channel c goes where `channels` says."""

    swaps: bool
    x_sign: int
    y_sign: int
    channels: tuple[int, ...]

    def path(self, vector: Float32[np.ndarray, 70]) -> Float32[np.ndarray, 70]:
        """35 × (x, y) in pixels."""
        places = vector.reshape(-1, 2) - MASK_PX / 2
        turned = (places[:, ::-1] if self.swaps else places) * np.array([self.x_sign, self.y_sign], np.float32)
        return (turned + MASK_PX / 2).astype(np.float32).ravel()

    def masks(self, masks: Float32[np.ndarray, "35 44 44"]) -> Float32[np.ndarray, "35 44 44"]:
        """Rows are y, columns x."""
        turned = masks.swapaxes(1, 2) if self.swaps else masks
        return turned[:, :: self.y_sign, :: self.x_sign]

    def bands(self, bands: Float32[np.ndarray, "4 F T"]) -> Float32[np.ndarray, "4 F T"]:
        """Each channel where its microphone has gone."""
        moved = np.empty_like(bands)
        moved[list(self.channels)] = bands
        return moved


Symmetries = tuple[Symmetry, ...]


def symmetries(sides: Int[np.ndarray, "4 2"]) -> Symmetries:
    """All eight, for channels that stand at these sides."""
    place = {tuple(side): channel for channel, side in enumerate(sides.tolist())}
    found = []
    for swaps, x_sign, y_sign in product((False, True), (1, -1), (1, -1)):
        moved = (sides[:, ::-1] if swaps else sides) * (x_sign, y_sign)
        found.append(Symmetry(swaps, x_sign, y_sign, tuple(place[tuple(side)] for side in moved.tolist())))
    return tuple(found)


def tray_symmetries(pairs: Pairs) -> Symmetries:
    """Those of the tray that these pairs show: eight, or none."""
    rows = np.linspace(0, len(pairs) - 1, min(len(pairs), MAX_EXAMINED)).astype(np.int64)
    videos, sounds = gather(pairs.video, rows), gather(pairs.audio, rows)
    if sounds.shape[1] != len(_SIDES):
        return ()
    places = np.stack([_impact_place(video) for video in videos])
    sides = channel_sides(places, np.stack([_hit_levels(sound) for sound in sounds]))
    return () if sides is None else symmetries(sides)


def channel_sides(places: Float[np.ndarray, "N 2"], levels: Float[np.ndarray, "N 4"]) -> Int[np.ndarray, "4 2"] | None:
    """The side at which each channel's microphone stands; None if the data don't show it."""
    x, y = places - places.mean(axis=0), levels - levels.mean(axis=0)
    slope, *_ = np.linalg.lstsq(x, y, rcond=None)
    explained = 1 - np.square(y - x @ slope).sum(axis=0) / np.maximum(np.square(y).sum(axis=0), 1e-12)
    nearest = (slope.T @ _SIDES.T).argmax(axis=1)
    if len(set(nearest.tolist())) < len(_SIDES) or explained.min() < EXPLAINED:
        return None
    return _SIDES[nearest]


def _impact_place(video: Float32[np.ndarray, "*shape"]) -> Float[np.ndarray, " 2"]:
    """x and y, in half widths from the middle, of centroids or small masks."""
    if video.ndim == 1:
        path = once(video.reshape(-1, 2)).astype(np.float64)
    else:
        masks = once(video)
        weight = masks.sum(axis=(1, 2))
        ticks = (np.arange(SMALL_PX) + 0.5) * MASK_PX / SMALL_PX / np.where(weight > 0, weight, np.nan)[:, None]
        path = np.stack([(masks.sum(axis=axis) * ticks).sum(axis=1) for axis in (1, 2)], axis=1).astype(np.float64)
    return impact_path(path).places[-AROUND[0]]


def once(path: Float[np.ndarray, " T *rest"]) -> Float[np.ndarray, " t *rest"]:
    """A video that was repeated from its start because it was too short, without the repetition: that is a jump."""
    lengths = (num for num in range(2, len(path)) if np.array_equal(path[num:], path[: len(path) - num]))
    return path[: next(lengths, len(path))]


def _hit_levels(bands: Float32[np.ndarray, "4 F T"]) -> Float[np.ndarray, " 4"]:
    """Each channel's mean log power at the loudest tick, less the channels' mean."""
    levels = bands.mean(axis=1, dtype=np.float64)
    hit: Float[np.ndarray, " 4"] = levels[:, int(levels.mean(axis=0).argmax())]
    return hit - hit.mean()


def in_noise(sounds: Sounds, bands: Bands, probability: float, rng: np.random.Generator) -> Sounds:
    """Some of them in noise of any level within NOISY_DB; half of the noises have a colour."""
    changed = sounds.copy()
    for row in np.flatnonzero(rng.random(len(sounds)) < probability).tolist():
        colour_nats = rng.normal(0, _COLOUR_NATS * rng.integers(2), _COLOURS)
        changed[row] = bands_in_noise(sounds[row], rng.uniform(*NOISY_DB), colour_nats, bands.num_values, rng)
    return changed
