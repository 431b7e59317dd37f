"""A cue that compares files as such, by their duration.

A recording is about as long as the picture that it belongs to. The cue is weak on purpose. Files that belong
together were often cut together, and then differ by less than a tenth of a second; but many were not, and in many
folders everything has the same length. So the evidence is the log-likelihood ratio between "a fifth of the true pairs
differ by a Laplace-distributed time of 50 ms, the others as pairs that don't match do" and "as pairs that don't match
do", by the lengths in the gallery itself. Weighted by its calibration, it adds at most one nat, and takes away a tenth;
where half the gallery has the same length, next to nothing either way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from avmatch.core.features import AudioFeatures, VideoFeatures
from avmatch.cues.evidence import Calibration, Curves, Lags

SCALE_SECONDS = 0.05
CUT_TOGETHER = 0.2
MAX_NATS = 2.0
DURATION_CALIBRATION = Calibration(weight=0.5)


@dataclass(frozen=True)
class DurationCue:
    """Evidence from equal lengths; the same at every offset."""

    calibration: Calibration = DURATION_CALIBRATION
    name: str = "duration"
    is_timeless: ClassVar[bool] = True

    def curves(self, videos: Sequence[VideoFeatures], audios: Sequence[AudioFeatures], lags_seconds: Lags) -> Curves:
        """Evidence for every pair at every offset (see Cue)."""
        video_seconds = np.array([video.duration_seconds for video in videos])
        audio_seconds = np.array([audio.duration_seconds for audio in audios])
        difference = np.abs(video_seconds[:, None] - audio_seconds[None])
        together = np.exp(-difference / SCALE_SECONDS)
        unmatched = together.mean(axis=1, keepdims=True) if audio_seconds.size else 1.0
        ratio = CUT_TOGETHER * together / np.maximum(unmatched, 1e-6) + 1.0 - CUT_TOGETHER
        nats = np.minimum(np.log(ratio), MAX_NATS).astype(np.float32)
        shape = (*nats.shape, len(lags_seconds))
        return Curves(np.broadcast_to(nats[..., None], shape), (None,) * len(videos), (None,) * len(audios))
