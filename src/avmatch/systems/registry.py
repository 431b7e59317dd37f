"""The one registry: systems by their names, recipes by theirs, and what runs and measures each kind of model.

A system is a package; its line here is all that the rest of the program knows of it beforehand. The package itself is
light: it tells its story and names what it has. The rest is imported when it is asked for, so that nobody waits for
torch, or for the other systems.

    RECIPES   functions of recipe.py that return a complete configuration
    STAGED    functions of stages.py: configurations of several recipes, trained by its `train_system`
    KINDS     of models (artifacts/model.py) that it exports and runs
    SCHEMES   beginnings of names of models that aren't ours, such as hf:

    runtime.py    cues(model) -> Sequence[Cue]                                  takes part in `match` and `sync`
    opening.py    open_named(name) -> Model; export(name, folder)               of the SCHEMES
    evaluate.py   similarities(model, gallery, conditions, seed) -> matrices    takes part in `evaluate retrieval`
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avmatch.artifacts.model import Model, open_model
from avmatch.core.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from avmatch.training.config import TrainConfig

SYSTEMS = {
    "two_tower": "avmatch.systems.two_tower",
    "lips": "avmatch.systems.lips",
    "events": "avmatch.systems.events",
    "words": "avmatch.systems.words",
    "avts": "avmatch.systems.avts",
    "scenes": "avmatch.systems.scenes",
    "collisions": "avmatch.systems.collisions",
    "voice": "avmatch.systems.voice",
    "semantic": "avmatch.systems.semantic",
    "faces": "avmatch.systems.faces",
    "pretrained": "avmatch.systems.pretrained",
}


def recipe_names() -> tuple[str, ...]:
    """The recipes of all systems, in their order."""
    return tuple(_homes("RECIPES"))


def recipes_by_system() -> dict[str, tuple[str, ...]]:
    """What can be trained, by the system that it belongs to; nothing needs to be installed to know."""
    packages = {name: import_module(home) for name, home in SYSTEMS.items()}
    named = {name: (*getattr(home, "RECIPES", ()), *getattr(home, "STAGED", ())) for name, home in packages.items()}
    return {name: recipes for name, recipes in named.items() if recipes}


def check_recipe(name: str) -> None:
    """Raises UsageError, with the names there are, if there is no such recipe."""
    if name not in (*_homes("RECIPES"), *_homes("STAGED")):
        raise _no_recipe(name)


def recipe(name: str) -> TrainConfig:
    """The configuration of a recipe. Raises UsageError, with the names there are."""
    homes = _homes("RECIPES")
    if name not in homes:
        raise _no_recipe(name)
    build: Callable[[], TrainConfig] = getattr(import_module(f"{homes[name]}.recipe"), name)
    return build()


def staged(name: str) -> tuple[Callable[..., Any], Callable[..., Any]] | None:
    """Of a system that trains several recipes in stages: how it is set, and how it is trained; None = there is none."""
    home = _homes("STAGED").get(name)
    if home is None:
        return None
    stages = import_module(f"{home}.stages")
    return getattr(stages, name), stages.train_system


def offered(kind: str, part: str, name: str) -> Callable[..., Any] | None:
    """The function `name` in the module `part` of the system that has this kind of model; None if there is none."""
    module = f"{_homes('KINDS').get(kind)}.{part}"
    found = kind in _homes("KINDS") and find_spec(module) is not None
    return getattr(import_module(module), name, None) if found else None


def opened(model: str | Path | Model, *kinds: str) -> Model:
    """A model as `open_model` opens it, or one that isn't ours, by the scheme of its name.

    Raises:
        ModelError: there is none, or it is of another kind.
        MissingExtraError: what opens it isn't installed.
    """
    opening = None if isinstance(model, Model) else _opening(str(model))
    return open_model(model if opening is None else opening.open_named(str(model)), *kinds)


def exported(model: str, folder: Path) -> tuple[Path, ...]:
    """Write a model that isn't ours as ONNX. Raises UsageError if its name has no scheme, and as `opened` does."""
    opening = _opening(model)
    if opening is None:
        schemes = ", ".join(f"{scheme}PATH_OR_ID" for scheme in _homes("SCHEMES"))
        raise UsageError(f"{model}: only models of others are exported ({schemes}); those of avmatch are ONNX already")
    try:
        written: tuple[Path, ...] = opening.export(model, folder)
    except ModuleNotFoundError as error:
        raise _missing(error, "pretrained,train", "to export a model") from error
    return written


def _opening(name: str) -> Any:
    """The module that opens a name with this scheme; None if there is no such scheme."""
    scheme = f"{name.partition(':')[0]}:"
    home = _homes("SCHEMES").get(scheme)
    if home is None:
        return None
    try:
        return import_module(f"{home}.opening")
    except ModuleNotFoundError as error:
        raise _missing(error, "pretrained", f"a model by {scheme}") from error


def _missing(error: ModuleNotFoundError, extra: str, purpose: str) -> Exception:
    """As a missing extra; an error of ours stays one."""
    name = error.name or ""
    return error if not name or name.startswith("avmatch") else MissingExtraError(name, extra, purpose)


def _no_recipe(name: str) -> UsageError:
    return UsageError(f"no recipe {name!r}; there are {', '.join(sorted([*_homes('RECIPES'), *_homes('STAGED')]))}")


def _homes(kind: str) -> dict[str, str]:
    """The package of each name."""
    named: dict[str, Sequence[str]] = {home: getattr(import_module(home), kind, ()) for home in SYSTEMS.values()}
    return {name: home for home, names in named.items() for name in names}
