"""Whatever lies on a timeline: files that keep the rules of their format, where nothing covers anything else."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from avmatch.media.info import SourceTime
from avmatch.media.timecode import STANDARD_RATES, can_drop
from avmatch.timelines.fcpxml import fcpxml
from avmatch.timelines.markup import Places
from avmatch.timelines.mlt import mlt
from avmatch.timelines.shoot import Clip, Pair, Timeline, lay_out
from avmatch.timelines.xmeml import xmeml
from timeline_readers import check_fcpxml, check_fcpxml_frames
from timelines.test_shoot import RATE_HZ, a_pair

PLACES = Places(Path("/"))


#: Of each clip: offset in tenths of a millisecond, rate, recording ("" = none), frames, source timecode in seconds,
#: whether that is drop-frame, and where it comes from ("" = none).
clips = st.tuples(
    st.integers(-50_000, 200_000),
    st.sampled_from(STANDARD_RATES),
    st.sampled_from(["a", "b", "c", ""]),
    st.integers(1, 300),
    st.integers(0, 23 * 3600),
    st.booleans(),
    st.sampled_from(["timecode", "ltc", ""]),
)
shoots = given(st.lists(clips, min_size=1, max_size=6), st.booleans())
few = settings(max_examples=60, deadline=None)


def laid_out(found: list[tuple[Any, ...]], is_many: bool) -> Timeline:
    """The clips on a timeline."""
    return lay_out("t", [a_clip(number, *values) for number, values in enumerate(found)], is_many=is_many)


def a_clip(
    number: int, offset: int, rate: Fraction, audio: str, num_frames: int, time: int, is_drop: bool, source: Any
) -> Pair:
    """A clip with its recording."""
    begin = Fraction(209, 9000) * (number % 2)
    num_samples = 15 * RATE_HZ
    name = f"v{number}"
    pair = a_pair(
        offset / 10_000,
        rate,
        name=name,
        audio=audio,
        num_frames=num_frames,
        num_samples=num_samples,
        picture_begin=begin,
    )
    if source:
        start = SourceTime(round(time * rate) / rate, rate, can_drop(rate) and is_drop, source)
        pair = replace(pair, video=replace(pair.video, start=start))
    return pair if audio else replace(pair, audio=None, match=replace(pair.match, audio=None))


@shoots
@few
def test_fcpxml(found: list[tuple[Any, ...]], is_many: bool) -> None:
    timeline = laid_out(found, is_many)
    root = ET.fromstring(fcpxml(timeline, PLACES))
    check_fcpxml(root)
    check_fcpxml_frames(root)
    assert len(root.findall("library/event/*")) == len(timeline.clips) + 1


@shoots
@few
def test_xmeml(found: list[tuple[Any, ...]], is_many: bool) -> None:
    """Items of a track follow one another; an item shows as many frames as it is long, to rounding."""
    timeline = laid_out(found, is_many)
    root = ET.fromstring(xmeml(timeline, PLACES))
    for track in root.iter("track"):
        end = 0
        for item in track.findall("clipitem"):
            start, stop, first, last = (int(item.findtext(name, "")) for name in ("start", "end", "in", "out"))
            assert end <= start < stop
            assert 0 <= first <= last
            end = stop
    shown = {clip.name: clip for clip in timeline.clips}
    for item in root.findall(".//video/track/clipitem"):
        clip = shown[item.findtext("name", "")]
        assert int(item.findtext("out", "")) <= clip.pair.picture.num_frames


@shoots
@few
def test_mlt(found: list[tuple[Any, ...]], is_many: bool) -> None:
    """Each entry lies at its place, or a frame earlier where it is delayed."""
    timeline = laid_out(found, is_many)
    root = ET.fromstring(mlt(timeline, PLACES))
    names = {item.attrib["id"]: item.findtext("property[@name='resource']") for item in root.iter("producer")}
    for lane in range(timeline.num_lanes):
        pieces = list(entries(root, f"A{lane + 1}", names))
        heard = [clip for clip in timeline.lane(lane) if clip.sound is not None]
        assert [name for _, _, name, _ in pieces] == [str(clip.pair.audio and clip.pair.audio.path) for clip in heard]
        for (at, first, _, delay), clip in zip(pieces, heard, strict=True):
            check_place(timeline, clip, at, first, delay)


def entries(root: ET.Element, name: str, names: dict[str, str | None]) -> list[tuple[int, int, str, Fraction]]:
    """(where it lies, the frame it is entered at, its file, its delay in milliseconds) of each entry of a playlist."""
    position, found = 0, []
    for item in root.find(f"playlist[@id='{name}']") or ():
        if item.tag == "blank":
            position += int(item.attrib["length"])
        elif item.tag == "entry":
            delay = Fraction(item.findtext("filter/property[@name='av.delays']", "0"))
            found.append((position, int(item.attrib["in"]), str(names[item.attrib["producer"]]), delay))
            position += int(item.attrib["out"]) - int(item.attrib["in"]) + 1
    return found


def check_place(timeline: Timeline, clip: Clip, at: int, first: int, delay_ms: Fraction) -> None:
    """What is heard at a time lies there in the file where the model says so."""
    assert clip.sound is not None
    heard = (first - at) / timeline.rate - delay_ms / 1000
    wanted = clip.sound.begin_seconds - clip.sound.at_frame / timeline.rate
    assert abs(heard - wanted) < Fraction(1, 1_000_000), (at, first)
