"""A new file that takes over all that an old one has: streams as they are stored, their tags, chapters, timecode.

FFmpeg keeps little of that by itself. A codec tag (`hvc1`) must be set again, QuickTime's own keys need a switch of the
muxer, a timecode track is rebuilt from the stream's tag `timecode`, and what an edit list hides comes to light in a
container that has no edit lists. What gets lost all the same is found by reading the copy (comparison.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import av
import av.container
import av.stream
from av.stream import Disposition
from av.subtitles.stream import SubtitleStream

from avmatch.core.errors import MediaError
from avmatch.media.source import opened

Packet: TypeAlias = "av.Packet[Any]"

MOV_FAMILY = ("mov", "mp4", "ipod", "3gp", "3g2", "psp", "f4v", "ismv")
#: Suffixes of cameras that FFmpeg's muxers don't know, or know as something narrower.
_FORMATS = {
    ".m4v": "mp4",
    ".insv": "mp4",
    ".lrv": "mp4",
    ".qt": "mov",
    ".mts": "mpegts",
    ".m2t": "mpegts",
    ".tod": "mpegts",
    ".mod": "vob",
    ".mpg": "vob",
    ".mpeg": "vob",
}
_SAME_FORMATS = {"mpegts": "mpegts", "avi": "avi", "mpeg": "vob"}
#: They describe the old file, or the muxer writes its own.
OWN_TAGS = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder", "software"})
#: What the muxers of MOV and MP4 write by themselves; any other tag needs QuickTime's keys.
_PLAIN_TAGS = frozenset(
    "title artist album_artist album date comment genre copyright composer description synopsis keywords lyrics "
    "creation_time location timecode make model".split()
)
#: The languages that QuickTime's list has under another code than the one in use.
_QUICKTIME_CODES = dict(
    pair.split(":")
    for pair in (
        "deu:ger nld:dut swe:sve ell:gre isl:ice zho:chi fre:fra sqi:alb rum:ron cze:ces slo:slk mkd:mac hye:arm "
        "kat:geo bod:tib mya:bur msa:may cym:wel eus:baq"
    ).split()
)
#: Subtitles that these muxers write in a form that can be read again; the others refuse what they can't.
_SUBTITLES_TAKEN = {
    "mpegts": {"dvb_subtitle", "dvb_teletext"},
    "vob": {"dvd_subtitle"},
    "avi": set(),
}
#: Pictures a second; more is a clock.
_MOST_RATE = 1000
#: What a cover is called in MKV, by its codec.
_COVERS = {"png": ("cover.png", "image/png"), "bmp": ("cover.bmp", "image/bmp")}
#: Data streams that a muxer takes, by the name of their codec.
_DATA_TAKEN = {"mov": {"bin_data"}, "mp4": {"bin_data"}, "mpegts": {"klv", "timed_id3", "smpte_2038", "scte_35"}}


def created(
    source: av.container.InputContainer, video: Path, out: Path, temporary: Path
) -> av.container.OutputContainer:
    """The new file, open for writing, in the source's container where the suffix is the same."""
    name = _format_name(source, video, out)
    options = {}
    if (name or out.suffix.lower().lstrip(".")) in MOV_FAMILY:
        if any(key not in _PLAIN_TAGS for key in kept_tags(source.metadata)):
            options["movflags"] = "+use_metadata_tags"
        if timecodes(source):
            options["write_tmcd"] = "1"
    if name == "mpegts" and _has_long_packets(video):
        options["mpegts_m2ts_mode"] = "1"
    return av.open(str(temporary), "w", format=name, container_options=options)


def _format_name(source: av.container.InputContainer, video: Path, out: Path) -> str | None:
    """The muxer; None = as FFmpeg guesses it from the suffix."""
    suffix, family = out.suffix.lower(), source.format.name
    if suffix == video.suffix.lower():
        if family in _SAME_FORMATS:
            return _SAME_FORMATS[family]
        if family == "matroska,webm":
            return "webm" if suffix == ".webm" else "matroska"
        if family.startswith("mov") and suffix not in (".3gp", ".3g2", ".f4v"):
            return "mov" if suffix in (".mov", ".qt") or source.metadata.get("major_brand") == "qt  " else "mp4"
    return _FORMATS.get(suffix)


