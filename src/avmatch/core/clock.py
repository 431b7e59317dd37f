"""Seconds ↔ samples ↔ frames ↔ milliseconds ↔ text: the only file that converts between them; and what viewers notice.

Convention: an offset is positive when the sound comes late, that is when the sound of an event is heard
`offset` seconds after the event is seen.
"""

import math
import re
from typing import Literal

Verdict = Literal["in_sync", "early_noticed", "late_noticed", "early_unacceptable", "late_unacceptable"]

MILLISECONDS_PER_SECOND = 1000.0


def samples_from_seconds(seconds: float, sample_rate_hz: float) -> int:
    """The nearest whole number of samples in `seconds`."""
    return round(seconds * sample_rate_hz)


def seconds_from_samples(num_samples: int, sample_rate_hz: float) -> float:
    """How long `num_samples` last."""
    return num_samples / sample_rate_hz


def frames_from_seconds(seconds: float, fps: float) -> float:
    """`seconds` as a number of frames, fractions kept."""
    return seconds * fps


def milliseconds_from_seconds(seconds: float) -> float:
    """`seconds` in milliseconds, rounded to the tenth that files are written with."""
    return round(seconds * MILLISECONDS_PER_SECOND, 1) + 0.0  # −0.0 becomes 0.0


def seconds_from_milliseconds(milliseconds: float) -> float:
    """`milliseconds` in seconds."""
    return milliseconds / MILLISECONDS_PER_SECOND


#: Of a number with a unit, how many seconds it is.
_UNITS = {"": 1.0, "s": 1.0, "ms": 0.001, "min": 60.0, "h": 3600.0}
_WITH_UNIT = re.compile(r"([+-]?)(\d+(?:\.\d*)?|\.\d+)\s*(ms|s|min|h|)")
_ON_A_CLOCK = re.compile(r"([+-]?)(?:(\d+):)?(\d+):([0-5]?\d(?:\.\d*)?)")


def seconds_from_text(text: str) -> float:
    """A duration as people write it: 90, 1:30, 1:02:03.5, 250ms, 2min.

    Raises:
        ValueError: the text is no duration.
    """
    if found := _WITH_UNIT.fullmatch(text.strip()):
        sign, number, unit = found.groups()
        seconds = float(number) * _UNITS[unit]
    elif found := _ON_A_CLOCK.fullmatch(text.strip()):
        sign, hours, minutes, rest = found.groups()
        seconds = int(hours or 0) * 3600.0 + int(minutes) * 60.0 + float(rest)
    else:
        raise ValueError(f"{text!r} is no duration; write seconds (90, 0.5), 1:30, 1:02:03 or 250ms")
    return -seconds if sign == "-" else seconds


def clock_text(seconds: float) -> str:
    """The size of a duration on a clock, h:mm:ss.mmm: "0:01:23.400"."""
    total_ms = round(abs(seconds) * MILLISECONDS_PER_SECOND)
    minutes, rest_ms = divmod(total_ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest_ms // 1000:02d}.{rest_ms % 1000:03d}"


#: What tables show where there is nothing to show.
NOTHING = "—"
#: From here on milliseconds stop being readable (a clip placed inside a long recording).
CLOCK_FROM_SECONDS = 10.0


def offset_text(offset_seconds: float | None, interval_seconds: tuple[float, float] | None = None) -> str:
    """An offset as tables show it: "+27 ± 40 ms", from ten seconds on "−0:01:23.400 ± 40 ms"; "—" when there is none.

    Args:
        interval_seconds: what it lies in with a probability of 95 %; ± is the distance to its farther end.
    """
    if offset_seconds is None or not math.isfinite(offset_seconds):
        return NOTHING
    size = abs(offset_seconds)
    is_long = size >= CLOCK_FROM_SECONDS
    amount = clock_text(size) if is_long else f"{milliseconds_from_seconds(size):.0f}"
    sign = "" if amount == "0" else "+" if offset_seconds > 0 else "−"
    unit = "" if is_long else " ms"
    if interval_seconds is None:
        return f"{sign}{amount}{unit}"
    farther = max(abs(bound - offset_seconds) for bound in interval_seconds)
    return f"{sign}{amount} ± {milliseconds_from_seconds(farther):.0f} ms"


#: ITU-R BT.1359-1, figure 2: detectability +45 ms to -125 ms and acceptability +90 ms to -185 ms, where the
#: recommendation's positive sign means that the sound is *early*, the opposite of ours.
UNNOTICED_SECONDS, ACCEPTED_SECONDS = (-0.045, 0.125), (-0.090, 0.185)


def itu_verdict(offset_seconds: float) -> Verdict:
    """Whether viewers notice, or refuse, an offset (ITU-R BT.1359-1); positive = the sound comes late."""
    if UNNOTICED_SECONDS[0] <= offset_seconds <= UNNOTICED_SECONDS[1]:
        return "in_sync"
    if ACCEPTED_SECONDS[0] <= offset_seconds <= ACCEPTED_SECONDS[1]:
        return "late_noticed" if offset_seconds > 0 else "early_noticed"
    return "late_unacceptable" if offset_seconds > 0 else "early_unacceptable"
