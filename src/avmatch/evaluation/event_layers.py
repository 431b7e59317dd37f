"""What a model for any sound makes of the sound of a file, in windows of a second, each from the middle of the last.

There are two layers: `statistics`, on which its kinds are fitted, and `output`, the vector of the kind.

Letters in shapes: W windows, D numbers, S samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from avmatch.artifacts.tower import ClipTower, load_clip_towers
from avmatch.core.errors import ModelError
from avmatch.core.features import BAND_RATE_HZ
from avmatch.core.signals import AudioSamples
from avmatch.encoders.events import KIND
from avmatch.frontends.event_signals import sound_statistics
from avmatch.frontends.sound import SAMPLE_RATE_HZ, SoundFrontEnd
from avmatch.media.decode import read_audio

WINDOW_SECONDS, STATISTICS, OUTPUT = 1.0, "statistics", "output"


@dataclass(frozen=True, eq=False)
class EventLayer:
    """A layer, which turns a file into the features of its windows.

    Attributes:
        model, layer: their names.
        tower: None = the statistics as they are.
    """

    model: str
    layer: str
    tower: ClipTower | None

    def __call__(self, path: str) -> Float32[np.ndarray, "W D"]:
        """The features of a file's windows. Raises MediaError if it can't be read, ModelError if the graph can't."""
        return self.of(read_audio(path, sample_rate_hz=SAMPLE_RATE_HZ).data[0])

    def of(self, samples: Float32[np.ndarray, " S"]) -> Float32[np.ndarray, "W D"]:
        """The features of the windows of a sound at 16 kHz; silence follows one that is shorter than a window."""
        front_end = SoundFrontEnd()
        front_end.push(AudioSamples(np.pad(samples, (0, max(SAMPLE_RATE_HZ - len(samples), 0)))[None], SAMPLE_RATE_HZ))
        heard = front_end.finish()
        assert heard is not None  # a second at least
        size = round(WINDOW_SECONDS * BAND_RATE_HZ)
        begins = range(0, len(heard.spectrum) - size + 1, size // 2)
        statistics = [sound_statistics(heard.spectrum[begin : begin + size]) for begin in begins]
        return np.concatenate(statistics) if self.tower is None else self.tower.encode(statistics)


def event_layer(model: str, folder: Path, layer: str | None = None) -> EventLayer:
    """A layer of the model in `folder`: STATISTICS (None) or OUTPUT. Raises ModelError for any other."""
    layer = layer or STATISTICS
    if layer not in (STATISTICS, OUTPUT):
        raise ModelError(f"{model}: no layer {layer!r}; there are {STATISTICS}, {OUTPUT}")
    return EventLayer(model, layer, load_clip_towers(folder / KIND).audio if layer == OUTPUT else None)
