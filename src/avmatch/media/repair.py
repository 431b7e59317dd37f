"""Move a file's own sound to where it belongs; everything else is copied packet by packet.

An offset costs no quality: the packets of the sound get other times, and those that would play before the file
begins are left out, so that no player has to know of edit lists; where the sound comes later than the picture, the
container says so. The sound is encoded again only where it must be: to take a drift out (the sound is resampled), in
AVI, which has no times, and where the new container can't hold the old codec. Then it is cut and padded with real
silence to the sample (mux.py).

Only the sound that a player would choose is moved; other sounds, subtitles and attachments stay as they are.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.container
import av.filter
import av.stream
import numpy as np

from avmatch.core.errors import MediaError
from avmatch.core.features import AudioSamples
from avmatch.media.decode import decode_sound
from avmatch.media.mux import MUXED_BY, SoundTrack, codec_for, on_picture_clock, remuxed, start_seconds, timed_packets
from avmatch.media.source import audio_stream, opened, origin_seconds

_KEPT_TYPES = ("video", "audio", "subtitle", "attachment")
_LOSSLESS = ("pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "flac", "alac")
#: It has no times, and can't tell how long an encoder's priming is.
_UNTIMED_FORMAT = "avi"
#: FFmpeg lists them for QuickTime, but writes them into MP4 only.
_MP4_ONLY = frozenset({"flac", "opus", "vorbis"})
#: Resampling is asked for in thousandths of a hertz: rates are whole numbers, and drifts are millionths.
_RATE_SCALE = 1000
_PLANAR, _CHUNK_SAMPLES = "fltp", 1 << 16


def repair(video: Path, out: Path, *, offset_seconds: float, drift_ppm: float = 0.0) -> tuple[str, ...]:
    """Write a copy of `video` whose sound comes `offset_seconds` earlier, and no longer drifts.

    Args:
        video: the original; never touched.
        out: the new file; the container follows the suffix.
        offset_seconds: how late the sound comes at the picture's beginning.
        drift_ppm: by how much it comes later and later (alignment/drift.py); not zero = the sound is resampled.

    Returns:
        What a person should know of the copy: a sound encoded again, streams left out.

    Raises:
        UsageError: `out` is the original.
        FileExistsError: `out` exists; nothing is overwritten.
        MediaError: the file can't be read, or the container can't hold the streams (stage "mux").
    """
    with remuxed(video, out, originals=(video,)) as (source, picture, target):
        sound = audio_stream(source)
        if sound is None:
            raise MediaError(video, "there is no sound in it to move", stage="mux", reason="no_audio")
        _refuse_silence(source, video, offset_seconds)
        target.metadata.update((key, value) for key, value in source.metadata.items() if value != MUXED_BY)
        with suppress(NotImplementedError):
            target.set_chapters(source.chapters())
        notes: list[str] = []
        why = _why_encoded(sound, source, target, drift_ppm)
        copies = _copies(source, target, picture, sound if why else None, notes)
        others = _packets(source, [source.streams[index] for index in copies if index != sound.index], target)
        if why:
            name = sound.codec_context.name
            codec = name if name in _LOSSLESS and _holds(target, name) else codec_for(out)
            notes.insert(0, f"the sound is encoded again as {codec.removeprefix('lib')}: {why}")
            origin = origin_seconds(source)
            blocks = _steady(decode_sound(video), start_seconds(picture) - origin, drift_ppm)
            track = SoundTrack(target, on_picture_clock(blocks, origin, origin - offset_seconds), codec, origin)
            _write_encoded(others, picture, copies, target, track)
        else:
            with opened(video, "mux") as second:
                own = _packets(second, [second.streams[sound.index]], target)
                moved = _moved(own, offset_seconds, origin_seconds(source))
                for packet in heapq.merge(others, moved, key=_decoding_seconds):
                    packet.stream = copies[packet.stream.index]
                    target.mux(packet)
    return tuple(notes)


def _refuse_silence(source: av.container.InputContainer, video: Path, offset_seconds: float) -> None:
    """Raises MediaError if nothing of the sound would play while the picture is shown."""
    lasts = (source.duration or 0) / av.time_base
    if lasts and abs(offset_seconds) >= lasts:
        message = f"lasts {lasts:.1f} s, and an offset of {offset_seconds:+.3f} s would leave no sound in it"
        raise MediaError(video, message, stage="mux", reason="too_short")


def _why_encoded(
    sound: av.AudioStream,
    source: av.container.InputContainer,
    target: av.container.OutputContainer,
    drift_ppm: float,
) -> str:
    """Why the sound's packets can't be copied; "" where they can."""
    if drift_ppm:
        return "its drift is taken out"
    if _UNTIMED_FORMAT in (source.format.name, target.format.name):
        return "AVI has no times to move"
    name = sound.codec_context.codec.canonical_name
    return "" if _holds(target, name) else f"{_suffix(target)} can't hold {name}"


def _holds(target: av.container.OutputContainer, codec: str) -> bool:
    return codec in target.supported_codecs and not (target.format.name == "mov" and codec in _MP4_ONLY)


def _copies(
    source: av.container.InputContainer,
    target: av.container.OutputContainer,
    picture: av.VideoStream,
    left_out: av.AudioStream | None,
    notes: list[str],
) -> dict[int, av.stream.Stream]:
    """Streams of the source, by number → their copies; what the container can't hold goes to `notes`."""
    copies: dict[int, av.stream.Stream] = {}
    for stream in source.streams:
        if left_out is not None and stream.index == left_out.index:
            continue
        try:
            if stream.type not in _KEPT_TYPES:
                raise ValueError(stream.type)
            copy = target.add_stream_from_template(stream, opaque=True)
        except ValueError:
            if stream.index == picture.index:
                raise
            notes.append(f"{stream.type} stream {stream.index} is left out: it can't be copied into {_suffix(target)}")
            continue
        copy.disposition = stream.disposition
        copy.metadata.update(stream.metadata)
        copies[stream.index] = copy
    return copies


