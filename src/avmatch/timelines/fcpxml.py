"""FCPXML 1.10: Final Cut Pro and Resolve. A library with one event: the synchronized clips, and a project of the same.

All times are fractions of a second, exact to the sample: `start` of a connected sound is where it is entered, in the
time of day that its file has; `offset` is where it is connected, in the time of its parent. A synchronized clip keeps
the timecode and the frames of its picture, and the camera's own sound, switched off; in the project that is left out.
Where a clip has another rate than the project, Final Cut would play it faster or slower, and so apart from its sound
(23.976, 24 and 25 for one another); `conform-rate` says not to.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from fractions import Fraction

from avmatch.media.info import MediaInfo, PictureInfo
from avmatch.media.timecode import STANDARD_RATES
from avmatch.timelines.markup import Places, Value, add, document
from avmatch.timelines.shoot import Clip, Excerpt, Timeline, lay_out

VERSION = "1.10"
_ROLE = "dialogue"
#: How `conform-rate` calls the rates that it knows.
_RATES = dict(zip(STANDARD_RATES, "23.98 24 25 29.97 30 47.95 48 50 59.94 60".split(), strict=False))


def seconds(time: Fraction) -> str:
    """A time as FCPXML writes it: 1001/24000s, 5s."""
    return f"{time}s"


def file_start(media: MediaInfo) -> Fraction:
    """Where the file's own time begins. Linear timecode is no part of that: Final Cut refuses places it can't find."""
    return Fraction(0) if media.start is None or media.start.source == "ltc" else media.start_seconds


def fcpxml(timeline: Timeline, places: Places) -> bytes:
    """The timeline as FCPXML."""
    root = ET.Element("fcpxml", {"version": VERSION})
    resources = _Resources(add(root, "resources"), places)
    sequence_format = resources.format(timeline.rate, timeline.width, timeline.height, timeline.pixel_aspect)
    for clip in timeline.clips:
        resources.asset(clip.pair.video)
        if clip.pair.audio is not None:
            resources.asset(clip.pair.audio)
    event = add(add(root, "library"), "event", name=timeline.name)
    for clip in timeline.clips:
        alone = lay_out(clip.name, [clip.pair])
        _synchronized(event, alone.clips[0], alone, resources, {})
    project = add(event, "project", name=timeline.name)
    sequence = add(
        project,
        "sequence",
        format=sequence_format,
        duration=seconds(timeline.num_frames / timeline.rate),
        tcStart=seconds(timeline.start.seconds),
        tcFormat=_tc_format(timeline.is_drop),
        audioLayout="stereo",
        audioRate="48k",
    )
    _spine(add(sequence, "spine"), timeline, resources)
    return document(root, "<!DOCTYPE fcpxml>\n")


class _Resources:
    """Formats and assets, each once."""

    def __init__(self, parent: ET.Element, places: Places) -> None:
        self._parent, self._places = parent, places
        self._formats: dict[tuple[Fraction, int, int, Fraction], str] = {}
        self._assets: dict[object, str] = {}

    def _next(self) -> str:
        return f"r{len(self._formats) + len(self._assets) + 1}"

    def format(self, rate: Fraction, width: int, height: int, pixel_aspect: Fraction) -> str:
        """The id of a picture's format."""
        key = (rate, width, height, pixel_aspect)
        if key not in self._formats:
            name = self._formats[key] = self._next()
            pixels: dict[str, Value] = {}
            if pixel_aspect != 1:
                pixels = {"paspH": pixel_aspect.numerator, "paspV": pixel_aspect.denominator}
            frame = seconds(1 / rate)
            add(self._parent, "format", id=name, frameDuration=frame, width=width, height=height, **pixels)
        return self._formats[key]

    def picture(self, picture: PictureInfo) -> str:
        """The id of a file's picture's format."""
        return self.format(picture.rate, picture.width, picture.height, picture.pixel_aspect)

    def asset(self, media: MediaInfo) -> str:
        """The id of a file."""
        if media.path not in self._assets:
            picture, sound = media.picture, media.sound
            attributes: dict[str, Value] = {}
            if picture is not None:
                attributes |= {"hasVideo": 1, "videoSources": 1}
                attributes |= {"format": self.picture(picture)}
            if sound is not None:
                attributes |= {"hasAudio": 1, "audioSources": len(sound.channels)}
                attributes |= {"audioChannels": sound.num_channels, "audioRate": sound.sample_rate_hz}
            name = self._assets[media.path] = self._next()
            asset = add(
                self._parent,
                "asset",
                id=name,
                name=media.path.stem,
                start=seconds(file_start(media)),
                duration=seconds(_length(media)),
                **attributes,
            )
            add(asset, "media-rep", kind="original-media", src=self._places.url(media.path))
        return self._assets[media.path]


def _length(media: MediaInfo) -> Fraction:
    """How long a file is, from its first frame on, or its first sample where it has no picture."""
    picture, sound = media.picture, media.sound
    if picture is None or sound is None:
        return max(item.duration_seconds for item in (picture, sound) if item is not None)
    return max(picture.duration_seconds, sound.begin_seconds - picture.begin_seconds + sound.duration_seconds)


