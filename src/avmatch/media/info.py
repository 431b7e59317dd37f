"""What an editor must know of a media file: rate, length, size, channels, source timecode.

Source timecode is what the container says; else the time reference of a recorder; else linear timecode on a channel of
the sound, for which the first two seconds are decoded.

Times are exact fractions. They count from the file's own beginning (`origin_seconds` in source.py), as all times of
this project do; the first frame and the first sample may lie later.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import av.container
import av.stream
import numpy as np
from jaxtyping import Float32

from avmatch.core.errors import MediaError
from avmatch.media.boxes import is_turned, timecode_rate
from avmatch.media.choice import video_stream
from avmatch.media.copying import timecodes
from avmatch.media.ltc import read_ltc
from avmatch.media.samples import channels
from avmatch.media.source import opened
from avmatch.media.timecode import STANDARD_RATES, can_drop, parse_timecode, standard_rate
from avmatch.media.wav import broadcast_time, channel_names

#: A mean rate that differs by more than this from the rate of the time stamps is a rate that varies.
_VARIES = Fraction(1, 1000)
#: Of a rate that varies, the usual rate that is meant is nearer than this.
_MEANT = Fraction(1, 8)
_LISTEN_SECONDS = 2
#: Frames a second outside of these are a damaged header.
_LEAST_RATE, _MOST_RATE = 1, 1000
#: Rounding of FFmpeg's clock, which counts microseconds.
_CLOCK_SECONDS = Fraction(1, 100_000)
Source = Literal["timecode", "time reference", "ltc"]


@dataclass(frozen=True)
class PictureInfo:
    """The picture of a file.

    Attributes:
        rate: frames a second; the nearest usual rate where it varies.
        num_frames: how many there are at that rate.
        begin_seconds: when the first is shown.
        width, height: in pixels, as shown: turned, where the file says so.
        pixel_aspect: width of a pixel divided by its height.
        is_variable: the rate varies.
    """

    rate: Fraction
    num_frames: int
    begin_seconds: Fraction
    width: int
    height: int
    pixel_aspect: Fraction
    is_variable: bool = False

    @property
    def duration_seconds(self) -> Fraction:
        """How long it lasts."""
        return self.num_frames / self.rate


@dataclass(frozen=True)
class SoundInfo:
    """The sound of a file.

    Attributes:
        sample_rate_hz: samples a second.
        num_samples: how many there are of a channel.
        begin_seconds: when the first is heard.
        channels: how many each stream has.
        names: what the recorder calls the channels; () where it doesn't say.
        bits: bits a sample, 0 where the codec has none.
        indices: the streams' numbers in the file.
        layouts: FFmpeg's names of what the streams' channels are: stereo, 4 channels; () where unknown.
    """

    sample_rate_hz: int
    num_samples: int
    begin_seconds: Fraction
    channels: tuple[int, ...]
    names: tuple[str, ...] = ()
    bits: int = 0
    indices: tuple[int, ...] = (0,)
    layouts: tuple[str, ...] = ()

    @property
    def num_channels(self) -> int:
        """Of all streams together."""
        return sum(self.channels)

    @property
    def duration_seconds(self) -> Fraction:
        """How long it lasts."""
        return Fraction(self.num_samples, self.sample_rate_hz)


@dataclass(frozen=True)
class SourceTime:
    """Where a file's first frame or sample lies in the day.

    Attributes:
        seconds: since midnight.
        rate: what its labels count with; None where the file doesn't say.
        is_drop: whether they leave out labels.
        source: what said so.
    """

    seconds: Fraction
    rate: Fraction | None
    is_drop: bool
    source: Source


@dataclass(frozen=True)
class MediaInfo:
    """A media file as editors refer to it.

    Attributes:
        path: the file.
        picture, sound: None where it has none.
        start: its source timecode; None where it has none.
    """

    path: Path
    picture: PictureInfo | None
    sound: SoundInfo | None
    start: SourceTime | None = None

    @property
    def start_seconds(self) -> Fraction:
        """Since midnight; 0 where the file doesn't say."""
        return Fraction(0) if self.start is None else self.start.seconds


def read_info(path: str | Path) -> MediaInfo:
    """Read a file's header.

    Raises:
        MediaError: the file can't be opened, or has neither picture nor sound.
    """
    file = Path(path)
    with opened(file) as container:
        origin = max(Fraction(0), Fraction(container.start_time or 0, av.time_base))
        stream = video_stream(container)
        picture = None if stream is None else _picture(container, stream, origin)
        sound = _sound(container, origin)
        if picture is None and sound is None:
            raise MediaError(path, "neither picture nor sound to put on a timeline", stage="open", reason="no_video")
        return MediaInfo(file.absolute(), picture, sound, _start(file, container, picture, sound))


def _picture(
    container: av.container.InputContainer, stream: av.VideoStream, origin_seconds: Fraction
) -> PictureInfo | None:
    found, context = _rate(stream), stream.codec_context
    if found is None or not _LEAST_RATE <= found[0] <= _MOST_RATE or not (context.width and context.height):
        return None
    rate, is_variable = found
    num_frames = round(_duration(container, stream, origin_seconds) * rate) or stream.frames
    size, aspect = (context.width, context.height), Fraction(stream.sample_aspect_ratio or 1)
    if container.format.name.startswith("mov") and is_turned(Path(container.name.removeprefix("file:"))):
        size, aspect = size[::-1], 1 / aspect
    return PictureInfo(rate, max(1, num_frames), _begin(stream, origin_seconds), *size, aspect, is_variable)


