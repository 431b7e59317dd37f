"""Clips that "talk": each tick one of eight columns lights up and one of eight tones sounds; and towers that see it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx

from avmatch.core.features import AudioSamples
from avmatch.frontends.sound import SAMPLE_RATE_HZ, log_mel
from avmatch.media.encode import write_clip

RATE_HZ, SIDE_PX, NUM_CLASSES = 25, 64, 8
TICK_SAMPLES = SAMPLE_RATE_HZ // RATE_HZ
TOLD = {"model": "talk", "rate_hz": RATE_HZ, "scale": 10.0}
VIDEO = TOLD | {"side": "video", "input": "frames", "height_px": 8, "width_px": 8}
AUDIO = TOLD | {"side": "audio", "input": "logmel", "num_mels": 64}
_CENTRED = np.eye(NUM_CLASSES) - 1 / NUM_CLASSES


def tones(classes: np.ndarray) -> np.ndarray:
    """(S,) the tone of each tick's class."""
    times = np.arange(TICK_SAMPLES) / SAMPLE_RATE_HZ
    return np.concatenate([0.3 * np.sin(2 * np.pi * 300 * 1.5**number * times) for number in classes])


def write_talk(path: Path, seed: int, num_ticks: int = 100, late_ticks: int = 0) -> Path:
    """A clip of its own sequence, the sound `late_ticks` late."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(NUM_CLASSES, size=num_ticks + 2 * abs(late_ticks))
    seen = classes[abs(late_ticks) :][:num_ticks]
    heard = classes[abs(late_ticks) - late_ticks :][:num_ticks]
    noise = 0.002 * rng.standard_normal(num_ticks * TICK_SAMPLES)
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = AudioSamples((tones(heard) + noise).astype(np.float32)[None], SAMPLE_RATE_HZ)
    write_clip(path, map(_picture, seen), fps=RATE_HZ, audio=sound, crf=18)
    return path


def _picture(number: int) -> np.ndarray:
    pixels = np.full((SIDE_PX, SIDE_PX, 3), 40, np.uint8)
    pixels[:, 8 * number : 8 * number + 8] = 220
    return pixels


def write_towers(folder: Path) -> Path:
    """A model folder that tells the classes."""
    columns = np.tile(np.eye(NUM_CLASSES), (8, 1))
    templates = np.stack([log_mel(tones(np.full(10, n)).astype(np.float32))[8:-8].mean(axis=0) for n in range(8)])
    templates -= templates.mean(axis=0)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "video.onnx").write_bytes(_graph(VIDEO, columns @ _CENTRED, ["T", 8, 8]))
    (folder / "audio.onnx").write_bytes(_graph(AUDIO, np.tile(templates.T, (4, 1)) @ _CENTRED, ["T", 64]))
    return folder


def _graph(description: dict[str, object], matrix: np.ndarray, shape: list[int | str]) -> bytes:
    """One linear layer on what belongs to a tick."""
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            [
                onnx.helper.make_node("Reshape", ["x", "shape"], ["flat"]),
                onnx.helper.make_node("MatMul", ["flat", "matrix"], ["y"]),
            ],
            "tower",
            [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, *shape])],
            [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, None, NUM_CLASSES])],
            [
                onnx.numpy_helper.from_array(np.array([1, -1, len(matrix)]), "shape"),
                onnx.numpy_helper.from_array(matrix.astype(np.float32), "matrix"),
            ],
        ),
        opset_imports=[onnx.helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.helper.set_model_props(model, {"avmatch": json.dumps(description)})
    return model.SerializeToString()
