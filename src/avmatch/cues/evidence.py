"""What every cue is: evidence for each pair at each offset.

Letters in shapes: N videos, M audio files, L offsets.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32
from scipy.special import expit, logit

from avmatch.core.errors import Reason
from avmatch.core.features import AudioFeatures, Embeddings, VideoFeatures

#: Offsets; positive = the sound comes late.
Lags = Float[np.ndarray, " L"]


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


#: Probabilities nearer to 0 and 1 than these count as these before their log-odds are taken.
_LEAST_MASS, _LEAST_HALF = 1e-6, 1e-4


@dataclass(frozen=True)
class PeakFigures:
    """What says whether an offset is right.

    Attributes:
        mass: posterior mass within 80 ms of the peak, 0…1.
        contrast: peak less median of the curve, in nats.
        weaker_half: posterior mass near the same peak by that half of the picture alone which agrees less, 0…1.
        strokes: how much the sound consists of single strokes (frontends/event_signals.py); 0 = not at all.
        classes: probability of each named class that picture and sound may be of; empty where that isn't known.
        height: the evidence at the peak, in nats, without the prior over offsets.
        unevenness: deviation over time of what the cue compares at that offset; 0 = not known. What only shares some
            words with the picture agrees in some places and disagrees in others.
    """

    mass: float
    contrast: float
    weaker_half: float = 0.5
    strokes: float = 0.0
    classes: tuple[float, ...] = ()
    height: float = 0.0
    unevenness: float = 0.0

    def terms(self) -> tuple[float, ...]:
        """What the slopes of a Calibration are multiplied with, in their order."""
        return (
            _log_odds(self.mass, _LEAST_MASS),
            self.contrast,
            _log_odds(self.weaker_half, _LEAST_HALF),
            self.strokes,
            self.unevenness,
            *self.classes,
        )


@dataclass(frozen=True)
class Calibration:
    """How far a cue's nats may be believed; measured on true and foreign pairs (benchmarks/belonging.py).

    Attributes:
        weight: nats are multiplied by this before cues are added up.
        mass_slope, contrast_slope, half_slope, strokes_slope, uneven_slope, intercept: log-odds that the sound belongs
            to the picture and that the offset is right = mass_slope · logit(mass) + contrast_slope · contrast
            + half_slope · logit(weaker half) + strokes_slope · strokes + uneven_slope · unevenness
            + Σ class_slopes · classes + intercept.
        belongs_slopes: the same that it belongs, whatever the offset: slopes of logit(mass), contrast,
            logit(weaker half), height, strokes and unevenness, and the constant. Empty where it wasn't measured.
        offset_slopes: the same that the offset is right where it belongs.
    """

    weight: float = 1.0
    mass_slope: float = 1.0
    contrast_slope: float = 0.0
    intercept: float = 0.0
    half_slope: float = 0.0
    strokes_slope: float = 0.0
    uneven_slope: float = 0.0
    class_slopes: tuple[float, ...] = ()
    belongs_slopes: tuple[float, ...] = ()
    offset_slopes: tuple[float, ...] = ()

    def belongs(self, figures: PeakFigures) -> float | None:
        """The frequency with which sounds with such figures belonged to their pictures; None where it isn't known."""
        return _frequency(self.belongs_slopes, figures)

    def offset(self, figures: PeakFigures) -> float | None:
        """The frequency with which offsets with such figures were right where the sounds belonged to their pictures;
        None where it isn't known."""
        return _frequency(self.offset_slopes, figures)

    def probability(self, figures: PeakFigures) -> float:
        """The frequency with which offsets with such figures were right."""
        slopes = (
            *(self.mass_slope, self.contrast_slope, self.half_slope, self.strokes_slope, self.uneven_slope),
            *self.class_slopes,
        )
        terms = figures.terms()
        num = min(len(slopes), len(terms))  # classes may be unknown, or not have been asked for
        return float(expit(np.dot(slopes[:num], terms[:num]) + self.intercept))


def _frequency(slopes: tuple[float, ...], figures: PeakFigures) -> float | None:
    if not slopes:
        return None
    mass, contrast, half, strokes, unevenness = figures.terms()[:5]
    return float(expit(np.dot(slopes, (mass, contrast, half, figures.height, strokes, unevenness, 1.0))))


def _log_odds(share: float, least: float) -> float:
    return float(logit(min(max(share, least), 1.0 - least)))


@runtime_checkable
class Cue(Protocol):
    """Anything that measures how well sounds fit pictures."""

    @property
    def name(self) -> str:
        """A short word for tables: motion, mouth, duration, scratch …"""

    @property
    def calibration(self) -> Calibration:
        """How far its nats may be believed."""

    def curves(self, videos: Sequence[VideoFeatures], audios: Sequence[AudioFeatures], lags_seconds: Lags) -> Curves:
        """Evidence for every pair at every offset; positive lag = the sound comes late."""


@runtime_checkable
class TimelessCue(Cue, Protocol):
    """A cue that says the same of a pair at every offset."""

    @property
    def is_timeless(self) -> bool:
        """True."""


#: What adds evidence of some videos to an array (N, L, M).
Adding = Callable[[Sequence[Any], Float32[np.ndarray, "N L M"]], None]


@runtime_checkable
class BlockEvidence(Protocol):
    """The evidence of a cue for blocks of files: what is needed of each file is made once."""

    def videos(self, videos: Sequence[VideoFeatures]) -> list[Any]:
        """What is needed of each video."""

    def sounds(self, audios: Sequence[AudioFeatures]) -> list[Any]:
        """What is needed of each sound."""

    def against(self, sounds: Sequence[Any]) -> Adding:
        """What adds the evidence of some videos with these sounds to an array, not yet weighted."""


@runtime_checkable
class RoughCue(Cue, Protocol):
    """A cue that has a cheaper form."""

    def rough(self, audios: Sequence[AudioFeatures], lags_seconds: Lags) -> BlockEvidence:
        """What gives nearly this evidence, for a first look at a large gallery; offsets are whole ticks apart."""


@runtime_checkable
class PreparedCue(Cue, Protocol):
    """A cue that can keep what it makes of a sound, and reads it back where the features have it."""

    def prepared(self, audio: AudioFeatures) -> Mapping[str, Embeddings]:
        """What is to be kept among the sound's vectors; empty where it can't tell anything."""


@runtime_checkable
class NamingCue(Cue, Protocol):
    """A cue that also names what the event is."""

    def classes(self, video: VideoFeatures, audio: AudioFeatures) -> tuple[float, ...]:
        """Probability of each named class that picture and sound may be of; empty where it can't tell."""


@runtime_checkable
class SteadyCue(Cue, Protocol):
    """A cue that knows how evenly picture and sound agree over time."""

    def unevenness(self, video: VideoFeatures, audio: AudioFeatures, offset_seconds: float) -> float:
        """See PeakFigures; 0 where it can't tell."""
