"""Timelines read back by something that isn't their writer, brought to one form.

OTIO by its own library, FCP7 XML, EDL and ALE by the adapters of the OpenTimelineIO project, FCPXML here: by the rules
of the format, without a line of the writer. Times are seconds as fractions.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import opentimelineio


@dataclass(frozen=True)
class Piece:
    """A piece of a file on a timeline.

    Attributes:
        kind: "V" or "A".
        file: its path.
        at_seconds: where it lies, from the timeline's beginning on.
        source_seconds: where it begins in its file's time of day.
        duration_seconds: how long it is.
        file_start_seconds: the source timecode of the file; None where the format doesn't say.
        markers: what is written on it.
        channel: of the file, 0 = all.
        is_on: whether it is played.
    """

    kind: str
    file: Path
    at_seconds: Fraction
    source_seconds: Fraction
    duration_seconds: Fraction
    file_start_seconds: Fraction | None
    markers: tuple[str, ...] = ()
    channel: int = 0
    is_on: bool = True


@dataclass(frozen=True)
class Seen:
    """A timeline as a reader finds it."""

    start_seconds: Fraction
    pieces: tuple[Piece, ...]
    channels: dict[str, int] = field(default_factory=dict)

    def of(self, kind: str) -> list[Piece]:
        """The pieces of a kind, in the order of time."""
        return sorted((piece for piece in self.pieces if piece.kind == kind), key=lambda piece: piece.at_seconds)


def exact(time: Any) -> Fraction:
    """OpenTimelineIO's time: a count at a rate, of which the NTSC ones are stored as floats."""
    rate = Fraction(time.rate).limit_denominator(1001)
    return Fraction(time.value).limit_denominator(1001) / rate


def path_of(url: str) -> Path:
    """The file of an address."""
    return Path(unquote(urlparse(url).path))


def from_otio(timeline: Any) -> Seen:
    """What OpenTimelineIO holds, however it was read."""
    pieces, channels = [], {}
    for track in timeline.tracks:
        for clip in track.find_clips():
            at = exact(track.range_of_child(clip).start_time)
            # An EDL's tracks begin at their first event.
            at += exact(track.source_range.start_time) if track.source_range else 0
            whole = clip.media_reference.available_range
            file = path_of(clip.media_reference.target_url or "")
            pieces.append(
                Piece(
                    track.kind[0],
                    file,
                    at,
                    exact(clip.source_range.start_time),
                    exact(clip.source_range.duration),
                    None if whole is None else exact(whole.start_time),
                    tuple(marker.metadata.get("fcp_xml", {}).get("comment", marker.name) for marker in clip.markers),
                    int(clip.metadata.get("fcp_xml", {}).get("sourcetrack", {}).get("trackindex", 0)),
                    track.enabled,
                )
            )
            if "Channels" in clip.metadata.get("Resolve_OTIO", {}):
                channels[file.name] = len(clip.metadata["Resolve_OTIO"]["Channels"])
    start = timeline.global_start_time
    return Seen(exact(start) if start is not None else Fraction(0), tuple(pieces), channels)


def read_otio(path: Path) -> Seen:
    """By the library."""
    return from_otio(opentimelineio.adapters.read_from_file(str(path)))


def read_xmeml(path: Path) -> Seen:
    """By otio-fcp-adapter."""
    return from_otio(opentimelineio.adapters.read_from_file(str(path), "fcp_xml"))


def read_edl(path: Path, rate: Fraction) -> Any:
    """By otio-cmx3600-adapter: its timeline."""
    return opentimelineio.adapters.read_from_file(str(path), "cmx_3600", rate=float(rate))


def read_ale(path: Path) -> list[Any]:
    """By otio-ale-adapter: its clips."""
    return list(opentimelineio.adapters.read_from_file(str(path), "ale"))


# FCPXML ---------------------------------------------------------------------------------------------------------------

