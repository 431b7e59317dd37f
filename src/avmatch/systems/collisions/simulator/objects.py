"""Where an impact begins: a place on the tray and the direction of the tilt.

Drawn from the real file where there is one (class → segment → [start, end, angle]), else from a law that was fitted to
it by eye. In the real set each segment begins where the one before ended: two thirds of the starts lie along the walls,
most of them in the corners, the rest anywhere; half of the angles are within 10° of a side's direction, and where the
object hardly moved the angle means nothing: such segments aren't drawn.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from avmatch.core.errors import UsageError
from avmatch.systems.collisions.data import CLASSES

#: Shorter ways, in pixels, are no slides.
MIN_WAY_PX = 40.0
#: The tray in the picture: its middle, and from there to a wall.
MIDDLE_PX = (222.0, 216.0)
HALF_PX = 208.0
#: From the middle of the tray to a wall.
HALF_M = 0.15
PX_PER_M = HALF_PX / HALF_M
_AT_WALL, _ALONG_SIDE, _SPREAD_DEGREES = 0.68, 0.5, 7.0


@dataclass(frozen=True)
class Start:
    """A place in metres from the tray's middle (x to the right, y down), and a direction in radians."""

    x_m: float
    y_m: float
    angle_radians: float


@dataclass(frozen=True, eq=False)
class Starts:
    """Real starts of each class; without any, the law."""

    real: tuple[Float[np.ndarray, "_ 3"], ...] = ()

    def draw(self, label: int, reach_m: float, rng: np.random.Generator) -> Start:
        """One of a class whose centroid can be up to `reach_m` from the middle in x and y."""
        x, y, angle = self.real[label][rng.integers(len(self.real[label]))] if self.real else _by_law(reach_m, rng)
        x, y = (float(np.clip(place, -reach_m, reach_m)) for place in (x, y))
        return Start(x, y, float(angle))


def read_starts(path: Path) -> Starts:
    """The real ones. Raises UsageError if the file isn't like that of the real set."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        real = tuple(_slides(told[name]) for name in CLASSES)
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise UsageError(f"{path}: expected JSON of class → segment → [start, end, angle] ({error})") from error
    if not all(len(rows) for rows in real):
        raise UsageError(f"{path}: a class has no segment that moves {MIN_WAY_PX:g} px")
    return Starts(real)


def _slides(segments: dict[str, list[object]]) -> Float[np.ndarray, "N 3"]:
    rows = np.array([[*start, *end, angle] for start, end, angle in segments.values()], np.float64)  # type: ignore[misc]
    rows = rows[np.hypot(*(rows[:, 2:4] - rows[:, :2]).T) >= MIN_WAY_PX]
    return np.column_stack([(rows[:, :2] - MIDDLE_PX) / PX_PER_M, np.radians(rows[:, 4])])


def _by_law(reach_m: float, rng: np.random.Generator) -> tuple[float, float, float]:
    at_wall = rng.random(2) < _AT_WALL
    anywhere, near = rng.uniform(-1, 1, 2), rng.choice([-1.0, 1.0], 2) * (1 - np.abs(rng.normal(0, 0.06, 2)))
    x, y = reach_m * np.where(at_wall, near, anywhere)
    angle = rng.uniform(-np.pi, np.pi)
    if rng.random() < _ALONG_SIDE:
        angle = rng.integers(4) * np.pi / 2 + np.radians(rng.normal(0, _SPREAD_DEGREES))
    return float(x), float(y), float(angle)


# The ten objects: how heavy, how large, how slippery, how bouncy, how they sound and what they look like.
#
# Names and order are those of the real classes. Radii follow from how near to the walls the real centroids come; the
# rest is set by hand to what such things are like, and to differ from each other.


@dataclass(frozen=True)
class Sounding:
    """How an object sounds.

    Attributes:
        modes_hz: its modes.
        decay_seconds: after which the lowest has fallen to 1/e; higher ones fall faster.
        contact_seconds: how long a gentle hit takes; hits wake no modes far above its inverse.
        slide_hz: where the noise of sliding is strongest.
        slide_level: how loud that is, relative to hits.
    """

    modes_hz: tuple[float, ...]
    decay_seconds: float
    contact_seconds: float
    slide_hz: float
    slide_level: float


@dataclass(frozen=True)
class Body:
    """One of the ten.

    Attributes:
        mass_kg: its mass.
        radius_m: of the disc that meets the walls.
        friction: coefficient while it slides (or rolls); at rest it is a fifth higher.
        restitution: share of the normal speed that a wall gives back.
        outline: (points, 2) polygon around its centroid, in units of the radius.
        colour: blue, green, red.
        stripes: of the texture: how many across, how strong.
        sounding: how it sounds.
    """

    name: str
    mass_kg: float
    radius_m: float
    friction: float
    restitution: float
    outline: Float[np.ndarray, "points 2"]
    colour: tuple[int, int, int]
    stripes: tuple[float, float]
    sounding: Sounding


def _box(length: float, width: float) -> Float[np.ndarray, "points 2"]:
    return np.array([(-length, -width), (length, -width), (length, width), (-length, width)])


def _oval(length: float, width: float) -> Float[np.ndarray, "points 2"]:
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    return np.stack([length * np.cos(turn), width * np.sin(turn)], axis=1)


def _berry() -> Float[np.ndarray, "points 2"]:
    oval = _oval(1.15, 0.9)
    oval[:, 1] *= 1 - 0.35 * oval[:, 0]
    return oval


def _centred(outline: Float[np.ndarray, "points 2"]) -> Float[np.ndarray, "points 2"]:
    """The polygon moved so that its area's centroid is at 0."""
    ahead = np.roll(outline, -1, axis=0)
    cross = outline[:, 0] * ahead[:, 1] - ahead[:, 0] * outline[:, 1]
    return outline - ((outline + ahead) * cross[:, None]).sum(axis=0) / (3 * cross.sum())


