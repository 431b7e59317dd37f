"""Motion–onset synchrony: does something strike, bounce or turn just when the sound sets in?

Each of the motion channels (frontends/motion.py) votes on its own; of the last, the grey change, only the rise counts,
as in the spectral flux of the sound. Within a channel, one cell of the picture, the more probable the more it moves, is
taken to be the source of the sound.

Where a face fills the picture it is the mouth that speaks, and what else moves misleads: there the evidence is worth
a third.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from avmatch.core.errors import Reason
from avmatch.core.features import TICK_RATE_HZ, AudioFeatures, VideoFeatures
from avmatch.cues.evidence import Calibration, Curves
from avmatch.cues.series import Series, accent_series, flattened, level_series, onset_series
from avmatch.cues.synchrony import (
    AudioWindows,
    VideoWindow,
    audio_windows,
    correlation_nats,
    in_blocks,
    log_mean_exp,
    thinned,
    video_windows,
)
from avmatch.frontends.motion import GRID

#: Added before the logarithm, per channel: below this much, motion is noise of the flow.
CHANNEL_OFFSETS = (0.1, 0.03, 0.03, 0.3)
NUM_CELLS = 18
#: Prior that a quarter of the picture, or all of it, tells more than any single cell (things that wander about).
QUARTERS_PRIOR, WHOLE_PRIOR = 0.1, 0.15
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
#: picture becomes one: drummers seen whole have faces, too.
CLOSE_UP_WORTH = 1 / 3
CLOSE_UP_WIDTHS = (0.15, 0.3)
CHANGE = 3
STATIC_CHANGE = 0.02
#: Long files are worked on in stretches, so that memory stays small.
STRETCH_TICKS = 1 << 14
SILENT_PEAK = 1e-4


@dataclass(frozen=True)
class MotionCue:
    """Evidence from the changes of motion in the whole picture."""

    calibration: Calibration = CALIBRATION
    sounds: SoundSignals = TOGETHER
    name: str = "motion"

    def curves(
        self,
        videos: Sequence[VideoFeatures],
        audios: Sequence[AudioFeatures],
        lags_seconds: Float[np.ndarray, " L"],
    ) -> Curves:
        """Evidence for every pair at every offset (see Cue)."""
        video_reasons = tuple(video_reason(video) for video in videos)
        audio_reasons = tuple(audio_reason(audio) for audio in audios)
        lags, between = thinned(lags_seconds)
        nats = np.zeros((len(videos), len(audios), len(lags)), np.float32)
        heard = [number for number, reason in enumerate(audio_reasons) if reason is None]
        sounds = [(worth, [series(audios[number]) for number in heard]) for series, worth in self.sounds]
        by_window: dict[int, list[tuple[int, VideoWindow, Float[np.ndarray, " C"]]]] = {}
        for number, (video, reason) in enumerate(zip(videos, video_reasons, strict=True)):
            if reason is None:
                for window, weights in _windows(video):
                    by_window.setdefault(window.index, []).append((number, window, weights))
        for index, members in by_window.items() if heard else ():
            for sound_worth, signals in sounds:
                blocks = in_blocks(audio_windows(signals, index, lags + LATENCY_SECONDS))
                for number, window, weights in members:
                    worth = sound_worth * (1.0 - (1.0 - CLOSE_UP_WORTH) * close_up(videos[number]))
                    found = np.concatenate([window_nats(window, weights, block) for block in blocks])
                    nats[number][heard] += np.float32(worth) * found
        return Curves(between(nats), video_reasons, audio_reasons)


def _windows(video: VideoFeatures) -> list[tuple[VideoWindow, Float[np.ndarray, " C"]]]:
    """The windows of a video; its whole series is not kept."""
    series, weights = motion_series(video)
    return [(window, weights) for window in video_windows(series)]


def window_nats(
    window: VideoWindow, weights: Float[np.ndarray, " C"], sounds: AudioWindows
) -> Float32[np.ndarray, "M L"]:
    """The channels' nats added, each with its most probable cells summed out."""
    per_signal = correlation_nats(window, sounds)
    per_channel = (TEMPER * per_signal).reshape(-1, len(weights), *per_signal.shape[1:])
    return np.sum([log_mean_exp(nats, weights) for nats in per_channel], axis=0)


