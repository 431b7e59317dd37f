"""The task of towers for talking faces: at each tick, vectors of lips and voice that are alike at the same time.

    mouths (T, 112, 112) ─ augmented ─ LipCnn   → unit vectors (T, D) ┐
    samples (640 · T)    ─ augmented ─ VoiceCnn → unit vectors (T, D) ┴ similarity = cosine

Three losses, each a softmax with a temperature of its own:

    tick    which tick of the clip's sound belongs to this frame, and the other way round? (multi-way matching, Chung,
            Chung and Kang 2019)
    offset  by how many ticks is the sound late, by the mean similarity over all frames?
    clip    which sound of the batch belongs to this clip, and the other way round?

A network that sees where its window ends can count from there, and match ticks without looking at lips. So the first
two losses use inner ticks only, whose vectors do not depend on the window's ends.

Letters in shapes: B pairs, T ticks, I inner ticks, S samples, D embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn
from torch.nn import functional

from avmatch.artifacts.model import TOWERS
from avmatch.core.errors import UsageError
from avmatch.core.results import Progress
from avmatch.data.items import Pairs
from avmatch.data.tracks import PackSettings
from avmatch.frontends.mouth import held_ticks
from avmatch.frontends.sound import FFT_SAMPLES, SAMPLE_RATE_HZ
from avmatch.matching.galleries import Vectors, aligned_similarity
from avmatch.metrics.sync import offset_scores, within_shares
from avmatch.systems.lips import augmentation
from avmatch.systems.lips.model import LipCnn, LipCnnConfig, VoiceCnn, VoiceCnnConfig
from avmatch.training.batches import read_packed, waveform
from avmatch.training.export import export_model, fit_evidence_of_ticks, media_towers
from avmatch.training.losses import InfoNCE, end_to_end
from avmatch.training.task import Batch, RowByRow, outputs_of_clips

RATE_HZ = 25.0
CROP_PX = 112
#: What is kept of the media.
PACKING = PackSettings(RATE_HZ, CROP_PX, CROP_PX, "mouth", "samples")
SAMPLES_PER_TICK = round(SAMPLE_RATE_HZ / RATE_HZ)
#: Pairs that the evidence is calibrated on; more would only take longer.
MAX_CALIBRATION_PAIRS = 400
#: Validation uses this many ticks of a clip, and offsets of up to so many.
VALIDATION_TICKS, VALIDATION_OFFSET = 100, 15


@dataclass(frozen=True)
class LipPairs:
    """The task.

    Attributes:
        window_ticks: the stretch that is cut out of a clip.
        speed_probability, max_speed: how often picture and sound are played faster or slower, by up to this share.
        rate_probability, rate_kept_share: how often the picture loses frames, as with a slower camera, and the share
            that stays.
        tick_weight, offset_weight, clip_weight: of the losses.
    """

    metrics: ClassVar[tuple[str, ...]] = ("within_1@5", "within_1@15", "recall@1")

    video: LipCnnConfig = field(default_factory=LipCnnConfig)
    audio: VoiceCnnConfig = field(default_factory=VoiceCnnConfig)
    mouth: augmentation.MouthAugmentation = field(default_factory=augmentation.MouthAugmentation)
    voice: augmentation.VoiceAugmentation = field(default_factory=augmentation.VoiceAugmentation)
    window_ticks: int = 28
    speed_probability: float = 0.5
    max_speed: float = 0.15
    rate_probability: float = 0.25
    rate_kept_share: tuple[float, float] = (0.5, 1.0)
    tick_weight: float = 1.0
    offset_weight: float = 0.5
    clip_weight: float = 0.5
    temperature: float = 0.1

    def __post_init__(self) -> None:
        if self.video.tcn.dim != self.audio.tcn.dim:
            raise UsageError(f"video.tcn.dim {self.video.tcn.dim} and audio.tcn.dim {self.audio.tcn.dim} differ")
        if self.window_ticks - 2 * self.reach_ticks < 2:
            raise UsageError(
                f"window_ticks={self.window_ticks} leaves no inner ticks: a vector depends on {self.reach_ticks} ticks "
                "before and after its own"
            )

    @property
    def reach_ticks(self) -> int:
        """Ticks at either end of a window whose vectors show where it ends."""
        return max(self.video.reach_ticks, self.audio.reach_ticks)

    def read(self, data: str | Path, cache: Path, progress: Progress | None = None) -> Pairs:
        """Shards as they are; a list of media files (data/layouts.py) is packed into `cache` first."""
        return read_packed(data, cache, PACKING, progress)

    def learner(self, pairs: Pairs, seed: int) -> LipTowers:
        """Front ends, towers and losses."""
        return LipTowers(self)

    def source(self, pairs: Pairs, learner: nn.Module, device: torch.device) -> RowByRow:
        """Random windows."""
        return RowByRow(pairs, partial(self.window, pairs))

    def window(
        self, pairs: Pairs, row: int, rng: np.random.Generator
    ) -> tuple[UInt8[np.ndarray, "T 112 112"], Float32[np.ndarray, " S"]]:
        """Mouths and samples of a random window of a clip."""
        frames, ticks = pairs.video[row], np.arange(self.window_ticks)
        speed = self._speed(len(frames), rng)
        begin = rng.uniform(0, max(len(frames) / speed - self.window_ticks, 0))
        if speed == 1:
            begin = np.floor(begin)
        if rng.random() < self.rate_probability:
            ticks = held_ticks(self.window_ticks, rng.uniform(*self.rate_kept_share), rng.random())
        shown = np.round((begin + ticks) * speed).astype(int)
        first = begin * SAMPLES_PER_TICK - FFT_SAMPLES / 2
        places = (first + np.arange(self.window_ticks * SAMPLES_PER_TICK + augmentation.MARGIN_SAMPLES)) * speed
        return frames[np.clip(shown, 0, len(frames) - 1)], _samples_at(pairs.audio[row], places)

    def _speed(self, num_frames: int, rng: np.random.Generator) -> float:
        """1, or the factor by which the clip is faster or slower; at most so fast that it still fills a window."""
        if rng.random() >= self.speed_probability:
            return 1.0
        drawn = float(np.exp(rng.uniform(-self.max_speed, self.max_speed)))
        return min(drawn, max(num_frames / self.window_ticks, np.exp(-self.max_speed)))

    def validate(self, learner: nn.Module, pairs: Pairs, device: torch.device) -> Mapping[str, float]:
        """How often offsets within ±VALIDATION_OFFSET are right to a tick, from 5 and 15 frames; recall of sounds."""
        videos, audios = lip_vectors(learner, pairs, device)
        scores = [offset_scores(*sides, VALIDATION_OFFSET) for sides in zip(videos, audios, strict=True)]
        found = within_shares(scores, (5, 15))
        similarity, _ = aligned_similarity(videos, audios)
        own = np.diagonal(similarity)
        return found | {"recall@1": float(np.mean((similarity >= own[:, None]).sum(axis=1) == 1))}

    def export(self, learner: nn.Module, pairs: Pairs, folder: Path, description: Mapping[str, object]) -> None:
        """video.onnx, audio.onnx and card.md."""
        some = pairs.take(np.arange(min(len(pairs), MAX_CALIBRATION_PAIRS)))
        vectors = lip_vectors(learner, some, torch.device("cpu"))
        evidence = fit_evidence_of_ticks(*aligned_similarity(*vectors), np.arange(len(some)), RATE_HZ)
        side = self.video.side_px
        settings = PackSettings(RATE_HZ, side, side, "mouth")
        towers = learner.get_submodule("video"), learner.get_submodule("audio")
        export_model(TOWERS, media_towers(towers, settings, evidence), folder, description, is_half=True)


class LipTowers(nn.Module):
    """Front ends, towers and losses."""

    def __init__(self, task: LipPairs) -> None:
        super().__init__()
        self.task = task
        self.mouth = augmentation.MouthFrontEnd(task.mouth, task.video.side_px)
        self.voice = augmentation.VoiceFrontEnd(task.voice)
        self.video, self.audio = LipCnn(task.video), VoiceCnn(task.audio)
        self.tick, self.offset, self.clip = (InfoNCE(task.temperature) for _ in range(3))

    def forward(self, batch: Batch, epoch: int) -> dict[str, Float[Tensor, ""]]:
        """The named losses of a batch."""
        video, audio = self.video(self.mouth(batch.video)), self.audio(self.voice(batch.audio))
        inner = slice(self.task.reach_ticks, video.shape[1] - self.task.reach_ticks)
        with torch.autocast(video.device.type, enabled=False):
            similarity = video[:, inner] @ audio[:, inner].transpose(1, 2)
            losses = {
                "tick_loss": self._tick_loss(similarity),
                "offset_loss": self._offset_loss(similarity),
                "clip_loss": self.clip(end_to_end(video), end_to_end(audio)),
            }
        weights = (self.task.tick_weight, self.task.offset_weight, self.task.clip_weight)
        weighted = [weight * loss for weight, loss in zip(weights, losses.values(), strict=True)]
        losses["loss"] = torch.stack(weighted).sum()
        return losses

    def _tick_loss(self, similarity: Float[Tensor, "B I I"]) -> Float[Tensor, ""]:
        logits = self.tick.scale() * similarity
        own = torch.arange(logits.shape[1], device=logits.device).expand(len(logits), -1)
        both = functional.cross_entropy(logits.transpose(1, 2), own) + functional.cross_entropy(logits, own)
        return both / 2

    def _offset_loss(self, similarity: Float[Tensor, "B I I"]) -> Float[Tensor, ""]:
        """The mean of each diagonal that is at least half as long as the longest, the main one among them."""
        reach = similarity.shape[1] // 2
        means = [similarity.diagonal(offset, 1, 2).mean(dim=1) for offset in range(-reach, reach + 1)]
        own = torch.full((len(similarity),), reach, device=similarity.device)
        return functional.cross_entropy(self.offset.scale() * torch.stack(means, dim=1), own)


def _samples_at(sound: np.ndarray, places: Float[np.ndarray, " S"]) -> Float32[np.ndarray, " S"]:
    """The waveform in −1…1 at these samples; silence beyond its ends."""
    low, high = int(np.floor(places[0])), int(np.ceil(places[-1])) + 1
    part = waveform(sound[max(low, 0) : max(high, 0)])
    part = np.pad(part, (min(max(-low, 0), high - low), 0))
    part = np.pad(part, (0, max(high - low - len(part), 0)))[: high - low]
    return np.interp(places - low, np.arange(len(part)), part).astype(np.float32)


def lip_vectors(learner: nn.Module, pairs: Pairs, device: torch.device) -> tuple[list[Vectors], list[Vectors]]:
    """Unit vectors (T, D) of lips and voice of each clip, the first VALIDATION_TICKS of it, in evaluation mode."""
    mouth, voice, video, audio = (learner.get_submodule(name) for name in ("mouth", "voice", "video", "audio"))

    def clip(row: int) -> tuple[np.ndarray, np.ndarray]:
        sound = waveform(pairs.audio[row][: VALIDATION_TICKS * SAMPLES_PER_TICK])
        return np.array(pairs.video[row][:VALIDATION_TICKS]), np.pad(sound, FFT_SAMPLES // 2)

    networks = nn.Sequential(mouth, video), nn.Sequential(voice, audio)
    return outputs_of_clips(*networks, map(clip, range(len(pairs))), device)
