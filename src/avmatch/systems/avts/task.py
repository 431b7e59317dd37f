"""The task of audio-visual temporal synchronisation (AVTS): does this second of sound go with this second of picture?

    frames (T, H, W, 3) of a window ─ McVideo  → vector (D) ┐
    samples of a window ─ filterbank ─ SoundCnn → vector (D) ┴ near where they are in sync

A window's own sound is the positive; its negatives come from other recordings, or from the same one at another time,
as the curriculum has it (systems/avts/negatives.py). The loss is one of sync_criteria.py.

Korbar, Tran and Torresani, "Cooperative learning of audio and video models from self-supervised synchronization"
(NeurIPS 2018). The vectors have length 1 where distances are compared; whether theirs have, isn't known here.

Validation asks for the sync accuracy (metrics/sync.py) of windows of the recordings that are held back: with
negatives as in the end of training (`sync_accuracy`), and with those of one kind, so that runs can be compared.

Letters in shapes: B windows, K negatives each, T frames, U frames of sound, F filters, S samples, D dimensions.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, UInt8
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
from avmatch.training.batches import read_packed
from avmatch.training.export import Exported, export_model, uniform
from avmatch.training.inference import blocks, evaluating
from avmatch.training.task import Batch
from avmatch.training.windows import cropped, spread_begins, waveform

#: Windows of each clip that validation looks at, and how many of them at once.
VALIDATION_WINDOWS, _TOGETHER = 8, 32
#: The kinds that all runs can be compared by; `mixed` is the curriculum's second half.
COMMON = {"easy": SyncMix(1, 0), "hard": SyncMix(0, 1), "mixed": SyncMix(3, 1)}


@dataclass(frozen=True)
class Avts:
    """The task.

    Attributes:
        loss: of LOSSES, with `margin` and `temperature`.
        rate_hz: frames a second; as many as there are in `window_seconds`, rounded to whole ones, are a window.
        num_frames: so many of a window are seen, evenly spread; 0 = all, 1 = the one in the middle, a still.
        side_px: of what is seen of the frames, whose sides are `spare_px` more: anywhere in training, the middle later.
        mirror_probability: left for right, in training.
        num_negatives: of each window.
        curriculum, shifts: which ones.
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
        num_frames, stretches = len(self.seen_ticks), self.video.num_stretches
        if self.video.num_ticks(num_frames) < stretches:
            left = (
                f"{num_frames} frames, of which video.kind={self.video.kind} leaves {self.video.num_ticks(num_frames)}"
            )
            raise UsageError(f"{left}, can't be cut into video.num_stretches={stretches}")

    @property
    def packing(self) -> PackSettings:
        """What is kept of the media."""
        side = self.side_px + self.spare_px
        return PackSettings(self.rate_hz, side, side, sound="samples", colours=3)

    @property
    def window_ticks(self) -> int:
        """Frames that are shown meanwhile."""
        return round(self.window_seconds * self.rate_hz)

    @property
    def seen_ticks(self) -> Int[np.ndarray, " T"]:
        """Which of them are seen."""
        num = self.num_frames or self.window_ticks
        return ((np.arange(num) + 0.5) * self.window_ticks / num).astype(np.int64)

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

    def source(self, pairs: Pairs, learner: nn.Module, device: torch.device) -> AvtsBatches:
        """Random windows."""
        return AvtsBatches(self, pairs)

    def validate(self, learner: nn.Module, pairs: Pairs, device: torch.device) -> Mapping[str, float]:
        """Sync accuracies; none, and a warning, where the pairs are of one recording: easy negatives are of others."""
        if len(np.unique(pairs.group)) < 2:
            told = (
                f"the {len(pairs)} held-back clips are of one recording: nothing is validated; raise validation_share"
            )
            warnings.warn(told, stacklevel=2)
            return {}
        right = sync_judgements(self, learner, pairs, device)
        return {
            name if name == "sync_accuracy" else f"sync_accuracy_{name}": float(r.mean()) for name, r in right.items()
        }

    def export(self, learner: nn.Module, pairs: Pairs, folder: Path, description: Mapping[str, object]) -> None:
        """video.onnx, audio.onnx and card.md."""
        video, audio = learner.get_submodule("video"), learner.get_submodule("audio")
        frames = (len(self.seen_ticks), self.side_px, self.side_px, 3)
        num_filters = self.audio.num_filters
        sound = filterbank(np.zeros(self.window_ticks * self.packing.audio_per_tick, np.float32), num_filters).shape
        common: dict[str, object] = {"window_seconds": self.window_ticks / self.rate_hz, "compared_by": self.loss}
        seen = common | {"input": "colour_frames", "rate_hz": self.rate_hz, "num_frames": frames[0]}
        seen |= {"side": "video", "height_px": self.side_px, "width_px": self.side_px}
        listened = common | {"side": "audio", "input": "filterbank", "num_filters": num_filters}
        graphs = {
            "video": Exported(video, uniform((num, *frames) for num in (2, 1, 3)), seen),
            "audio": Exported(audio, uniform(((num, *sound) for num in (2, 1, 3)), -13.0, 5.0), listened),
        }
        export_model(WINDOWS, graphs, folder, description)


