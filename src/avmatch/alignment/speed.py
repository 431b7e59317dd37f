"""Does the sound run at another speed? Film on television, a sample rate taken for another (core/speeds.py).

Such a sound agrees with the picture nowhere for long, so that no offset is found. Each speed is taken out of the
features, and offsets are looked for again: in the middle of the picture first, and for the best of them in all of it.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from avmatch.alignment.cuts import audio_between, between
from avmatch.alignment.drift import MILLIONTH, Drift, estimate_drift, without_drift
from avmatch.alignment.offset import WIDE_SECONDS, OffsetEstimate, estimate_offset, offset_lags
from avmatch.core.features import AudioFeatures, VideoFeatures
from avmatch.core.speeds import SPEEDS
from avmatch.cues.evidence import Cue

#: Shorter pictures show too little of a speed.
LEAST_SECONDS = 12.0
#: Speeds are tried on so much of the picture, at every fourth offset: 40 ms, a tick of the picture, apart.
TRIED_SECONDS, LAG_STEPS = 30.0, 4
#: Of sound before and after it.
MARGIN_SECONDS = 1.0
#: By how much a speed must be better than none, in nats: in the middle of the picture, and in all of it; and how sure
#: its offset must be, as there are many speeds.
ROUGH_GAIN_NATS, LEAST_GAIN_NATS, LEAST_CONFIDENCE = 5.0, 10.0, 0.9
#: What the slope isn't known better than: so much at either end of the picture.
SLACK_SECONDS = 0.04


def find_speed(
    cues: Sequence[Cue],
    video: VideoFeatures,
    audio: AudioFeatures,
    origin_seconds: float,
    plain_nats: float,
    *,
    max_offset_seconds: float,
) -> tuple[OffsetEstimate, Drift] | None:
    """The offset at the picture's beginning and the drift of a sound that runs at another speed.

    None if it doesn't, or if offsets are searched so far away that this would take long.

    Args:
        origin_seconds: the picture's beginning, of which `video` may be a part.
        plain_nats: the evidence for the best offset, or offsets, without any.
    """
    if min(video.duration_seconds, audio.duration_seconds) < LEAST_SECONDS or max_offset_seconds > WIDE_SECONDS:
        return None
    ppm = _likeliest(cues, video, audio, origin_seconds, max_offset_seconds)
    if ppm is None:
        return None
    steady = without_drift(audio, ppm, origin_seconds)
    rest = estimate_drift(cues, video, steady, max_offset_seconds=max_offset_seconds)
    if rest is not None:
        ppm = ((1.0 + ppm * MILLIONTH) * (1.0 + rest.drift_ppm * MILLIONTH) - 1.0) / MILLIONTH
        steady = without_drift(audio, ppm, origin_seconds)
    found = estimate_offset(cues, video, steady, max_offset_seconds=max_offset_seconds)
    if found.offset_seconds is None or found.figures is None or found.confidence < LEAST_CONFIDENCE:
        return None
    if found.figures.height < plain_nats + LEAST_GAIN_NATS:
        return None
    # It was measured in a sound that is that much shorter or longer.
    pace = 1.0 + ppm * MILLIONTH
    found = replace(found, offset_seconds=found.offset_seconds * pace, lags_seconds=found.lags_seconds * pace)
    slack = SLACK_SECONDS / video.duration_seconds / MILLIONTH
    low, high = (-slack, slack) if rest is None else (bound - rest.drift_ppm for bound in rest.interval_ppm)
    return found, Drift(ppm, (ppm + low, ppm + high), 0.0 if rest is None else rest.start_error_seconds)


def _likeliest(
    cues: Sequence[Cue], video: VideoFeatures, audio: AudioFeatures, origin_seconds: float, max_offset_seconds: float
) -> float | None:
    """The drift of the speed under which the middle of the picture agrees best with the sound, at any offset.

    None if it agrees about as well as it is.
    """
    drifts = [0.0] + [speed.drift_ppm(is_sound_fast=is_fast) for speed in SPEEDS for is_fast in (True, False)]
    middle = video.start_seconds + 0.5 * video.duration_seconds
    begin, end = middle - 0.5 * TRIED_SECONDS, middle + 0.5 * TRIED_SECONDS
    reach = max_offset_seconds + MARGIN_SECONDS
    sounds = [audio_between(without_drift(audio, ppm, origin_seconds), begin - reach, end + reach) for ppm in drifts]
    lags = offset_lags(max_offset_seconds)[::LAG_STEPS]
    curves = [cue.calibration.weight * cue.curves([between(video, begin, end)], sounds, lags).nats[0] for cue in cues]
    plain, *heights = np.sum(curves, axis=0).max(axis=1).tolist()
    best = int(np.argmax(heights))
    return None if heights[best] < plain + ROUGH_GAIN_NATS else drifts[1 + best]
