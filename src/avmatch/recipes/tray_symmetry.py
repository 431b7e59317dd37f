"""A tray is a square: turned by a right angle or mirrored, an impact is another impact, if the microphones go along.

Which channel stands at which side is not told anywhere. It shows in the data: where a hit lies nearer to a microphone,
that channel is louder. The channels' levels at their loudest tick are regressed on the places of the impacts; if the
four directions in which they rise point to the four sides, the tray's eight symmetries are used to make more of few
impacts. If not (microphones elsewhere, or too few impacts to tell), nothing is.

Letters in shapes: N impacts, B a batch, C = 4 channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int

from avmatch.datasets.items import Pairs, gather
from avmatch.frontends.impact_picture import AROUND, MASK_PX, SMALL_PX, impact_path

#: Impacts that are looked at; as many as the share of the levels that their places explain, at least.
LOOKED_AT, EXPLAINED = 400, 0.2
#: The sides, x to the right and y down.
_SIDES = np.array([(-1, 0), (0, -1), (1, 0), (0, 1)])


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
        moved: Float32[np.ndarray, 70] = (turned + MASK_PX / 2).astype(np.float32).ravel()
        return moved

    def masks(self, masks: Float32[np.ndarray, "35 44 44"]) -> Float32[np.ndarray, "35 44 44"]:
        """Rows are y, columns x."""
        turned = masks.swapaxes(1, 2) if self.swaps else masks
        return turned[:, :: self.y_sign, :: self.x_sign]

    def bands(self, bands: Float32[np.ndarray, "4 F T"]) -> Float32[np.ndarray, "4 F T"]:
        """Each channel where its microphone has gone."""
        moved = np.empty_like(bands)
        moved[list(self.channels)] = bands
        return moved


def symmetries(sides: Int[np.ndarray, "4 2"]) -> tuple[Symmetry, ...]:
    """All eight, for channels that stand at these sides."""
    place = {tuple(side): channel for channel, side in enumerate(sides.tolist())}
    found = []
    for swaps in (False, True):
        for x_sign in (1, -1):
            for y_sign in (1, -1):
                moved = (sides[:, ::-1] if swaps else sides) * (x_sign, y_sign)
                found.append(Symmetry(swaps, x_sign, y_sign, tuple(place[tuple(side)] for side in moved.tolist())))
    return tuple(found)


def tray_symmetries(pairs: Pairs) -> tuple[Symmetry, ...]:
    """Those of the tray that these pairs show: eight, or none."""
    rows = np.linspace(0, len(pairs) - 1, min(len(pairs), LOOKED_AT)).astype(np.int64)
    films, sounds = gather(pairs.video, rows), gather(pairs.audio, rows)
    if sounds.shape[1] != len(_SIDES):
        return ()
    places = np.stack([_impact_place(film) for film in films])
    sides = channel_sides(places, np.stack([_hit_levels(sound) for sound in sounds]))
    return () if sides is None else symmetries(sides)


def channel_sides(places: Float[np.ndarray, "N 2"], levels: Float[np.ndarray, "N 4"]) -> Int[np.ndarray, "4 2"] | None:
    """The side at which each channel's microphone stands; None if that doesn't show."""
    x, y = places - places.mean(axis=0), levels - levels.mean(axis=0)
    slope, *_ = np.linalg.lstsq(x, y, rcond=None)
    explained = 1 - np.square(y - x @ slope).sum(axis=0) / np.maximum(np.square(y).sum(axis=0), 1e-12)
    nearest = (slope.T @ _SIDES.T).argmax(axis=1)
    if len(set(nearest.tolist())) < len(_SIDES) or explained.min() < EXPLAINED:
        return None
    return _SIDES[nearest]


def _impact_place(film: Float32[np.ndarray, "*shape"]) -> Float[np.ndarray, " 2"]:
    """x and y, in half widths from the middle, of centroids or small masks."""
    if film.ndim == 1:
        path = once(film.reshape(-1, 2)).astype(np.float64)
    else:
        masks = once(film)
        weight = masks.sum(axis=(1, 2))
        ticks = (np.arange(SMALL_PX) + 0.5) * MASK_PX / SMALL_PX / np.where(weight > 0, weight, np.nan)[:, None]
        path = np.stack([(masks.sum(axis=axis) * ticks).sum(axis=1) for axis in (1, 2)], axis=1).astype(np.float64)
    place: Float[np.ndarray, " 2"] = impact_path(path).places[-AROUND[0]]
    return place


def once(path: Float[np.ndarray, " T *rest"]) -> Float[np.ndarray, " t *rest"]:
    """A film that goes on from its start where it was too short, without its repetition, which would be a jump."""
    lengths = (num for num in range(2, len(path)) if np.array_equal(path[num:], path[: len(path) - num]))
    return path[: next(lengths, len(path))]


def _hit_levels(bands: Float32[np.ndarray, "4 F T"]) -> Float[np.ndarray, " 4"]:
    """Each channel's mean log power at the loudest tick, less the channels' mean."""
    levels = bands.mean(axis=1, dtype=np.float64)
    hit: Float[np.ndarray, " 4"] = levels[:, int(levels.mean(axis=0).argmax())]
    return hit - hit.mean()
