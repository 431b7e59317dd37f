"""A model of transformers as one of ours of the kind `semantic`: its networks stand where sessions of ONNX Runtime
stand, so that encoders, cues, `embed` and `index` don't know the difference. Or as ONNX, which then needs no torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from avmatch.artifacts.cards import licence_of
from avmatch.artifacts.model import SEMANTIC, Graph, Model
from avmatch.core.errors import ModelError
from avmatch.core.files import content_hash, write_text_atomically
from avmatch.systems.pretrained.families import Side, family_of, load
from avmatch.systems.pretrained.source import Source, find

#: What a file of ONNX can hold.
MAX_BYTES = 2**31 - 2**24
#: The shorter of two lengths that an exported network of sounds is checked with, in hops.
_SHORT_HOPS = 7
_CARD = """# {name}

Made by `avmatch export-onnx` from a model of transformers ({model_type}), whose weights they are.

Licence: {licence}
"""


@dataclass(frozen=True, eq=False, repr=False)
class TorchSession:
    """Runs a network as ONNX Runtime runs a graph (artifacts/model.py)."""

    network: torch.nn.Module
    description: Mapping[str, Any]

    def get_inputs(self) -> list[SimpleNamespace]:
        """The one input."""
        return [SimpleNamespace(name="input", shape=["n", *_shape(self.description)])]

    def run(self, output_names: object, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        """The one output."""
        with torch.inference_mode():
            return [self.network(torch.from_numpy(np.ascontiguousarray(inputs["input"]))).numpy()]

    def get_modelmeta(self) -> SimpleNamespace:
        """The description."""
        return SimpleNamespace(custom_metadata_map={"avmatch": json.dumps(dict(self.description))})


def open_named(named: str) -> Model:
    """`hf:PATH_OR_ID` as a model.

    Raises:
        ModelError: it can't be found or loaded, or has no vectors of both sides in one space.
    """
    source = find(named)
    sides = family_of(source).sides
    if len(sides) < 2:
        what = "pictures" if sides == ("video",) else "sounds"
        raise ModelError(
            f"{source.name}: a {source.model_type!r} has vectors of {what} alone, in no space that the other side "
            "shares; export it and one of the other side (`avmatch export-onnx`), and fit a map between them: "
            "`avmatch train semantic LIST -o RUN --video-encoder … --audio-encoder …`"
        )
    fingerprint = _fingerprint(source)
    graphs = {
        side: Graph(source.folder / side, TorchSession(one.network, _described(source, side, one)), fingerprint)
        for side, one in load(source).items()
    }
    return Model(source.name, source.folder, SEMANTIC, graphs)


def export(named: str, folder: Path) -> tuple[Path, ...]:
    """Write a model as ONNX: video.onnx, audio.onnx or both, and card.md.

    Raises:
        ModelError: it can't be found or loaded, is too large for ONNX, or its graph gives other vectors.
    """
    from avmatch.training.export import Exported, export_onnx, normal, uniform

    source = find(named)
    sides = load(source)
    story = {"recipe": "pretrained", "config": source.config, "data": {}, "results": {}, "command": ""}
    written = []
    for side, one in sides.items():
        _check_size(source, side, one)
        described = _described(source, side, one)
        shapes = [(num, *_shape(described)) for num in (2, 1)]
        if hop_samples := described.get("hop_samples"):
            shapes.append((1, _SHORT_HOPS * hop_samples))
        samples = uniform(shapes) if side == "video" else normal(shapes, deviation=0.1)
        path = folder / f"{side}.onnx"
        export_onnx(Exported(one.network, samples, described), path, story)
        written.append(path)
    licence = licence_of(source.folder) or "not stated; see where the model comes from"
    card = _CARD.format(name=source.name, model_type=source.model_type, licence=licence)
    write_text_atomically(folder / "card.md", card)
    return tuple(written)


def _described(source: Source, side: str, one: Side) -> dict[str, Any]:
    return {"kind": SEMANTIC, "model": source.name, "side": side, **one.description}


def _shape(described: Mapping[str, Any]) -> tuple[int, ...]:
    """Of one item that goes in."""
    if described["input"] == "samples":
        return (int(described["window"]),)
    picture = (3, int(described["side_px"]), int(described["side_px"]))
    return (int(described["num_frames"]), *picture) if "num_frames" in described else picture


def _fingerprint(source: Source) -> str:
    contents = [f"{path.name} {content_hash(path)}" for path in source.files]
    return hashlib.blake2b("\n".join(contents).encode(), digest_size=8).hexdigest()


def _check_size(source: Source, side: str, one: Side) -> None:
    num_bytes = sum(weight.numel() * weight.element_size() for weight in one.network.state_dict().values())
    if num_bytes > MAX_BYTES:
        raise ModelError(
            f"{source.name}: the weights for {side} take {num_bytes / 1e9:.1f} GB, and a file of ONNX holds 2.1; use "
            f"the model itself (--model {source.name}), or a smaller one of its family"
        )
