"""Drum pads, plucked strings, and a pendulum clock.

**Drums**: a stick rises from one pad, falls on the next, and the pad flashes. Between two hits a stick's tip flies a
parabola, so it arrives fast and turns in an instant; the longer the wait, the higher it rises and the louder it hits.

**Strings**: a plectrum wanders from string to string, and each string that it crosses vibrates. Its way across the
strings is a cubic through the plucks, with its speed at each of them given; it leaves the strings sideways in between.
A real string moves too fast for a camera: what is drawn is the first mode at a rate that a camera would show (the
stroboscopic effect), inside its blur.

**Clock**: an anchor escapement lets the wheel go once in each swing, close to the lowest point (Rawlings, *The Science
of Clocks and Watches*, 1993): tick and tock come exactly when the pendulum passes it, which is also when it moves
fastest, and the escape wheel jumps by half a tooth. The clock keeps poor time, so that no two agree: each swing has its
own random length; its width is in proportion, so that the speed at the lowest point is always the same and the motion
stays smooth.
"""

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.interpolate import CubicHermiteSpline

from avmatch.synth import draw
from avmatch.synth.draw import BLACK, WHITE, Colour, Image, mixed
from avmatch.synth.sound import log_uniform, membrane_voice, mix, solid_voice, string_voice
from avmatch.synth.stage import Act, Stage, Strike

FLASH_SECONDS = 0.1
SWING_SECONDS = 0.16
CURVE = np.linspace(0, 1, 17)
NUM_TEETH = 10
JUMP_SECONDS = 0.04


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
        Pad(np.array([x, y]), (radius, radius * flatness), draw.random_colour(rng, 0.25, 0.85))
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
    return Stick(tuple(strikes), draw.random_colour(rng, 0.5), grip, stage.height * rng.uniform(0.5, 0.9))


def _paint_pad(image: Image, pad: Pad, time_seconds: float, hits: list[float]) -> None:
    """A rim, a skin that lights up and is pressed in by the latest hit, and a ring on it."""
    num_hits = bisect_right(hits, time_seconds)
    flash = float(np.exp((hits[num_hits - 1] - time_seconds) / FLASH_SECONDS)) if num_hits else 0.0
    centre, (width, height) = pad.centre + np.array([0.0, 0.08 * pad.axes[1] * flash]), pad.axes
    draw.oval(image, pad.centre + np.array([0.0, 0.3 * height]), pad.axes, 0, mixed(pad.colour, BLACK, 0.6))
    draw.oval(image, pad.centre, pad.axes, 0, mixed(pad.colour, WHITE, 0.5))
    skin = mixed(pad.colour, WHITE, 0.8 * flash)
    draw.oval(image, centre, (0.9 * width, 0.9 * height * (1 - 0.1 * flash)), 0, skin)
    draw.oval(image, centre, (0.45 * width, 0.45 * height), 0, mixed(skin, BLACK, 0.3), width=1)


def _paint_stick(image: Image, stick: Stick, pads: list[Pad], time_seconds: float, unit: float) -> None:
    tip = _tip(stick, pads, time_seconds)
    grip = np.array([(stick.grip[0] + tip[0]) / 2, stick.grip[1]])
    draw.stroke(image, np.stack([grip, tip]), mixed(stick.colour, BLACK, 0.5), round(0.035 * unit))
    draw.stroke(image, np.stack([grip, tip]), stick.colour, round(0.022 * unit))
    draw.disc(image, tip[0], tip[1], 0.025 * unit, stick.colour)


def _tip(stick: Stick, pads: list[Pad], time_seconds: float) -> Float[np.ndarray, " 2"]:
    """Where the tip is: on a parabola between two hits, at rest before the first and after the last."""
    num_hits = bisect_right(stick.strikes, time_seconds, key=lambda strike: strike.time_seconds)
    last, coming = stick.strikes[max(num_hits - 1, 0)], stick.strikes[min(num_hits, len(stick.strikes) - 1)]
    wait_seconds = coming.time_seconds - last.time_seconds
    share = (time_seconds - last.time_seconds) / wait_seconds if wait_seconds > 0 else 0.0
    start, end = pads[last.voice].centre, pads[coming.voice].centre
    tip = start + (end - start) * share
    return np.asarray(tip - np.array([0.0, 4 * share * (1 - share) * stick.lift * wait_seconds]))


