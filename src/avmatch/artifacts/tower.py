"""Two towers that make comparable vectors of picture and sound: over time, or one vector for a whole clip.

Towers over time (kind `towers`), as video.onnx and audio.onnx describe them:

    {"model": "lips", "side": "video", "input": "frames", "rate_hz": 25, "height_px": 96, "width_px": 96}
    {"model": "lips", "side": "audio", "input": "logmel", "rate_hz": 25, "num_mels": 64}

A video tower takes float32 (1, T, H, W) grey frames in 0…1 at `rate_hz`, of the whole picture or, with "crop": "mouth",
cut around the mouth of a face (frontends/mouth.py); an audio tower takes float32 (1, T', 64)
log-mel at 100 a second, T' = T · 100 / rate_hz, so `rate_hz` divides 100, or with the input "mfcc" (1, T', 13)
coefficients (frontends/sound.py). Both give (1, T, D). Optional keys `scale`, `baseline` and `independent_seconds` say
how similarity becomes evidence (cues/learned.py), `weight`, `mass_slope`, `contrast_slope`, `half_slope`, `intercept`
`belongs_slopes` and `offset_slopes` how far that may be believed (cues/evidence.py).

Vectors are scaled to length 1, and their product is what counts, unless the key `distance` is "euclidean": then they
stay as they are (SyncNets). `window_frames` says how many frames, those around its tick, a vector depends on.

Towers over features of clips that somebody else computed (kind `clip_towers`):

    {"model": "two_tower_best", "side": "video", "input": "clip_features", "num_features": 512, "num_steps": 10,
     "dim": 640, "scale": 9.0, "baseline": 0.2}

A tower takes float32 (B, T, F) and gives (B, D); the product of a video's and an audio's vector is their similarity.
`num_steps` 0 takes any T. `scale` and `baseline`, fitted on held-back pairs, turn a similarity into evidence in nats:
scale · (similarity − baseline). Towers whose numbers are probabilities of classes say their `names`.

Letters in shapes: N clips, T time steps, F features, D embedding.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from jaxtyping import Float32

from avmatch.artifacts.model import CLIP_TOWERS, TOWERS, Description, Graph, Model, open_model
from avmatch.core.errors import MediaError, ModelError
from avmatch.core.features import BAND_RATE_HZ, AudioSamples, Embeddings, VideoFrames
from avmatch.frontends.faces import LocatedFrame, Sighting
from avmatch.frontends.mouth import FrameClock, MouthCrops, shades
from avmatch.frontends.sound import CHUNK_SECONDS, NUM_MELS, LogMelClock, log_mel, mfcc

SIDES = ("video", "audio")
CLIP_INPUT = "clip_features"
#: Clips that go through a graph at once.
BATCH = 256
#: What a tower that looks at mouths takes at once: memory grows with it.
STRETCH_SECONDS = 5.0
#: What is shown to it again on either side of a stretch, as vectors depend on their neighbours.
CONTEXT_SECONDS = 0.4
_CROPS = ("picture", "mouth")
_INPUTS = {"video": ("frames",), "audio": ("logmel", "mfcc")}
_DISTANCES = ("cosine", "euclidean")
_FEATURES: dict[str, Callable[[Float32[np.ndarray, " S"]], Float32[np.ndarray, "T _"]]] = {
    "logmel": log_mel,
    "mfcc": mfcc,
}


@dataclass(frozen=True, kw_only=True)
class TowerDescription(Description):
    """What a tower over time says of itself."""

    rate_hz: float
    height_px: int = 0
    width_px: int = 0
    crop: str = "picture"
    num_mels: int = NUM_MELS
    scale: float = 1.0
    baseline: float = 0.0
    independent_seconds: float = 0.2
    background_share: float = 0.0
    weight: float = 1.0
    mass_slope: float = 1.0
    contrast_slope: float = 0.0
    half_slope: float = 0.0
    uneven_slope: float = 0.0
    intercept: float = 0.0
    belongs_slopes: tuple[float, ...] = ()
    offset_slopes: tuple[float, ...] = ()
    distance: str = "cosine"
    window_frames: int = 1

    def __post_init__(self) -> None:
        if self.input not in _INPUTS.get(self.side, ()):
            raise ValueError(f"side {self.side!r} with input {self.input!r}; known are {_INPUTS}")
        if self.rate_hz < 1 or BAND_RATE_HZ % self.rate_hz:
            raise ValueError(f"rate_hz must divide {BAND_RATE_HZ} and be at least 1, got {self.rate_hz}")
        if self.side == "video" and min(self.height_px, self.width_px) <= 0:
            raise ValueError(f"height_px and width_px must be positive, got {self.height_px} and {self.width_px}")
        if self.crop not in _CROPS:
            raise ValueError(f"crop must be one of {', '.join(_CROPS)}, got {self.crop!r}")
        if self.num_mels != NUM_MELS:
            raise ValueError(f"num_mels must be {NUM_MELS}, got {self.num_mels}")
        if self.distance not in _DISTANCES or self.window_frames < 1:
            raise ValueError(
                f"distance is one of {', '.join(_DISTANCES)} and window_frames 1 or more, got {self.distance!r} and "
                f"{self.window_frames}"
            )


@dataclass(frozen=True, kw_only=True)
class ClipDescription(Description):
    """What a tower over features of clips says of itself."""

    num_features: int
    dim: int
    num_steps: int = 0
    scale: float = 1.0
    baseline: float = 0.0
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.names) not in (0, self.dim):
            raise ValueError(f"{len(self.names)} names for {self.dim} classes")
        if self.side not in SIDES or self.input != CLIP_INPUT:
            raise ValueError(f"side {self.side!r} with input {self.input!r}; expected video or audio with {CLIP_INPUT}")
        if min(self.num_features, self.dim) < 1 or self.scale <= 0 or self.num_steps < 0:
            raise ValueError(f"num_features, dim and scale must be positive, got {self}")


@dataclass(frozen=True, eq=False)
class Tower:
    """A tower over time."""

    description: TowerDescription
    graph: Graph

    @property
    def fingerprint(self) -> str:
        """Follows what its vectors depend on: the graph and its input, not what the vectors are taken for."""
        described = self.description
        made = (described.rate_hz, described.height_px, described.width_px, described.crop, described.num_mels)
        return "/".join(map(str, (self.graph.fingerprint, *made, described.window_frames, described.distance)))

    def encode(self, inputs: Float32[np.ndarray, " t *rest"], num_ticks: int) -> Float32[np.ndarray, "T D"]:
        """Vectors for one stretch of `num_ticks`, of length 1 unless their distance is Euclidean.

        Raises:
            ModelError: the graph can't give them.
        """
        who = f"{self.description.model}: the {self.description.side} tower"
        output = self.graph.run(who, inputs[None]).astype(np.float32, copy=False)
        if output.ndim != 3 or output.shape[:2] != (1, num_ticks):
            raise ModelError(f"{who} must give (1, {num_ticks}, D), got {output.shape}; export it again")
        if self.description.distance == "euclidean":
            return output[0]
        norm = np.linalg.norm(output[0], axis=1, keepdims=True)
        vectors: Float32[np.ndarray, "T D"] = output[0] / np.maximum(norm, 1e-9)
        return vectors


@dataclass(frozen=True, eq=False)
class ClipTower:
    """A tower over features of clips."""

    description: ClipDescription
    graph: Graph

    def encode(self, clips: Sequence[Float32[np.ndarray, "_ _"]]) -> Float32[np.ndarray, "N D"]:
        """A vector for each clip (T, F); clips of one length go through together.

        Raises:
            ModelError: the graph can't take them.
        """
        described = self.description
        who = f"{described.model}: the {described.side} tower"
        vectors = np.zeros((len(clips), described.dim), np.float32)
        lengths = np.array([len(clip) for clip in clips])
        for length in np.unique(lengths):
            rows = np.flatnonzero(lengths == length)
            for part in np.array_split(rows, -(-len(rows) // BATCH)):
                output = self.graph.run(who, np.stack([clips[row] for row in part]))
                wanted = (len(part), described.dim)
                if output.shape != wanted or not np.isfinite(output).all():
                    raise ModelError(f"{who} must give finite {wanted}, got {output.shape}; export it again")
                vectors[part] = output
        return vectors

    def check(self, path: str, clip: Float32[np.ndarray, "T F"]) -> None:
        """Raises MediaError if the tower doesn't take such a clip."""
        described = self.description
        steps_fit = len(clip) == described.num_steps if described.num_steps else len(clip) > 0
        if clip.shape[1] != described.num_features or not steps_fit:
            wanted = f"({described.num_steps or 'any'}, {described.num_features})"
            raise MediaError(
                path,
                f"holds features {clip.shape}, but {described.model}'s {described.side} tower takes {wanted}",
                stage="features",
                reason="unsupported",
            )


