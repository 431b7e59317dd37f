"""One pass over a file: packets → frames, grey or in colour, and mono samples, each with its time.

Times are presentation times of the container, from the file's beginning: streams that start apart, edit lists, encoder
priming (FFmpeg trims what the container declares) and varying frame rates are all in them. Memory is bounded:
frames come in blocks of at most 32, sound in blocks of about a second, five seconds late where it has several channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

import av
import av.container
import cv2
import numpy as np
from jaxtyping import Float32

from avmatch.core.clock import samples_from_seconds, seconds_from_samples
from avmatch.core.errors import MediaError, Reason
from avmatch.core.features import AudioSamples, ColourFrames, VideoFrames
from avmatch.media import choice, source
from avmatch.media.choice import BEST, StreamChoice
from avmatch.media.downmix import Downmix
from avmatch.media.pictures import colour, grey
from avmatch.media.samples import CHUNK_SAMPLES, Raised, audio_frames, channels
from avmatch.media.steady import SteadyTimes

BLOCK_FRAMES = 32
BLOCK_SECONDS = 1.0
#: The longer side of single frames in colour.
COLOUR_SIDE_PX = 320
#: Nothing more is read after so many packets that can't be decoded.
MAX_BAD_PACKETS = 10_000
_MAX_SIDE_PX, _SOUND_RATE_HZ = 640, 16000
#: Sample rates outside of this are a damaged header; a few bytes at 1 Hz would become hours of sound.
_MIN_RATE_HZ, _MAX_RATE_HZ = 1000, 10_000_000
_Block = VideoFrames | ColourFrames | AudioSamples


def decode(
    path: str | Path,
    *,
    video: bool = True,
    audio: bool = True,
    max_side_px: int = _MAX_SIDE_PX,
    sample_rate_hz: int = _SOUND_RATE_HZ,
    num_threads: int = 0,
    choice: StreamChoice = BEST,
    reading: source.Reading | None = None,
) -> Iterator[VideoFrames | AudioSamples]:
    """Decode picture and sound of a file in one pass.

    Args:
        path: any file that FFmpeg reads.
        video, audio: which streams are wanted; with both, what exists is given.
        max_side_px: frames are shrunk until their longer side has at most this many pixels.
        sample_rate_hz: sound is mixed to mono (downmix.py) and resampled to this rate.
        num_threads: decoder threads; 0 = as many as there are cores.
        choice: which streams and channel, where a person says so.
        reading: learns how much of the file could not be read, and which streams were used.

    Yields:
        VideoFrames and AudioSamples in the order of the file, each kind in order of time.

    Raises:
        MediaError: the file can't be read, or has nothing of what is wanted.
        UsageError: it lacks the stream or the channel that is asked for.
    """
    blocks = _decoded(path, video, audio, max_side_px, sample_rate_hz, num_threads, choice, reading)
    return cast("Iterator[VideoFrames | AudioSamples]", blocks)


def decode_colour(
    path: str | Path, *, audio: bool = True, max_side_px: int = _MAX_SIDE_PX, num_threads: int = 0
) -> Iterator[ColourFrames | AudioSamples]:
    """The same with the picture in colour."""
    blocks = _decoded(path, audio=audio, max_side_px=max_side_px, num_threads=num_threads, is_colour=True)
    return cast("Iterator[ColourFrames | AudioSamples]", blocks)


def decode_with_colour(
    path: str | Path,
    every_seconds: float,
    *,
    video: bool = True,
    audio: bool = True,
    num_threads: int = 0,
    choice: StreamChoice = BEST,
    reading: source.Reading | None = None,
) -> Iterator[VideoFrames | ColourFrames | AudioSamples]:
    """As `decode`, and besides a single frame in colour about every so many seconds, the first half as late."""
    return _decoded(
        path, video, audio, num_threads=num_threads, wanted=choice, reading=reading, colour_seconds=every_seconds
    )


def _decoded(
    path: str | Path,
    video: bool = True,
    audio: bool = True,
    max_side_px: int = _MAX_SIDE_PX,
    sample_rate_hz: int | None = _SOUND_RATE_HZ,
    num_threads: int = 0,
    wanted: StreamChoice = BEST,
    reading: source.Reading | None = None,
    is_colour: bool = False,
    colour_seconds: float | None = None,
) -> Iterator[_Block]:
    reading = reading or source.Reading()
    with source.opened(path) as container:
        picture = choice.video_stream(container, wanted.video) if video else None
        sound = choice.audio_stream(container, wanted.audio) if audio else None
        choice.check_channel(sound, wanted.channel)
        if picture is None and sound is None:
            raise _missing(path, video=video, audio=audio)
        new_clock = partial(source.StreamClock, source.origin_seconds(container), [0.0], [])
        sinks: dict[int, _PictureSink | _SoundSink] = {}
        if picture is not None:
            picture.thread_type = "AUTO"
            picture.codec_context.thread_count = num_threads
            fps = float(picture.average_rate or picture.guessed_rate or 25.0)
            sinks[picture.index] = _PictureSink(new_clock(), max_side_px, fps, is_colour, colour_seconds)
            reading.used["video"] = choice.used_words(picture)
        if sound is not None:
            is_exact = sound.codec_context.codec.canonical_name.startswith("pcm_f")
            sinks[sound.index] = sink = _SoundSink(new_clock(), sample_rate_hz, wanted.channel, is_exact, reading)
        yield from _checked(path, _blocks(container, sinks, reading, new_clock))
        if sound is not None:
            reading.used["audio"] = choice.used_words(sound, sink.channels_used())


def read_audio(path: str | Path, *, sample_rate_hz: int = 16000, choice: StreamChoice = BEST) -> AudioSamples:
    """The whole sound of a file, mono. Raises MediaError and UsageError as `decode` does."""
    found = decode(path, video=False, sample_rate_hz=sample_rate_hz, choice=choice)
    blocks = [*cast("Iterator[AudioSamples]", found)]
    data = np.concatenate([block.data for block in blocks], axis=1)
    return AudioSamples(data, sample_rate_hz, blocks[0].pts_seconds)


def decode_sound(path: str | Path, number: int | None = None) -> Iterator[AudioSamples]:
    """The sound of a file with its own channels and sample rate, in blocks. Raises MediaError as `decode` does.

    Args:
        number: the stream's, in the file; None = the one that a player would choose.
    """
    return cast(
        "Iterator[AudioSamples]", _decoded(path, video=False, sample_rate_hz=None, wanted=StreamChoice(audio=number))
    )


def _missing(path: str | Path, *, video: bool, audio: bool) -> MediaError:
    reason: Reason = "no_video" if video else "no_audio"
    wanted = "picture or sound" if video and audio else "picture" if video else "sound"
    return MediaError(path, f"there is no {wanted} in it; check that it is the right file", stage="open", reason=reason)


def _checked(path: str | Path, blocks: Iterator[_Block]) -> Iterator[_Block]:
    """The blocks; MediaError if there are none, or in a format that can't be converted."""
    empty = True
    try:
        for block in blocks:
            empty = False
            yield block
    except (av.FFmpegError, _OddFrameError) as error:
        message = f"can't be converted ({error}); convert the file to mp4 or wav first"
        raise MediaError(path, message, stage="decode", reason="unsupported") from error
    if empty:
        message = "nothing in it can be decoded; the file is damaged or cut off: copy it again"
        raise MediaError(path, message, stage="decode", reason="no_frames")


