"""Networks → a model folder: ONNX graphs with their descriptions inside, and card.md.

The graph is exported by torch's dynamo exporter with a free batch and, where the tower takes it, a free length; then
run by ONNX Runtime on other batch sizes and lengths than it was traced with. A graph that differs from the network is
not written.

Two towers over frames and log-mel become video.onnx and audio.onnx (artifacts/tower.py). `EmbeddingCue`
(cues/learned.py) adds scale · (cosine − baseline) nats over independent steps. Both numbers are fitted here, on pairs
that were held back, at their length: a pair's nats are linear in the sum of its cosines and in its length, by logistic
regression of matching against non-matching pairs.

Letters in shapes: N pairs.
"""

import io
import json
import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import torch
from jaxtyping import Float32, Int
from torch import Tensor, nn

from avmatch.artifacts.model import open_graph
from avmatch.core.errors import ModelError
from avmatch.core.files import write_bytes_atomically, write_text_atomically
from avmatch.data.tracks import PackSettings
from avmatch.frontends.sound import NUM_MELS
from avmatch.metrics.calibration import fit_nats, platt_target

OPSET = 18
#: Largest difference between the network's and the graph's answer, for outputs about 1.
TOLERANCE = 1e-4
#: The same where weights are kept in half precision.
HALF_TOLERANCE = 4e-3
#: What goes in at once: one tensor, or several.
Sample = Tensor | tuple[Tensor, ...]
#: Where the exporter notes the modules that an operation came from.
NAME_SCOPES = "pkg.torch.onnx.name_scopes"
#: Loggers of the exporter and its optimiser.
_TALKATIVE = ("torch.onnx._internal.exporter._registration", "onnxscript.optimizer._constant_folding")
#: Smaller arrays stay as they are: biases, norms.
LEAST_HALVED = 1024
#: Batches and lengths of samples for towers over time; the encoders' own batch of one, and a single tick, among them.
TICKS = ((2, 8), (1, 21), (3, 5), (1, 1))
#: Steps at this distance count as independent, or ticks where they are farther.
INDEPENDENT_SECONDS = 0.2
#: The smallest slope, of a model that has learned nothing.
_LEAST_SLOPE = 1e-4
_CARD = """# {recipe}

Trained by `avmatch train`. It is reliable on data like its training data: other features, recordings and kinds \
of sound need a measurement of their own (`avmatch evaluate`).

## Data
{data}

## Results
On the pairs that were held back from training (whole recordings), by the weights that are exported here:

{results}

## Made by
```
{command}
```

## Configuration
```json
{config}
```
"""


@dataclass(frozen=True, eq=False)
class Exported:
    """A network that becomes a graph.

    Attributes:
        samples: inputs for the parity check; the first is traced. Dimensions in which they differ become free.
        description: what its kind says of itself (artifacts/), but for kind and model.
        input_names: of the tensors that go in.
    """

    network: nn.Module
    samples: Sequence[Sample]
    description: Mapping[str, object]
    input_names: Sequence[str] = ("input",)

    @property
    def inputs(self) -> list[tuple[Tensor, ...]]:
        """What goes in at once, sample by sample."""
        return [(sample,) if isinstance(sample, Tensor) else sample for sample in self.samples]


def export_model(
    kind: str, graphs: Mapping[str, Exported], folder: Path, story: Mapping[str, object], *, is_half: bool = False
) -> None:
    """Write a model folder: a graph for each name, and the card.

    Args:
        kind: of artifacts/model.py.
        story, is_half: as of export_onnx.

    Raises:
        ModelError: a graph's answer differs from its network's.
    """
    for name, one in graphs.items():
        description = {"kind": kind, "model": story["recipe"], **one.description}
        export_onnx(replace(one, description=description), folder / f"{name}.onnx", story, is_half=is_half)
    write_card(folder / "card.md", story)


def uniform(shapes: Iterable[tuple[int, ...]], low: float = 0.0, high: float = 1.0) -> list[Tensor]:
    """Samples of these shapes, the same every time."""
    generator = torch.Generator().manual_seed(0)
    return [low + (high - low) * torch.rand(*shape, generator=generator) for shape in shapes]


