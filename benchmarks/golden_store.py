"""What `golden.py` keeps of a command's outputs: the same figures give the same bytes, whenever and wherever it ran.

    .csv .tsv .json .jsonl .md .txt   as they are, normalised      .npy .npz   as .npy
    .html                             its text, line by line       .onnx       description.json, and outputs.npz of it
    pictures and sounds               SHA-256 in hashes.json       video       SHA-256 of its packets and their times
    weights, locks, curves, event files: left out (what the weights compute is in the graphs' outputs)

Normalised are absolute paths, temporary folders, times of day, versions, and how long an epoch took (`seconds`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path

import av
import numpy as np
import onnxruntime

TEXT_SUFFIXES = {".csv", ".tsv", ".json", ".jsonl", ".md", ".txt"}
FILE_SUFFIXES = {".png", ".jpg", ".wav", ".flac", ".m4a", ".pkl"}
#: Matroska gives every file a number of its own, so their bytes are never the same.
VIDEO_SUFFIXES = {".mp4", ".mkv", ".mov", ".avi"}
#: Plots of training have the seconds of each epoch in them.
LEFT_OUT = {"curves.png"}
#: Sizes that are tried for the free axes of a graph's inputs, until one of them runs.
FREE_SIZES = (48, 28, 99, 100, 16, 160, 4)
_PATTERNS = (
    (re.compile(r"[\w./-]*/src/avmatch\b"), "<SRC>"),
    (re.compile(r"/tmp/[\w./-]*"), "<TMP>"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?"), "<TIME>"),
    (re.compile(r"\bavmatch v?\d+(\.\d+)+[\w.+-]*"), "avmatch <VERSION>"),
    (re.compile(r'("(?:avmatch_)?version": )"[^"]*"'), r'\1"<VERSION>"'),
    (re.compile(r'("seconds": )[\d.e+-]+'), r"\g<1>0"),
    (re.compile(r"^(- seconds: )[\d.e+-]+$", re.MULTILINE), r"\g<1>0"),
    (re.compile(r"^( *seconds )[\d.e+-]+$", re.MULTILINE), r"\g<1>0"),
)


def normalised(text: str, folders: Sequence[Path]) -> str:
    """`text` without what differs from run to run; `folders` are those of this run."""
    for folder in sorted(map(str, folders), key=len, reverse=True):
        text = text.replace(folder, "<OUT>")
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def store_text(path: Path, text: str, folders: Sequence[Path]) -> None:
    """Write `text`, normalised."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(normalised(text, folders), encoding="utf-8")


def store_folder(source: Path, target: Path, folders: Sequence[Path]) -> None:
    """Keep everything of `source`, a folder or a single file, that can be compared."""
    hashes: dict[str, str] = {}
    for path in _files(source):
        name = path.name if path == source else path.relative_to(source).as_posix()
        kept = target / name
        if path.suffix in TEXT_SUFFIXES:
            store_text(kept, path.read_text(encoding="utf-8"), folders)
        elif path.suffix == ".html":
            store_text(kept.with_suffix(".html.txt"), _page_text(path.read_text(encoding="utf-8")), folders)
        elif path.suffix in {".npy", ".npz"}:
            _store_arrays(kept, np.load(path))
        elif path.suffix == ".onnx":
            _store_graph(path, kept, folders)
        elif path.suffix in FILE_SUFFIXES and path.name not in LEFT_OUT:
            hashes[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif path.suffix in VIDEO_SUFFIXES:
            hashes[name] = _packet_hash(path)
    if hashes:
        store_text(target / "hashes.json", json.dumps(hashes, indent=1), folders)


def _files(source: Path) -> list[Path]:
    return [source] if source.is_file() else sorted(path for path in source.rglob("*") if path.is_file())


def _packet_hash(path: Path) -> str:
    """Of all packets, their streams and times; of a file that isn't media, of its bytes."""
    found = hashlib.sha256()
    try:
        with av.open(str(path)) as container:
            for packet in container.demux():
                place = (packet.stream.index, packet.pts, packet.dts, packet.duration, packet.time_base)
                found.update(repr(place).encode() + bytes(packet))
    except av.FFmpegError:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return found.hexdigest()


def _store_arrays(kept: Path, found: np.ndarray | Mapping[str, np.ndarray]) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(found, np.ndarray):
        np.save(kept, found)
    else:
        np.savez(kept, **dict(found))


class _Page(HTMLParser):
    """Collects the text of a page; pictures count by their hash."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._skipped = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"style", "script"}:
            self._skipped = tag
        source = dict(attrs).get("src")
        if tag == "img" and source:
            self.lines.append(f"<img {hashlib.sha256(source.encode()).hexdigest()}>")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._skipped:
            self._skipped = ""

    def handle_data(self, data: str) -> None:
        if not self._skipped and (text := " ".join(data.split())):
            self.lines.append(text)


def _page_text(html: str) -> str:
    page = _Page()
    page.feed(html)
    return "\n".join(page.lines) + "\n"


def _store_graph(path: Path, kept: Path, folders: Sequence[Path]) -> None:
    """The description of a graph, its doors, and its outputs on fixed random input."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    doors = {
        side: {node.name: [node.type, *map(str, node.shape)] for node in nodes}
        for side, nodes in (("inputs", session.get_inputs()), ("outputs", session.get_outputs()))
    }
    told = {key: _parsed(value) for key, value in sorted(metadata.items())}
    store_text(Path(f"{kept}.description.json"), json.dumps(told | {"graph": doors}, indent=1), folders)
    outputs = _outputs(session)
    np.savez(f"{kept}.outputs.npz", **outputs)


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _outputs(session: onnxruntime.InferenceSession) -> dict[str, np.ndarray]:
    """Of the first free size that the graph takes; nothing at all would be an error here."""
    names = [node.name for node in session.get_outputs()]
    for size in FREE_SIZES:
        try:
            found = session.run(names, dict(_inputs(session, size)))
        except Exception:  # noqa: BLE001  # onnxruntime's own kinds, none of them public
            continue
        return {f"size_{size}_{name}": value for name, value in zip(names, found, strict=True)}
    raise RuntimeError(f"{session.get_inputs()}: no free size of {FREE_SIZES} fits")


def _inputs(session: onnxruntime.InferenceSession, size: int) -> Iterator[tuple[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    for node in session.get_inputs():
        free = iter((2, *[size] * 9))
        shape = [axis if isinstance(axis, int) else next(free) for axis in node.shape]
        if node.shape and isinstance(node.shape[0], int):
            shape = [axis if isinstance(axis, int) else size for axis in node.shape]
        if "float" in node.type:
            kind = np.float16 if "16" in node.type else np.float32
            yield node.name, rng.normal(size=shape).astype(kind)
        else:
            kind = np.uint8 if "uint8" in node.type else np.int64
            yield node.name, rng.integers(0, 200 if kind is np.uint8 else 4, shape).astype(kind)
