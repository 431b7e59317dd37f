"""The nouns of a synthetic scene: where and when it plays, and what is played on it.

A scene has one clock, on which picture and sound are rendered from the same events. The picture is drawn at
the times that the stage asks for; the sound covers the scene from 0 to its end, so that a piece of it can be
cut out early or late.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Float32, UInt8

Image: TypeAlias = UInt8[np.ndarray, "H W 3"]
Colour: TypeAlias = tuple[int, int, int]
#: Draws the movers as they are at a time (seconds of the scene's clock) onto an image, in place.
Paint: TypeAlias = Callable[[Image, float], None]
WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)


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
        event_times_seconds: (E,) when something is both seen and heard, increasing.
    """

    paint: Paint
    sound: Float32[np.ndarray, " S"]
    event_times_seconds: Float[np.ndarray, " E"]
