"""Which learned models take part, and what they become among the cues.

The model for talking faces that ships with the package takes part wherever it isn't replaced: by another that looks at
mouths, given by the user. The mouth cue, which needs no training, then stays away from offsets, because it doesn't tell
them as well. Among partners it still counts, for less: it knows faces that no model has seen, drawn ones among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from avmatch.core.errors import ModelError
from avmatch.cues.evidence import Calibration, Cue
from avmatch.cues.learned import EmbeddingCue
from avmatch.cues.mouth import MouthCue
from avmatch.encoders.clips import takes_clip_features
from avmatch.encoders.folders import model_folder, shipped_models
from avmatch.encoders.tower import TowerDescription, TowerPair, load_pair

#: The model for talking faces.
LIPS = "lips"
#: What the mouth cue's nats are worth beside a model that looks at mouths, where partners are looked for.
MOUTH_WEIGHT_BESIDE = 0.7


def models_with(model: str | Path | None) -> tuple[TowerPair, ...]:
    """The towers that take part where the user gives `model`, or none.

    Raises:
        ModelError: it can't be used, or its vectors have no place in time.
    """
    given = () if model is None else (_time_model(model),)
    if LIPS in shipped_models() and not any(_looks_at_mouths(pair) for pair in given):
        return (*given, _shipped(LIPS))
    return given


def face_cues(models: Sequence[TowerPair], *, mouth_weight_beside: float = 0.0) -> list[Cue]:
    """The mouth cue and those of the models.

    Args:
        mouth_weight_beside: what the mouth cue's nats are worth where a model looks at mouths; 0 = it stays away.
    """
    learned: list[Cue] = [_cue(pair.video.description) for pair in models]
    mouth = MouthCue()
    if any(_looks_at_mouths(pair) for pair in models):
        if not mouth_weight_beside:
            return learned
        mouth = MouthCue(replace(mouth.calibration, weight=mouth_weight_beside))
    return [mouth, *learned]


def _time_model(model: str | Path) -> TowerPair:
    folder = model_folder(model)
    if takes_clip_features(folder):
        raise ModelError(f"{model}: compares features of whole clips, which have no place in time; give another model")
    return load_pair(folder)


@lru_cache(maxsize=1)
def _shipped(name: str) -> TowerPair:
    """Loaded once a process: it is there in every call."""
    return load_pair(model_folder(name))


def _looks_at_mouths(pair: TowerPair) -> bool:
    return pair.video.description.crop == "mouth"


def _cue(told: TowerDescription) -> EmbeddingCue:
    calibration = Calibration(told.weight, told.mass_slope, told.contrast_slope, told.intercept)
    return EmbeddingCue(told.model, told.scale, told.baseline, told.independent_seconds, told.crop, calibration)
