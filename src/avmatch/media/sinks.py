"""Where decoded frames of a stream become blocks of arrays, each with its time.

A picture's frames are shrunk, grey or in colour; a sound is mixed to mono and resampled, to one rate or to two.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import av
import cv2
import numpy as np
from jaxtyping import Float32

from avmatch.core.clock import samples_from_seconds, seconds_from_samples
from avmatch.core.features import AudioSamples, ColourFrames, VideoFrames
from avmatch.media import source
from avmatch.media.downmix import Downmix
from avmatch.media.pictures import colour, grey
from avmatch.media.samples import CHUNK_SAMPLES, Raised, audio_frames, channels
from avmatch.media.steady import SteadyTimes

BLOCK_FRAMES = 32
BLOCK_SECONDS = 1.0
#: The longer side of single frames in colour.
COLOUR_SIDE_PX = 320
#: Sample rates outside of this are a damaged header; a few bytes at 1 Hz would become hours of sound.
_MIN_RATE_HZ, _MAX_RATE_HZ = 1000, 10_000_000


class OddFrameError(Exception):
    """A frame whose format, size or buffers PyAV, numpy or OpenCV can't convert."""


@contextmanager
def converting() -> Iterator[None]:
    """What goes wrong here is due to the file's content; the same errors elsewhere are bugs."""
    try:
        yield
    except (ValueError, KeyError, ArithmeticError, cv2.error) as error:
        raise OddFrameError(f"{type(error).__name__}: {error}") from error


@dataclass
class PictureSink:
    """Frames in blocks of at most BLOCK_FRAMES, and single ones in colour where these are asked for."""

    clock: source.StreamClock
    max_side_px: int
    fps: float
    is_colour: bool
    colour_seconds: float | None = None
    colour_side_px: int = COLOUR_SIDE_PX
    _num_colour: int = 0
    _frames: list[np.ndarray] = field(default_factory=list)
    _times: list[float] = field(default_factory=list)
    _last_seconds: float | None = None

    def take(self, frame: av.VideoFrame) -> Iterator[VideoFrames | ColourFrames]:
        time_seconds = self._time(frame)
        if self._last_seconds is not None and time_seconds <= self._last_seconds:
            return  # shown at the time of another frame, or before it: players drop it too
        self._last_seconds = time_seconds
        yield from self._in_colour(frame, time_seconds)
        with converting():
            picture = (colour if self.is_colour else grey)(frame, self.max_side_px)
        if self._frames and (picture.shape != self._frames[0].shape or len(self._frames) >= BLOCK_FRAMES):
            yield from self.flush()
        self._frames.append(picture)
        self._times.append(time_seconds)

    def flush(self) -> Iterator[VideoFrames | ColourFrames]:
        if self._frames:
            block = (ColourFrames if self.is_colour else VideoFrames)(np.stack(self._frames), np.array(self._times))
            self._frames, self._times = [], []
            yield block

    def _in_colour(self, frame: av.VideoFrame, time_seconds: float) -> Iterator[ColourFrames]:
        """A frame as a block by itself, if one is due."""
        if self.colour_seconds is None or time_seconds < (self._num_colour + 0.5) * self.colour_seconds:
            return
        self._num_colour = int(time_seconds / self.colour_seconds + 0.5)
        with converting():
            picture = colour(frame, self.colour_side_px)
        yield ColourFrames(picture[None], np.array([time_seconds]))

    def _time(self, frame: av.VideoFrame) -> float:
        following = 0.0 if self._last_seconds is None else self._last_seconds + 1.0 / self.fps
        ticks = frame.dts if frame.pts is None else frame.pts
        if ticks is None or not frame.time_base:
            return following
        return self.clock.seconds(ticks, frame.time_base, self._last_seconds, following)


