"""Motion and mouths in blocks: the synchrony cues' evidence for blocks of videos and sounds (see BlockEvidence).

The arithmetic is that of cues/motion.py and cues/mouth.py, by matrix products (sliding.py). As a first look at large
galleries it leaves out what tells little: the sources of a picture are mixtures of its first principal components, and
accents are compared at every second tick of offset and interpolated.

Letters in shapes: N videos, m sounds, L offsets, K windows or mouths, H sources, R components, T ticks, C signals,
A autocorrelation lags.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from jaxtyping import Float, Float32

from avmatch.core.features import TICK_RATE_HZ, AudioFeatures, VideoFeatures
from avmatch.cues.evidence import Lags
from avmatch.cues.sliding import (
    SoundsUnder,
    TickSound,
    at_ticks,
    log_mean_exp_over,
    to_nats,
    under_window,
    worth_of_ticks,
)
from avmatch.cues.synchrony import AUTOCORRELATION_LAGS, WINDOW_TICKS, Series, VideoWindow, log_mean_exp, thinned

#: At a first look: principal components of a picture's sources, and how far apart offsets are, at most.
COMPONENTS, APART_SECONDS = 8, 2 / TICK_RATE_HZ
#: Pictures that lie in the same of these stretches are multiplied together.
STRETCH_TICKS = 50
#: What sounds have under so many windows is kept.
KEPT_WINDOWS = 48
Key = TypeVar("Key")
Item = TypeVar("Item")


def together(items: Sequence[Item], key: Callable[[Item], Key]) -> Iterator[tuple[Key, list[int]]]:
    """The numbers of items that have the same key."""
    found: dict[Key, list[int]] = {}
    for number, item in enumerate(items):
        found.setdefault(key(item), []).append(number)
    yield from found.items()


def ticks_apart(lags_seconds: Lags) -> int:
    """How many ticks lie between two offsets. Raises ValueError if they aren't whole and equal."""
    apart = np.diff(lags_seconds) * TICK_RATE_HZ
    step = max(1, round(float(apart[0]))) if len(apart) else 1
    if not np.allclose(apart, step, atol=1e-3):
        raise ValueError(f"offsets must be whole ticks apart, got {lags_seconds}")
    return step


def covered_ticks(window: VideoWindow) -> tuple[int, int]:
    """The first tick of a window that its video covers, and the one after the last."""
    inside = np.flatnonzero(window.covered)
    return int(inside[0]), int(inside[-1]) + 1


def _read(signals: Sequence[Series] | None, first_seconds: float) -> list[TickSound] | None:
    """Read signals once a tick, from an offset on."""
    return None if signals is None else [at_ticks(signal, first_seconds) for signal in signals]


@dataclass(frozen=True, eq=False)
class SoundWindows:
    """What sounds have under the windows; made when it is asked for, and kept a while."""

    sounds: Sequence[Sequence[TickSound] | None]
    lags_seconds: Lags
    _under: dict[tuple[int, int], SoundsUnder] = field(default_factory=dict)

    def under(self, index: int, place: int) -> SoundsUnder:
        """One signal under window `index`."""
        key = index, place
        if key not in self._under:
            if len(self._under) >= KEPT_WINDOWS:
                self._under.clear()
            signals = [None if sound is None else sound[place] for sound in self.sounds]
            num_lags, step = len(self.lags_seconds), ticks_apart(self.lags_seconds)
            self._under[key] = under_window(signals, index * WINDOW_TICKS, num_lags, step)
        return self._under[key]

    def memory(self, place: int) -> Float32[np.ndarray, "m A"]:
        """The autocorrelation of one signal of each sound."""
        nothing = np.zeros(AUTOCORRELATION_LAGS, np.float32)
        return np.stack([sound[place].memory if sound else nothing for sound in self.sounds])


@dataclass(frozen=True, eq=False)
class Accents:
    """One signal of each source of a picture, in a window.

    Attributes:
        components: (R, T); the H sources are nearly mixtures of them.
        mixing: (H, R), so that sources have unit norm again.
        memory: (H, A) autocorrelation of the sources.
    """

    components: Float32[np.ndarray, "R T"]
    mixing: Float32[np.ndarray, "H R"]
    memory: Float32[np.ndarray, "H A"]


