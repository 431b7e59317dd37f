"""Sound → one bit a sample, 8000 a second: what cross-correlation to the sample needs, in a kilobyte a second.

A correlation of signs loses little against one of samples (Van Vleck and Middleton, "The spectrum of clipped noise",
1966), if no part of the spectrum outshouts the rest: so hum and rumble are taken down by pre-emphasis first.
"""

import numpy as np
from jaxtyping import Float32
from scipy.signal import firwin, lfilter

from avmatch.core.features import AudioSamples, SoundSigns
from avmatch.frontends.sound import SAMPLE_RATE_HZ, finite_samples

SIGN_RATE_HZ = 8000
_STEP = SAMPLE_RATE_HZ // SIGN_RATE_HZ
_EDGE_HZ = 3600.0
#: A low-pass for the lower rate, with pre-emphasis.
_FILTER = np.convolve(firwin(63, _EDGE_HZ, fs=SAMPLE_RATE_HZ), [1.0, -0.97]).astype(np.float32)
_DELAY_SECONDS = (len(_FILTER) - 1) / 2 / SAMPLE_RATE_HZ


class SignFrontEnd:
    """Takes mono blocks at 16 kHz in order of time."""

    def __init__(self) -> None:
        self._state: Float32[np.ndarray, " _"] = np.zeros(len(_FILTER) - 1, np.float32)
        self._bits: list[np.ndarray] = []
        self._rest = np.zeros(0, bool)
        self._num_in = self._num_out = 0
        self._start_seconds = 0.0

    def push(self, samples: AudioSamples) -> None:
        """Take the next block."""
        if self._num_in == 0:
            self._start_seconds = samples.pts_seconds
        found, self._state = lfilter(_FILTER, [1.0], finite_samples(samples.data[0]), zi=self._state)
        signs = np.concatenate([self._rest, found[-self._num_in % _STEP :: _STEP] > 0.0])
        whole = len(signs) // 8 * 8
        self._bits.append(np.packbits(signs[:whole]))
        self._rest = signs[whole:]
        self._num_in += samples.data.shape[1]
        self._num_out += whole

    def finish(self) -> SoundSigns | None:
        """The signs; None without a sample."""
        if self._num_in == 0:
            return None
        data = np.concatenate([*self._bits, np.packbits(self._rest)])
        return SoundSigns(data, self._num_out + len(self._rest), SIGN_RATE_HZ, self._start_seconds - _DELAY_SECONDS)