AnyTower = TypeVar("AnyTower", Tower, ClipTower)


@dataclass(frozen=True, eq=False)
class Pair(Generic[AnyTower]):
    """The two towers of a model."""

    video: AnyTower
    audio: AnyTower

    @property
    def name(self) -> str:
        """The model's name."""
        return self.video.description.model


TowerPair = Pair[Tower]
ClipTowers = Pair[ClipTower]


def load_pair(model: str | Path | Model, *, any_distance: bool = False) -> TowerPair:
    """The towers over time of a model.

    Args:
        any_distance: also models whose vectors must be compared by another distance than the cosine.

    Raises:
        ModelError: it is another model, a tower is missing, or has a distance that isn't wanted.
    """
    opened = open_model(model, TOWERS)
    pair: TowerPair = Pair(
        *(Tower(graph.description(TowerDescription, side), graph) for side in SIDES for graph in [opened.graph(side)])
    )
    ours, theirs = pair.video.description, pair.audio.description
    if (ours.model, ours.rate_hz, ours.distance) != (theirs.model, theirs.rate_hz, theirs.distance):
        raise ModelError(
            f"{opened.folder}: the towers differ: {ours.model} at {ours.rate_hz} Hz, {theirs.model} at "
            f"{theirs.rate_hz}; by {ours.distance} and {theirs.distance} distance"
        )
    if ours.distance != "cosine" and not any_distance:
        raise ModelError(
            f"{opened.folder}: {ours.model} compares by {ours.distance} distance, which only `avmatch evaluate sync` "
            "can do"
        )
    return pair


