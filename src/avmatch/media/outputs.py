"""Which files in a folder an earlier run wrote, so that nothing else is ever replaced.

A tag in the file wouldn't do: it lives on in what others make of the file. So the hashes of what was written stand in a
list beside it, a line of JSON a file: `[hash, name]`. A file that was changed since, or has another name, is no longer
ours; neither is one whose list is gone. Lists are only added to, so that runs side by side lose nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from avmatch.core.files import content_hash

LIST_NAME = ".avmatch-muxed"
TIMELINE_LIST_NAME = ".avmatch-timelines"


def is_own(path: Path, list_name: str = LIST_NAME) -> bool:
    """Whether a file is there, and is what an earlier run wrote under this name."""
    if path.is_symlink() or not path.is_file():
        return False
    hashes = [digest for digest, name in _entries(path.with_name(list_name)) if name == path.name]
    return bool(hashes) and content_hash(path) in hashes


def record(path: Path, written: Path, list_name: str = LIST_NAME) -> None:
    """Put what was written to the list, before it takes its name."""
    line = json.dumps([content_hash(written), path.name])
    with path.with_name(list_name).open("ab") as file:
        file.write(f"\n{line}\n".encode())  # the line before may be cut off


def _entries(path: Path) -> Iterator[tuple[str, str]]:
    """What a list holds; lines that are cut off or of another kind are passed over."""
    with suppress(OSError):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError, TypeError):
                digest, name = json.loads(line)
                yield digest, name
