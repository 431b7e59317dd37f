"""The task of the published lip-sync systems: five frames and the 0.2 s of sound that belong to them.

    mouths (T, 112, 112) ─ augmented ─ VggMPicture → vectors (N, D) ┐
    samples (640 · T) ─ gain, noise ─ MFCC ─ VggMSound → vectors (N, D) ┴ Euclidean distance

N = T − 4 windows of each clip, a tick apart, each computed once. The criterion compares the picture of every window
with its own sound and with negatives: windows of the same clip at other times, and of other clips of the batch where a
clip has too few (24 windows in a second, 40 candidates). The mouths and sounds are those of the recipe `lips`, so the
systems can be compared.

Three criteria, d being the distance of a picture's vector v from a sound's vector a:

    Contrastive     ½·d² of matching pairs, ½·max(0, margin − d)² of negatives
                    (Chung and Zisserman, "Out of time", ACCV-W 2016; Hadsell, Chopra and LeCun, CVPR 2006)
    Correspondence  z = W·‖ v/‖v‖ − a/‖a‖ ‖₂ + b with two rows, no and yes; loss = − mean log softmax(z)[truth]
                    (AVE-Net: Arandjelović and Zisserman, "Objects that sound", ECCV 2018; a baseline for sync)
    MultiWay        softmax over 1/d: which of C sounds? (Chung, Chung and Kang, "Perfect match", ICASSP 2019)

The publications' own settings (margin, how near in time a negative may be) were not available: here negatives are any
other windows.

Letters in shapes: B pairs, T ticks, N windows of a clip, P = B·N of a batch, C candidates, U MFCC steps, D dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional

from avmatch.artifacts.model import TOWERS
from avmatch.core.errors import UsageError
from avmatch.core.results import Progress
from avmatch.data.items import Pairs
from avmatch.frontends.sound import SAMPLE_RATE_HZ, WINDOW_SAMPLES, mfcc
from avmatch.metrics.sync import offset_distances, within_shares
from avmatch.synth.sound import NoiseKind, gain, mix_at_snr, synthetic_noise
from avmatch.systems.lips import model
from avmatch.systems.lips.augmentation import MouthAugmentation, MouthFrontEnd
from avmatch.systems.lips.task import PACKING, RATE_HZ, SAMPLES_PER_TICK
from avmatch.training.batches import held, random_begin, read_packed, waveform
from avmatch.training.export import TICKS, Exported, export_model, uniform
from avmatch.training.losses import at_least_float32, hadsell, multi_way_inverse_distance, without_autocast
from avmatch.training.task import Batch, RowByRow, outputs_of_clips

_NOISES: tuple[NoiseKind, ...] = ("white", "pink")
#: Validation looks at this many ticks of a clip, and at these numbers of frames as evidence.
VALIDATION_TICKS, VALIDATION_KS = 50, (5, 15)

Vectors = Float32[np.ndarray, "N D"]


#: A criterion at work: vectors of both sides of all windows (B, N, D) → the loss. A module where it has weights.
WindowLoss = Callable[[Float[Tensor, "B N D"], Float[Tensor, "B N D"]], Float[Tensor, ""]]


@dataclass(frozen=True)
class Contrastive:
    """SyncNet's; the margin is in the units of the vectors, whose length is free; they start about 1 apart."""

    margin: float = 1.0

    def loss(self) -> WindowLoss:
        """As many matching pairs as negatives."""
        return self

    def __call__(self, video: Float[Tensor, "B N D"], audio: Float[Tensor, "B N D"]) -> Float[Tensor, ""]:
        """The loss."""
        video_vectors, audio_vectors, is_pair = with_negatives(video, audio)
        return hadsell(torch.linalg.vector_norm(video_vectors - audio_vectors, dim=1), is_pair, self.margin)


@dataclass(frozen=True)
class Correspondence:
    """AVE-Net's: do the two belong together?"""

    def loss(self) -> WindowLoss:
        """As many matching pairs as negatives, and the calibration of their distance."""
        return CorrespondingWindows()


@dataclass(frozen=True)
class MultiWay:
    """Perfect Match's: which of `num_candidates` sounds belongs to the picture?"""

    num_candidates: int = 40

    def __post_init__(self) -> None:
        if self.num_candidates < 2:
            raise UsageError(f"num_candidates must be 2 or more, got {self.num_candidates}")

    def loss(self) -> WindowLoss:
        """The picture of each window against its own sound and C − 1 negatives."""
        return self

    def __call__(self, video: Float[Tensor, "B N D"], audio: Float[Tensor, "B N D"]) -> Float[Tensor, ""]:
        """The loss."""
        drawn = candidates(video.shape[0], video.shape[1], self.num_candidates, video.device)
        own = torch.zeros(len(drawn), dtype=torch.int64, device=video.device)
        return multi_way_inverse_distance(video.flatten(0, 1), audio.flatten(0, 1)[drawn], own)


#: The difference between the systems; `loss()` is what is minimised.
Criterion = Contrastive | Correspondence | MultiWay


