"""MLT: a project that `melt` plays and Kdenlive and Shotcut open.

Positions are whole frames of the profile. What a sound lacks to a frame is made up by a delay: it is entered at the
next frame, and a filter holds it back until its time. FFmpeg's `adelay` would be the natural one, but inside MLT it
moves by more than it is asked to; an echo without the sound itself is exact.
"""

from __future__ import annotations

import itertools
import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from avmatch.media.info import SoundInfo
from avmatch.timelines.markup import Places, Value, add, document
from avmatch.timelines.shoot import Clip, Excerpt, Timeline

_HD_HEIGHT = 720
#: The layouts of channels that MLT knows, by FFmpeg's names. Of others, and of more than 8 channels, it makes silence,
#: noise at full level, or it crashes (7.12).
_LAYOUTS = frozenset(
    "mono stereo 2.1 3.0 3.0(back) 4.0 quad quad(side) 3.1 5.0 5.0(side) 4.1 5.1 5.1(side) 6.0 6.0(front) hexagonal "
    "6.1 6.1(back) 6.1(front) 7.0 7.0(front) 7.1 7.1(wide) 7.1(wide-side)".split()
)
_MAX_CHANNELS = 8
#: Its transition that adds up tracks mixes what is more into these.
_MAX_MIXED_CHANNELS = 6


def mlt(timeline: Timeline, places: Places) -> bytes:
    """The timeline as an MLT project."""
    root = ET.Element("mlt", {"LC_NUMERIC": "C", "version": "7.0.0", "producer": "main_bin", "title": timeline.name})
    _profile(root, timeline)
    pictures = {clip.pair.video.path: f"picture{number}" for number, clip in enumerate(timeline.clips)}
    for path, name in pictures.items():
        _file(root, name, places.path(path), audio_index=-1)
    sounds = _sounds(root, timeline, places)
    _bin(root, [*pictures.values(), *sounds.values()])
    _background(root, timeline.num_frames)
    tracks: list[tuple[str, str]] = []
    for lane in range(timeline.num_lanes):
        pieces = [(clip.picture, pictures[clip.pair.video.path]) for clip in timeline.lane(lane)]
        tracks.append((f"V{lane + 1}", "audio"))
        _playlist(root, tracks[-1][0], "video", pieces)
    num_streams = 1 + max((stream for _, stream in sounds), default=0)
    for lane, stream in itertools.product(range(timeline.num_lanes), range(num_streams)):
        heard = [clip.sound for clip in timeline.lane(lane) if clip.sound is not None]
        pieces = [(piece, sounds[piece.media.path, stream]) for piece in heard if (piece.media.path, stream) in sounds]
        tracks.append((f"A{lane * num_streams + stream + 1}", "both" if lane else "video"))
        _playlist(root, tracks[-1][0], "audio", pieces)
    _tractor(root, timeline, tracks)
    return document(root)


def unplayable(timeline: Timeline) -> Iterator[str]:
    """What a person should know of the streams that MLT can't play, and that are left out therefore."""
    sounds = {clip.pair.audio.path: clip.pair.sound for clip in timeline.clips if clip.pair.audio is not None}
    for path, sound in sounds.items():
        if sound is not None:
            names = [_layout(sound, stream) for stream in range(len(sound.channels)) if not _plays(sound, stream)]
            if names:
                yield f"{path.name}: MLT can't play {', '.join(names)}; left out of the project, other formats hold all"


def _plays(sound: SoundInfo, stream: int) -> bool:
    is_plain = _layout(sound, stream) in (*_LAYOUTS, f"{sound.channels[stream]} channels")
    return is_plain and sound.channels[stream] <= _MAX_CHANNELS


def _layout(sound: SoundInfo, stream: int) -> str:
    return sound.layouts[stream] if sound.layouts else f"{sound.channels[stream]} channels"


def _sounds(root: ET.Element, timeline: Timeline, places: Places) -> dict[tuple[Path, int], str]:
    """A producer for each stream of each recording: MLT can read all at once, but makes noise of 24 bits then."""
    names: dict[tuple[Path, int], str] = {}
    for clip in timeline.clips:
        if clip.sound is None or clip.pair.sound is None:
            continue
        indices = clip.pair.sound.indices
        for stream, index in enumerate(indices):
            key = clip.sound.media.path, stream
            if key not in names and _plays(clip.pair.sound, stream):
                names[key] = f"sound{len(names)}"
                chosen: dict[str, Value] = {"audio_index": index} if len(indices) > 1 else {}
                if clip.sound.media.picture is None:  # else MLT would take its time stamps for the sound's
                    chosen["video_index"] = -1
                _file(root, names[key], places.path(key[0]), **chosen)
    return names


def _profile(root: ET.Element, timeline: Timeline) -> None:
    display = Fraction(timeline.width, timeline.height) * timeline.pixel_aspect
    add(
        root,
        "profile",
        description=f"{timeline.width}x{timeline.height} {float(timeline.rate):g} fps",
        width=timeline.width,
        height=timeline.height,
        progressive=1,
        sample_aspect_num=timeline.pixel_aspect.numerator,
        sample_aspect_den=timeline.pixel_aspect.denominator,
        display_aspect_num=display.numerator,
        display_aspect_den=display.denominator,
        frame_rate_num=timeline.rate.numerator,
        frame_rate_den=timeline.rate.denominator,
        colorspace=709 if timeline.height >= _HD_HEIGHT else 601,
    )


