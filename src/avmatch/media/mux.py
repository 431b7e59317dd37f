"""Put a sound under a picture, at the right time; everything that the clip has is copied, never encoded again.

The recorder's sound becomes the first audio track, as good as it is (tracks.py says how). Its samples are cut where
the picture starts, what comes later is preceded by real silence, and what outlasts the picture is cut: every player
agrees on that, which can't be said of edit lists. Only packets of a compressed sound keep their length. The clip's own
sound follows as it was, and is no longer the one that players choose.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import chain
from pathlib import Path

import av
import av.container
import av.stream
from av.stream import Disposition
from av.subtitles.stream import SubtitleStream

from avmatch.core.errors import MediaError, UsageError
from avmatch.core.features import AudioSamples
from avmatch.core.files import atomic_path, taken
from avmatch.media import copying, outputs, tracks
from avmatch.media.choice import audio_stream, video_stream
from avmatch.media.comparison import differences
from avmatch.media.decode import decode_sound
from avmatch.media.editlist import end_track
from avmatch.media.programmes import multiplex
from avmatch.media.raw_sound import raw_blocks
from avmatch.media.source import opened, origin_seconds
from avmatch.media.subtitles import Converted
from avmatch.media.wav import channel_names

_DISK_ERRORS = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO, errno.EROFS)


def mux(video: Path, audio: Path, out: Path, *, offset_seconds: float, audio_codec: str = "auto") -> tuple[str, ...]:
    """Write `video`'s picture with `audio`'s sound to `out`.

    Args:
        video: the picture; its packets are copied bit for bit, its own sounds follow that of `audio`.
        audio: the sound, from any file.
        out: the new file, in the clip's container where the suffix is the same.
        offset_seconds: how late the sound comes (audio time = picture time + offset); it is moved earlier by this.
        audio_codec: one of sound_codecs.SOUND_CODECS.

    Returns:
        What is different in the copy, a line each.

    Raises:
        UsageError: `out` is one of the originals, or there is no such codec.
        FileExistsError: `out` exists, and isn't the result of an earlier `mux`.
        MediaError: an input can't be read, or the container can't hold the streams (stage "mux").
    """
    notes: list[str] = []
    with ExitStack() as files, remuxed(video, out, (video, audio), notes, replaces_own=True) as copy:
        copying.take_tags(copy.source, copy.target)
        pictures = {stream.index for stream in copy.own if stream.type == "video" and not copying.is_cover(stream)}
        copies = copy.streams(pictures, notes)
        sounds = _recorded(copy, audio, offset_seconds, audio_codec, files, notes)
        copies |= copy.streams({stream.index for stream in copy.own} - pictures, notes)
        copy.copies |= copies
        for own in copy.source.streams.audio:
            if own.index in copy.copies:
                copy.copies[own.index].disposition = own.disposition & ~Disposition.default
        copy_with(copy, [*sounds, *copy.encoded], copies, _shown_ticks, cut=sounds)
    return tuple(notes)


def _recorded(
    copy: Remuxed, audio: Path, offset_seconds: float, audio_codec: str, files: ExitStack, notes: list[str]
) -> list[tracks.Track]:
    """The recorder's sounds as tracks of the new file: the one that was matched, and others of the same take."""
    recorder = files.enter_context(opened(audio, "mux"))
    chosen = audio_stream(recorder)
    if chosen is None:
        raise MediaError(audio, "there is no sound in it", stage="mux", reason="no_audio")
    begin, shift = start_seconds(copy.picture), origin_seconds(copy.source) - offset_seconds
    programmes = multiplex(recorder, video_stream(recorder))
    others = [
        stream
        for stream in recorder.streams.audio
        if stream.index != chosen.index and stream.codec_context and not programmes.has_apart(stream.index)
    ]
    made: list[tracks.Track] = []
    for sound in (chosen, *others):
        name = "the sound" if sound is chosen else f"audio stream {sound.index} of {audio.name}"
        if copying.is_full(copy.target, "audio"):
            notes.append(f"{name} is left out: {Path(copy.target.name).suffix} holds one sound")
            continue
        own = sound if sound is chosen else files.enter_context(opened(audio, "mux")).streams[sound.index]
        assert isinstance(own, av.AudioStream)
        try:
            plan = tracks.plan_sound(own, recorder, copy.target, audio_codec)
            track, streams = sound_track(copy.target, audio, own, plan, begin, shift)
        except MediaError as error:
            if sound is chosen:
                raise
            notes.append(f"{name} is left out: {error.message}")
            continue
        _describe(streams, copy.target, audio, own, is_first=not made)
        notes.extend([plan.note.replace("the sound", name, 1)] if plan.note else [])
        made.append(track)
    return made


