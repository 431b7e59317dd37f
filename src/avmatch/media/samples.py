"""FFmpeg's frames of sound ↔ arrays, a row a channel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import av
import numpy as np
from jaxtyping import Float32

CHUNK_SAMPLES = 1 << 16
_SAMPLE_TYPES: dict[str, type[np.generic]] = {
    "u8": np.uint8,
    "s16": np.int16,
    "s32": np.int32,
    "s64": np.int64,
    "flt": np.float32,
    "dbl": np.float64,
}


def audio_frames(data: Float32[np.ndarray, "C S"], sample_rate_hz: int, layout: str) -> Iterator[av.AudioFrame]:
    """Samples as FFmpeg takes them: packed, because PyAV can't make frames of eight planes."""
    for begin in range(0, data.shape[1], CHUNK_SAMPLES):
        chunk = data[:, begin : begin + CHUNK_SAMPLES].T.reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(chunk), "flt", layout)
        frame.sample_rate = sample_rate_hz
        yield frame


def channels(frame: av.AudioFrame) -> Float32[np.ndarray, "C S"]:
    """The samples as float, a row a channel (swresample's own downmix drops channels and needs a known layout).

    Read plane by plane, because PyAV's own conversion reads past the last of eight or more planes, and crashes.
    """
    num_channels, dtype = frame.layout.nb_channels, _SAMPLE_TYPES[frame.format.packed.name]
    if frame.format.is_planar:
        planes = frame.planes[:num_channels]
        data = np.stack([np.frombuffer(memoryview(plane), dtype, frame.samples) for plane in planes])
    else:
        packed = np.frombuffer(memoryview(frame.planes[0]), dtype, frame.samples * num_channels)
        data = packed.reshape(-1, num_channels).T
    if dtype is np.uint8:
        scaled = (data.astype(np.float32) - 128.0) / 128.0
    elif np.issubdtype(data.dtype, np.integer):
        scaled = data.astype(np.float32) / (float(np.iinfo(data.dtype.str).max) + 1.0)
    else:
        scaled = data.astype(np.float32)
    finite: Float32[np.ndarray, "C S"] = np.nan_to_num(scaled, nan=0.0, posinf=0.0, neginf=0.0)
    return finite


#: A mix of less than this share of its channels' energy is one in which they cancel out.
_CANCELLED_SHARE = 0.1


@dataclass
class Downmix:
    """All channels → one: their mean; where that cancels out (a channel of opposite polarity), the loudest of them.

    Attributes:
        energies: of each channel so far, and of the mean.
    """

    _energies: Float32[np.ndarray, C] | None = field(default=None, repr=False)
    _mean_energy: float = 0.0

    def mix(self, data: Float32[np.ndarray, "C S"]) -> Float32[np.ndarray, "1 S"]:
        """The next samples as one channel."""
        mean: Float32[np.ndarray, "1 S"] = data.mean(axis=0, keepdims=True, dtype=np.float32)
        if len(data) == 1:
            return mean
        energies = np.einsum("cs,cs->c", data, data)
        known = self._energies is not None and len(self._energies) == len(data)
        self._energies = self._energies + energies if known and self._energies is not None else energies
        self._mean_energy = (self._mean_energy if known else 0.0) + float(np.vdot(mean, mean))
        if self._mean_energy >= _CANCELLED_SHARE * float(self._energies.max()) / len(data):
            return mean
        loudest = int(self._energies.argmax())
        return data[loudest : loudest + 1]
