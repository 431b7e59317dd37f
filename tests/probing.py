"""What a file says about itself, without decoding it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import av.stream

from avmatch.media.choice import audio_stream, video_stream
from avmatch.media.source import opened, origin_seconds


@dataclass(frozen=True)
class VideoStream:
    """A moving picture; `fps` is the mean, `start_seconds` on the file's clock."""

    codec: str
    width_px: int
    height_px: int
    fps: float | None
    start_seconds: float
    duration_seconds: float | None


@dataclass(frozen=True)
class AudioStream:
    """A sound; `start_seconds` on the file's clock."""

    codec: str
    sample_rate_hz: int
    num_channels: int
    start_seconds: float
    duration_seconds: float | None


@dataclass(frozen=True)
class MediaInfo:
    """The streams that avmatch would use."""

    path: str
    duration_seconds: float | None
    video: VideoStream | None
    audio: AudioStream | None


def probe(path: str | Path) -> MediaInfo:
    """Read a file's headers. Raises MediaError if it isn't media."""
    with opened(path) as container:
        origin = origin_seconds(container)
        picture, sound = video_stream(container), audio_stream(container)
        video = None
        if picture is not None:
            fps = float(picture.average_rate) if picture.average_rate else None
            video = VideoStream(picture.codec_context.name, picture.width, picture.height, fps, *_span(picture, origin))
        audio = None
        if sound is not None:
            context = sound.codec_context
            audio = AudioStream(context.name, context.sample_rate, context.channels, *_span(sound, origin))
        duration = None if container.duration is None else container.duration / av.time_base
        return MediaInfo(str(path), duration, video, audio)


def _span(stream: av.stream.Stream, origin: float) -> tuple[float, float | None]:
    """(start, duration) in seconds on the file's clock."""
    base = stream.time_base
    if base is None:
        return 0.0, None
    start = 0.0 if stream.start_time is None else float(stream.start_time * base) - origin
    return start, None if stream.duration is None else float(stream.duration * base)
