"""A synthetic scene: where and when it plays, what is played on it, and how its picture is drawn.

A scene has one clock, on which picture and sound are rendered from the same events. The picture is drawn at
the times that the stage asks for; the sound covers the scene from 0 to its end, so that a piece of it can be
cut out early or late.

What surrounds the movers (a background, silent passers-by, a camera that isn't quite still) has nothing to do with the
sound; it's there so that motion as such proves nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from jaxtyping import Float, Float32

from avmatch.synth.draw import Image, oval, polygon, random_colour

#: Draws the movers as they are at a time (seconds of the scene's clock) onto an image, in place.
Paint: TypeAlias = Callable[[Image, float], None]


@dataclass(frozen=True, eq=False)
class Stage:
    """Where and when a scene plays.

    Attributes:
        width, height: the picture, in pixels.
        duration_seconds: how long the scene lasts; its sound is rendered from 0 to here.
        frame_times_seconds: (T,) when a picture is taken, within the scene.
    """

    width: int
    height: int
    duration_seconds: float
    frame_times_seconds: Float[np.ndarray, " T"]

    @property
    def unit(self) -> int:
        """The shorter side in pixels: what sizes are measured in."""
        return min(self.width, self.height)


@dataclass(frozen=True)
class Strike:
    """One thing hits another.

    Attributes:
        time_seconds: when, on the scene's clock.
        strength: how hard; about 1.
        voice: which of the scene's voices sounds.
    """

    time_seconds: float
    strength: float
    voice: int


@dataclass(frozen=True, eq=False)
class Act:
    """What is played: a picture and the sound of the same events.

    Attributes:
        paint: draws the movers.
        sound: (S,) mono at SAMPLE_RATE_HZ, from the start of the scene to its end.
        event_times_seconds: (E,) when something both shows and sounds, increasing.
    """

    paint: Paint
    sound: Float32[np.ndarray, " S"]
    event_times_seconds: Float[np.ndarray, " E"]


SHAKE_PIXELS = 1.5
MAX_PASSERS_BY = 2
NUM_WAVES = 3


def film(rng: np.random.Generator, stage: Stage, paint: Paint) -> Iterator[Image]:
    """Yields the picture at each of the stage's frame times, with `paint` over a random backdrop."""
    background = _background(rng, stage)
    passers_by = [_passer_by(rng, stage) for _ in range(rng.integers(0, MAX_PASSERS_BY + 1))]
    amplitude = rng.uniform(0, SHAKE_PIXELS)
    shake_x, shake_y = wander(rng), wander(rng)
    for time_seconds in stage.frame_times_seconds:
        image = background.copy()
        for pass_by in passers_by:
            pass_by(image, time_seconds)
        paint(image, time_seconds)
        moved = [[1, 0, amplitude * shake_x(time_seconds)], [0, 1, amplitude * shake_y(time_seconds)]]
        yield cv2.warpAffine(image, np.array(moved), (stage.width, stage.height), borderMode=cv2.BORDER_REPLICATE)


def wander(rng: np.random.Generator, *, highest_hz: float = 0.8) -> Callable[[float], float]:
    """A smooth random function of time (seconds) within ±1: a few slow sines."""
    rates = 2 * np.pi * rng.uniform(0.15, 1.0, NUM_WAVES) * highest_hz
    phases = rng.uniform(0, 2 * np.pi, NUM_WAVES)
    return lambda time_seconds: float(np.mean(np.sin(rates * time_seconds + phases)))


def _background(rng: np.random.Generator, stage: Stage) -> Image:
    """Large soft patches around one colour, with a fine grain."""
    base = np.array(random_colour(rng, 0.15, 0.95), np.float32)
    patches = base + rng.normal(0, rng.uniform(5, 30), (rng.integers(2, 6), rng.integers(2, 8), 3))
    smooth = cv2.resize(patches, (stage.width, stage.height), interpolation=cv2.INTER_CUBIC)
    grain = rng.normal(0, rng.uniform(0, 6), (stage.height, stage.width, 1))
    return np.clip(smooth + grain, 0, 255).astype(np.uint8)


def _passer_by(rng: np.random.Generator, stage: Stage) -> Paint:
    """Something that drifts about and makes no sound."""
    colour, size = random_colour(rng), stage.unit * rng.uniform(0.04, 0.1)
    path_x, path_y, turn = wander(rng), wander(rng), wander(rng)
    sides, home = int(rng.integers(3, 7)), rng.uniform(0.2, 0.8, 2) * (stage.width, stage.height)
    corners = 2 * np.pi * np.arange(sides) / sides

    def paint(image: Image, time_seconds: float) -> None:
        away = (0.5 * stage.width * path_x(time_seconds), 0.5 * stage.height * path_y(time_seconds))
        centre, angle = home + away, 3 * turn(time_seconds)
        if sides == 6:
            oval(image, centre, (size, 0.7 * size), float(np.degrees(angle)), colour)
        else:
            shape = np.stack([np.cos(corners + angle), np.sin(corners + angle)], axis=1)
            polygon(image, centre + size * shape, colour)

    return paint
