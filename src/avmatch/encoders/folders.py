"""What MODEL may be on the command line: a run, an exported folder, or the name of a model that ships."""

from __future__ import annotations

from pathlib import Path

from avmatch.core.errors import ModelError

WEIGHTS = Path(__file__).parent.parent / "weights"
_FILE = "video.onnx"


def model_folder(model: str | Path) -> Path:
    """The folder with the ONNX graphs.

    Raises:
        ModelError: it is none of the three; the message lists what ships.
    """
    given = Path(model)
    shipped_as = [WEIGHTS / given] if given.name == str(model) else []
    for folder in (given, given / "model", *shipped_as):
        if (folder / _FILE).is_file():
            return folder
    if (given / "config.json").is_file():
        raise ModelError(f"{model}: the run has no exported model yet; finish it with `avmatch train … --resume`")
    shipped = ", ".join(shipped_models()) or "none so far"
    raise ModelError(f"{model}: no model there; give a run, a folder with {_FILE}, or a shipped model ({shipped})")


def shipped_models() -> tuple[str, ...]:
    """The names of the models that came with the package."""
    return tuple(sorted(path.parent.name for path in WEIGHTS.glob(f"*/{_FILE}")))
