"""Equations of motion of objects on a tilted tray, many at once.

    tilt α(t) rises from 0 to its height       drive  a = g sin α (cos φ, sin φ)
    at rest while |a| ≤ 1.2 μ g cos α          sliding: dv/dt = a − μ g cos α · v/|v|
    at a wall: vₙ → −e vₙ, and friction takes up to μ (1 + e) |vₙ| from the speed along it, which gives spin

Semi-implicit Euler steps of 1 ms; Coulomb friction can stop an object, never turn it round. Only sums, products and
square roots are taken step by step, so that what comes out for one object doesn't depend on the others beside it.

Letters in shapes: N objects, T steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from avmatch.systems.collisions.simulator.objects import HALF_M, Body, Start

STEP_SECONDS = 0.001
GRAVITY = 9.81
STATIC_FACTOR = 1.2
#: Slower meetings of object and wall are no hits.
SLOWEST_HIT_M_S = 0.03
_SPIN_STOP = 25.0


@dataclass(frozen=True)
class Tilt:
    """How the tray is tilted: to this angle, from a moment on, within so long."""

    angle_radians: float
    begin_seconds: float
    rise_seconds: float


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


@dataclass(frozen=True, eq=False)
class _Path:
    """Places, velocities, orientations and hits of all objects at all steps."""

    place: Float64[np.ndarray, "T N 2"]
    velocity: Float64[np.ndarray, "T N 2"]
    turn: Float64[np.ndarray, "T N"]
    hit: Float64[np.ndarray, "T N 2"]


def simulate(
    bodies: Sequence[Body], starts: Sequence[Start], tilts: Sequence[Tilt], turns: Sequence[float], seconds: float
) -> list[Motion]:
    """Follow each object for so long. `turns` are their first orientations."""
    path = _followed(bodies, starts, _drive(starts, tilts, seconds), turns)
    speed = np.sqrt(np.square(path.velocity).sum(axis=2))
    return [
        Motion(path.place[:, n], speed[:, n], path.turn[:, n], _hits(path.hit[:, n], path.place[:, n], body.radius_m))
        for n, body in enumerate(bodies)
    ]


def _drive(
    starts: Sequence[Start], tilts: Sequence[Tilt], seconds: float
) -> tuple[Float64[np.ndarray, "T N 2"], Float64[np.ndarray, "T N"]]:
    """Gravity along the tray, and against it, at each step."""
    times = np.arange(round(seconds / STEP_SECONDS)) * STEP_SECONDS
    along, against = [], []
    for start, tilt in zip(starts, tilts, strict=True):
        share = np.clip((times - tilt.begin_seconds) / tilt.rise_seconds, 0, 1)
        angle = tilt.angle_radians * share * share * (3 - 2 * share)
        direction = np.array([np.cos(start.angle_radians), np.sin(start.angle_radians)])
        along.append(GRAVITY * np.sin(angle)[:, None] * direction)
        against.append(GRAVITY * np.cos(angle))
    return np.stack(along, axis=1), np.stack(against, axis=1)


def _followed(
    bodies: Sequence[Body],
    starts: Sequence[Start],
    drive: tuple[Float64[np.ndarray, "T N 2"], Float64[np.ndarray, "T N"]],
    turns: Sequence[float],
) -> _Path:
    along, against = drive
    friction, restitution, radius = (
        np.array([getattr(body, name) for body in bodies]) for name in ("friction", "restitution", "radius_m")
    )
    limit = (HALF_M - radius)[:, None]
    place = np.array([(start.x_m, start.y_m) for start in starts])
    velocity, spin, turn = np.zeros_like(place), np.zeros(len(bodies)), np.array(turns)
    path = _Path(np.empty_like(along), np.empty_like(along), np.empty_like(against), np.zeros_like(along))
    for step in range(len(along)):
        velocity = _slid(velocity, along[step], friction * against[step])
        place = place + velocity * STEP_SECONDS
        outward = velocity * np.sign(place)
        meets = (np.abs(place) > limit) & (outward > 0)
        place = np.clip(place, -limit, limit)
        if meets.any():
            velocity, gained, path.hit[step] = _bounced(velocity, outward, meets, friction, restitution)
            spin = spin + gained / radius
        spin = spin * (1 - np.minimum(1.0, _SPIN_STOP * friction * STEP_SECONDS))
        turn = turn + spin * STEP_SECONDS
        path.place[step], path.velocity[step], path.turn[step] = place, velocity, turn
    return path


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
    found = []
    for step, axis in zip(*np.nonzero(hit), strict=True):
        point = place[step].copy()
        point[axis] += np.sign(point[axis]) * radius
        found.append(Hit(float(step * STEP_SECONDS), float(hit[step, axis]), float(point[0]), float(point[1])))
    return tuple(found)