def normal(shapes: Iterable[tuple[int, ...]], mean: float = 0.0, deviation: float = 1.0) -> list[Tensor]:
    """The same, normally distributed."""
    generator = torch.Generator().manual_seed(0)
    return [mean + deviation * torch.randn(*shape, generator=generator) for shape in shapes]


def export_onnx(exported: Exported, path: Path, story: Mapping[str, object], *, is_half: bool = False) -> None:
    """Write a network, which takes tensors and gives one, to `path`; its description is the property `avmatch`.

    Args:
        story: where it comes from (recipe, config, data, results), the property `avmatch_training`.
        is_half: keep weights in float16, in half the space. They are cast back when the graph is loaded, so that it
            computes in float32 as ever.

    Raises:
        ModelError: the graph's answer differs from the network's.
    """
    exported.network.eval()
    graph = _traced(exported)
    if is_half:
        _halve(graph.graph)
    for key, value in (("avmatch", exported.description), ("avmatch_training", story)):
        graph.metadata_props.add(key=key, value=json.dumps(value))
    content = graph.SerializeToString()
    _check_parity(exported, path, content, HALF_TOLERANCE if is_half else TOLERANCE)
    write_bytes_atomically(path, content)


def write_card(path: Path, story: Mapping[str, object]) -> None:
    """Write the card. `story` has recipe, config, data, results and command, as the training loop gives them."""
    text = _CARD.format(
        recipe=story["recipe"],
        data=_lines(story["data"]),
        results=_lines(story["results"]),
        command=story["command"] or "(unknown)",
        config=json.dumps(story["config"], indent=2),
    )
    write_text_atomically(path, text)


def _lines(items: object) -> str:
    if not isinstance(items, Mapping):
        return str(items)
    texts = {name: f"{value:.4g}" if isinstance(value, float) else value for name, value in items.items()}
    return "\n".join(f"- {name}: {text}" for name, text in texts.items()) or "- none measured"


def described_anew(path: Path, changes: Mapping[str, object]) -> None:
    """Change what a graph's description says, such as figures that were fitted after training; one that has none, as
    somebody else's, gets it."""
    graph = onnx.load(path)
    found = [entry for entry in graph.metadata_props if entry.key == "avmatch"]
    description = found[0] if found else graph.metadata_props.add(key="avmatch", value="{}")
    description.value = json.dumps(json.loads(description.value) | changes)
    write_bytes_atomically(path, graph.SerializeToString())


def _traced(exported: Exported) -> onnx.ModelProto:
    first, *others = exported.inputs
    free = tuple(
        {
            axis: torch.export.Dim.DYNAMIC
            for axis in range(tensor.ndim)
            if any(other[place].shape[axis] != tensor.shape[axis] for other in others)
        }
        for place, tensor in enumerate(first)
    )
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), _quietly():
        warnings.simplefilter("ignore")  # the exporter's own, about its own code
        program = torch.onnx.export(
            exported.network,
            first,
            dynamo=True,
            opset_version=OPSET,
            input_names=list(exported.input_names),
            output_names=["output"],
            dynamic_shapes=free,
            verbose=False,
        )
    if program is None:
        raise ModelError("the exporter gave no graph")
    return without_traces(program.model_proto)


