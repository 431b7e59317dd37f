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
    scaled: Float32[np.ndarray, "C S"]
    if dtype is np.uint8:
        scaled = (data.astype(np.float32) - 128.0) / 128.0
    elif np.issubdtype(data.dtype, np.integer):
        scaled = data.astype(np.float32) / (float(np.iinfo(data.dtype.str).max) + 1.0)
    else:
        scaled = data.astype(np.float32)
    if dtype in (np.float32, np.float64) and not np.isfinite(scaled).all():
        scaled = np.nan_to_num(scaled, nan=0.0, posinf=0.0, neginf=0.0)
    return scaled


#: A sound that stays below −60 dBFS for a minute is raised until its peak is at −20 dBFS.
_QUIET_PEAK, _RAISED_PEAK, _QUIET_SECONDS = 1e-3, 0.1, 60.0


@dataclass
class Raised:
    """A sound whose samples are exact however quiet they are (float), raised if all of it is quiet.

    What is loud enough passes at once, and from then on everything does. Digital silence stays silence.
    """

    sample_rate_hz: int
    _gain: float | None = None
    _peak: float = 0.0
    _waiting: list[np.ndarray] = field(default_factory=list, repr=False)
    _num_waiting: int = 0

    def push(self, data: Float32[np.ndarray, "1 S"]) -> Iterator[Float32[np.ndarray, "1 S"]]:
        """Take the next samples; what is decided by now."""
        self._peak = max(self._peak, float(np.abs(data).max(initial=0.0)))
        self._waiting.append(data)
        self._num_waiting += data.shape[1]
        is_known = self._gain is not None or self._peak >= _QUIET_PEAK
        if is_known or self._num_waiting >= _QUIET_SECONDS * self.sample_rate_hz:
            yield from self.flush()

    def flush(self) -> Iterator[Float32[np.ndarray, "1 S"]]:
        """Nothing more comes."""
        if 0.0 < self._peak < _QUIET_PEAK:
            self._gain = _RAISED_PEAK / self._peak
        elif self._peak:
            self._gain = 1.0
        gain = np.float32(1.0 if self._gain is None else self._gain)
        waiting, self._waiting, self._num_waiting = self._waiting, [], 0
        yield from (part * gain if gain != 1.0 else part for part in waiting)