def _has_long_packets(video: Path) -> bool:
    """Whether a transport stream has packets of 192 bytes, as AVCHD cameras and discs write it."""
    with video.open("rb") as file:
        head = file.read(4 + 2 * 192)
    return len(head) > 4 + 192 and head[4] == head[4 + 192] == 0x47 and head[0] != 0x47


def kept_tags(tags: dict[str, str]) -> dict[str, str]:
    """The tags that say something of the content."""
    return {key: value for key, value in tags.items() if key.lower() not in OWN_TAGS}


def timecodes(container: av.container.InputContainer) -> list[str]:
    """The timecodes of a file's tracks, or of its own tags."""
    found = [_timecode(stream.metadata) for stream in container.streams]
    return [code for code in found if code] or [code for code in [_timecode(container.metadata)] if code]


def _timecode(tags: dict[str, str]) -> str:
    return tags.get("timecode", tags.get("TIMECODE", ""))


def take_tags(source: av.container.InputContainer, target: av.container.OutputContainer) -> None:
    """Tags and chapters of the file as a whole."""
    tags = kept_tags(source.metadata)
    if target.format.name in MOV_FAMILY and source.format.name.startswith("matroska"):  # which has capitals
        tags = {key.lower().replace("iso6709", "ISO6709"): value for key, value in tags.items()}
    target.metadata.update(tags)
    with suppress(NotImplementedError):
        target.set_chapters(source.chapters())


def take_stream(
    stream: av.stream.Stream, source: av.container.InputContainer, target: av.container.OutputContainer
) -> av.stream.Stream | None:
    """A stream of the new file for the packets of an old one; None = the muxer rebuilds it.

    Raises:
        ValueError: the container can't hold it.
    """
    is_mov = target.format.name in MOV_FAMILY
    if stream.type == "data" and (_is_chapters(stream, source) or (is_mov and is_timecode(stream))):
        return None
    if not _takes(target.format.name, stream):
        raise ValueError(stream.type)
    if is_cover(stream) and target.format.name == "matroska":
        name, kind = _COVERS.get(stream.codec_context.name, ("cover.jpg", "image/jpeg"))
        tags = stream.metadata
        target.add_attachment(tags.get("filename", name), tags.get("mimetype", kind), _cover(stream, source))
        return None
    copy = target.add_stream_from_template(stream, opaque=True)
    take_stream_tags(stream, copy, target)
    if isinstance(stream, av.VideoStream) and isinstance(copy, av.VideoStream):
        _take_picture(stream, copy, source, target)
    return copy


def is_cover(stream: av.stream.Stream) -> bool:
    """Whether it is a picture of the file as a whole, which MP4 keeps among its tags and MKV as an attachment."""
    return stream.type == "video" and bool(stream.disposition & Disposition.attached_pic)


def _cover(stream: av.stream.Stream, source: av.container.InputContainer) -> bytes:
    with opened(source.name.removeprefix("file:"), "mux") as second:
        return next((bytes(packet) for packet in second.demux(second.streams[stream.index]) if packet.size), b"")


def _takes(muxer: str, stream: av.stream.Stream) -> bool:
    """Whether a muxer takes a stream, as far as it doesn't say so itself."""
    if stream.type == "attachment":
        return muxer == "matroska"
    if stream.type == "data":
        return getattr(stream, "name", None) in _DATA_TAKEN.get(muxer, ())
    if is_cover(stream):
        return muxer == "matroska" or (muxer in MOV_FAMILY and muxer != "mov")
    if isinstance(stream, SubtitleStream) and muxer in _SUBTITLES_TAKEN:
        return stream.codec_context.codec.canonical_name in _SUBTITLES_TAKEN[muxer]
    return stream.type in ("video", "audio", "subtitle")


