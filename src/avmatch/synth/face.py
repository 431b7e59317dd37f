"""A cartoon face that speaks vowels: the weights that fade the vowels also open and round the lips, a little earlier.

People move their mouths before the voice follows (Chandrasekaran et al., "The natural statistics of audiovisual
speech", 2009); how much earlier was measured on recorded people (cues/mouth.py).

The head sways, nods and blinks as it likes. Drawn soft and shaded, because detectors of real faces look for
dark eye sockets under a lighter brow and a bright nose between dark eyes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from avmatch.synth import draw
from avmatch.synth.draw import BLACK, WHITE, Colour, Image, mixed
from avmatch.synth.sound import VOWELS, random_speech, speak
from avmatch.synth.stage import Act, Stage, wander

BLINK_SECONDS = 0.12
#: The lips are where they belong so long before the voice is.
LEAD_SECONDS = 0.04
OPENINGS = np.array([vowel.opening for vowel in VOWELS])
WIDTHS = np.array([vowel.width for vowel in VOWELS])


@dataclass(frozen=True, eq=False)
class Looks:
    """A face: colours, and proportions in units of half its height."""

    skin: Colour
    hair: Colour
    lips: Colour
    iris: Colour
    clothes: Colour
    breadth: float
    eye_gap: float
    brow: float


@dataclass(frozen=True, eq=False)
class Pose:
    """Where the head is: centre and half height in pixels, turned by `degrees`."""

    centre: Float[np.ndarray, " 2"]
    size: float
    degrees: float

    def place(self, points: Float[np.ndarray, "P 2"]) -> Float[np.ndarray, "P 2"]:
        """Picture coordinates of points given in units of half the head's height, y down."""
        angle = np.radians(self.degrees)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        return np.asarray(self.centre + self.size * points @ turn)

    def oval(self, image: Image, centre: tuple[float, float], axes: tuple[float, float], colour: Colour) -> None:
        """Paints an ellipse, given in the same units, that turns with the head."""
        place = self.place(np.array([centre]))[0]
        draw.oval(image, place, (axes[0] * self.size, axes[1] * self.size), self.degrees, colour)


def face(rng: np.random.Generator, stage: Stage) -> Act:
    """One head that talks."""
    speech = random_speech(rng, stage.duration_seconds)
    sound = speak(rng, speech, stage.duration_seconds)
    looks, sway = _looks(rng), _sway(rng, stage)
    blinks = np.cumsum(rng.uniform(0.8, 3.5, 2 + round(stage.duration_seconds / 0.8)))

    def paint(image: Image, time_seconds: float) -> None:
        weights = speech.at(time_seconds + LEAD_SECONDS)
        loudness = float(weights.sum())
        opening = float(weights @ OPENINGS)
        width = float(weights @ WIDTHS) / loudness if loudness > 1e-6 else 0.5
        width = 0.5 + (width - 0.5) * min(3 * loudness, 1.0)
        shut = float(np.exp(-(np.square((time_seconds - blinks) / (BLINK_SECONDS / 2)).min())))
        pose = sway(time_seconds)
        _paint_head(image, pose, looks)
        for side in (-1, 1):
            _paint_eye(image, pose, looks, side, shut)
        _paint_nose(image, pose, looks)
        _paint_mouth(image, pose, looks, opening, width)

    return Act(paint, sound, speech.onset_times_seconds)


def _looks(rng: np.random.Generator) -> Looks:
    tone = rng.uniform(0.45, 1.0)
    skin = (round(245 * tone), round((200 + rng.uniform(-15, 10)) * tone), round((170 + rng.uniform(-30, 15)) * tone))
    return Looks(
        skin=skin,
        hair=draw.random_colour(rng, 0.05, 0.5),
        lips=mixed(skin, (190, 40, 50), rng.uniform(0.4, 0.8)),
        iris=draw.random_colour(rng, 0.2, 0.5),
        clothes=draw.random_colour(rng),
        breadth=rng.uniform(0.7, 0.8),
        eye_gap=rng.uniform(0.3, 0.35),
        brow=rng.uniform(-0.42, -0.36),
    )


def _sway(rng: np.random.Generator, stage: Stage) -> Callable[[float], Pose]:
    size = stage.unit * rng.uniform(0.27, 0.4)
    home = np.array([stage.width * rng.uniform(0.4, 0.6), stage.height * rng.uniform(0.45, 0.52)])
    sway_x, sway_y, tilt, lean = (wander(rng, highest_hz=0.4) for _ in range(4))

    def pose(time_seconds: float) -> Pose:
        away = 0.15 * size * np.array([sway_x(time_seconds), 0.6 * sway_y(time_seconds)])
        return Pose(home + away, size * (1 + 0.04 * lean(time_seconds)), 6 * tilt(time_seconds))

    return pose


