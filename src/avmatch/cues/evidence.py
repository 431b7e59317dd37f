"""The door that every cue stands behind.

Letters in shapes: N videos, M audio files, L offsets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32
from scipy.special import expit, logit

from avmatch.core.errors import Reason
from avmatch.core.features import AudioFeatures, VideoFeatures


@dataclass(frozen=True, eq=False, repr=False)
class Curves:
    """What one cue found.

    Attributes:
        nats: (N, M, L) evidence that the pair belongs together at the offset; 0 = can't tell.
        video_reasons: why the cue abstains on a video, or None.
        audio_reasons: why the cue abstains on an audio file, or None.
    """

    nats: Float32[np.ndarray, "N M L"]
    video_reasons: tuple[Reason | None, ...]
    audio_reasons: tuple[Reason | None, ...]

    def __post_init__(self) -> None:
        expected = (len(self.video_reasons), len(self.audio_reasons))
        if self.nats.shape[:2] != expected:
            raise ValueError(f"nats must begin with shape {expected}, got {self.nats.shape}")

    def reason(self) -> Reason | None:
        """Why nothing could be said about a single pair, if so."""
        return self.video_reasons[0] or self.audio_reasons[0]


@dataclass(frozen=True)
class Calibration:
    """How far a cue's nats may be believed; measured on development clips (benchmarks/calibrate.py).

    Attributes:
        weight: nats are multiplied by this before cues are added up.
        mass_slope, contrast_slope, intercept: log-odds that an offset is right within 80 ms
            = mass_slope · logit(posterior mass near the peak) + contrast_slope · (peak − median of the curve, in nats)
            + intercept.
    """

    weight: float = 1.0
    mass_slope: float = 1.0
    contrast_slope: float = 0.0
    intercept: float = 0.0

    def probability(self, mass: float, contrast: float) -> float:
        """The frequency with which offsets with this mass and contrast were right."""
        clipped = min(max(mass, 1e-6), 1.0 - 1e-6)
        log_odds = self.mass_slope * logit(clipped) + self.contrast_slope * contrast + self.intercept
        return float(expit(log_odds))


@runtime_checkable
class Cue(Protocol):
    """Anything that can tell how well sounds fit pictures."""

    @property
    def name(self) -> str:
        """A short word for tables: motion, mouth, duration, scratch …"""

    @property
    def calibration(self) -> Calibration:
        """How far its nats may be believed."""

    def curves(
        self,
        videos: Sequence[VideoFeatures],
        audios: Sequence[AudioFeatures],
        lags_seconds: Float[np.ndarray, " L"],
    ) -> Curves:
        """Evidence for every pair at every offset; positive lag = the sound comes late."""
