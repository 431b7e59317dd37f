"""Model files: ONNX graphs that say what they are, and what MODEL may be on the command line.

    open_model(path) → Model: its kind, its folder, and its graphs, each opened once, when it is asked for

MODEL is a run, an exported folder, or the name of a model that the user has installed, or that ships. What a model can
do follows from its kind; a command that gets another kind than it takes names the command that does.

Each graph carries its description: the metadata property `avmatch` is a JSON object, here of a tower for the picture:

    {"kind": "towers", "model": "lips", "side": "video", "input": "frames", "rate_hz": 25, "height_px": 96, …}

`kind` says which class describes the rest (a subclass of `Description`); graphs from before there was a `kind` are
recognised by their input, here and nowhere else.

ONNX Runtime is imported with the first graph. Its builds write a device id and a database of events to the user's cache
as soon as they are imported, unless the environment forbids it before.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from avmatch.core.errors import ModelError

#: Kinds of models; KINDS says what they are for.
TOWERS, CLIP_TOWERS, EVENTS, SCENES = "towers", "clip_towers", "events", "scenes"
WORDS, COLLISIONS, WINDOWS, CLASSES = "words", "collisions", "windows", "classes"
VOICE, SEMANTIC, FACES = "voice", "semantic", "faces"

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


#: Of a ModelProto, and the wire type of strings and messages.
_METADATA_FIELD, _WITH_LENGTH = 14, 2

D = TypeVar("D", bound=Description)


@runtime_checkable
class Session(Protocol):
    """What runs a graph: ONNX Runtime's InferenceSession, or what stands in its place (systems/pretrained)."""

    def get_inputs(self) -> Any:
        """What goes in: `name` and `shape` of each."""

    def run(self, output_names: Any, inputs: dict[str, np.ndarray]) -> Any:
        """The outputs."""

    def get_modelmeta(self) -> Any:
        """What is said of it: `custom_metadata_map`."""


@dataclass(frozen=True, eq=False)
class Graph:
    """A loaded graph.

    Attributes:
        fingerprint: follows what it computes: its bytes but for the description.
    """

    path: Path
    session: Session
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
    def is_described(self) -> bool:
        """Whether avmatch has written a description into it."""
        return "avmatch" in self.session.get_modelmeta().custom_metadata_map

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


def open_graph(path: Path, content: bytes | None = None, num_threads: int = 0) -> Graph:
    """Load a graph for the CPU, from its file or from bytes that are meant for it.

    Args:
        num_threads: that one run uses; 0 = as many as there are cores.

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
    options.intra_op_num_threads = num_threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads would use up a core
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except _graph_errors() as error:
        raise ModelError(f"{path}: not an ONNX model that can be run ({_one_line(error)}); export it again") from error
    return Graph(path, session, hashlib.blake2b(_computing(content), digest_size=8).hexdigest())


def _computing(content: bytes) -> bytes:
    """A serialized ModelProto without its metadata: in protocol buffers, fields of a message stand one after another,
    each as a key (field number · 8 + wire type), and then a number, or a length and so many bytes."""
    kept, place = [], 0
    while place < len(content):
        begin = place
        key, place = _varint(content, place)
        number, place = _varint(content, place)
        if key & 7 == _WITH_LENGTH:
            place += number
        if key >> 3 != _METADATA_FIELD:
            kept.append(content[begin:place])
    return b"".join(kept)


def _varint(content: bytes, place: int) -> tuple[int, int]:
    """Seven bits a byte, the lowest first, and the place after it."""
    number = shift = 0
    while place < len(content):
        byte = content[place]
        number |= (byte & 0x7F) << shift
        shift, place = shift + 7, place + 1
        if byte < 0x80:
            break
    return number, place


def _graph_errors() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises on graphs that it can't load, or that don't take what they are given."""
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    own = (kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception))
    return RuntimeError, ValueError, *own


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


WEIGHTS = Path(__file__).parent.parent / "weights"
#: The graphs by which a folder is recognised, the first that is there.
_GRAPHS = ("video", "audio", "scenes", "words", "classes", "classes_sound", "classes_picture", "metric_film", "picture")


@dataclass(frozen=True)
class Kind:
    """What a person should know of a kind.

    Attributes:
        title: with its article.
        commands: what takes it.
        recipes: that train it.
    """

    title: str
    commands: str
    recipes: str


