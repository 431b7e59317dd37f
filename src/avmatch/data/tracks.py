"""One media file → both its sides as tracks on regular clocks: what is packed, and what is measured on.

The picture becomes whole frames, crops of the mouth that shows for longest, or levels of motion; the sound log-mel,
samples, or flux, level and spectrum of bands. They are the front ends of the encoders (frontends/), fed with one pass
over the file.

Letters in shapes: T ticks, U entries of the sound, H rows, W columns.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Shaped

from avmatch.core.errors import MediaError, UsageError
from avmatch.core.features import (
    BAND_RATE_HZ,
    NUM_SPECTRUM_BANDS,
    TICK_RATE_HZ,
    AudioFeatures,
    AudioSamples,
    ColourFrames,
    VideoFrames,
)
from avmatch.frontends.faces import FaceTracker, LocatedFrame
from avmatch.frontends.motion import GRID, MOTION_CHANNELS, MotionFrontEnd
from avmatch.frontends.mouth import FrameClock, MouthCrops
from avmatch.frontends.sound import NUM_BANDS, NUM_MELS, SAMPLE_RATE_HZ, LogMelClock, SoundFrontEnd, finite_samples
from avmatch.media.decode import decode, decode_colour

#: What a side is called in `Pairs`, and the rate of the sound.
VIDEO_KINDS = {"picture": "frames", "mouth": "mouths", "motion": "motion"}
AUDIO_RATES_HZ: dict[str, float] = {"logmel": BAND_RATE_HZ, "samples": SAMPLE_RATE_HZ, "bands": BAND_RATE_HZ}
#: The form of an entry of the sound.
AUDIO_FORMS = {"logmel": (NUM_MELS,), "samples": (), "bands": (2 * NUM_BANDS + NUM_SPECTRUM_BANDS,)}
_LOUDEST = 32767  # int16 of a sample of 1
#: rate_hz, height_px and width_px of motion.
MOTION_SHAPE = (TICK_RATE_HZ, len(MOTION_CHANNELS), GRID * GRID)


@dataclass(frozen=True)
class PackSettings:
    """What is kept.

    Attributes:
        rate_hz: ticks of the picture a second; divides BAND_RATE_HZ.
        height_px, width_px: their size; of motion it is that of its channels and cells.
        crop: "picture", "mouth" or "motion": (T, M, 64) levels of cells.
        sound: "logmel" (U, 64), "samples": (U,) int16 at SAMPLE_RATE_HZ, or "bands": (U, 2·8 + 16) flux, level and
            spectrum.
        colours: 1 is grey, 3 are red, green and blue.
    """

    rate_hz: float = 10.0
    height_px: int = 64
    width_px: int = 64
    crop: str = "picture"
    sound: str = "logmel"
    colours: int = 1

    def __post_init__(self) -> None:
        if self.rate_hz < 1 or BAND_RATE_HZ % self.rate_hz or min(self.height_px, self.width_px) < 1:
            raise UsageError(f"rate_hz must divide {BAND_RATE_HZ} and sizes must be positive, got {self}")
        if self.crop not in VIDEO_KINDS or self.sound not in AUDIO_RATES_HZ:
            raise UsageError(
                f"crop is one of {', '.join(VIDEO_KINDS)}, sound of {', '.join(AUDIO_RATES_HZ)}, got {self}"
            )
        if self.crop == "mouth" and (self.height_px != self.width_px or self.colours != 1):
            raise UsageError(f"crops of mouths are square and grey, got {self}")
        if self.crop == "motion" and (self.rate_hz, self.height_px, self.width_px) != MOTION_SHAPE:
            raise UsageError(f"motion has the rate, channels and cells {MOTION_SHAPE}, got {self}")
        if self.colours not in (1, 3) or (self.crop == "motion" and self.colours != 1):
            raise UsageError(f"colours is 1 (grey) or 3, got {self}")

    @property
    def mels_per_tick(self) -> int:
        """Log-mel ticks a tick."""
        return round(BAND_RATE_HZ / self.rate_hz)

    @property
    def audio_rate_hz(self) -> float:
        """Entries of the sound a second."""
        return AUDIO_RATES_HZ[self.sound]

    @property
    def audio_per_tick(self) -> int:
        """Entries of the sound a tick."""
        return round(self.audio_rate_hz / self.rate_hz)


#: The features that every file has anyway.
MOTION_AND_BANDS = PackSettings(*MOTION_SHAPE, crop="motion", sound="bands")


@dataclass(frozen=True, eq=False)
class Track:
    """One side of a file: (T, …) on a regular clock whose first tick is at `start_seconds` of the file's."""

    data: Shaped[np.ndarray, " T *rest"]
    start_seconds: float


@dataclass(frozen=True, eq=False)
class Sides:
    """What was decoded of one file.

    Attributes:
        video: None where it wasn't asked for, or is missing.
        audio: the same; several where the sound is wanted in several versions (as it is, in noise).
    """

    video: Track | None
    audio: tuple[Track | None, ...]


