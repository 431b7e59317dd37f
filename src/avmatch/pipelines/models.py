"""Which learned models take part, and what they become among the cues.

The model for any sound that ships with the package takes the place of the untrained motion cue, or one that the user
gives does.

The model for talking faces that ships with the package takes part wherever it isn't replaced: by another that looks at
mouths, given by the user. The mouth cue, which needs no training, then stays away from offsets, because it doesn't tell
them as well. Among partners it still counts, for less: it knows faces that no model has seen, drawn ones among them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from avmatch.artifacts.encoder import Encoders, load_encoders
from avmatch.artifacts.model import CLIP_TOWERS, SEMANTIC, TOWERS, Model, open_model, shipped_models
from avmatch.artifacts.model import EVENTS as ANY_SOUND
from avmatch.artifacts.tower import TowerDescription, TowerPair, load_pair
from avmatch.cues.evidence import Calibration, Cue, TimelessCue
from avmatch.cues.learned import EmbeddingCue
from avmatch.cues.motion import APART, MotionCue
from avmatch.cues.mouth import MouthCue
from avmatch.systems.events.runtime import EventCue, EventModel, KindCue, load_event_model
from avmatch.systems.voice.runtime import load_voice_detector

#: The model for talking faces, that for any sound, and the detector of voices.
LIPS, EVENTS, VOICE = "lips", "events", "voice"
#: Loaded once a process: they are there in every call.
_shipped, _shipped_events = lru_cache(maxsize=1)(load_pair), lru_cache(maxsize=1)(load_event_model)
_shipped_voice = lru_cache(maxsize=1)(load_voice_detector)
#: What the mouth cue's nats are worth beside a model that looks at mouths, where partners are looked for.
MOUTH_WEIGHT_BESIDE = 0.7


@dataclass(frozen=True, eq=False)
class Models:
    """The learned models of a run.

    Attributes:
        towers: run over each file as it is decoded.
        events: works on the features that every file has; None = the untrained motion cue stands in.
        others: the cues of a model of another kind that the user gives; they count beside the rest.
        encoders: of single pictures and windows of sound, whose vectors those cues compare.
    """

    towers: tuple[TowerPair, ...] = ()
    events: EventModel | None = None
    others: tuple[Cue, ...] = ()
    encoders: Encoders | None = None


def models_with(model: str | Path | Model | None) -> Models:
    """The models that take part where the user gives `model`, or none.

    Raises:
        ModelError: it can't be used, or its vectors have no place in time.
    """
    opened = None if model is None else given_model(model)
    if opened is not None and (cues := _own_cues(opened)):
        encoders = load_encoders(opened) if opened.kind == SEMANTIC else None
        return replace(models_with(None), others=tuple(cues(opened)), encoders=encoders)
    opened = None if opened is None else open_model(opened, TOWERS, ANY_SOUND)
    if opened is not None and opened.kind == ANY_SOUND:
        return Models(_with_lips(()), load_event_model(opened))
    given = () if opened is None else (load_pair(opened),)
    return Models(_with_lips(given), _shipped_events(EVENTS) if EVENTS in shipped_models() else None)


def given_model(model: str | Path | Model, *kinds: str) -> Model:
    """What the user names, ours or of others. Raises ModelError and MissingExtraError as systems.registry.opened."""
    from avmatch.systems.registry import opened

    return opened(model, *kinds)


def open_for_match(model: str | Path) -> Model:
    """A model that `match` takes. Raises ModelError if it is of another kind."""
    opened = given_model(model)
    return opened if _own_cues(opened) else open_model(opened, TOWERS, ANY_SOUND, CLIP_TOWERS)


def unfitted_notes(models: Models) -> Iterator[str]:
    """A remark on a model of others whose cosines nobody has fitted to clips."""
    if models.encoders is not None and (described := models.encoders.video.description).is_common:
        yield (
            f"how much the vectors of {described.model} count was never fitted to clips: confidences that rest on them "
            "are a guess (docs/pretrained.md)"
        )


def _own_cues(model: Model) -> Callable[[Model], Sequence[Cue]] | None:
    """What makes cues of a kind of model that this file has no place for by name."""
    if model.kind in (TOWERS, ANY_SOUND):
        return None
    from avmatch.systems.registry import offered

    return offered(model.kind, "runtime", "cues")


def _with_lips(given: tuple[TowerPair, ...]) -> tuple[TowerPair, ...]:
    if LIPS in shipped_models() and not any(_looks_at_mouths(pair) for pair in given):
        return (*given, _shipped(LIPS))
    return given


def motion_cues(models: Models, *, apart: bool, has_kinds: bool = True) -> list[Cue]:
    """What is known of motion and sound in general.

    Args:
        apart: of single files, where only offsets count; else among many, where it also counts what there is.
        has_kinds: whether a sound is of one kind; a long recording that covers several clips isn't.
    """
    has_timeless = has_kinds and not apart
    others = [cue for cue in models.others if has_timeless or not isinstance(cue, TimelessCue)]
    if models.events is None:
        return [MotionCue(sounds=APART) if apart else MotionCue(), *others]
    return [EventCue(models.events), *([KindCue(models.events)] if has_timeless else []), *others]


def face_cues(models: Sequence[TowerPair], *, apart: bool = True) -> list[Cue]:
    """The mouth cue and those of the models.

    Args:
        apart: as for `motion_cues`; where a model looks at mouths, the mouth cue then stays away.
    """
    learned: list[Cue] = [_cue(pair.video.description) for pair in models]
    mouth = MouthCue()
    if any(_looks_at_mouths(pair) for pair in models):
        if apart:
            return learned
        mouth = MouthCue(replace(mouth.calibration, weight=MOUTH_WEIGHT_BESIDE))
    return [mouth, *learned]


def _looks_at_mouths(pair: TowerPair) -> bool:
    return pair.video.description.crop == "mouth"


def _cue(tower: TowerDescription) -> EmbeddingCue:
    calibration = Calibration(
        tower.weight,
        tower.mass_slope,
        tower.contrast_slope,
        tower.intercept,
        tower.half_slope,
        uneven_slope=tower.uneven_slope,
        belongs_slopes=tower.belongs_slopes,
        offset_slopes=tower.offset_slopes,
    )
    voice = _shipped_voice(VOICE) if tower.crop == "mouth" else None
    return EmbeddingCue(
        tower.model,
        tower.scale,
        tower.baseline,
        tower.independent_seconds,
        tower.crop,
        calibration,
        voice,
        tower.background_share,
    )