@dataclass(frozen=True, eq=False)
class Frame:
    """How the strings are laid: along the picture's width, or its height where `upright`. In pixels."""

    places: Float[np.ndarray, " N"]
    start: float
    end: float
    upright: bool

    def points(self, along: Float[np.ndarray, " P"], across: Float[np.ndarray, " P"]) -> Float[np.ndarray, "P 2"]:
        """Picture coordinates of places given along and across the strings."""
        return np.stack([across, along] if self.upright else [along, across], axis=1)


def strings(rng: np.random.Generator, stage: Stage) -> Act:
    """Three to six strings and a plectrum."""
    frame = _frame(rng, stage)
    strikes = _plucks(rng, len(frame.places), stage.duration_seconds)
    times = np.array([strike.time_seconds for strike in strikes])
    sound = mix(strikes, [string_voice(rng) for _ in frame.places], stage.duration_seconds)
    spacing = float(np.diff(frame.places).min())
    speeds = 5 * spacing * rng.uniform(0.7, 1.5, len(times)) * rng.choice([-1, 1], len(times))
    path = CubicHermiteSpline(times, frame.places[[strike.voice for strike in strikes]], speeds)
    colours = [draw.random_colour(rng, 0.5) for _ in frame.places]
    rates = rng.uniform(7, 11, len(frame.places))
    wood, plectrum = draw.random_colour(rng, 0.2, 0.7), draw.random_colour(rng, 0.4)
    hand = frame.start + (frame.end - frame.start) * rng.uniform(0.25, 0.75)

    def paint(image: Image, time_seconds: float) -> None:
        _paint_body(image, frame, spacing, wood)
        num_plucks = bisect_right(strikes, time_seconds, key=lambda strike: strike.time_seconds)
        latest = {strike.voice: strike for strike in strikes[:num_plucks]}
        for index, colour in enumerate(colours):
            swing = _swing(latest.get(index), time_seconds) * 0.3 * spacing
            phase = float(np.cos(2 * np.pi * rates[index] * time_seconds))
            _paint_string(image, frame, index, (swing, phase), colour)
        if times[0] <= time_seconds < times[-1]:
            share = (time_seconds - times[num_plucks - 1]) / (times[num_plucks] - times[num_plucks - 1])
            lift = 4 * share * (1 - share) * 0.7 * spacing
            _paint_plectrum(image, frame, (hand + lift, float(path(time_seconds))), spacing, plectrum)

    return Act(paint, sound, times)


def _frame(rng: np.random.Generator, stage: Stage) -> Frame:
    upright = bool(rng.random() < 0.5)
    length, breadth = (stage.height, stage.width) if upright else (stage.width, stage.height)
    num_strings = int(rng.integers(3, 7))
    room = rng.uniform(0.15, 0.3) * breadth
    places = np.linspace(room, breadth - room, num_strings) + rng.uniform(-0.05, 0.05) * breadth
    return Frame(places, rng.uniform(0.03, 0.15) * length, rng.uniform(0.85, 0.97) * length, upright)


def _plucks(rng: np.random.Generator, num_strings: int, duration_seconds: float) -> list[Strike]:
    strikes: list[Strike] = []
    time_seconds = rng.uniform(0.05, 0.4)
    while time_seconds < duration_seconds:
        strikes.append(Strike(time_seconds, rng.uniform(0.5, 1.3), int(rng.integers(num_strings))))
        time_seconds += rng.uniform(0.18, 0.85)
    return strikes


def _swing(latest: Strike | None, time_seconds: float) -> float:
    """How far the string swings, about 1 just after it was plucked."""
    if latest is None:
        return 0.0
    return latest.strength * float(np.exp((latest.time_seconds - time_seconds) / SWING_SECONDS))