class AvtsTowers(nn.Module):
    """Towers and loss."""

    def __init__(self, task: Avts) -> None:
        super().__init__()
        self.video, self.audio = McVideo(task.video), SoundCnn(task.audio)
        self.criterion = SyncCriterion(task.loss, task.video.dim, task.margin, task.temperature)

    def forward(self, batch: Batch, epoch: int) -> dict[str, Float[Tensor, ""]]:
        """The loss of a batch."""
        assert batch.negatives is not None
        video = self.video(batch.video.float() / 255)
        heard = self.audio(torch.cat((batch.audio, batch.negatives.flatten(0, 1))))
        negatives = heard[len(video) :].unflatten(0, (len(video), -1))
        return {"loss": self.criterion(video, heard[: len(video)], negatives)}


@dataclass(frozen=True, eq=False)
class AvtsBatches:
    """The source of batches."""

    task: Avts
    pairs: Pairs

    def __call__(self, rows: Int[np.ndarray, " B"], epoch: int, rng: np.random.Generator) -> Batch:
        """A random window of each of `rows`, with its own sound and others."""
        task, mix = self.task, self.task.curriculum.mix_at(epoch)
        begins = [int(rng.integers(num_begins(task, self.pairs, int(row)))) for row in rows]
        seen = [shown(task, self.pairs, int(row), begin, rng) for row, begin in zip(rows, begins, strict=True)]
        own = [heard(task, self.pairs, int(row), begin) for row, begin in zip(rows, begins, strict=True)]
        others = self._negatives.draw(rows, task.num_negatives, NegativeMix(), rng)
        strangers = [
            np.stack(
                [
                    self._stranger(int(row), begin, int(other), kind, rng)
                    for other, kind in zip(others[place], mix.draw(task.num_negatives, rng), strict=True)
                ]
            )
            for place, (row, begin) in enumerate(zip(rows, begins, strict=True))
        ]
        return Batch.of(self.pairs, rows, seen, own, strangers)

    @cached_property
    def _negatives(self) -> Negatives:
        return Negatives(self.pairs.group)

    def _stranger(
        self, row: int, begin: int, other: int, kind: str, rng: np.random.Generator
    ) -> Float32[np.ndarray, "U F"]:
        """A sound that doesn't belong; of `other` where it is to be easy, or the recording is too short."""
        task, pairs = self.task, self.pairs
        if kind != "easy":
            places = task.shifts.places(kind, begin, num_begins(task, pairs, row), task.rate_hz)
            if len(places):
                return heard(task, pairs, row, int(rng.choice(places)))
        return heard(task, pairs, other, int(rng.integers(num_begins(task, pairs, other))))