def _rate(stream: av.VideoStream) -> tuple[Fraction, bool] | None:
    """Frames a second, and whether that varies; None where nothing says it."""
    mean = Fraction(stream.average_rate or stream.guessed_rate or stream.base_rate or 0)
    if not mean:
        return None
    rate, stamps = standard_rate(mean), Fraction(stream.base_rate or mean)
    if rate in STANDARD_RATES or abs(stamps - mean) <= mean * _VARIES:
        return rate, False
    near = min(STANDARD_RATES, key=lambda known: abs(known - mean))
    return (near if abs(near - mean) <= mean * _MEANT else rate), True


def _sound(container: av.container.InputContainer, origin_seconds: Fraction) -> SoundInfo | None:
    streams = [
        stream for stream in container.streams.audio if stream.codec_context and stream.codec_context.sample_rate
    ]
    if not streams:
        return None
    first = streams[0]
    rate_hz = first.codec_context.sample_rate
    file = Path(container.name.removeprefix("file:"))
    return SoundInfo(
        rate_hz,
        round(_duration(container, first, origin_seconds) * rate_hz),
        _begin(first, origin_seconds),
        tuple(stream.codec_context.layout.nb_channels for stream in streams),
        tuple(channel_names(file)),
        _bits(first),
        tuple(stream.index for stream in streams),
        tuple(stream.codec_context.layout.name for stream in streams),
    )


def _bits(stream: av.AudioStream) -> int:
    name = stream.codec_context.name
    if name.startswith("pcm_") and (digits := "".join(filter(str.isdigit, name[5:7]))):
        return int(digits)
    return 0


def _begin(stream: av.stream.Stream, origin_seconds: Fraction) -> Fraction:
    begin = Fraction(stream.start_time or 0) * (stream.time_base or 0) - origin_seconds
    return begin if begin > _CLOCK_SECONDS else Fraction(0)


def _duration(container: av.container.InputContainer, stream: av.stream.Stream, origin_seconds: Fraction) -> Fraction:
    """Of the stream; or of the file, from the stream's beginning on."""
    if stream.duration and stream.time_base:
        return stream.duration * stream.time_base
    return max(Fraction(0), Fraction(container.duration or 0, av.time_base) - _begin(stream, origin_seconds))


def _start(
    file: Path, container: av.container.InputContainer, picture: PictureInfo | None, sound: SoundInfo | None
) -> SourceTime | None:
    """A timecode track or tag; or the time reference of a recorder."""
    if picture is not None:
        counted = timecode_rate(file) if container.format.name.startswith("mov") else None
        rate = picture.rate if counted is None else standard_rate(counted)
        codes = (parse_timecode(label, rate) for label in timecodes(container))
        if (code := next((code for code in codes if code is not None), None)) is not None:
            return SourceTime(code.seconds, code.rate, code.is_drop, "timecode")
    if sound is None:
        return None
    reference = broadcast_time(file)
    if reference is None:
        return _linear(file, sound, picture)
    seconds = Fraction(reference.num_samples) / (reference.rate_hz or sound.sample_rate_hz)
    label_rate = None if reference.label_rate is None else standard_rate(reference.label_rate)
    is_drop = reference.is_drop and label_rate is not None and can_drop(label_rate)
    return SourceTime(seconds, label_rate, is_drop, "time reference")


def _linear(file: Path, sound: SoundInfo, picture: PictureInfo | None) -> SourceTime | None:
    """The linear timecode of the first channel that carries one."""
    later_seconds = Fraction(0) if picture is None else picture.begin_seconds - sound.begin_seconds
    for stream in range(len(sound.channels)):
        samples, rate_hz = _first_samples(file, stream)
        for channel in samples:
            if (code := read_ltc(channel, rate_hz)) is not None:
                first = Fraction(round(code.seconds * rate_hz), rate_hz)
                return SourceTime(first + later_seconds, code.fps, code.drop_frame, "ltc")
    return None


def _first_samples(file: Path, number: int) -> tuple[Float32[np.ndarray, "C S"], int]:
    """The beginning of a sound, all channels, and its rate; nothing where it can't be decoded."""
    blocks: list[Float32[np.ndarray, "C B"]] = []
    num_samples, rate_hz = 0, 1
    with opened(file) as container:
        stream = container.streams.audio[number]
        try:
            for frame in container.decode(stream):
                assert isinstance(frame, av.AudioFrame)
                blocks.append(channels(frame))
                num_samples, rate_hz = num_samples + frame.samples, frame.sample_rate
                if num_samples >= _LISTEN_SECONDS * rate_hz:
                    break
        except (av.FFmpegError, ValueError, KeyError):  # whoever needs the sound says what is wrong
            return np.zeros((0, 0), np.float32), 1
    blocks = [block for block in blocks if len(block) == len(blocks[0])]
    return (np.concatenate(blocks, axis=1), rate_hz) if blocks else (np.zeros((0, 0), np.float32), 1)
