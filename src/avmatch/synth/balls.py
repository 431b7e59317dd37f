"""Balls that bounce on a springy floor, off the walls and off each other; every contact sounds.

The simulation goes from contact to contact, which gives their times exactly: between contacts every ball
flies a parabola, so a wall is met after a linear equation, the floor after a quadratic one, and two balls,
whose relative motion gravity doesn't change, after another. The floor throws each ball to a new random
height, so that nothing is periodic and nothing comes to rest.

Letters in shapes: B balls, 2 is x and y, y points down.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

from avmatch.synth import draw
from avmatch.synth.draw import BLACK, WHITE, Colour, Image, mixed
from avmatch.synth.sound import mix, solid_voice
from avmatch.synth.stage import Act, Stage, Strike

SQUASH = 0.3
SQUASH_SECONDS = 0.05
LOWEST_THROW, HIGHEST_THROW = 0.08, 0.5  # of the room's height

Vector: TypeAlias = Float[np.ndarray, " 2"]
Vectors: TypeAlias = Float[np.ndarray, "B 2"]
LEFT, RIGHT, UP, DOWN = (np.array(side) for side in ((-1.0, 0.0), (1.0, 0.0), (0.0, -1.0), (0.0, 1.0)))


class Room(NamedTuple):
    """The box that the balls are in (pixels) and its gravity (pixels/s²)."""

    width: float
    height: float
    gravity: float


@dataclass(frozen=True, eq=False)
class Contact:
    """Ball `first` meets ball `second`, or the room where that is None.

    Attributes:
        time_seconds: when.
        first, second: the balls.
        normal: the direction from `first` to what it meets, of length 1.
    """

    time_seconds: float
    first: int
    second: int | None
    normal: Vector


@dataclass(frozen=True, eq=False)
class Flight:
    """All balls from one contact to the next: where they start and how fast, in pixels."""

    start_seconds: float
    positions: Vectors
    velocities: Vectors

    def at(self, time_seconds: float, gravity: float) -> Flight:
        """The balls at a later time, if nothing is met until then."""
        seconds, fall = time_seconds - self.start_seconds, np.array([0.0, gravity])
        positions = self.positions + self.velocities * seconds + fall * (seconds**2 / 2)
        return Flight(time_seconds, positions, self.velocities + fall * seconds)


def balls(rng: np.random.Generator, stage: Stage) -> Act:
    """Two to four balls, each with its own colour, size and sound."""
    room = Room(stage.width, stage.height * rng.uniform(0.85, 0.97), stage.height * rng.uniform(2.5, 5.0))
    radii = stage.unit * rng.uniform(0.045, 0.1, rng.integers(2, 5))
    flights, contacts, strikes = _simulate(rng, room, radii, stage.duration_seconds)
    sound = mix(strikes, [solid_voice(rng) for _ in radii], stage.duration_seconds)
    colours, floor_colour = [draw.random_colour(rng, 0.3) for _ in radii], draw.random_colour(rng)
    starts = [flight.start_seconds for flight in flights]
    floor = np.array([[-8.0, room.height], [stage.width + 8.0, room.height]])

    def paint(image: Image, time_seconds: float) -> None:
        draw.stroke(image, floor, floor_colour, 3)
        num_flights = bisect_right(starts, time_seconds)
        flight = flights[num_flights - 1].at(time_seconds, room.gravity)
        latest = {ball: contact for contact in contacts[: num_flights - 1] for ball in _balls_of(contact)}
        for ball, colour in enumerate(colours):
            _paint_ball(image, flight.positions[ball], radii[ball], colour, time_seconds, latest.get(ball))

    return Act(paint, sound, np.array([contact.time_seconds for contact in contacts]))


def _simulate(
    rng: np.random.Generator, room: Room, radii: Float[np.ndarray, " B"], duration_seconds: float
) -> tuple[list[Flight], list[Contact], list[Strike]]:
    """Flight n ends with contact n."""
    columns = (np.arange(len(radii)) + 0.5) / len(radii) * room.width
    positions = np.stack([columns, room.height * rng.uniform(0.3, 0.7, len(radii))], axis=1)
    speeds = rng.uniform(0.2, 0.8, len(radii)) * rng.choice([-1, 1], len(radii)) * room.width
    flight = Flight(0.0, positions, np.stack([speeds, np.zeros(len(radii))], axis=1))
    flights: list[Flight] = [flight]
    contacts: list[Contact] = []
    strikes: list[Strike] = []
    while True:
        contact = min(_coming_contacts(flight, room, radii), key=lambda contact: contact.time_seconds)
        if contact.time_seconds >= duration_seconds:
            return flights, contacts, strikes
        flight = flight.at(contact.time_seconds, room.gravity)
        speed = _rebound(rng, flight.velocities, contact, room, radii)
        strength = 0.3 + 1.5 * speed / float(np.sqrt(room.gravity * room.height))
        strikes += [Strike(contact.time_seconds, strength, ball) for ball in _balls_of(contact)]
        flights.append(flight)
        contacts.append(contact)


def _coming_contacts(flight: Flight, room: Room, radii: Float[np.ndarray, " B"]) -> Iterator[Contact]:
    now = flight.start_seconds
    for ball, ((x, y), (speed_x, speed_y)) in enumerate(
        zip(flight.positions.tolist(), flight.velocities.tolist(), strict=True)
    ):
        drop = max(room.height - radii[ball] - y, 0.0)
        fall_seconds = (np.sqrt(speed_y**2 + 2 * room.gravity * drop) - speed_y) / room.gravity
        yield Contact(now + fall_seconds, ball, None, DOWN)
        if speed_x:
            space = room.width - radii[ball] - x if speed_x > 0 else x - radii[ball]
            yield Contact(now + max(space, 0.0) / abs(speed_x), ball, None, RIGHT if speed_x > 0 else LEFT)
        rise_squared = speed_y**2 - 2 * room.gravity * max(y - radii[ball], 0.0)
        if speed_y < 0 and rise_squared >= 0:
            yield Contact(now - (speed_y + np.sqrt(rise_squared)) / room.gravity, ball, None, UP)
    for first, second in combinations(range(len(radii)), 2):
        apart = flight.positions[second] - flight.positions[first]
        approach = flight.velocities[second] - flight.velocities[first]
        reach = radii[first] + radii[second]
        along, square = float(apart @ approach), float(approach @ approach)
        inside = along**2 - square * (float(apart @ apart) - reach**2)
        if along < 0 and inside >= 0:
            seconds = max((-along - np.sqrt(inside)) / square, 0.0)
            meeting = apart + approach * seconds
            yield Contact(now + seconds, first, second, meeting / np.linalg.norm(meeting))


def _rebound(
    rng: np.random.Generator, velocities: Vectors, contact: Contact, room: Room, radii: Float[np.ndarray, " B"]
) -> float:
    """Changes `velocities` to those after the contact. Returns the speed at which the surfaces met."""
    first, second, normal = contact.first, contact.second, contact.normal
    if second is None:
        speed = float(velocities[first] @ normal)
        velocities[first] -= 2 * speed * normal
        if normal is DOWN:
            throw = room.height * rng.uniform(LOWEST_THROW, HIGHEST_THROW)
            velocities[first, 1] = -np.sqrt(2 * room.gravity * throw)
        return speed
    speed = float((velocities[first] - velocities[second]) @ normal)
    masses = radii[[first, second]] ** 3
    velocities[first] -= 2 * speed * masses[1] / masses.sum() * normal
    velocities[second] += 2 * speed * masses[0] / masses.sum() * normal
    return speed


def _balls_of(contact: Contact) -> tuple[int, ...]:
    return (contact.first,) if contact.second is None else (contact.first, contact.second)


def _paint_ball(
    image: Image, centre: Vector, radius: float, colour: Colour, time_seconds: float, latest: Contact | None
) -> None:
    """A shaded ball, flattened along the normal of its latest contact."""
    squash, degrees = 0.0, 0.0
    if latest is not None:
        squash = SQUASH * float(np.exp((latest.time_seconds - time_seconds) / SQUASH_SECONDS))
        degrees = float(np.degrees(np.arctan2(latest.normal[1], latest.normal[0])))
    axes = (radius * (1 - squash), radius * (1 + 0.5 * squash))
    draw.oval(image, centre, axes, degrees, mixed(colour, BLACK, 0.35))
    for share, light in ((0.85, 0.0), (0.55, 0.2), (0.22, 0.6)):
        place = centre - (1 - share) * 0.55 * radius * np.array([0.7, 0.7])
        draw.oval(image, place, (axes[0] * share, axes[1] * share), degrees, mixed(colour, WHITE, light))
