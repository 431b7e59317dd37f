"""Shapes and colours of synthetic pictures. Shapes are anti-aliased, at fractions of a pixel."""

from typing import TypeAlias

import cv2
import numpy as np
from jaxtyping import Float, UInt8

Image: TypeAlias = UInt8[np.ndarray, "H W 3"]
Colour: TypeAlias = tuple[int, int, int]
WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)
#: OpenCV takes coordinates as integers with this many binary digits after the point.
SHIFT = 4
Points = Float[np.ndarray, "*P 2"]


def _fixed(*values: float) -> tuple[int, ...]:
    return tuple([round(value * (1 << SHIFT)) for value in values])


def _fixed_points(points: Points) -> np.ndarray:
    return np.round(points * (1 << SHIFT)).astype(np.int32)


def disc(image: Image, x: float, y: float, radius: float, colour: Colour) -> None:
    """A filled circle."""
    *place, size = _fixed(x, y, max(radius, 0.5))
    cv2.circle(image, place, size, colour, -1, cv2.LINE_AA, SHIFT)


def oval(
    image: Image,
    centre: Points,
    axes: tuple[float, float],
    degrees: float,
    colour: Colour,
    *,
    width: int = -1,
) -> None:
    """An ellipse turned by `degrees`, filled, or outlined where a line `width` in pixels is given."""
    place = _fixed(float(centre[0]), float(centre[1]))
    radii = _fixed(max(axes[0], 0.5), max(axes[1], 0.5))
    cv2.ellipse(image, place, radii, degrees, 0, 360, colour, width, cv2.LINE_AA, SHIFT)


def stroke(image: Image, points: Points, colour: Colour, width: int = 1) -> None:
    """A line through `points`, `width` pixels wide."""
    cv2.polylines(image, [_fixed_points(points)], False, colour, max(width, 1), cv2.LINE_AA, SHIFT)


def polygon(image: Image, points: Points, colour: Colour) -> None:
    """A filled polygon."""
    cv2.fillPoly(image, [_fixed_points(points)], colour, cv2.LINE_AA, SHIFT)


def random_colour(rng: np.random.Generator, low: float = 0.15, high: float = 1.0) -> Colour:
    """Any hue and saturation, with a value (brightest channel) between `low` and `high`."""
    hue, saturation = rng.uniform(0, 180), rng.uniform(0.1, 0.95)
    pixel = np.array([[[hue, saturation * 255, rng.uniform(low, high) * 255]]], np.uint8)
    red, green, blue = cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0]
    return int(red), int(green), int(blue)


def mixed(colour: Colour, other: Colour, share: float) -> Colour:
    """`colour` with a `share` (0…1) of `other` in it."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return red, green, blue
