"""All that can be said of when a sound comes: one offset, a drift, another speed, or several offsets one after another.

the part of the picture that has a sound → stretches → a drift? → jumps? → one offset → if unsure: another speed?
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from avmatch.alignment.breaks import Part, find_parts
from avmatch.alignment.cuts import between
from avmatch.alignment.drift import MILLIONTH, Drift, cut_up, estimate_drift, without_drift
from avmatch.alignment.offset import (
    JUDGED_SECONDS,
    OK_CONFIDENCE,
    OffsetEstimate,
    estimate_offset,
    offset_interval,
    within,
)
from avmatch.alignment.repeats import first_round
from avmatch.alignment.speed import find_speed
from avmatch.core.features import BAND_RATE_HZ, AudioFeatures, VideoFeatures
from avmatch.core.results import Piece
from avmatch.cues.evidence import Cue
from avmatch.frontends.sound import LOG_FLOOR

#: A picture that has no sound for at least so long at its beginning or its end is measured where it has one.
LEAST_SILENCE_SECONDS = 2.0
#: In wider ranges than this no jumps are looked for: among so many offsets any stretch finds one that it likes.
JUMPS_WITHIN_SECONDS = 30.0
#: Band ticks whose mean logarithm is no further above the floor are digitally silent.
SILENT_NATS = 0.05


@dataclass(frozen=True, eq=False)
class Measurement:
    """When a sound comes.

    Attributes:
        estimate: the offset at the picture's beginning; where there are several, that of the longest piece.
        drift: how it grows, where that is known.
        pieces: the parts of the picture with their offsets; a single one if the sound covers only a part of the
            picture, and none if one offset holds throughout.
    """

    estimate: OffsetEstimate
    drift: Drift | None = None
    pieces: tuple[Piece, ...] = ()


def measure(
    cues: Sequence[Cue], video: VideoFeatures, audio: AudioFeatures, *, max_offset_seconds: float
) -> Measurement:
    """Measure how late the sound comes, and whether that holds throughout.

    A range narrower than JUDGED_SECONDS (offset.py) is measured in that one; the offset is the best of the range asked.
    Of a loop, only the first round counts (repeats.py).
    """
    video = first_round(video, audio)
    found = _in_part(cues, video, audio, max(max_offset_seconds, JUDGED_SECONDS))
    asked = found.estimate if max_offset_seconds >= JUDGED_SECONDS else within(found.estimate, max_offset_seconds)
    return found if asked is found.estimate else Measurement(asked, found.drift)


def _in_part(cues: Sequence[Cue], video: VideoFeatures, audio: AudioFeatures, max_offset_seconds: float) -> Measurement:
    """`measure` of the part of a picture that has a sound."""
    begin, end = heard_span(audio)
    whole = video
    if _silences(video, begin - max_offset_seconds, end + max_offset_seconds):
        video = between(video, begin - max_offset_seconds, end + max_offset_seconds)
    found = _measured(cues, video, audio, whole.start_seconds, max_offset_seconds)
    estimate = found.estimate
    if found.pieces or estimate.offset_seconds is None:
        return found
    pace = 1.0 if found.drift is None else 1.0 + found.drift.drift_ppm * MILLIONTH
    first, last = (
        whole.start_seconds + (at - estimate.offset_seconds - whole.start_seconds) / pace for at in (begin, end)
    )
    if not _silences(whole, first, last):
        return found
    picture_end = whole.start_seconds + whole.duration_seconds
    low, high = offset_interval(estimate)
    until = min(last, picture_end)
    if first <= whole.start_seconds:
        piece = Piece(whole.start_seconds, until, estimate.offset_seconds, (low, high))
    else:
        piece = Piece(first, until, estimate.offset_seconds, (low, high), (begin - high, begin - low))
    return Measurement(estimate, found.drift, (piece,))


def heard_span(audio: AudioFeatures) -> tuple[float, float]:
    """From when on and until when a sound isn't digitally silent, on its own clock."""
    begin, num = audio.start_seconds, len(audio.flux)
    level = audio.spectrum.mean(axis=1, dtype=np.float32) if len(audio.spectrum) else np.zeros(num, np.float32)
    heard = np.flatnonzero(level > np.log(LOG_FLOOR) + SILENT_NATS)
    if not len(heard):
        return begin, begin + num / BAND_RATE_HZ
    return begin + float(heard[0]) / BAND_RATE_HZ, begin + float(heard[-1] + 1) / BAND_RATE_HZ


def _silences(video: VideoFeatures, first_seconds: float, last_seconds: float) -> bool:
    """Whether a picture of which only that span has a sound lacks it for long at one end."""
    before = first_seconds - video.start_seconds
    after = video.start_seconds + video.duration_seconds - last_seconds
    return max(before, after) >= LEAST_SILENCE_SECONDS and last_seconds > first_seconds


def _measured(
    cues: Sequence[Cue], video: VideoFeatures, audio: AudioFeatures, origin_seconds: float, max_offset_seconds: float
) -> Measurement:
    """`measure` of a part of a picture that begins at `origin_seconds`, where drifts have no effect yet."""
    cut = cut_up(cues, video, audio, max_offset_seconds=max_offset_seconds)
    drift = estimate_drift(cues, video, audio, max_offset_seconds=max_offset_seconds, cut=cut)
    parts: tuple[Part, ...] = ()
    if cut is not None and max_offset_seconds <= JUMPS_WITHIN_SECONDS:
        parts = find_parts(cues, video, audio, cut, drift, max_offset_seconds=max_offset_seconds)
    if parts:
        estimate, drift = max(parts, key=lambda part: part.end_seconds - part.begin_seconds).estimate, None
    else:
        sound = audio if drift is None else without_drift(audio, drift.drift_ppm, origin_seconds)
        estimate = estimate_offset(cues, video, sound, max_offset_seconds=max_offset_seconds)
    if estimate.confidence < OK_CONFIDENCE or len(parts) > 2:
        figures = [part.estimate.figures for part in parts] or [estimate.figures]
        plain_nats = sum(known.height for known in figures if known is not None)
        other = find_speed(cues, video, audio, origin_seconds, plain_nats, max_offset_seconds=max_offset_seconds)
        if other is not None:
            return Measurement(*other)
    return Measurement(estimate, drift, tuple(map(_piece, parts)))


def _piece(part: Part) -> Piece:
    assert part.estimate.offset_seconds is not None
    return Piece(
        part.begin_seconds,
        part.end_seconds,
        part.estimate.offset_seconds,
        offset_interval(part.estimate),
        part.begin_interval_seconds,
    )
