"""What a model folder says of its licence: card.md, or the head of a README.md as the hub has it."""

from pathlib import Path

_LICENCE, _FIELD, _FENCE = "Licence: ", "license:", "---"


def licence_of(folder: Path) -> str:
    """The licence of a model; "" where none is stated."""
    card = _lines(folder / "card.md")
    head = _lines(folder / "README.md")
    head = head[1 : head.index(_FENCE, 1)] if head[:1] == [_FENCE] and _FENCE in head[1:] else []
    found = [line.removeprefix(_LICENCE) for line in card if line.startswith(_LICENCE)]
    found += [line.removeprefix(_FIELD).strip() for line in head if line.startswith(_FIELD)]
    return next(iter(found), "")


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else []
