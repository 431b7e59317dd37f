"""Encoders of single pictures in colour and of windows of sound, one vector each: what is visible, and what sounds.

Two graphs of kind `semantic`, video.onnx and audio.onnx, describe themselves:

    {"model": "semantic", "side": "video", "input": "colour", "dim": 128, "side_px": 112, …}
    {"model": "semantic", "side": "audio", "input": "logmel", "dim": 128, "window": 96, …}

The first takes float32 (N, 3, side_px, side_px), red, green and blue in 0…1, the whole picture without regard to its
shape; the second (N, window, 64) log-mel (frontends/sound.py), or with the input "samples" (N, window) samples at 16
kHz in −1…1. Both give (N, dim). The rest of the description says what a model makes of the vectors
(systems/semantic/runtime.py).

Encoders that come from elsewhere (systems/pretrained) say more: how a picture gets its size (`fit`, `short_px`), how
many frames make one vector (`num_frames`, then (N, T, 3, side_px, side_px) goes in) and how far apart they are
(`frame_seconds`), the rate of samples (`sample_rate_hz`), and what becomes of a window that isn't full
(artifacts/windows.py).

Of a picture that lasts, one frame a second is taken up to MAX_FRAMES, then half as many, and so on: memory stays
small. Windows of sound follow one another.

Letters in shapes: N pictures or windows, T frames of one, D dimensions.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from avmatch.artifacts.model import SEMANTIC, Description, Graph, Model, open_graph, open_model
from avmatch.core.errors import ModelError
from avmatch.core.features import AudioSamples, ColourFrames, Embeddings
from avmatch.frontends import resizing
from avmatch.frontends.sound import HOP_SAMPLES, NUM_MELS, SAMPLE_RATE_HZ, LogMelClock, finite_samples, log_mel

#: Frames in colour are wanted this far apart, the first half as late.
FRAME_SECONDS = 1.0
#: Of a file, at most.
MAX_FRAMES = 64
#: Pictures or windows that go through a graph at once.
BATCH = 16
INPUTS = {"video": ("colour",), "audio": ("logmel", "samples")}
FITS = ("area", *resizing.FILTERS)


@dataclass(frozen=True, kw_only=True)
class EncoderDescription(Description):
    """What an encoder says of itself, and its model of both.

    Attributes:
        dim: of the vectors.
        side_px: of the pictures that it takes.
        window: frames of log-mel, or samples, of the sounds that it takes.
        class_share: of the nats of named classes.
        cosine_shares: how much of the cosine's nats counts where both are of that class; empty = all.
        fit: how pictures get their size: one of FITS.
        short_px: of the shorter side, before the middle is cut out; 0 = the whole picture becomes a square.
        num_frames: of which one vector is.
        frame_seconds: between frames.
        sample_rate_hz: of samples.
        hop_samples: windows may be shorter, by multiples of it; 0 = they mayn't.
        repeats: a window that isn't full is filled by repeating what there is; else it is left out.
        is_common: both sides' vectors lie in one space, so that no kind/ is needed.
        scale, baseline: of the cosines of their means, where they do.
    """

    dim: int
    side_px: int = 0
    window: int = 0
    class_share: float = 0.0
    cosine_shares: tuple[float, ...] = ()
    fit: str = "area"
    short_px: int = 0
    num_frames: int = 1
    frame_seconds: float = FRAME_SECONDS
    sample_rate_hz: int = SAMPLE_RATE_HZ
    hop_samples: int = 0
    repeats: bool = False
    is_common: bool = False
    scale: float = 1.0
    baseline: float = 0.0

    def __post_init__(self) -> None:
        if self.input not in INPUTS.get(self.side, ()):
            raise ValueError(f"side {self.side!r} with input {self.input!r}; known are {INPUTS}")
        if min(self.dim, self.side_px if self.side == "video" else self.window) < 1:
            raise ValueError(f"dim, and side_px or window, must be positive, got {self}")
        if self.fit not in FITS or self.num_frames < 1 or self.frame_seconds <= 0 or self.sample_rate_hz < 1:
            raise ValueError(f"fit is one of {', '.join(FITS)}, and numbers are positive, got {self}")
        if self.input == "logmel" and self.sample_rate_hz != SAMPLE_RATE_HZ:
            raise ValueError(f"log-mel is of {SAMPLE_RATE_HZ} Hz, got {self.sample_rate_hz}")


#: What of a description changes the vectors, beside input and size.
_PREPARATION = ("fit", "short_px", "num_frames", "frame_seconds", "sample_rate_hz", "hop_samples", "repeats")


@dataclass(frozen=True, eq=False)
class Encoder:
    """One of the two."""

    description: EncoderDescription
    graph: Graph

    @property
    def fingerprint(self) -> str:
        """Follows what its vectors depend on."""
        described = self.description
        usual = {entry.name: entry.default for entry in fields(described) if entry.name in _PREPARATION}
        others = "".join(
            f"/{name} {getattr(described, name)}"
            for name, default in usual.items()
            if getattr(described, name) != default
        )
        return f"{self.graph.fingerprint}/{described.input}/{described.side_px}/{described.window}{others}"

    @property
    def window_samples(self) -> int:
        """How long a window of sound is."""
        return self.description.window * (HOP_SAMPLES if self.description.input == "logmel" else 1)

    def encode(self, items: Float32[np.ndarray, "N *shape"]) -> Float32[np.ndarray, "N D"]:
        """The vectors of pictures, or of windows of sound. Raises ModelError if the graph can't give them."""
        described = self.description
        who = f"{described.model}: the {described.side} encoder"
        taken = self.graph.session.get_inputs()[0].shape
        size = 1 if taken[0] == 1 else max(1, BATCH // described.num_frames)
        given = items[:, None] if len(taken) == items.ndim + 1 else items  # a channel, or a frame, of its own
        parts = [self.graph.run(who, given[begin : begin + size]) for begin in range(0, len(given), size)]
        vectors = np.concatenate(parts) if parts else np.zeros((0, described.dim), np.float32)
        if vectors.shape != (len(items), described.dim) or not np.isfinite(vectors).all():
            raise ModelError(f"{who} must give finite ({len(items)}, {described.dim}), got {vectors.shape}")
        return vectors.astype(np.float32, copy=False)


@dataclass(frozen=True, eq=False)
class Encoders:
    """Both of a model."""

    video: Encoder
    audio: Encoder

    @property
    def name(self) -> str:
        """The model's name."""
        return self.video.description.model


def load_encoders(model: str | Model) -> Encoders:
    """The encoders of a model. Raises ModelError if it is another model, or an encoder is missing."""
    opened = open_model(model, SEMANTIC)
    if lacking := [
        side for side in INPUTS if side not in opened.graphs and not (opened.folder / f"{side}.onnx").is_file()
    ]:
        raise ModelError(
            f"{opened.name}: has no encoder for {lacking[0]}; fit a map to one that has: `avmatch train semantic LIST "
            "-o RUN --video-encoder … --audio-encoder …`"
        )
    graphs = {side: opened.graph(side) for side in INPUTS}
    return Encoders(*(Encoder(graph.description(EncoderDescription, side), graph) for side, graph in graphs.items()))


def open_encoder(name: str | Path, side: str) -> Encoder:
    """An encoder by itself: of a model, or any ONNX file whose input has a known form.

    Without a description of ours, `video` takes (N, 3, H, H); `audio` takes (N, T, 64) or (N, 1, T, 64) log-mel, or
    (N, S) samples. What is free in the shape is 224 pixels, 96 frames, or a second.

    Raises:
        ModelError: it can't be run, or takes something else.
    """
    if Path(name).suffix != ".onnx":
        graph = open_model(name, SEMANTIC).graph(side)
        return Encoder(graph.description(EncoderDescription, side), graph)
    graph = open_graph(Path(name))
    if graph.is_described:
        return Encoder(graph.description(EncoderDescription, side), graph)
    return _undescribed(graph, side)


def _undescribed(graph: Graph, side: str) -> Encoder:
    shape = graph.session.get_inputs()[0].shape
    given = [number if isinstance(number, int) else 0 for number in shape]
    common: dict[str, Any] = {"kind": SEMANTIC, "model": graph.path.stem, "side": side, "dim": 1}
    probe: np.ndarray
    if side == "video" and len(shape) == 4 and given[1] in (0, 3):
        described = EncoderDescription(input="colour", side_px=given[2] or 224, **common)
        probe = np.zeros((1, 3, described.side_px, described.side_px), np.float32)
    elif side == "audio" and len(shape) in (3, 4) and given[-1] in (0, NUM_MELS):
        described = EncoderDescription(input="logmel", window=given[-2] or 96, **common)
        probe = np.zeros((1, *(1,) * (len(shape) - 3), described.window, NUM_MELS), np.float32)
    elif side == "audio" and len(shape) == 2:
        described = EncoderDescription(input="samples", window=given[1] or SAMPLE_RATE_HZ, **common)
        probe = np.zeros((1, described.window), np.float32)
    else:
        raise ModelError(
            f"{graph.path}: takes {shape}; an encoder of pictures takes (N, 3, H, H), one of sounds (N, T, {NUM_MELS}) "
            "log-mel or (N, S) samples at 16 kHz"
        )
    vector = graph.run(str(graph.path), probe)
    if vector.ndim != 2:
        raise ModelError(f"{graph.path}: gives {vector.shape} for one input; an encoder gives (1, D)")
    return Encoder(replace(described, dim=vector.shape[1]), graph)


def resized(picture: UInt8[np.ndarray, "H W 3"], side_px: int) -> UInt8[np.ndarray, "h w 3"]:
    """Square, whatever its shape was."""
    return np.asarray(cv2.resize(picture, (side_px, side_px), interpolation=cv2.INTER_AREA))


def fitted(picture: UInt8[np.ndarray, "H W 3"], described: EncoderDescription) -> UInt8[np.ndarray, "h w 3"]:
    """A square as the encoder takes it: all of the picture, whatever its shape was, or its middle."""
    side = described.side_px
    if described.fit == "area":
        return resized(picture, side)
    if not described.short_px:
        return resizing.resized(picture, side, side, described.fit)
    height, width = resizing.shorter_side(picture, described.short_px)
    return resizing.cropped(resizing.resized(picture, height, width, described.fit), side)


def as_input(pictures: UInt8[np.ndarray, "*N h w 3"]) -> Float32[np.ndarray, "*N 3 h w"]:
    """As an encoder takes them."""
    return np.ascontiguousarray(np.moveaxis(pictures, -1, -3), np.float32) / np.float32(255)


class PictureEncoder:
    """Collects frames in colour, about `frame_seconds` apart, and answers with a vector of each that is kept."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._pictures: list[UInt8[np.ndarray, "h w 3"]] = []
        self._seconds: list[float] = []
        self._step = 1
        self._num_frames = 0

    def push(self, frames: ColourFrames) -> None:
        """Take the next block."""
        for picture, pts_seconds in zip(frames.data, frames.pts_seconds.tolist(), strict=True):
            if self._num_frames % self._step == 0:
                self._pictures.append(fitted(picture, self._encoder.description))
                self._seconds.append(pts_seconds)
            self._num_frames += 1
            if len(self._pictures) > MAX_FRAMES:
                self._pictures, self._seconds, self._step = self._pictures[::2], self._seconds[::2], 2 * self._step

    def finish(self) -> Embeddings | None:
        """The vectors; None without a frame."""
        if not self._pictures:
            return None
        vectors = self._encoder.encode(as_input(np.stack(self._pictures)))
        rate_hz = 1.0 / (self._step * self._encoder.description.frame_seconds)
        return Embeddings(vectors.astype(np.float16), rate_hz, self._seconds[0])


class SoundEncoder:
    """Collects AudioSamples blocks (mono, 16 kHz) and answers with a vector of each window."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder, self._rate_hz = encoder, SAMPLE_RATE_HZ / encoder.window_samples
        self._clock = LogMelClock(self._rate_hz, self._flat)
        self._vectors: list[np.ndarray] = []

    def push(self, samples: AudioSamples) -> None:
        """Take the next block."""
        self._take(self._clock.push(samples))

    def finish(self) -> Embeddings | None:
        """The vectors; None if the sound is shorter than a window."""
        self._take(self._clock.finish())
        if self._clock.start_seconds is None or not self._vectors:
            return None
        middle_seconds = self._clock.start_seconds + 0.5 / self._rate_hz
        return Embeddings(np.concatenate(self._vectors).astype(np.float16), self._rate_hz, middle_seconds)

    def _flat(self, samples: Float32[np.ndarray, " S"]) -> Float32[np.ndarray, "N P"]:
        windows = windows_of(samples, self._encoder)
        return windows.reshape(len(windows), -1)

    def _take(self, stretches: Iterable[Float32[np.ndarray, "N P"]]) -> None:
        for rows in stretches:
            windows = rows.reshape(len(rows), self._encoder.description.window, -1)
            self._vectors.append(self._encoder.encode(windows[..., 0] if windows.shape[2] == 1 else windows))


def windows_of(samples: Float32[np.ndarray, " S"], encoder: Encoder) -> Float32[np.ndarray, "N *form"]:
    """Whole windows, one after another, as the encoder takes them; what remains is left out."""
    described, num = encoder.description, len(samples) // encoder.window_samples
    whole = samples[: num * encoder.window_samples]
    if described.input == "samples":
        return finite_samples(whole).reshape(num, described.window)
    return log_mel(whole).reshape(num, described.window, NUM_MELS)