def _paint_head(image: Image, pose: Pose, looks: Looks) -> None:
    """Shoulders, hair, and a face that grows lighter towards its middle."""
    shade = mixed(looks.skin, BLACK, 0.3)
    pose.oval(image, (0, 1.9), (1.5, 0.8), looks.clothes)
    pose.oval(image, (0, 1.0), (0.35, 0.5), shade)
    pose.oval(image, (0, -0.15), (looks.breadth * 1.15, 1.05), looks.hair)
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        size = 1 - 0.22 * share
        pose.oval(image, (0, 0.05), (looks.breadth * size, 0.98 * size), mixed(shade, looks.skin, share))
    fringe = np.array([[-1.0, -0.3], [-0.8, -0.8], [0, -1.05], [0.8, -0.8], [1.0, -0.3]])
    lower = np.array([[0.7, -0.55], [0, -0.68], [-0.7, -0.55]])
    scale = np.array([looks.breadth, 1.0])
    draw.polygon(image, pose.place(np.concatenate([fringe, lower]) * scale), looks.hair)


def _paint_eye(image: Image, pose: Pose, looks: Looks, side: int, shut: float) -> None:
    """A shaded socket, the eye in it, its lid, and a brow."""
    x, y = side * looks.eye_gap, -0.16
    for share in (0.33, 0.66, 1.0):
        size = 1.25 - 0.35 * share
        pose.oval(image, (x, y - 0.02), (0.26 * size, 0.19 * size), mixed(looks.skin, BLACK, 0.4 * share))
    opened = 0.085 * (1 - shut)
    if opened > 0.015:
        pose.oval(image, (x, y), (0.15, opened), mixed(WHITE, looks.skin, 0.3))
        pose.oval(image, (x, y), (0.075, min(0.075, opened)), looks.iris)
        pose.oval(image, (x, y), (0.035, min(0.035, opened)), BLACK)
    lid = np.array([[x - 0.16, y], [x - 0.08, y - opened], [x + 0.08, y - opened], [x + 0.16, y]])
    draw.stroke(image, pose.place(lid), mixed(looks.skin, BLACK, 0.75), round(0.03 * pose.size))
    brow = np.array([[x - 0.2, looks.brow + 0.05 * (side < 0)], [x, looks.brow - 0.03], [x + 0.2, looks.brow]])
    draw.stroke(image, pose.place(brow), mixed(looks.hair, BLACK, 0.5), round(0.07 * pose.size))


def _paint_nose(image: Image, pose: Pose, looks: Looks) -> None:
    """A bright bridge, the shadow beside it, the tip and the nostrils."""
    bridge = np.array([[-0.06, -0.25], [0.06, -0.25], [0.1, 0.22], [-0.1, 0.22]])
    draw.polygon(image, pose.place(bridge), mixed(looks.skin, WHITE, 0.18))
    pose.oval(image, (0, 0.28), (0.15, 0.07), mixed(looks.skin, BLACK, 0.18))
    pose.oval(image, (0, 0.22), (0.1, 0.08), mixed(looks.skin, WHITE, 0.2))
    for side in (-1, 1):
        pose.oval(image, (side * 0.07, 0.29), (0.03, 0.02), mixed(looks.skin, BLACK, 0.7))


def _paint_mouth(image: Image, pose: Pose, looks: Looks, opening: float, width: float) -> None:
    """Lips around the dark of the mouth, with a glimpse of teeth; the jaw drops with the opening."""
    half = 0.17 + 0.16 * width
    gap = 0.2 * opening
    y = 0.52 + 0.5 * gap
    pose.oval(image, (0, y + gap + 0.13), (half * 0.7, 0.05), mixed(looks.skin, BLACK, 0.2))
    pose.oval(image, (0, y), (half, gap + 0.06), looks.lips)
    if gap > 0.01:
        pose.oval(image, (0, y), (half * 0.82, gap), (60, 15, 20))
        pose.oval(image, (0, y - 0.6 * gap), (half * 0.55, 0.3 * gap), (230, 225, 215))
    else:
        line = np.array([[-half * 0.9, y], [half * 0.9, y]])
        draw.stroke(image, pose.place(line), mixed(looks.lips, BLACK, 0.5), 1)
