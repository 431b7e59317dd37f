"""Drum pads and one or two sticks: a stick rises from one pad, falls on the next, and the pad flashes.

Between two hits a stick's tip flies a parabola, so it arrives fast and turns in an instant; the longer the
wait, the higher it rises and the louder it hits.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from avmatch.datasets.synth.drawing import disc, mixed, oval, random_colour, stroke
from avmatch.datasets.synth.sound import membrane_voice, mix
from avmatch.datasets.synth.stage import BLACK, WHITE, Act, Colour, Image, Stage, Strike

FLASH_SECONDS = 0.1


@dataclass(frozen=True, eq=False)
class Pad:
    """A drum seen from above the player's shoulder: an ellipse, in pixels."""

    centre: Float[np.ndarray, " 2"]
    axes: tuple[float, float]
    colour: Colour


@dataclass(frozen=True, eq=False)
class Stick:
    """One stick and what it hits, in the order of time; `strikes[n].voice` is the pad."""

    strikes: tuple[Strike, ...]
    colour: Colour
    grip: Float[np.ndarray, " 2"]
    lift: float


def drums(rng: np.random.Generator, stage: Stage) -> Act:
    """Two to four pads; with two sticks, each has half of the pads to itself."""
    num_pads, num_sticks = int(rng.integers(2, 5)), int(rng.integers(1, 3))
    pads = _pads(rng, stage, num_pads)
    shares = np.array_split(np.arange(num_pads), num_sticks)
    sticks = [_stick(rng, stage, pads, share.tolist(), num_sticks) for share in shares]
    strikes = sorted((strike for stick in sticks for strike in stick.strikes), key=lambda s: s.time_seconds)
    sound = mix(strikes, [membrane_voice(rng) for _ in pads], stage.duration_seconds)

    def paint(image: Image, time_seconds: float) -> None:
        for index, pad in enumerate(pads):
            hits = [strike.time_seconds for strike in strikes if strike.voice == index]
            _paint_pad(image, pad, time_seconds, hits)
        for stick in sticks:
            _paint_stick(image, stick, pads, time_seconds, stage.unit)

    return Act(paint, sound, np.array([strike.time_seconds for strike in strikes]))


def _pads(rng: np.random.Generator, stage: Stage, num_pads: int) -> list[Pad]:
    columns = (np.arange(num_pads) + rng.uniform(0.4, 0.6, num_pads)) / num_pads * stage.width
    rows = stage.height * rng.uniform(0.55, 0.85, num_pads)
    radii = stage.width / num_pads * rng.uniform(0.3, 0.48, num_pads)
    flatness = rng.uniform(0.35, 0.7)
    return [
        Pad(np.array([x, y]), (radius, radius * flatness), random_colour(rng, 0.25, 0.85))
        for x, y, radius in zip(columns, rows, radii, strict=True)
    ]


def _stick(rng: np.random.Generator, stage: Stage, pads: list[Pad], mine: list[int], num_sticks: int) -> Stick:
    strikes: list[Strike] = []
    time_seconds = rng.uniform(0.05, 0.4)
    while time_seconds < stage.duration_seconds:
        wait_seconds = rng.uniform(0.16, 0.75) * (1.0 if num_sticks == 1 else 1.4)
        strength = (0.5 + wait_seconds) * rng.uniform(0.8, 1.2)
        strikes.append(Strike(time_seconds, strength, int(rng.choice(mine))))
        time_seconds += wait_seconds
    middle = float(np.mean([pads[pad].centre[0] for pad in mine]))
    grip = np.array([middle + stage.width * rng.uniform(-0.15, 0.15), stage.height * 1.15])
    return Stick(tuple(strikes), random_colour(rng, 0.5), grip, stage.height * rng.uniform(0.5, 0.9))


def _paint_pad(image: Image, pad: Pad, time_seconds: float, hits: list[float]) -> None:
    """A rim, a skin that lights up and is pressed in by the latest hit, and a ring on it."""
    num_hits = bisect_right(hits, time_seconds)
    flash = float(np.exp((hits[num_hits - 1] - time_seconds) / FLASH_SECONDS)) if num_hits else 0.0
    centre, (width, height) = pad.centre + np.array([0.0, 0.08 * pad.axes[1] * flash]), pad.axes
    oval(image, pad.centre + np.array([0.0, 0.3 * height]), pad.axes, 0, mixed(pad.colour, BLACK, 0.6))
    oval(image, pad.centre, pad.axes, 0, mixed(pad.colour, WHITE, 0.5))
    skin = mixed(pad.colour, WHITE, 0.8 * flash)
    oval(image, centre, (0.9 * width, 0.9 * height * (1 - 0.1 * flash)), 0, skin)
    oval(image, centre, (0.45 * width, 0.45 * height), 0, mixed(skin, BLACK, 0.3), width=1)


def _paint_stick(image: Image, stick: Stick, pads: list[Pad], time_seconds: float, unit: float) -> None:
    tip = _tip(stick, pads, time_seconds)
    grip = np.array([(stick.grip[0] + tip[0]) / 2, stick.grip[1]])
    stroke(image, np.stack([grip, tip]), mixed(stick.colour, BLACK, 0.5), round(0.035 * unit))
    stroke(image, np.stack([grip, tip]), stick.colour, round(0.022 * unit))
    disc(image, tip[0], tip[1], 0.025 * unit, stick.colour)


def _tip(stick: Stick, pads: list[Pad], time_seconds: float) -> Float[np.ndarray, " 2"]:
    """Where the tip is: on a parabola between two hits, at rest before the first and after the last."""
    num_hits = bisect_right(stick.strikes, time_seconds, key=lambda strike: strike.time_seconds)
    last, coming = stick.strikes[max(num_hits - 1, 0)], stick.strikes[min(num_hits, len(stick.strikes) - 1)]
    wait_seconds = coming.time_seconds - last.time_seconds
    share = (time_seconds - last.time_seconds) / wait_seconds if wait_seconds > 0 else 0.0
    start, end = pads[last.voice].centre, pads[coming.voice].centre
    tip = start + (end - start) * share
    return np.asarray(tip - np.array([0.0, 4 * share * (1 - share) * stick.lift * wait_seconds]))
