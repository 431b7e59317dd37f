"""Duration: a recording is about as long as the picture that it belongs to. Weak on purpose.

Files that belong together were often cut together, and then differ by less than a tenth of a second; but many were
not, and in many folders everything has the same length. So the evidence is the log-likelihood ratio between "a fifth
of the true partners differ by a Laplace-distributed time of 50 ms, the others as strangers do" and "as strangers do",
where strangers are the gallery itself. Weighted by its calibration, it adds
at most one nat, and takes away a tenth; where half the gallery has the same length, next to nothing either way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from avmatch.core.features import AudioFeatures, VideoFeatures
from avmatch.cues.evidence import Calibration, Curves

SCALE_SECONDS = 0.05
CUT_TOGETHER = 0.2
MAX_NATS = 2.0
CALIBRATION = Calibration(weight=0.5)


@dataclass(frozen=True)
class DurationCue:
    """Evidence from equal lengths; the same at every offset."""

    calibration: Calibration = CALIBRATION
    name: str = "duration"

    def curves(
        self,
        videos: Sequence[VideoFeatures],
        audios: Sequence[AudioFeatures],
        lags_seconds: Float[np.ndarray, " L"],
    ) -> Curves:
        """Evidence for every pair at every offset (see Cue)."""
        seen = np.array([video.duration_seconds for video in videos])
        heard = np.array([audio.duration_seconds for audio in audios])
        difference = np.abs(seen[:, None] - heard[None])
        together = np.exp(-difference / SCALE_SECONDS)
        strangers = together.mean(axis=1, keepdims=True) if heard.size else 1.0
        ratio = CUT_TOGETHER * together / np.maximum(strangers, 1e-6) + 1.0 - CUT_TOGETHER
        nats = np.minimum(np.log(ratio), MAX_NATS).astype(np.float32)
        shape = (*nats.shape, len(lags_seconds))
        return Curves(np.broadcast_to(nats[..., None], shape), (None,) * len(videos), (None,) * len(audios))
