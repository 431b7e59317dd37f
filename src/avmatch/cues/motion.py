"""Motion–onset synchrony: does something strike, bounce or turn just when the sound sets in?

Each of the motion channels (frontends/motion.py) votes on its own; of the last, the grey change, only the rise counts,
as in the spectral flux of the sound. Within a channel, one cell of the picture, the more probable the more it moves, is
taken to be the source of the sound.

Where a face fills the picture it is the mouth that speaks, and what else moves misleads: there the evidence is worth
a third.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from avmatch.core.errors import Reason
from avmatch.core.features import TICK_RATE_HZ, AudioFeatures, VideoFeatures
from avmatch.cues.evidence import Calibration, Curves, Lags
from avmatch.cues.synchrony import (
    AudioWindows,
    Series,
    VideoWindow,
    accent_series,
    audio_windows,
    correlation_nats,
    in_blocks,
    level_series,
    log_mean_exp,
    onset_series,
    thinned,
    video_windows,
)
from avmatch.frontends.event_signals import Channel, source_levels
from avmatch.frontends.motion import CHANGE

#: Of the last, the grey change, only the rise counts.
CHANNELS = (Channel(0, 0.1), Channel(1, 0.03), Channel(2, 0.03), Channel(CHANGE, 0.3, is_rise=True))
#: Cells are blurred copies of their neighbours and flow is noisy: their nats overstate, and are tempered before
#: the source is summed out, so that several cells that agree count more than one that shouts.
TEMPER = 0.3
#: Signals of the sound, and what their nats are worth. A million pairs have time for one signal; a single file for two,
#: onset and level, each of which finds its own cells.
SoundSignals = tuple[tuple[Callable[[AudioFeatures], Series], float], ...]
TOGETHER: SoundSignals = ((accent_series, 1.0),)
APART: SoundSignals = ((onset_series, 0.7), (level_series, 0.35))
#: In clips that are in sync the onset is found this much before the change of motion.
LATENCY_SECONDS = -0.015
CALIBRATION = Calibration(weight=1.7, mass_slope=0.327, contrast_slope=0.285, intercept=-1.305)
#: What the evidence is worth in a close-up of a face, and the widths of a face (share of the picture) between which a
#: picture becomes one: drummers shown whole have faces, too.
CLOSE_UP_WORTH = 1 / 3
CLOSE_UP_WIDTHS = (0.15, 0.3)
STATIC_CHANGE = 0.02
SILENT_PEAK = 1e-4


#: A window of a video, and the prior weights of its sources.
Weighted = tuple[VideoWindow, Float[np.ndarray, " S"]]


@dataclass(frozen=True)
class MotionCue:
    """Evidence from the changes of motion in the whole picture."""

    calibration: Calibration = CALIBRATION
    sounds: SoundSignals = TOGETHER
    name: str = "motion"

    def curves(self, videos: Sequence[VideoFeatures], audios: Sequence[AudioFeatures], lags_seconds: Lags) -> Curves:
        """Evidence for every pair at every offset (see Cue)."""
        signals = [Signal(worth, series, window_nats) for series, worth in self.sounds]
        return windowed_curves(videos, audios, lags_seconds, _windows, signals, LATENCY_SECONDS)


@dataclass(frozen=True, eq=False)
class Signal:
    """One signal of a sound, and how a window of a picture is compared with it.

    Attributes:
        worth: what the nats are multiplied by.
        series: of a sound.
        nats: (M, L) of a window, with the prior weights of its sources, and all sounds, some at a time.
    """

    worth: float
    series: Callable[[AudioFeatures], Series]
    nats: Callable[[VideoWindow, Float[np.ndarray, " S"], Sequence[AudioWindows]], Float32[np.ndarray, "M L"]]


def windowed_curves(
    videos: Sequence[VideoFeatures],
    audios: Sequence[AudioFeatures],
    lags_seconds: Float[np.ndarray, " L"],
    windows: Callable[[VideoFeatures], list[Weighted]],
    signals: Sequence[Signal],
    latency_seconds: float = 0.0,
) -> Curves:
    """The nats of all windows of a video and all signals added; in close-ups of faces they are worth less.

    Args:
        latency_seconds: where the signals of what is in sync are found.
    """
    video_reasons = tuple(video_reason(video) for video in videos)
    audio_reasons = tuple(audio_reason(audio) for audio in audios)
    lags, between = thinned(lags_seconds)
    later = lags + latency_seconds
    nats = np.zeros((len(videos), len(audios), len(lags)), np.float32)
    usable = [number for number, reason in enumerate(audio_reasons) if reason is None]
    by_window: dict[int, list[tuple[int, Weighted]]] = {}
    for number, (video, reason) in enumerate(zip(videos, video_reasons, strict=True)):
        if reason is None:
            for weighted in windows(video):
                by_window.setdefault(weighted[0].index, []).append((number, weighted))
    for index, members in by_window.items() if usable else ():
        for signal in signals:
            blocks = in_blocks(audio_windows([signal.series(audios[number]) for number in usable], index, later))
            for number, (window, weights) in members:
                worth = np.float32(signal.worth * close_up_worth(videos[number]))
                nats[number][usable] += worth * signal.nats(window, weights, blocks)
    return Curves(between(nats), video_reasons, audio_reasons)


def _windows(video: VideoFeatures) -> list[Weighted]:
    """The windows of a video; its whole series is not kept."""
    series, weights = motion_series(video)
    return [(window, weights) for window in video_windows(series)]


def window_nats(
    window: VideoWindow, weights: Float[np.ndarray, " C"], blocks: Sequence[AudioWindows]
) -> Float32[np.ndarray, "M L"]:
    """The channels' nats added, each with its most probable cells summed out."""

    def added(sounds: AudioWindows) -> Float32[np.ndarray, "m L"]:
        per_signal = correlation_nats(window, sounds)
        per_channel = (TEMPER * per_signal).reshape(-1, len(weights), *per_signal.shape[1:])
        return np.sum([log_mean_exp(nats, weights) for nats in per_channel], axis=0)

    return np.concatenate([added(sounds) for sounds in blocks])


