"""Features and answers on disk: one .npz each, named by the content it was made from and by how it was made.

No pickle: arrays and a JSON text, in which each array is called by its name. A file that can't be read back counts as
absent and is made again.
"""

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import platformdirs

from avmatch.core import features, matches, results
from avmatch.core.features import AudioFeatures, Embeddings, VideoFeatures
from avmatch.core.files import content_hash as content_hash
from avmatch.core.files import write_bytes_atomically
from avmatch.core.matches import MatchResult

#: Part of every name: raise it when a front end changes.
FEATURES_VERSION = 12
_KINDS: dict[str, Any] = {
    name: kind for nouns in (features, matches, results) for name, kind in vars(nouns).items() if is_dataclass(kind)
}
Kept = TypeVar("Kept")
_ALIGNED = 16
#: What numpy, zipfile and json raise on files that are cut short, altered, or something else.
_DAMAGES = (OSError, EOFError, ValueError, TypeError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)


def default_cache_dir() -> Path:
    """Where features and answers are kept by default."""
    return Path(platformdirs.user_cache_dir("avmatch"))


def entry(folder: Path, content: str, kind: str, settings: str) -> Path:
    """Where the features of a content are kept."""
    key = hashlib.blake2b(f"{FEATURES_VERSION}/{kind}/{settings}".encode(), digest_size=6).hexdigest()
    return folder / content[:2] / f"{content}-{kind}-{key}.npz"


def save(path: Path, made: VideoFeatures | AudioFeatures | Embeddings | MatchResult) -> None:
    """Write features, vectors or an answer, whole or not at all."""
    arrays: list[np.ndarray] = []
    text = json.dumps(_packed(made, arrays))
    buffer = io.BytesIO()
    np.savez(buffer, *arrays, json=np.array(text))
    write_bytes_atomically(path, buffer.getvalue())


def as_bytes(made: VideoFeatures | AudioFeatures) -> bytes:
    """Features in one piece, for a place among others: read back ten times as fast as an .npz.

    The length of a JSON text in eight bytes, the text, and the arrays one after another, each from a multiple of
    _ALIGNED bytes on.
    """
    arrays: list[np.ndarray] = []
    packed = _packed(made, arrays)
    shapes = [[array.dtype.str, array.shape] for array in arrays]
    text = json.dumps([packed, shapes]).encode()
    parts = [len(text).to_bytes(8, "little"), text, *(np.ascontiguousarray(array).tobytes() for array in arrays)]
    head = parts[0] + parts[1]
    return b"".join(part + bytes(-len(part) % _ALIGNED) for part in (head, *parts[2:]))


def from_bytes(content: bytes, kind: type[Kept]) -> Kept | None:
    """Read back what is of this kind; None if it is damaged."""
    try:
        end = 8 + int.from_bytes(content[:8], "little")
        packed, shapes = json.loads(content[8:end])
        arrays, begin = {}, end + -end % _ALIGNED
        for number, (dtype, shape) in enumerate(shapes):
            num = int(np.prod(shape, dtype=np.int64))
            array = np.frombuffer(content, np.dtype(dtype), num, begin).reshape(shape)
            arrays[f"arr_{number}"] = array
            begin += array.nbytes + -array.nbytes % _ALIGNED
        found = _unpacked(packed, arrays)
    except _DAMAGES:
        return None
    return found if isinstance(found, kind) else None


def load(path: Path) -> VideoFeatures | AudioFeatures | None:
    """Read features back; None if there are none, or they are damaged."""
    found = read(path, object)
    return found if isinstance(found, VideoFeatures | AudioFeatures) else None


def read(path: Path, kind: type[Kept]) -> Kept | None:
    """Read back what is of this kind; None if there is none, or it is damaged."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            arrays = dict(stored)
        found = _unpacked(json.loads(str(arrays["json"])), arrays)
    except _DAMAGES:
        return None
    return found if isinstance(found, kind) else None


def _packed(value: object, arrays: list[np.ndarray]) -> object:
    """A value as JSON; arrays and bytes are put among `arrays`, and their places stand for them."""
    if isinstance(value, tuple):
        return [_packed(item, arrays) for item in value]
    if isinstance(value, Mapping):
        return {"mapping": {name: _packed(item, arrays) for name, item in value.items()}}
    if is_dataclass(value) and not isinstance(value, type):
        parts = {item.name: _packed(getattr(value, item.name), arrays) for item in fields(value)}
        return {"kind": type(value).__name__, "parts": parts}
    if isinstance(value, np.ndarray | bytes):
        arrays.append(np.frombuffer(value, np.uint8) if isinstance(value, bytes) else value)
        return {"bytes" if isinstance(value, bytes) else "array": f"arr_{len(arrays) - 1}"}
    return value


def _unpacked(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    match value:
        case list():
            return tuple(_unpacked(item, arrays) for item in value)
        case {"mapping": items}:
            return {name: _unpacked(item, arrays) for name, item in items.items()}
        case {"kind": kind, "parts": parts}:
            return _KINDS[kind](**{name: _unpacked(part, arrays) for name, part in parts.items()})
        case {"bytes": name}:
            return arrays[name].tobytes()
        case {"array": name}:
            return arrays[name]
    return value