def decode_tracks(settings: PackSettings, path: str, video: bool, audio: bool) -> Sides:
    """Both sides of a file, or one, in one pass. Raises MediaError if it can't be read."""
    picture = picture_reader(settings, path) if video else None  # looking for faces takes long to begin
    sound = sound_reader(settings)
    blocks: Iterator[VideoFrames | ColourFrames | AudioSamples]
    if video and settings.colours > 1:
        blocks = decode_colour(path, audio=audio, num_threads=1)  # files are decoded side by side
    else:
        blocks = decode(path, video=video, audio=audio, num_threads=1)
    for block in blocks:
        if isinstance(block, AudioSamples):
            sound.push(block)
        elif picture is not None:
            picture.push(block)
    return Sides(None if picture is None else picture.finish(), (sound.finish(),))


@runtime_checkable
class Reader(Protocol):
    """Takes the blocks of one side of a file and gives its track."""

    def push(self, block: Any, /) -> None:
        """Take the next block."""

    def finish(self) -> Track | None:
        """The track; None where there is nothing, or less than a tick."""


class _Clocked:
    """What a clock makes of the blocks, tick by tick."""

    def __init__(self, clock: FrameClock | LogMelClock, join: Callable[[list[np.ndarray]], np.ndarray]) -> None:
        self._clock, self._join = clock, join
        self._parts: list[np.ndarray] = []

    def push(self, block: Any) -> None:
        self._parts.extend(self._clock.push(block))

    def finish(self) -> Track | None:
        self._parts.extend(self._clock.finish())
        if self._clock.start_seconds is None or not self._parts:
            return None
        return Track(self._join(self._parts), self._clock.start_seconds)


class _Mouths:
    """The mouth of the face that shows for longest."""

    def __init__(self, settings: PackSettings, path: str) -> None:
        self._path, self._tracker = path, FaceTracker()
        self._crops = MouthCrops(settings.rate_hz, settings.width_px)
        self._ticks: dict[int, list[np.ndarray]] = {}

    def push(self, frames: VideoFrames) -> None:
        for image, pts_seconds in zip(frames.data, frames.pts_seconds.tolist(), strict=True):
            self._take(self._tracker.push(image, pts_seconds))

    def finish(self) -> Track | None:
        self._take(self._tracker.finish())
        extents = self._crops.extents(self._tracker.sightings)
        if not extents:
            raise MediaError(self._path, "there is no face in it that lasts", stage="features", reason="no_face")
        longest = max(extents, key=lambda number: extents[number][1])
        start_seconds, num_ticks = extents[longest]
        return Track(np.stack(self._ticks[longest][:num_ticks]), start_seconds)

    def _take(self, settled: Sequence[LocatedFrame]) -> None:
        for located in settled:
            for number, tick in self._crops.take(located):
                self._ticks.setdefault(number, []).append(tick)


class _Waveform:
    """The samples themselves."""

    def __init__(self) -> None:
        self._start_seconds = 0.0
        self._data: list[np.ndarray] = []

    def push(self, samples: AudioSamples) -> None:
        if not self._data:
            self._start_seconds = samples.pts_seconds
        scaled = np.clip(finite_samples(samples.data[0]), -1.0, 1.0) * _LOUDEST
        self._data.append(np.round(scaled).astype(np.int16))

    def finish(self) -> Track | None:
        return Track(np.concatenate(self._data), self._start_seconds) if self._data else None


class _Motion:
    """Levels of cells."""

    def __init__(self) -> None:
        self._front_end = MotionFrontEnd()
        self.push = self._front_end.push

    def finish(self) -> Track | None:
        middle_seconds, levels = self._front_end.finish()
        # A tick is as long as some band ticks: its time is its middle, and that of the first of these theirs.
        early_seconds = 0.5 / TICK_RATE_HZ - 0.5 / BAND_RATE_HZ
        return Track(levels, middle_seconds - early_seconds) if len(levels) else None


class _Bands:
    """Flux, level and spectrum."""

    def __init__(self) -> None:
        self._front_end = SoundFrontEnd()
        self.push = self._front_end.push

    def finish(self) -> Track | None:
        found = self._front_end.finish()
        return None if found is None else Track(joined_bands(found), found.start_seconds)


def picture_reader(settings: PackSettings, path: str) -> Reader:
    """A reader of the picture of the file at `path`."""
    if settings.crop == "mouth":
        return _Mouths(settings, path)
    if settings.crop == "motion":
        return _Motion()
    return _Clocked(FrameClock(settings.rate_hz, settings.height_px, settings.width_px), np.stack)


def sound_reader(settings: PackSettings) -> Reader:
    """A reader of the sound of a file."""
    if settings.sound == "samples":
        return _Waveform()
    return _Bands() if settings.sound == "bands" else _Clocked(LogMelClock(settings.rate_hz), np.concatenate)


def joined_bands(audio: AudioFeatures) -> Float[np.ndarray, "U 32"]:
    """Flux, level and spectrum side by side."""
    return np.concatenate([audio.flux, audio.level, audio.spectrum], axis=1)


def split_bands(
    bands: Float[np.ndarray, "U 32"],
) -> tuple[Float[np.ndarray, "U 8"], Float[np.ndarray, "U 8"], Float[np.ndarray, "U 16"]]:
    """Flux, level and spectrum."""
    flux, level, spectrum = np.split(bands, (NUM_BANDS, 2 * NUM_BANDS), axis=1)
    return flux, level, spectrum
