"""Frames and samples → small media files: for synthetic clips and tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import av.container
import numpy as np
from jaxtyping import Float32, UInt8

from avmatch.core.errors import UsageError
from avmatch.core.features import AudioSamples
from avmatch.core.files import atomic_path
from avmatch.media.samples import audio_frames

AUDIO_CODECS = {
    ".wav": "pcm_s16le",
    ".flac": "flac",
    ".mp3": "libmp3lame",
    ".m4a": "aac",
    ".aac": "aac",
    ".mp4": "aac",
    ".mov": "aac",
    ".mkv": "aac",
    ".avi": "pcm_s16le",  # AVI has no way to tell how long an encoder's priming is
    ".ogg": "libopus",
    ".opus": "libopus",
    ".webm": "libopus",
}
#: What a codec can do; the others take any rate.
_RATES_HZ = {
    "aac": (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000),
    "libopus": (48000,),
    "ac3": (48000, 44100, 32000),
}
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
_VIDEO_TIME_BASE = Fraction(1, 90000)
_FRAME_SAMPLES = 1024
#: Macroblock trees and adaptive B-frames make x264 depend on where its buffers happen to lie.
_REPEATABLE = "mbtree=0:b-adapt=0"


def write_clip(
    path: Path,
    frames: Iterable[UInt8[np.ndarray, "H W 3"]],
    *,
    fps: float | Fraction,
    audio: AudioSamples | None = None,
    crf: int = 23,
    frame_times_seconds: Sequence[float] | None = None,
) -> None:
    """Write RGB frames as h264, with `audio` as AAC where given. One thread, so that equal input gives equal bytes.

    Args:
        path: where to; the container follows the suffix.
        frames: (H, W, 3) pictures with even sides.
        fps: frames a second.
        audio: its `pts_seconds` is where the sound starts on the clip's clock.
        crf: x264's quality, lower is better.
        frame_times_seconds: a time for each frame, for varying frame rates.

    Raises:
        UsageError: the sides are odd, there is no frame, or the suffix is unknown.
    """
    with _created(path) as container:
        rate = Fraction(fps).limit_denominator(1001)
        picture = container.add_stream(
            "libx264", rate=rate, options={"crf": str(crf), "preset": "veryfast", "x264-params": _REPEATABLE}
        )
        picture.pix_fmt = "yuv420p"
        picture.codec_context.thread_count = 1
        picture.codec_context.time_base = _VIDEO_TIME_BASE
        sound = None if audio is None else _sound_writer(container, path, audio)
        number = -1
        for number, pixels in enumerate(frames):
            if number == 0:
                picture.height, picture.width = _even(path, pixels)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24")
            time = number / rate if frame_times_seconds is None else Fraction(frame_times_seconds[number])
            frame.pts, frame.time_base = round(time / _VIDEO_TIME_BASE), _VIDEO_TIME_BASE
            container.mux(picture.encode(frame))
        if number < 0:
            raise UsageError(f"{path}: a clip needs at least one frame")
        container.mux(picture.encode(None))
        if audio is not None and sound is not None:
            sound.write(audio.data)
            sound.close()


def write_audio(path: Path, audio: AudioSamples, *, bit_rate_bps: int | None = None) -> None:
    """Write a sound; the codec follows the suffix (AUDIO_CODECS). Raises UsageError for an unknown suffix.

    Args:
        bit_rate_bps: of a lossy codec; None = hardly any loss.
    """
    with _created(path) as container:
        sound = _sound_writer(container, path, audio, bit_rate_bps)
        sound.write(audio.data)
        sound.close()


@contextmanager
def _created(path: Path) -> Iterator[av.container.OutputContainer]:
    """A new file, without the random numbers that Matroska and Ogg would like in it."""
    if path.suffix.lower() not in AUDIO_CODECS:
        raise UsageError(f"{path}: unknown suffix; use one of {', '.join(AUDIO_CODECS)}")
    with atomic_path(path) as temporary, av.open(str(temporary), "w", options={"fflags": "+bitexact"}) as container:
        yield container


def _even(path: Path, pixels: UInt8[np.ndarray, "H W 3"]) -> tuple[int, int]:
    height, width = pixels.shape[:2]
    if height % 2 or width % 2:
        raise UsageError(f"{path}: h264 needs even sides, got {width}×{height}; crop or pad by one pixel")
    return height, width


def _sound_writer(
    container: av.container.OutputContainer, path: Path, audio: AudioSamples, bit_rate_bps: int | None = None
) -> SoundWriter:
    codec, num_channels = AUDIO_CODECS[path.suffix.lower()], len(audio.data)
    if num_channels not in (1, 2, 6):
        raise UsageError(f"{path}: can write 1, 2 or 6 channels, got {num_channels}")
    high = None if codec.startswith(("pcm", "flac")) else 64_000 * num_channels + 64_000  # hardly any loss
    return SoundWriter(container, codec, num_channels, audio.sample_rate_hz, audio.pts_seconds, bit_rate_bps or high)


def rate_for(codec: str, sample_rate_hz: int) -> int:
    """The rate that a codec has a sound at: its own where it can."""
    return sample_rate_hz if sample_rate_hz in _RATES_HZ.get(codec, (sample_rate_hz,)) else 48000


class SoundWriter:
    """Encodes blocks of samples into a new stream of an open container, gaplessly from `start_seconds` on.

    Args:
        num_channels: one of LAYOUTS, where `layout` isn't given.
        sample_rate_hz: of the samples; the stream has it as well where the codec can.
        layout: how FFmpeg calls the channels.
        sample_format: what the encoder takes, where it takes several.
    """

    def __init__(
        self,
        container: av.container.OutputContainer,
        codec: str,
        num_channels: int,
        sample_rate_hz: int,
        start_seconds: float = 0.0,
        bit_rate: int | None = None,
        layout: str | None = None,
        sample_format: str | None = None,
    ) -> None:
        stream = container.add_stream(
            codec, rate=rate_for(codec, sample_rate_hz), layout=layout or LAYOUTS[num_channels]
        )
        assert isinstance(stream, av.AudioStream)
        if sample_format is not None:
            stream.format = sample_format
        if bit_rate is not None:
            stream.bit_rate = bit_rate
        self._container, self.stream, self._rate_hz = container, stream, sample_rate_hz
        self._context = stream.codec_context
        self._resampler = av.AudioResampler(self._context.format, self._context.layout, self._context.sample_rate)
        self._fifo = av.AudioFifo()
        self._position = round(start_seconds * self._context.sample_rate)

    def write(self, data: Float32[np.ndarray, "C S"]) -> None:
        """Take samples with as many channels as the stream has."""
        for frame in audio_frames(data, self._rate_hz, self._context.layout.name):
            self._queue(self._resampler.resample(frame))
        self._encode(self._context.frame_size or _FRAME_SAMPLES, last=False)

    def close(self) -> None:
        """Flush what the resampler and the encoder hold back."""
        self._queue(self._resampler.resample(None))
        self._encode(self._context.frame_size or _FRAME_SAMPLES, last=True)
        self._container.mux(self.stream.encode(None))

    def _queue(self, frames: list[av.AudioFrame]) -> None:
        for frame in frames:
            frame.pts = None
            self._fifo.write(frame)

    def _encode(self, size: int, *, last: bool) -> None:
        while self._fifo.samples >= size or (last and self._fifo.samples):
            frame = self._fifo.read(min(size, self._fifo.samples), partial=True)
            assert frame is not None
            frame.pts, frame.time_base = self._position, Fraction(1, self._context.sample_rate)
            self._position += frame.samples
            self._container.mux(self.stream.encode(frame))
