"""Put a sound under a picture, at the right time: the picture's packets are copied, never encoded again.

The sound is encoded (AAC; Opus in webm, PCM in avi) at its own rate and with its own channels. What would play
before the picture starts is cut to the sample, what comes later is preceded by real silence, and what outlasts the
picture is cut: every player agrees on that, which can't be said of edit lists. The video's own sound stays as a second
track.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import av
import av.container
import av.stream
import numpy as np
from jaxtyping import Float32

from avmatch.core.clock import samples_from_seconds
from avmatch.core.errors import MediaError, UsageError
from avmatch.core.features import AudioSamples
from avmatch.core.files import atomic_path, taken
from avmatch.media.decode import decode_sound
from avmatch.media.encode import LAYOUTS, SoundWriter
from avmatch.media.source import audio_stream, opened, origin_seconds, video_stream

Packet: TypeAlias = "av.Packet[Any]"

#: The comment in every muxed file, by which a later run knows what it may replace.
MUXED_BY = "muxed by avmatch"
_CODECS = {".webm": "libopus", ".ogv": "libopus", ".ogg": "libopus", ".avi": "pcm_s16le"}


def mux(video: Path, audio: Path, out: Path, *, offset_seconds: float) -> None:
    """Write `video`'s picture with `audio`'s sound to `out`.

    Args:
        video: the picture; its packets are copied bit for bit, its own sound becomes the second track.
        audio: the sound, from any file.
        out: the new file; the container follows the suffix.
        offset_seconds: how late the sound comes (audio time = picture time + offset); it is moved earlier by this.

    Raises:
        UsageError: `out` is one of the originals.
        FileExistsError: `out` exists, and isn't the result of an earlier `mux`.
        MediaError: an input can't be read, or the container can't hold the streams (stage "mux").
    """
    with remuxed(video, out, originals=(video, audio), overwrite=_is_muxed(out)) as (source, picture, target):
        target.metadata["comment"] = MUXED_BY
        copies: dict[int, av.stream.Stream] = {picture.index: target.add_stream_from_template(picture, opaque=True)}
        begin = start_seconds(picture)
        blocks = on_picture_clock(decode_sound(audio), begin, origin_seconds(source) - offset_seconds)
        sound = SoundTrack(target, blocks, codec_for(out), begin)
        if own := audio_stream(source):
            copies[own.index] = target.add_stream_from_template(own, opaque=True)
        packets = timed_packets(source, [source.streams[index] for index in copies], target)
        copy_with(sound, packets, picture, copies, target, lambda packet: packet.pts)


@contextmanager
def remuxed(
    video: Path, out: Path, *, originals: tuple[Path, ...], overwrite: bool = False
) -> Iterator[tuple[av.container.InputContainer, av.VideoStream, av.container.OutputContainer]]:
    """(source, its picture, the new file), which appears whole or not at all.

    Raises:
        UsageError: `out` is one of the originals.
        FileExistsError: `out` exists, and isn't to be overwritten.
        MediaError: an input can't be read, or the container can't hold the streams (stage "mux").
    """
    if out.exists() and any(out.samefile(original) for original in originals if original.exists()):
        raise UsageError(f"{out}: this would overwrite an original; choose another folder for the muxed files")
    if os.path.lexists(out) and not overwrite:
        raise taken(out)
    try:
        with opened(video, "mux") as source, atomic_path(out, overwrite=overwrite) as temporary:
            picture = video_stream(source)
            if picture is None:
                raise MediaError(video, "there is no picture in it to copy", stage="mux", reason="no_video")
            with av.open(str(temporary), "w") as target:
                if target.format.name.startswith("mxf"):
                    message = "MXF can't take a sound at another time; name the copy .mov or .mkv"
                    raise MediaError(video, message, stage="mux", reason="unsupported")
                yield source, picture, target
    except (av.FFmpegError, ValueError) as error:
        if isinstance(error, MediaError):
            raise
        message = f"can't be muxed into {out.suffix} ({error}); convert the video to .mkv or .mp4 first"
        raise MediaError(video, message, stage="mux", reason="unsupported") from error


def _is_muxed(path: Path) -> bool:
    """Whether a file is there that `mux` wrote, in a container that can say so."""
    try:
        with opened(path) as container:
            return MUXED_BY in container.metadata.values()
    except MediaError:
        return False


def copy_with(
    sound: SoundTrack,
    packets: Iterator[Packet],
    picture: av.VideoStream,
    copies: dict[int, av.stream.Stream],
    target: av.container.OutputContainer,
    ticks_of: Callable[[Packet], int | None],
) -> None:
    """Copy the packets, and encode the sound as far as the picture has come, by the ticks of its packets."""
    for packet in packets:
        ticks, base = ticks_of(packet), packet.time_base
        if packet.stream.index == picture.index and ticks is not None and base is not None:
            sound.write_until(float((ticks + (packet.duration or 0)) * base))
        packet.stream = copies[packet.stream.index]
        target.mux(packet)
    sound.close()


def timed_packets(
    source: av.container.InputContainer, streams: Sequence[av.stream.Stream], target: av.container.OutputContainer
) -> Iterator[Packet]:
    """The packets of streams, but attachments, with a time of presentation each, as far as the new container wants one.

    Raises:
        MediaError: the source has times of decoding only, and its pictures are shown in another order.
    """
    for packet in source.demux([stream for stream in streams if stream.type != "attachment"]):
        if not packet.size:  # marks the end
            continue
        if packet.pts is None and target.format.name != "avi":
            stream = packet.stream
            if isinstance(stream, av.VideoStream) and stream.codec_context.has_b_frames:
                kind = f"{stream.codec.name} in {source.format.name}"
                message = f"{kind} doesn't say when its pictures are shown; convert it to .mp4 or .mkv first"
                raise MediaError(Path(source.name.removeprefix("file:")), message, stage="mux", reason="unsupported")
            packet.pts = packet.dts
        yield packet


def start_seconds(stream: av.VideoStream) -> float:
    """When a picture begins, on its container's clock."""
    start, base = stream.start_time, stream.time_base
    return 0.0 if start is None or base is None else float(start * base)


