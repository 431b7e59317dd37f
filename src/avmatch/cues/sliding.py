"""Two streams of vectors, one moved along the other: the sum of their products at every lag.

    s[lag] = Σ_t v[t] · a[t + lag]

By the fast Fourier transform, a block of ticks after another, so that neither the length of a file nor the number of
lags comes in as a square; all pairs of a block share their transforms, and the products over D are one matrix product
a frequency. Letters in shapes: N videos, M audio, T ticks, D dimensions, L lags, B ticks of a block, F frequencies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.fft
from jaxtyping import Complex64, Float, Float32

#: Ticks of a block, at most, and streams whose transforms are held at once.
BLOCK_TICKS = 2048
STREAMS = 64


@dataclass(frozen=True, eq=False)
class Stream:
    """Vectors (T, D) at the ticks `begin`, `begin` + 1, … of a clock that all streams share."""

    vectors: Float[np.ndarray, "T D"]
    begin: int

    @property
    def end(self) -> int:
        """The tick after the last."""
        return self.begin + len(self.vectors)


def sliding_products(
    videos: Sequence[Stream], audios: Sequence[Stream], first_lag: int, last_lag: int
) -> Float32[np.ndarray, "N M L"]:
    """The sums at all lags from `first_lag` to `last_lag`, in ticks; what lies outside a stream adds nothing."""
    sums = np.zeros((len(videos), len(audios), last_lag - first_lag + 1), np.float32)
    for begin, end in _blocks(videos):
        rows = _inside(videos, begin, end)
        columns = _inside(audios, begin + first_lag, end + last_lag)
        size = scipy.fft.next_fast_len(end - begin + last_lag - first_lag, real=True)
        for some_columns in _parts(columns):
            heard = _spectra([audios[column] for column in some_columns], begin + first_lag, end + last_lag, size)
            for some_rows in _parts(rows):
                seen = _spectra([videos[row] for row in some_rows], begin, end, size)
                products = seen.conj() @ heard.transpose(0, 2, 1)
                curves = scipy.fft.irfft(products, size, axis=0)[: sums.shape[2]]
                sums[np.ix_(some_rows, some_columns)] += curves.transpose(1, 2, 0)
    return sums


def _blocks(streams: Sequence[Stream]) -> Iterator[tuple[int, int]]:
    """Stretches of ticks that cover all streams, no longer than is needed."""
    if not streams:
        return
    longest = max(len(stream.vectors) for stream in streams)
    begin, end = min(stream.begin for stream in streams), max(stream.end for stream in streams)
    size = min(max(longest, 1), BLOCK_TICKS)
    if end - begin <= BLOCK_TICKS:
        size = end - begin
    for start in range(begin, end, max(size, 1)):
        yield start, min(start + size, end)


def _inside(streams: Sequence[Stream], begin: int, end: int) -> list[int]:
    """Which streams have a tick in begin … end − 1."""
    return [number for number, stream in enumerate(streams) if stream.begin < end and stream.end > begin]


def _parts(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    return (numbers[first : first + STREAMS] for first in range(0, len(numbers), STREAMS))


def _spectra(streams: Sequence[Stream], begin: int, end: int, size: int) -> Complex64[np.ndarray, "F N D"]:
    """Transforms over the ticks begin … end − 1, zeros where a stream has none."""
    ticks = np.zeros((end - begin, len(streams), streams[0].vectors.shape[1]), np.float32)
    for column, stream in enumerate(streams):
        first, last = max(begin, stream.begin), min(end, stream.end)
        ticks[first - begin : last - begin, column] = stream.vectors[first - stream.begin : last - stream.begin]
    return np.ascontiguousarray(scipy.fft.rfft(ticks, size, axis=0), np.complex64)