class _OddFrameError(Exception):
    """A frame whose format, size or buffers PyAV, numpy or OpenCV can't convert."""


@contextmanager
def _converting() -> Iterator[None]:
    """What goes wrong here is due to the file's content; the same errors elsewhere are bugs."""
    try:
        yield
    except (ValueError, KeyError, ArithmeticError, cv2.error) as error:
        raise _OddFrameError(f"{type(error).__name__}: {error}") from error


def _blocks(
    container: av.container.InputContainer,
    sinks: dict[int, _PictureSink | _SoundSink],
    reading: source.Reading,
    new_clock: Callable[[], source.StreamClock],
) -> Iterator[_Block]:
    others: dict[int, source.StreamClock] = {}  # of streams that aren't wanted: they show how far the file has come
    packets = container.demux()  # of all streams: where the last of them ends shows how far the file could be read
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:  # the file ends in the middle, or worse: keep what came before
            reading.has_failed = True
            packet = None
        if packet is None or reading.has_failed:
            break
        if packet.size:
            reading.count(packet)
        if packet.stream.index not in sinks:
            if packet.pts is not None and packet.time_base and packet.stream.type in ("video", "audio"):
                clock = others.setdefault(packet.stream.index, new_clock())
                clock.seconds(packet.pts, packet.time_base, None, 0.0)
            continue
        try:
            frames = packet.decode()
        except av.FFmpegError:
            reading.has_failed = reading.count_bad(packet) > MAX_BAD_PACKETS
            continue
        for frame in frames:
            yield from sinks[packet.stream.index].take(frame)  # type: ignore[arg-type]  # subtitles were not asked for
    for sink in sinks.values():
        yield from sink.flush()
    reading.finish(container, sinks)


@dataclass
class _PictureSink:
    clock: source.StreamClock
    max_side_px: int
    fps: float
    is_colour: bool
    colour_seconds: float | None = None
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
        with _converting():
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
        with _converting():
            picture = colour(frame, COLOUR_SIDE_PX)
        yield ColourFrames(picture[None], np.array([time_seconds]))

    def _time(self, frame: av.VideoFrame) -> float:
        following = 0.0 if self._last_seconds is None else self._last_seconds + 1.0 / self.fps
        ticks = frame.dts if frame.pts is None else frame.pts
        if ticks is None or not frame.time_base:
            return following
        return self.clock.seconds(ticks, frame.time_base, self._last_seconds, following)


@dataclass
class _SoundSink:
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
        with _converting():
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
