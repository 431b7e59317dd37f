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
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import av.container
import av.filter
import av.stream

from avmatch.core.errors import MediaError
from avmatch.core.features import AudioSamples
from avmatch.media import mux
from avmatch.media.decode import audio_frames, decode_sound
from avmatch.media.source import audio_stream, opened, origin_seconds

_KEPT_TYPES = ("video", "audio", "subtitle", "attachment")
_LOSSLESS = ("pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "flac", "alac")
#: It has no times, and can't tell how long an encoder's priming is.
_UNTIMED_FORMAT = "avi"
#: FFmpeg lists them for QuickTime, but writes them into MP4 only.
_MP4_ONLY = frozenset({"flac", "opus", "vorbis"})
#: Resampling is asked for in thousandths of a hertz: rates are whole numbers, and drifts are millionths.
_RATE_SCALE = 1000


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
    with mux.remuxed(video, out, originals=(video,)) as (source, picture, target):
        sound = audio_stream(source)
        if sound is None:
            raise MediaError(video, "there is no sound in it to move", stage="mux", reason="no_audio")
        _refuse_silence(source, video, offset_seconds)
        target.metadata.update((key, value) for key, value in source.metadata.items() if value != mux.MUXED_BY)
        with suppress(NotImplementedError):
            target.set_chapters(source.chapters())
        notes: list[str] = []
        why = _why_encoded(sound, source, target, drift_ppm)
        copies = _copies(source, target, picture, sound if why else None, notes)
        others = mux.timed_packets(source, [source.streams[index] for index in copies if index != sound.index], target)
        if why:
            name = sound.codec_context.name
            codec = name if name in _LOSSLESS and _holds(target, name) else mux.codec_for(out)
            notes.insert(0, f"the sound is encoded again as {codec.removeprefix('lib')}: {why}")
            origin = origin_seconds(source)
            blocks = _steady(decode_sound(video), mux.start_seconds(picture) - origin, drift_ppm)
            track = mux.SoundTrack(target, mux.on_picture_clock(blocks, origin, origin - offset_seconds), codec, origin)
            mux.copy_with(track, others, picture, copies, target, _decoding_ticks)
        else:
            with opened(video, "mux") as second:
                own = mux.timed_packets(second, [second.streams[sound.index]], target)
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


def _decoding_ticks(packet: mux.Packet) -> int | None:
    return packet.pts if packet.dts is None else packet.dts


def _decoding_seconds(packet: mux.Packet) -> float:
    ticks = _decoding_ticks(packet)
    return 0.0 if ticks is None else float(ticks * packet.time_base)


def _moved(packets: Iterator[mux.Packet], offset_seconds: float, begin_seconds: float) -> Iterator[mux.Packet]:
    """The sound's packets, earlier by the offset; none from before the file's beginning."""
    for packet in packets:
        if packet.pts is None or packet.time_base is None:
            continue
        ticks = round(offset_seconds / packet.time_base)
        packet.pts -= ticks
        packet.dts = packet.pts
        if packet.pts * packet.time_base >= begin_seconds:
            yield packet


def _steady(blocks: Iterator[AudioSamples], begin_seconds: float, drift_ppm: float) -> Iterator[AudioSamples]:
    """The sound with its drift taken out; what plays at `begin_seconds` stays where it is.

    libswresample makes it a little faster or slower, phases interpolated.
    """
    if not drift_ppm:
        yield from blocks
        return
    pace, first = 1.0 + drift_ppm * 1e-6, next(blocks)  # there is one, or an error
    rate, num_channels = first.sample_rate_hz, len(first.data)
    fast, layout = round(rate * _RATE_SCALE * pace), f"{num_channels}c"
    graph = av.filter.Graph()
    graph.link_nodes(
        graph.add_abuffer(sample_rate=fast, format="flt", layout=layout, time_base=Fraction(1, fast)),
        graph.add("aresample", f"{rate * _RATE_SCALE}:linear_interp=1:filter_size=64"),
        graph.add("abuffersink"),
    ).configure()
    position = begin_seconds + (first.pts_seconds - begin_seconds) / pace
    frames = chain.from_iterable(audio_frames(block.data, fast, layout) for block in chain([first], blocks))
    for frame in chain(frames, [None]):  # None is the end
        graph.push(frame)
        with suppress(av.BlockingIOError, av.EOFError):
            while isinstance(made := graph.pull(), av.AudioFrame):
                yield AudioSamples(made.to_ndarray().reshape(-1, num_channels).T, rate, position)
                position += made.samples / rate
