"""What a layer of a sound tower makes of a file: an exported graph, asked for one of its layers.

    sound ─ windows, half of each in the next ─ front end of the tower ─ graph up to the layer ─ pooled → (W, D)

Layers are called as the network's modules are: `blocks.conv_5`, or `conv_5` alone; `output` is what the tower gives.
What a layer gives is pooled to the same size for any window: maps (channels, time, bands) to their maxima on a grid of
4 × 3 (as Arandjelović and Zisserman pool the features of L3-Net), sequences to their mean and largest over time.

Any tower will do whose graph says that it takes sound: the input `logmel`, `mfcc` (artifacts/tower.py) or `filterbank`
(systems/avts/task.py).

Letters in shapes: W windows, D numbers, S samples, U frames of sound, C channels.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32

from avmatch.artifacts.model import Graph, open_graph, open_model
from avmatch.core.errors import MissingExtraError, ModelError
from avmatch.frontends.sound import SAMPLE_RATE_HZ, filterbank, log_mel, mfcc
from avmatch.media.decode import read_audio

if TYPE_CHECKING:
    from onnx import GraphProto


#: The layer that was published, and the windows of towers that take any length.
DEFAULT_LAYER, OUTPUT, WINDOW_SECONDS = "conv_5", "output", 1.0
#: Windows that go through a graph at once.
_TOGETHER = 64
#: Into how many cells a map is cut, over time and over bands.
_GRID = (4, 3)
#: Where the exporter notes the modules that an operation came from.
_SCOPES = "pkg.torch.onnx.name_scopes"

FrontEnd = Callable[[Float32[np.ndarray, " S"]], Float32[np.ndarray, "U _"]]


@dataclass(frozen=True, eq=False)
class SoundLayer:
    """A layer, which turns a file into the features of its windows.

    Attributes:
        model, layer: their names.
    """

    model: str
    layer: str
    front_end: FrontEnd
    window_seconds: float
    graph: Graph

    def __call__(self, path: str) -> Float32[np.ndarray, "W D"]:
        """The features of a file's windows. Raises MediaError if it can't be read, ModelError if the graph can't."""
        return self.of(read_audio(path, sample_rate_hz=SAMPLE_RATE_HZ).data[0])

    def of(self, samples: Float32[np.ndarray, " S"]) -> Float32[np.ndarray, "W D"]:
        """The features of the windows of a sound at 16 kHz; silence follows one that is shorter than a window."""
        cut = windows_of(samples, round(self.window_seconds * SAMPLE_RATE_HZ))
        return np.concatenate(
            [self._of_some(cut[begin : begin + _TOGETHER]) for begin in range(0, len(cut), _TOGETHER)]
        )

    def _of_some(self, cut: Float32[np.ndarray, "w S"]) -> Float32[np.ndarray, "w D"]:
        inputs = np.stack([self.front_end(window) for window in cut])
        return pooled(self.graph.run(self.model, inputs).astype(np.float32, copy=False), inputs.shape[1])


def sound_layer(model: str, tower: Graph, layer: str | None = None) -> SoundLayer:
    """A layer of the sound tower of a model.

    Args:
        model: what messages call it.
        layer: its name; None is DEFAULT_LAYER where there is one, else the output.

    Raises:
        ModelError: there is no such layer, and the message lists those that there are; or it isn't a sound tower.
        MissingExtraError: the library `onnx` is missing.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError("onnx", "train", "asking for a layer") from error
    graph, description = onnx.load(tower.path), tower.metadata
    front_ends = _front_ends(description)
    if description.get("input") not in front_ends:
        raise ModelError(
            f"{tower.path}: takes {description.get('input')!r}; a sound tower takes {', '.join(front_ends)}"
        )
    outputs = _layers(graph.graph)
    name = layer or (DEFAULT_LAYER if _named(DEFAULT_LAYER, outputs) else OUTPUT)
    if name != OUTPUT:
        output = _named(name, outputs)
        if not output:
            raise ModelError(f"{tower.path}: no layer {name!r}; there are {', '.join([*outputs, OUTPUT])}")
        del graph.graph.output[:]
        graph.graph.output.append(onnx.ValueInfoProto(name=output))
    cut = open_graph(tower.path, graph.SerializeToString())
    seconds = float(description.get("window_seconds", WINDOW_SECONDS))
    return SoundLayer(model, name, front_ends[description["input"]], seconds, cut)


def windows_of(samples: Float32[np.ndarray, " S"], size: int) -> Float32[np.ndarray, "W _"]:
    """Stretches of `size` samples, each beginning in the middle of the one before."""
    padded = np.pad(samples, (0, max(size - len(samples), 0)))
    cut: Float32[np.ndarray, "W _"] = np.lib.stride_tricks.sliding_window_view(padded, size)[:: max(size // 2, 1)]
    return cut


def pooled(outputs: Float32[np.ndarray, " W *form"], num_frames: int) -> Float32[np.ndarray, "W D"]:
    """What a layer gives of each window, in one size.

    Args:
        num_frames: of sound in a window. Of the two axes of a sequence, time is the one whose length divides it.
    """
    if outputs.ndim == 2:
        return outputs
    if outputs.ndim == 3:
        over_time = 1 if num_frames % outputs.shape[1] == 0 else 2
        return np.concatenate((outputs.mean(axis=over_time), outputs.max(axis=over_time)), axis=1)
    cells = [
        cell.max(axis=(2, 3))
        for row in np.array_split(outputs, min(_GRID[0], outputs.shape[2]), axis=2)
        for cell in np.array_split(row, min(_GRID[1], outputs.shape[3]), axis=3)
    ]
    return np.concatenate(cells, axis=1)


def sound_tower(model: str | Path) -> Graph:
    """That of a run, a model folder, a shipped model or a graph's file. Raises ModelError if there is none."""
    if Path(model).is_file():
        return open_graph(Path(model))
    opened = open_model(model)
    if not (opened.folder / "audio.onnx").is_file():
        raise ModelError(f"{model}: no sound tower there; give a run, a folder with audio.onnx, or a graph's file")
    return opened.graph("audio")


def _front_ends(description: dict[str, Any]) -> dict[str, FrontEnd]:
    num_filters = int(description.get("num_filters", 1))
    return {"logmel": log_mel, "mfcc": mfcc, "filterbank": partial(filterbank, num_filters=num_filters)}


def _layers(graph: GraphProto) -> dict[str, str]:
    """The modules that there are, by their full names, and the last thing that each gives."""
    found: dict[str, str] = {}
    for node in graph.node:
        scopes = {entry.key: entry.value for entry in node.metadata_props}.get(_SCOPES, "[]")
        modules = [scope for scope in json.loads(scopes.replace("'", '"'))[:-1] if scope]
        found |= dict.fromkeys(modules, node.output[0])
    return found


def _named(name: str, layers: dict[str, str]) -> str:
    """The output of the layer with this full name or end of one; empty where there is none."""
    return next((output for layer, output in layers.items() if layer == name or layer.endswith(f".{name}")), "")
