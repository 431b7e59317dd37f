"""A pendulum clock that keeps poor time, so that no two clocks agree.

An anchor escapement lets the wheel go once in each swing, close to the lowest point (Rawlings, *The Science
of Clocks and Watches*, 1993): here tick and tock come exactly when the pendulum passes it, which is also when
it moves fastest, and the escape wheel jumps by half a tooth. Each swing has its own random length; its width
is in proportion, so that the speed at the lowest point is always the same and the motion stays smooth.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from avmatch.synth.sound import log_uniform, mix, solid_voice
from avmatch.synth.stage import (
    BLACK,
    WHITE,
    Act,
    Colour,
    Image,
    Stage,
    Strike,
    disc,
    mixed,
    oval,
    polygon,
    random_colour,
    stroke,
)

NUM_TEETH = 10
JUMP_SECONDS = 0.04


@dataclass(frozen=True, eq=False)
class Body:
    """What a clock looks like; lengths in pixels."""

    pivot: Float[np.ndarray, " 2"]
    length: float
    bob: float
    dial: float
    case: Colour
    face: Colour
    metal: Colour


def clock(rng: np.random.Generator, stage: Stage) -> Act:
    """One clock with its own pace, and a tick that differs from its tock."""
    ticks = _ticks(rng, stage.duration_seconds)
    strikes = [Strike(time_seconds, rng.uniform(0.7, 1.3), index % 2) for index, time_seconds in enumerate(ticks)]
    decay_seconds = log_uniform(rng, 0.02, 0.2)
    voices = [solid_voice(rng, longest_decay_seconds=decay_seconds) for _ in range(2)]
    sound = mix(strikes, voices, stage.duration_seconds)
    body, width = _body(rng, stage), rng.uniform(0.3, 0.6)

    def paint(image: Image, time_seconds: float) -> None:
        num_ticks = bisect_right(ticks, time_seconds)
        since = time_seconds - ticks[num_ticks - 1] if num_ticks else 1.0
        _paint_case(image, body)
        _paint_wheel(image, body, num_ticks - float(np.exp(-since / JUMP_SECONDS)))
        _paint_pendulum(image, body, _angle(ticks, time_seconds, width))

    return Act(paint, sound, np.array(ticks))


def _ticks(rng: np.random.Generator, duration_seconds: float) -> list[float]:
    ticks = [rng.uniform(0.05, 0.4)]
    pace_seconds = rng.uniform(0.35, 0.55)
    while ticks[-1] < duration_seconds:
        ticks.append(ticks[-1] + pace_seconds * rng.uniform(0.55, 1.6))
    return ticks[:-1]


def _angle(ticks: list[float], time_seconds: float, width: float) -> float:
    """The pendulum's angle (radians): half a sine between two ticks, to the left and to the right in turn."""
    index = min(max(bisect_right(ticks, time_seconds), 1), len(ticks) - 1)
    length_seconds = ticks[index] - ticks[index - 1]
    side = 1 if index % 2 else -1
    swing = np.sin(np.pi * (time_seconds - ticks[index - 1]) / length_seconds)
    return side * width * length_seconds / 0.45 * float(swing)


def _body(rng: np.random.Generator, stage: Stage) -> Body:
    length = stage.height * rng.uniform(0.5, 0.68)
    return Body(
        pivot=np.array([stage.width * rng.uniform(0.35, 0.65), stage.height * rng.uniform(0.16, 0.24)]),
        length=length,
        bob=stage.unit * rng.uniform(0.05, 0.1),
        dial=stage.unit * rng.uniform(0.1, 0.16),
        case=random_colour(rng, 0.2, 0.7),
        face=random_colour(rng, 0.5),
        metal=random_colour(rng, 0.5),
    )


def _paint_case(image: Image, body: Body) -> None:
    half = 0.45 * body.length
    for share, colour in ((1.0, mixed(body.case, BLACK, 0.4)), (0.88, body.case)):
        left, right = body.pivot[0] - half * share, body.pivot[0] + half * share
        top, bottom = body.pivot[1] - 1.5 * body.dial * share, body.pivot[1] + body.length + 2 * body.bob * share
        polygon(image, np.array([[left, top], [right, top], [right, bottom], [left, bottom]]), colour)
    oval(image, body.pivot, (1.15 * body.dial,) * 2, 0, mixed(body.face, BLACK, 0.5))
    oval(image, body.pivot, (body.dial,) * 2, 0, body.face)


def _paint_wheel(image: Image, body: Body, steps: float) -> None:
    """The escape wheel on the dial: it has gone `steps` half teeth."""
    angles = np.pi * (2 * np.arange(NUM_TEETH) + steps) / NUM_TEETH
    for angle in angles:
        way = np.array([np.cos(angle), np.sin(angle)])
        spoke = body.pivot + np.outer([0.3, 0.85], way) * body.dial
        stroke(image, spoke, mixed(body.face, BLACK, 0.7), 2)


def _paint_pendulum(image: Image, body: Body, angle: float) -> None:
    way = np.array([np.sin(angle), np.cos(angle)])
    bob = body.pivot + body.length * way
    stroke(image, np.stack([body.pivot, bob]), mixed(body.metal, BLACK, 0.3), 3)
    disc(image, bob[0], bob[1], body.bob, mixed(body.metal, BLACK, 0.4))
    disc(image, bob[0], bob[1], 0.85 * body.bob, body.metal)
    disc(image, bob[0] - 0.3 * body.bob, bob[1] - 0.3 * body.bob, 0.3 * body.bob, mixed(body.metal, WHITE, 0.6))
    disc(image, body.pivot[0], body.pivot[1], 0.15 * body.dial, body.metal)