def take_stream_tags(stream: av.stream.Stream, copy: av.stream.Stream, target: av.container.OutputContainer) -> None:
    """Tags and dispositions of one stream."""
    copy.disposition = stream.disposition
    copy.metadata.update(stream.metadata)
    if target.format.name not in MOV_FAMILY:
        for key in ("vendor_id", "handler_name"):
            copy.metadata.pop(key, None)
    elif target.format.name == "mov" and (language := stream.metadata.get("language")) is not None:
        copy.metadata["language"] = _QUICKTIME_CODES.get(language, language)
    if "name" in copy.metadata:  # as QuickTime calls it
        copy.metadata.setdefault("title", copy.metadata.pop("name"))


def _take_picture(
    stream: av.VideoStream,
    copy: av.VideoStream,
    source: av.container.InputContainer,
    target: av.container.OutputContainer,
) -> None:
    rate = stream.average_rate
    if rate and rate > _MOST_RATE:  # of bare DV, FFmpeg gives the clock's
        rate = stream.base_rate or stream.guessed_rate
    if rate:
        copy.codec_context.framerate = rate
    if stream.sample_aspect_ratio:
        copy.codec_context.sample_aspect_ratio = stream.sample_aspect_ratio
    codec, muxer = stream.codec_context.name, target.format.name
    is_mov = muxer in MOV_FAMILY
    if (is_mov and source.format.name.startswith("mov")) or (codec == "prores" and (is_mov or muxer == "matroska")):
        copy.codec_context.codec_tag = stream.codec_context.codec_tag  # that of ProRes says how many bits it has
    elif is_mov and codec == "hevc":
        copy.codec_context.codec_tag = "hvc1"  # QuickTime plays no other
    code = next(iter(timecodes(source)), None) if is_mov else None
    if code is not None and not _timecode(copy.metadata):
        copy.metadata["timecode"] = code


def is_timecode(stream: av.stream.Stream) -> bool:
    """Whether a track holds timecode and nothing else: one sample. Sony's `rtmd` has it among much else."""
    return stream.type == "data" and "timecode" in stream.metadata and len(stream.index_entries) <= 1


def _is_chapters(stream: av.stream.Stream, source: av.container.InputContainer) -> bool:
    """Whether it is the track of text that QuickTime keeps chapters in."""
    return bool(source.chapters()) and stream.frames == len(source.chapters())


def holds(target: av.container.OutputContainer, codec: str, source_format: str = "") -> bool:
    """Whether a container can hold a codec."""
    name = target.format.name
    if name in _UNLISTED:
        return _SAME_FORMATS.get(source_format) == name or codec in _UNLISTED[name]
    if codec in _LISTED_IN_VAIN.get(name, ()):
        return False
    return codec in target.supported_codecs and not (name == "mp4" and codec.startswith("pcm"))


#: Containers with one picture and one sound.
_ONE_OF_EACH = frozenset({"flv"})


def is_full(target: av.container.OutputContainer, kind: str) -> bool:
    """Whether a container takes no more streams of a kind."""
    return target.format.name in _ONE_OF_EACH and any(stream.type == kind for stream in target.streams)


#: What FFmpeg lists for a container, and doesn't write into it.
_LISTED_IN_VAIN = {"mov": frozenset({"flac", "opus", "vorbis"}), "avi": frozenset({"flac", "vorbis"})}
#: Muxers of which FFmpeg doesn't say what they hold.
_UNLISTED = {
    "mpegts": frozenset({"aac", "ac3", "eac3", "mp2", "mp3", "dts", "opus"}),
    "vob": frozenset({"ac3", "mp2", "dts"}),
}


