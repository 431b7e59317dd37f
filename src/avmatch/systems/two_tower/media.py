"""The task of two towers over raw media: at each tick, vectors of picture and sound that are alike where they belong.

    frames (T, H, W)  ─ FrameCnn  → unit vectors (T, D) ┐
    log-mel (T·n, 64) ─ LogMelCnn → unit vectors (T, D) ┴ similarity = mean over time of the cosines at equal ticks

That mean is the cosine of the vectors of all ticks laid end to end, so the loss is InfoNCE over the batch on those,
both ways; pieces of one recording aren't each other's negatives. As an option, the sound of the same recording at
another time is a negative too: only when things happen distinguishes it from the matching sound.

Letters in shapes: B pairs, K negatives, N clips, T ticks, n log-mel ticks a tick, H rows, W columns, D embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor, nn

from avmatch.artifacts.model import TOWERS
from avmatch.core.errors import UsageError
from avmatch.core.results import Progress
from avmatch.data.items import Pairs
from avmatch.data.tracks import PackSettings
from avmatch.frontends.mouth import shades
from avmatch.frontends.sound import CHUNK_SECONDS
from avmatch.matching.galleries import Vectors, aligned_similarity
from avmatch.systems.two_tower.augmentation import LevelAugmentation, PictureAugmentation, SpectrogramAugmentation
from avmatch.systems.two_tower.model import FrameCnn, FrameCnnConfig, LogMelCnn, LogMelCnnConfig
from avmatch.systems.two_tower.task import MAX_CALIBRATION_PAIRS, RETRIEVAL, in_batch_loss, retrieval_metrics, towers_of
from avmatch.training.batches import random_begin, read_packed, wrapped
from avmatch.training.export import export_model, fit_evidence_of_ticks, media_towers
from avmatch.training.losses import InfoNCE, end_to_end, sampled_cross_entropy
from avmatch.training.task import Batch, RowByRow, outputs_of_clips


@dataclass(frozen=True)
class MediaPairs:
    """The task. Attributes are what its name says; see the module.

    Attributes:
        packing: what is kept of the media.
        crop_seconds: length of the pieces that train; shorter clips go on from their beginning.
        temperature, learn_temperature: of the softmax.
        num_shifted, shifted_weight, shift_seconds: how many negatives are the own recording at another time, by how
            much their loss counts, and how far away they begin at least.
        picture, spectrogram, level: augmentations of frames and log-mel.
    """

    metrics: ClassVar[tuple[str, ...]] = RETRIEVAL

    packing: PackSettings = field(default_factory=PackSettings)
    video: FrameCnnConfig = field(default_factory=FrameCnnConfig)
    audio: LogMelCnnConfig = field(default_factory=LogMelCnnConfig)
    crop_seconds: float = 3.0
    temperature: float = 0.07
    learn_temperature: bool = True
    num_shifted: int = 2
    shifted_weight: float = 0.0
    shift_seconds: float = 0.5
    picture: PictureAugmentation = field(default_factory=PictureAugmentation)
    spectrogram: SpectrogramAugmentation = field(default_factory=SpectrogramAugmentation)
    level: LevelAugmentation = field(default_factory=LevelAugmentation)

    def __post_init__(self) -> None:
        if self.crop_ticks < 1 or self.num_shifted < 1 or self.shifted_weight < 0 or self.shift_seconds <= 0:
            raise UsageError(f"crops, shifts and their number must be positive, and no weight negative, got {self}")
        if self.video.head.dim != self.audio.head.dim:
            raise UsageError(f"video.head.dim {self.video.head.dim} and audio.head.dim {self.audio.head.dim} differ")

    @property
    def crop_ticks(self) -> int:
        """T of the pieces that train."""
        return round(self.crop_seconds * self.packing.rate_hz)

    def read(self, data: str | Path, cache: Path, progress: Progress | None = None) -> Pairs:
        """Shards as they are; a list of media files (data/layouts.py) is packed into `cache` first."""
        return read_packed(data, cache, self.packing, progress)

    def learner(self, pairs: Pairs, seed: int) -> MediaTowers:
        """Towers and losses."""
        return MediaTowers(self)

    def source(self, pairs: Pairs, learner: nn.Module, device: torch.device) -> RowByRow:
        """Random pieces, the same time on both sides."""
        return RowByRow(pairs, partial(self.piece, pairs))

    def piece(self, pairs: Pairs, row: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Frames (T, H, W), their sound (U, 64), and, if they count, the sounds (K, U, 64) of other times."""
        frames, mel = pairs.video[row], pairs.audio[row]
        begin = random_begin(len(frames), self.crop_ticks, rng)
        others = self._other_begins(len(frames), begin, rng) if self.shifted_weight else ()
        video = self.picture(rng, wrapped(frames, begin, self.crop_ticks))
        audio, *shifted = (self._mel_piece(mel, int(first), rng) for first in (begin, *others))
        return shades(video), audio, *([np.stack(shifted)] if shifted else [])

    def _other_begins(self, num_ticks: int, begin: int, rng: np.random.Generator) -> Int[np.ndarray, " K"]:
        """Where shifted negatives begin: far enough away, clips going round at their end."""
        least = min(max(1, round(self.shift_seconds * self.packing.rate_hz)), num_ticks // 2)
        return (begin + rng.integers(least, max(num_ticks - least, least) + 1, self.num_shifted)) % num_ticks

    def _mel_piece(
        self, mel: Float32[np.ndarray, "_ 64"], begin: int, rng: np.random.Generator
    ) -> Float32[np.ndarray, "U 64"]:
        per_tick = self.packing.mels_per_tick
        return self.spectrogram(rng, self.level(rng, wrapped(mel, begin * per_tick, self.crop_ticks * per_tick)))

    def validate(self, learner: nn.Module, pairs: Pairs, device: torch.device) -> Mapping[str, float]:
        """Recall of the held-back clips, in a gallery of all of them."""
        return retrieval_metrics(aligned_similarity(*media_vectors(learner, pairs, self.packing, device))[0])

    def export(self, learner: nn.Module, pairs: Pairs, folder: Path, description: Mapping[str, object]) -> None:
        """video.onnx, audio.onnx and card.md."""
        some = pairs.take(np.arange(min(len(pairs), MAX_CALIBRATION_PAIRS)))
        vectors = media_vectors(learner, some, self.packing, torch.device("cpu"))
        evidence = fit_evidence_of_ticks(*aligned_similarity(*vectors), some.group, self.packing.rate_hz)
        export_model(TOWERS, media_towers(towers_of(learner), self.packing, evidence), folder, description)


class MediaTowers(nn.Module):
    """Both towers with their losses."""

    def __init__(self, task: MediaPairs) -> None:
        super().__init__()
        self.shifted_weight = task.shifted_weight
        self.video = FrameCnn(task.video)
        self.audio = LogMelCnn(task.audio, task.packing.mels_per_tick)
        self.softmax = InfoNCE(task.temperature, task.learn_temperature)

    def forward(self, batch: Batch, epoch: int) -> dict[str, Float[Tensor, ""]]:
        """The named losses of a batch."""
        video, audio = end_to_end(self.video(batch.video)), end_to_end(self.audio(batch.audio))
        match = in_batch_loss(self.softmax, video, audio, batch.group)
        losses = {"match_loss": match, "loss": match}
        if batch.negatives is not None:
            shifted = end_to_end(self.audio(batch.negatives.flatten(0, 1)))
            shifted = shifted.reshape(len(video), -1, video.shape[1])
            losses["shifted_loss"] = sampled_cross_entropy(video, audio, shifted, self.softmax.scale())
            losses["loss"] = match + self.shifted_weight * losses["shifted_loss"]
        return losses


def media_vectors(
    learner: nn.Module, pairs: Pairs, settings: PackSettings, device: torch.device
) -> tuple[list[Vectors], list[Vectors]]:
    """Unit vectors (T, D) of each side of each clip, the first CHUNK_SECONDS of it, in evaluation mode."""
    num_ticks = round(CHUNK_SECONDS * settings.rate_hz)

    def clip(row: int) -> tuple[np.ndarray, np.ndarray]:
        mel = pairs.audio[row][: num_ticks * settings.mels_per_tick]
        return shades(np.asarray(pairs.video[row][:num_ticks])), np.array(mel)

    return outputs_of_clips(*towers_of(learner), map(clip, range(len(pairs))), device)
