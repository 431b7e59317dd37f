"""The task of classes: what does this clip show, or what is this sound? With the towers and windows of avts.

    frames or sound ─ windows ─ McVideo or SoundCnn up to its last maps ─ dropout ─ Linear → logits (B, K)

The tower starts untrained, or with the weights of a run of `avts` or `l3_net`: how much that helps is how
self-supervised training is judged (UCF101, HMDB51, ESC). A clip's logits are the mean over its windows. The set's own
lists decide what is held back (data/layouts.py).

Letters in shapes: B windows, N clips, K classes, T frames, U frames of sound, F filters.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float32, Num
from torch import Tensor, nn
from torch.nn import functional

from avmatch.artifacts.model import CLASSES
from avmatch.core.errors import UsageError
from avmatch.core.results import Progress
from avmatch.data.items import Items, Pairs
from avmatch.data.layouts import read_labelled
from avmatch.data.packing import name_of, of_list, pack
from avmatch.frontends.sound import SAMPLE_RATE_HZ
from avmatch.metrics.classes import macro_mean, top_k_hits
from avmatch.systems.avts.model import McVideo, McVideoConfig, SoundCnn, SoundCnnConfig
from avmatch.systems.avts.task import WindowTask, as_input
from avmatch.training.batches import random_begin, spread_begins, wrapped
from avmatch.training.distributed import first_alone
from avmatch.training.export import export_model
from avmatch.training.run import load_tower, run_task, with_fields
from avmatch.training.task import Batch, RowByRow, evaluating

SIDES = ("video", "audio")
#: Windows of each clip in validation.
_WINDOWS = 10


@dataclass(frozen=True)
class ClipClasses(WindowTask):
    """The task.

    Attributes:
        side: "video" or "audio".
        list_number: the official list or fold, from 1.
        subset: only this part of the set, such as "esc10"; "" = all.
        front_end: a run whose tower is taken, with its sizes; "" = from scratch, with the sizes of `video`, `audio`.
        rate_hz, window_seconds, side_px, spare_px, mirror_probability: as of Avts; best those of the run.
    """

    metrics: ClassVar[tuple[str, ...]] = ("top_1", "top_5", "macro_top_1")

    side: str = "video"
    list_number: int = 1
    subset: str = ""
    front_end: str = ""
    video: McVideoConfig = field(default_factory=McVideoConfig)
    audio: SoundCnnConfig = field(default_factory=SoundCnnConfig)
    rate_hz: float = 25.0
    window_seconds: float = 1.0
    side_px: int = 112
    spare_px: int = 16
    mirror_probability: float = 0.5
    dropout: float = 0.5
    label_smoothing: float = 0.1

    def __post_init__(self) -> None:
        if self.side not in SIDES:
            raise UsageError(f"side is one of {', '.join(SIDES)}, got {self.side!r}")

    @property
    def side_rate_hz(self) -> float:
        """Frames or samples a second."""
        return self.rate_hz if self.side == "video" else SAMPLE_RATE_HZ

    @property
    def window(self) -> int:
        """Frames or samples of a window."""
        return round(self.window_seconds * self.side_rate_hz)

    def read(self, data: str | Path, cache: Path, progress: Progress | None = None) -> Pairs:
        """The clips of a list of a set, packed into `cache` first."""
        root = Path(data) if Path(data).is_dir() else Path(data).parent
        clips = [clip for clip in read_labelled(data) if self.subset in ("", clip.subset)]
        if not clips:
            raise UsageError(f"{data}: has no subset {self.subset!r}")
        with first_alone():
            named = {name_of(clip, root): clip for clip in clips}
            pairs, failures = pack(named, (self.side,), cache, self.packing, source=data, progress=progress)
        if failures:
            first = failures[0]
            warnings.warn(f"{data}: {len(failures)} clips are left out; {first.path}: {first.message}", stacklevel=2)
        return of_list(pairs, clips, root, self.list_number)

    def learner(self, pairs: Pairs, seed: int) -> ClassReader:
        """Tower and classifier."""
        return ClassReader(self, self._tower(), len(pairs.label_names))

    def source(self, pairs: Pairs, learner: nn.Module, device: torch.device) -> RowByRow:
        """Random windows of either side as `video`, the class as `audio`."""
        return RowByRow(pairs, partial(self.labelled_window, pairs))

    def labelled_window(self, pairs: Pairs, row: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A random window of a clip, and its class."""
        begin = random_begin(len(self.items(pairs)[row]), self.window, rng)
        return self.clip_window(pairs, row, begin, rng), pairs.label[[row]]

    def validate(self, learner: nn.Module, pairs: Pairs, device: torch.device) -> Mapping[str, float]:
        """How often the right class is the likeliest and among the five likeliest, and the mean over classes."""
        logits = self.clip_logits(learner, pairs, device)
        first, five = (top_k_hits(logits, pairs.label, k) for k in (1, 5))
        return {
            "top_1": float(first.mean()),
            "top_5": float(five.mean()),
            "macro_top_1": macro_mean(first, pairs.label),
        }

    def export(self, learner: nn.Module, pairs: Pairs, folder: Path, description: Mapping[str, object]) -> None:
        """classes.onnx, which gives the logits of a window, and card.md."""
        seconds, classes = self.window / self.side_rate_hz, list(pairs.label_names)
        described = {"side": "classes", "window_seconds": seconds, "classes": classes}
        graph = self.exported(learner.get_submodule("reader"), self.side, self.window, described)
        export_model(CLASSES, {"classes": graph}, folder, description)

    def items(self, pairs: Pairs) -> Items:
        """Those of the side."""
        return pairs.video if self.side == "video" else pairs.audio

    def clip_window(
        self, pairs: Pairs, row: int, begin: int, rng: np.random.Generator | None = None
    ) -> Num[np.ndarray, " *form"]:
        """A window of a clip, frames augmented with `rng`; short clips are repeated."""
        part = wrapped(self.items(pairs)[row], begin, self.window)
        return self.cropped(part, rng) if self.side == "video" else self.spectrogram(part)

    def clip_logits(self, learner: nn.Module, pairs: Pairs, device: torch.device) -> Float32[np.ndarray, "N K"]:
        """The mean logits of up to _WINDOWS windows of each clip, spread evenly, in evaluation mode."""
        assert isinstance(learner, ClassReader)
        logits = []
        with evaluating(learner):
            for row in range(len(pairs)):
                begins = spread_begins(len(self.items(pairs)[row]), self.window, _WINDOWS)
                windows = np.stack([self.clip_window(pairs, row, begin) for begin in begins])
                logits.append(learner.logits(torch.from_numpy(windows).to(device)).mean(dim=0).cpu().numpy())
        return np.stack(logits)

    def _tower(self) -> McVideo | SoundCnn:
        """Of the run, or untrained."""
        config: McVideoConfig | SoundCnnConfig = getattr(self, self.side)
        if self.front_end:
            sizes = {self.side: run_task(self.front_end).get(self.side)}
            try:
                config = getattr(with_fields(self, sizes), self.side)
            except UsageError as error:
                raise UsageError(f"{self.front_end}: its recipe has no tower for {self.side}; avts has") from error
        if isinstance(config, SoundCnnConfig) and config.num_filters != self.audio.num_filters:
            raise UsageError(
                f"{self.front_end}: its tower takes {config.num_filters} filters; set task.audio.num_filters to that"
            )
        tower = McVideo(config) if isinstance(config, McVideoConfig) else SoundCnn(config)
        if self.front_end:
            load_tower(tower, self.front_end, self.side)
        return tower


