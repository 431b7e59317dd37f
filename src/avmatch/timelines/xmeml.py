"""Final Cut Pro 7 XML (xmeml 4): Premiere and Resolve. One sequence of linked clips with their start timecode.

Positions are whole frames. Each channel of a recording has a track. What a sound lacks to a frame is in Premiere's own
`pproTicksIn`, which other programs pass over.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from avmatch.media.info import MediaInfo
from avmatch.media.timecode import Timecode, nominal, timecode_at
from avmatch.timelines.markup import Places, add, document
from avmatch.timelines.shoot import TIMELINE_RATE_HZ, Clip, Excerpt, Timeline

#: Premiere's unit of time.
TICKS_PER_SECOND = 254_016_000_000


@dataclass(frozen=True)
class _Item:
    """A piece on a track: of the picture, or of a channel of the sound.

    Attributes:
        clip: to which it belongs.
        excerpt: what it plays.
        track: the number of the track among those of its kind, from 1 on.
        channel: of the file, from 1 on; 0 = the picture.
        name: its id.
        index: its number on its track, from 1 on.
    """

    clip: Clip
    excerpt: Excerpt
    track: int
    channel: int
    name: str
    index: int


def xmeml(timeline: Timeline, places: Places) -> bytes:
    """The timeline as Final Cut Pro 7 XML."""
    root = ET.Element("xmeml", {"version": "4"})
    sequence = add(root, "sequence", id="sequence-1")
    add(sequence, "name", timeline.name)
    add(sequence, "duration", timeline.num_frames)
    _rate(sequence, timeline.rate)
    _timecode(sequence, timeline.start)
    media = add(sequence, "media")
    video, audio = add(media, "video"), add(media, "audio")
    _formats(video, audio, timeline)
    writer = _Writer(timeline, places)
    for parent, is_sound in ((video, False), (audio, True)):
        writer.tracks(parent, is_sound=is_sound)
    return document(root, "<!DOCTYPE xmeml>\n")


def _items(timeline: Timeline) -> Iterator[_Item]:
    number, most_channels = 0, timeline.num_channels
    counts: Counter[tuple[bool, int]] = Counter()
    for clip in timeline.clips:
        num_channels = clip.pair.sound.num_channels if clip.sound is not None and clip.pair.sound is not None else 0
        for channel in range(num_channels + 1):
            number += 1
            track = clip.lane * most_channels + channel if channel else clip.lane + 1
            counts[channel > 0, track] += 1
            excerpt = clip.sound if channel and clip.sound is not None else clip.picture
            yield _Item(clip, excerpt, track, channel, f"clipitem-{number}", counts[channel > 0, track])


def _rate(parent: ET.Element, rate: Fraction) -> None:
    element = add(parent, "rate")
    add(element, "timebase", nominal(rate))
    add(element, "ntsc", "TRUE" if rate.denominator == 1001 else "FALSE")


def _timecode(parent: ET.Element, code: Timecode) -> None:
    element = add(parent, "timecode")
    _rate(element, code.rate)
    add(element, "string", str(code))
    add(element, "frame", code.frame)
    add(element, "displayformat", "DF" if code.is_drop else "NDF")


def _formats(video: ET.Element, audio: ET.Element, timeline: Timeline) -> None:
    picture = add(add(video, "format"), "samplecharacteristics")
    _rate(picture, timeline.rate)
    add(picture, "width", timeline.width)
    add(picture, "height", timeline.height)
    add(picture, "pixelaspectratio", "square" if timeline.pixel_aspect == 1 else f"{float(timeline.pixel_aspect):.4f}")
    add(audio, "numOutputChannels", 2)
    sound = add(add(audio, "format"), "samplecharacteristics")
    add(sound, "depth", 24)
    add(sound, "samplerate", TIMELINE_RATE_HZ)


class _Writer:
    """Writes the tracks of one timeline; a file is described where it is first used."""

    def __init__(self, timeline: Timeline, places: Places) -> None:
        self._timeline, self._places = timeline, places
        self._tracks: dict[tuple[bool, int], list[_Item]] = {}
        self._linked: dict[int, list[_Item]] = {}
        for item in _items(timeline):
            self._tracks.setdefault((item.channel > 0, item.track), []).append(item)
            self._linked.setdefault(item.clip.number, []).append(item)
        self._files: dict[Path, int] = {}

    def tracks(self, parent: ET.Element, *, is_sound: bool) -> None:
        """All tracks of a kind."""
        for (kind, number), items in sorted(self._tracks.items(), key=lambda entry: entry[0]):
            if kind != is_sound:
                continue
            track = add(parent, "track")
            for item in items:
                self._clipitem(track, item)
            add(track, "enabled", "TRUE")
            add(track, "locked", "FALSE")
            if is_sound:
                add(track, "outputchannelindex", 2 - number % 2)

    def _clipitem(self, track: ET.Element, item: _Item) -> None:
        excerpt, is_sound = item.excerpt, item.channel > 0
        is_new = excerpt.media.path not in self._files
        number = self._files.setdefault(excerpt.media.path, len(self._files) + 1)
        element = add(track, "clipitem", id=item.name)
        add(element, "masterclipid", f"masterclip-{number}")
        add(element, "name", excerpt.media.path.stem)
        add(element, "enabled", "FALSE" if is_sound and item.clip.is_muted else "TRUE")
        # Places in a file are counted in the item's own rate: that of a picture, or of the timeline.
        rate = self._timeline.rate if is_sound else item.clip.pair.picture.rate
        num_frames = _num_frames(excerpt.media, rate, is_picture=not is_sound)
        add(element, "duration", num_frames)
        _rate(element, rate)
        _times(element, excerpt, rate, num_frames, self._timeline.rate)
        file = add(element, "file", id=f"file-{number}")
        if is_new:
            _describe(file, excerpt.media, rate, self._places)
        if is_sound:
            source = add(element, "sourcetrack")
            add(source, "mediatype", "audio")
            add(source, "trackindex", item.channel)
        elif item.clip.doubt:
            marker = add(element, "marker")
            for name, value in (("name", "check"), ("comment", item.clip.doubt), ("in", 0), ("out", -1)):
                add(marker, name, value)
        for other in self._linked[item.clip.number]:
            _link(element, other)


def _link(element: ET.Element, other: _Item) -> None:
    link = add(element, "link")
    add(link, "linkclipref", other.name)
    add(link, "mediatype", "audio" if other.channel else "video")
    add(link, "trackindex", other.track)
    add(link, "clipindex", other.index)
    if other.channel:
        add(link, "groupindex", 1)


def _times(element: ET.Element, excerpt: Excerpt, rate: Fraction, num_frames: int, timeline_rate: Fraction) -> None:
    """Where it lies, and what of its file is shown: never beyond the file's last frame, however short that is."""
    length = excerpt.num_frames / timeline_rate
    begin = round(excerpt.begin_seconds * rate)
    add(element, "start", excerpt.at_frame)
    add(element, "end", excerpt.end_frame)
    add(element, "in", begin)
    add(element, "out", max(begin, min(num_frames, begin + round(length * rate))))
    add(element, "pproTicksIn", round(excerpt.begin_seconds * TICKS_PER_SECOND))
    add(element, "pproTicksOut", round((excerpt.begin_seconds + length) * TICKS_PER_SECOND))