#: Of the elements that can be met, by Apple's DTD 1.10: the children in order, the attributes, and those required.
_FCPXML_RULES: dict[str, tuple[str, str, str]] = {
    "fcpxml": ("(resources )?(library |(event )*)", "version", "version"),
    "resources": ("((asset|format) )*", "", ""),
    "format": ("", "id name frameDuration fieldOrder width height paspH paspV colorSpace", "id"),
    "asset": (
        "(media-rep )+(metadata )?",
        "id name uid start duration hasVideo format hasAudio videoSources audioSources audioChannels audioRate",
        "id",
    ),
    "media-rep": ("(bookmark )?", "kind sig src suggestedFilename", "src"),
    "library": ("(event )*", "location colorProcessing", ""),
    "event": ("((clip|sync-clip|asset-clip|project) )*", "name uid", ""),
    "project": ("sequence ", "name uid id modDate", ""),
    "sequence": (
        "(note )?spine (metadata )?",
        "format duration tcStart tcFormat audioLayout audioRate renderFormat keywords",
        "format",
    ),
    "spine": ("((sync-clip|asset-clip|gap|clip) )*", "lane offset name format", ""),
    "gap": (
        "(note )?((sync-clip|asset-clip|clip|spine) )*((marker|keyword) )*(metadata )?",
        "name offset start duration enabled",
        "duration",
    ),
    "sync-clip": (
        "(note )?(conform-rate )?((spine|sync-clip|asset-clip|clip|gap) )*((marker|keyword) )*(sync-source )*"
        "(metadata )?",
        "lane offset name start duration enabled format audioStart audioDuration tcStart tcFormat modDate",
        "duration",
    ),
    "asset-clip": (
        "(note )?(conform-rate )?((spine|sync-clip|asset-clip|clip) )*((marker|keyword) )*(audio-channel-source )*"
        "(metadata )?",
        "ref lane offset name start duration enabled srcEnable audioStart audioDuration format tcStart tcFormat "
        "modDate audioRole videoRole",
        "ref",
    ),
    "conform-rate": ("", "scaleEnabled srcFrameRate frameSampling", ""),
    "sync-source": ("(audio-role-source )*", "sourceID", "sourceID"),
    "audio-role-source": ("", "role start duration enabled active", "role"),
    "marker": ("", "start duration value completed note", "start value"),
    "note": ("", "", ""),
}
_FCPXML_VALUES = {
    "lane": r"-?[1-9]\d*",
    "enabled": "0|1",
    "active": "0|1",
    "scaleEnabled": "0|1",
    "srcFrameRate": "23.98|24|25|29.97|30|60|47.95|48|50|59.94",
    "tcFormat": "DF|NDF",
    "srcEnable": "all|audio|video",
    "sourceID": "storyline|connected",
    "audioLayout": "mono|stereo|surround",
    "audioRate": r"\d+|48k|44.1k|96k",
    "kind": "original-media|proxy-media",
    **dict.fromkeys(("start", "offset", "duration", "tcStart", "frameDuration"), r"\d+(/[1-9]\d*)?s"),
}


def check_fcpxml(root: ET.Element) -> None:
    """AssertionError names what breaks the rules of FCPXML 1.10."""
    assert root.tag == "fcpxml"
    assert root.attrib["version"] == "1.10"
    ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    assert len(ids) == len(set(ids))
    for element in root.iter():
        children, attributes, required = _FCPXML_RULES[element.tag]
        found = "".join(f"{child.tag} " for child in element)
        assert re.fullmatch(children, found), (element.tag, found)
        assert set(element.attrib) <= set(attributes.split()), (element.tag, element.attrib)
        assert set(required.split()) <= set(element.attrib), (element.tag, element.attrib)
        for name, value in element.attrib.items():
            assert re.fullmatch(_FCPXML_VALUES.get(name, ".*"), value, re.DOTALL), (element.tag, name, value)
        for name in ("ref", "format"):
            assert name not in element.attrib or element.attrib[name] in ids


