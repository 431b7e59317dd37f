"""Learned vectors in blocks: nearly the evidence of cues/learned.py, for a first look at large galleries.

Vectors are compared in the first principal dimensions of the sounds', frequency by frequency (sliding.py); between
whole ticks they are read from the transforms.

Letters in shapes: N videos, m sounds, n sounds that have vectors, L offsets, R rows read, K tracks, T and S ticks,
D and E dimensions.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float16, Float32, Int

from avmatch.core.features import AudioFeatures, Embeddings, VideoFeatures
from avmatch.cues.blocks import stretch_of, together
from avmatch.cues.evidence import Lags
from avmatch.cues.sliding import Reading, picture_spectra, read_products, reading, sound_spectra
from avmatch.cues.synchrony import WINDOW_TICKS, log_mean_exp

#: Dimensions of vectors, found from every so many vectors of so many sounds.
DIMENSIONS, SAMPLE_STEP, SAMPLE_SOUNDS = 48, 8, 400
#: Stretches of time of which the transforms of sounds are kept.
KEPT_STRETCHES = 8


@dataclass(frozen=True, eq=False)
class Track:
    """Vectors of a face, a picture or a sound.

    Attributes:
        group: tracks of one group are there at the same time.
        begin: the tick nearest to the first vector.
        early_ticks: by how much the vectors begin after it.
        vectors: (T, D)
        there: (T,) 1 where there is one.
    """

    group: int
    begin: int
    early_ticks: float
    vectors: Float16[np.ndarray, "T D"]
    there: Float32[np.ndarray, " T"]


def track(item: Embeddings, basis: Float32[np.ndarray, "E D"], group: int = 0) -> Track:
    """Vectors in other dimensions, on the clock of ticks."""
    at = item.start_seconds * item.rate_hz
    vectors = item.data.astype(np.float32)
    there = np.asarray(vectors.any(axis=1), np.float32)
    return Track(group, round(at), at - round(at), (vectors @ basis).astype(np.float16), there)


def principal(sounds: Sequence[Embeddings], num: int = DIMENSIONS) -> Float32[np.ndarray, "E D"]:
    """The first principal dimensions of some of the sounds' vectors."""
    if not sounds:
        return np.zeros((0, 0), np.float32)
    step = max(1, len(sounds) // SAMPLE_SOUNDS)
    some = np.concatenate([sound.data[::SAMPLE_STEP] for sound in sounds[::step]]).astype(np.float32)
    _, vectors = np.linalg.eigh(some.T @ some)
    return np.asarray(vectors[:, -num:], np.float32)


@dataclass(frozen=True, eq=False)
class BlockVectors:
    """Sums of cosines above a baseline and a share of a pair's own background (cues/learned.py), nearly.

    Between whole ticks they are read from the transforms.

    Attributes:
        lags_seconds: the offsets.
        tracks_of: the vectors of a video's faces in turns, those that are there at the same time together.
        sound_of: the vectors of a sound; None where nothing is to be compared.
        basis: what they are projected on.
        per_tick: nats a tick and unit of cosine.
        baseline, background_share: what is subtracted.
        about_seconds: how far beyond the offsets the background is looked for.
    """

    lags_seconds: Lags
    tracks_of: Callable[[VideoFeatures], Sequence[Sequence[Embeddings]]]
    sound_of: Callable[[AudioFeatures], Embeddings | None]
    basis: Float32[np.ndarray, "E D"]
    rate_hz: float
    per_tick: float
    baseline: float
    background_share: float
    about_seconds: float

    def videos(self, videos: Sequence[VideoFeatures]) -> list[Sequence[Track]]:
        """See BlockEvidence."""
        groups = [self.tracks_of(video) for video in videos]
        return [
            [track(item, self.basis, group) for group, items in enumerate(some) for item in items] for some in groups
        ]

    def sounds(self, audios: Sequence[AudioFeatures]) -> list[Track | None]:
        """See BlockEvidence."""
        items = [self.sound_of(audio) for audio in audios]
        return [None if item is None else track(item, self.basis) for item in items]

    def against(self, sounds: Sequence[Track | None]) -> "VectorsWith":
        """See BlockEvidence."""
        return VectorsWith(self, sounds)

    @property
    def lags_ticks(self) -> tuple[float, ...]:
        """The offsets."""
        return tuple((self.lags_seconds * self.rate_hz).tolist())

    @property
    def reach_ticks(self) -> tuple[int, int]:
        """The first and the last offset of the background."""
        about = self.about_seconds * self.rate_hz if self.background_share else 0.0
        return int(np.floor(min(self.lags_ticks) - about)) - 3, int(np.ceil(max(self.lags_ticks) + about)) + 3


@dataclass(frozen=True, eq=False)
class VectorsWith:
    """The same with some sounds."""

    of: BlockVectors
    sounds: Sequence[Track | None]
    _heard: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def __call__(self, videos: Sequence[Sequence[Track]], out: Float32[np.ndarray, "N L m"]) -> None:
        """Add the evidence of videos."""
        numbered = [(row, one) for row, tracks in enumerate(videos) for one in tracks]
        columns = [number for number, sound in enumerate(self.sounds) if sound is not None]
        if not (numbered and columns):
            return
        sums, both = self._sums([one for _, one in numbered])
        sums -= self.of.baseline * both
        if self.of.background_share:
            both[:-1] *= self.of.background_share * sums[-1] / np.maximum(both[-1], 1.0)
            sums[:-1] -= both[:-1]
        sums *= self.of.per_tick
        for (row, _), group in together(numbered, lambda one: (one[0], one[1].group)):
            curves = sums[:-1, group]
            many = len(group) > 1
            out[row][:, columns] += (
                log_mean_exp(curves.transpose(1, 0, 2), np.ones(len(group))) if many else curves[:, 0]
            )

    def _sums(self, tracks: Sequence[Track]) -> tuple[Float32[np.ndarray, "R K n"], Float32[np.ndarray, "R K n"]]:
        """Sums of products of each track with each sound that has vectors, and the ticks in common."""
        shape = len(self.of.lags_seconds) + 1, len(tracks), sum(sound is not None for sound in self.sounds)
        sums, both = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        pieces = [(number, piece) for number, one in enumerate(tracks) for piece in _pieces(one)]
        for (begin, end), members in together(pieces, lambda piece: piece[1]):
            numbers = [pieces[member][0] for member in members]
            some = [tracks[number] for number in numbers]
            read = reading(end - begin, self.of.lags_ticks, *self.of.reach_ticks)
            vectors, there = _laid_out(some, begin, end)
            early = np.array([one.early_ticks for one in some])
            spectra, spoken = self._sounds_about(begin, read)
            sums[:, numbers] += read_products(picture_spectra(vectors, early, read.size), spectra, read)
            both[:, numbers] += _in_common(there, spoken, np.rint(self.of.lags_ticks).astype(int) - read.first)
        return sums, both

    def _sounds_about(self, begin: int, read: Reading) -> tuple[np.ndarray, Float32[np.ndarray, "S n"]]:
        """Transforms of the sounds, and where they have vectors."""
        key = begin, read.num_ticks
        if key not in self._heard:
            if len(self._heard) >= KEPT_STRETCHES:
                del self._heard[next(iter(self._heard))]
            sounds = [sound for sound in self.sounds if sound is not None]
            vectors, spoken = _laid_out(sounds, begin + read.first, begin + read.first + read.num_ticks)
            late = np.array([one.early_ticks for one in sounds])
            spectra = sound_spectra(vectors.transpose(1, 2, 0), late, read.size)
            self._heard[key] = spectra, np.ascontiguousarray(spoken.T)
        return self._heard[key]


def _pieces(one: Track) -> Iterator[tuple[int, int]]:
    """The stretches of each window that hold a track."""
    end = one.begin + len(one.vectors)
    for index in range(one.begin // WINDOW_TICKS, (end - 1) // WINDOW_TICKS + 1):
        border = index * WINDOW_TICKS
        first, last = stretch_of(max(one.begin - border, 0), min(end - border, WINDOW_TICKS))
        yield border + first, border + last


def _laid_out(
    tracks: Sequence[Track], begin: int, end: int
) -> tuple[Float32[np.ndarray, "K T D"], Float32[np.ndarray, "K T"]]:
    """What is there at the ticks begin … end − 1, zero elsewhere, and where something is."""
    vectors = np.zeros((len(tracks), end - begin, tracks[0].vectors.shape[1]), np.float32)
    there = np.zeros(vectors.shape[:2], np.float32)
    for one, values, marks in zip(tracks, vectors, there, strict=True):
        first, last = max(begin, one.begin), min(end, one.begin + len(one.vectors))
        if first < last:
            values[first - begin : last - begin] = one.vectors[first - one.begin : last - one.begin]
            marks[first - begin : last - begin] = one.there[first - one.begin : last - one.begin]
    return vectors, there


def _in_common(
    there: Float32[np.ndarray, "K T"], spoken: Float32[np.ndarray, "S m"], lags: Int[np.ndarray, " L"]
) -> Float32[np.ndarray, "R K m"]:
    """Ticks in common at some offsets, and at all offsets together."""
    num = there.shape[1]
    found = np.empty((len(lags) + 1, len(there), spoken.shape[1]), np.float32)
    for place, lag in enumerate(lags):
        np.matmul(there, spoken[lag : lag + num], out=found[place])
    so_far = np.cumsum(np.concatenate([np.zeros((1, spoken.shape[1])), spoken]), axis=0)
    every = so_far[len(spoken) - num + 1 :] - so_far[:num]
    np.matmul(there, every.astype(np.float32), out=found[-1])
    return found
