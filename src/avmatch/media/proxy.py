"""Any picture as a browser can play it, and any sound as samples that can be read from any place on.

A proxy's clock begins with the first frame, and its sound's with the file's own clock: neither has priming, edit lists
or a start of its own, so that a player need know nothing of containers.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from jaxtyping import Float32, Int8, Int16, UInt8

from avmatch.core.clock import samples_from_seconds
from avmatch.core.errors import MediaError
from avmatch.core.features import AudioSamples, ColourFrames
from avmatch.media.choice import audio_stream, video_stream
from avmatch.media.decode import decode, decode_colour
from avmatch.media.info import PictureInfo
from avmatch.media.samples import audio_frames, channels
from avmatch.media.source import opened, origin_seconds

#: Of a proxy's picture: at most 540 lines of 960.
MAX_SIDE_PX = 960
SOUND_RATE_HZ = 48000
#: Samples of a bin of the coarse peaks.
PEAK_SAMPLES = 480
#: More of a sought sound is read than is wanted: the resampler needs it.
_MARGIN_SECONDS = 0.05
_TIME_BASE = Fraction(1, 90000)
_THUMBNAIL_PX = 240
#: What every browser plays: containers of FFmpeg, codecs and pixel formats.
_PLAYABLE = {"mov,mp4,m4a,3gp,3g2,mj2": {"h264"}, "matroska,webm": {"vp8", "vp9"}}
_PIXELS = frozenset({"yuv420p", "yuvj420p"})
_MOST_LINES, _MOST_RATE = 1088, 61
#: A first frame later than this has no place on the clock that a player shows.
_START_SECONDS = 0.001
#: Frames from one key frame to the next: to step back decodes so many at most.
_KEY_FRAMES = 12
_X264 = {"preset": "veryfast", "crf": "24", "tune": "fastdecode", "x264-params": "bframes=0"}
_VP8 = {"deadline": "realtime", "cpu-used": "8", "crf": "20", "b": "2M"}
Share = Callable[[float], None]


def is_playable(path: Path, picture: PictureInfo) -> bool:
    """Whether browsers play this picture as it is, on the file's own clock, and lightly enough."""
    if picture.height > _MOST_LINES or picture.rate > _MOST_RATE or picture.begin_seconds > _START_SECONDS:
        return False
    with opened(path) as container:
        stream = video_stream(container)
        codecs = _PLAYABLE.get(container.format.name, set())
        if stream is None or stream.codec.name not in codecs or stream.codec_context.pix_fmt not in _PIXELS:
            return False
        is_webm = container.format.name.startswith("matroska")
        is_first = not is_webm or path.suffix.lower() == ".webm"
        return is_first and container.streams.video[0].index == stream.index


def proxy_suffix() -> str:
    """`.mp4` where this FFmpeg can encode H.264, else `.webm`."""
    return ".mp4" if _has_encoder("libx264") else ".webm"


def write_proxy(path: Path, out: Path, picture: PictureInfo, share: Share, *, num_threads: int = 2) -> None:
    """Write a file's picture to `out`, whose suffix is `proxy_suffix()`, without sound.

    Args:
        share: called with how much is done, 0…1; what it raises ends the work.

    Raises:
        MediaError: the file can't be decoded.
    """
    is_mp4 = out.suffix == ".mp4"
    options = {"movflags": "+faststart"} if is_mp4 else {}
    length = max(float(picture.duration_seconds), 0.001)
    with av.open(str(out), "w", options=options) as container:
        rate = Fraction(picture.rate).limit_denominator(1001)
        stream = container.add_stream("libx264" if is_mp4 else "libvpx", rate=rate, options=_X264 if is_mp4 else _VP8)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = _TIME_BASE
        stream.codec_context.gop_size = _KEY_FRAMES
        stream.codec_context.thread_count = num_threads
        first: float | None = None
        for pixels, time_seconds in _frames(path):
            if first is None:
                first = time_seconds
                stream.height, stream.width = pixels.shape[:2]
            frame = av.VideoFrame.from_ndarray(_fitted(pixels, stream.width, stream.height), "rgb24")
            frame.pts, frame.time_base = round((time_seconds - first) / _TIME_BASE), _TIME_BASE
            container.mux(stream.encode(frame))
            share(min((time_seconds - first) / length, 1.0))
        container.mux(stream.encode(None))


def thumbnail(path: Path) -> bytes:
    """The first picture of a file that isn't black, small, as a JPEG. Raises MediaError."""
    chosen: UInt8[np.ndarray, "H W 3"] | None = None
    for number, (pixels, _) in enumerate(_frames(path, _THUMBNAIL_PX)):
        chosen = pixels
        if number >= _KEY_FRAMES or pixels.std() > _KEY_FRAMES:
            break
    if chosen is None:
        raise MediaError(path, "there is no picture in it", stage="decode", reason="no_video")
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(chosen, cv2.COLOR_RGB2BGR))
    return bytes(encoded)


def write_samples(path: Path, out: Path, share: Share, length_seconds: float) -> None:
    """Decode a file's sound, mono and from the beginning of the file's clock on.

    Args:
        out: gets it as 16-bit numbers at SOUND_RATE_HZ.
        length_seconds: how long it is about.

    Raises:
        MediaError: the file can't be decoded.
    """
    position = 0
    with out.open("wb") as samples:
        for block in decode(path, video=False, sample_rate_hz=SOUND_RATE_HZ):
            assert isinstance(block, AudioSamples)
            data = (np.clip(block.data[0], -1.0, 1.0) * np.iinfo(np.int16).max).astype("<i2")
            start = samples_from_seconds(block.pts_seconds, SOUND_RATE_HZ)
            if start > position:
                samples.seek(2 * start)  # what is skipped reads as silence
            data = data[max(position - start, 0) :]
            samples.write(data.tobytes())
            position = max(position, start) + len(data)
            share(min(block.pts_seconds / max(length_seconds, 0.001), 1.0))


