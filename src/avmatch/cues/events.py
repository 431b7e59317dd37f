"""The model for any sound behind the same door as the other cues: when things happen, and what they are.

*When* (EventCue): the accents of picture and sound (encoders/events.py), the k-th with the k-th, by the arithmetic of
cues/synchrony.py; one source of the picture is tied to the sound. In close-ups of faces it counts for less, as the
untrained motion cue does, which it replaces.

*What* (KindCue): the cosine of what the picture looks like and what the sound sounds like, and the probability that
both are of one named class; the same at every offset.

Letters in shapes: N videos, M audio files, L offsets, S sources, K accents, H = K·S signals, T ticks, n sounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float, Float32

from avmatch.core.errors import Reason
from avmatch.core.features import BAND_RATE_HZ, TICK_RATE_HZ, AudioFeatures, VideoFeatures
from avmatch.cues.evidence import Calibration, Curves
from avmatch.cues.motion import Signal, Weighted, audio_reason, close_up_worth, video_reason, windowed_curves
from avmatch.cues.series import Series
from avmatch.cues.synchrony import (
    AudioWindows,
    VideoWindow,
    correlation_nats,
    log_mean_exp,
    video_windows,
)
from avmatch.encoders.events import EventModel, Kind
from avmatch.frontends.event_signals import EARLY_SECONDS

#: Its nats are calibrated as they are.
CALIBRATION = Calibration()
#: Least chance of one class, so that its logarithm is finite.
_LEAST_CHANCE = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, eq=False)
class EventCue:
    """Evidence from accents."""

    model: EventModel
    _heard: WeakKeyDictionary[AudioFeatures, tuple[Series, ...]] = field(default_factory=WeakKeyDictionary, repr=False)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.name

    @property
    def calibration(self) -> Calibration:
        """As the model's description has it."""
        told = self.model.description
        return Calibration(
            told.weight,
            told.mass_slope,
            told.contrast_slope,
            told.intercept,
            told.half_slope,
            told.strokes_slope,
            told.class_slopes,
        )

    def classes(self, video: VideoFeatures, audio: AudioFeatures) -> tuple[float, ...]:
        """Probability of each named class, if both are of one (see NamingCue)."""
        look, sound = self.model.picture_kind(video), self.model.sound_kind(audio)
        if look is None or sound is None or look.classes is None or sound.classes is None:
            return ()
        together = look.classes * sound.classes
        return tuple((together / max(float(together.sum()), _LEAST_CHANCE)).tolist())

    def curves(
        self,
        videos: Sequence[VideoFeatures],
        audios: Sequence[AudioFeatures],
        lags_seconds: Float[np.ndarray, " L"],
    ) -> Curves:
        """Evidence for every pair at every offset (see Cue)."""
        signals = [
            Signal(weight, partial(self._heard_accent, accent), partial(self._nats, accent))
            for accent, weight in enumerate(self.model.description.weights)
        ]
        return windowed_curves(videos, audios, lags_seconds, self._windows, signals)

    def _heard_accent(self, accent: int, audio: AudioFeatures) -> Series:
        return self._accents_of(audio)[accent]

    def _accents_of(self, audio: AudioFeatures) -> tuple[Series, ...]:
        """Kept for as long as the sound lives: it is read against every block of videos."""
        if audio not in self._heard:
            start_seconds = audio.start_seconds - EARLY_SECONDS
            self._heard[audio] = tuple(
                Series(start_seconds, BAND_RATE_HZ, signal[:, None]) for signal in self.model.sound_accents(audio)
            )
        return self._heard[audio]

    def _windows(self, video: VideoFeatures) -> list[Weighted]:
        accents, priors = self.model.picture_accents(video)
        signals = np.ascontiguousarray(accents.transpose(2, 1, 0).reshape(accents.shape[2], -1))
        series = Series(video.start_seconds, TICK_RATE_HZ, signals)
        return [(window, priors) for window in video_windows(series)]

    def _nats(
        self, accent: int, window: VideoWindow, priors: Float[np.ndarray, " S"], sounds: AudioWindows
    ) -> Float32[np.ndarray, "M L"]:
        """Of one accent, its most probable sources summed out."""
        part = slice(accent * len(priors), (accent + 1) * len(priors))
        own = replace(window, signals=window.signals[part], autocorrelation=window.autocorrelation[part])
        temper = np.float32(self.model.description.temper)
        return log_mean_exp(temper * correlation_nats(own, sounds), priors)


@dataclass(frozen=True, eq=False)
class KindCue:
    """Evidence from what there is."""

    model: EventModel
    calibration: Calibration = CALIBRATION
    name: str = "kind"
    _heard: WeakKeyDictionary[AudioFeatures, Kind | None] = field(default_factory=WeakKeyDictionary, repr=False)

    def curves(
        self,
        videos: Sequence[VideoFeatures],
        audios: Sequence[AudioFeatures],
        lags_seconds: Float[np.ndarray, " L"],
    ) -> Curves:
        """Evidence for every pair, the same at every offset (see Cue)."""
        video_reasons = tuple(video_reason(video) for video in videos)
        audio_reasons = tuple(audio_reason(audio) for audio in audios)
        looks = [
            None if reason else self.model.picture_kind(video)
            for video, reason in zip(videos, video_reasons, strict=True)
        ]
        sounds = [None if reason else self._kind_of(audio) for audio, reason in zip(audios, audio_reasons, strict=True)]
        nats = np.zeros((len(videos), len(audios)), np.float32)
        columns = [number for number, sound in enumerate(sounds) if sound is not None]
        heard = [sound for sound in sounds if sound is not None]
        vectors = np.array([sound.vector for sound in heard])
        classes = np.array([sound.classes for sound in heard if sound.classes is not None])
        for row, look in enumerate(looks):
            if look is not None and heard:
                nats[row, columns] = close_up_worth(videos[row]) * self._nats(look, vectors, classes)
        return Curves(
            np.repeat(nats[..., None], len(lags_seconds), axis=2),
            _reasons(video_reasons, looks),
            _reasons(audio_reasons, sounds),
        )

    def _nats(
        self, look: Kind, vectors: Float32[np.ndarray, "n D"], classes: Float[np.ndarray, " _ *G"]
    ) -> Float32[np.ndarray, " n"]:
        """Of one picture with n sounds; `classes` is empty where the model knows none."""
        told = self.model.description
        nats = told.kind_scale * (vectors @ look.vector - told.kind_baseline)
        if look.classes is None:
            return nats
        return nats + told.class_share * np.log(np.maximum(classes @ look.classes, _LEAST_CHANCE))

    def _kind_of(self, audio: AudioFeatures) -> Kind | None:
        """Kept, as accents are."""
        if audio not in self._heard:
            self._heard[audio] = self.model.sound_kind(audio)
        return self._heard[audio]


def _reasons(known: Sequence[Reason | None], kinds: Sequence[Kind | None]) -> tuple[Reason | None, ...]:
    """Why nothing is known of a file's kind."""
    return tuple(reason or ("too_short" if kind is None else None) for reason, kind in zip(known, kinds, strict=True))