def load_clip_towers(model: str | Path | Model) -> ClipTowers:
    """The towers over features of clips of a model. Raises ModelError as `load_pair`."""
    opened = open_model(model, CLIP_TOWERS)
    graphs = [(opened.graph(side), side) for side in SIDES]
    towers: ClipTowers = Pair(*(ClipTower(graph.description(ClipDescription, side), graph) for graph, side in graphs))
    ours, theirs = towers.video.description, towers.audio.description
    if (ours.model, ours.dim) != (theirs.model, theirs.dim):
        raise ModelError(
            f"{opened.folder}: the towers differ: {ours.model} ({ours.dim}) and {theirs.model} ({theirs.dim})"
        )
    return towers


class VideoEncoder:
    """Collects VideoFrames blocks and answers with the tower's vectors on its clock."""

    def __init__(self, tower: Tower) -> None:
        description = tower.description
        self._tower = tower
        self._clock = FrameClock(description.rate_hz, description.height_px, description.width_px)
        self._ticks: list[np.ndarray] = []
        self._vectors: list[np.ndarray] = []

    def push(self, frames: VideoFrames) -> None:
        """Take the next block."""
        for tick in self._clock.push(frames):
            self._ticks.append(shades(tick))
            if len(self._ticks) >= CHUNK_SECONDS * self._clock.rate_hz:
                self._run()

    def finish(self) -> Embeddings | None:
        """The vectors; None without a frame."""
        self._ticks += map(shades, self._clock.finish())
        self._run()
        return embeddings_of(self._tower, self._vectors, self._clock.start_seconds)

    def _run(self) -> None:
        if self._ticks:
            self._vectors.append(self._tower.encode(np.stack(self._ticks), len(self._ticks)))
            self._ticks = []