def can_seek(path: Path) -> bool:
    """Whether the sound of a file is uncompressed, so that a piece of it is found without what comes before."""
    with opened(path) as container:
        stream = audio_stream(container)
        return stream is not None and stream.codec_context.name.startswith("pcm_")


def sought_samples(path: Path, begin_seconds: float, num_samples: int) -> Int16[np.ndarray, " S"]:
    """A piece of an uncompressed sound at SOUND_RATE_HZ, all channels mixed alike, silent where there is none.

    Raises:
        MediaError: the file can't be read.
    """
    end_seconds = begin_seconds + num_samples / SOUND_RATE_HZ
    with opened(path) as container:
        stream = audio_stream(container)
        if stream is None:
            raise MediaError(path, "there is no sound in it", stage="open", reason="no_audio")
        rate, origin = stream.codec_context.sample_rate, origin_seconds(container)
        first = samples_from_seconds(begin_seconds - _MARGIN_SECONDS, rate)
        mixed = np.zeros(samples_from_seconds(end_seconds + _MARGIN_SECONDS, rate) - first, np.float32)
        from_seconds = max(begin_seconds - 2 * _MARGIN_SECONDS, 0.0) + origin
        try:
            container.seek(round(from_seconds / (stream.time_base or 1)), stream=stream)
            for frame in container.decode(stream):
                if frame.pts is None or frame.time_base is None:
                    continue
                at = samples_from_seconds(float(frame.pts * frame.time_base) - origin, rate) - first
                if at >= len(mixed):
                    break
                data = channels(frame)
                sound = data.sum(axis=0) / np.sqrt(len(data))
                low, high = max(at, 0), min(at + len(sound), len(mixed))
                if high > low:
                    mixed[low:high] = sound[low - at : high - at]
        except (av.FFmpegError, ValueError, KeyError) as error:
            raise MediaError(path, f"can't be read there ({error})", stage="decode", reason="unreadable") from error
    found = _resampled(mixed, rate)[samples_from_seconds(_MARGIN_SECONDS, SOUND_RATE_HZ) :][:num_samples]
    numbers = (np.clip(found, -1.0, 1.0) * np.iinfo(np.int16).max).astype(np.int16)
    return np.pad(numbers, (0, num_samples - len(numbers)))


def _resampled(samples: Float32[np.ndarray, " S"], rate_hz: int) -> Float32[np.ndarray, " s"]:
    if rate_hz == SOUND_RATE_HZ:
        return samples
    resampler = av.AudioResampler("fltp", "mono", SOUND_RATE_HZ)
    frames = [out for frame in audio_frames(samples[None], rate_hz, "mono") for out in resampler.resample(frame)]
    return np.concatenate([frame.to_ndarray()[0] for frame in (*frames, *resampler.resample(None))])


def coarse_peaks(samples: Path) -> Iterator[Int8[np.ndarray, "n 2"]]:
    """The least and the largest of each PEAK_SAMPLES of what `write_samples` wrote, as 8-bit numbers, in blocks."""
    with samples.open("rb") as file:
        while (block := np.fromfile(file, "<i2", PEAK_SAMPLES << 12)).size:
            starts = np.arange(0, len(block), PEAK_SAMPLES)
            low, high = np.minimum.reduceat(block, starts), np.maximum.reduceat(block, starts)
            yield (np.stack([low, high], axis=1) >> 8).astype(np.int8)


def wav_bytes(samples: Int16[np.ndarray, " S"]) -> bytes:
    """A WAV file of samples at SOUND_RATE_HZ, mono."""
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SOUND_RATE_HZ)
        file.writeframes(samples.astype("<i2").tobytes())
    return made.getvalue()


def pooled_peaks(peaks: Int16[np.ndarray, "N 2"], bins: int) -> Int16[np.ndarray, "bins 2"]:
    """The least and the largest of each of `bins` equal parts."""
    edges = np.arange(bins) * len(peaks) // bins
    low, high = np.minimum.reduceat(peaks[:, 0], edges), np.maximum.reduceat(peaks[:, 1], edges)
    return np.stack([low, high], axis=1)


def _frames(path: Path, max_side_px: int = MAX_SIDE_PX) -> Iterator[tuple[UInt8[np.ndarray, "H W 3"], float]]:
    for block in decode_colour(path, audio=False, max_side_px=max_side_px):
        if isinstance(block, ColourFrames):
            for pixels, time_seconds in zip(block.data, block.pts_seconds.tolist(), strict=True):
                height, width = (side // 2 * 2 for side in pixels.shape[:2])
                is_even = height and width
                yield (pixels[:height, :width] if is_even else _fitted(pixels, 2, 2)), time_seconds


def _fitted(pixels: UInt8[np.ndarray, "H W 3"], width: int, height: int) -> UInt8[np.ndarray, "h w 3"]:
    """As it is, or stretched, where a picture changes its size in the middle."""
    if pixels.shape[:2] != (height, width):
        pixels = np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA))
    return np.ascontiguousarray(pixels)


def _has_encoder(name: str) -> bool:
    try:
        av.codec.Codec(name, "w")
    except (ValueError, av.FFmpegError):
        return False
    return True