def in_components(
    signals: Float32[np.ndarray, "H T"], memory: Float[np.ndarray, "H A"], num: int = COMPONENTS
) -> Accents:
    """Sources as mixtures of their first principal components."""
    energy, vectors = np.linalg.eigh(signals @ signals.T)
    mixing = vectors[:, -num:]
    norm = np.sqrt(np.maximum(mixing**2 @ energy[-num:], 0.0))[:, None]
    unit = np.where(norm > 1e-3, mixing / np.maximum(norm, 1e-3), 0.0)
    return Accents(mixing.T @ signals, unit, memory.astype(np.float32))


@dataclass(frozen=True, eq=False)
class Window:
    """A window of a video.

    Attributes:
        index: of the window.
        covered: the first tick that the video covers, and the one after the last.
        signals: each signal of its sources.
        shares: (H,) of the sources, how probable they are.
        worth: what its evidence is multiplied by.
    """

    index: int
    covered: tuple[int, int]
    signals: Sequence[Accents]
    shares: Float32[np.ndarray, " H"]
    worth: float


@dataclass(frozen=True, eq=False)
class BlockSynchrony:
    """One source of a picture is tied to the sound, for each of some signals that sources and sounds have.

    Attributes:
        lags_seconds: the offsets.
        windows_of: the windows of a video.
        sounds_of: the signals of a sound; None where nothing is to be compared.
        weights, temper: how nats are added.
    """

    lags_seconds: Lags
    windows_of: Callable[[VideoFeatures], Sequence[Window]]
    sounds_of: Callable[[AudioFeatures], Sequence[Series] | None]
    weights: Sequence[float]
    temper: float

    def videos(self, videos: Sequence[VideoFeatures]) -> list[Sequence[Window]]:
        """See BlockEvidence."""
        return [self.windows_of(video) for video in videos]

    def sounds(self, audios: Sequence[AudioFeatures]) -> list[Sequence[TickSound] | None]:
        """See BlockEvidence."""
        lags, _ = thinned(self.lags_seconds, APART_SECONDS)
        return [_read(self.sounds_of(audio), float(lags[0])) for audio in audios]

    def against(self, sounds: Sequence[Sequence[TickSound] | None]) -> "SynchronyWith":
        """See BlockEvidence."""
        return SynchronyWith(self, SoundWindows(sounds, thinned(self.lags_seconds, APART_SECONDS)[0]))


@dataclass(frozen=True, eq=False)
class SynchronyWith:
    """The same with some sounds."""

    of: BlockSynchrony
    sounds: "SoundWindows"

    def __call__(self, videos: Sequence[Sequence[Window]], out: Float32[np.ndarray, "N L m"]) -> None:
        """Add the evidence of videos."""
        lags, between = thinned(self.of.lags_seconds, APART_SECONDS)
        fill = between(np.eye(len(lags), dtype=np.float32)[None])[0].T
        numbered = [(row, window) for row, windows in enumerate(videos) for window in windows]
        for (index, stretch), members in together(numbered, lambda one: (one[1].index, stretch_of(*one[1].covered))):
            windows = [numbered[number][1] for number in members]
            nats = np.zeros((len(windows), len(lags), out.shape[2]), np.float32)
            for place in range(len(self.of.weights)):
                self._add_signal(windows, place, stretch, self.sounds.under(index, place), nats)
            for number, window, curves in zip(members, windows, nats, strict=True):
                out[numbered[number][0]] += window.worth * (fill @ curves)

    def _add_signal(
        self,
        windows: Sequence[Window],
        place: int,
        stretch: tuple[int, int],
        under: SoundsUnder,
        nats: Float32[np.ndarray, "K L m"],
    ) -> None:
        """Add the evidence of one signal."""
        memory = self.sounds.memory(place)
        components = np.concatenate([window.signals[place].components[:, slice(*stretch)] for window in windows])
        products = np.empty((len(components), *nats.shape[1:]), np.float32)
        under.products(components, stretch[0], products)
        sources = np.empty((len(windows[0].shares), *nats.shape[1:]), np.float32)
        for window, some, curves in zip(windows, np.split(products, len(windows)), nats, strict=True):
            begin, end = window.covered
            overlap, scale = under.scale(begin, end)
            some *= scale
            signal = window.signals[place]
            np.matmul(signal.mixing, some.reshape(len(some), -1), out=sources.reshape(len(sources), -1))
            to_nats(sources, overlap, worth_of_ticks(signal.memory, memory, end - begin, self.of.temper))
            found = log_mean_exp_over(sources.reshape(len(sources), -1), window.shares)
            found *= self.of.weights[place]
            curves += found.reshape(curves.shape)


