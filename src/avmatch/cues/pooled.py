"""Evidence from one vector a file: the same at every offset, so that large libraries can be looked through at once.

    picture → a vector ┐
    sound   → a vector ┴ products of their parts → nats

A vector is made of parts one after another, and each part has a term that says what the product of both sides' parts is
worth. Rows of a library hold the vectors of several cues, and marks of which are known: what isn't known says nothing.
All products of a library with a query are one matrix product.

Letters in shapes: P numbers of a cue's vector, W numbers of a row, N rows, K products, T ticks, G classes, C cues.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from avmatch.core.features import AudioFeatures, VideoFeatures
from avmatch.cues.evidence import TimelessCue
from avmatch.cues.motion import close_up, close_up_worth

#: Least product whose logarithm is taken.
LEAST_PRODUCT = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Term:
    """What the product of one part is worth: scale · (product − baseline), or scale · log(product).

    Attributes:
        size: numbers of the part.
        names: of these numbers, where they are probabilities of named classes.
    """

    size: int
    scale: float
    baseline: float = 0.0
    is_log: bool = False
    names: tuple[str, ...] = ()


@runtime_checkable
class PooledCue(TimelessCue, Protocol):
    """A cue that compares one vector a file."""

    @property
    def terms(self) -> tuple[Term, ...]:
        """The parts of its vectors."""

    def video_vector(self, video: VideoFeatures) -> Float32[np.ndarray, " P"] | None:
        """Of a picture; None where the cue can't tell."""

    def audio_vector(self, audio: AudioFeatures) -> Float32[np.ndarray, " P"] | None:
        """The same of a sound."""


@dataclass(frozen=True, eq=False)
class PooledRows:
    """Rows of several cues: their vectors, marks of which are known, what a picture's evidence is worth, and speech.

    A sound's evidence is worth 1: of a pair the picture says how much counts. Speech is the share of a sound in which
    somebody speaks, or how much of a picture is a close-up of a face.

    Attributes:
        voice: gives the probability of a voice, tick by tick.
    """

    cues: tuple[PooledCue, ...]
    voice: Callable[[AudioFeatures], Float32[np.ndarray, " T"]] | None = None

    @property
    def width(self) -> int:
        """Numbers of a row."""
        return self._num_numbers + len(self.cues) + 2

    @property
    def _num_numbers(self) -> int:
        return sum(map(_size, self.cues))

    def of_video(self, video: VideoFeatures) -> Float32[np.ndarray, " W"]:
        """The row of a picture."""
        return self._row([cue.video_vector(video) for cue in self.cues], close_up_worth(video), close_up(video))

    def of_audio(self, audio: AudioFeatures) -> Float32[np.ndarray, " W"]:
        """The row of a sound."""
        heard = np.zeros(0) if self.voice is None else self.voice(audio) > 0.5
        speech = float(heard.mean()) if len(heard) else 0.0
        return self._row([cue.audio_vector(audio) for cue in self.cues], 1.0, speech)

    def _row(
        self, vectors: Sequence[Float32[np.ndarray, " P"] | None], worth: float, speech: float
    ) -> Float32[np.ndarray, " W"]:
        known = [vector is not None for vector in vectors]
        parts = [np.zeros(_size(cue)) if one is None else one for cue, one in zip(self.cues, vectors, strict=True)]
        return np.concatenate([*parts, known, [worth, speech]]).astype(np.float32)

    def nats(self, query: Float32[np.ndarray, " W"], rows: Float32[np.ndarray, "N W"]) -> Float32[np.ndarray, " N"]:
        """Evidence of each row of one side with one row of the other, all cues together."""
        return np.asarray(self.parts(query, rows).sum(axis=0), np.float32)

    def parts(self, query: Float32[np.ndarray, " W"], rows: Float32[np.ndarray, "N W"]) -> Float32[np.ndarray, "C N"]:
        """The same, cue by cue."""
        products = (rows @ self._columns(query)).T  # a pass over the rows
        worth = query[-2] * products[-1]
        found = np.zeros((len(self.cues), len(rows)), np.float32)
        place = 0
        for number, cue in enumerate(self.cues):
            for term in cue.terms:
                found[number] += _worth(term, products[place])
                place += 1
            found[number] *= np.float32(cue.calibration.weight) * products[-1 - len(self.cues) + number] * worth
        return found

    def _columns(self, query: Float32[np.ndarray, " W"]) -> Float32[np.ndarray, "W K"]:
        """What rows are multiplied with: the query's parts, each in its place, its marks, and 1 for the worth."""
        places = list(self._places())
        num_marks = len(self.cues) + 1
        columns = np.zeros((self.width, len(places) + num_marks), np.float32)
        for number, (_, place) in enumerate(places):
            columns[place, number] = query[place]
        marks = self._num_numbers + np.arange(num_marks)
        columns[marks, len(places) + np.arange(num_marks)] = np.append(query[marks[:-1]], 1.0)
        return columns

    def _places(self) -> Iterator[tuple[Term, slice]]:
        """Each part and where it lies in a row."""
        begin = 0
        for cue in self.cues:
            for term in cue.terms:
                yield term, slice(begin, begin + term.size)
                begin += term.size

    def likeness(self, query: Float32[np.ndarray, " W"], rows: Float32[np.ndarray, "N W"]) -> Float32[np.ndarray, " N"]:
        """How alike rows and a query of the same side are, −1…1: the mean cosine of the parts that aren't classes, over
        the cues that know both; 0 where none does."""
        linear = [(number, place) for number, (term, place) in enumerate(self._places()) if not term.is_log]
        known = [number for number, cue in enumerate(self.cues) for term in cue.terms if not term.is_log]
        products = (rows @ self._columns(query)).T
        both = products[-1 - len(self.cues) : -1][known]
        lengths = np.stack([np.linalg.norm(rows[:, place], axis=1) for _, place in linear])
        own = np.array([[np.linalg.norm(query[place])] for _, place in linear], np.float32)
        cosines = products[[number for number, _ in linear]] / np.maximum(lengths * own, LEAST_PRODUCT)
        return np.asarray((cosines * both).sum(axis=0) / np.maximum(both.sum(axis=0), 1.0), np.float32)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of the first part that has named classes; none where no cue names any."""
        return next((term.names for term, _ in self._places() if term.names), ())

    def classes(self, rows: Float32[np.ndarray, "N W"]) -> Float32[np.ndarray, "N G"]:
        """Probability of each of these classes; zeros where nothing is known."""
        place = next((place for term, place in self._places() if term.names), slice(0, 0))
        found = rows[:, place]
        return np.asarray(found / np.maximum(found.sum(axis=1, keepdims=True), LEAST_PRODUCT), np.float32)

    def speech(self, rows: Float32[np.ndarray, "N W"]) -> Float32[np.ndarray, " N"]:
        """The share of each in which somebody speaks."""
        return rows[:, -1]


def _size(cue: PooledCue) -> int:
    return sum(term.size for term in cue.terms)


def _worth(term: Term, product: Float32[np.ndarray, " N"]) -> Float32[np.ndarray, " N"]:
    if term.is_log:
        return np.float32(term.scale) * np.log(np.maximum(product, np.float32(LEAST_PRODUCT)))
    return np.float32(term.scale) * (product - np.float32(term.baseline))
