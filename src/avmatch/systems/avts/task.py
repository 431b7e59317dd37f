"""The task of audio-visual temporal synchronisation (AVTS): does this second of sound go with this second of video?

    frames (T, H, W, 3) of a window ─ McVideo  → vector (D) ┐
    samples of a window ─ filterbank ─ SoundCnn → vector (D) ┴ near where they are in sync

A window's own sound is the positive; its negatives come from other recordings, or from the same one at another time,
by the curriculum (negatives.py, which has the losses too). The vectors have length 1 where distances are compared;
whether those of the paper have, isn't known.

Validation measures the sync accuracy (metrics/sync.py) of windows of the recordings that are held back: with the
negatives of the end of training (`sync_accuracy`), and with those of one kind, so that runs can be compared.

Letters in shapes: B windows, K negatives each, T frames, U frames of sound, F filters, S samples, D dimensions.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, Num, Shaped, UInt8
from torch import Tensor, nn

from avmatch.artifacts.model import WINDOWS
from avmatch.core.errors import UsageError
from avmatch.core.results import Progress
from avmatch.data.items import Pairs
from avmatch.data.negatives import NegativeMix, Negatives
from avmatch.data.tracks import PackSettings
from avmatch.frontends.sound import filterbank
from avmatch.metrics.sync import judged_right
from avmatch.systems.avts.model import McVideo, McVideoConfig, SoundCnn, SoundCnnConfig
from avmatch.systems.avts.negatives import LOSSES, SyncCriterion, SyncCurriculum, SyncMix, SyncShifts
from avmatch.training.batches import cropped, random_begin, read_packed, spread_begins, waveform
from avmatch.training.export import Exported, export_model, uniform
from avmatch.training.task import Batch, Source, blocks, evaluating

Frames = UInt8[np.ndarray, "T H W 3"]
Sound = Float32[np.ndarray, "U F"]
#: Windows of each clip in validation, and how many of them at once.
VALIDATION_WINDOWS, _TOGETHER = 8, 32
#: The kinds that all runs can be compared by; `mixed` is the curriculum's second half.
COMMON = {"easy": SyncMix(1, 0), "hard": SyncMix(0, 1), "mixed": SyncMix(3, 1)}


class WindowTask:
    """What the tasks over windows have in common; each has these fields itself.

    Attributes:
        rate_hz: frames a second.
        side_px: of what the network takes of a frame; packed frames are `spare_px` larger.
        mirror_probability: left for right, in training.
    """

    audio: SoundCnnConfig
    rate_hz: float
    side_px: int
    spare_px: int
    mirror_probability: float

    @property
    def packing(self) -> PackSettings:
        """What is kept of the media."""
        side = self.side_px + self.spare_px
        return PackSettings(self.rate_hz, side, side, sound="samples", colours=3)

    def cropped(self, frames: UInt8[np.ndarray, "T _ _ 3"], rng: np.random.Generator | None) -> Frames:
        """Frames cropped anywhere and sometimes mirrored; without `rng` the middle as it is."""
        return cropped(frames, self.side_px, self.spare_px, self.mirror_probability, rng)

    def spectrogram(self, packed: Shaped[np.ndarray, " S"]) -> Sound:
        """The filterbank of packed samples."""
        return filterbank(waveform(packed), self.audio.num_filters)

    def exported(self, network: nn.Module, side: str, size: int, description: Mapping[str, object]) -> Exported:
        """A network over windows of `size` frames (`side` is video) or samples (audio), and what its graph takes."""
        shape: tuple[int, ...]
        if side == "video":
            shape, span = (size, self.side_px, self.side_px, 3), (0.0, 1.0)
            frames = {"rate_hz": self.rate_hz, "num_frames": size, "height_px": self.side_px, "width_px": self.side_px}
            description = {**description, "input": "colour_frames", **frames}
        else:
            shape, span = self.spectrogram(np.zeros(size, np.int16)).shape, (-13.0, 5.0)
            description = {**description, "input": "filterbank", "num_filters": self.audio.num_filters}
        return Exported(network, uniform(((num, *shape) for num in (2, 1, 3)), *span), description)


@dataclass(frozen=True)
class Avts(WindowTask):
    """The task.

    Attributes:
        loss: of LOSSES, with `margin` and `temperature`.
        rate_hz: frames a second; as many as there are in `window_seconds`, rounded to whole ones, are a window.
        num_frames: of a window, evenly spread; 0 = all, 1 = the one in the middle, a still.
        side_px: of the frames; packed ones are `spare_px` larger, cropped anywhere in training, later in the middle.
        mirror_probability: left for right, in training.
        num_negatives: of each window.
        curriculum, shifts: of the negatives.
    """

    metrics: ClassVar[tuple[str, ...]] = ("sync_accuracy", *(f"sync_accuracy_{kind}" for kind in COMMON))

    video: McVideoConfig = field(default_factory=McVideoConfig)
    audio: SoundCnnConfig = field(default_factory=SoundCnnConfig)
    loss: str = "contrastive"
    margin: float = 0.99
    temperature: float = 0.1
    rate_hz: float = 25.0
    window_seconds: float = 1.0
    num_frames: int = 0
    side_px: int = 112
    spare_px: int = 16
    mirror_probability: float = 0.5
    num_negatives: int = 1
    curriculum: SyncCurriculum = field(default_factory=SyncCurriculum)
    shifts: SyncShifts = field(default_factory=SyncShifts)

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise UsageError(f"loss is one of {', '.join(LOSSES)}, got {self.loss!r}")
        if self.side_px < 1 or self.spare_px < 0 or self.num_negatives < 1:
            raise UsageError(f"side_px must be positive, spare_px 0 or more, num_negatives 1 or more, got {self}")
        num_frames, stretches = len(self.frame_ticks), self.video.num_stretches
        num_ticks = self.video.num_ticks(num_frames)
        if num_ticks < stretches:
            raise UsageError(
                f"{num_frames} frames, of which video.kind={self.video.kind} leaves {num_ticks}, can't be cut into "
                f"video.num_stretches={stretches}"
            )

    @property
    def window_ticks(self) -> int:
        """The frames of a window."""
        return round(self.window_seconds * self.rate_hz)

    @property
    def frame_ticks(self) -> Int[np.ndarray, " T"]:
        """Those of them that the network takes."""
        num = self.num_frames or self.window_ticks
        return ((np.arange(num) + 0.5) * self.window_ticks / num).astype(np.int64)

    @property
    def window_samples(self) -> int:
        """The sound of a window."""
        return self.window_ticks * self.packing.audio_per_tick

    def over(self, epochs: int) -> Avts:
        """With the curriculum scaled to a run of that length."""
        return replace(self, curriculum=replace(self.curriculum, epochs=epochs))

    def read(self, data: str | Path, cache: Path, progress: Progress | None = None) -> Pairs:
        """Shards as they are; a list of media files (data/layouts.py) is packed into `cache` first.

        Clips that are shorter than a window are left out.
        """
        pairs = read_packed(data, cache, self.packing, progress)
        long_enough = [row for row in range(len(pairs)) if len(pairs.video[row]) >= self.window_ticks]
        if not long_enough:
            raise UsageError(f"{data}: none of {len(pairs)} clips lasts {self.window_seconds:g} s, a window")
        return pairs.take(np.array(long_enough))

    def learner(self, pairs: Pairs, seed: int) -> AvtsTowers:
        """Towers and loss. Raises UsageError if their vectors have two sizes."""
        if self.video.dim != self.audio.dim:
            raise UsageError(f"task.video.dim {self.video.dim} and task.audio.dim {self.audio.dim} differ")
        return AvtsTowers(self)

    def source(self, pairs: Pairs, learner: nn.Module, device: torch.device) -> Source:
        """Random windows."""
        return partial(self.batch, pairs, Negatives(pairs.group))

    def batch(
        self, pairs: Pairs, negatives: Negatives, rows: Int[np.ndarray, " B"], epoch: int, rng: np.random.Generator
    ) -> Batch:
        """A random window of each of `rows`, with its own sound and negatives."""
        windows = [(row, self._random_begin(pairs, row, rng)) for row in rows.tolist()]
        video = [self.frames(pairs, *window, rng) for window in windows]
        audio = [self.sound(pairs, *window) for window in windows]
        others = negatives.draw(rows, self.num_negatives, NegativeMix(), rng).tolist()
        wrong = []
        for window, own_others in zip(windows, others, strict=True):
            kinds = self.curriculum.mix_at(epoch).draw(self.num_negatives, rng)
            drawn = [self._negative(pairs, window, *one, rng) for one in zip(own_others, kinds, strict=True)]
            wrong.append(np.stack(drawn))
        return Batch.of(pairs, rows, video, audio, wrong)

    def _random_begin(self, pairs: Pairs, row: int, rng: np.random.Generator) -> int:
        return random_begin(len(pairs.video[row]), self.window_ticks, rng)

    def _negative(
        self, pairs: Pairs, window: tuple[int, int], other: int, kind: str, rng: np.random.Generator
    ) -> Sound:
        """A sound of the same recording; of `other` for easy negatives, and where the recording is too short."""
        places = () if kind == "easy" else self.places(kind, pairs, *window)
        if len(places):
            return self.sound(pairs, window[0], int(rng.choice(places)))
        return self.sound(pairs, other, self._random_begin(pairs, other, rng))

    def validate(self, learner: nn.Module, pairs: Pairs, device: torch.device) -> Mapping[str, float]:
        """Sync accuracies; none, and a warning, where the pairs are of one recording: easy negatives are of others."""
        if len(np.unique(pairs.group)) < 2:
            message = "held-back clips are of one recording: nothing is validated; raise validation_share"
            warnings.warn(f"the {len(pairs)} {message}", stacklevel=2)
            return {}
        right = sync_judgements(self, learner, pairs, device)
        return {
            name if name == "sync_accuracy" else f"sync_accuracy_{name}": float(r.mean()) for name, r in right.items()
        }

    def export(self, learner: nn.Module, pairs: Pairs, folder: Path, description: Mapping[str, object]) -> None:
        """video.onnx, audio.onnx and card.md."""
        sizes = {"video": len(self.frame_ticks), "audio": self.window_samples}
        common = {"window_seconds": self.window_ticks / self.rate_hz, "compared_by": self.loss}
        graphs = {
            side: self.exported(learner.get_submodule(side), side, size, common | {"side": side})
            for side, size in sizes.items()
        }
        export_model(WINDOWS, graphs, folder, description)

    def frames(self, pairs: Pairs, row: int, begin: int, rng: np.random.Generator | None = None) -> Frames:
        """The frames of a window, augmented with `rng`."""
        return self.cropped(pairs.video[row][begin + self.frame_ticks], rng)

    def sound(self, pairs: Pairs, row: int, begin: int) -> Sound:
        """The sound of a window."""
        first = begin * self.packing.audio_per_tick
        return self.spectrogram(pairs.audio[row][first : first + self.window_samples])

    def places(self, kind: str, pairs: Pairs, row: int, begin: int) -> Int[np.ndarray, " P"]:
        """Where negatives of the window's own recording can begin."""
        num_begins = len(pairs.video[row]) - self.window_ticks + 1
        return self.shifts.places(kind, begin, num_begins, self.rate_hz)