def without_traces(graph: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph without the exporter's stack traces, which name files of this machine.

    What stays are the names of the modules, by which layers are asked for (systems/avts/evaluate.py).
    """
    for part in (*graph.graph.node, *graph.graph.value_info, *graph.graph.input, *graph.graph.output):
        kept = [entry for entry in part.metadata_props if entry.key == NAME_SCOPES]
        del part.metadata_props[:]
        part.metadata_props.extend(kept)
        part.doc_string = ""
    return graph


@contextmanager
def _quietly() -> Iterator[None]:
    """What the exporter says of torchvision, which isn't needed here, and of constants that stay, is not logged."""

    def is_logged(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        return "torchvision" not in message and "constant folding" not in message

    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    for logger in loggers:
        logger.addFilter(is_logged)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(is_logged)


def _halve(graph: onnx.GraphProto) -> None:
    """Large float32 weights become float16 and a cast, which ONNX Runtime does once, when it loads the graph."""
    casts = []
    for weight in graph.initializer:
        array = onnx.numpy_helper.to_array(weight)
        if array.dtype == np.float32 and array.size >= LEAST_HALVED:
            name = f"{weight.name}.half"
            casts.append(onnx.helper.make_node("Cast", [name], [weight.name], to=onnx.TensorProto.FLOAT))
            weight.CopyFrom(onnx.numpy_helper.from_array(array.astype(np.float16), name))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _check_parity(exported: Exported, path: Path, content: bytes, tolerance: float) -> None:
    graph = open_graph(path, content)
    for inputs in exported.inputs:
        shapes = " and ".join(str(tuple(tensor.shape)) for tensor in inputs)
        with torch.no_grad():
            wanted = exported.network(*inputs).numpy()
        got = graph.run(str(path), *(tensor.numpy() for tensor in inputs))
        if got.shape != wanted.shape:
            raise ModelError(f"{path}: the graph gives {got.shape} for {shapes}, the network {wanted.shape}")
        difference = float(np.abs(got - wanted).max() / max(1.0, float(np.abs(wanted).max())))
        if not difference <= tolerance:
            raise ModelError(
                f"{path}: the graph differs from the network by {difference:.2g} for an input {shapes}; "
                "it was not written"
            )


@dataclass(frozen=True)
class Evidence:
    """What an EmbeddingCue makes of cosines: `scale` nats per independent step and unit above `baseline`."""

    scale: float
    baseline: float
    independent_seconds: float


def media_towers(towers: tuple[nn.Module, nn.Module], packing: PackSettings, evidence: Evidence) -> dict[str, Exported]:
    """Two towers over time, as `export_model` takes them (of the kind TOWERS).

    Args:
        towers: video takes (B, T, H, W), audio (B, T·n, 64); both give unit vectors (B, T, D).
        packing: what they were trained on.
    """
    common = {"rate_hz": packing.rate_hz} | asdict(evidence)
    size = {"height_px": packing.height_px, "width_px": packing.width_px}
    video = common | {"side": "video", "input": "frames", "crop": packing.crop} | size
    audio = common | {"side": "audio", "input": "logmel", "num_mels": NUM_MELS}
    frames = uniform((num, ticks, *size.values()) for num, ticks in TICKS)
    mels = uniform(((num, ticks * packing.mels_per_tick, NUM_MELS) for num, ticks in TICKS), -13.0, 5.0)
    return {"video": Exported(towers[0], frames, video), "audio": Exported(towers[1], mels, audio)}


def fit_evidence_of_ticks(
    similarity: Float32[np.ndarray, "N N"],
    num_ticks: Int[np.ndarray, "N N"],
    group: Int[np.ndarray, " N"],
    rate_hz: float,
) -> Evidence:
    """Fit scale and baseline to the mean cosines of matching pairs (the diagonal) and of pairs of two recordings.

    Both kinds weigh alike, so that log-odds are a likelihood ratio. As N matching pairs can't show that a mistake is
    rarer than one in N, the targets are (N + 1) / (N + 2) and its complement (Platt 1999), which bounds the slope.
    """
    independent_seconds = max(INDEPENDENT_SECONDS, 1.0 / rate_hz)
    steps = num_ticks / (rate_hz * independent_seconds)
    others = group[:, None] != group[None]
    if not others.any():
        return Evidence(1.0, float(similarity.mean()), independent_seconds)
    terms = np.stack([similarity.astype(np.float64) * steps, steps])
    slope, offset = fit_nats(
        lambda line, terms: line[0] * terms[0] + line[1] * terms[1],
        (1.0, 0.0),
        terms[:, np.eye(len(group), dtype=bool)],
        terms[:, others],
        (platt_target(len(group)),) * 2,
    )
    if slope < _LEAST_SLOPE:
        return Evidence(_LEAST_SLOPE, round(float(similarity[others].mean()), 5), independent_seconds)
    return Evidence(round(slope, 5), round(-offset / slope, 5), independent_seconds)