@dataclass
class SoundSink:
    """Mono at `sample_rate_hz`; where that is None, all channels at the source's own rate.

    Attributes:
        is_exact: samples are floating-point numbers as they were recorded, however small.
    """

    clock: source.StreamClock
    sample_rate_hz: int | None
    channel: int | None
    is_exact: bool
    reading: source.Reading
    _resampler: av.AudioResampler | None = None
    _source_rate_hz: int = 0
    _start_seconds: float | None = None
    _taken_seconds: float = 0.0  # how much of the source's time has been taken
    _downmix: Downmix | None = None
    _raised: Raised | None = None
    _steady: SteadyTimes[np.ndarray] = field(default_factory=lambda: SteadyTimes())
    _pending: list[np.ndarray] = field(default_factory=list)
    _num_pending: int = 0
    _num_yielded: int = 0

    def __post_init__(self) -> None:
        if self.is_exact and self.sample_rate_hz is not None:
            self._raised = Raised(self.sample_rate_hz)

    def channels_used(self) -> str:
        """Which channels, in words; "" where all are."""
        return "" if self._downmix is None or self._downmix.mix is None else self._downmix.mix.words()

    def take(self, frame: av.AudioFrame) -> Iterator[AudioSamples]:
        with converting():
            data = channels(frame)
        if not data.size or not _MIN_RATE_HZ <= frame.sample_rate <= _MAX_RATE_HZ:
            return
        if frame.sample_rate != self._source_rate_hz:
            yield from self._end_stretch()
            self._source_rate_hz = frame.sample_rate
            if self.sample_rate_hz is not None:
                self._resampler = av.AudioResampler("fltp", "mono", self.sample_rate_hz)
        time = self._time(frame)
        if self._start_seconds is None:
            self._start_seconds = time or 0.0
        duration = seconds_from_samples(data.shape[1], frame.sample_rate)
        self._taken_seconds += duration
        for piece, gap in self._steady.take(data, time, duration):
            yield from self._placed(piece, gap)

    def flush(self) -> Iterator[AudioSamples]:
        yield from self._end_stretch()
        for data in () if self._raised is None else self._raised.flush():
            yield from self._kept(data)
        if self._num_pending:
            yield self._block()

    def _end_stretch(self) -> Iterator[AudioSamples]:
        """The source's rate ends here."""
        for piece, gap in self._steady.flush():
            yield from self._placed(piece, gap)
        for data in () if self._downmix is None else self._downmix.flush():
            yield from self._resampled(data)
        if self._resampler is not None:
            yield from self._levelled(self._resampler.resample(None))
            self._resampler = None
        elif self._num_pending:
            yield self._block()

    @property
    def _rate_hz(self) -> int:
        return self.sample_rate_hz or self._source_rate_hz

    def _time(self, frame: av.AudioFrame) -> float | None:
        if frame.pts is None or not frame.time_base:
            return None
        following = None if self._start_seconds is None else self._start_seconds + self._taken_seconds
        return self.clock.seconds(frame.pts, frame.time_base, following, following or 0.0)

    def _placed(self, data: Float32[np.ndarray, "C S"], gap_seconds: float) -> Iterator[AudioSamples]:
        """Silence in front where there is a gap; samples whose time has passed already are cut off."""
        num = samples_from_seconds(abs(gap_seconds), self._source_rate_hz)
        self._taken_seconds += gap_seconds
        self.reading.gap_seconds += max(0.0, gap_seconds)
        for begin in range(0, num if gap_seconds > 0 else 0, CHUNK_SAMPLES):  # so that blocks stay small
            yield from self._mixed(np.zeros((len(data), min(CHUNK_SAMPLES, num - begin)), np.float32))
        yield from self._mixed(data[:, num:] if gap_seconds < 0 else data)

    def _mixed(self, data: Float32[np.ndarray, "C S"]) -> Iterator[AudioSamples]:
        """One channel of many, resampled; or as it is."""
        if self.sample_rate_hz is None:
            yield from self._kept(data)
            return
        shape = len(data), self._source_rate_hz
        if self._downmix is None or (self._downmix.num_channels, self._downmix.sample_rate_hz) != shape:
            for mono in () if self._downmix is None else self._downmix.flush():
                yield from self._resampled(mono)
            channel = None if self.channel is None else min(self.channel, len(data))
            self._downmix = Downmix(len(data), self._source_rate_hz, channel)
        for mono in self._downmix.push(data):
            yield from self._resampled(mono)

    def _resampled(self, data: Float32[np.ndarray, "1 S"]) -> Iterator[AudioSamples]:
        assert self._resampler is not None
        for frame in audio_frames(data, self._source_rate_hz, "mono"):
            yield from self._levelled(self._resampler.resample(frame))

    def _levelled(self, frames: list[av.AudioFrame]) -> Iterator[AudioSamples]:
        for frame in frames:
            data = frame.to_ndarray()
            for part in (data,) if self._raised is None else self._raised.push(data):
                yield from self._kept(part)

    def _kept(self, data: Float32[np.ndarray, "C S"]) -> Iterator[AudioSamples]:
        self._pending.append(data)
        self._num_pending += data.shape[1]
        if self._num_pending >= BLOCK_SECONDS * self._rate_hz:
            yield self._block()

    def _block(self) -> AudioSamples:
        num_channels = self._pending[0].shape[0]
        parts = [part if len(part) == num_channels else part[:1].repeat(num_channels, axis=0) for part in self._pending]
        data = np.concatenate(parts, axis=1, dtype=np.float32)
        start = (self._start_seconds or 0.0) + seconds_from_samples(self._num_yielded, self._rate_hz)
        self._num_yielded += data.shape[1]
        self._pending, self._num_pending = [], 0
        return AudioSamples(data, self._rate_hz, start)


@dataclass
class BothRates:
    """One sound, decoded once, at two rates."""

    main: SoundSink
    other: SoundSink

    @property
    def clock(self) -> source.StreamClock:
        return self.main.clock

    def take(self, frame: av.AudioFrame) -> Iterator[AudioSamples]:
        yield from self.main.take(frame)
        yield from self.other.take(frame)

    def flush(self) -> Iterator[AudioSamples]:
        yield from self.main.flush()
        yield from self.other.flush()


Sink = PictureSink | SoundSink | BothRates
