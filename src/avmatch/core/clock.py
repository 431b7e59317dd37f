"""Seconds ↔ samples ↔ frames ↔ milliseconds: the only file that converts between them; and what viewers notice of them.

Convention: an offset is positive when the sound comes late, that is when the sound of an event is heard
`offset` seconds after the event is seen.
"""

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
