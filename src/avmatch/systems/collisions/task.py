"""A tray is a square: turned by a right angle or mirrored, an impact is another impact, if the microphones go along.

Which channel stands at which side is not told anywhere. It shows in the data: where a hit lies nearer to a microphone,
that channel is louder. The channels' levels at their loudest tick are regressed on the places of the impacts; if the
four directions in which they rise point to the four sides, the tray's eight symmetries are used to make more of few
impacts. If not (microphones elsewhere, or too few impacts to tell), nothing is.

Letters in shapes: N impacts, B a batch, C = 4 channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from torch import Tensor, nn

from avmatch.artifacts.model import COLLISIONS
from avmatch.core.errors import UsageError
from avmatch.core.results import Progress
from avmatch.data.items import Pairs, gather
from avmatch.systems.collisions.classes import TOGETHER, changed_bands, in_noise, num_workers
from avmatch.systems.collisions.export import impact_graph
from avmatch.systems.collisions.features import Bands, prepared
from avmatch.systems.collisions.frontends import AROUND, MASK_PX, MAX_FRAMES, SMALL_PX, impact_path, repeated
from avmatch.systems.collisions.model import CentroidMlpConfig, Frames3dConfig, ResNetConfig, SpectrogramResNet
from avmatch.systems.collisions.runtime import METRIC_GRAPH
from avmatch.training.export import export_model
from avmatch.training.inference import outputs
from avmatch.training.losses import weighted_contrastive
from avmatch.training.task import Batch

#: Impacts that are looked at; as many as the share of the levels that their places explain, at least.
LOOKED_AT, EXPLAINED = 400, 0.2
#: The sides, x to the right and y down.
_SIDES = np.array([(-1, 0), (0, -1), (1, 0), (0, 1)])


@dataclass(frozen=True)
class Symmetry:
    """One of the eight: x and y change places first (if so), then signs; channel c goes where `channels` says."""

    swaps: bool
    x_sign: int
    y_sign: int
    channels: tuple[int, ...]

    def path(self, vector: Float32[np.ndarray, 70]) -> Float32[np.ndarray, 70]:
        """35 × (x, y) in pixels."""
        places = vector.reshape(-1, 2) - MASK_PX / 2
        turned = (places[:, ::-1] if self.swaps else places) * np.array([self.x_sign, self.y_sign], np.float32)
        moved: Float32[np.ndarray, 70] = (turned + MASK_PX / 2).astype(np.float32).ravel()
        return moved

    def masks(self, masks: Float32[np.ndarray, "35 44 44"]) -> Float32[np.ndarray, "35 44 44"]:
        """Rows are y, columns x."""
        turned = masks.swapaxes(1, 2) if self.swaps else masks
        return turned[:, :: self.y_sign, :: self.x_sign]

    def bands(self, bands: Float32[np.ndarray, "4 F T"]) -> Float32[np.ndarray, "4 F T"]:
        """Each channel where its microphone has gone."""
        moved = np.empty_like(bands)
        moved[list(self.channels)] = bands
        return moved


def symmetries(sides: Int[np.ndarray, "4 2"]) -> tuple[Symmetry, ...]:
    """All eight, for channels that stand at these sides."""
    place = {tuple(side): channel for channel, side in enumerate(sides.tolist())}
    found = []
    for swaps in (False, True):
        for x_sign in (1, -1):
            for y_sign in (1, -1):
                moved = (sides[:, ::-1] if swaps else sides) * (x_sign, y_sign)
                found.append(Symmetry(swaps, x_sign, y_sign, tuple(place[tuple(side)] for side in moved.tolist())))
    return tuple(found)


def tray_symmetries(pairs: Pairs) -> tuple[Symmetry, ...]:
    """Those of the tray that these pairs show: eight, or none."""
    rows = np.linspace(0, len(pairs) - 1, min(len(pairs), LOOKED_AT)).astype(np.int64)
    films, sounds = gather(pairs.video, rows), gather(pairs.audio, rows)
    if sounds.shape[1] != len(_SIDES):
        return ()
    places = np.stack([_impact_place(film) for film in films])
    sides = channel_sides(places, np.stack([_hit_levels(sound) for sound in sounds]))
    return () if sides is None else symmetries(sides)


def channel_sides(places: Float[np.ndarray, "N 2"], levels: Float[np.ndarray, "N 4"]) -> Int[np.ndarray, "4 2"] | None:
    """The side at which each channel's microphone stands; None if that doesn't show."""
    x, y = places - places.mean(axis=0), levels - levels.mean(axis=0)
    slope, *_ = np.linalg.lstsq(x, y, rcond=None)
    explained = 1 - np.square(y - x @ slope).sum(axis=0) / np.maximum(np.square(y).sum(axis=0), 1e-12)
    nearest = (slope.T @ _SIDES.T).argmax(axis=1)
    if len(set(nearest.tolist())) < len(_SIDES) or explained.min() < EXPLAINED:
        return None
    return _SIDES[nearest]


def _impact_place(film: Float32[np.ndarray, "*shape"]) -> Float[np.ndarray, " 2"]:
    """x and y, in half widths from the middle, of centroids or small masks."""
    if film.ndim == 1:
        path = once(film.reshape(-1, 2)).astype(np.float64)
    else:
        masks = once(film)
        weight = masks.sum(axis=(1, 2))
        ticks = (np.arange(SMALL_PX) + 0.5) * MASK_PX / SMALL_PX / np.where(weight > 0, weight, np.nan)[:, None]
        path = np.stack([(masks.sum(axis=axis) * ticks).sum(axis=1) for axis in (1, 2)], axis=1).astype(np.float64)
    place: Float[np.ndarray, " 2"] = impact_path(path).places[-AROUND[0]]
    return place


def once(path: Float[np.ndarray, " T *rest"]) -> Float[np.ndarray, " t *rest"]:
    """A film that goes on from its start where it was too short, without its repetition, which would be a jump."""
    lengths = (num for num in range(2, len(path)) if np.array_equal(path[num:], path[: len(path) - num]))
    return path[: next(lengths, len(path))]


def _hit_levels(bands: Float32[np.ndarray, "4 F T"]) -> Float[np.ndarray, " 4"]:
    """Each channel's mean log power at the loudest tick, less the channels' mean."""
    levels = bands.mean(axis=1, dtype=np.float64)
    hit: Float[np.ndarray, " 4"] = levels[:, int(levels.mean(axis=0).argmax())]
    return hit - hit.mean()


# The task of metric learning inside a class: a film's vector near that of its own sound, far from others'.
#
#     centroids → MLP, or small masks → 3D CNN ─┐
#     log bands (4, F, T) → ResNet ─────────────┴ distance D → λ·Y·D² + (1 − λ)(1 − Y)·max(0, m − D)
#
# Triples (film, its own sound, another sound of the same class) are drawn inside each batch, so that every sound goes
# through its tower once; of each film there are up to `strangers` of them. λ = `weight` balances the two sides: with
# one
# pair against s strangers, s / (1 + s) gives both one say. 0.5 is the loss without λ, in which strangers have s times
# the
# say; with three of them it assigns more held-back impacts right (docs/experiments.md).
#
# One model for all classes, or for one of them (`only`).
#
# Letters in shapes: B pairs, P pairs and strangers, D dimensions, N films and sounds of a set.

#: Validation draws so many sets of so many pairs of a class.
DRAWS, DRAWN = 20, 5


@dataclass(frozen=True)
class CollisionMetric:
    """The task.

    Attributes:
        film: the film's tower, and with it what of the film goes in.
        sound: the sound's tower.
        dim: of the vectors.
        only: number of the one class that is learned; −1 = all.
        margin, weight: m and λ of the loss.
        strangers: of each film and batch, at most; this is the size-controlled balance.
        noise_probability: how often a sound is put into noise in training.
        jitter_px: centroids are moved by this much (standard deviation) in training.
        trim_frames: films begin up to so many frames later in training.
        symmetric: impacts are turned and mirrored in training, if the microphones stand so that one can
            (tray_symmetry.py).
    """

    metrics: ClassVar[tuple[str, ...]] = (
        "accuracy_pairs",
        "loss_pairs",
        "accuracy_assigned",
        "accuracy_strangers",
        "loss_strangers",
    )

    film: CentroidMlpConfig | Frames3dConfig = field(default_factory=CentroidMlpConfig)
    sound: ResNetConfig = field(default_factory=lambda: ResNetConfig(differences=True))
    bands: Bands = field(default_factory=Bands)
    dim: int = 32
    only: int = -1
    margin: float = 1.0
    weight: float = 0.5
    strangers: int = 3
    num_folds: int = 5
    fold_seed: int = 0
    level_nats: float = 0.2
    shift_ticks: int = 4
    noise_probability: float = 0.5
    jitter_px: float = 2.0
    trim_frames: int = 4
    symmetric: bool = True

    def __post_init__(self) -> None:
        if self.strangers < 1 or not 0 < self.weight < 1 or self.margin <= 0:
            raise UsageError(f"strangers must be 1 or more, weight in 0…1, margin positive, got {self}")

    def read(self, data: str | Path, cache: Path, progress: Progress | None = None) -> Pairs:
        """The segments: films as the tower takes them, and log bands."""
        found = prepared(data, cache, self.bands, num_workers=num_workers(), progress=progress)
        pairs = found.pairs(self.film.side, "bands", self.num_folds, self.fold_seed)
        rows = np.flatnonzero(pairs.label == self.only) if self.only >= 0 else np.arange(len(pairs))
        if not len(rows):
            raise UsageError(f"only={self.only}: no segment of this class in {data}")
        return pairs.take(rows)

    def learner(self, pairs: Pairs, seed: int) -> ImpactTowers:
        """Two towers and the loss."""
        symmetries = tray_symmetries(pairs) if self.symmetric else ()
        return ImpactTowers(self, tuple(pairs.audio[0].shape), pairs.label, symmetries)

    def source(self, pairs: Pairs, learner: nn.Module, device: torch.device) -> MetricBatches:
        """Films and their sounds, a little other each time."""
        assert isinstance(learner, ImpactTowers)
        return MetricBatches(self, pairs, learner.symmetries)

    def validate(self, learner: nn.Module, pairs: Pairs, device: torch.device) -> Mapping[str, float]:
        """Inside the classes: the loss, pairs nearer and strangers farther than half the margin, right assignments."""
        assert isinstance(learner, ImpactTowers)
        distance = distances(learner, pairs, device)
        same = pairs.label[:, None] == pairs.label
        own, others = np.diagonal(distance), distance[same & ~np.eye(len(pairs), dtype=bool)]
        weight, margin = self.weight, self.margin
        found = {
            "accuracy_pairs": float((own < margin / 2).mean()),
            "loss_pairs": float(weight * np.square(own).mean()),
            "accuracy_assigned": assigned(distance, pairs.label),
        }
        if len(others):
            found["accuracy_strangers"] = float((others >= margin / 2).mean())
            found["loss_strangers"] = float((1 - weight) * np.maximum(margin - others, 0).mean())
        return found

    def export(self, learner: nn.Module, pairs: Pairs, folder: Path, description: Mapping[str, object]) -> None:
        """metric_film.onnx, metric_sound.onnx and card.md."""
        assert isinstance(learner, ImpactTowers)
        film, sound = tuple(pairs.video[0].shape), tuple(pairs.audio[0].shape)
        graphs = {
            METRIC_GRAPH.format("film"): impact_graph(learner.film, self.film.side, film, self.bands),
            METRIC_GRAPH.format("sound"): impact_graph(learner.sound, "sound", sound, self.bands),
        }
        export_model(COLLISIONS, graphs, folder, description)


class ImpactTowers(nn.Module):
    """Two towers and the loss of triples inside a class."""

    label: Tensor

    def __init__(
        self,
        task: CollisionMetric,
        shape: tuple[int, ...],
        label: Int[np.ndarray, " N"],
        symmetries: tuple[Symmetry, ...],
    ) -> None:
        super().__init__()
        self.task, self.symmetries = task, symmetries
        self.film = _shrunk(task.film.network(task.dim), task.dim)
        self.sound = _shrunk(SpectrogramResNet(task.sound, shape[0], task.dim), task.dim)
        self.register_buffer("label", torch.from_numpy(label), persistent=False)

    def forward(self, batch: Batch, epoch: int) -> dict[str, Float[Tensor, ""]]:
        """The loss of a batch; how many pairs are near enough, and strangers far enough."""
        seen, heard = self.film(batch.video.float()), self.sound(batch.audio.float())
        film, sound, is_pair = triples(self.label[batch.rows], self.task.strangers)
        distance = torch.linalg.vector_norm(seen[film] - heard[sound], dim=1)
        half = self.task.margin / 2
        found = {"loss": weighted_contrastive(distance, is_pair, self.task.margin, self.task.weight)}
        found["accuracy_pairs_training"] = (distance[is_pair] < half).float().mean()
        if not is_pair.all():
            found["accuracy_strangers_training"] = (distance[~is_pair] >= half).float().mean()
        return found


@torch.no_grad()
def _shrunk(network: nn.Module, dim: int) -> nn.Module:
    """The last layer made smaller, so that vectors begin about 1 apart: beyond the margin no stranger would count."""
    *_, last = (layer for layer in network.modules() if isinstance(layer, nn.Linear))
    for parameter in last.parameters():
        parameter.mul_(dim**-0.5)
    return network


def triples(
    label: Int[Tensor, " B"], strangers: int
) -> tuple[Int[Tensor, " P"], Int[Tensor, " P"], Bool[Tensor, " P"]]:
    """Films, sounds and which are pairs: each film with its own, and up to `strangers` drawn others of its class."""
    num = len(label)
    own = torch.arange(num, device=label.device)
    likely = torch.rand(num, num, device=label.device)
    likely = likely.masked_fill((label[:, None] != label) | torch.eye(num, dtype=torch.bool, device=label.device), -1.0)
    drawn, sound = likely.topk(min(strangers, num), dim=1)
    film = own[:, None].expand_as(sound)[drawn >= 0]
    return (
        torch.cat([own, film]),
        torch.cat([own, sound[drawn >= 0]]),
        torch.arange(num + len(film), device=label.device) < num,
    )


@dataclass(frozen=True, eq=False)
class MetricBatches:
    """The source of batches."""

    task: CollisionMetric
    pairs: Pairs
    symmetries: tuple[Symmetry, ...]

    def __call__(self, rows: Int[np.ndarray, " B"], epoch: int, rng: np.random.Generator) -> Batch:
        """The pairs of `rows`, changed as in training."""
        film, sound = gather(self.pairs.video, rows), gather(self.pairs.audio, rows)
        film = np.stack([self._trimmed(one, rng) for one in film])
        if self.symmetries:
            turns = [self.symmetries[number] for number in rng.integers(len(self.symmetries), size=len(rows))]
            turned = [getattr(turn, self.task.film.side)(one) for turn, one in zip(turns, film, strict=True)]
            film = np.stack(turned)
            sound = np.stack([turn.bands(one) for turn, one in zip(turns, sound, strict=True)])
        if self.task.film.side == "path":
            film = film + rng.normal(0, self.task.jitter_px, film.shape).astype(np.float32)
        sound = in_noise(sound, self.task.bands, self.task.noise_probability, rng)
        sound = changed_bands(sound, self.task.level_nats, self.task.shift_ticks, rng)
        return Batch.of(self.pairs, rows, film, sound)

    def _trimmed(self, film: Float32[np.ndarray, "*shape"], rng: np.random.Generator) -> Float32[np.ndarray, "*shape"]:
        """Some frames cut at the start, and the rest repeated anew."""
        frames = once(film.reshape(MAX_FRAMES, -1))
        cut = int(rng.integers(0, min(self.task.trim_frames, len(frames) - 1) + 1))
        return repeated(frames[cut:]).reshape(film.shape)


def distances(learner: ImpactTowers, pairs: Pairs, device: torch.device) -> Float32[np.ndarray, "N N"]:
    """From each film to each sound, of other classes too."""
    film = outputs(learner.film, pairs.video, device, TOGETHER)
    return cdist(film, outputs(learner.sound, pairs.audio, device, TOGETHER)).astype(np.float32)


def assigned(distance: Float32[np.ndarray, "N N"], label: Int[np.ndarray, " N"]) -> float:
    """Share of right pairs where DRAWN pairs of one class are assigned by distance, over DRAWS draws of each class."""
    rng, right, total = np.random.default_rng(0), 0, 0
    for one in np.unique(label):
        rows = np.flatnonzero(label == one)
        for _ in range(DRAWS):
            drawn = rng.choice(rows, min(DRAWN, len(rows)), replace=False)
            found = linear_sum_assignment(distance[np.ix_(drawn, drawn)])[1]
            right += int((found == np.arange(len(drawn))).sum())
            total += len(drawn)
    return right / total