def _shown_ticks(packet: copying.Packet) -> int | None:
    """When a picture is shown; AVI has only when it is decoded."""
    return packet.dts if packet.pts is None else packet.pts


def _describe(
    streams: Sequence[av.stream.Stream],
    target: av.container.OutputContainer,
    audio: Path,
    sound: av.AudioStream,
    *,
    is_first: bool,
) -> None:
    """The tags of the new track, or tracks: what the recorder says of its sound and of its channels."""
    names = channel_names(audio)
    for number, stream in enumerate(streams):
        copying.take_stream_tags(sound, stream, target)
        is_default = is_first and number == 0
        stream.disposition = Disposition.default if is_default else sound.disposition & ~Disposition.default
        for key in copying.OWN_TAGS & stream.metadata.keys():
            del stream.metadata[key]
        own = names[tracks.MOST_CHANNELS * number :][: tracks.MOST_CHANNELS] if len(streams) > 1 else names
        if own:
            stream.metadata.setdefault("title", ", ".join(own))
            stream.metadata["handler_name"] = stream.metadata["title"]


def sound_track(
    target: av.container.OutputContainer,
    path: Path,
    sound: av.AudioStream,
    plan: tracks.SoundPlan,
    begin_seconds: float,
    shift_seconds: float,
    change: Callable[[Iterator[AudioSamples]], Iterator[AudioSamples]] = iter,
) -> tuple[tracks.Track, Sequence[av.stream.Stream]]:
    """A new track, and its stream; or streams, where one can't hold all channels.

    Args:
        shift_seconds: how much later the sound comes than by its file's own clock, from that file's beginning.
        change: what is done to the samples.
    """
    if plan.how == "packets":
        stream = target.add_stream_from_template(sound, opaque=True)
        source = sound.container
        assert isinstance(source, av.container.InputContainer)
        packets = copying.timed_packets(source, [sound], target, are_moved=True)
        shift_seconds -= origin_seconds(source)
        return tracks.PacketTrack(target, packets, {sound.index: stream}, begin_seconds, shift_seconds), [stream]
    if plan.how == "rows":
        raw = tracks.RawWriter(target, sound, begin_seconds)
        blocks = tracks.on_picture_clock(raw_blocks(path, sound.index), begin_seconds, shift_seconds)
        return tracks.SampleTrack(raw, blocks, begin_seconds), [raw.stream]
    samples = change(decode_sound(path, sound.index))
    first = next(samples)
    writer = tracks.encoded(target, sound, plan.codec, first, begin_seconds)
    blocks = tracks.on_picture_clock(chain([first], samples), begin_seconds, shift_seconds)
    return tracks.SampleTrack(writer, blocks, begin_seconds), writer.streams


