"""One pass over a file: packets → frames, grey or in colour, and mono samples, each with its time.

Times are presentation times of the container, from the file's beginning: streams that start apart, edit lists, encoder
priming (FFmpeg trims what the container declares) and varying frame rates are all in them. Memory is bounded:
frames come in blocks of at most 32, sound in blocks of about a second, five seconds late where it has several channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import cast

import av
import av.container
import numpy as np

from avmatch.core.errors import MediaError, Reason
from avmatch.core.features import AudioSamples, ColourFrames, VideoFrames
from avmatch.media import choice, source
from avmatch.media.choice import BEST, StreamChoice
from avmatch.media.sinks import COLOUR_SIDE_PX, BothRates, OddFrameError, PictureSink, Sink, SoundSink

#: Nothing more is read after so many packets that can't be decoded.
MAX_BAD_PACKETS = 10_000
_MAX_SIDE_PX, _SOUND_RATE_HZ = 640, 16000
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
    also_hz: int | None = None,
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
        also_hz: the sound also at this rate, in blocks of its own.

    Yields:
        VideoFrames and AudioSamples in the order of the file, each kind in order of time.

    Raises:
        MediaError: the file can't be read, or has nothing of what is wanted.
        UsageError: it lacks the stream or the channel that is asked for.
    """
    blocks = _decoded(path, video, audio, max_side_px, sample_rate_hz, num_threads, choice, reading, also_hz=also_hz)
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
    also_hz: int | None = None,
    colour_side_px: int = COLOUR_SIDE_PX,
) -> Iterator[VideoFrames | ColourFrames | AudioSamples]:
    """As `decode`, and besides a single frame in colour about every so many seconds, the first half as late.

    Args:
        colour_side_px: the longer side of these frames, at most.
    """
    return _decoded(
        path,
        video,
        audio,
        num_threads=num_threads,
        wanted=choice,
        reading=reading,
        colour=(every_seconds, colour_side_px),
        also_hz=also_hz,
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
    colour: tuple[float, int] | None = None,
    also_hz: int | None = None,
) -> Iterator[_Block]:
    reading = reading or source.Reading()
    with source.opened(path) as container:
        picture = choice.video_stream(container, wanted.video) if video else None
        sound = choice.audio_stream(container, wanted.audio) if audio else None
        choice.check_channel(sound, wanted.channel)
        if picture is None and sound is None:
            raise _missing(path, video=video, audio=audio)
        new_clock = partial(source.StreamClock, source.origin_seconds(container), [0.0], [])
        sinks: dict[int, Sink] = {}
        if picture is not None:
            picture.thread_type = "AUTO"
            picture.codec_context.thread_count = num_threads
            fps = float(picture.average_rate or picture.guessed_rate or 25.0)
            sinks[picture.index] = PictureSink(new_clock(), max_side_px, fps, is_colour, *(colour or ()))
            reading.used["video"] = choice.used_words(picture)
        if sound is not None:
            is_exact = sound.codec_context.codec.canonical_name.startswith("pcm_f")
            sink = SoundSink(new_clock(), sample_rate_hz, wanted.channel, is_exact, reading)
            sinks[sound.index] = sink
            if also_hz is not None:
                other = SoundSink(new_clock(), also_hz, wanted.channel, is_exact, source.Reading())
                sinks[sound.index] = BothRates(sink, other)
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
    except (av.FFmpegError, OddFrameError) as error:
        message = f"can't be converted ({error}); convert the file to mp4 or wav first"
        raise MediaError(path, message, stage="decode", reason="unsupported") from error
    if empty:
        message = "nothing in it can be decoded; the file is damaged or cut off: copy it again"
        raise MediaError(path, message, stage="decode", reason="no_frames")


def _blocks(
    container: av.container.InputContainer,
    sinks: dict[int, Sink],
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
