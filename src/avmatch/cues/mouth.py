"""Mouth synchrony: do the lips of one of the faces move with the voice?

Four pairs of signals, found on development clips (docs/experiments): the lower lip's speed against the slope of
the voice in two bands, the dark between the lips against its level, and the mouth's change against the change
of the spectrum. Their nats are added and tempered. Of faces that are there at the same time one is taken to speak.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32
from scipy.ndimage import gaussian_filter1d

from avmatch.core.errors import Reason
from avmatch.core.features import BAND_RATE_HZ, TICK_RATE_HZ, AudioFeatures, MouthTrack, VideoFeatures
from avmatch.cues.blocks import BlockMouth, Face, covered_ticks
from avmatch.cues.evidence import Calibration, Cue, Curves, Lags
from avmatch.cues.learned import EmbeddingCue
from avmatch.cues.motion import audio_reason
from avmatch.cues.synchrony import (
    AudioWindows,
    Series,
    VideoWindow,
    audio_windows,
    correlation_nats,
    log_mean_exp,
    remembered,
    video_windows,
)
from avmatch.frontends.event_signals import flattened
from avmatch.frontends.motion import resample_steps
from avmatch.frontends.mouth import MOUTH_CHANNELS
from avmatch.frontends.sound import band_centres_hz

CALIBRATION = Calibration(weight=2.2, mass_slope=0.0, contrast_slope=0.369, intercept=-1.589)
#: The four pairs share their errors: their nats are worth this much each.
TEMPER = 0.4
#: In clips that are in sync the voice comes this much after the lips move for it.
LATENCY_SECONDS = 0.04
MIN_TRACK_SECONDS = 0.5
#: So many sounds are read at every offset at once.
BLOCK_SOUNDS = 256
_SMOOTHING_SECONDS = 0.03
_LOUDNESS_EXPONENT = 0.25
_FLOOR = 1e-4
#: Channels that describe the time between two frames; the others describe a frame.
_BETWEEN_FRAMES = ("motion", "lip_drop")


@dataclass(frozen=True)
class MouthCue:
    """Evidence from the mouths of the faces."""

    calibration: Calibration = CALIBRATION
    name: str = "mouth"

    def curves(self, videos: Sequence[VideoFeatures], audios: Sequence[AudioFeatures], lags_seconds: Lags) -> Curves:
        """Evidence for every pair at every offset (see Cue)."""
        tracks = [[track for track in video.mouths if _lasts(track)] for video in videos]
        audio_reasons = tuple(audio_reason(audio) for audio in audios)
        nats = np.zeros((len(videos), len(audios), len(lags_seconds)), np.float32)
        usable = [number for number, reason in enumerate(audio_reasons) if reason is None]
        by_window = sorted(_by_window(tracks).items()) if usable else []
        for begin in range(0, len(usable), BLOCK_SOUNDS):
            some = usable[begin : begin + BLOCK_SOUNDS]
            sounds = [[voice(audios[number]) for number in some] for _, voice in PAIRS] if by_window else []
            for index, members in by_window:
                shifted = [audio_windows(signals, index, lags_seconds + LATENCY_SECONDS) for signals in sounds]
                windows = [window for faces in members.values() for window in faces]
                nats_of = dict(zip(map(id, windows), _window_nats(windows, shifted), strict=True))
                for number, tracked in members.items():
                    for faces in at_once(tracked):
                        per_face = np.stack([nats_of[id(window)] for window in faces])
                        nats[number][some] += log_mean_exp(per_face, np.ones(len(faces)))
        video_reasons: tuple[Reason | None, ...] = tuple(None if found else "no_face" for found in tracks)
        return Curves(nats, video_reasons, audio_reasons)

    def rough(self, audios: Sequence[AudioFeatures], lags_seconds: Lags) -> BlockMouth:
        """See RoughCue."""
        return BlockMouth(lags_seconds, _faces, _voices, len(PAIRS), TEMPER, LATENCY_SECONDS)


def _faces(video: VideoFeatures) -> list[Face]:
    """The windows of a video's mouths, with a signal of the mouth for each of the voice."""
    rows = [MOUTH_CHANNELS.index(channel) for channel, _ in PAIRS]
    windows: dict[int, list[VideoWindow]] = {}
    for track in video.mouths:
        if _lasts(track):
            for window in video_windows(mouth_series(track)):
                windows.setdefault(window.index, []).append(window)
    return [
        Face(group, index, covered_ticks(one), one.signals[rows], one.autocorrelation[rows].astype(np.float32))
        for index, some in windows.items()
        for group, faces in enumerate(at_once(some))
        for one in faces
    ]


def _voices(audio: AudioFeatures) -> list[Series] | None:
    return None if audio_reason(audio) else [voice(audio) for _, voice in PAIRS]


def at_once(windows: Sequence[VideoWindow]) -> list[list[VideoWindow]]:
    """Group the faces of a window that are there at the same time; groups follow one another."""
    groups: list[list[VideoWindow]] = []
    for window in sorted(windows, key=lambda item: int(item.covered.argmax())):
        if groups and any(float(other.covered @ window.covered) > 0.0 for other in groups[-1]):
            groups[-1].append(window)
        else:
            groups.append([window])
    return groups