class WindowReader(nn.Module):
    """A window → logits: what is exported."""

    def __init__(self, tower: McVideo | SoundCnn, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.tower = tower
        tower.set_submodule("head", nn.Identity())  # the classes' own layer replaces it
        self.classify = nn.Sequential(nn.Dropout(dropout), nn.Linear(tower.num_features, num_classes))

    def forward(self, window: Float[Tensor, " B *form"]) -> Float[Tensor, "B K"]:
        """The logits."""
        return self.classify(self.tower(window))


class ClassReader(nn.Module):
    """The network and its loss."""

    def __init__(self, task: ClipClasses, tower: McVideo | SoundCnn, num_classes: int) -> None:
        super().__init__()
        self.label_smoothing = task.label_smoothing
        self.reader = WindowReader(tower, num_classes, task.dropout)

    def forward(self, batch: Batch, epoch: int) -> dict[str, Float[Tensor, ""]]:
        """The loss of a batch, and the share of windows whose class is right."""
        logits, label = self.logits(batch.video), batch.audio[:, 0].long()
        loss = functional.cross_entropy(logits, label, label_smoothing=self.label_smoothing)
        return {"loss": loss, "right": (logits.argmax(dim=1) == label).float().mean()}

    def logits(self, windows: Num[Tensor, " B *form"]) -> Float[Tensor, "B K"]:
        """Of windows; of frames in 0…255 too."""
        return self.reader(as_input(windows)).float()
