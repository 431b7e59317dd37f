"""The task of the model for any sound: accents that rise and fall together, pictures and sounds of one kind.

    motion (T, M, 64) ─ sources, augmented ─ PictureAccents ┐ nats of every pair of the batch, and of every lag
    bands  (U, 32)    ─ noise ─ SoundAccents                ┴ of a clip with itself                     (model.py)

    statistics of both ─ canonical correlations of the training pairs → unit vectors                    (kinds.py)
                       ─ softmax regressions on the names of their labels → classes                     (kinds.py)

*When* is trained by gradients, on two questions: which sound belongs to this picture, wherever it lies within a second,
among all of the batch and among those of its class; and by how much is its own late? *What* is closed form, and only
its worth is trained: without the question about the own class, whose members it can hardly tell apart, it would count
too much. Both are few numbers, as there are few recordings; networks over the same input overfit within ten epochs and
match unseen clips worse than the untrained cue (docs/experiments/events.md).

Letters in shapes: B pairs, S sources, C channels, H inputs, K accents, T ticks, W ticks of a stretch with its margins,
U band ticks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor, nn
from torch.nn import functional

from avmatch.artifacts.model import CLIP_TOWERS, EVENTS
from avmatch.artifacts.tower import CLIP_INPUT
from avmatch.core.errors import UsageError
from avmatch.core.features import TICK_RATE_HZ
from avmatch.core.results import Progress
from avmatch.cues.synchrony import LOST_TICKS
from avmatch.data.items import Pairs
from avmatch.data.tracks import MOTION_AND_BANDS, split_bands
from avmatch.frontends.event_signals import picture_signals, picture_statistics, sound_signals, sound_statistics
from avmatch.matching.fusion import usual_offsets
from avmatch.metrics.classes import top_k_hits
from avmatch.systems.events.kinds import statistics_of, whole_pieces
from avmatch.systems.events.model import AccentConfig, AccentEvidence, PictureAccents, SoundAccents
from avmatch.systems.events.runtime import CLASSES, INPUTS, KIND
from avmatch.training.batches import held, random_begin, read_packed
from avmatch.training.export import Exported, export_model, normal
from avmatch.training.kinds import KindConfig, class_names, fitted_classes, fitted_kinds
from avmatch.training.task import Batch, evaluating

#: What is held back is judged by lags up to this much.
MAX_LAG_TICKS = TICK_RATE_HZ
#: Right within 80 ms, in ticks.
RIGHT_TICKS = 2
#: Of the softmax over lags: sound and picture of a recording aren't exactly together, nor are frames.
_NEAR_SHARE = 0.2
_QUICK = 10.0
#: What is left of the kinds' worth outside of the training: their noise within a class is larger on other recordings;
#: and what counts of the classes' nats, which repeat much of what the kinds say.
_KIND_SHARE = _CLASS_SHARE = 0.5


@dataclass(frozen=True)
class EventPairs:
    """The task.

    Attributes:
        stretch_ticks: of the stretches that train, from … to, drawn for each batch.
        lag_ticks: lags that are distinguished, both ways.
        lag_weight: of that question.
        noise_probability, noise_nepers: how often noise is added to the sound, and its level against the sound's mean.
        kinds: of the vectors of what there is, and of named classes.
    """

    metrics: ClassVar[tuple[str, ...]] = ("recall@1", "kind_recall@5", "within_80ms")

    accents: AccentConfig = field(default_factory=AccentConfig)
    stretch_ticks: tuple[int, int] = (60, 125)
    lag_ticks: int = 25
    lag_weight: float = 1.0
    noise_probability: float = 0.3
    noise_nepers: tuple[float, float] = (-5.0, 1.0)
    kinds: KindConfig = field(default_factory=KindConfig)

    def __post_init__(self) -> None:
        shortest, longest = self.stretch_ticks
        if not LOST_TICKS < shortest <= longest or self.lag_ticks < 1:
            raise UsageError(f"stretch_ticks must rise and be more than {LOST_TICKS}, lag_ticks positive, got {self}")

    def read(self, data: str | Path, cache: Path, progress: Progress | None = None) -> Pairs:
        """Shards as they are; a list of media files (data/layouts.py) is packed into `cache` first."""
        return read_packed(data, cache, MOTION_AND_BANDS, progress)

    def learner(self, pairs: Pairs, seed: int) -> EventTowers:
        """Filters, and the fitted kinds."""
        return EventTowers(self, pairs)

    def source(self, pairs: Pairs, learner: nn.Module, device: torch.device) -> EventBatches:
        """Random stretches."""
        return EventBatches(self, pairs)

    def validate(self, learner: nn.Module, pairs: Pairs, device: torch.device) -> Mapping[str, float]:
        """Of the held-back clips' pieces: whose own sound fits best, and offsets within 80 ms among ±1 s.

        Kinds are judged by their cosines, without the classes. Sounds of other pieces of a recording don't compete with
        its own. Empty where every clip is shorter than a piece.
        """
        assert isinstance(learner, EventTowers)
        when, what, late, group = judged(learner, pairs, device)
        if not len(when):
            return {}
        own = np.arange(len(when))
        same_group = (group[:, None] == group[None]) & (own[:, None] != own[None])
        first, kind = (top_k_hits(np.where(same_group, -np.inf, one), own, k) for one, k in ((when, 1), (what, 5)))
        return {
            "recall@1": float(first.mean()),
            "kind_recall@5": float(kind.mean()),
            "within_80ms": float((np.abs(late) <= RIGHT_TICKS).mean()),
        }

    def export(self, learner: nn.Module, pairs: Pairs, folder: Path, description: Mapping[str, object]) -> None:
        """video.onnx, audio.onnx, kind/, classes/ where labels name some, and card.md."""
        assert isinstance(learner, EventTowers)
        evidence = learner.evidence
        common = {
            "weights": [round(weight, 5) for weight in evidence.log_weights.detach().exp().tolist()],
            "temper": round(float(evidence.log_temper.detach().exp()), 5),
            "kind_scale": round(_KIND_SHARE * float(learner.kind_scale().detach()), 5),
            "kind_baseline": round(learner.kind_baseline, 5),
            "class_share": _CLASS_SHARE if learner.classes else 0.0,
        }
        motion = normal(
            (num, sources, self.accents.num_channels, ticks)
            for num, sources, ticks in ((2, 8, 50), (1, 4, 131), (3, 24, 20))
        )
        bands = normal((num, self.accents.num_inputs, ticks) for num, ticks in ((2, 200), (1, 523), (3, 80)))
        graphs = {
            side: Exported(network, samples, common | {"side": side, "input": INPUTS[side]})
            for side, network, samples in (("video", learner.video, motion), ("audio", learner.audio, bands))
        }
        towers: dict[str, nn.Module] = {f"{KIND}/video": learner.video_kind, f"{KIND}/audio": learner.audio_kind}
        towers |= {f"{CLASSES}/{side}": tower for side, tower in zip(INPUTS, learner.classes, strict=False)}
        graphs |= {name: _statistics_tower(name, tower, learner.class_names) for name, tower in towers.items()}
        export_model(EVENTS, graphs, folder, description)


def _statistics_tower(name: str, tower: nn.Module, class_names: Sequence[str]) -> Exported:
    part, _, side = name.partition("/")
    num_features, dim = tower.get_buffer("directions").shape
    described = {"kind": CLIP_TOWERS, "side": side, "input": CLIP_INPUT, "num_features": num_features, "dim": dim}
    described |= {"names": class_names} if part == CLASSES else {}
    return Exported(tower, normal((num, windows, num_features) for num, windows in ((2, 2), (1, 5), (3, 1))), described)


class EventTowers(nn.Module):
    """Filters and what weighs their accents; kinds and classes, fitted to `pairs`, the latter empty without names."""

    def __init__(self, task: EventPairs, pairs: Pairs) -> None:
        super().__init__()
        self.task, self.bands_per_tick = task, task.accents.bands_per_tick
        self.video, self.audio = PictureAccents(task.accents), SoundAccents(task.accents)
        self.evidence = AccentEvidence(task.accents.num_accents)
        clips = [statistics_of(pairs, row) for row in range(len(pairs))]
        fitted = fitted_kinds(clips, pairs.group, task.kinds)
        self.video_kind, self.audio_kind = fitted.towers
        self.kind_baseline = fitted.baseline
        classes = fitted_classes(clips, class_names(pairs), pairs.group, task.kinds)
        self.classes = nn.ModuleList(() if classes is None else classes.towers)
        self.class_names = () if classes is None else classes.names
        self.label = nn.Buffer(torch.from_numpy(pairs.label), persistent=False)
        self.kind_cosines = nn.Buffer(torch.from_numpy(fitted.cosines), persistent=False)
        self.kind_worth = nn.Parameter(torch.zeros(()))

    def kind_scale(self) -> Float[Tensor, ""]:
        """Nats a unit of cosine. One number, it moves faster than the filters."""
        return (_QUICK * self.kind_worth).exp()

    def sound_at_ticks(self, bands: Float[Tensor, "B H U"]) -> Float[Tensor, "B K T"]:
        """The sound's accents in the middle of each tick of the picture."""
        accents: Tensor = self.audio(bands)
        return accents[:, :, self.bands_per_tick // 2 :: self.bands_per_tick]

    def forward(self, batch: Batch, epoch: int) -> dict[str, Float[Tensor, ""]]:
        """The losses of a batch of `EventBatches`."""
        lags = self.task.lag_ticks
        log_prior, sources = batch.video[:, :, 0, 0], batch.video[:, :, 1:]
        nats = self.evidence(self.video(sources), self.sound_at_ticks(batch.audio), log_prior)
        own = torch.arange(len(nats), device=nats.device)
        same_group = (batch.group[:, None] == batch.group[None]) & (own[:, None] != own[None])
        label = self.label[batch.rows]
        unlike = (label[:, None] != label[None]) & (label[:, None] >= 0) & (label[None] >= 0)
        kinds = self.kind_scale() * self.kind_cosines[batch.rows][:, batch.rows]
        scores = torch.logsumexp(nats + _usual(lags).to(nats.device), dim=2) + kinds
        scores = scores.masked_fill(same_group, -torch.inf)
        pair = _both_ways(scores, own)
        alike = _both_ways(scores.masked_fill(unlike, -torch.inf), own)
        lag = functional.cross_entropy(nats[own, own], _near(lags, len(nats)).to(nats.device))
        losses = {"pair_loss": pair, "alike_loss": alike, "lag_loss": lag}
        return losses | {"loss": (pair + alike) / 2 + self.task.lag_weight * lag}


def _both_ways(scores: Float[Tensor, "B B"], own: Int[Tensor, " B"]) -> Float[Tensor, ""]:
    return (functional.cross_entropy(scores, own) + functional.cross_entropy(scores.T, own)) / 2


def _usual(lags: int) -> Float[Tensor, " L"]:
    """The log prior over lags by which `match` looks for matches."""
    return torch.from_numpy(usual_offsets(np.arange(-lags, lags + 1) / TICK_RATE_HZ)).float()


def _near(lags: int, num: int) -> Float[Tensor, "B L"]:
    """The wanted shares of lags: mostly zero, some of its neighbours."""
    wanted = torch.zeros(num, 2 * lags + 1)
    wanted[:, lags] = 1 - 2 * _NEAR_SHARE
    wanted[:, [lags - 1, lags + 1]] = _NEAR_SHARE
    return wanted


@dataclass(frozen=True, eq=False)
class EventBatches:
    """The source of batches.

    `Batch.video` is (B, S, 1 + C, T): of each source its log prior, all along, and its channels. `Batch.audio` is
    (B, H, U), the margins of `lag_ticks` on both sides included.
    """

    task: EventPairs
    pairs: Pairs

    def __call__(self, rows: Int[np.ndarray, " B"], epoch: int, rng: np.random.Generator) -> Batch:
        """A random stretch of each of `rows`, all of one length."""
        first, last = self.task.stretch_ticks
        num_ticks = int(rng.integers(first, last + 1))
        video, audio = zip(*(self._stretch(int(row), num_ticks, rng) for row in rows), strict=True)
        return Batch.of(self.pairs, rows, video, audio)

    def _stretch(
        self, row: int, num_ticks: int, rng: np.random.Generator
    ) -> tuple[Float32[np.ndarray, "S C T"], Float32[np.ndarray, "H U"]]:
        """Beyond the ends of a clip that is too short, they are held."""
        lags = self.task.lag_ticks
        motion, bands = self.pairs.video[row], self.pairs.audio[row]
        begin = random_begin(len(motion), num_ticks + 2 * lags, rng)
        per_tick = self.task.accents.bands_per_tick
        sound = np.asarray(held(bands, begin * per_tick, (num_ticks + 2 * lags) * per_tick), np.float32)
        sources, weights = picture_signals(np.asarray(held(motion, begin + lags, num_ticks)))
        prior = np.broadcast_to(np.log(weights)[:, None, None], (len(weights), 1, num_ticks))
        video = np.concatenate([prior, sources], axis=1).astype(np.float32)
        flux, level, _ = split_bands(sound)
        return video, sound_signals(*self._noisy(flux, level, rng))

    def _noisy(
        self, flux: Float32[np.ndarray, "U B"], level: Float32[np.ndarray, "U B"], rng: np.random.Generator
    ) -> tuple[Float32[np.ndarray, "U B"], Float32[np.ndarray, "U B"]]:
        """Flux and level as they'd be with a steady noise of some colour: log(p + n), whose slope is p / (p + n)."""
        if rng.random() >= self.task.noise_probability:
            return flux, level
        colour = np.interp(np.arange(level.shape[1]), np.linspace(0, level.shape[1] - 1, 4), rng.normal(0, 1.5, 4))
        noise = level.mean() + rng.uniform(*self.task.noise_nepers) + colour + 0.3 * rng.normal(size=level.shape)
        loud = np.logaddexp(level, noise)
        return (flux * np.exp(level - loud)).astype(np.float32), loud.astype(np.float32)


def judged(
    learner: EventTowers, pairs: Pairs, device: torch.device
) -> tuple[Float[np.ndarray, "N N"], Float[np.ndarray, "N N"], Int[np.ndarray, " N"], Int[np.ndarray, " N"]]:
    """Of the clips' pieces: nats of their accents, cosines of their kinds, the lag of their own sound, recordings.

    Lags are the best among ±MAX_LAG_TICKS, in ticks. Pieces that are shorter than usual are left out.
    """
    pieces, group = whole_pieces(pairs)
    if not pieces:
        return np.zeros((0, 0)), np.zeros((0, 0)), group, group
    looks = torch.from_numpy(np.stack([picture_statistics(motion) for motion, _ in pieces])).to(device)
    sounds = torch.from_numpy(np.stack([sound_statistics(split_bands(bands)[2]) for _, bands in pieces])).to(device)
    with evaluating(learner):
        video, audio, log_prior = _accents(learner, pieces, device)
        inner = video[..., MAX_LAG_TICKS:-MAX_LAG_TICKS]
        nats = torch.cat([learner.evidence(inner[n : n + 1], audio, log_prior[n : n + 1]) for n in range(len(pieces))])
        when = torch.logsumexp(nats + _usual(MAX_LAG_TICKS).to(device), dim=2)
        what = learner.video_kind(looks) @ learner.audio_kind(sounds).T
    late = nats.diagonal().argmax(dim=0) - MAX_LAG_TICKS
    return when.double().cpu().numpy(), what.double().cpu().numpy(), late.cpu().numpy(), group


def _accents(
    learner: EventTowers, pieces: list[tuple[np.ndarray, np.ndarray]], device: torch.device
) -> tuple[Float[Tensor, "N S K T"], Float[Tensor, "N K T"], Float[Tensor, "N S"]]:
    sources = [picture_signals(motion) for motion, _ in pieces]
    sounds = [sound_signals(*split_bands(bands)[:2]) for _, bands in pieces]
    video = learner.video(torch.from_numpy(np.stack([signals for signals, _ in sources])).to(device))
    audio = learner.sound_at_ticks(torch.from_numpy(np.stack(sounds)).to(device))
    log_prior = torch.from_numpy(np.log(np.stack([weights for _, weights in sources]))).float()
    return video, audio, log_prior.to(device)