_GUN = np.array(
    [(-1.2, -0.5), (1.3, -0.5), (1.3, 0.0), (0.0, 0.05), (-0.1, 0.3), (-0.6, 0.3), (-0.7, 1.0), (-1.2, 1.0)]
)
_SCREWDRIVER = np.array(
    [(-1.7, -0.4), (-0.2, -0.4), (-0.1, -0.12), (1.9, -0.1), (1.9, 0.1), (-0.1, 0.12), (-0.2, 0.4), (-1.7, 0.4)]
)
_ELEPHANT = np.array(
    [(-1.1, -0.3), (-0.8, -0.7), (0.3, -0.75), (0.7, -0.6), (1.1, -0.5), (1.3, 0.4), (1.05, 0.45), (0.95, 0.0),
     (0.7, 0.2), (0.65, 0.9), (0.3, 0.9), (0.2, 0.4), (-0.5, 0.4), (-0.6, 0.9), (-0.95, 0.9), (-1.05, 0.2)]
)  # fmt: skip

BODIES = (
    Body(CLASSES[0], 0.028, 0.028, 0.55, 0.12, _box(1.3, 0.85), (60, 60, 185), (0, 0.0),
         Sounding((180, 320, 540, 860), 0.012, 4.0e-3, 450, 0.5)),
    Body(CLASSES[1], 0.090, 0.055, 0.035, 0.62, _oval(1, 1), (70, 165, 60), (3, 0.35),
         Sounding((210, 395, 610, 930, 1320), 0.060, 3.0e-3, 250, 0.25)),
    Body(CLASSES[2], 0.130, 0.031, 0.24, 0.25, _box(1.5, 0.75), (150, 90, 30), (2, 0.25),
         Sounding((640, 1130, 1790, 2650, 4100), 0.025, 1.2e-3, 2600, 1.0)),
    Body(CLASSES[3], 0.150, 0.044, 0.22, 0.34, _centred(_GUN), (190, 190, 195), (0, 0.0),
         Sounding((1250, 2140, 3320, 4870, 6900), 0.050, 0.7e-3, 3600, 1.2)),
    Body(CLASSES[4], 0.110, 0.021, 0.20, 0.40, _centred(_SCREWDRIVER), (30, 190, 215), (5, 0.4),
         Sounding((1870, 3010, 4420, 6530, 8900), 0.090, 0.5e-3, 4800, 0.9)),
    Body(CLASSES[5], 0.018, 0.023, 0.16, 0.48, _centred(_berry()), (50, 40, 205), (7, 0.3),
         Sounding((920, 1480, 2370, 3350), 0.018, 0.9e-3, 1500, 0.35)),
    Body(CLASSES[6], 0.060, 0.028, 0.32, 0.16, _box(1.8, 0.6), (205, 205, 225), (4, 0.5),
         Sounding((300, 520, 910, 1450, 2100), 0.016, 2.2e-3, 1900, 0.8)),
    Body(CLASSES[7], 0.075, 0.033, 0.30, 0.30, _centred(_ELEPHANT), (150, 125, 115), (0, 0.0),
         Sounding((480, 790, 1230, 1680, 2550), 0.022, 1.5e-3, 1100, 0.6)),
    Body(CLASSES[8], 0.170, 0.025, 0.14, 0.36, _box(1.9, 0.65), (215, 150, 60), (3, 0.6),
         Sounding((740, 1390, 2230, 3480, 5200), 0.110, 0.8e-3, 2200, 0.7)),
    Body(CLASSES[9], 0.035, 0.019, 0.26, 0.42, _box(1.05, 1.0), (40, 205, 235), (0, 0.0),
         Sounding((1500, 2350, 3900, 5600), 0.014, 0.7e-3, 3000, 0.5)),
)  # fmt: skip