def motion_series(video: VideoFeatures) -> tuple[Series, Float[np.ndarray, " C"]]:
    """Flattened log levels of the four channels, and prior weights of their sources (frontends/event_signals.py)."""
    values, weights = source_levels(video.motion, CHANNELS)
    return Series(video.start_seconds, TICK_RATE_HZ, values), weights


def close_up_worth(video: VideoFeatures) -> float:
    """What evidence from the motion of the whole picture is worth in this video."""
    return 1.0 - (1.0 - CLOSE_UP_WORTH) * close_up(video)


def close_up(video: VideoFeatures) -> float:
    """How much of the video, 0…1, is a close-up of a face."""
    narrow, wide = CLOSE_UP_WIDTHS
    seconds = sum(
        float(np.ptp(track.pts_seconds))
        * min(max((float(track.boxes[:, 2].mean()) - narrow) / (wide - narrow), 0.0), 1.0)
        for track in video.mouths
    )
    return min(seconds / max(video.duration_seconds, 1e-3), 1.0)


def video_reason(video: VideoFeatures) -> Reason | None:
    """Why motion can't tell anything about this video."""
    if video.motion.shape[0] < TICK_RATE_HZ // 2:
        return "too_short" if video.duration_seconds < 0.5 else "static_picture"
    return "static_picture" if stands_still(video) else None


def stands_still(video: VideoFeatures) -> bool:
    """Whether all that there is of it is a photograph: frames like the one before leave no motion at all."""
    return not len(video.motion) or float(video.motion[:, CHANGE].mean(dtype=np.float32)) < STATIC_CHANGE


def audio_reason(audio: AudioFeatures) -> Reason | None:
    """Why onsets can't tell anything about this sound."""
    if audio.duration_seconds < 0.5:
        return "too_short"
    return "silence" if audio.peak < SILENT_PEAK else None