class AvtsTowers(nn.Module):
    """Towers and loss."""

    def __init__(self, task: Avts) -> None:
        super().__init__()
        self.video, self.audio = McVideo(task.video), SoundCnn(task.audio)
        self.criterion = SyncCriterion(task.loss, task.video.dim, task.margin, task.temperature)

    def forward(self, batch: Batch, epoch: int) -> dict[str, Float[Tensor, ""]]:
        """The loss of a batch."""
        assert batch.negatives is not None
        video = self.video(as_input(batch.video))
        audio = self.audio(torch.cat((batch.audio, batch.negatives.flatten(0, 1))))
        negatives = audio[len(video) :].unflatten(0, (len(video), -1))
        return {"loss": self.criterion(video, audio[: len(video)], negatives)}


def as_input(windows: Num[Tensor, " B *form"]) -> Float[Tensor, " B *form"]:
    """Windows as networks take them: frames in 0…1."""
    return windows.float() / 255 if windows.dtype == torch.uint8 else windows


def sync_judgements(task: Avts, learner: nn.Module, pairs: Pairs, device: torch.device) -> dict[str, np.ndarray]:
    """Whether windows of `pairs`, in sync and out of sync, are judged right (N, 2), for each kind of negatives.

    Windows are spread evenly over each clip, the negatives are the same for all learners. Windows whose clip has
    nothing far enough away for every kind, or else for hard negatives, are left out if others remain.
    """
    assert isinstance(learner, AvtsTowers)
    windows = judged_windows(task, pairs)
    group = pairs.group[[row for row, _ in windows]]
    drawn = {
        name: mix.draw(len(windows), np.random.default_rng(1))
        for name, mix in ({"sync_accuracy": task.curriculum.last} | COMMON).items()
    }
    others = Negatives(group).draw(np.arange(len(windows)), 1, NegativeMix(), np.random.default_rng(0))[:, 0]
    with evaluating(learner):
        video = _vectors(learner.video, partial(task.frames, pairs), windows, device)
        own = _vectors(learner.audio, partial(task.sound, pairs), windows, device)
        audio = {"own": own, "easy": own[torch.from_numpy(others).to(device)]}
        for kind in sorted({kind for kinds in drawn.values() for kind in kinds} - {"easy"}):
            elsewhere = [(row, _elsewhere(task, kind, pairs, row, begin)) for row, begin in windows]
            audio[kind] = _vectors(learner.audio, partial(task.sound, pairs), elsewhere, device)
        scores = {kind: learner.criterion.scores(video, one).double().cpu().numpy() for kind, one in audio.items()}
    wrong = {name: np.array([scores[kind][place] for place, kind in enumerate(one)]) for name, one in drawn.items()}
    return {name: judged_right(scores["own"], one, group) for name, one in wrong.items()}


