"""What a camera above the tray and four microphones at its sides record of a motion.

The mask of a frame is the part of the picture that shows the tray: 440 × 440 of 480 × 640. Both are drawn from the same
polygon; a mask's edge is a little rough, as a segmentation's is.

    hits: modes with a random share each, after a contact's half sine ┐
    sliding: noise around the object's frequency, louder and          ├ distance: level, delay ─ room ─ + background
             brighter with speed, and a little of its modes           ┘

A mode rings as exp(−t / τ) sin(2π f t), where τ falls with frequency; a contact of the length T keeps what is far above
1/T from ringing. Levels follow 1 / (distance + 5 cm).

Letters in shapes: H rows, W columns, S samples, M microphones.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8
from scipy.signal import fftconvolve, lfilter

from avmatch.systems.collisions.frontends import FRAME_RATE_HZ, MARGIN_PX, MASK_PX, NUM_SAMPLES, SAMPLE_RATE_HZ
from avmatch.systems.collisions.simulator.world import HALF_PX, MIDDLE_PX, PX_PER_M, STEP_SECONDS, Body, Hit, Motion

_CLOCK_SPREAD_SECONDS = 0.008
_SUBPIXEL = 4  # bits after the point that cv2 draws with
SOUND_M_S = 343.0
#: Left, top, right, bottom: metres from the tray's middle, and above it.
MICROPHONES_M = np.array([(-0.17, 0.0, 0.03), (0.0, -0.17, 0.03), (0.17, 0.0, 0.03), (0.0, 0.17, 0.03)])
_NUM_CHANNELS = len(MICROPHONES_M)
_NEAR_M = 0.05
#: Of a microphone at that distance, so that the hardest hits come near ±1.
_GAIN = 0.9
_SLIDE_GAIN = 0.035
_RING_SECONDS = 0.5
_ROOM_SECONDS, _ROOM_LEVEL = 0.06, 0.25
_BACKGROUND = 8e-4


def filmed(
    body: Body, motion: Motion, begin_seconds: float, num_frames: int, light: float, rng: np.random.Generator
) -> Iterator[tuple[UInt8[np.ndarray, "440 440"], UInt8[np.ndarray, "480 640 3"]]]:
    """Mask and rgb of each frame. Before and after the motion the object rests.

    Args:
        begin_seconds: the moment of the motion at which the video begins.
        light: 1 = colours as they are.
    """
    times = begin_seconds + np.arange(num_frames) / FRAME_RATE_HZ
    times = times + rng.normal(0, _CLOCK_SPREAD_SECONDS, len(times))
    steps = np.clip(np.rint(times / STEP_SECONDS).astype(np.int64), 0, len(motion.speed_m_s) - 1)
    background = _tray(light, rng)
    for step in steps:
        centre = np.array(MIDDLE_PX) + motion.place_m[step] * PX_PER_M
        turn = float(motion.turn_radians[step])
        corners = _corners(body, centre, turn)
        mask = np.zeros((MASK_PX, MASK_PX), np.uint8)
        cv2.fillPoly(mask, _polygon(corners + rng.normal(0, 0.7, corners.shape)), 255, shift=_SUBPIXEL)
        yield mask, _rgb(background, body, centre, turn, light)


def _corners(body: Body, centre: Float[np.ndarray, " 2"], turn: float) -> Float[np.ndarray, "points 2"]:
    """The outline in the mask's pixels. It may stand out over a wall: what meets walls is a disc."""
    rotation = np.array([(np.cos(turn), np.sin(turn)), (-np.sin(turn), np.cos(turn))])
    return body.outline @ rotation * body.radius_m * PX_PER_M + centre


def _rgb(
    background: UInt8[np.ndarray, "480 640 3"], body: Body, centre: Float[np.ndarray, " 2"], turn: float, light: float
) -> UInt8[np.ndarray, "480 640 3"]:
    picture = background.copy()
    corners = _corners(body, centre, turn) + MARGIN_PX
    colour = np.clip(np.array(body.colour) * light, 0, 255).tolist()
    cv2.fillPoly(picture, _polygon(corners), colour, cv2.LINE_AA, _SUBPIXEL)
    num_stripes, strength = body.stripes
    if num_stripes:
        stencil = np.zeros(picture.shape[:2], np.uint8)
        cv2.fillPoly(stencil, _polygon(corners), 255, shift=_SUBPIXEL)
        rows, columns = np.nonzero(stencil)
        across = (np.column_stack([columns, rows]) - MARGIN_PX - centre) @ np.array([np.cos(turn), np.sin(turn)])
        dark = np.sin(np.pi * num_stripes * across / (body.radius_m * PX_PER_M)) > 0.3
        picture[rows[dark], columns[dark]] = (picture[rows[dark], columns[dark]] * (1 - strength)).astype(np.uint8)
    return picture


