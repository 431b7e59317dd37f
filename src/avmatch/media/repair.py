"""Move a file's own sound to where it belongs; everything else is copied packet by packet.

An offset costs no quality: the packets of the sound get other times, and those that would play before the file
begins are left out, so that no player has to know of edit lists; where the sound comes later than the picture, the
container says so. The sound is encoded again only where it must be: to take a drift out (the sound is resampled), in
AVI, which has no times, and where the new container can't hold the old codec. Then it is cut and padded with real
silence to the sample (mux.py).

All sounds of a take are moved, unless one is asked for; subtitles and attachments stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import chain
from pathlib import Path

import av
import av.container
import av.filter
import av.stream

from avmatch.core.errors import MediaError, UsageError
from avmatch.core.features import AudioSamples
from avmatch.media import copying, mux, tracks
from avmatch.media.samples import audio_frames
from avmatch.media.source import opened, origin_seconds

#: Resampling is asked for in thousandths of a hertz: rates are whole numbers, and drifts are millionths.
_RATE_SCALE = 1000


@dataclass(frozen=True)
class Repaired:
    """What became of a copy.

    Attributes:
        notes: what a person should know of it: a sound encoded again, streams left out.
        numbers: of the original's streams → of their copies.
    """

    notes: tuple[str, ...]
    numbers: Mapping[int, int]


def repair(
    video: Path,
    out: Path,
    *,
    offset_seconds: float,
    drift_ppm: float = 0.0,
    audio_codec: str = "auto",
    track: int | None = None,
    picture: int | None = None,
) -> Repaired:
    """Write a copy of `video` whose sound comes `offset_seconds` earlier, and no longer drifts.

    Args:
        video: the original; never touched.
        out: the new file, in the original's container where the suffix is the same.
        offset_seconds: how late the sound comes at the picture's beginning.
        drift_ppm: by how much it comes later and later (alignment/drift.py); not zero = the sound is resampled.
        audio_codec: how the sound is kept, one of sound_codecs.SOUND_CODECS.
        track: the number of the audio track that is moved, from 1 on; None = all of them.
        picture: the number of the video stream that the offset was measured by; None = the best.

    Raises:
        UsageError: `out` is the original, or there is no such codec, track or picture.
        FileExistsError: `out` exists; nothing is overwritten.
        MediaError: the file can't be read, or the container can't hold the streams (stage "mux").
    """
    notes: list[str] = []
    with ExitStack() as opened_files, mux.remuxed(video, out, (video,), notes, picture) as copy:
        sounds = _moving(video, copy, track)
        _refuse_silence(copy.source, video, offset_seconds)
        copying.take_tags(copy.source, copy.target)
        moving = {stream.index for stream in sounds}
        why = "its drift is taken out" if drift_ppm else ""
        plans = {
            stream.index: tracks.plan_sound(stream, copy.source, copy.target, audio_codec, why=why) for stream in sounds
        }
        origin = origin_seconds(copy.source)
        # It is taken out after the drift, in a sound that is that much shorter or longer.
        shift_seconds = origin - offset_seconds / (1.0 + drift_ppm * 1e-6)
        steady = partial(_steady, begin_seconds=mux.start_seconds(copy.picture) - origin, drift_ppm=drift_ppm)
        running: list[tracks.Track] = []
        copies: dict[int, av.stream.Stream] = {}
        for stream in copy.own:
            if stream.index not in moving or copying.is_full(copy.target, stream.type):
                copies |= copy.streams({stream.index}, notes)
                continue
            own = opened_files.enter_context(opened(video, "mux")).streams[stream.index]
            assert isinstance(own, av.AudioStream)
            new, made = mux.sound_track(copy.target, video, own, plans[stream.index], origin, shift_seconds, steady)
            for part in made:
                copying.take_stream_tags(stream, part, copy.target)
            running.append(new)
            copy.copies[stream.index] = made[0]
        copy.copies |= copies
        notes[:0] = _sound_notes(copy, plans)
        mux.copy_with(copy, [*running, *copy.encoded], copies, _decoding_ticks)
    return Repaired(tuple(notes), {index: stream.index for index, stream in copy.copies.items()})


def _moving(video: Path, copy: mux.Remuxed, track: int | None) -> list[av.AudioStream]:
    """The sounds that are moved."""
    source = copy.source
    sounds = [stream for stream in source.streams.audio if stream.codec_context is not None and stream in copy.own]
    if not sounds:
        raise MediaError(video, "there is no sound in it to move", stage="mux", reason="no_audio")
    if track is None:
        return sounds
    if not 1 <= track <= len(source.streams.audio):
        raise UsageError(f"{video}: there is no audio track {track}; it has {len(source.streams.audio)}")
    chosen = source.streams.audio[track - 1]
    if chosen not in copy.own:
        raise UsageError(f"{video}: audio track {track} belongs to another programme than the picture")
    return [chosen]


def _sound_notes(copy: mux.Remuxed, plans: dict[int, tracks.SoundPlan]) -> list[str]:
    """What a person should know of the sounds: those that are encoded, and those that stay where they were."""
    many = len(copy.source.streams.audio) > 1
    notes = []
    for number, stream in enumerate(copy.source.streams.audio, start=1):
        if stream.index not in plans:
            notes += [f"audio track {number} stays where it was"] if stream.index in copy.copies else []
        elif note := plans[stream.index].note:
            notes.append(note.replace("the sound", f"audio track {number}", 1) if many else note)
    return notes


def _refuse_silence(source: av.container.InputContainer, video: Path, offset_seconds: float) -> None:
    """Raises MediaError if nothing of the sound would play while the picture is shown."""
    lasts = (source.duration or 0) / av.time_base
    if lasts and abs(offset_seconds) >= lasts:
        message = f"lasts {lasts:.1f} s, and an offset of {offset_seconds:+.3f} s would leave no sound in it"
        raise MediaError(video, message, stage="mux", reason="too_short")


def _decoding_ticks(packet: copying.Packet) -> int | None:
    return packet.pts if packet.dts is None else packet.dts


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