class Remuxed:
    """A copy in the making.

    Attributes:
        source, picture: the original, and the picture that is copied.
        own: the original's streams that are copied: of a multiplex the picture's programme.
        target: the new file.
        copies: streams of the source, by number → their copies.
        encoded: sounds that the container can't hold as they are, and that stay where they were.
    """

    def __init__(
        self,
        source: av.container.InputContainer,
        picture: av.VideoStream,
        target: av.container.OutputContainer,
    ) -> None:
        self.source, self.picture, self.target = source, picture, target
        self.programmes = multiplex(source, picture)
        self.own = [stream for stream in source.streams if not self.programmes.has_apart(stream.index)]
        self.copies: dict[int, av.stream.Stream] = {}
        self.encoded: list[tracks.Track] = []
        self._converters: dict[int, Converted] = {}

    def streams(self, wanted: set[int], notes: list[str]) -> dict[int, av.stream.Stream]:
        """Copies of streams, by their numbers; what the container can't hold goes to `notes`.

        Sounds that it can't hold as they are become `encoded` and are no part of the answer.
        """
        copies = {}
        for stream in self.source.streams:
            if stream.index not in wanted:
                continue
            if copying.is_full(self.target, stream.type):
                suffix = Path(self.target.name).suffix
                notes.append(
                    f"{stream.type} stream {stream.index} is left out: {suffix} holds one {stream.type} stream"
                )
                continue
            if isinstance(stream, av.AudioStream) and self._encodes(stream, notes):
                continue
            try:
                copy = copying.take_stream(stream, self.source, self.target)
            except ValueError:
                if stream.index == self.picture.index:
                    raise
                copy = self._converted(stream, notes)
            if copy is not None:
                copies[stream.index] = copy
        return copies

    def _encodes(self, sound: av.AudioStream, notes: list[str]) -> bool:
        """Whether a sound that stays where it was is encoded, because the container can't hold it."""
        if sound.codec_context is None:
            return False
        if copying.holds(self.target, sound.codec_context.codec.canonical_name, self.source.format.name):
            return False
        path, origin = Path(self.source.name.removeprefix("file:")), origin_seconds(self.source)
        try:
            plan = tracks.plan_sound(sound, self.source, self.target)
            track, made = sound_track(self.target, path, sound, plan, origin, origin)
        except MediaError as error:  # it is damaged, or has too many channels
            notes.append(f"audio stream {sound.index} is left out: {error.message}")
            return True
        for stream in made:
            copying.take_stream_tags(sound, stream, self.target)
        self.encoded.append(track)
        self.copies[sound.index] = made[0]
        notes.append(plan.note.replace("the sound", f"audio stream {sound.index}", 1))
        return True

    def _converted(self, stream: av.stream.Stream, notes: list[str]) -> av.stream.Stream | None:
        """A stream for subtitles in another form; None, and a note, for whatever else the container can't hold."""
        with suppress(ValueError):
            if isinstance(stream, SubtitleStream):
                self._converters[stream.index] = converter = Converted(stream, self.target)
                notes.append(converter.note)
                return converter.stream
        suffix = Path(self.target.name).suffix
        if copying.is_timecode(stream) and self.target.format.name == "matroska":
            notes.append(f"the timecode track becomes a tag: {suffix} has none")
            return None
        name = stream.metadata.get("handler_name") if stream.type == "data" else None
        kind = f"{stream.type} stream {stream.index}" + (f" ({name})" if name else "")
        notes.append(f"{kind} is left out: it can't be copied into {suffix}")
        return None

    def packets(self, numbers: Iterable[int]) -> Iterator[copying.Packet]:
        """The packets of these streams of the source, as the new file takes them (copying.timed_packets)."""
        streams = [stream for stream in self.source.streams if stream.index in set(numbers)]
        for packet in copying.timed_packets(self.source, streams, self.target):
            converter = self._converters.get(packet.stream.index)
            yield from [packet] if converter is None else converter.take(packet)

    def other_programmes(self) -> Iterator[str]:
        """A line for each programme that isn't the picture's; the new file's own gets its name."""
        for found in self.programmes.own[:1]:
            if found.name and self.target.format.name == "mpegts":
                self.target.metadata.update(service_name=found.name, service_provider=found.provider)
        for other in self.programmes.others:
            name = f" ({other.name})" if other.name else ""
            numbers = ", ".join(map(str, sorted(other.streams)))
            yield f"programme {other.number}{name} is left out, stream {numbers}: a copy holds the picture's programme"

    def lost_subtitles(self) -> Iterator[str]:
        """A line for each stream of which subtitles couldn't be converted."""
        for number, converter in self._converters.items():
            if converter.num_lost:
                yield f"{converter.num_lost} subtitles of stream {number} are left out: their text can't be read"


