"""Names in lists that another system wrote: backslashes, and accents in one piece or two (NFC, NFD)."""

import unicodedata
from collections.abc import Iterator
from pathlib import Path


def listed_path(folder: Path, name: str) -> Path:
    """The file that a list in `folder` names: as it is written, or else as the disk may have it."""
    return next((path for path in _spellings(folder, name) if path.exists()), folder / name)


def _spellings(folder: Path, name: str) -> Iterator[Path]:
    for text in (name, name.replace("\\", "/")):
        yield folder / text
        for form in ("NFC", "NFD"):
            yield folder / unicodedata.normalize(form, text)
