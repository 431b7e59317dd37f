"""The detector at work, on the features of a sound.

    audio.onnx   levels (1, T, B), 25 a second → probability of a voice (1, T)

The levels are logarithms of power; what is usual in the four seconds about a tick is subtracted, so that neither the
gain of a recorder nor a place that gets louder matters.

Letters in shapes: T ticks, U band ticks, B bands.
"""

from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float, Float32
from scipy.ndimage import uniform_filter1d

from avmatch.artifacts.model import VOICE, Description, Graph, Model, open_model
from avmatch.core.features import BAND_RATE_HZ, TICK_RATE_HZ, AudioFeatures

#: What is usual is the mean over so many ticks.
USUAL_TICKS = 101
#: Levels are divided by this, to be about 1.
SCALE = 4.0
_PER_TICK = BAND_RATE_HZ // TICK_RATE_HZ


def voice_levels(spectrum: Float[np.ndarray, "U B"]) -> Float32[np.ndarray, "T B"]:
    """What goes into the network."""
    num = len(spectrum) // _PER_TICK
    levels = spectrum[: num * _PER_TICK].astype(np.float32).reshape(num, _PER_TICK, spectrum.shape[1]).mean(axis=1)
    usual = uniform_filter1d(levels.mean(axis=1), USUAL_TICKS, mode="nearest") if num else np.zeros(0, np.float32)
    return np.asarray((levels - usual[:, None]) / SCALE, np.float32)


@dataclass(frozen=True, eq=False)
class VoiceDetector:
    """Hears whether somebody speaks."""

    graph: Graph
    _kept: WeakKeyDictionary[AudioFeatures, Float32[np.ndarray, " T"]] = field(
        default_factory=WeakKeyDictionary, repr=False
    )

    def __call__(self, audio: AudioFeatures) -> Float32[np.ndarray, " T"]:
        """Probability of a voice, TICK_RATE_HZ a second from the first band tick on; kept while the sound lives."""
        if audio not in self._kept:
            levels = voice_levels(audio.spectrum)
            heard = self.graph.run("voice: the audio graph", levels[None])[0] if len(levels) else levels[:, 0]
            self._kept[audio] = heard
        return self._kept[audio]


def load_voice_detector(model: str | Path | Model) -> VoiceDetector:
    """The detector. Raises ModelError if it is another model."""
    graph = open_model(model, VOICE).graph("audio")
    graph.description(Description, "audio")
    return VoiceDetector(graph)
