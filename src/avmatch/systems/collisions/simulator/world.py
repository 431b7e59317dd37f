"""The tray and what happens on it: ten objects, where they start, and how they move.

    tilt α(t) rises from 0 to its height       drive  a = g sin α (cos φ, sin φ)
    at rest while |a| ≤ 1.2 μ g cos α          sliding: dv/dt = a − μ g cos α · v/|v|
    at a wall: vₙ → −e vₙ, and friction takes up to μ (1 + e) |vₙ| from the speed along it, which gives spin

Semi-implicit Euler steps of 1 ms; Coulomb friction can stop an object, never turn it round. Only sums, products and
square roots are taken step by step, so that the result for one object doesn't depend on the others beside it.

Names and order of the objects are those of the real classes. Radii follow from how near to the walls the real centroids
come; masses, friction and sound are set by hand to what such things are like, and to differ from each other.

Starts come from the real file (class → segment → [start, end, angle]), or from a law that was fitted to it by eye. In
the real set each segment begins where the one before ended: two thirds of the starts lie along the walls, most of them
in the corners, the rest anywhere; half of the angles are within 10° of a side's direction. Where the object hardly
moved, the angle means nothing: such segments aren't drawn.

Letters in shapes: N objects, T steps.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float64

from avmatch.core.errors import UsageError
from avmatch.systems.collisions.data import CLASSES

#: Shorter ways, in pixels, are no slides.
MIN_WAY_PX = 40.0
#: A motion counts if its hardest hit is at least so hard, and comes no later.
LEAST_HIT_M_S, LATEST_HIT_SECONDS = 0.15, 3.5
#: The tray in the picture: its middle, and from there to a wall.
MIDDLE_PX = (222.0, 216.0)
HALF_PX = 208.0
#: From the middle of the tray to a wall.
HALF_M = 0.15
PX_PER_M = HALF_PX / HALF_M
_AT_WALL, _ALONG_SIDE, _SPREAD_DEGREES = 0.68, 0.5, 7.0
STEP_SECONDS = 0.001
GRAVITY = 9.81
STATIC_FACTOR = 1.2
#: Slower meetings of object and wall are no hits.
SLOWEST_HIT_M_S = 0.03
_SPIN_STOP = 25.0


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
        modes_hz: its modes.
        decay_seconds: after which the lowest has fallen to 1/e; higher ones fall faster.
        contact_seconds: how long a gentle hit takes; hits wake no modes far above its inverse.
        slide_hz: where the noise of sliding is strongest.
        slide_level: how loud that is, relative to hits.
    """

    name: str
    mass_kg: float
    radius_m: float
    friction: float
    restitution: float
    outline: Float[np.ndarray, "points 2"]
    colour: tuple[int, int, int]
    stripes: tuple[float, float]
    modes_hz: tuple[float, ...]
    decay_seconds: float
    contact_seconds: float
    slide_hz: float
    slide_level: float


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
         (180, 320, 540, 860), 0.012, 4.0e-3, 450, 0.5),
    Body(CLASSES[1], 0.090, 0.055, 0.035, 0.62, _oval(1, 1), (70, 165, 60), (3, 0.35),
         (210, 395, 610, 930, 1320), 0.060, 3.0e-3, 250, 0.25),
    Body(CLASSES[2], 0.130, 0.031, 0.24, 0.25, _box(1.5, 0.75), (150, 90, 30), (2, 0.25),
         (640, 1130, 1790, 2650, 4100), 0.025, 1.2e-3, 2600, 1.0),
    Body(CLASSES[3], 0.150, 0.044, 0.22, 0.34, _centred(_GUN), (190, 190, 195), (0, 0.0),
         (1250, 2140, 3320, 4870, 6900), 0.050, 0.7e-3, 3600, 1.2),
    Body(CLASSES[4], 0.110, 0.021, 0.20, 0.40, _centred(_SCREWDRIVER), (30, 190, 215), (5, 0.4),
         (1870, 3010, 4420, 6530, 8900), 0.090, 0.5e-3, 4800, 0.9),
    Body(CLASSES[5], 0.018, 0.023, 0.16, 0.48, _centred(_berry()), (50, 40, 205), (7, 0.3),
         (920, 1480, 2370, 3350), 0.018, 0.9e-3, 1500, 0.35),
    Body(CLASSES[6], 0.060, 0.028, 0.32, 0.16, _box(1.8, 0.6), (205, 205, 225), (4, 0.5),
         (300, 520, 910, 1450, 2100), 0.016, 2.2e-3, 1900, 0.8),
    Body(CLASSES[7], 0.075, 0.033, 0.30, 0.30, _centred(_ELEPHANT), (150, 125, 115), (0, 0.0),
         (480, 790, 1230, 1680, 2550), 0.022, 1.5e-3, 1100, 0.6),
    Body(CLASSES[8], 0.170, 0.025, 0.14, 0.36, _box(1.9, 0.65), (215, 150, 60), (3, 0.6),
         (740, 1390, 2230, 3480, 5200), 0.110, 0.8e-3, 2200, 0.7),
    Body(CLASSES[9], 0.035, 0.019, 0.26, 0.42, _box(1.05, 1.0), (40, 205, 235), (0, 0.0),
         (1500, 2350, 3900, 5600), 0.014, 0.7e-3, 3000, 0.5),
)  # fmt: skip


