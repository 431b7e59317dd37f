"""Tiny classifiers of scenes for tests: logits are sums over the steps that are there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

LABELS = ("bark", "clock", "tram")
SCENES = {
    "model": "tiny",
    "input": "scene_features",
    "labels": LABELS,
    "audio_features": 3,
    "video_features": 3,
    "window_steps": 4,
    "rate_hz": 2.0,
    "sides": ["audio", "video"],
    "front_end": "",
}


def write_scene_model(folder: Path, **changes: object) -> Path:
    """A model whose logits are the sum of sound and picture over time, 0 where there is no step."""
    nodes = []
    for side in ("audio", "video"):
        nodes += [
            helper.make_node("IsNaN", [side], [f"{side}_gone"]),
            helper.make_node("Where", [f"{side}_gone", "zero", side], [f"{side}_there"]),
            helper.make_node("ReduceSum", [f"{side}_there", "axis"], [f"{side}_sum"], keepdims=0),
        ]
    nodes.append(helper.make_node("Add", ["audio_sum", "video_sum"], ["logits"]))
    graph = helper.make_graph(
        nodes,
        "scenes",
        [helper.make_tensor_value_info(side, TensorProto.FLOAT, ["B", side, 3]) for side in ("audio", "video")],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", 3])],
        [
            onnx.numpy_helper.from_array(np.float32(0), "zero"),
            onnx.numpy_helper.from_array(np.array([1], np.int64), "axis"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    helper.set_model_props(model, {"avmatch": json.dumps(SCENES | changes)})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scenes.onnx").write_bytes(model.SerializeToString())
    return folder
