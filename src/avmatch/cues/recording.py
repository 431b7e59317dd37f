"""Two cues that compare recordings as such: by their duration, and with the camera's own sound.

Duration: a recording is about as long as the picture that it belongs to. The cue is weak on purpose. Files that belong
together were often cut together, and then differ by less than a tenth of a second; but many were not, and in many
folders everything has the same length. So the evidence is the log-likelihood ratio between "a fifth of the true pairs
differ by a Laplace-distributed time of 50 ms, the others as pairs that don't match do" and "as pairs that don't match
do", by the lengths in the gallery itself. Weighted by its calibration, it adds at most one nat, and takes away a tenth;
where half the gallery has the same length, next to nothing either way.

Scratch sound: the camera's own sound against the recording, by FFT cross-correlation. Eight bands of onset flux at 100
Hz, flattened, are correlated band by band (Wiener–Khinchin); the nats follow from the mean correlation over the bands
as in `synchrony.py`. Where there is scratch sound, it all but decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Float32

from avmatch.core.errors import Reason
from avmatch.core.features import BAND_RATE_HZ, AudioFeatures, VideoFeatures
from avmatch.cues.evidence import Calibration, Curves, Lags
from avmatch.cues.motion import audio_reason
from avmatch.frontends.event_signals import flattened

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


SCRATCH_CALIBRATION = Calibration(weight=1.0)
#: Bands of one sound rise together: they count as this many independent ones.
INDEPENDENT_BANDS = 2.0
MIN_OVERLAP_SECONDS = 0.5
MAX_CORRELATION = 0.99


@dataclass(frozen=True)
class ScratchCue:
    """Evidence from the video's own sound."""

    calibration: Calibration = SCRATCH_CALIBRATION
    name: str = "scratch"

    def curves(self, videos: Sequence[VideoFeatures], audios: Sequence[AudioFeatures], lags_seconds: Lags) -> Curves:
        """Evidence for every pair at every offset (see Cue)."""
        video_reasons = tuple(_reason(video) for video in videos)
        audio_reasons = tuple(audio_reason(audio) for audio in audios)
        nats = np.zeros((len(videos), len(audios), len(lags_seconds)), np.float32)
        recordings = [_bands(audio) for audio in audios]
        for row, video in enumerate(videos):
            if video.scratch is None or video_reasons[row] is not None:
                continue
            own = _bands(video.scratch)
            for column, audio in enumerate(audios):
                if audio_reasons[column] is None:
                    shift = audio.start_seconds - video.scratch.start_seconds
                    nats[row, column] = _nats(own, recordings[column], lags_seconds - shift)
        return Curves(nats, video_reasons, audio_reasons)


def _reason(video: VideoFeatures) -> Reason | None:
    return "no_audio" if video.scratch is None else audio_reason(video.scratch)


def _bands(audio: AudioFeatures) -> Float32[np.ndarray, "T B"]:
    return flattened(np.log1p(audio.flux.astype(np.float32)), BAND_RATE_HZ)


def _nats(
    own: Float32[np.ndarray, "S B"], recording: Float32[np.ndarray, "T B"], lags_seconds: Float[np.ndarray, " L"]
) -> Float32[np.ndarray, " L"]:
    """Cross-correlation over all shifts at once, read at the lags asked for (linear in between)."""
    size = 1 << (len(own) + len(recording)).bit_length()

    def correlated(a: Float[np.ndarray, "S B"], b: Float[np.ndarray, "T B"]) -> Float[np.ndarray, " size"]:
        spectrum = np.fft.rfft(a, size, axis=0).conj() * np.fft.rfft(b, size, axis=0)
        return np.fft.irfft(spectrum.sum(axis=1), size)

    ones_own, ones_recording = np.ones_like(own), np.ones_like(recording)
    product = correlated(own, recording)
    energy = correlated(own**2, ones_recording) * correlated(ones_own, recording**2)
    overlap = correlated(ones_own, ones_recording) / own.shape[1]
    correlation = product / np.sqrt(np.maximum(energy, 1e-6))
    correlation = np.where(overlap >= MIN_OVERLAP_SECONDS * BAND_RATE_HZ, correlation, 0.0)
    shifts = np.arange(-len(own), len(recording))
    at = np.interp(lags_seconds * BAND_RATE_HZ, shifts, correlation[shifts], left=0.0, right=0.0)
    ticks = np.interp(lags_seconds * BAND_RATE_HZ, shifts, overlap[shifts], left=0.0, right=0.0)
    capped = np.clip(at, 0.0, MAX_CORRELATION)
    nats: Float32[np.ndarray, " L"] = (
        -0.5 * INDEPENDENT_BANDS * ticks / 4.0 * np.log(1.0 - capped**2)  # 4 band ticks are one independent one
    ).astype(np.float32)
    return nats