def _polygon(corners: Float[np.ndarray, "points 2"]) -> list[np.ndarray]:
    """As cv2 draws it."""
    return [np.rint(corners * 2**_SUBPIXEL).astype(np.int32)]


def _tray(light: float, rng: np.random.Generator) -> UInt8[np.ndarray, "480 640 3"]:
    """A table, and on it the tray: wood with a grain, and its walls."""
    columns, rows = MASK_PX + 2 * np.array(MARGIN_PX)
    picture = np.full((rows, columns, 3), (96, 92, 88), np.float32)
    left, top = (round(middle - HALF_PX) + margin for middle, margin in zip(MIDDLE_PX, MARGIN_PX, strict=True))
    side = round(2 * HALF_PX)
    grain = cv2.resize(rng.normal(0, 5, (40, 4)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    picture[top - 9 : top + side + 9, left - 9 : left + side + 9] = (52, 72, 98)
    picture[top : top + side, left : left + side] = np.array([120.0, 150.0, 178.0]) + grain[..., None]
    return np.clip(picture * light, 0, 255).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class Room:
    """What is the same for all sounds of a set: each microphone's gain, and its room response."""

    gain: Float[np.ndarray, " M"]
    response: Float[np.ndarray, "M R"]


def drawn_room(rng: np.random.Generator) -> Room:
    """Gains within about 1 dB; noise that falls by 60 dB in 60 ms, after the direct sound."""
    times = np.arange(round(_ROOM_SECONDS * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    tail = rng.normal(0, 1, (_NUM_CHANNELS, len(times))) * np.exp(-6.9 * times / _ROOM_SECONDS)
    tail[:, times < 0.002] = 0.0
    tail *= _ROOM_LEVEL / np.sqrt(np.square(tail).sum(axis=1, keepdims=True))
    tail[:, 0] = 1.0
    return Room(10 ** (rng.normal(0, 1.0, _NUM_CHANNELS) / 20), tail)


def recorded(
    body: Body, motion: Motion, room: Room, begin_seconds: float, rng: np.random.Generator
) -> Float32[np.ndarray, "S 4"]:
    """4 s from `begin_seconds` of the motion on, which may begin before it and end after it; about ±1."""
    body = _individual(body, rng)
    dry = _slide(body, motion, begin_seconds, rng)
    for hit in motion.hits:
        _add_hit(dry, body, hit, hit.seconds - begin_seconds, rng)
    wet = fftconvolve(dry, room.response, axes=1)[:, :NUM_SAMPLES]
    level = 10 ** (rng.normal(0, 1.0) / 20)
    uneven = 10 ** (rng.normal(0, 0.3, (_NUM_CHANNELS, 1)) / 20)
    noisy = level * (wet * room.gain[:, None] * uneven) + _background(rng)
    return np.clip(noisy, -1, 1).T.astype(np.float32)


def _individual(body: Body, rng: np.random.Generator) -> Body:
    """Modes lie a little elsewhere each time: how the object lies on the tray, how warm it is."""
    modes = np.array(body.modes_hz) * (1 + rng.normal(0, 0.012, len(body.modes_hz)))
    decay, slide = body.decay_seconds * 10 ** rng.normal(0, 0.06), body.slide_hz * 10 ** rng.normal(0, 0.04)
    return replace(body, modes_hz=tuple(modes.tolist()), decay_seconds=float(decay), slide_hz=float(slide))


def _add_hit(
    channels: Float[np.ndarray, "M S"], body: Body, hit: Hit, seconds: float, rng: np.random.Generator
) -> None:
    """Add one hit to what each microphone records; what lies outside the 4 s is lost."""
    strength = _GAIN * (body.mass_kg / 0.1) ** 0.35 * hit.speed_m_s**1.2
    modes = np.array(body.modes_hz)
    shares = np.abs(rng.normal(1.0, 0.45, len(modes))) * np.linspace(1, 0.6, len(modes))
    contact = body.contact_seconds * (hit.speed_m_s / 0.3) ** -0.2
    shares = shares / (1 + np.square(modes * contact))
    decays = body.decay_seconds * np.sqrt(modes[0] / modes)
    click = rng.normal(0, 1, round(contact * SAMPLE_RATE_HZ) + 1)
    distance, delay = _ways(np.array([(hit.x_m, hit.y_m)]))
    for channel in range(_NUM_CHANNELS):
        first = seconds + float(delay[channel, 0])
        begin = int(np.ceil(first * SAMPLE_RATE_HZ))
        start, stop = max(begin, 0), min(begin + round(_RING_SECONDS * SAMPLE_RATE_HZ), NUM_SAMPLES)
        if stop <= start:
            continue
        times = np.arange(start, stop) / SAMPLE_RATE_HZ - first
        ringing = np.exp(-times / decays[:, None]) * np.sin(2 * np.pi * modes[:, None] * times)
        wave = shares @ ringing
        knock = np.arange(start - begin, min(len(times) + start - begin, len(click)))
        wave[: len(knock)] += 0.35 * click[knock] * np.sin(np.pi * (knock + 0.5) / len(click))
        channels[channel, start:stop] += strength * _NEAR_M / (float(distance[channel, 0]) + _NEAR_M) * wave


def _slide(body: Body, motion: Motion, begin_seconds: float, rng: np.random.Generator) -> Float[np.ndarray, "M S"]:
    """Noise that follows the speed and comes from where the object is."""
    times = begin_seconds + np.arange(NUM_SAMPLES) / SAMPLE_RATE_HZ
    steps = np.arange(len(motion.speed_m_s)) * STEP_SECONDS
    speed = np.interp(times, steps, motion.speed_m_s, left=0.0, right=0.0)
    noise = rng.normal(0, 1, NUM_SAMPLES)
    dull, bright = (_resonance(noise, body.slide_hz * factor, 1.2) for factor in (0.6, 1.7))
    ringing = sum(_resonance(noise, mode, 15.0) for mode in body.modes_hz[:3])
    rough = body.slide_level * (body.mass_kg / 0.1) ** 0.35 * _SLIDE_GAIN
    wave = rough * speed * (dull + (speed / 0.5) * bright + 0.5 * ringing)
    coarse = slice(None, None, 10)
    distance, delay = _ways(motion.place_m[coarse])
    channels = np.empty((_NUM_CHANNELS, NUM_SAMPLES))
    for channel in range(_NUM_CHANNELS):
        gain = np.interp(times, steps[coarse], _NEAR_M / (distance[channel] + _NEAR_M))
        late = np.interp(times, steps[coarse], delay[channel])
        channels[channel] = np.interp(times - late, times, wave) * gain
    return channels


def _resonance(noise: Float[np.ndarray, " S"], frequency_hz: float, quality: float) -> Float[np.ndarray, " S"]:
    """Noise of unit power through a band pass (Bristow-Johnson's cookbook, constant peak gain), of unit power again."""
    turn = 2 * np.pi * min(frequency_hz, 0.45 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    width = np.sin(turn) / (2 * quality)
    numerator, denominator = [width, 0.0, -width], [1 + width, -2 * np.cos(turn), 1 - width]
    passed: Float[np.ndarray, " S"] = lfilter(numerator, denominator, noise)
    return passed / np.sqrt(np.square(passed).mean())


def _ways(place_m: Float[np.ndarray, "P 2"]) -> tuple[Float[np.ndarray, "M P"], Float[np.ndarray, "M P"]]:
    """Metres and seconds from places on the tray to each microphone."""
    across = MICROPHONES_M[:, None, :2] - place_m
    distance = np.sqrt(np.square(across).sum(axis=2) + np.square(MICROPHONES_M[:, 2:]))
    return distance, distance / SOUND_M_S


def _background(rng: np.random.Generator) -> Float[np.ndarray, "M S"]:
    """Each microphone's own noise, a room's rumble that all of them record, and hum; their level is drawn."""
    level = _BACKGROUND * 10 ** rng.uniform(-0.3, 0.3)
    rumble = lfilter([0.05], [1, -0.995], rng.normal(0, 1, NUM_SAMPLES))
    hum = np.sin(2 * np.pi * 50 * np.arange(NUM_SAMPLES) / SAMPLE_RATE_HZ + rng.uniform(0, 2 * np.pi))
    own = rng.standard_normal((_NUM_CHANNELS, NUM_SAMPLES), dtype=np.float32)
    return level * (own + 1.5 * rumble + 0.7 * hum)