KINDS = {
    TOWERS: Kind(
        "a two-tower model of picture and sound",
        "`avmatch match`, `sync` and `evaluate`",
        "`lips`, `two_tower_media` or a published lip-sync system",
    ),
    CLIP_TOWERS: Kind(
        "a model of features of whole clips, which have no place in time",
        "`avmatch match` of such features and `avmatch evaluate retrieval`",
        "`two_tower` or `canonical`",
    ),
    EVENTS: Kind(
        "a model for any sound",
        "`avmatch match`, `sync` and `evaluate retrieval` or `sync`",
        "`events`",
    ),
    SCENES: Kind("a classifier of scenes", "`avmatch classify`", "`scene_…`"),
    WORDS: Kind("a reader of words", "`avmatch evaluate words`", "`words`"),
    COLLISIONS: Kind("a model of collisions", "`avmatch collide`", "`collision`"),
    WINDOWS: Kind("a model of single windows", "`avmatch evaluate probe`", "`avts`"),
    CLASSES: Kind("a classifier of single windows", "`avmatch evaluate probe` (its .onnx file)", "classes"),
    FACES: Kind("a finder of faces", "all commands that look at faces", "benchmarks/faces_training.py"),
    VOICE: Kind("a detector of voices", "the cues that look at faces", "benchmarks/voice.py"),
    SEMANTIC: Kind("a model of what is visible and what sounds", "`avmatch match` (--model)", "`semantic`"),
}


@dataclass(frozen=True, eq=False)
class Model:
    """A model folder.

    Attributes:
        name: as the user gave it.
        kind: of KINDS, or one that a newer version knows.
        graphs: those that are open, by their names.
    """

    name: str
    folder: Path
    kind: str
    graphs: dict[str, Graph] = field(default_factory=dict)

    def graph(self, name: str) -> Graph:
        """The graph in `name`.onnx. Raises ModelError if there is none that can be run."""
        if name not in self.graphs:
            self.graphs[name] = open_graph(self.folder / f"{name}.onnx")
        return self.graphs[name]

    def part(self, name: str) -> Model:
        """The model that lies in a folder inside this one. Raises ModelError if there is none."""
        if not (self.folder / name).is_dir():
            raise ModelError(f"{self.folder / name}: no such model files; export {self.name} again")
        return open_model(self.folder / name)


def open_model(model: str | Path | Model, *kinds: str) -> Model:
    """Open a model; one that is open already is only checked.

    Args:
        kinds: those that will do; none = all.

    Raises:
        ModelError: there is none, it doesn't say what it is, or it is of another kind.
    """
    opened = model if isinstance(model, Model) else _opened(model, kinds)
    if kinds and opened.kind not in kinds:
        found = KINDS.get(opened.kind, Kind(f"a model of the kind {opened.kind!r}", "a newer avmatch", ""))
        wanted = " or ".join(KINDS[kind].title for kind in kinds)
        raise ModelError(f"{opened.name}: is {found.title}, not {wanted}; it can be used with {found.commands}")
    return opened


def user_models() -> Path:
    """Where models lie that the user has installed (`avmatch models install`)."""
    import platformdirs

    return Path(platformdirs.user_data_dir("avmatch")) / "models"


def folder_of(name: str) -> Path | None:
    """The folder of a model that the user has installed, or that ships; None if there is none of that name."""
    if Path(name).name != name:
        return None
    return next((place / name for place in (user_models(), WEIGHTS) if (place / name).is_dir()), None)


def shipped_models() -> tuple[str, ...]:
    """The names of the models that came with the package."""
    return tuple(sorted(path.parent.name for path in WEIGHTS.glob("*/video.onnx")))


def _opened(model: str | Path, kinds: tuple[str, ...]) -> Model:
    given = Path(model)
    named = folder_of(str(model))
    for folder in (given, given / "model", *([] if named is None else [named])):
        if name := next((name for name in _GRAPHS if (folder / f"{name}.onnx").is_file()), None):
            graph = open_graph(folder / f"{name}.onnx")
            if not graph.kind:
                taken = graph.metadata.get("input")
                raise ModelError(
                    f"{graph.path}: no usable `avmatch` description in the graph's metadata (side "
                    f"{graph.metadata.get('side')!r} with input {taken!r} is of no known kind); export it with avmatch"
                )
            return Model(str(model), folder, graph.kind, {name: graph})
    if (given / "config.json").is_file():
        raise ModelError(f"{model}: the run has no exported model yet; finish it with `avmatch train … --resume`")
    wanted = [KINDS[kind].recipes for kind in kinds if kind not in (TOWERS, EVENTS)]
    if kinds and len(wanted) == len(kinds):
        raise ModelError(
            f"{model}: no model there; give a run of `avmatch train` with the recipe {' or '.join(wanted)}, or its "
            "model folder"
        )
    shipped = ", ".join(shipped_models()) or "none so far"
    raise ModelError(f"{model}: no model there; give a run, a folder with video.onnx, or a shipped model ({shipped})")
