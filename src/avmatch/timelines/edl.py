"""CMX 3600 edit decision lists: Avid and everyone. The sequence, a clip's picture and its sound an event each.

Everything is whole frames of one rate, but a file's timecode is drop-frame where the file says so, as on its label.
What a sound lacks to a frame stands in a comment, in hundredths of a frame. The first two channels are in the event,
further ones in the line AUD below it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from avmatch.media.timecode import timecode_at
from avmatch.timelines.markup import Places
from avmatch.timelines.shoot import Clip, Excerpt, Timeline, is_drop_in

#: Most systems take names of reels up to this length; letters, digits, dots, dashes and underscores.
MAX_REEL_LETTERS = 32
_NOT_IN_REELS = re.compile(r"[^A-Za-z0-9_.-]+")
#: Black, and a source without timecode.
_RESERVED_REELS = frozenset({"bl", "ax"})


def edl(timeline: Timeline, places: Places) -> bytes:
    """The timeline as an edit decision list."""
    lines = [f"TITLE: {timeline.name}", f"FCM: {'DROP FRAME' if timeline.is_drop else 'NON-DROP FRAME'}", ""]
    reels, number = Reels(), 0
    for clip in timeline.clips:
        number += 1
        lines += [_event(number, reels, "V", clip.picture, timeline), *_comments(clip, clip.picture, timeline)]
        if clip.sound is not None and clip.pair.sound is not None:
            number += 1
            num = clip.pair.sound.num_channels
            lines.append(_event(number, reels, "A" if num == 1 else "AA", clip.sound, timeline))
            lines += [
                f"AUD   {first:<4d} {first + 1 if first < num else '':<4}".rstrip() for first in range(3, num + 1, 2)
            ]
            lines += _comments(clip, clip.sound, timeline)
    return "\n".join([*lines, ""]).encode()


class Reels:
    """Names for files that a list can hold, a file one name; capitals alone don't distinguish them."""

    def __init__(self) -> None:
        self._names: dict[object, str] = {}

    def name(self, excerpt: Excerpt) -> str:
        """The file's name without suffix, in the letters that are allowed; with a number where that was used before."""
        path = excerpt.media.path
        if path not in self._names:
            stem = _NOT_IN_REELS.sub("_", path.stem).strip("_") or "REEL"
            taken = _RESERVED_REELS | {name.lower() for name in self._names.values()}
            name, number = stem[:MAX_REEL_LETTERS], 2
            while name.lower() in taken:
                tail = f"_{number}"
                name, number = f"{stem[: MAX_REEL_LETTERS - len(tail)]}{tail}", number + 1
            self._names[path] = name
        return self._names[path]


def _event(number: int, reels: Reels, channels: str, excerpt: Excerpt, timeline: Timeline) -> str:
    source = round(excerpt.source_seconds * timeline.rate)
    ends = (source, source + excerpt.num_frames)
    is_drop = is_drop_in(excerpt.media, timeline)
    times = [str(timecode_at(frame / timeline.rate, timeline.rate, is_drop=is_drop)) for frame in ends]
    times += [str(timeline.label(frame)) for frame in (excerpt.at_frame, excerpt.end_frame)]
    return f"{number:03d}  {reels.name(excerpt):8} {channels:5} C        {' '.join(times)}"


def _comments(clip: Clip, excerpt: Excerpt, timeline: Timeline) -> Iterator[str]:
    yield f"* FROM CLIP NAME:  {excerpt.media.path.name}"
    if excerpt is clip.picture:
        if clip.doubt:
            yield f"* LOC: {timeline.label(excerpt.at_frame)} YELLOW  {clip.doubt}"
        return
    exact = excerpt.source_seconds * timeline.rate
    if rest := round(100 * (exact - round(exact))):
        yield f"* SOUND BEGINS {rest:+d}/100 FRAMES FROM THERE"


def sub_frames(frames: Fraction) -> tuple[int, int]:
    """Whole frames, and hundredths of a frame, of the same sign or none."""
    hundredths = round(100 * abs(frames))
    whole, rest = divmod(hundredths, 100)
    return (whole, rest) if frames >= 0 else (-whole, -rest)
