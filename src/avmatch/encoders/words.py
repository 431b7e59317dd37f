"""A reader of words: words.onnx, from the mouths of a word and around it to logits (export/words.py has its format).

Letters in shapes: T frames of a clip, H rows, W columns, K words of the vocabulary.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, UInt8

from avmatch.core.errors import ModelError
from avmatch.encoders.runtime import open_session, run_session
from avmatch.frontends.picture import shades

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

WORDS_MODEL = "words.onnx"


@dataclass(frozen=True)
class WordDescription:
    """What the graph says of itself.

    Attributes:
        context_frames: on either side of the word's own.
        targets_only: the words are those that clips were cut for.
    """

    model: str
    side: str
    input: str
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
    session: InferenceSession

    def logits(self, mouths: UInt8[np.ndarray, "T H W"], first: int, num_frames: int) -> Float32[np.ndarray, " K"]:
        """Of the word in `num_frames` frames of a clip from `first` on. Raises ModelError."""
        told = self.description
        shown = np.arange(first - told.context_frames, first + num_frames + told.context_frames)
        frames = shades(mouths[np.clip(shown, 0, len(mouths) - 1)])
        found = np.asarray(run_session(self.session, told.model, frames[None]), np.float32)
        if found.shape != (1, len(told.vocabulary)):
            raise ModelError(f"{told.model}: must give (1, {len(told.vocabulary)}), got {found.shape}; export it again")
        return found[0]


def load_words(model: str | Path) -> WordModel:
    """The reader of a run, or of an exported folder.

    Raises:
        ModelError: there is none, it doesn't say what it is, or it takes features instead of mouths.
    """
    paths = (Path(model) / WORDS_MODEL, Path(model) / "model" / WORDS_MODEL)
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise ModelError(f"{model}: no reader of words there; give a run of the recipe `words`, or its model folder")
    session = open_session(path, path.read_bytes())
    try:
        told = json.loads(session.get_modelmeta().custom_metadata_map.get("avmatch", "null"))
        description = WordDescription(**told | {"vocabulary": tuple(told["vocabulary"])})
    except (TypeError, KeyError, ValueError) as error:
        raise ModelError(f"{path}: no usable `avmatch` description in the graph's metadata ({error})") from error
    if (description.input, description.crop) != ("frames", "mouth"):
        raise ModelError(f"{path}: takes {description.input}, not mouths; it was trained without its front end")
    return WordModel(description, session)