@dataclass(frozen=True)
class Slide:
    """Where an object begins, and how the tray is tilted.

    Attributes:
        x_m, y_m: from the tray's middle, x to the right, y down.
        angle_radians: the direction that the tray falls to.
        tilt_radians: how steep it gets, from `begin_seconds` on, within `rise_seconds`.
        turn_radians: the object's orientation.
    """

    x_m: float
    y_m: float
    angle_radians: float
    tilt_radians: float
    begin_seconds: float
    rise_seconds: float
    turn_radians: float = 0.0


#: Real starts of each class, x, y and angle; without any, the law.
Starts = tuple[Float[np.ndarray, "_ 3"], ...]


def draw_start(starts: Starts, label: int, reach_m: float, rng: np.random.Generator) -> tuple[float, float, float]:
    """x, y and angle for a class whose centroid can be up to `reach_m` from the middle in x and y."""
    x, y, angle = starts[label][rng.integers(len(starts[label]))] if starts else _by_law(reach_m, rng)
    return float(np.clip(x, -reach_m, reach_m)), float(np.clip(y, -reach_m, reach_m)), float(angle)


def read_starts(path: Path) -> Starts:
    """The starts of a file. Raises UsageError if it isn't like that of the real set."""
    try:
        segments = json.loads(path.read_text(encoding="utf-8"))
        real = tuple(_slides(segments[name]) for name in CLASSES)
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise UsageError(f"{path}: expected JSON of class → segment → [start, end, angle] ({error})") from error
    if not all(len(rows) for rows in real):
        raise UsageError(f"{path}: a class has no segment that moves {MIN_WAY_PX:g} px")
    return real


def _slides(segments: dict[str, list[object]]) -> Float[np.ndarray, "N 3"]:
    """x and y in metres and the angle, of the segments of one class in which the object moves."""
    rows = np.array([[*start, *end, angle] for start, end, angle in segments.values()], np.float64)  # type: ignore[misc]
    rows = rows[np.hypot(*(rows[:, 2:4] - rows[:, :2]).T) >= MIN_WAY_PX]
    return np.column_stack([(rows[:, :2] - MIDDLE_PX) / PX_PER_M, np.radians(rows[:, 4])])


def _by_law(reach_m: float, rng: np.random.Generator) -> tuple[float, float, float]:
    """x, y and angle without a file of real ones."""
    at_wall = rng.random(2) < _AT_WALL
    anywhere, near = rng.uniform(-1, 1, 2), rng.choice([-1.0, 1.0], 2) * (1 - np.abs(rng.normal(0, 0.06, 2)))
    x, y = reach_m * np.where(at_wall, near, anywhere)
    angle = rng.uniform(-np.pi, np.pi)
    if rng.random() < _ALONG_SIDE:
        angle = rng.integers(4) * np.pi / 2 + np.radians(rng.normal(0, _SPREAD_DEGREES))
    return float(x), float(y), float(angle)


@dataclass(frozen=True)
class Hit:
    """A hit at a wall.

    Attributes:
        seconds: when.
        speed_m_s: at right angles to the wall.
        x_m, y_m: the point of contact.
    """

    seconds: float
    speed_m_s: float
    x_m: float
    y_m: float


@dataclass(frozen=True, eq=False, repr=False)
class Motion:
    """How one object moved: a value every STEP_SECONDS.

    Attributes:
        place_m: (T, 2) from the tray's middle.
        speed_m_s: (T,) along the tray.
        turn_radians: (T,) orientation.
        hits: in their order.
    """

    place_m: Float64[np.ndarray, "T 2"]
    speed_m_s: Float64[np.ndarray, " T"]
    turn_radians: Float64[np.ndarray, " T"]
    hits: tuple[Hit, ...]

    @property
    def hardest(self) -> Hit:
        """The hardest hit."""
        return max(self.hits, key=lambda hit: hit.speed_m_s)


