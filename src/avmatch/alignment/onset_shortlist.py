"""Which of many recordings a camera may have heard: the first look (sounds.py), coarser and in blocks.

A correlation of every camera with every recording at all lags, in steps of 20 ms, takes 0.2 ms a pair for 20 seconds
and 5 ms for ten minutes, which is hours for 2,000 of each. In steps of 40 ms, of a block of cameras with a block of
recordings whose spectra are multiplied frequency by frequency and turned back together, it takes a seventh. The few
recordings whose best lag stands out most are looked at again.

Memory follows the size of a block, whatever the length of the sounds, and one spectrum of each where that is larger.

Letters in shapes: N cameras, M recordings, n and m of a block, F frequencies, B bands, L lags.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.fft
from jaxtyping import Complex64, Float32, Int

from avmatch.alignment.sounds import LEAST_OVERLAP_SECONDS, Onsets, pooled

#: Onsets are added up over so many ticks of the first look.
COARSE_TICKS = 2
#: Correlations of a block have so many values at most.
_BLOCK_VALUES = 1 << 21


def coarse(look: Onsets) -> Onsets:
    """The same, pooled."""
    return Onsets(pooled(look.bands, COARSE_TICKS), look.start_seconds, look.rate_hz / COARSE_TICKS)


def heights(cameras: Sequence[Onsets], recordings: Sequence[Onsets]) -> Float32[np.ndarray, "N M"]:
    """How far the best lag of each pair stands out, in deviations of its correlation; 0 for sounds that are too short.

    Args:
        cameras, recordings: coarse ones.
    """
    found = np.zeros((len(cameras), len(recordings)), np.float32)
    for rows, columns, size in _blocks(cameras, recordings):
        block = _heights([cameras[row] for row in rows], [recordings[column] for column in columns], size)
        found[np.ix_(rows, columns)] = block
    return found


def _blocks(
    cameras: Sequence[Onsets], recordings: Sequence[Onsets]
) -> Iterator[tuple[Int[np.ndarray, " n"], Int[np.ndarray, " m"], int]]:
    """Rows and columns of like lengths, and the size of their transforms."""
    lengths = [np.array([len(look.bands) for look in looks], int) for looks in (cameras, recordings)]
    order = [np.argsort(own, kind="stable") for own in lengths]
    for rows in _runs(order[0], lengths[0]):
        for columns in _runs(order[1], lengths[1]):
            longest = int(lengths[0][rows].max() + lengths[1][columns].max())
            size = scipy.fft.next_fast_len(max(longest, 1), real=True)
            side = max(1, int((_BLOCK_VALUES / size) ** 0.5))
            for first in range(0, len(rows), side):
                for second in range(0, len(columns), side):
                    yield rows[first : first + side], columns[second : second + side], size


def _runs(order: Int[np.ndarray, " K"], lengths: Int[np.ndarray, " K"]) -> Iterator[Int[np.ndarray, " k"]]:
    """The places in order of length, cut where it has grown by half."""
    begin = 0
    for end in range(1, len(order) + 1):
        if end == len(order) or lengths[order[end]] > 1.5 * lengths[order[begin]]:
            yield order[begin:end]
            begin = end


def _heights(cameras: Sequence[Onsets], recordings: Sequence[Onsets], size: int) -> Float32[np.ndarray, "n m"]:
    """Of one block."""
    rate_hz = cameras[0].rate_hz
    products = np.conj(_spectra(cameras, size)) @ _spectra(recordings, size).transpose(0, 2, 1)
    correlation = scipy.fft.irfft(products, size, axis=0)
    own, other = (np.array([len(look.bands) for look in looks]) for looks in (cameras, recordings))
    shifts = np.arange(size)[:, None]
    shifts = np.where(shifts >= other, shifts - size, shifts)[:, None]  # (L, 1, m)
    overlap = np.minimum(own[:, None], other - shifts) - np.maximum(0, -shifts)
    possible = overlap >= LEAST_OVERLAP_SECONDS * rate_hz
    correlation *= possible / np.sqrt(np.maximum(overlap, rate_hz), dtype=np.float32)
    spread = np.sqrt(np.square(correlation).sum(axis=0) / np.maximum(possible.sum(axis=0), 1))
    return np.asarray(correlation.max(axis=0) / np.where(spread > 0.0, spread, 1.0), np.float32)


def _spectra(looks: Sequence[Onsets], size: int) -> Complex64[np.ndarray, "F k B"]:
    """Of each band of each."""
    return np.stack([np.asarray(scipy.fft.rfft(look.bands, size, axis=0), np.complex64) for look in looks], axis=1)
