"""One ONNX graph, and the description that it carries.

The graph's metadata property `avmatch` is a JSON object, here of a tower for the picture:

    {"kind": "towers", "model": "lips", "side": "video", "input": "frames", "rate_hz": 25, "height_px": 96, …}

`kind` says which class describes the rest (a subclass of `Description`); graphs from before there was a `kind` are
recognised by their input, here and nowhere else.

ONNX Runtime is loaded with the first graph, and kept from phoning home: its builds write a device id and a database of
events to the user's cache as soon as they are imported, unless the environment says no before.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from avmatch.core.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from onnxruntime import InferenceSession


#: Kinds of models; model.py says what they are for.
TOWERS, CLIP_TOWERS, EVENTS, SCENES = "towers", "clip_towers", "events", "scenes"
WORDS, COLLISIONS, WINDOWS, CLASSES = "words", "collisions", "windows", "classes"

_KIND_OF_SIDE = {"words": WORDS, "classes": CLASSES}
_KIND_OF_INPUT = {
    "frames": TOWERS,
    "logmel": TOWERS,
    "mfcc": TOWERS,
    "clip_features": CLIP_TOWERS,
    "motion": EVENTS,
    "bands": EVENTS,
    "scene_features": SCENES,
    "colour_frames": WINDOWS,
    "filterbank": WINDOWS,
}


@dataclass(frozen=True, kw_only=True)
class Description:
    """What every graph says of itself; kinds add their own.

    Attributes:
        model: the name of the recipe.
        side: what the graph is in its model, such as video or audio.
        input: what goes in.
    """

    kind: str
    model: str
    side: str = ""
    input: str = ""


D = TypeVar("D", bound=Description)


@dataclass(frozen=True, eq=False)
class Graph:
    """A loaded graph.

    Attributes:
        fingerprint: follows its bytes.
    """

    path: Path
    session: InferenceSession
    fingerprint: str

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """The description as it was written. Raises ModelError if there is none."""
        try:
            found = json.loads(self.session.get_modelmeta().custom_metadata_map.get("avmatch", "null"))
        except ValueError as error:
            raise self._unusable(f"it isn't JSON: {error}") from error
        if not isinstance(found, dict):
            raise self._unusable("there is none")
        return found

    @property
    def kind(self) -> str:
        """Of the model that it belongs to; "" if that isn't known."""
        if "kind" in self.metadata:
            return str(self.metadata["kind"])
        if "outputs" in self.metadata:
            return COLLISIONS
        side, taken = self.metadata.get("side"), self.metadata.get("input")
        return _KIND_OF_SIDE.get(str(side)) or _KIND_OF_INPUT.get(str(taken), "")

    def description(self, wanted: type[D], side: str = "") -> D:
        """The description as one of `wanted`, whose `side` is this one. Raises ModelError if it isn't."""
        values: dict[str, Any] = {"kind": self.kind}
        values |= {name: tuple(value) if isinstance(value, list) else value for name, value in self.metadata.items()}
        try:
            found = wanted(**values)
        except (TypeError, ValueError) as error:
            raise self._unusable(str(error)) from error
        if side and found.side != side:
            raise ModelError(f"{self.path}: expected a tower for {side}, got one for {found.side}")
        return found

    def run(self, who: str, *inputs: np.ndarray) -> np.ndarray:
        """The first output. Raises ModelError if the graph doesn't take the inputs; `who` is named."""
        try:
            named = {taken.name: given for taken, given in zip(self.session.get_inputs(), inputs, strict=True)}
            return np.asarray(self.session.run(None, named)[0])
        except _graph_errors() as error:
            shapes = " and ".join(str(given.shape) for given in inputs)
            raise ModelError(f"{who} can't take {shapes} ({_one_line(error)}); export it again") from error

    def _unusable(self, why: str) -> ModelError:
        return ModelError(
            f"{self.path}: no usable `avmatch` description in the graph's metadata ({why}); export it with avmatch"
        )


def open_graph(path: Path, content: bytes | None = None) -> Graph:
    """Load a graph for the CPU, from its file or from bytes that are meant for it.

    Raises:
        ModelError: there is no file, or none that can be run.
    """
    if content is None:
        if not path.is_file():
            raise ModelError(f"{path}: no such model file; export the model again")
        content = path.read_bytes()
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except _graph_errors() as error:
        raise ModelError(f"{path}: not an ONNX model that can be run ({_one_line(error)}); export it again") from error
    return Graph(path, session, hashlib.blake2b(content, digest_size=8).hexdigest())


def _graph_errors() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises on graphs that it can't load, or that don't take what they are given."""
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    return (
        RuntimeError,
        ValueError,
        errors.Fail,
        errors.InvalidArgument,
        errors.InvalidGraph,
        errors.InvalidProtobuf,
        errors.NotImplemented,
        errors.RuntimeException,
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
