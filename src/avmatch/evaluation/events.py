"""The model for any sound over pairs of media: the same evidence as in `match`, for galleries of which all is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from avmatch.core.features import BAND_RATE_HZ, TICK_RATE_HZ, AudioFeatures, VideoFeatures
from avmatch.cues.events import EventCue, KindCue
from avmatch.datasets.tracks import MOTION_AND_BANDS, split_bands
from avmatch.encoders.events import EventModel
from avmatch.evaluation.galleries import Gallery, gallery_clips
from avmatch.matching.fusion import fused_scores, usual_offsets

#: Offsets that partners may have, as `match` has them.
LAGS_SECONDS = np.arange(-TICK_RATE_HZ, TICK_RATE_HZ + 1) / TICK_RATE_HZ


def event_similarities(
    model: EventModel, gallery: Gallery, conditions: Sequence[float | None], seed: int
) -> list[Float32[np.ndarray, "N N"]]:
    """The evidence in nats of every video with every audio, in each condition.

    Args:
        conditions: signal-to-noise ratios in dB; None = as it is.

    Raises:
        MediaError: a file can't be used; a gallery with gaps would measure something else.
        UsageError: noise is wanted on shards, which hold no waveforms, or they were packed otherwise.
    """
    clips = list(gallery_clips(gallery, MOTION_AND_BANDS, conditions, seed))
    videos = [video_features(motion) for motion, _ in clips]
    matrices = []
    for place in range(len(conditions)):
        audios = [audio_features(sounds[place]) for _, sounds in clips]
        cues = (EventCue(model), KindCue(model))
        matrices.append(fused_scores(cues, videos, audios, LAGS_SECONDS, usual_offsets(LAGS_SECONDS)).nats)
    return matrices


def video_features(motion: np.ndarray) -> VideoFeatures:
    """As the analysis of a file has it."""
    return VideoFeatures(0.5 / TICK_RATE_HZ, motion, (), float(TICK_RATE_HZ), len(motion) / TICK_RATE_HZ)


def audio_features(bands: np.ndarray, start_seconds: float = 0.0) -> AudioFeatures:
    """The same of a sound that begins then."""
    flux, level, spectrum = split_bands(bands)
    seconds = len(bands) / BAND_RATE_HZ
    return AudioFeatures(start_seconds + 0.5 / BAND_RATE_HZ, flux, level, seconds, peak=1.0, spectrum=spectrum)