class CorrespondingWindows(nn.Module):
    """AVE-Net's loss of windows."""

    def __init__(self) -> None:
        super().__init__()
        self.correspondence = AVENetLoss()

    def forward(self, video: Float[Tensor, "B N D"], audio: Float[Tensor, "B N D"]) -> Float[Tensor, ""]:
        """The loss."""
        return self.correspondence(*with_negatives(video, audio))


#: Other cameras and trackers, within the modest bounds of the published systems.
MODEST = MouthAugmentation(
    rotation_degrees=6.0,
    scales=(0.9, 1.1),
    aspect=0.05,
    shear=0.05,
    shift=0.06,
    coarse_probability=0.0,
    gammas=(0.8, 1.25),
    contrasts=(0.8, 1.25),
    brightness=0.1,
    ramp=0.1,
    compression_probability=0.0,
    cover_probability=0.0,
)


@dataclass(frozen=True)
class SyncWindows:
    """The task.

    Attributes:
        criterion: what is minimised.
        streams: of both sides; grey frames.
        window_ticks: the stretch that is cut out of a clip; windows of five ticks are cut out of that.
        gain_db, noise_probability, noise_snr_db: of the sound.
    """

    metrics: ClassVar[tuple[str, ...]] = tuple(f"within_1@{num}" for num in VALIDATION_KS)

    criterion: Criterion
    streams: model.VggMConfig
    mouth: MouthAugmentation = MODEST
    window_ticks: int = 28
    gain_db: tuple[float, float] = (-15.0, 5.0)
    noise_probability: float = 0.3
    noise_snr_db: tuple[float, float] = (5.0, 30.0)

    def __post_init__(self) -> None:
        if self.window_ticks <= model.WINDOW_TICKS:
            raise UsageError(f"window_ticks must be more than {model.WINDOW_TICKS}, got {self.window_ticks}")
        if self.streams.colours != 1:
            raise UsageError(f"packed mouths are grey: streams.colours must be 1, got {self.streams.colours}")

    def read(self, data: str | Path, cache: Path, progress: Progress | None = None) -> Pairs:
        """What the recipe `lips` reads."""
        return read_packed(data, cache, PACKING, progress)

    def learner(self, pairs: Pairs, seed: int) -> SyncTowers:
        """Front end, streams and loss."""
        return SyncTowers(self)

    def source(self, pairs: Pairs, learner: nn.Module, device: torch.device) -> RowByRow:
        """Random stretches."""
        return RowByRow(pairs, partial(self.stretch, pairs))

    def stretch(
        self, pairs: Pairs, row: int, rng: np.random.Generator
    ) -> tuple[UInt8[np.ndarray, "T 112 112"], Float32[np.ndarray, "U 13"]]:
        """Mouths, and the MFCC of the same time; in a clip that is too short, the last frame, and silence."""
        frames = pairs.video[row]
        begin = random_begin(len(frames), self.window_ticks, rng)
        # The last step of a stretch depends on a little of the sound behind it.
        num_samples = self.window_ticks * SAMPLES_PER_TICK + WINDOW_SAMPLES
        first = begin * SAMPLES_PER_TICK
        sound = waveform(pairs.audio[row][first : first + num_samples])
        sound = self._augmented(np.pad(sound, (0, num_samples - len(sound))), rng)
        return held(frames, begin, self.window_ticks), mfcc(sound)[: self.window_ticks * model.STEPS_PER_TICK]

    def _augmented(self, sound: Float32[np.ndarray, " S"], rng: np.random.Generator) -> Float32[np.ndarray, " S"]:
        if rng.random() < self.noise_probability:
            noise = synthetic_noise(rng, len(sound), _NOISES[rng.integers(len(_NOISES))], SAMPLE_RATE_HZ)
            sound = mix_at_snr(sound, noise, rng.uniform(*self.noise_snr_db))
        return gain(rng, sound, self.gain_db)

    def validate(self, learner: nn.Module, pairs: Pairs, device: torch.device) -> Mapping[str, float]:
        """How often the offset is right within a tick, among ±15, from 5 and 15 frames (metrics/sync.py)."""
        scores = [-offset_distances(*vectors) for vectors in window_vectors(learner, pairs, device)]
        return within_shares(scores, VALIDATION_KS, window_frames=model.WINDOW_TICKS)

    def export(self, learner: nn.Module, pairs: Pairs, folder: Path, description: Mapping[str, object]) -> None:
        """video.onnx and audio.onnx, which give each frame a vector of the window around it, and card.md."""
        video, audio = learner.get_submodule("video"), learner.get_submodule("audio")
        common = {"rate_hz": RATE_HZ, "distance": "euclidean", "window_frames": model.WINDOW_TICKS}
        side = self.streams.side_px
        size = {"crop": "mouth", "height_px": side, "width_px": side}
        frames = uniform((num, ticks, side, side) for num, ticks in TICKS)
        steps = uniform(
            ((num, ticks * model.STEPS_PER_TICK, model.NUM_COEFFICIENTS) for num, ticks in TICKS), -10.0, 10.0
        )
        graphs = {
            "video": Exported(model.EveryTick(video, 1), frames, common | {"side": "video", "input": "frames"} | size),
            "audio": Exported(
                model.EveryTick(audio, model.STEPS_PER_TICK), steps, common | {"side": "audio", "input": "mfcc"}
            ),
        }
        export_model(TOWERS, graphs, folder, description)


