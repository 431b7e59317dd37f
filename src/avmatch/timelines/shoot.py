"""Clips with their sounds on a timeline, exactly.

The convention of the project holds: a positive offset means that the sound comes late, so what is seen at t seconds of
the clip lies at t + offset in the recording. Editors count from a file's first frame and first sample, which may lie
later than the file's own zero; `lag_seconds` is the offset between those, in whole samples of the recording. Of a
recording that has a picture too, such as a camera's sound, they count from its first frame.

Clips stand one after another, each with its recording below. Where a recording covers several clips (`match --many`),
they stand as far apart as they lie in it; those that overlap are cameras of the same moment and lie on further lanes,
where the sound is muted: it is heard once.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from avmatch.core.matches import Candidate
from avmatch.data.result_folder import StoredMatch
from avmatch.media.info import MediaInfo, PictureInfo, SoundInfo
from avmatch.media.timecode import Timecode, can_drop, parse_timecode, timecode_at
from avmatch.timelines.markup import writable

T = TypeVar("T")

#: Editors mix at this rate.
TIMELINE_RATE_HZ = 48_000


@dataclass(frozen=True)
class Pair:
    """A clip, what was decided for it, and its recording.

    Attributes:
        match: the decision.
        video: its file, which has a picture.
        audio: the recording's, which has sound; None where there is none.
        candidates: the best recordings for it, best first.
        further: the same clip with other recordings of the moment, which get tracks of their own.
        is_heard: whether a further recording is heard beside the first: that of a recorder that split its file.
    """

    match: StoredMatch
    video: MediaInfo
    audio: MediaInfo | None
    candidates: tuple[Candidate, ...] = ()
    further: tuple[Pair, ...] = ()
    is_heard: bool = False

    @property
    def picture(self) -> PictureInfo:
        """Of the clip."""
        assert self.video.picture is not None
        return self.video.picture

    @property
    def sound(self) -> SoundInfo | None:
        """Of the recording."""
        return None if self.audio is None else self.audio.sound

    @property
    def sound_begin_seconds(self) -> Fraction:
        """When the recording's first sample is heard, as editors count: 0, but where it has a picture."""
        if self.sound is None or self.audio is None or self.audio.picture is None:
            return Fraction(0)
        return self.sound.begin_seconds - self.audio.picture.begin_seconds

    @property
    def lag_seconds(self) -> Fraction | None:
        """Where the clip's first frame lies in the recording, from its beginning on as editors count; None without."""
        if self.sound is None:
            return None
        offset = Fraction(str(round(self.match.offset_seconds or 0.0, 6)))
        exact = offset + self.picture.begin_seconds - self.sound.begin_seconds + self.sound_begin_seconds
        return Fraction(round(exact * self.sound.sample_rate_hz), self.sound.sample_rate_hz)

    @property
    def doubt(self) -> str:
        """What a person should look at; "" where all is sure."""
        if self.match.audio is None:
            best = f"; the best candidate is {_candidate(self.candidates[0])}" if self.candidates else ""
            return f"no recording found{best}"
        if self.audio is None:
            return f"its recording {writable(Path(self.match.audio).name)} is missing"
        if self.match.is_sure:
            return ""
        words = [f"check: pair {self.match.confidence:.2f}"]
        if self.match.offset_confidence is not None:
            words.append(f"offset {self.match.offset_confidence:.2f}")
        if self.match.offset_seconds is None:
            words.append("its offset is unknown, both start together")
        others = [item for item in self.candidates if item.audio != self.match.audio]
        words += [f"next {_candidate(item)}" for item in others[:1]]
        return ", ".join(words)


def _candidate(item: Candidate) -> str:
    return f"{writable(Path(item.audio).name)} ({item.confidence:.2f})"


