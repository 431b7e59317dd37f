"""Seconds ↔ samples ↔ frames ↔ milliseconds: the only file that converts between them.

Convention: an offset is positive when the sound comes late, that is when the sound of an event is heard
`offset` seconds after the event is seen.
"""

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
