"""Where a pretrained model lies: a local folder, or an ID in the hub's cache.

An ID is completed by the hub's own client: from its cache, and over the network unless HF_HUB_OFFLINE forbids it.
Pickled weights and code aren't even fetched.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from avmatch.core.errors import ModelError

SCHEME = "hf:"
#: Of a repository.
FILES = ("*.json", "*.txt", "*.model", "*.safetensors", "README.md", "LICENSE*")
CONFIG, WEIGHTS, PICKLED = "config.json", "*.safetensors", ("*.bin", "*.pt", "*.pth", "*.ckpt")
_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


@dataclass(frozen=True)
class Source:
    """A folder that can be loaded.

    Attributes:
        name: as messages and results call it.
        config: what config.json says.
    """

    name: str
    folder: Path
    config: dict[str, Any]

    @property
    def model_type(self) -> str:
        """By which transformers knows the class."""
        return str(self.config.get("model_type", ""))

    @property
    def files(self) -> list[Path]:
        """What the vectors depend on."""
        return sorted([*self.folder.glob("*.json"), *self.folder.glob(WEIGHTS)])


def find(named: str) -> Source:
    """The folder of `hf:PATH_OR_ID`.

    Raises:
        ModelError: there is none, or it has no configuration or no weights in safetensors.
    """
    given = named.removeprefix(SCHEME)
    if not given.strip():
        raise ModelError(f"{named}: names no model; give a folder, or an ID such as facebook/pe-av-small-16-frame")
    folder = Path(given)
    name = f"{SCHEME}{folder.resolve().name if folder.is_dir() else given}"
    if not folder.is_dir():
        folder = _of_hub(given)
    if not (folder / CONFIG).is_file():
        raise ModelError(
            f"{given}: no {CONFIG} in it, so it is no model of transformers; give the folder that holds {CONFIG}, "
            "*.safetensors and the processor's files"
        )
    if not any(folder.glob(WEIGHTS)):
        raise ModelError(f"{given}: {_without_weights(folder)}")
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{given}: its {CONFIG} isn't JSON ({error}); download it again") from error
    if not isinstance(config, dict):
        raise ModelError(f"{given}: its {CONFIG} holds no settings by their names; download it again")
    return Source(name, folder, config)


def _without_weights(folder: Path) -> str:
    pickled = sorted(path.name for pattern in PICKLED for path in folder.glob(pattern))
    found = (
        f"only pickled weights ({', '.join(pickled)})" if pickled else f"no weights in safetensors ({WEIGHTS}) in it"
    )
    return (
        f"{found}; pickled ones can run code and are neither fetched nor loaded. Download it again, take a revision "
        "with model.safetensors, or convert it where it is safe: AutoModel.from_pretrained(ID).save_pretrained(FOLDER)"
    )


def _of_hub(identifier: str) -> Path:
    """The snapshot of a repository."""
    if not _ID.fullmatch(identifier):
        raise ModelError(f"{identifier}: no such folder; give a folder, or an ID such as facebook/pe-av-small-16-frame")
    try:
        return Path(snapshot_download(identifier, allow_patterns=list(FILES)))
    except LocalEntryNotFoundError as error:
        raise ModelError(
            f"{identifier}: neither a folder nor in the local cache, and the hub can't be reached (HF_HUB_OFFLINE, or "
            f"no network); run `hf download {identifier}` where there is one, or give the folder"
        ) from error
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise ModelError(f"{identifier}: the hub doesn't give it ({_one_line(error)}); check the ID") from error


def _one_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