class AudioEncoder:
    """Collects AudioSamples blocks (mono, 16 kHz) and answers with the tower's vectors on its clock."""

    def __init__(self, tower: Tower) -> None:
        self._tower = tower
        self._clock = LogMelClock(tower.description.rate_hz, _FEATURES[tower.description.input])
        self._vectors: list[np.ndarray] = []

    def push(self, samples: AudioSamples) -> None:
        """Take the next block."""
        self._run(self._clock.push(samples))

    def finish(self) -> Embeddings | None:
        """The vectors; None if the sound is shorter than a tick."""
        self._run(self._clock.finish())
        return embeddings_of(self._tower, self._vectors, self._clock.start_seconds)

    def _run(self, stretches: Iterable[Float32[np.ndarray, "T _"]]) -> None:
        for features in stretches:
            num_ticks = round(len(features) * self._tower.description.rate_hz / BAND_RATE_HZ)
            self._vectors.append(self._tower.encode(features, num_ticks))


class FaceEncoder:
    """Collects located frames and answers with the tower's vectors of each face on its clock.

    located frames → crops on each face's clock → tower, a stretch at a time → vectors by track
    """

    def __init__(self, tower: Tower) -> None:
        rate_hz = tower.description.rate_hz
        self._tower = tower
        self._crops = MouthCrops(rate_hz, tower.description.height_px)
        self._stretch_ticks, self._context_ticks = (
            round(seconds * rate_hz) for seconds in (STRETCH_SECONDS, CONTEXT_SECONDS)
        )
        #: Of each track: crops that are still needed, how many of these have their vectors, and the vectors.
        self._ticks: dict[int, list[np.ndarray]] = {}
        self._num_done: Counter[int] = Counter()
        self._vectors: dict[int, list[np.ndarray]] = {}

    def take(self, located: LocatedFrame) -> None:
        """Take the next frame."""
        for number, tick in self._crops.take(located):
            waiting = self._ticks.setdefault(number, [])
            waiting.append(tick)
            if len(waiting) - self._num_done[number] >= self._stretch_ticks + self._context_ticks:
                self._run(number)
        for number in [number for number in self._ticks if number not in located.boxes]:
            self._end(number)  # a track that was lost never comes back

    def finish(self, sightings: Mapping[int, Sighting]) -> dict[int, Embeddings]:
        """The vectors of each track that is long enough, as far as it shows the face."""
        found = {}
        for number, (start_seconds, num_ticks) in self._crops.extents(sightings).items():
            self._end(number)
            vectors = embeddings_of(self._tower, self._vectors[number], start_seconds)
            assert vectors is not None
            found[number] = Embeddings(vectors.data[:num_ticks], vectors.rate_hz, start_seconds)
        return found

    def _run(self, number: int) -> None:
        """The tower over what waits of a track, but for the last ticks, whose neighbours are still to come."""
        waiting = self._ticks[number]
        end = len(waiting) - self._context_ticks
        self._encode(number, end)
        kept = max(end - self._context_ticks, 0)
        del waiting[:kept]
        self._num_done[number] = end - kept

    def _end(self, number: int) -> None:
        """The tower over all that waits of a track that has ended."""
        if number in self._ticks:
            self._encode(number, len(self._ticks[number]))
            del self._ticks[number]

    def _encode(self, number: int, end: int) -> None:
        waiting, done = self._ticks[number], self._num_done[number]
        if end > done:
            encoded = self._tower.encode(shades(np.stack(waiting)), len(waiting))
            self._vectors.setdefault(number, []).append(encoded[done:end].astype(np.float16))


def embeddings_of(tower: Tower, vectors: Sequence[np.ndarray], start_seconds: float | None) -> Embeddings | None:
    """A tower's vectors of the stretches of a stream, one after another; None without any."""
    if start_seconds is None or not vectors:
        return None
    return Embeddings(np.concatenate(vectors).astype(np.float16), tower.description.rate_hz, start_seconds)
