"""Tiny model folders for tests: towers over clip features that average over time and multiply with a matrix."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx

VIDEO = {"model": "tiny", "side": "video", "input": "clip_features", "num_features": 4, "dim": 4, "scale": 8.0}
AUDIO = VIDEO | {"side": "audio"}


def clip_graph(description: object, matrix: np.ndarray | None = None, steps: int | str = "T") -> bytes:
    """(B, T, F) → (B, D), by default with the unit matrix: a clip's vector is its average over time."""
    matrix = np.eye(4, dtype=np.float32) if matrix is None else matrix
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            [
                onnx.helper.make_node("ReduceMean", ["x"], ["average"], axes=[1], keepdims=0),
                onnx.helper.make_node("MatMul", ["average", "matrix"], ["y"]),
            ],
            "tower",
            [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["B", steps, len(matrix)])],
            [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["B", matrix.shape[1]])],
            [onnx.numpy_helper.from_array(matrix, "matrix")],
        ),
        opset_imports=[onnx.helper.make_opsetid("", 17)],
        ir_version=8,
    )
    if description is not None:
        text = description if isinstance(description, str) else json.dumps(description)
        onnx.helper.set_model_props(model, {"avmatch": text})
    return model.SerializeToString()


def write_clip_model(folder: Path, video: object = VIDEO, audio: object = AUDIO, **graph: object) -> Path:
    """A model folder; `graph` is for both towers."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "video.onnx").write_bytes(clip_graph(video, **graph))
    (folder / "audio.onnx").write_bytes(clip_graph(audio, **graph))
    return folder