def _paint_body(image: Image, frame: Frame, spacing: float, colour: Colour) -> None:
    edges = np.array([frame.places[0] - 0.6 * spacing, frame.places[-1] + 0.6 * spacing])
    ends = np.array([frame.start, frame.end])
    draw.polygon(image, frame.points(ends[[0, 1, 1, 0]], edges[[0, 0, 1, 1]]), colour)
    for end in ends:
        draw.stroke(image, frame.points(np.full(2, end), edges), mixed(colour, BLACK, 0.5), 4)


def _paint_string(image: Image, frame: Frame, index: int, swing_and_phase: tuple[float, float], colour: Colour) -> None:
    """The string as it is now, inside the blur of its swing."""
    swing, phase = swing_and_phase
    along = frame.start + (frame.end - frame.start) * CURVE
    bow = swing * np.sin(np.pi * CURVE)
    if swing > 0.5:
        ring = np.concatenate([along, along[::-1]]), frame.places[index] + np.concatenate([bow, -bow[::-1]])
        draw.polygon(image, frame.points(*ring), mixed(colour, BLACK, 0.35))
    draw.stroke(image, frame.points(along, frame.places[index] + phase * bow), colour, 2)


def _paint_plectrum(image: Image, frame: Frame, place: tuple[float, float], spacing: float, colour: Colour) -> None:
    along, across = place
    size = 0.45 * spacing
    corners = along + size * np.array([0.0, 1.8, 1.8]), across + size * np.array([0.0, -0.8, 0.8])
    draw.polygon(image, frame.points(*corners), colour)
    draw.stroke(image, frame.points(*(corner[[0, 1, 2, 0]] for corner in corners)), mixed(colour, BLACK, 0.5), 1)


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
        case=draw.random_colour(rng, 0.2, 0.7),
        face=draw.random_colour(rng, 0.5),
        metal=draw.random_colour(rng, 0.5),
    )


def _paint_case(image: Image, body: Body) -> None:
    half = 0.45 * body.length
    for share, colour in ((1.0, mixed(body.case, BLACK, 0.4)), (0.88, body.case)):
        left, right = body.pivot[0] - half * share, body.pivot[0] + half * share
        top, bottom = body.pivot[1] - 1.5 * body.dial * share, body.pivot[1] + body.length + 2 * body.bob * share
        draw.polygon(image, np.array([[left, top], [right, top], [right, bottom], [left, bottom]]), colour)
    draw.oval(image, body.pivot, (1.15 * body.dial,) * 2, 0, mixed(body.face, BLACK, 0.5))
    draw.oval(image, body.pivot, (body.dial,) * 2, 0, body.face)


def _paint_wheel(image: Image, body: Body, steps: float) -> None:
    """The escape wheel on the dial: it has gone `steps` half teeth."""
    angles = np.pi * (2 * np.arange(NUM_TEETH) + steps) / NUM_TEETH
    for angle in angles:
        way = np.array([np.cos(angle), np.sin(angle)])
        spoke = body.pivot + np.outer([0.3, 0.85], way) * body.dial
        draw.stroke(image, spoke, mixed(body.face, BLACK, 0.7), 2)


def _paint_pendulum(image: Image, body: Body, angle: float) -> None:
    way = np.array([np.sin(angle), np.cos(angle)])
    bob = body.pivot + body.length * way
    draw.stroke(image, np.stack([body.pivot, bob]), mixed(body.metal, BLACK, 0.3), 3)
    draw.disc(image, bob[0], bob[1], body.bob, mixed(body.metal, BLACK, 0.4))
    draw.disc(image, bob[0], bob[1], 0.85 * body.bob, body.metal)
    draw.disc(image, bob[0] - 0.3 * body.bob, bob[1] - 0.3 * body.bob, 0.3 * body.bob, mixed(body.metal, WHITE, 0.6))
    draw.disc(image, body.pivot[0], body.pivot[1], 0.15 * body.dial, body.metal)
