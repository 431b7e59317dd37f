"""Files appear whole or not at all: write beside the target, flush, rename over it.

A process that is killed leaves its file behind under a hidden name. While it lives it holds a lock on it, so the next
that writes into the folder can tell, and removes what nobody holds.

JSON is written so that every reader accepts it: numbers that are not finite become null.
"""

import hashlib
import json
import math
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import numpy as np

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_TEMPORARY = re.compile(r"\.avmatch-[0-9a-f]{16}(\..*)?")

#: Files up to this size are hashed whole, larger ones at evenly spaced places.
HASH_WHOLE_BYTES = 64 << 20
_NUM_PLACES, _PLACE_BYTES = 64, 1 << 20


@contextmanager
def atomic_path(target: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """A temporary path beside `target` that takes its name when the block ends well, and vanishes otherwise.

    The temporary name keeps the target's suffix, because muxers and image writers choose their format by it.

    Args:
        overwrite: False raises FileExistsError, at the end, if `target` exists by then.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _clear_leftovers(target.parent)
    temporary, held = _new_file(target)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        if overwrite:
            temporary.replace(target)
        else:
            _take_free_name(temporary, target)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise
    finally:
        if held is not None:
            os.close(held)


def _new_file(target: Path) -> tuple[Path, int | None]:
    """An empty file beside the target, and what holds the lock on it; None where there are no locks."""
    while True:
        temporary = target.parent / f".avmatch-{secrets.token_hex(8)}{target.suffix}"
        # The kernel applies the umask; to read it, a process must set it, which other threads would see.
        file = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        is_locked = _locks(file)
        if is_locked and os.fstat(file).st_nlink:
            return temporary, file
        os.close(file)
        if is_locked is None:
            return temporary, None
        # Another process took it for a leftover before it was locked.


@cache
def _clear_leftovers(folder: Path) -> None:
    """Remove what killed processes left in a folder; looked for once, because folders may be large."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not _TEMPORARY.fullmatch(entry.name) or not entry.is_file(follow_symlinks=False):
                continue
            with suppress(OSError):
                file = os.open(entry.path, os.O_RDWR)
                try:
                    if _locks(file):
                        Path(entry.path).unlink()
                finally:
                    os.close(file)


def _locks(file: int) -> bool | None:
    """Lock an open file until it is closed; False where another holds it, None where nothing can be locked."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _take_free_name(temporary: Path, target: Path) -> None:
    """Rename, but never over a file: a link is refused where the name is taken, however short a time ago."""
    try:
        os.link(temporary, target)
    except FileExistsError as error:
        raise taken(target) from error
    except OSError:  # a file system without hard links: claim the name with an empty file
        try:
            target.touch(exist_ok=False)
        except FileExistsError as error:
            raise taken(target) from error
        temporary.replace(target)
    else:
        temporary.unlink()


def taken(target: Path) -> FileExistsError:
    """The error where a file would be overwritten."""
    return FileExistsError(f"{target} exists already; move it, or name another place")


def content_hash(path: str | Path) -> str:
    """A name for a file's content: BLAKE2 over its size and bytes (64 places of 1 MiB of a large file)."""
    file = Path(path)
    size = file.stat().st_size
    digest = hashlib.blake2b(str(size).encode(), digest_size=16)
    with file.open("rb") as stream:
        if size <= HASH_WHOLE_BYTES:
            digest.update(stream.read())
        else:
            for place in range(_NUM_PLACES):
                stream.seek(place * (size - _PLACE_BYTES) // (_NUM_PLACES - 1))
                digest.update(stream.read(_PLACE_BYTES))
    return digest.hexdigest()


def write_bytes_atomically(target: Path, content: bytes) -> None:
    """Write `content` to `target`, whole or not at all."""
    with atomic_path(target) as temporary:
        temporary.write_bytes(content)


def write_text_atomically(target: Path, content: str) -> None:
    """Write `content` as UTF-8 to `target`, whole or not at all.

    Bytes of file names that are not UTF-8, which Python keeps as lone surrogates, are written with backslashes.
    """
    write_bytes_atomically(target, content.encode("utf-8", "backslashreplace"))


def write_array_atomically(target: Path, array: np.ndarray) -> None:
    """Write a `.npy`, whole or not at all."""
    with atomic_path(target) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def strict_json(value: object, indent: int | None = None) -> str:
    """`value` as JSON without NaN and Infinity. Raises TypeError for what JSON can't hold."""
    return json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, indent=indent)


def script_json(value: object) -> str:
    """`strict_json(value)` for the inside of an HTML script element: no text in it can close the element."""
    text = strict_json(value)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    return value