def check_fcpxml_frames(root: ET.Element) -> None:
    """AssertionError names what doesn't lie on a frame of what holds it: Final Cut moves that, and warns.

    A sound that is entered between two frames is allowed. Times have denominators of 32 bits.
    """
    frames = {item.attrib["id"]: fcpxml_seconds(item.attrib["frameDuration"]) for item in root.iter("format")}
    for element in root.iter():
        for name, value in element.attrib.items():
            if name in ("start", "offset", "duration", "tcStart"):
                assert fcpxml_seconds(value).denominator < 2**31, (element.tag, name, value)
    for sequence in root.iter("sequence"):
        zero = fcpxml_seconds(sequence.get("tcStart"))
        for item in sequence.find("spine") or ():
            _check_frames(item, zero, frames[sequence.attrib["format"]], frames)
    event = root.find("library/event")
    for item in event if event is not None else ():
        if item.tag != "project":
            _check_frames(item, Fraction(0), frames[item.attrib["format"]], frames)


def _check_frames(element: ET.Element, zero: Fraction, frame: Fraction, frames: dict[str, Fraction]) -> None:
    """`zero` lies on a frame of what holds the element."""
    start = fcpxml_seconds(element.get("start"))
    assert ((fcpxml_seconds(element.get("offset", f"{zero}s")) - zero) / frame).denominator == 1, element.attrib
    assert (fcpxml_seconds(element.attrib["duration"]) / frame).denominator == 1, element.attrib
    own = frames[element.attrib["format"]] if element.tag == "sync-clip" else frame
    for child in element:
        if child.tag in ("asset-clip", "sync-clip", "gap"):
            _check_frames(child, start, own, frames)


def fcpxml_seconds(text: str | None) -> Fraction:
    """A time: 5s, 1001/24000s."""
    return Fraction((text or "0s").removesuffix("s"))


def read_fcpxml(path: Path) -> tuple[Seen, Seen]:
    """(the project, the event's clips, each as if it began at 0)."""
    root = ET.fromstring(path.read_bytes())
    check_fcpxml(root)
    check_fcpxml_frames(root)
    assets = {asset.attrib["id"]: asset for asset in root.iter("asset")}
    channels = {
        path_of(asset.find("media-rep").attrib["src"]).name: int(asset.get("audioChannels", 0))  # type: ignore[union-attr]
        for asset in assets.values()
    }
    event = root.find("library/event")
    assert event is not None
    sequence = event.find("project/sequence")
    assert sequence is not None
    start = fcpxml_seconds(sequence.get("tcStart"))
    pieces = [piece for item in sequence.find("spine") or () for piece in _fcpxml_pieces(item, -start, assets)]
    clips = [item for item in event if item.tag != "project"]
    loose = [piece for clip in clips for piece in _fcpxml_pieces(clip, Fraction(0), assets)]
    return Seen(start, tuple(pieces), channels), Seen(start, tuple(loose), channels)


def _fcpxml_pieces(element: ET.Element, zero: Fraction, assets: dict[str, ET.Element]) -> Iterator[Piece]:
    """The files below an element of a timeline whose time 0 lies at `zero`.

    A child's `offset` is in its parent's time; the parent's `start` is what that shows where the parent itself lies.
    """
    at = zero + fcpxml_seconds(element.get("offset"))
    start = fcpxml_seconds(element.get("start"))
    if element.tag == "asset-clip":
        asset = assets[element.attrib["ref"]]
        kind = "V" if asset.get("hasVideo") == "1" and element.get("srcEnable") != "audio" else "A"
        rep = asset.find("media-rep")
        assert rep is not None
        duration = fcpxml_seconds(element.get("duration"))
        begin = fcpxml_seconds(asset.get("start"))
        assert begin <= start, "no media there"
        assert start + duration <= begin + fcpxml_seconds(asset.get("duration")), "no media there"
        marks = tuple(marker.attrib["value"] for marker in element.findall("marker"))
        yield Piece(
            kind, path_of(rep.attrib["src"]), at, start, duration, begin, marks, 0, element.get("enabled", "1") == "1"
        )
    marks = tuple(marker.attrib["value"] for marker in element.findall("marker")) if element.tag == "sync-clip" else ()
    for child in element:
        if child.tag in ("asset-clip", "sync-clip", "gap"):
            for piece in _fcpxml_pieces(child, at - start, assets):
                is_own = piece.kind == "V" and marks and not piece.markers and child.get("lane") is None
                yield Piece(**{**vars(piece), "markers": marks}) if is_own else piece