def motion_series(video: VideoFeatures) -> tuple[Series, Float[np.ndarray, " C"]]:
    """Flattened log levels, and prior weights of their sources.

    For each channel in turn: the most active cells, the four quarters, the mean and the maximum of the whole picture.
    """
    activity = video.motion[:, CHANGE].mean(axis=0, dtype=np.float32)
    cells = np.argsort(-activity, kind="stable")[:NUM_CELLS]
    num_signals = len(cells) + 4 + 2
    values = np.empty((len(video.motion), len(CHANNEL_OFFSETS) * num_signals), np.float32)
    for channel, offset in enumerate(CHANNEL_OFFSETS):
        columns = slice(channel * num_signals, (channel + 1) * num_signals)
        for begin in range(0, len(values), STRETCH_TICKS):
            levels = _levels(video, channel, begin)
            whole = (levels.mean(axis=1, keepdims=True), levels.max(axis=1, keepdims=True))
            together = np.concatenate([levels[:, cells], _quarters(levels), *whole], axis=1)
            values[begin : begin + STRETCH_TICKS, columns] = np.log(together + offset)
        values[:, columns] = flattened(values[:, columns], TICK_RATE_HZ)
    weights = (
        (1.0 - QUARTERS_PRIOR - WHOLE_PRIOR) * _shares(activity[cells]),
        QUARTERS_PRIOR * _shares(_quarters(activity[None])[0]),
        WHOLE_PRIOR * np.full(2, 0.5),
    )
    return Series(video.start_seconds, TICK_RATE_HZ, values), np.concatenate(weights)


def _levels(video: VideoFeatures, channel: int, begin: int) -> Float32[np.ndarray, "t 64"]:
    """A stretch of one channel; of the grey change its rise."""
    levels = video.motion[max(begin - 1, 0) : begin + STRETCH_TICKS, channel].astype(np.float32)
    if channel == CHANGE:
        levels = np.maximum(0.0, np.diff(levels, axis=0, prepend=levels[:1]))
    return levels[1:] if begin else levels


def close_up(video: VideoFeatures) -> float:
    """How much of the video, 0…1, is a close-up of a face."""
    narrow, wide = CLOSE_UP_WIDTHS
    seconds = sum(
        float(np.ptp(track.pts_seconds))
        * min(max((float(track.boxes[:, 2].mean()) - narrow) / (wide - narrow), 0.0), 1.0)
        for track in video.mouths
    )
    return min(seconds / max(video.duration_seconds, 1e-3), 1.0)


def _quarters(levels: Float32[np.ndarray, "T 64"]) -> Float32[np.ndarray, "T 4"]:
    half = GRID // 2
    means: Float32[np.ndarray, "T 4"] = levels.reshape(-1, 2, half, 2, half).mean(axis=(2, 4)).reshape(-1, 4)
    return means


def _shares(activity: Float[np.ndarray, " C"]) -> Float[np.ndarray, " C"]:
    """What moves more is the more probable source, but not in proportion."""
    root = np.sqrt(activity) + 1e-9
    return root / root.sum()


def video_reason(video: VideoFeatures) -> Reason | None:
    """Why motion can't tell anything about this video."""
    if video.motion.shape[0] < TICK_RATE_HZ // 2:
        return "too_short" if video.duration_seconds < 0.5 else "static_picture"
    return "static_picture" if float(video.motion[:, CHANGE].mean(dtype=np.float32)) < STATIC_CHANGE else None


def audio_reason(audio: AudioFeatures) -> Reason | None:
    """Why onsets can't tell anything about this sound."""
    if audio.duration_seconds < 0.5:
        return "too_short"
    return "silence" if audio.peak < SILENT_PEAK else None