def _properties(parent: ET.Element, properties: dict[str, Value]) -> None:
    for name, value in properties.items():
        add(parent, "property", value, name=name)


def _file(root: ET.Element, name: str, path: str, **indices: Value) -> None:
    producer = add(root, "producer", id=name)
    _properties(producer, {"resource": path, "mlt_service": "avformat", "seekable": 1, **indices})


def _bin(root: ET.Element, names: Sequence[str]) -> None:
    """What Kdenlive and Shotcut list beside the timeline."""
    playlist = add(root, "playlist", id="main_bin")
    _properties(playlist, {"xml_retain": 1})
    for name in dict.fromkeys(names):
        add(playlist, "entry", producer=name)


def _background(root: ET.Element, num_frames: int) -> None:
    last = max(0, num_frames - 1)
    black = add(root, "producer", id="black", **{"in": 0, "out": last})
    _properties(
        black,
        {"length": num_frames, "eof": "pause", "resource": "black", "mlt_service": "color", "set.test_audio": 0},
    )
    add(add(root, "playlist", id="background"), "entry", producer="black", **{"in": 0, "out": last})


def _playlist(root: ET.Element, name: str, kind: str, entries: Sequence[tuple[Excerpt, str]]) -> None:
    playlist = add(root, "playlist", id=name)
    _properties(playlist, {f"shotcut:{kind}": 1, "shotcut:name": name})
    rate, position = _rate_of(root), 0
    for excerpt, producer in entries:
        at_frame, first, delay_frames = _entered(excerpt, rate, position)
        if at_frame > position:
            add(playlist, "blank", length=at_frame - position)
        last = min(first + excerpt.end_frame - at_frame, max(_num_frames(excerpt, rate), first + 1)) - 1
        entry = add(playlist, "entry", producer=producer, **{"in": first, "out": last})
        if delay_frames:
            _delay(entry, delay_frames / rate)
        position = at_frame + last - first + 1


def _num_frames(excerpt: Excerpt, rate: Fraction) -> int:
    """How many frames MLT counts in a file: it would shorten an entry that goes beyond, and so move what follows."""
    sound = excerpt.media.sound
    if sound is None or excerpt.media.picture is not None:
        return math.ceil(excerpt.begin_seconds * rate) + excerpt.num_frames
    return math.floor(Fraction(sound.num_samples, sound.sample_rate_hz) * rate + Fraction(1, 2))


def _entered(excerpt: Excerpt, rate: Fraction, free_frame: int) -> tuple[int, int, Fraction]:
    """(where a piece lies on the timeline, at which frame it is entered, by how many frames it is delayed).

    A file that begins in the middle of a frame is played from its beginning where there is room: that is exact, while
    FFmpeg's reader in MLT may enter a file up to half a frame late elsewhere.
    """
    exact = excerpt.begin_seconds * rate
    if 0 < exact < 1 and excerpt.at_frame > free_frame:
        return excerpt.at_frame - 1, 0, 1 - exact
    first = math.ceil(exact)
    return excerpt.at_frame, first, first - exact


def _rate_of(root: ET.Element) -> Fraction:
    profile = root.find("profile")
    assert profile is not None
    return Fraction(int(profile.attrib["frame_rate_num"]), int(profile.attrib["frame_rate_den"]))


def _delay(entry: ET.Element, seconds: Fraction) -> None:
    echo: dict[str, Value] = {
        "av.in_gain": 0,
        "av.out_gain": 1,
        "av.delays": f"{float(1000 * seconds):.4f}",
        "av.decays": 1,
    }
    _properties(add(entry, "filter"), {"mlt_service": "avfilter.aecho", **echo})


def _tractor(root: ET.Element, timeline: Timeline, tracks: Sequence[tuple[str, str]]) -> None:
    last = max(0, timeline.num_frames - 1)
    tractor = add(root, "tractor", id="timeline", title=timeline.name, **{"in": 0, "out": last})
    _properties(tractor, {"shotcut": 1, "shotcut:projectAudioChannels": max(2, timeline.num_channels)})
    for clip in timeline.clips:
        _marker(tractor, clip)
    add(tractor, "track", producer="background")
    for name, hidden in tracks:
        add(tractor, "track", producer=name, hide=hidden)
    heard = [name for name, hidden in tracks if hidden == "video"]
    if len(heard) == 1 and timeline.num_channels > _MAX_MIXED_CHANNELS:
        return
    for number, (name, _) in enumerate(tracks, start=1):
        if name.startswith("A"):
            mix = add(tractor, "transition", id=f"mix{number}")
            _properties(mix, {"a_track": 0, "b_track": number, "mlt_service": "mix", "always_active": 1, "sum": 1})


def _marker(tractor: ET.Element, clip: Clip) -> None:
    """Shotcut's, where something should be looked at."""
    if not clip.doubt:
        return
    markers = tractor.find("properties[@name='shotcut:markers']")
    if markers is None:
        markers = add(tractor, "properties", name="shotcut:markers")
    marker = add(markers, "properties", name=str(len(markers)))
    at_frame = clip.picture.at_frame
    _properties(marker, {"text": f"{clip.name}: {clip.doubt}", "start": at_frame, "end": at_frame, "color": "#ffff00"})
