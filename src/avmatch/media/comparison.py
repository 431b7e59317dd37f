"""What a copy lacks of its original, found by reading the copy: codec tags, tags, chapters, timecode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import av
import av.container
import av.stream
from av.stream import Disposition

from avmatch.media.copying import OWN_TAGS, kept_tags, timecodes
from avmatch.media.source import opened

#: Names that only one container has, or that say how a track was stored.
_PACKAGING = frozenset(
    {"handler_name", "vendor_id", "duration", "number_of_bytes", "number_of_frames", "bps", "filename", "mimetype"}
)
#: Tags that containers write in a form of their own.
_REWRITTEN = frozenset({"creation_time", "language", "date", "location", "location-eng"})
_SAME_NAMES = {"name": "title"}
_MARKS = (
    Disposition.dub
    | Disposition.original
    | Disposition.comment
    | Disposition.lyrics
    | Disposition.karaoke
    | Disposition.forced
    | Disposition.hearing_impaired
    | Disposition.visual_impaired
    | Disposition.captions
    | Disposition.descriptions
)
_COLOURS, _UNSPECIFIED = ("color_primaries", "color_trc", "colorspace"), 2


def differences(
    source: av.container.InputContainer, copy: Path, pairs: Mapping[int, int], kinds: Sequence[str]
) -> Iterator[str]:
    """A line for each thing that is lost.

    Args:
        copy: the new file, closed.
        pairs: numbers of the source's streams → those of their copies, as they were written.
        kinds: "video", "audio" … of each stream that was written; some containers are read in another order.
    """
    suffix = copy.suffix
    with opened(copy, "mux") as made:
        lost = sorted(key for key in _lost(source.metadata, made.metadata) if key.lower() != "timecode")
        if lost:
            yield f"{suffix} can't hold the tag{'s' if len(lost) > 1 else ''} {', '.join(lost)}"
        if len(made.chapters()) != len(source.chapters()):
            yield f"of {len(source.chapters())} chapters {suffix} holds {len(made.chapters())}"
        if missing := [code for code in timecodes(source) if code not in timecodes(made)]:
            yield f"{suffix} can't hold the timecode {missing[0]}"
        for own, new in pairs.items():
            alike = [stream for stream in made.streams if stream.type == kinds[new]]
            place = kinds[:new].count(kinds[new])
            if place < len(alike) or new < len(made.streams):
                read = alike[place] if place < len(alike) else made.streams[new]
                yield from _stream_differences(source.streams[own], read, source, made)


def _lost(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    """Names of tags that are gone, or say something else; names are the same whatever their case."""
    kept = {_SAME_NAMES.get(key.lower(), key.lower()): value for key, value in after.items()}
    for key, value in kept_tags(dict(before)).items():
        name = _SAME_NAMES.get(key.lower(), key.lower())
        if name not in kept or (value not in kept[name] and name not in _REWRITTEN):
            yield key


def _stream_differences(
    own: av.stream.Stream,
    new: av.stream.Stream,
    source: av.container.InputContainer,
    made: av.container.InputContainer,
) -> Iterator[str]:
    name = f"{own.type} stream {own.index}"
    if own.type != new.type:
        yield f"{name} is read as {new.type} from the copy"
        return
    if own.type == "video" and source.format.name == made.format.name:
        before, after = (stream.codec_context and stream.codec_context.codec_tag for stream in (own, new))
        if before != after and made.format.name.startswith("mov"):
            yield f"{name} is tagged {after}, no longer {before}"
    if isinstance(own, av.VideoStream) and isinstance(new, av.VideoStream) and own.codec_context and new.codec_context:
        yield from _picture_differences(own, new, source, made)
    if own.type == "audio":
        yield from _layout_difference(own, new, name)
    if marks := _lost_marks(own, new):
        yield f"{name} is no longer marked as {', '.join(marks)}"
    ignored = _PACKAGING | OWN_TAGS | {"timecode", "creation_time"}
    lost = [key for key in _lost(own.metadata, new.metadata) if key.lower() not in ignored and "-" not in key]
    lost = [key for key in lost if not (key == "language" and own.metadata[key] in ("und", "eng"))]
    if lost:
        yield f"{name} loses the tag{'s' if len(lost) > 1 else ''} {', '.join(sorted(lost))}"


def _lost_marks(own: av.stream.Stream, new: av.stream.Stream) -> list[str]:
    """What players choose by (a commentary, for the blind …); broadcasts mark a description for the blind twice."""
    lost = own.disposition & ~new.disposition & _MARKS
    if new.disposition & Disposition.visual_impaired:
        lost &= ~Disposition.descriptions
    return [str(mark.name).replace("_", " ") for mark in Disposition if mark & lost]


def _picture_differences(
    own: av.VideoStream, new: av.VideoStream, source: av.container.InputContainer, made: av.container.InputContainer
) -> Iterator[str]:
    """How a picture is to be shown: its colours, the shape of its pixels, and which side is up."""
    name = f"video stream {own.index}"
    before, after = own.codec_context, new.codec_context
    lost = [key for key in _COLOURS if getattr(before, key) not in (_UNSPECIFIED, getattr(after, key))]
    if lost:
        yield f"{name} loses {', '.join(lost)}"
    shapes = [stream.sample_aspect_ratio or 1 for stream in (own, new)]
    if shapes[0] != shapes[1]:
        yield f"{name} has pixels of the shape {shapes[1]}, no longer {shapes[0]}"
    if made.format.name.startswith(("mov", "matroska")):  # which have a place for that
        return
    turns = [_rotation(container.name, stream.index) for container, stream in ((source, own), (made, new))]
    if turns[0] != turns[1]:
        yield f"{name} is turned by {turns[1]} degrees, no longer by {turns[0]}"


def _rotation(path: str, number: int) -> int:
    """By how many degrees a picture is turned when it is shown."""
    with opened(path.removeprefix("file:"), "mux") as container, suppress(av.FFmpegError):
        for frame in container.decode(container.streams[number]):
            return frame.rotation if isinstance(frame, av.VideoFrame) else 0
    return 0


def _layout_difference(own: av.stream.Stream, new: av.stream.Stream, name: str) -> Iterator[str]:
    """Which channel is which; of a single one there is nothing to say."""
    if isinstance(own, av.AudioStream) and isinstance(new, av.AudioStream) and own.codec_context and new.codec_context:
        before, after = own.codec_context.layout, new.codec_context.layout
        if before.nb_channels > 1 and before.name != after.name:
            yield f"{name} has the channel layout {after.name}, no longer {before.name}"