def _num_frames(media: MediaInfo, rate: Fraction, *, is_picture: bool) -> int:
    if is_picture and media.picture is not None:
        return media.picture.num_frames
    length = media.sound if media.sound is not None else media.picture
    assert length is not None
    return int(length.duration_seconds * rate)


def _describe(element: ET.Element, media: MediaInfo, rate: Fraction, places: Places) -> None:
    """What there is to know of a file."""
    add(element, "name", media.path.name)
    add(element, "pathurl", places.url(media.path, host="localhost"))
    own = media.picture.rate if media.picture is not None else rate
    _rate(element, own)
    add(element, "duration", _num_frames(media, own, is_picture=media.picture is not None))
    is_drop = media.start is not None and media.start.is_drop
    label_rate = own if media.start is None or media.start.rate is None else media.start.rate
    _timecode(element, timecode_at(media.start_seconds, label_rate, is_drop=is_drop))
    kinds = add(element, "media")
    if media.picture is not None:
        picture = add(add(kinds, "video"), "samplecharacteristics")
        add(picture, "width", media.picture.width)
        add(picture, "height", media.picture.height)
    if media.sound is not None:
        for number in range(1, media.sound.num_channels + 1):
            audio = add(kinds, "audio")
            sound = add(audio, "samplecharacteristics")
            add(sound, "depth", media.sound.bits or 16)
            add(sound, "samplerate", media.sound.sample_rate_hz)
            add(audio, "channelcount", 1)
            add(audio, "audiochannel")
            add(audio[-1], "sourcechannel", number)
