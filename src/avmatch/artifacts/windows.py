"""Encoders of stretches: several frames of a picture make one vector, or samples at a rate of the encoder's own.

    frames in colour → the one on display at every so many seconds → num_frames at a time → a vector
    samples          → a window at a time                                                → a vector

Windows follow one another and are encoded as they fill, so memory stays small however long a file is. What is left at
the end is a window of its own if it is at least half of one, or the only one: frames are then spread evenly over all
places, as processors of videos do with short ones; samples are repeated, or reflected up to a whole number of hops.

Letters in shapes: N windows, T frames of one, S samples, D dimensions.
"""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, UInt8

from avmatch.artifacts.encoder import BATCH, Encoder, EncoderDescription, as_input, fitted
from avmatch.core.features import AudioSamples, ColourFrames, Embeddings
from avmatch.frontends.sound import SAMPLE_RATE_HZ, finite_samples

#: From this share on the rest of a file is a window.
LEAST_SHARE = 0.5


def takes_stretches(described: EncoderDescription) -> bool:
    """Whether an encoder is one of these."""
    own_rate = described.sample_rate_hz != SAMPLE_RATE_HZ
    return described.num_frames > 1 or own_rate or bool(described.hop_samples) or described.repeats


@dataclass(eq=False)
class FrameWindows:
    """Takes frames in colour and answers with a vector of each window."""

    encoder: Encoder
    _pictures: list[UInt8[np.ndarray, "h w 3"]] = field(default_factory=list)
    _vectors: list[Float32[np.ndarray, "N D"]] = field(default_factory=list)
    _first: int | None = None
    _next: int = 0

    def push(self, frames: ColourFrames) -> None:
        """Take the next block."""
        described = self.encoder.description
        for picture, seconds in zip(frames.data, frames.pts_seconds.tolist(), strict=True):
            place = max(0, int(seconds / described.frame_seconds - 0.5))
            if self._first is None:
                self._first = self._next = place
            shown = fitted(picture, described)
            while self._next <= place:
                last = self._pictures[-1] if self._next < place and self._pictures else shown
                self._take(last)

    def finish(self) -> Embeddings | None:
        """The vectors; None without a frame."""
        described = self.encoder.description
        if self._first is None:
            return None
        # The window that was full last stays until the next frame, which repeats what is on display.
        num, wanted = len(self._pictures), described.num_frames
        if num and (num >= LEAST_SHARE * wanted or not self._vectors):
            self._encode([self._pictures[place] for place in spread(num, wanted)])
        window_seconds = wanted * described.frame_seconds
        middle_seconds = self._first * described.frame_seconds + 0.5 * window_seconds
        return Embeddings(np.concatenate(self._vectors).astype(np.float16), 1.0 / window_seconds, middle_seconds)

    def _take(self, picture: UInt8[np.ndarray, "h w 3"]) -> None:
        if len(self._pictures) == self.encoder.description.num_frames:
            self._encode(self._pictures)
            self._pictures = []
        self._pictures.append(picture)
        self._next += 1

    def _encode(self, pictures: list[UInt8[np.ndarray, "h w 3"]]) -> None:
        self._vectors.append(self.encoder.encode(as_input(np.stack(pictures))[None]))


def spread(num: int, num_wanted: int) -> list[int]:
    """Places of `num_wanted` frames, evenly among `num`, the first and the last among them."""
    return [int(place * (num - 1) / max(num_wanted - 1, 1)) for place in range(num_wanted)]


@dataclass(eq=False)
class SampleWindows:
    """Takes samples (mono, at the encoder's rate) and answers with a vector of each window."""

    encoder: Encoder
    _waiting: list[Float32[np.ndarray, " S"]] = field(default_factory=list)
    _num_waiting: int = 0
    _vectors: list[Float32[np.ndarray, "N D"]] = field(default_factory=list)
    _start_seconds: float | None = None

    def push(self, samples: AudioSamples) -> None:
        """Take the next block; those at another rate are left out."""
        if samples.sample_rate_hz != self.encoder.description.sample_rate_hz:
            return
        if self._start_seconds is None:
            self._start_seconds = samples.pts_seconds
        self._waiting.append(finite_samples(samples.data[0]))
        self._num_waiting += samples.data.shape[1]
        if self._num_waiting >= BATCH * self.encoder.window_samples:
            self._encode_whole()

    def finish(self) -> Embeddings | None:
        """The vectors; None where there is no window."""
        self._encode_whole()
        size, described = self.encoder.window_samples, self.encoder.description
        rest = np.concatenate([*self._waiting, np.zeros(0, np.float32)])
        if len(rest) and (len(rest) >= LEAST_SHARE * size or not self._vectors) and (filled := self._filled(rest)).size:
            self._vectors.append(self.encoder.encode(filled[None]))
        if self._start_seconds is None or not self._vectors:
            return None
        rate_hz = described.sample_rate_hz / size
        middle_seconds = self._start_seconds + 0.5 / rate_hz
        return Embeddings(np.concatenate(self._vectors).astype(np.float16), rate_hz, middle_seconds)

    def _encode_whole(self) -> None:
        """All windows that are full."""
        if not self._num_waiting:
            return
        size = self.encoder.window_samples
        samples = np.concatenate(self._waiting)
        num = len(samples) // size
        if num:
            self._vectors.append(self.encoder.encode(samples[: num * size].reshape(num, size)))
        self._waiting, self._num_waiting = [samples[num * size :]], len(samples) - num * size

    def _filled(self, rest: Float32[np.ndarray, " S"]) -> Float32[np.ndarray, " s"]:
        """What is left, as the encoder takes it; empty where it doesn't."""
        described = self.encoder.description
        if described.repeats:
            whole = np.tile(rest, max(1, described.window // len(rest)))
            return np.pad(whole, (0, described.window - len(whole)))
        if described.hop_samples:
            return reflected(rest, described.hop_samples)
        return np.zeros(0, np.float32)


def reflected(samples: Float32[np.ndarray, " S"], hop_samples: int) -> Float32[np.ndarray, " s"]:
    """Continued backwards up to a whole number of hops."""
    return np.pad(samples, (0, -len(samples) % hop_samples), "reflect") if len(samples) > 1 else samples[:0]
