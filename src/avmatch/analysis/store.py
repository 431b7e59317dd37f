"""Features on disk: one .npz a file, named by the content it was made from and by how it was made.

No pickle: arrays and a JSON text. A file that can't be read back counts as absent and is made again.
"""

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from avmatch.core.features import AudioFeatures, Embeddings, MouthTrack, VideoFeatures
from avmatch.core.files import write_bytes_atomically

#: Part of every name: raise it when a front end changes.
FEATURES_VERSION = 7
#: Files up to this size are hashed whole, larger ones at evenly spaced places.
HASH_WHOLE_BYTES = 64 << 20
_NUM_PLACES, _PLACE_BYTES = 64, 1 << 20
_NUMBERS, _BANDS = ("start_seconds", "duration_seconds", "missing_share"), ("flux", "level", "spectrum")
#: What numpy, zipfile and json raise on files that are cut short, altered, or something else.
_DAMAGES = (OSError, EOFError, ValueError, TypeError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)


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


def entry(folder: Path, content: str, kind: str, settings: str) -> Path:
    """Where the features of a content are kept."""
    key = hashlib.blake2b(f"{FEATURES_VERSION}/{kind}/{settings}".encode(), digest_size=6).hexdigest()
    return folder / content[:2] / f"{content}-{kind}-{key}.npz"


def save(path: Path, features: VideoFeatures | AudioFeatures) -> None:
    """Write features, whole or not at all."""
    arrays: dict[str, np.ndarray] = {}
    texts = _pack(features, "", arrays)
    buffer = io.BytesIO()
    np.savez(buffer, json=np.array(json.dumps(texts)), **arrays)  # type: ignore[arg-type]
    write_bytes_atomically(path, buffer.getvalue())


def load(path: Path) -> VideoFeatures | AudioFeatures | None:
    """Read features back; None if there are none, or they are damaged."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            arrays = dict(stored)
        return _unpack(json.loads(str(arrays["json"])), "", arrays)
    except _DAMAGES:
        return None


def _pack(features: VideoFeatures | AudioFeatures, prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, object]:
    texts: dict[str, object] = {name: getattr(features, name) for name in _NUMBERS}
    texts["embeddings"] = _pack_embeddings(features.embeddings, prefix, arrays)
    if isinstance(features, AudioFeatures):
        arrays |= {f"{prefix}{name}": getattr(features, name) for name in _BANDS}
        return texts | {"kind": "audio", "peak": features.peak, "peaks": list(features.peaks)}
    arrays[f"{prefix}motion"] = features.motion
    arrays[f"{prefix}thumbnail"] = np.frombuffer(features.thumbnail_jpeg, np.uint8)
    mouths = []
    for number, track in enumerate(features.mouths):
        for field in ("pts_seconds", "boxes", "signals"):
            arrays[f"{prefix}mouth/{number}/{field}"] = getattr(track, field)
        mouths.append(_pack_embeddings(track.embeddings, f"{prefix}mouth/{number}/", arrays))
    scratch = None if features.scratch is None else _pack(features.scratch, f"{prefix}scratch/", arrays)
    return texts | {"kind": "video", "fps": features.fps, "mouths": mouths, "scratch": scratch}


def _unpack(texts: dict[str, Any], prefix: str, arrays: dict[str, np.ndarray]) -> VideoFeatures | AudioFeatures:
    common = {name: texts[name] for name in _NUMBERS}
    common["embeddings"] = _unpack_embeddings(texts["embeddings"], prefix, arrays)
    if texts["kind"] == "audio":
        bands: dict[str, Any] = {name: arrays[f"{prefix}{name}"] for name in _BANDS}
        return AudioFeatures(peak=texts["peak"], peaks=tuple(texts["peaks"]), **bands, **common)
    scratch = None if texts["scratch"] is None else _unpack(texts["scratch"], f"{prefix}scratch/", arrays)
    assert not isinstance(scratch, VideoFeatures)
    return VideoFeatures(
        motion=arrays[f"{prefix}motion"],
        mouths=tuple(
            _unpack_mouth(towers, f"{prefix}mouth/{number}/", arrays) for number, towers in enumerate(texts["mouths"])
        ),
        fps=texts["fps"],
        thumbnail_jpeg=arrays[f"{prefix}thumbnail"].tobytes(),
        scratch=scratch,
        **common,
    )


def _unpack_mouth(towers: Mapping[str, Sequence[float]], prefix: str, arrays: Mapping[str, np.ndarray]) -> MouthTrack:
    pts_seconds, boxes, signals = (arrays[prefix + field] for field in ("pts_seconds", "boxes", "signals"))
    return MouthTrack(pts_seconds, boxes, signals, _unpack_embeddings(towers, prefix, arrays))


def _pack_embeddings(
    embeddings: Mapping[str, Embeddings], prefix: str, arrays: dict[str, np.ndarray]
) -> dict[str, list[float]]:
    arrays |= {f"{prefix}embedding/{name}": item.data for name, item in embeddings.items()}
    return {name: [item.rate_hz, item.start_seconds] for name, item in embeddings.items()}


def _unpack_embeddings(
    towers: Mapping[str, Sequence[float]], prefix: str, arrays: Mapping[str, np.ndarray]
) -> dict[str, Embeddings]:
    return {
        name: Embeddings(arrays[f"{prefix}embedding/{name}"], rate, start) for name, (rate, start) in towers.items()
    }
