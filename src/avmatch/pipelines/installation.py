"""The models that are at hand, and those that can be had: the text of `avmatch models`."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from avmatch.artifacts.cards import licence_of as licence_of
from avmatch.artifacts.model import KINDS, SEMANTIC, WEIGHTS, open_model, user_models
from avmatch.core.errors import MissingExtraError, UsageError
from avmatch.systems.registry import offered

#: Models that can be installed, and the systems' modules that do it.
INSTALLABLE = {SEMANTIC: "lite0"}


@dataclass(frozen=True)
class KnownModel:
    """A model folder.

    Attributes:
        title: what it is, for a person.
        licence: as its card says, "" if it doesn't.
        num_bytes: of all its files.
    """

    name: str
    title: str
    licence: str
    num_bytes: int
    folder: Path
    is_shipped: bool


def known_models() -> Iterator[KnownModel]:
    """Those that the user has installed, and those that ship."""
    for place in (user_models(), WEIGHTS):
        for card in sorted(place.glob("*/card.md")):
            folder = card.parent
            licence = licence_of(folder)
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            title = KINDS[open_model(folder).kind].title
            yield KnownModel(folder.name, title, licence, size, folder, place == WEIGHTS)


def exported(model: str, folder: Path) -> tuple[Path, ...]:
    """Write a model of others, `hf:PATH_OR_ID`, as ONNX into a folder.

    Returns:
        The files.

    Raises:
        UsageError: the model is one of ours.
        MissingExtraError: transformers, torch or what exports isn't installed.
        ModelError: it can't be found, loaded or exported.
    """
    from avmatch.systems.registry import exported as write

    return write(model, folder)


def install(name: str) -> Path:
    """Install a model into the user's folder, whole or not at all; one that is there is replaced.

    Returns:
        Its folder.

    Raises:
        UsageError: there is none of that name that could be installed.
        MissingExtraError: what it is made from, or torch, isn't installed.
        ModelError: what it is made from isn't what it should be.
    """
    if name not in INSTALLABLE:
        raise UsageError(f"no model {name!r} to install; there are {', '.join(INSTALLABLE)}")
    folder = user_models() / name
    try:
        make = offered(name, INSTALLABLE[name], "install")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("avmatch"):
            raise
        raise MissingExtraError(error.name, "semantic,train", f"`avmatch models install {name}`") from error
    assert make is not None
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent) as temporary:
        made = Path(temporary) / name
        make(made)
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
    return folder