@dataclass(frozen=True, eq=False)
class Face:
    """A window of a mouth.

    Attributes:
        group: faces of one group are there at the same time.
        index: of the window.
        covered: the first tick that the face covers, and the one after the last.
        signals: (C, T) one for each signal of the voice.
        memory: (C, A) their autocorrelation.
    """

    group: int
    index: int
    covered: tuple[int, int]
    signals: Float32[np.ndarray, "C T"]
    memory: Float32[np.ndarray, "C A"]


@dataclass(frozen=True, eq=False)
class BlockMouth:
    """Pairs of signals of mouth and voice, whose nats are added.

    Attributes:
        lags_seconds: the offsets.
        faces_of: the windows of a video's mouths.
        voices_of: the signals of a sound; None where nothing is to be compared.
        num_signals: how many these are.
        temper: what nats are multiplied by.
        latency_seconds: where the signals of what is in sync are found.
    """

    lags_seconds: Lags
    faces_of: Callable[[VideoFeatures], Sequence[Face]]
    voices_of: Callable[[AudioFeatures], Sequence[Series] | None]
    num_signals: int
    temper: float
    latency_seconds: float

    def videos(self, videos: Sequence[VideoFeatures]) -> list[Sequence[Face]]:
        """See BlockEvidence."""
        return [self.faces_of(video) for video in videos]

    def sounds(self, audios: Sequence[AudioFeatures]) -> list[Sequence[TickSound] | None]:
        """See BlockEvidence."""
        first = float(self.lags_seconds[0]) + self.latency_seconds
        return [_read(self.voices_of(audio), first) for audio in audios]

    def against(self, sounds: Sequence[Sequence[TickSound] | None]) -> "MouthWith":
        """See BlockEvidence."""
        return MouthWith(self, SoundWindows(sounds, self.lags_seconds))


@dataclass(frozen=True, eq=False)
class MouthWith:
    """The same with some sounds."""

    of: BlockMouth
    voices: "SoundWindows"

    def __call__(self, videos: Sequence[Sequence[Face]], out: Float32[np.ndarray, "N L m"]) -> None:
        """Add the evidence of videos."""
        numbered = [(row, face) for row, faces in enumerate(videos) for face in faces]
        for index, members in together(numbered, lambda one: one[1].index):
            rows, faces = [numbered[number][0] for number in members], [numbered[number][1] for number in members]
            nats = np.zeros((len(faces), *out.shape[1:]), np.float32)
            for place in range(self.of.num_signals):
                self._add_signal(faces, place, self.voices.under(index, place), nats)
            groups = list(zip(rows, (face.group for face in faces), strict=True))
            for (row, _), group in together(groups, lambda one: one):
                out[row] += nats[group[0]] if len(group) == 1 else log_mean_exp(nats[group], np.ones(len(group)))

    def _add_signal(
        self, faces: Sequence[Face], place: int, under: SoundsUnder, nats: Float32[np.ndarray, "K L m"]
    ) -> None:
        """Add the evidence of one signal."""
        memory = self.voices.memory(place)
        for (first, last), members in together(faces, lambda face: stretch_of(*face.covered)):
            some = np.stack([faces[number].signals[place, first:last] for number in members])
            products = under.products(some, first, np.empty((len(some), *nats.shape[1:]), np.float32))
            for number, one in zip(members, products, strict=True):
                begin, end = faces[number].covered
                overlap, scale = under.scale(begin, end)
                one *= scale
                worth = worth_of_ticks(faces[number].memory[place : place + 1], memory, end - begin, self.of.temper)
                nats[number] += to_nats(one[None], overlap, worth)[0]


def stretch_of(begin: int, end: int) -> tuple[int, int]:
    """The stretches of STRETCH_TICKS that hold these ticks."""
    return begin // STRETCH_TICKS * STRETCH_TICKS, -(-end // STRETCH_TICKS) * STRETCH_TICKS
