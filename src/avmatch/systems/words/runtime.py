"""Words from the lips at run time: words.onnx, from the mouths of a word and its context to logits.

The graph's metadata property `avmatch` is a JSON object:

    {"kind": "words", "model": "words", "side": "words", "input": "frames", "crop": "mouth", "rate_hz": 25,
     "height_px": 80, "width_px": 80, "context_frames": 6, "targets_only": false, "vocabulary": ["again", "at", …]}

It takes float32 (B, context + T + context, H, W) grey mouths in 0…1, T frames of the word and the frames around it;
beyond the clip's ends, its first and last frames repeat. It gives (B, K). With the input "features" it takes (B, …, C)
of a front end that is not in the graph. Logits depend on nothing beyond the context.

Letters in shapes: T frames of a clip, H rows, W columns, K words of the vocabulary.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from avmatch.artifacts.model import WORDS, Description, Graph, Model, open_model
from avmatch.core.errors import ModelError
from avmatch.frontends.mouth import shades

WORDS_MODEL = "words"


@dataclass(frozen=True, kw_only=True)
class WordDescription(Description):
    """The graph's metadata.

    Attributes:
        context_frames: on either side of the word's own.
        targets_only: the words are those that clips were cut for.
    """

    rate_hz: float
    context_frames: int
    vocabulary: tuple[str, ...]
    targets_only: bool
    crop: str = ""
    height_px: int = 0
    width_px: int = 0
    num_channels: int = 0

    def __post_init__(self) -> None:
        if self.side != "words" or self.context_frames < 0 or not self.vocabulary or self.rate_hz <= 0:
            raise ValueError(f"needs side words, context_frames, a vocabulary and a rate, got {self}")


@dataclass(frozen=True, eq=False)
class WordModel:
    """A loaded graph and its description."""

    description: WordDescription
    graph: Graph

    def logits(self, mouths: UInt8[np.ndarray, "T H W"], first: int, num_frames: int) -> Float32[np.ndarray, " K"]:
        """Of the word in `num_frames` frames of a clip from `first` on. Raises ModelError."""
        name, context = self.description.model, self.description.context_frames
        shown = np.arange(first - context, first + num_frames + context)
        frames = shades(mouths[np.clip(shown, 0, len(mouths) - 1)])
        found = self.graph.run(name, frames[None]).astype(np.float32, copy=False)
        wanted = (1, len(self.description.vocabulary))
        if found.shape != wanted:
            raise ModelError(f"{name}: must give {wanted}, got {found.shape}; export it again")
        return found[0]


def load_words(model: str | Path | Model) -> WordModel:
    """The model of a run, or of an exported folder.

    Raises:
        ModelError: there is none, its metadata are missing, or it takes features instead of mouths.
    """
    graph = open_model(model, WORDS).graph(WORDS_MODEL)
    description = graph.description(WordDescription)
    if (description.input, description.crop) != ("frames", "mouth"):
        raise ModelError(f"{graph.path}: takes {description.input}, not mouths; it was trained without its front end")
    return WordModel(description, graph)