def _suffix(target: av.container.OutputContainer) -> str:
    return Path(target.name).suffix


def _packets(
    source: av.container.InputContainer, streams: Sequence[av.stream.Stream], target: av.container.OutputContainer
) -> Iterator[av.Packet[Any]]:
    return timed_packets(source, [stream for stream in streams if stream.type != "attachment"], target)


def _decoding_seconds(packet: av.Packet[Any]) -> float:
    ticks = packet.pts if packet.dts is None else packet.dts
    return 0.0 if ticks is None else float(ticks * packet.time_base)


def _moved(packets: Iterator[av.Packet[Any]], offset_seconds: float, begin_seconds: float) -> Iterator[av.Packet[Any]]:
    """The sound's packets, earlier by the offset; none from before the file's beginning."""
    for packet in packets:
        if packet.pts is None or packet.time_base is None:
            continue
        ticks = round(offset_seconds / packet.time_base)
        packet.pts -= ticks
        packet.dts = packet.pts
        if packet.pts * packet.time_base >= begin_seconds:
            yield packet


def _write_encoded(
    packets: Iterator[av.Packet[Any]],
    picture: av.VideoStream,
    copies: dict[int, av.stream.Stream],
    target: av.container.OutputContainer,
    track: SoundTrack,
) -> None:
    """Copy the packets, and encode the sound as far as the picture has come."""
    end = start_seconds(picture)
    for packet in packets:
        if packet.stream.index == picture.index and packet.time_base is not None:
            end = max(end, _decoding_seconds(packet) + float((packet.duration or 0) * packet.time_base))
            track.write_until(end)
        packet.stream = copies[packet.stream.index]
        target.mux(packet)
    track.close()


def _steady(blocks: Iterator[AudioSamples], begin_seconds: float, drift_ppm: float) -> Iterator[AudioSamples]:
    """The sound with its drift taken out; what plays at `begin_seconds` stays where it is."""
    if not drift_ppm:
        yield from blocks
        return
    pace = 1.0 + drift_ppm * 1e-6
    resampler: _Pace | None = None
    position = 0.0
    for block in blocks:
        if resampler is None:
            resampler = _Pace(block, pace)
            position = begin_seconds + (block.pts_seconds - begin_seconds) / pace
        for data in resampler.resampled(block.data):
            yield AudioSamples(data, block.sample_rate_hz, position)
            position += data.shape[1] / block.sample_rate_hz
    if resampler is not None:
        for data in resampler.resampled(None):
            yield AudioSamples(data, resampler.rate_hz, position)


class _Pace:
    """Makes a sound of one rate and layout `pace` times as fast (libswresample, phases interpolated)."""

    def __init__(self, first: AudioSamples, pace: float) -> None:
        self.rate_hz = first.sample_rate_hz
        self._fast_hz = round(self.rate_hz * _RATE_SCALE * pace)
        self._layout = f"{len(first.data)}c"
        self._graph = av.filter.Graph()
        begin = self._graph.add_abuffer(
            sample_rate=self._fast_hz, format=_PLANAR, layout=self._layout, time_base=Fraction(1, self._fast_hz)
        )
        resample = self._graph.add("aresample", f"{self.rate_hz * _RATE_SCALE}:linear_interp=1:filter_size=64")
        end = self._graph.add("abuffersink")
        begin.link_to(resample)
        resample.link_to(end)
        self._graph.configure()

    def resampled(self, data: np.ndarray | None) -> Iterator[np.ndarray]:
        """What comes out when (C, S) samples go in; None = the end."""
        if data is None:
            self._graph.push(None)
            yield from self._pulled()
            return
        for begin in range(0, data.shape[1], _CHUNK_SAMPLES):
            chunk = np.ascontiguousarray(data[:, begin : begin + _CHUNK_SAMPLES])
            frame = av.AudioFrame.from_ndarray(chunk, _PLANAR, self._layout)
            frame.sample_rate, frame.pts = self._fast_hz, None
            self._graph.push(frame)
            yield from self._pulled()

    def _pulled(self) -> Iterator[np.ndarray]:
        with suppress(av.BlockingIOError, av.EOFError):
            while True:
                frame = self._graph.pull()
                assert isinstance(frame, av.AudioFrame)
                yield frame.to_ndarray()