@dataclass(frozen=True)
class Excerpt:
    """A piece of a file on the timeline.

    Attributes:
        media: the file.
        begin_seconds: where the piece begins, from the file's first frame or sample on.
        at_frame: where it lies on the timeline, from its beginning on.
        num_frames: of the timeline.
    """

    media: MediaInfo
    begin_seconds: Fraction
    at_frame: int
    num_frames: int

    @property
    def end_frame(self) -> int:
        """The first frame behind it."""
        return self.at_frame + self.num_frames

    @property
    def source_seconds(self) -> Fraction:
        """Where the piece begins, in the time of day that the file has."""
        return self.media.start_seconds + self.begin_seconds


@dataclass(frozen=True)
class Clip:
    """A clip on the timeline.

    Attributes:
        pair: what it shows.
        picture: its picture, from the first frame on.
        sound: the piece of the recording that belongs to it; None without one, or where it doesn't reach the clip.
        lane: 0, or higher where other clips show the same moment.
        number: among the timeline's clips, from 1 on.
    """

    pair: Pair
    picture: Excerpt
    sound: Excerpt | None
    lane: int = 0
    number: int = 0

    @property
    def name(self) -> str:
        """The file's name without suffix."""
        return self.pair.video.path.stem

    @property
    def is_muted(self) -> bool:
        """Whether another clip of the same moment has the sound."""
        return self.lane > 0 and not self.pair.is_heard

    @property
    def doubt(self) -> str:
        """What a person should look at; "" where all is sure."""
        if self.pair.audio is not None and self.sound is None:
            return f"{self.pair.audio.path.name} has no sound at that time"
        return self.pair.doubt


@dataclass(frozen=True)
class Timeline:
    """A shoot, laid out.

    Attributes:
        name: for people.
        rate: frames a second, that of most clips.
        is_drop: whether its timecode is drop-frame.
        clips: in the order of the timeline's first lane.
        width, height: in pixels, of most clips.
        pixel_aspect: width of a pixel divided by its height, of most clips.
    """

    name: str
    rate: Fraction
    is_drop: bool
    clips: tuple[Clip, ...]
    width: int
    height: int
    pixel_aspect: Fraction

    @property
    def start(self) -> Timecode:
        """01:00:00:00, where programmes begin by tradition."""
        label = parse_timecode("01:00:00;00" if self.is_drop else "01:00:00:00", self.rate)
        assert label is not None
        return label

    @property
    def num_frames(self) -> int:
        """Up to the end of the last clip."""
        return max((clip.picture.end_frame for clip in self.clips), default=0)

    @property
    def num_lanes(self) -> int:
        """At least 1."""
        return max((clip.lane for clip in self.clips), default=0) + 1

    @property
    def num_channels(self) -> int:
        """Of the recording that has most."""
        return max((clip.pair.sound.num_channels for clip in self.clips if clip.pair.sound is not None), default=0)

    def label(self, at_frame: int) -> Timecode:
        """The timecode of one of its frames."""
        return Timecode(self.start.frame + at_frame, self.rate, self.is_drop)

    def lane(self, number: int) -> tuple[Clip, ...]:
        """Its clips, in the order of time."""
        return tuple(clip for clip in self.clips if clip.lane == number)


def lay_out(name: str, pairs: Sequence[Pair], *, is_many: bool = False, has_lanes: bool = True) -> Timeline:
    """Put clips on a timeline.

    Args:
        name: of the timeline.
        pairs: at least one; in this order.
        is_many: a recording may cover several clips, which then stand as they lie in it.
        has_lanes: further recordings of a clip lie below it; else the clip comes once more with each.
    """
    if not has_lanes:
        pairs = [single for pair in pairs for single in (replace(pair, further=()), *pair.further)]
    rate = _most(pair.picture.rate for pair in pairs)
    at_rate = [pair for pair in pairs if pair.picture.rate == rate]
    is_drop = can_drop(rate) and _most(pair.video.start is not None and pair.video.start.is_drop for pair in at_rate)
    width, height, aspect = _most(
        (item.width, item.height, item.pixel_aspect) for item in (pair.picture for pair in pairs)
    )
    clips: list[Clip] = []
    at_frame = 0
    for group in _groups(pairs, is_many=is_many):
        placed = list(_placed(group, rate, at_frame))
        clips += placed
        at_frame = max(clip.picture.end_frame for clip in placed)
    numbered = tuple(replace(clip, number=number) for number, clip in enumerate(clips, start=1))
    return Timeline(writable(name), rate, is_drop, numbered, width, height, aspect)