class SyncTowers(nn.Module):
    """Front end, streams and loss."""

    def __init__(self, task: SyncWindows) -> None:
        super().__init__()
        self.mouth = MouthFrontEnd(task.mouth, task.streams.side_px)
        self.video, self.audio = model.VggMPicture(task.streams), model.VggMSound(task.streams)
        self.criterion = task.criterion.loss()

    def forward(self, batch: Batch, epoch: int) -> dict[str, Float[Tensor, ""]]:
        """The loss of a batch."""
        return {"loss": self.criterion(self.video(self.mouth(batch.video)), self.audio(batch.audio))}


def window_vectors(learner: nn.Module, pairs: Pairs, device: torch.device) -> list[tuple[Vectors, Vectors]]:
    """(N, D) of picture and sound of each clip's first VALIDATION_TICKS; clips shorter than a window are left out."""
    mouth, video, audio = (learner.get_submodule(name) for name in ("mouth", "video", "audio"))
    clips = (
        (frames, mfcc(waveform(pairs.audio[row][: len(frames) * SAMPLES_PER_TICK])))
        for row in range(len(pairs))
        if len(frames := np.array(pairs.video[row][:VALIDATION_TICKS])) >= model.WINDOW_TICKS
    )
    return list(zip(*outputs_of_clips(nn.Sequential(mouth, video), audio, clips, device), strict=True))


def candidates(num_clips: int, num_windows: int, num_candidates: int, device: torch.device) -> Int64[Tensor, "P C"]:
    """The windows of sound that the picture of each window is compared with; the first is its own.

    Negatives are drawn without replacement, from its own clip while there are any, then from the others; a batch that
    has fewer windows gives fewer.
    """
    clip = torch.arange(num_clips, device=device).repeat_interleave(num_windows)
    order = torch.rand(len(clip), len(clip), device=device) + (clip[:, None] != clip[None])
    order.fill_diagonal_(-1)
    return order.topk(min(num_candidates, len(clip)), largest=False).indices


def with_negatives(
    video: Float[Tensor, "B N D"], audio: Float[Tensor, "B N D"]
) -> tuple[Float[Tensor, "P D"], Float[Tensor, "P D"], Bool[Tensor, " P"]]:
    """The picture of each window with its own sound, then of each with another: both sides, and which match."""
    drawn = candidates(video.shape[0], video.shape[1], 2, video.device)
    pictures, sounds = video.flatten(0, 1).repeat(2, 1), audio.flatten(0, 1)[drawn.T.flatten()]
    return pictures, sounds, torch.arange(len(pictures), device=video.device) < len(drawn)


#: Vectors shorter than this are not normalised to length 1: their direction is noise.
SHORTEST_LENGTH = 1e-6


class AVENetLoss(nn.Module):
    """Do picture and sound correspond? Cross-entropy of two answers, computed from their distance alone.

    The layer `calibration` makes the distance comparable with the softmax; its bias learns the distance above which
    two vectors no longer correspond. It starts at z = ±(d − √½). Negatives in many dimensions are about √2 apart and
    matching pairs shall be at 0, so the threshold lies in the middle, and at both ends the answer is 80 % sure, far
    from saturation. A random start would have the wrong sign every other time, and would pull negatives together until
    it had changed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calibration = nn.Linear(1, 2)
        with torch.no_grad():
            self.calibration.weight.copy_(torch.tensor([[1.0], [-1.0]]))
            self.calibration.bias.copy_(torch.tensor([-math.sqrt(0.5), math.sqrt(0.5)]))

    def forward(
        self, video: Float[Tensor, "B D"], audio: Float[Tensor, "B D"], is_pair: Bool[Tensor, " B"]
    ) -> Float[Tensor, ""]:
        """Cross-entropy in nats of the right answer.

        Args:
            video: (B, D) embeddings of any length; they are normalised here.
            audio: (B, D) the same for the sound.
            is_pair: (B,) whether the two belong together.

        Raises:
            ValueError: the shapes of `video` and `audio` differ.
        """
        return functional.cross_entropy(self.logits(video, audio), is_pair.long())

    def logits(self, video: Float[Tensor, "B D"], audio: Float[Tensor, "B D"]) -> Float[Tensor, "B 2"]:
        """The two answers before the softmax: no, yes. Raises ValueError where the shapes differ."""
        if video.shape != audio.shape:
            raise ValueError(f"video {tuple(video.shape)} and audio {tuple(audio.shape)} must be equal (batch, D)")
        distance = torch.linalg.vector_norm(_unit(video) - _unit(audio), dim=-1, keepdim=True)
        with without_autocast(video):
            return self.calibration(distance)


def _unit(vectors: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
    return functional.normalize(at_least_float32(vectors), dim=-1, eps=SHORTEST_LENGTH)
