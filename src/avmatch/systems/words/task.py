"""The task of word recognition: which word do these lips say?

    mouths of a word and around it (T, 112, 112) ─ augmented ─ front end → features (T, C) ─ head → logits

The word's frames are those of the table of words, begin and end moved by a few frames in training. Around them lies as
much context as any layer reaches, so the logits of a word do not depend on the other words of its batch.

A front end (model.py) starts from scratch, or with the weights of a run. It can stay frozen for some epochs, or for
all. A frozen one is faster when its features are computed once: DATA may be shards of features (T, C) at 25 a second
(benchmarks/word_features.py), from which the head alone learns.

Whole folds are held back (systems/words/data.py), so that `validation_share` goes in steps of 1 / num_folds.

Letters in shapes: B words, T frames, C channels, K classes, N words of a set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, Shaped
from torch import Tensor, nn
from torch.nn import functional

from avmatch.artifacts.model import WORDS as WORDS_KIND
from avmatch.core.errors import UsageError
from avmatch.core.results import Progress
from avmatch.data.items import Pairs
from avmatch.data.manifest import WORDS
from avmatch.data.shards import INDEX, open_shards
from avmatch.metrics.classes import macro_mean, top_k_hits
from avmatch.metrics.intervals import bootstrap_interval
from avmatch.systems.lips.augmentation import MouthAugmentation, MouthFrontEnd
from avmatch.systems.lips.model import LipCnnConfig
from avmatch.systems.lips.task import PACKING
from avmatch.systems.words import model
from avmatch.systems.words.data import WordFrames, WordSelection, find_words, read_spoken, word_folds
from avmatch.systems.words.runtime import WORDS_MODEL
from avmatch.training.batches import held, read_packed
from avmatch.training.export import TICKS, Exported, export_model, uniform
from avmatch.training.task import Batch, blocks, evaluating

#: The label of frames outside the word.
_OUTSIDE = -1
#: Words in a batch of validation.
_TOGETHER = 32


@dataclass(frozen=True)
class Words:
    """The task.

    Attributes:
        words: the words with their times: a table or talking clips (data.py); "" = DATA itself, or words.csv in it.
        selection: which of them count.
        num_folds, fold_seed: of the words that are held back together.
        front_end: a run whose front end is taken; "" = from scratch, with the sizes `video`.
        frozen_epochs: the front end is trained only after so many epochs.
        back_end: the layers over time.
        mouth: augmentation of the picture; features have none.
        jitter_ticks: begin and end of a word are moved by up to so many frames.
        mask_ticks: up to so many frames are hidden.
    """

    metrics: ClassVar[tuple[str, ...]] = ("top_1", "top_5", "macro_top_1", "num_words", "top_1_low", "top_1_high")

    words: str = ""
    selection: WordSelection = field(default_factory=WordSelection)
    num_folds: int = 5
    fold_seed: int = 0
    front_end: str = ""
    video: LipCnnConfig = field(default_factory=LipCnnConfig)
    frozen_epochs: int = 0
    back_end: model.BackEnd = field(default_factory=model.TcnBackEnd)
    mouth: MouthAugmentation = field(default_factory=MouthAugmentation)
    jitter_ticks: int = 2
    mask_ticks: int = 4
    dropout: float = 0.4
    label_smoothing: float = 0.1

    def __post_init__(self) -> None:
        if min(self.frozen_epochs, self.jitter_ticks, self.mask_ticks) < 0:
            raise UsageError(f"frozen_epochs, jitter_ticks and mask_ticks can't be negative, got {self}")

    @property
    def context_ticks(self) -> int:
        """Frames on either side of a word that its logits depend on."""
        return model.REACH_TICKS + self.back_end.reach_ticks

    def read(self, data: str | Path, cache: Path, progress: Progress | None = None) -> Pairs:
        """The words in the clips that the recipe `lips` reads, or in features of such clips."""
        is_packed = (Path(data) / INDEX).is_file()
        clips = open_shards(data) if is_packed else None
        if clips is None or clips.video_kind != "features":
            clips = read_packed(data, cache, PACKING, progress)
        source = Path(self.words or (Path(data) / WORDS if is_packed else data))
        if not source.exists():
            raise UsageError(f"{source}: no such table of words; name one with --set task.words=PATH")
        tokens = find_words(clips, read_spoken(source), self.selection)
        return Pairs(
            WordFrames(clips.video, tokens, self.context_ticks + self.jitter_ticks),
            tokens.label[:, None],
            tokens.names,
            word_folds(tokens, self.num_folds, self.fold_seed),
            tokens.label,
            tokens.vocabulary,
            clips.video_kind,
            video_rate_hz=clips.video_rate_hz,
        )

    def learner(self, pairs: Pairs, seed: int) -> WordReader:
        """Front end and head."""
        return WordReader(self, self._front_end(pairs), len(pairs.label_names))

    def source(self, pairs: Pairs, learner: nn.Module, device: torch.device) -> WordBatches:
        """Words, their begin and end moved a little each time."""
        return WordBatches(self, pairs, self.jitter_ticks)

    def validate(self, learner: WordReader, pairs: Pairs, device: torch.device) -> Mapping[str, float]:
        """How often the right word is the first answer, with the 95 % interval over files, and among the first five.

        `macro_top_1` is the mean over the words that are said.
        """
        logits = word_logits(learner, pairs, device)
        first, five = (top_k_hits(logits, pairs.label, k) for k in (1, 5))
        files = np.array([name.rpartition("#")[0] for name in pairs.names])
        found = {
            "top_1": float(first.mean()),
            "top_5": float(five.mean()),
            "macro_top_1": macro_mean(first, pairs.label),
            "num_words": float(len(pairs)),
        }
        if len(np.unique(files)) > 1:
            interval = bootstrap_interval(first, 0, group=files)
            found |= {"top_1_low": interval.low, "top_1_high": interval.high}
        return found

    def export(self, learner: WordReader, pairs: Pairs, folder: Path, description: Mapping[str, object]) -> None:
        """words.onnx and card.md."""
        reader = WordInContext(learner.front_end, learner.head, self.context_ticks)
        described: dict[str, object] = {
            "side": "words",
            "rate_hz": pairs.video_rate_hz,
            "context_frames": reader.context,
            "targets_only": self.selection.targets_only,
            "vocabulary": list(pairs.label_names),
        }
        if len(learner.shape) == 2:
            height_px, width_px = learner.shape
            described |= {"input": "frames", "crop": "mouth", "height_px": height_px, "width_px": width_px}
        else:
            described |= {"input": "features", "num_channels": learner.shape[0]}
        samples = uniform((num, ticks + 2 * reader.context, *learner.shape) for num, ticks in TICKS)
        export_model(WORDS_KIND, {WORDS_MODEL: Exported(reader, samples, described)}, folder, description)

    def _front_end(self, pairs: Pairs) -> model.FrontEnd:
        if pairs.video_kind == "features":
            return model.FrontEnd(nn.Identity(), int(pairs.video[0].shape[1]), 0)
        return model.read_front_end(self.front_end) if self.front_end else model.lip_front_end(self.video)


class WordInContext(nn.Module):
    """Frames of one word, with `context` frames on either side → logits."""

    def __init__(self, front_end: nn.Module, head: nn.Module, context: int) -> None:
        super().__init__()
        self.front_end, self.head, self.context = front_end, head, context

    def forward(self, frames: Float[Tensor, "B T *rest"]) -> Float[Tensor, "B K"]:
        """The logits."""
        ticks = self.front_end(frames)
        place = torch.arange(frames.shape[1], device=frames.device)
        is_word = (place >= self.context) & (place < frames.shape[1] - self.context)
        return self.head(ticks, is_word[None].expand(frames.shape[0], -1))


class WordReader(nn.Module):
    """Front end and head."""

    def __init__(self, task: Words, front_end: model.FrontEnd, num_classes: int) -> None:
        super().__init__()
        side_px, num_channels = front_end.side_px, front_end.num_channels
        self.task, self.shape = task, (side_px, side_px) if side_px else (num_channels,)
        self.mouth: nn.Module = MouthFrontEnd(task.mouth, side_px) if side_px else nn.Identity()
        self.front_end = front_end.network
        self.head = model.WordHead(num_channels, num_classes, task.back_end, task.dropout)

    def forward(self, batch: Batch, epoch: int) -> dict[str, Float[Tensor, ""]]:
        """The loss of a batch, and the share of words that it gets right."""
        is_frozen = epoch < self.task.frozen_epochs
        self.front_end.train(self.training and not is_frozen)
        frames = model.time_masked(self.mouth(batch.video).float(), self.task.mask_ticks)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not is_frozen):
            ticks = self.front_end(frames)
        logits, label = self.head(ticks, batch.audio != _OUTSIDE), batch.audio.amax(dim=1)
        loss = functional.cross_entropy(logits, label, label_smoothing=self.task.label_smoothing)
        return {"loss": loss, "right": (logits.argmax(dim=1) == label).float().mean()}

    def logits(self, batch: Batch) -> Float[Tensor, "B K"]:
        """Of words without augmentation."""
        return self.head(self.front_end(self.mouth(batch.video).float()), batch.audio != _OUTSIDE)


@dataclass(frozen=True, eq=False)
class WordBatches:
    """The source of batches: pictures or features, and in place of sound the word's number at each of its frames."""

    task: Words
    pairs: Pairs
    jitter_ticks: int

    def __call__(self, rows: Int[np.ndarray, " B"], epoch: int, rng: np.random.Generator) -> Batch:
        """The words of `rows`; the shorter ones are filled up with their last frame."""
        words = [self._word(int(row), rng) for row in rows]
        length, context = max(map(len, words)), self.task.context_ticks
        labels = np.full((len(rows), length), _OUTSIDE, np.int64)
        for label, frames, row in zip(labels, words, rows, strict=True):
            label[context : len(frames) - context] = self.pairs.label[row]
        return Batch.of(self.pairs, rows, [held(frames, 0, length) for frames in words], labels)

    def _word(self, row: int, rng: np.random.Generator) -> Shaped[np.ndarray, " T *rest"]:
        """A word and its context, cut out of the pair's frames, which are `task.jitter_ticks` more on either side."""
        frames, margin = self.pairs.video[row], self.task.jitter_ticks
        num_frames = len(frames) - 2 * (margin + self.task.context_ticks)
        early, late = rng.integers(-self.jitter_ticks, self.jitter_ticks + 1, size=2)
        late = max(late, early + 1 - num_frames)
        return frames[margin + early : len(frames) - margin + late]


def word_logits(learner: WordReader, pairs: Pairs, device: torch.device) -> Float32[np.ndarray, "N K"]:
    """The logits of each word without augmentation, in evaluation mode."""
    source, rng = WordBatches(learner.task, pairs, 0), np.random.default_rng(0)
    # Words of similar length together, so that little is filled up.
    order = np.argsort([len(pairs.video[row]) for row in range(len(pairs))], kind="stable")
    logits = np.empty((len(pairs), len(pairs.label_names)), np.float32)
    with evaluating(learner):
        for places in blocks(len(order), _TOGETHER):
            rows = order[places]
            logits[rows] = learner.logits(source(rows, 0, rng).to(device)).float().cpu().numpy()
    return logits
