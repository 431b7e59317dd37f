"""Networks → a model folder: ONNX graphs with their descriptions inside, and card.md.

The graph is exported by torch's dynamo exporter with a free batch and, where the tower takes it, a free length; then
run by ONNX Runtime on other batch sizes and lengths than it was traced with. A graph that answers otherwise than the
network is not written.
"""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxscript  # noqa: F401  torch's exporter needs it; better to miss it before training than after
import torch
from torch import Tensor, nn

from avmatch.artifacts.card import write_card
from avmatch.artifacts.graph import open_graph
from avmatch.core.errors import ModelError
from avmatch.core.files import write_bytes_atomically

OPSET = 18
#: Largest difference between the network's and the graph's answer, for outputs about 1.
TOLERANCE = 1e-4
#: The same where weights are kept in half precision.
HALF_TOLERANCE = 4e-3
#: What goes in at once: one tensor, or several.
Sample = Tensor | tuple[Tensor, ...]
#: Where the exporter notes the modules that an operation came from.
NAME_SCOPES = "pkg.torch.onnx.name_scopes"
#: Smaller arrays stay as they are: biases, norms.
LEAST_HALVED = 1024
#: Batches and lengths of samples for towers over time; the encoders' own batch of one, and a single tick, among them.
TICKS = ((2, 8), (1, 21), (3, 5), (1, 1))


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
        path, names = folder / f"{name}.onnx", one.input_names
        export_onnx(one.network, path, one.samples, description, story, is_half=is_half, input_names=names)
    write_card(folder / "card.md", story)


def uniform(shapes: Iterable[tuple[int, ...]], low: float = 0.0, high: float = 1.0) -> list[Tensor]:
    """Samples of these shapes, the same every time."""
    generator = torch.Generator().manual_seed(0)
    return [low + (high - low) * torch.rand(*shape, generator=generator) for shape in shapes]


def normal(shapes: Iterable[tuple[int, ...]], mean: float = 0.0, deviation: float = 1.0) -> list[Tensor]:
    """The same, normally distributed."""
    generator = torch.Generator().manual_seed(0)
    return [mean + deviation * torch.randn(*shape, generator=generator) for shape in shapes]


def export_onnx(
    network: nn.Module,
    path: Path,
    samples: Sequence[Sample],
    description: Mapping[str, object],
    story: Mapping[str, object],
    *,
    is_half: bool = False,
    input_names: Sequence[str] = ("input",),
) -> None:
    """Write `network`, which takes tensors and gives one, to `path`.

    Args:
        samples: inputs for the parity check; the first is traced. Dimensions in which they differ become free.
        description: what the encoders need to know, the metadata property `avmatch`.
        story: where it comes from (recipe, config, data, results), the property `avmatch_training`.
        is_half: keep weights in float16, in half the space. They are cast back when the graph is loaded, so that it
            computes in float32 as ever.
        input_names: of the tensors that go in.

    Raises:
        ModelError: the graph's answer differs from the network's.
    """
    network = network.eval()
    graph = _traced(network, samples, input_names)
    if is_half:
        _halve(graph.graph)
    for key, value in (("avmatch", description), ("avmatch_training", story)):
        graph.metadata_props.add(key=key, value=json.dumps(value))
    content = graph.SerializeToString()
    _check_parity(network, path, content, samples, HALF_TOLERANCE if is_half else TOLERANCE)
    write_bytes_atomically(path, content)


def described_anew(path: Path, changes: Mapping[str, object]) -> None:
    """Change what an exported graph's description says, such as figures that were fitted after training."""
    graph = onnx.load(path)
    (told,) = (entry for entry in graph.metadata_props if entry.key == "avmatch")
    told.value = json.dumps(json.loads(told.value) | changes)
    write_bytes_atomically(path, graph.SerializeToString())


def _traced(network: nn.Module, samples: Sequence[Sample], input_names: Sequence[str]) -> onnx.ModelProto:
    first, *others = [_inputs(sample) for sample in samples]
    free = tuple(
        {
            axis: torch.export.Dim.DYNAMIC
            for axis in range(tensor.ndim)
            if any(other[place].shape[axis] != tensor.shape[axis] for other in others)
        }
        for place, tensor in enumerate(first)
    )
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), _without_torchvision():
        warnings.simplefilter("ignore")  # the exporter's own, about its own code
        program = torch.onnx.export(
            network,
            first,
            dynamo=True,
            opset_version=OPSET,
            input_names=list(input_names),
            output_names=["output"],
            dynamic_shapes=free,
            verbose=False,
        )
    if program is None:
        raise ModelError("the exporter gave no graph")
    return without_traces(program.model_proto)


def without_traces(graph: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph without the exporter's stack traces, which tell of the files of this machine.

    What stays are the names of the modules, by which layers are asked for (evaluation/sound_layers.py).
    """
    for part in (*graph.graph.node, *graph.graph.value_info, *graph.graph.input, *graph.graph.output):
        kept = [entry for entry in part.metadata_props if entry.key == NAME_SCOPES]
        del part.metadata_props[:]
        part.metadata_props.extend(kept)
        part.doc_string = ""
    return graph


@contextmanager
def _without_torchvision() -> Iterator[None]:
    """The exporter's remarks that torchvision isn't there, which nothing here needs, aren't logged."""

    def is_told(record: logging.LogRecord) -> bool:
        return "torchvision is not installed" not in record.getMessage()

    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    logger.addFilter(is_told)
    try:
        yield
    finally:
        logger.removeFilter(is_told)


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


def _inputs(sample: Sample) -> tuple[Tensor, ...]:
    return (sample,) if isinstance(sample, Tensor) else sample


def _check_parity(network: nn.Module, path: Path, content: bytes, samples: Sequence[Sample], tolerance: float) -> None:
    graph = open_graph(path, content)
    for inputs in map(_inputs, samples):
        shapes = " and ".join(str(tuple(tensor.shape)) for tensor in inputs)
        with torch.no_grad():
            wanted = network(*inputs).numpy()
        got = graph.run(str(path), *(tensor.numpy() for tensor in inputs))
        if got.shape != wanted.shape:
            raise ModelError(f"{path}: the graph gives {got.shape} for {shapes}, the network {wanted.shape}")
        difference = float(np.abs(got - wanted).max() / max(1.0, float(np.abs(wanted).max())))
        if not difference <= tolerance:
            raise ModelError(
                f"{path}: the graph differs from the network by {difference:.2g} for an input {shapes}; "
                "it was not written"
            )