def _spine(spine: ET.Element, timeline: Timeline, resources: _Resources) -> None:
    """The first lane, with gaps; the clips of further lanes are connected to what lies below their beginning.

    What is connected can't have something connected itself, unless it is a synchronized clip.
    """
    position, start = 0, timeline.start.seconds
    below: list[tuple[int, Fraction, ET.Element]] = []  # (first frame, its time in the element, the element)
    for clip in timeline.lane(0):
        at_frame = clip.picture.at_frame
        if at_frame > position:
            offset, length = start + position / timeline.rate, (at_frame - position) / timeline.rate
            gap = add(spine, "gap", name="Gap", offset=seconds(offset), start="0s", duration=seconds(length))
            below.append((position, Fraction(0), gap))
        element = _plain(spine, clip, timeline, resources, {"offset": seconds(start + at_frame / timeline.rate)})
        below.append((at_frame, file_start(clip.pair.video), element))
        position = clip.picture.end_frame
    for clip in timeline.clips:
        if clip.lane:
            at_frame = clip.picture.at_frame
            first, time, parent = [item for item in below if item[0] <= at_frame][-1]
            offset = time + (at_frame - first) / timeline.rate
            element = _synchronized(parent, clip, timeline, resources, {"lane": clip.lane, "offset": seconds(offset)})
            _reorder(parent, element)


def _reorder(parent: ET.Element, element: ET.Element) -> None:
    """Connected clips come before markers and what follows them."""
    later = ("marker", "keyword", "sync-source", "metadata")
    place = next((number for number, child in enumerate(parent) if child.tag in later), len(parent) - 1)
    parent.remove(element)
    parent.insert(place, element)


def _synchronized(
    parent: ET.Element, clip: Clip, timeline: Timeline, resources: _Resources, place: dict[str, Value]
) -> ET.Element:
    """A synchronized clip, which has the rate of its picture inside; a plain one where there is no sound to it."""
    if clip.sound is None:
        return _plain(parent, clip, timeline, resources, place)
    media, within = clip.pair.video, lay_out(clip.name, [clip.pair])
    own = replace(within.clips[0], lane=clip.lane)
    element = add(parent, "sync-clip", **place, **_common(clip, timeline, resources))
    _conform(element, clip, timeline)
    start = seconds(file_start(media))
    inner = add(
        element,
        "asset-clip",
        ref=resources.asset(media),
        offset=start,
        **_common(own, within, resources),
        audioRole=_ROLE,
    )
    if own.sound is not None:
        _connect(inner, own, own.sound, within, resources)
    _notes(element, clip, timeline)
    if media.sound is not None:
        _source(element, "storyline", is_active=False)
    _source(element, "connected", is_active=True)
    return element


def _plain(
    parent: ET.Element, clip: Clip, timeline: Timeline, resources: _Resources, place: dict[str, Value]
) -> ET.Element:
    """A clip with its sound connected, which all programs know; the camera's own sound is left out then."""
    media = clip.pair.video
    is_replaced = clip.sound is not None and media.sound is not None
    source = {"srcEnable": "video"} if is_replaced else {}
    element = add(
        parent, "asset-clip", ref=resources.asset(media), **place, **_common(clip, timeline, resources), **source
    )
    _conform(element, clip, timeline)
    if clip.sound is not None:
        _connect(element, clip, clip.sound, timeline, resources)
    _notes(element, clip, timeline)
    return element


def _common(clip: Clip, timeline: Timeline, resources: _Resources) -> dict[str, Value]:
    """What a clip says of its picture, whatever element it is."""
    media, picture = clip.pair.video, clip.pair.picture
    return {
        "name": clip.name,
        "start": seconds(file_start(media)),
        "duration": seconds(clip.picture.num_frames / timeline.rate),
        "format": resources.picture(picture),
        "tcFormat": _tc_format(media.start is not None and media.start.is_drop),
    }


def _conform(element: ET.Element, clip: Clip, timeline: Timeline) -> None:
    """At another rate than the timeline's: play it at its own speed."""
    rate = clip.pair.picture.rate
    if rate != timeline.rate:
        add(element, "conform-rate", scaleEnabled=0, srcFrameRate=_RATES.get(rate))


def _connect(element: ET.Element, clip: Clip, sound: Excerpt, timeline: Timeline, resources: _Resources) -> None:
    """The sound, below the picture."""
    at = (sound.at_frame - clip.picture.at_frame) / timeline.rate
    add(
        element,
        "asset-clip",
        ref=resources.asset(sound.media),
        lane=-1,
        offset=seconds(file_start(clip.pair.video) + at),
        name=sound.media.path.stem,
        start=seconds(file_start(sound.media) + sound.begin_seconds),
        duration=seconds(sound.num_frames / timeline.rate),
        enabled=0 if clip.is_muted else None,
        srcEnable="audio",
        audioRole=_ROLE,
    )


def _notes(element: ET.Element, clip: Clip, timeline: Timeline) -> None:
    """What `match` says of the clip, and a marker where a person should look."""
    match = clip.pair.match
    words = [f"pair {match.confidence:.2f}"]
    if match.offset_seconds is not None:
        words.append(f"offset {1000 * match.offset_seconds:+.1f} ms")
    if match.offset_confidence is not None:
        words.append(f"offset {match.offset_confidence:.2f} sure")
    note = ET.Element("note")
    note.text = ", ".join(words)
    element.insert(0, note)
    if clip.doubt:
        start, frame = seconds(file_start(clip.pair.video)), seconds(1 / timeline.rate)
        add(element, "marker", start=start, duration=frame, value=clip.doubt)


def _source(element: ET.Element, source: str, *, is_active: bool) -> None:
    parent = add(element, "sync-source", sourceID=source)
    add(parent, "audio-role-source", role=f"{_ROLE}.{_ROLE}-1", active=None if is_active else 0)


def _tc_format(is_drop: bool) -> str:
    return "DF" if is_drop else "NDF"
