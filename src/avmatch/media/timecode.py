"""Source timecode: the time of day that a file's first frame or sample has.

A timecode counts frames (SMPTE ST 12-1). At 29.97 and 59.94 frames a second the count falls behind the clock by 3.6 s
an hour; drop-frame timecode leaves out labels, never frames: the first two (four) of each minute but every tenth. Its
labels are written with a semicolon.

A camera counts in the frames of its picture. A recorder writes the samples since midnight into the chunk `bext` of a
WAV (EBU Tech 3285), and the rate that its labels count with into iXML. Both are kept as exact seconds since midnight:
frames divided by the true rate, samples divided by theirs.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

#: What cameras and editors run at.
STANDARD_RATES = tuple(
    Fraction(text) for text in "24000/1001 24 25 30000/1001 30 48000/1001 48 50 60000/1001 60 120000/1001 120".split()
)
_NEAR = Fraction(1, 5000)  # 23.976 and 24 differ by 1/1000
_LABEL = re.compile(r"(\d\d):(\d\d):(\d\d)([:;.,])(\d\d\d?)")
_MINUTES_PER_DAY = 24 * 60


@dataclass(frozen=True)
class Timecode:
    """A label of a frame.

    Attributes:
        frame: how many frames came since midnight, 0 or more.
        rate: frames a second, exactly.
        is_drop: whether labels are left out; only at multiples of 29.97.
    """

    frame: int
    rate: Fraction
    is_drop: bool = False

    def __post_init__(self) -> None:
        if self.rate <= 0 or self.frame < 0:
            raise ValueError(f"a timecode needs a rate above 0 and a frame of 0 or more, got {self.rate}, {self.frame}")
        if self.is_drop and not can_drop(self.rate):
            raise ValueError(f"there is no drop-frame timecode at {float(self.rate):g} frames a second")

    def __str__(self) -> str:
        """HH:MM:SS:FF, or HH:MM:SS;FF for drop-frame; after 24 hours it starts over."""
        base = nominal(self.rate)
        frame = self.frame
        if self.is_drop:
            dropped = base // 15
            tens, rest = divmod(frame, 600 * base - 9 * dropped)
            frame += 9 * dropped * tens
            if rest >= 60 * base:
                frame += dropped * (1 + (rest - 60 * base) // (60 * base - dropped))
        seconds, frames = divmod(frame, base)
        minutes, seconds = divmod(seconds, 60)
        hours, minutes = divmod(minutes, 60)
        digits = len(str(base - 1))
        return f"{hours % 24:02d}:{minutes:02d}:{seconds:02d}{';' if self.is_drop else ':'}{frames:0{max(2, digits)}d}"

    @property
    def seconds(self) -> Fraction:
        """The true time since midnight."""
        return self.frame / self.rate


def parse_timecode(label: str, rate: Fraction) -> Timecode | None:
    """What a label such as 01:00:00;00 says at this rate; None if it says nothing."""
    found = _LABEL.fullmatch(label.strip())
    if found is None:
        return None
    hours, minutes, seconds, frames = (int(found[place]) for place in (1, 2, 3, 5))
    base = nominal(rate)
    if minutes > 59 or seconds > 59 or frames >= base:
        return None
    is_drop = found[4] != ":" and can_drop(rate)
    frame = ((hours * 60 + minutes) * 60 + seconds) * base + frames
    if is_drop:
        total_minutes = hours * 60 + minutes
        frame -= base // 15 * (total_minutes - total_minutes // 10)
    return Timecode(max(0, frame), rate, is_drop)


def timecode_at(seconds: Fraction, rate: Fraction, *, is_drop: bool = False) -> Timecode:
    """The label of the frame that is there at a time since midnight; behind the last label of a day they start over."""
    is_drop = is_drop and can_drop(rate)
    return Timecode(math.floor(seconds * rate) % frames_a_day(rate, is_drop=is_drop), rate, is_drop)


def frames_a_day(rate: Fraction, *, is_drop: bool) -> int:
    """How many labels there are before they start over: at 23.976 they last 86.4 s longer than a day."""
    base = nominal(rate)
    dropped = base // 15 * (_MINUTES_PER_DAY - _MINUTES_PER_DAY // 10) if is_drop else 0
    return 60 * _MINUTES_PER_DAY * base - dropped


def nominal(rate: Fraction) -> int:
    """How many labels a second has: 24 at 23.976."""
    return max(1, math.ceil(rate - Fraction(1, 100)))


def can_drop(rate: Fraction) -> bool:
    """Whether there is drop-frame timecode at this rate."""
    return rate.denominator == 1001 and nominal(rate) % 30 == 0


def standard_rate(rate: Fraction) -> Fraction:
    """The rate that is meant: containers round 24000/1001 to 2997/125 and the like."""
    near = min(STANDARD_RATES, key=lambda known: abs(known - rate))
    return near if abs(near - rate) <= near * _NEAR else rate.limit_denominator(1001)