def mouth_series(track: MouthTrack) -> Series:
    """The mouth signals on the common clock, flattened."""
    times = track.pts_seconds
    usual = float(np.median(np.diff(times)))
    between = np.concatenate([[times[0] - usual], times])
    around = np.concatenate([[times[0] - usual / 2], (times[:-1] + times[1:]) / 2, [times[-1] + usual / 2]])
    columns = []
    for channel, name in enumerate(MOUTH_CHANNELS):
        edges = between if name in _BETWEEN_FRAMES else around
        start, ticks = resample_steps(edges, track.signals[:, channel].astype(np.float64), TICK_RATE_HZ)
        columns.append((round(start * TICK_RATE_HZ - 0.5), ticks.astype(np.float32)))
    first = max(begin for begin, _ in columns)
    last = min(begin + len(ticks) for begin, ticks in columns)
    values = np.stack([ticks[first - begin : last - begin] for begin, ticks in columns], axis=1)
    return Series((first + 0.5) / TICK_RATE_HZ, TICK_RATE_HZ, flattened(values, TICK_RATE_HZ))


def _lasts(track: MouthTrack) -> bool:
    return len(track.pts_seconds) > 4 and float(np.ptp(track.pts_seconds)) >= MIN_TRACK_SECONDS


def _by_window(tracks: Sequence[Sequence[MouthTrack]]) -> dict[int, dict[int, list[VideoWindow]]]:
    """Window index → video number → the faces in that window."""
    found: dict[int, dict[int, list[VideoWindow]]] = {}
    for number, faces in enumerate(tracks):
        for track in faces:
            for window in video_windows(mouth_series(track)):
                found.setdefault(window.index, {}).setdefault(number, []).append(window)
    return found


def _window_nats(windows: Sequence[VideoWindow], voices: Sequence[AudioWindows]) -> Float32[np.ndarray, "K M L"]:
    """Tempered nats of each mouth, the four pairs added. Mouths that cover a window alike are taken together."""
    alike: dict[bytes, list[int]] = {}
    for number, window in enumerate(windows):
        alike.setdefault(window.covered.tobytes(), []).append(number)
    nats = np.zeros((len(windows), *voices[0].shifted.shape[:2]), np.float32)
    for numbers in alike.values():
        for (channel, _), voice in zip(PAIRS, voices, strict=True):
            row = MOUTH_CHANNELS.index(channel)
            signals = np.stack([windows[number].signals[row] for number in numbers])
            memory = np.stack([windows[number].autocorrelation[row] for number in numbers])
            one = windows[numbers[0]]
            nats[numbers] += correlation_nats(VideoWindow(one.index, signals, one.covered, memory), voice)
    return TEMPER * nats


def _loudness(audio: AudioFeatures, low_hz: float, high_hz: float) -> Float32[np.ndarray, " T"]:
    """Energy in a range, compressed and smoothed; its usual loud level is one."""
    centres = band_centres_hz()
    chosen = (centres >= low_hz) & (centres <= high_hz)
    power = np.exp(audio.level.astype(np.float32)[:, chosen]).sum(axis=1)
    power /= max(float(np.percentile(power, 95)), 1e-9)
    smooth: Float32[np.ndarray, " T"] = gaussian_filter1d(
        (power + _FLOOR) ** _LOUDNESS_EXPONENT, _SMOOTHING_SECONDS * BAND_RATE_HZ
    )
    return smooth


def _series(audio: AudioFeatures, values: Float[np.ndarray, " T"]) -> Series:
    return Series(audio.start_seconds, BAND_RATE_HZ, flattened(values[:, None], BAND_RATE_HZ))


@remembered
def _rise_low(audio: AudioFeatures) -> Series:
    return _series(audio, np.gradient(_loudness(audio, 500.0, 2500.0)))


@remembered
def _rise_high(audio: AudioFeatures) -> Series:
    return _series(audio, np.gradient(_loudness(audio, 1000.0, 3400.0)))


@remembered
def _level_high(audio: AudioFeatures) -> Series:
    return _series(audio, _loudness(audio, 1000.0, 3400.0))


@remembered
def _change(audio: AudioFeatures) -> Series:
    centres = band_centres_hz()
    level = audio.level.astype(np.float32)[:, (centres >= 500.0) & (centres <= 2500.0)]
    smooth = gaussian_filter1d(level, 0.02 * BAND_RATE_HZ, axis=0)
    return _series(audio, np.log(0.03 + np.abs(np.gradient(smooth, axis=0)).mean(axis=1)))


#: (mouth channel, signal of the voice).
PAIRS: tuple[tuple[str, Callable[[AudioFeatures], Series]], ...] = (
    ("lip_drop", _rise_low),
    ("lip_drop", _rise_high),
    ("openness", _level_high),
    ("motion", _change),
)


def looks_at_faces(cue: Cue) -> bool:
    """Whether a cue compares faces with voices."""
    return isinstance(cue, MouthCue) or (isinstance(cue, EmbeddingCue) and cue.looks_at == "mouth")
