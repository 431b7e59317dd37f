"""Learned towers behind the same door: unit vectors of picture and sound, compared at every offset.

A model is a pair of ONNX towers (encoders/tower.py) that give (T, D) unit vectors at one stated rate. The mean cosine
similarity over the overlap, times a scale stated in the model's description, is its evidence per independent step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from avmatch.core.features import AudioFeatures, Embeddings, VideoFeatures
from avmatch.cues.evidence import Calibration, Curves

CALIBRATION = Calibration(weight=1.0)
BLOCK_TICKS = 256


@dataclass(frozen=True)
class EmbeddingCue:
    """Evidence from a model's towers.

    Attributes:
        model: the name under which the towers' vectors are kept in the features.
        scale: nats per independent step and unit of (similarity − baseline).
        baseline: the mean similarity of strangers.
        independent_seconds: how far apart steps must be to count as independent.
    """

    model: str
    scale: float = 1.0
    baseline: float = 0.0
    independent_seconds: float = 0.2
    calibration: Calibration = CALIBRATION

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model

    def curves(
        self,
        videos: Sequence[VideoFeatures],
        audios: Sequence[AudioFeatures],
        lags_seconds: Float[np.ndarray, " L"],
    ) -> Curves:
        """Evidence for every pair at every offset (see Cue). A file without vectors abstains."""
        seen = [video.embeddings.get(self.model) for video in videos]
        heard = [audio.embeddings.get(self.model) for audio in audios]
        nats = np.zeros((len(videos), len(audios), len(lags_seconds)), np.float32)
        for row, video in enumerate(seen):
            for column, audio in enumerate(heard):
                if video is not None and audio is not None:
                    nats[row, column] = self._nats(video, audio, lags_seconds)
        return Curves(
            nats,
            tuple("too_short" if item is None else None for item in seen),
            tuple("too_short" if item is None else None for item in heard),
        )

    def _nats(
        self, video: Embeddings, audio: Embeddings, lags_seconds: Float[np.ndarray, " L"]
    ) -> Float32[np.ndarray, " L"]:
        total = np.zeros(len(lags_seconds))
        for begin in range(0, len(video.data), BLOCK_TICKS):  # long files have too many pairs of ticks for one matrix
            block = video.data[begin : begin + BLOCK_TICKS].astype(np.float32)
            times = video.start_seconds + (begin + np.arange(len(block))) / video.rate_hz
            at = np.rint((times[None] + lags_seconds[:, None] - audio.start_seconds) * audio.rate_hz).astype(int)
            first, end = max(int(at.min()), 0), min(int(at.max()) + 1, len(audio.data))
            if first >= end:
                continue
            similarity = block @ audio.data[first:end].astype(np.float32).T
            found = similarity[np.arange(len(block)), np.clip(at - first, 0, end - first - 1)]
            total += np.where((at >= 0) & (at < len(audio.data)), found - self.baseline, 0.0).sum(axis=1)
        independent = 1.0 / (self.independent_seconds * video.rate_hz)
        nats: Float32[np.ndarray, " L"] = (self.scale * independent * total).astype(np.float32)
        return nats