def judged_windows(task: Avts, pairs: Pairs) -> list[tuple[int, int]]:
    """Clip and place of each window that validation judges."""
    windows = [
        (row, begin)
        for row in range(len(pairs))
        for begin in spread_begins(len(pairs.video[row]), task.window_ticks, VALIDATION_WINDOWS)
    ]
    for kinds in (("hard", "super_hard"), ("hard",)):
        if usable := [one for one in windows if all(len(task.places(kind, pairs, *one)) for kind in kinds)]:
            return usable
    return windows


def _elsewhere(task: Avts, kind: str, pairs: Pairs, row: int, begin: int) -> int:
    """The same place for the same window every time; the window's own where there is none."""
    places = task.places(kind, pairs, row, begin)
    return int(np.random.default_rng([row, begin]).choice(places)) if len(places) else begin


def _vectors(
    tower: nn.Module, read: Callable[[int, int], np.ndarray], windows: list[tuple[int, int]], device: torch.device
) -> Float[Tensor, "N D"]:
    """Vectors of all windows, of which a few are in memory at once."""
    vectors = []
    for places in blocks(len(windows), _TOGETHER):
        inputs = torch.from_numpy(np.stack([read(*windows[place]) for place in places])).to(device)
        vectors.append(tower(as_input(inputs)).float())
    return torch.cat(vectors)