def num_begins(task: Avts, pairs: Pairs, row: int) -> int:
    """In how many places of a clip a window can begin."""
    return len(pairs.video[row]) - task.window_ticks + 1


def shown(
    task: Avts, pairs: Pairs, row: int, begin: int, rng: np.random.Generator | None = None
) -> UInt8[np.ndarray, "T H W 3"]:
    """The frames of a window, cut out anywhere and sometimes mirrored; in the middle and as they are without `rng`."""
    frames = pairs.video[row][begin + task.seen_ticks]
    return cropped(frames, task.side_px, task.spare_px, task.mirror_probability, rng)


def heard(task: Avts, pairs: Pairs, row: int, begin: int) -> Float32[np.ndarray, "U F"]:
    """The sound of a window."""
    per_tick = task.packing.audio_per_tick
    packed = pairs.audio[row][begin * per_tick : (begin + task.window_ticks) * per_tick]
    return filterbank(waveform(packed), task.audio.num_filters)


def sync_judgements(task: Avts, learner: nn.Module, pairs: Pairs, device: torch.device) -> dict[str, np.ndarray]:
    """Whether windows of `pairs`, in sync and out of sync, are judged right (N, 2), for each kind of negatives.

    Windows are spread evenly over each clip, the negatives the same for all learners. Windows of whose clip nothing is
    far enough away for every kind, or else for hard negatives, are left out, as long as others are there.
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
        video = _run(learner.video, partial(shown, task, pairs), windows, device)
        own = _run(learner.audio, partial(heard, task, pairs), windows, device)
        sounds = {"own": own, "easy": own[torch.from_numpy(others).to(device)]}
        for kind in sorted({kind for kinds in drawn.values() for kind in kinds} - {"easy"}):
            elsewhere = [(row, _elsewhere(task, kind, pairs, row, begin)) for row, begin in windows]
            sounds[kind] = _run(learner.audio, partial(heard, task, pairs), elsewhere, device)
        scores = {kind: learner.criterion.scores(video, audio).double().cpu().numpy() for kind, audio in sounds.items()}
    wrong = {name: np.array([scores[kind][place] for place, kind in enumerate(one)]) for name, one in drawn.items()}
    return {name: judged_right(scores["own"], one, group) for name, one in wrong.items()}


def judged_windows(task: Avts, pairs: Pairs) -> list[tuple[int, int]]:
    """Clip and place of each window that validation judges."""
    found: list[tuple[int, int]] = []
    for row in range(len(pairs)):
        begins = spread_begins(len(pairs.video[row]), task.window_ticks, VALIDATION_WINDOWS)
        found += [(row, begin) for begin in begins]
    for kinds in (("hard", "super_hard"), ("hard",)):
        if usable := [one for one in found if all(len(_places(task, kind, pairs, *one)) for kind in kinds)]:
            return usable
    return found


def _places(task: Avts, kind: str, pairs: Pairs, row: int, begin: int) -> Int[np.ndarray, " P"]:
    return task.shifts.places(kind, begin, num_begins(task, pairs, row), task.rate_hz)


def _elsewhere(task: Avts, kind: str, pairs: Pairs, row: int, begin: int) -> int:
    """The same place for the same window every time; the window's own where there is none."""
    places = _places(task, kind, pairs, row, begin)
    return int(np.random.default_rng([row, begin]).choice(places)) if len(places) else begin


def _run(
    tower: nn.Module, read: Callable[[int, int], np.ndarray], windows: list[tuple[int, int]], device: torch.device
) -> Float[Tensor, "N D"]:
    """Vectors of all windows, of which a few are in memory at once."""
    vectors = []
    for places in blocks(len(windows), _TOGETHER):
        inputs = torch.from_numpy(np.stack([read(*windows[place]) for place in places])).to(device)
        vectors.append(tower(inputs.float() / 255 if inputs.dtype == torch.uint8 else inputs).float())
    return torch.cat(vectors)