def _most(values: Iterable[T]) -> T:
    """The most frequent value; of several the first."""
    return Counter(values).most_common(1)[0][0]


def _groups(pairs: Sequence[Pair], *, is_many: bool) -> list[list[Pair]]:
    """The clips of each recording, where a recording may have several; else each by itself."""
    groups: dict[object, list[Pair]] = {}
    for number, pair in enumerate(pairs):
        key = pair.audio.path if is_many and pair.audio is not None else number
        groups.setdefault(key, []).append(pair)
    return list(groups.values())


def _placed(group: list[Pair], rate: Fraction, at_frame: int) -> Iterator[Clip]:
    """The clips of one recording, as far apart as they lie in it, each on the first lane that is free."""
    ordered = sorted(group, key=lambda pair: pair.lag_seconds or 0)
    first = ordered[0].lag_seconds or Fraction(0)
    ends: list[int] = []
    for pair in ordered:
        at = at_frame + round(((pair.lag_seconds or 0) - first) * rate)
        lane = next((number for number, end in enumerate(ends) if end <= at), len(ends))
        clip = _clip(pair, rate, at, lane)
        ends[lane : lane + 1] = [clip.picture.end_frame]
        yield clip
        for further in pair.further:
            lane = next((number for number, end in enumerate(ends) if end <= at), len(ends))
            ends[lane : lane + 1] = [clip.picture.end_frame]
            yield _clip(further, rate, at, lane)


def _clip(pair: Pair, rate: Fraction, at_frame: int, lane: int) -> Clip:
    num_frames = max(1, math.floor(pair.picture.duration_seconds * rate))
    picture = Excerpt(pair.video, Fraction(0), at_frame, num_frames)
    lag, sound = pair.lag_seconds, pair.sound
    if pair.audio is None or sound is None or lag is None:
        return Clip(pair, picture, None, lane)
    first = pair.sound_begin_seconds  # what lies before the first frame of its picture, editors don't reach
    begin = math.ceil(max(Fraction(0), first - lag, -lag) * rate)
    end = min(num_frames, math.floor((first + sound.duration_seconds - lag) * rate))
    if end <= begin:
        return Clip(pair, picture, None, lane)
    return Clip(pair, picture, Excerpt(pair.audio, begin / rate + lag, at_frame + begin, end - begin), lane)


def label_of(media: MediaInfo, seconds: Fraction, timeline: Timeline) -> Timecode:
    """The timecode of a file some seconds behind its first frame or sample, in its own count, or the timeline's."""
    start, picture = media.start, media.picture
    time = media.start_seconds + seconds
    if start is not None and start.rate is not None:
        return timecode_at(time, start.rate, is_drop=start.is_drop)
    rate = timeline.rate if picture is None else picture.rate
    return timecode_at(time, rate, is_drop=timeline.is_drop and rate == timeline.rate)


def is_drop_in(media: MediaInfo, timeline: Timeline) -> bool:
    """Whether a file's timecode is drop-frame at the timeline's rate: as the file says, or else the timeline."""
    start = media.start
    says = timeline.is_drop if start is None or start.rate is None else start.is_drop
    return says and can_drop(timeline.rate)


def by_rate(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """The clips of each rate, the most frequent first, for formats that hold one rate."""
    rates = Counter(pair.picture.rate for pair in pairs)
    return [[pair for pair in pairs if pair.picture.rate == rate] for rate, _ in rates.most_common()]


def rounding_frames(timeline: Timeline, *, in_file: bool) -> list[Fraction]:
    """By how much each sound moves where its place is rounded to a frame, in frames; 0 or more.

    Args:
        in_file: places are counted from a file's beginning; else as times of day.
    """
    sounds = [clip.sound for clip in timeline.clips if clip.sound is not None]
    exact = [(item.begin_seconds if in_file else item.source_seconds) * timeline.rate for item in sounds]
    return [abs(round(place) - place) for place in exact]