def timed_packets(
    source: av.container.InputContainer,
    streams: Iterable[av.stream.Stream],
    target: av.container.OutputContainer,
    *,
    are_moved: bool = False,
) -> Iterator[Packet]:
    """The packets of streams, but attachments, with a time of presentation each, as far as the new container wants one.

    What an edit list hides is left out, or stays hidden.

    Args:
        are_moved: they get other times, so that the new file's edit list wouldn't hide what this one's does.

    Raises:
        MediaError: the source has times of decoding only, and its pictures are shown in another order; or something
            would be seen that is hidden.
    """
    streams = [stream for stream in streams if stream.type != "attachment"]
    can_hide = target.format.name in MOV_FAMILY and not are_moved
    shown = {stream.index: _shown_packets(source, stream, can_hide, Path(target.name).suffix) for stream in streams}
    counts = dict.fromkeys(shown, -1)
    for packet in source.demux(streams):
        if not packet.size:  # marks the end
            continue
        index = packet.stream.index
        counts[index] += 1
        if counts[index] not in shown[index]:
            continue
        if packet.pts is None and target.format.name != "avi":
            stream = packet.stream
            if isinstance(stream, av.VideoStream) and stream.codec_context.has_b_frames:
                kind = f"{stream.codec.name} in {source.format.name}"
                message = f"{kind} doesn't say when its pictures are shown; convert it to .mp4 or .mkv first"
                raise _unsupported(source, message)
            packet.pts = packet.dts
        yield packet


def _unsupported(source: av.container.InputContainer, message: str) -> MediaError:
    return MediaError(Path(source.name.removeprefix("file:")), message, stage="mux", reason="unsupported")


#: Hidden sound that is shorter than this is what an encoder needs to begin.
PRIMING_SECONDS = 0.1


def _shown_packets(source: av.container.InputContainer, stream: av.stream.Stream, can_hide: bool, suffix: str) -> range:
    """Which packets of a stream are copied, by number: those that are shown, and those that they need.

    Raises:
        MediaError: between them is one that is hidden and needed, and the container can't hide it.
    """
    if not any(entry.is_discard for entry in stream.index_entries):
        return range(1 << 62)
    packets = [(entry.timestamp, entry.is_keyframe, entry.is_discard) for entry in stream.index_entries]
    if stream.type == "video":  # shown in another order than stored
        packets = list(_stored_packets(source, stream.index))
    visible = [number for number, (_, _, is_hidden) in enumerate(packets) if not is_hidden]
    if not visible:
        return range(0)
    first, last = visible[0], visible[-1]
    if stream.type != "video":
        is_priming = packets[first][0] - packets[0][0] < PRIMING_SECONDS / (stream.time_base or 1)
        begin = 0 if can_hide or is_priming else next((number for number in visible if packets[number][0] >= 0), last)
        return range(begin, last + 1)
    begin = max((number for number in range(first + 1) if packets[number][1]), default=0)
    times = [packets[number][0] for number in visible]
    seen = [ticks for ticks, _, is_hidden in packets[begin : last + 1] if is_hidden]
    if seen and not can_hide:
        raise _unsupported(source, f"an edit list hides a part of it; {suffix} can't: name the copy .mp4 or .mov")
    if any(min(times) < ticks < max(times) for ticks in seen):
        raise _unsupported(source, "an edit list leaves out pictures in its middle; cut it with an editor first")
    return range(begin, last + 1)


def hidden_end_seconds(source: av.container.InputContainer, stream: av.VideoStream) -> float | None:
    """How long a picture is shown, where packets behind its end are needed before it; None where there are none."""
    if not any(entry.is_discard for entry in stream.index_entries):
        return None
    packets = list(_stored_packets(source, stream.index))
    visible = [number for number, (_, _, is_hidden) in enumerate(packets) if not is_hidden]
    if not visible or stream.time_base is None:
        return None
    times = [packets[number][0] for number in visible]
    if all(ticks < max(times) for ticks, _, is_hidden in packets[: visible[-1]] if is_hidden):
        return None
    lasts = 1 / (stream.average_rate or 25)
    return float((max(times) - min(times)) * stream.time_base + lasts)


def _stored_packets(source: av.container.InputContainer, number: int) -> Iterator[tuple[int, bool, bool]]:
    """(when it is shown, whether it is a key frame, whether it is hidden) of each packet of a stream."""
    with opened(source.name.removeprefix("file:"), "mux") as second:
        for stream in second.streams:
            stream.discard = av.stream.Discard.default if stream.index == number else av.stream.Discard.all
        for packet in second.demux(second.streams[number]):
            if packet.size:
                yield packet.pts or 0, packet.is_keyframe, packet.is_discard