def simulate(bodies: Sequence[Body], slides: Sequence[Slide], seconds: float) -> list[Motion]:
    """Follow each object for so long."""
    along, against = _drive(slides, seconds)
    friction, restitution, radius = np.array([(one.friction, one.restitution, one.radius_m) for one in bodies]).T
    limit = (HALF_M - radius)[:, None]
    place, turn = np.array([(one.x_m, one.y_m) for one in slides]), np.array([one.turn_radians for one in slides])
    velocity, spin = np.zeros_like(place), np.zeros_like(turn)
    places, velocities, hits, orientations = (np.zeros_like(one) for one in (along, along, along, against))
    for step in range(len(along)):
        velocity = _slid(velocity, along[step], friction * against[step])
        place = place + velocity * STEP_SECONDS
        outward = velocity * np.sign(place)
        meets = (np.abs(place) > limit) & (outward > 0)
        place = np.clip(place, -limit, limit)
        if meets.any():
            velocity, gained, hits[step] = _bounced(velocity, outward, meets, friction, restitution)
            spin = spin + gained / radius
        spin = spin * (1 - np.minimum(1.0, _SPIN_STOP * friction * STEP_SECONDS))
        turn = turn + spin * STEP_SECONDS
        places[step], velocities[step], orientations[step] = place, velocity, turn
    speed = np.sqrt(np.square(velocities).sum(axis=2))
    return [
        Motion(places[:, n], speed[:, n], orientations[:, n], _hits(hits[:, n], places[:, n], body.radius_m))
        for n, body in enumerate(bodies)
    ]


def _drive(slides: Sequence[Slide], seconds: float) -> tuple[Float64[np.ndarray, "T N 2"], Float64[np.ndarray, "T N"]]:
    """Gravity along the tray, and against it, at each step."""
    times = np.arange(round(seconds / STEP_SECONDS)) * STEP_SECONDS
    along, against = [], []
    for slide in slides:
        share = np.clip((times - slide.begin_seconds) / slide.rise_seconds, 0, 1)
        angle = slide.tilt_radians * share * share * (3 - 2 * share)
        direction = np.array([np.cos(slide.angle_radians), np.sin(slide.angle_radians)])
        along.append(GRAVITY * np.sin(angle)[:, None] * direction)
        against.append(GRAVITY * np.cos(angle))
    return np.stack(along, axis=1), np.stack(against, axis=1)


def _slid(velocity: np.ndarray, along: np.ndarray, brake: np.ndarray) -> np.ndarray:
    """The velocities (N, 2) a step later: drive, then friction. Checked shapes would cost more than the step."""
    rests = np.square(velocity).sum(axis=1) < 1e-10
    held = rests & (np.square(along).sum(axis=1) <= np.square(STATIC_FACTOR * brake))
    pushed = velocity + along * STEP_SECONDS
    speed = np.sqrt(np.square(pushed).sum(axis=1))
    left = np.maximum(0.0, 1.0 - brake * STEP_SECONDS / np.maximum(speed, 1e-12))
    return pushed * np.where(held, 0.0, left)[:, None]


def _bounced(
    velocity: np.ndarray, outward: np.ndarray, meets: np.ndarray, friction: np.ndarray, restitution: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Velocities after the walls, the speed that went into spin, and the speed of each hit (0 = none)."""
    hit = np.where(meets & (outward > SLOWEST_HIT_M_S), outward, 0.0)
    after = np.where(meets, np.where(hit > 0, -restitution[:, None] * velocity, 0.0), velocity)
    lost = (friction * (1 + restitution))[:, None] * hit[:, ::-1]  # a hit in x takes from the speed in y
    along = np.where(meets, 0.0, after)
    taken = np.minimum(np.abs(along), lost)
    after = after - np.sign(along) * taken
    # A wall at the right holds back the right side of what slides down along it: it turns from y towards x.
    gained = (taken[:, 0] - taken[:, 1]) * np.sign(velocity[:, 0] * velocity[:, 1])
    return after, gained, hit


def _hits(hit: Float64[np.ndarray, "T 2"], place: Float64[np.ndarray, "T 2"], radius: float) -> tuple[Hit, ...]:
    """Those of one object. Their points lie a radius beyond its centre."""
    steps, axes = np.nonzero(hit)
    points = place[steps]
    rows = np.arange(len(steps))
    points[rows, axes] += np.sign(points[rows, axes]) * radius
    columns = (steps * STEP_SECONDS, hit[steps, axes], *points.T)
    return tuple(Hit(*values) for values in zip(*(column.tolist() for column in columns), strict=True))


def draw_slide(label: int, starts: Starts, rng: np.random.Generator) -> Slide:
    """One of a class, steep enough for its object to slide."""
    body = BODIES[label]
    start = draw_start(starts, label, HALF_M - body.radius_m, rng)
    tilt = np.arctan(STATIC_FACTOR * body.friction) + np.radians(rng.uniform(2.0, 10.0))
    begin_seconds, rise_seconds, turn = rng.uniform((0.3, 0.3, -np.pi), (0.9, 0.8, np.pi)).tolist()
    return Slide(*start, float(tilt), begin_seconds, rise_seconds, turn)


def counts(motion: Motion) -> bool:
    """Whether its hardest hit is hard enough, early enough, and comes after a slide."""
    if not motion.hits or (hardest := motion.hardest).speed_m_s < LEAST_HIT_M_S or hardest.seconds > LATEST_HIT_SECONDS:
        return False
    way = motion.place_m[round(hardest.seconds / STEP_SECONDS)] - motion.place_m[0]
    return float(np.hypot(*way)) * PX_PER_M >= MIN_WAY_PX