@contextmanager
def remuxed(
    video: Path,
    out: Path,
    originals: tuple[Path, ...],
    notes: list[str],
    number: int | None = None,
    *,
    replaces_own: bool = False,
) -> Iterator[Remuxed]:
    """A new file, which appears whole or not at all; what is different in it goes to `notes`.

    Args:
        number: the video stream by whose time the sounds are put; None = the best.
        replaces_own: what an earlier run wrote is replaced (outputs.py), and this is put to the list.

    Raises:
        UsageError: `out` is one of the originals, or there is no such video stream.
        FileExistsError: `out` exists, and isn't to be replaced.
        MediaError: an input can't be read, or the container can't hold the streams (stage "mux").
    """
    is_there = _check_place(out, originals, replaces_own=replaces_own)
    try:
        with opened(video, "mux") as source, atomic_path(out, overwrite=is_there) as temporary:
            picture = video_stream(source, number)
            if picture is None:
                raise MediaError(video, "there is no picture in it to copy", stage="mux", reason="no_video")
            with copying.created(source, video, out, temporary) as target:
                if target.format.name.startswith("mxf"):
                    message = "MXF can't take a sound at another time; name the copy .mov or .mkv"
                    raise MediaError(video, message, stage="mux", reason="unsupported")
                copy = Remuxed(source, picture, target)
                notes.extend(copy.other_programmes())
                yield copy
                pairs = {index: stream.index for index, stream in copy.copies.items()}
                kinds = [stream.type for stream in target.streams]
                is_mov = target.format.name in copying.MOV_FAMILY
            if is_mov:
                _hide_ends(video, source, temporary, pairs)
            notes.extend((*copy.lost_subtitles(), *differences(source, temporary, pairs, kinds)))
            if is_there and not outputs.is_own(out):  # it was changed meanwhile
                raise taken(out)
            if replaces_own:
                outputs.record(out, temporary)
    except (av.FFmpegError, ValueError) as error:
        if isinstance(error, MediaError | UsageError):
            raise
        if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
            raise OSError(error.errno, os.strerror(error.errno), str(out)) from error
        detail = (getattr(error, "log", None) or ("", "", getattr(error, "strerror", None) or str(error)))[-1].strip()
        others = " or ".join(suffix for suffix in (".mov", ".mkv") if suffix != out.suffix)
        message = f"can't be muxed into {out.suffix} ({detail}); convert the video, or name the copy {others}"
        raise MediaError(video, message, stage="mux", reason="unsupported") from error


def _check_place(out: Path, originals: tuple[Path, ...], *, replaces_own: bool) -> bool:
    """Whether a file is there that may be replaced. Raises as `remuxed` does where one may not."""
    if out.exists() and any(out.samefile(original) for original in originals if original.exists()):
        raise UsageError(f"{out}: this would overwrite an original; choose another folder for the muxed files")
    if not os.path.lexists(out):
        return False
    if not (replaces_own and outputs.is_own(out)):
        raise taken(out)
    return True


def _hide_ends(video: Path, source: av.container.InputContainer, copy: Path, pairs: Mapping[int, int]) -> None:
    """What the source's edit lists hide at the end stays hidden."""
    for stream in source.streams.video:
        end = copying.hidden_end_seconds(source, stream) if stream.index in pairs else None
        if end is not None and not end_track(copy, pairs[stream.index], end):
            message = "an edit list hides its end, and the copy has none; cut it with an editor first"
            raise MediaError(video, message, stage="mux", reason="unsupported")


def copy_with(
    copy: Remuxed,
    sounds: Sequence[tracks.Track],
    copies: dict[int, av.stream.Stream],
    ticks_of: Callable[[copying.Packet], int | None],
    cut: Sequence[tracks.Track] = (),
) -> None:
    """Copy the packets, and write the sounds as far as the picture has come, by the ticks of its packets.

    Args:
        copies: streams of the source whose packets are copied, by number.
        cut: the sounds that end where the picture does.
    """
    for packet in copy.packets(copies):
        ticks, base = ticks_of(packet), packet.time_base
        if packet.stream.index == copy.picture.index and ticks is not None and base is not None:
            for sound in sounds:
                sound.write_until(float((ticks + (packet.duration or 0)) * base))
        packet.stream = copies[packet.stream.index]
        copy.target.mux(packet)
    for sound in sounds:
        sound.close(is_cut=sound in cut)


def start_seconds(stream: av.VideoStream) -> float:
    """When a picture begins, on its container's clock."""
    start, base = stream.start_time, stream.time_base
    return 0.0 if start is None or base is None else float(start * base)