def codec_for(out: Path) -> str:
    """How a sound is encoded for a container."""
    return _CODECS.get(out.suffix.lower(), "aac")


def on_picture_clock(
    blocks: Iterator[AudioSamples], begin_seconds: float, shift_seconds: float
) -> Iterator[AudioSamples]:
    """The sound from the picture's start on: shifted, cut to the sample, or with silence in front."""
    first = True
    for block in blocks:
        rate = block.sample_rate_hz
        excess = samples_from_seconds(begin_seconds - (block.pts_seconds + shift_seconds), rate)
        if first and excess < 0:
            for begin in range(0, -excess, rate):  # a long silence in pieces, so that memory stays small
                silence = np.zeros((len(block.data), min(rate, -excess - begin)), np.float32)
                yield AudioSamples(silence, rate, begin_seconds)
        data = block.data[:, max(0, excess) :]
        if data.shape[1]:
            first = False
            yield AudioSamples(data, rate, begin_seconds)


class SoundTrack:
    """The new track: fed block by block, as far as the picture has come."""

    def __init__(
        self, target: av.container.OutputContainer, blocks: Iterator[AudioSamples], codec: str, begin_seconds: float
    ) -> None:
        self._blocks = blocks
        self._pending = next(blocks, None)
        self._written_seconds = begin_seconds
        first = self._pending or AudioSamples(np.zeros((1, 0), np.float32), 48000)
        num = self._num_channels = len(first.data) if len(first.data) in LAYOUTS else 1  # else a mono mix
        self._writer = SoundWriter(target, codec, num, first.sample_rate_hz, begin_seconds, bit_rate=96_000 * num)

    def write_until(self, time_seconds: float) -> None:
        """Encode what plays before `time_seconds` of the picture's clock."""
        while self._pending is not None and self._written_seconds < time_seconds:
            block = self._pending
            num = samples_from_seconds(time_seconds - self._written_seconds, block.sample_rate_hz)
            if num <= 0:
                return
            now = block.data[:, :num]
            self._writer.write(self._mixed(now))
            self._written_seconds += now.shape[1] / block.sample_rate_hz
            rest = block.data[:, num:]
            self._pending = AudioSamples(rest, block.sample_rate_hz) if rest.shape[1] else next(self._blocks, None)

    def close(self) -> None:
        """Finish the track; what is left of the sound outlasts the picture."""
        self._writer.close()

    def _mixed(self, data: Float32[np.ndarray, "C S"]) -> Float32[np.ndarray, "c S"]:
        if data.shape[0] == self._num_channels:
            return data
        mono = data.mean(axis=0, keepdims=True, dtype=np.float32)
        return mono.repeat(self._num_channels, axis=0)
